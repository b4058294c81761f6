"""What a helper needs to know of a masv-watch, and what is wrong with it first.

Owns what is collected and the order of what is wrong. Never changes anything, and lets no secret
out: whatever is collected passes what takes them out. Called by the command `doctor`, which asks
the daemon by its API, and for that API by `inquiries`.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from masv_watch import __version__, files
from masv_watch.check import examine
from masv_watch.config.handover import Effective, Loaded
from masv_watch.model import Diagnosis, Rule
from masv_watch.names import shown

_LIBRARIES = ("watchdog", "requests", "urllib3", "pycurl", "waitress", "bottle", "pydantic")
#: findings of one kind that are listed
_LISTED = 20


@dataclass(slots=True)
class Collection:
    """A diagnosis in the making."""

    #: takes the secrets out of a text
    clean: Callable[[str], str]
    #: what is wrong, the worst first
    wrong: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def refused(self, problems: Sequence[str]) -> None:
        """Take in why a configuration cannot be used."""
        self.wrong += problems
        self.texts["check.txt"] = "\n".join(problems)

    def configuration(
        self,
        file: str,
        loaded: Loaded,
        values: Iterable[Effective],
        *,
        probe: bool,
        environ: Mapping[str, str],
    ) -> None:
        """Take in a configuration, and with `probe` the world that it names."""
        found = examine(loaded, file=file, probe=probe, environ=environ)
        self.wrong += [*found.problems, *found.warnings]
        self.texts["check.txt"] = "\n".join([*found.problems, *found.warnings, *found.ok])
        lines = (f"{each.key}: {each.value}  <- {each.origin}" for each in values)
        self.texts["config.txt"] = "\n".join(lines)

    def daemon(self, answers: Mapping[str, Any]) -> None:
        """Take in what a daemon says of itself: health, hot_folders, drops, uploads, stats."""
        self._note(answers)
        self.wrong[:0] = _troubles(answers)

    def records(self, *, log: Sequence[str], metrics: str) -> None:
        """Take in the newest lines of a daemon's log, and its metrics as they are scraped."""
        self.texts["log.txt"] = "\n".join(log)
        self.texts["metrics.txt"] = metrics.rstrip("\n")

    def silence(self, answers: Mapping[str, Any], told: Sequence[str], *, is_cause: bool) -> None:
        """Take in why a daemon answers no more than this: the cause of all, or what follows."""
        self._note(answers)
        self.texts["daemon.txt"] = "\n".join(told)
        if is_cause:
            self.wrong[:0] = told
        else:
            self.wrong += told

    def _note(self, answers: Mapping[str, Any]) -> None:
        self.texts |= {f"{name}.json": json.dumps(each, indent=2) for name, each in answers.items()}

    def machine(self, rules: Iterable[Rule]) -> None:
        """Take in the machine, and the file systems of these hot folders."""
        self.texts["machine.txt"] = "\n".join(_machine(rules))

    def diagnosis(self) -> Diagnosis:
        """Give all of it without a secret."""
        wrong = tuple(dict.fromkeys(map(self.clean, self.wrong)))
        head = "What is wrong, the worst first:" if wrong else "Nothing is wrong that can be seen."
        texts = {name: self.clean(text) for name, text in self.texts.items()}
        return Diagnosis(wrong=wrong, texts={"README.txt": "\n".join([head, "", *wrong]), **texts})


def _troubles(answers: Mapping[str, Any]) -> list[str]:
    """List what the daemon says is wrong: itself, what failed, what is held; each with its cure."""
    health = answers["health"]
    found = [] if health.get("ready") else [f"not ready: {health.get('why')}"]
    found += [str(each) for each in health.get("concerns", [])]
    failed = [each for each in answers["uploads"] if each.get("state") == "error"]
    found += [
        f"upload {each.get('upload_id')} failed: {each.get('error', {}).get('message')}"
        f" - {each.get('error', {}).get('cure')}"
        for each in failed[:_LISTED]
    ]
    held = [each for each in answers["drops"] if each.get("reason")]
    found += [
        f"{each.get('hot_folder')}/{each.get('path')} is held ({each.get('reason')}):"
        f" {each.get('note')} - {each.get('cure')}"
        for each in held[:_LISTED]
    ]
    more = max(len(failed) - _LISTED, 0) + max(len(held) - _LISTED, 0)
    return [*found, *([f"and {more} more; the files beside this one list them"] if more else [])]


def _machine(rules: Iterable[Rule]) -> list[str]:
    lines = [
        f"masv-watch {__version__}",
        f"python {platform.python_version()}",
        platform.platform(),
    ]
    for library in _LIBRARIES:
        try:
            lines.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{library} is not installed")
    lines.append(f"user {os.geteuid()}, notifications {asdict(files.held_notifications())}")
    return [*lines, *(f"{shown(each.path)}: {files.filesystem_kind(each.path)}" for each in rules)]
