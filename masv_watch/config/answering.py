"""Be the process that reads a configuration for the daemon.

Owns the answer to one question, through pipes: a configuration, its values, the schema of all, or
what a provisioning file becomes. Never writes anything else. Started by `apart`.

It stands alone because whoever asks must not bring in what is needed to answer.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO

from masv_watch.config.describing import json_schema
from masv_watch.config.effective import effective
from masv_watch.config.handover import packed, refused, told
from masv_watch.config.importing import converted
from masv_watch.config.load import load
from masv_watch.errors import ConfigError


def answer(asked: BinaryIO, said: BinaryIO) -> None:
    """Read what is asked, and say it or every reason why it cannot be said."""
    # a key that is pressed ends the daemon, which ends when it has its answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    question = json.loads(asked.read())
    try:
        content = _ANSWERS[question["about"]](question)
    except ConfigError as error:
        content = refused(error.problems)
    said.write(content)
    said.flush()


def _values(question: Mapping[str, Any]) -> bytes:
    return told([asdict(each) for each in effective(question["path"], environ=os.environ)])


def _imported(question: Mapping[str, Any]) -> bytes:
    made = converted("the provisioning file", question["text"], unit=question["unit"])
    return told(asdict(made))


_ANSWERS: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
    "configuration": lambda question: packed(load(question["path"], environ=os.environ)),
    "values": _values,
    "schema": lambda _question: told(json_schema()),
    "import": _imported,
}
