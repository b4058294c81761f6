"""Have the configuration read by a process of its own, which ends with all that it took.

Owns that process and what is said to it. Never reads the file itself where the process does. Called
by the daemon at start and reload, and for the calls that ask about the file.

The libraries that read and check a configuration take a third of the memory of a daemon that rests,
and are needed for moments of its life.

Law 1. What is asked and answered goes through pipes alone: no secret is put on a command line, into
       an environment or into a file.
Law 2. A process that cannot be had changes no answer: then the file is read here.
Law 3. What another version of the program answers is not taken over.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from masv_watch.config.handover import Effective, Imported, Loaded, NotOurs, heard, unpacked
from masv_watch.errors import ConfigError

T = TypeVar("T")

log = logging.getLogger(__name__)

#: isolated from the working folder, it is told where we found our own modules
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:];"
    " from masv_watch.config.answering import answer; answer(sys.stdin.buffer, sys.stdout.buffer)"
)
#: pydantic looks for plugins among all packages that are installed: a tenth of the process's time,
#: and what it would find is none of ours
_ALONE = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}


def load(path: str, *, environ: Mapping[str, str]) -> Loaded:
    """Load one file with its secrets, as `config.load` does.

    Raises:
        ConfigError: it cannot be used; `problems` holds every reason, in the order of the file.
    """
    answer = _answer({"about": "configuration", "path": path}, environ)
    if answer is None:
        # its libraries stay from now on, which the process was to spare us
        from masv_watch.config import load as loading  # noqa: PLC0415 - only where no process was

        return loading.load(path, environ=environ)
    return _read(unpacked, answer, path)


def effective(path: str, *, environ: Mapping[str, str]) -> list[Effective]:
    """Give every value that counts in one file, as `config.effective` does: no secret is read.

    Raises:
        ConfigError: as `load`.
    """
    answer = _answer({"about": "values", "path": path}, environ)
    if answer is None:
        from masv_watch.config import effective as telling  # noqa: PLC0415 - as for `load`

        return telling.effective(path, environ=environ)
    return [Effective(**each) for each in _read(heard, answer, path)]


def json_schema(*, environ: Mapping[str, str]) -> dict[str, Any]:
    """Give the JSON Schema of the file, as `config.describing` does."""
    answer = _answer({"about": "schema"}, environ)
    if answer is None:
        from masv_watch.config import describing  # noqa: PLC0415 - as for `load`

        return describing.json_schema()
    return dict(_read(heard, answer, "the schema"))


def converted(text: str, *, unit: str | None, environ: Mapping[str, str]) -> Imported:
    """Give what a provisioning file becomes, as `config.importing` does.

    Raises:
        ConfigError: it is no YAML.
    """
    answer = _answer({"about": "import", "text": text, "unit": unit}, environ)
    if answer is None:
        from masv_watch.config import importing  # noqa: PLC0415 - as for `load`

        return importing.converted("the provisioning file", text, unit=unit)
    return Imported(**_read(heard, answer, "the provisioning file"))


def _read(read: Callable[[bytes], T], answer: bytes, what: str) -> T:
    try:
        return read(answer)
    except NotOurs as error:
        reason = f"{what}: {error}: the program was replaced while it ran"
        raise ConfigError((f"{reason} - restart the daemon",)) from None


def _answer(question: Mapping[str, Any], environ: Mapping[str, str]) -> bytes | None:
    """Give what the process says; None when there was none, or it did not come to its end."""
    flags = ["-I", *(["-X", "utf8"] if sys.flags.utf8_mode else [])]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter with our own program
            [sys.executable, *flags, "-c", _PROGRAM, *filter(None, sys.path)],
            input=json.dumps(question).encode("ascii"),
            stdout=subprocess.PIPE,
            env={**environ, **_ALONE},
            check=False,
        )
    except (OSError, ValueError) as error:
        log.warning("no process for the configuration", extra={"reason": str(error)})
        return None
    if done.returncode:
        log.warning("the process for the configuration ended", extra={"status": done.returncode})
        return None
    return done.stdout
