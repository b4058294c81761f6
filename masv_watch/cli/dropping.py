"""The command that copies into a hot folder the safe way.

Owns which folder and which name is meant, whether its rule would take it, the progress that a
person sees and the answer to Ctrl-C. Never copies by itself: `files.dropping` does. No daemon needs
to run; one that does is asked whether the folder is there. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from dataclasses import dataclass, field

from masv_watch import files
from masv_watch.cli.endings import Ending
from masv_watch.cli.folders import Target, target_of
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.cli.output import complain, say
from masv_watch.cli.standing import assert_stands
from masv_watch.cli.whereabouts import shown_word
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted
from masv_watch.loops import SystemClock
from masv_watch.names import shown

#: seconds between two lines of progress
_REFRESH_S = 0.2
#: bytes of what takes long enough to be told of
_LARGE = 64 * 1024 * 1024


def drop(options: argparse.Namespace) -> int:
    """Copy files and folders into a hot folder, each whole and by one name change."""
    given = None if options.name is None else _one_name(options.name)
    if given is not None and len(options.files) > 1:
        raise WrongUsage("--as names one drop - give one FILE with it")
    target = target_of(options.to, options)
    sources = [os.path.abspath(os.fsencode(path)) for path in options.files]
    names = [given or os.path.basename(source) for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise WrongUsage(f"{shown_word(shown(name))} is given twice - drop one of them --as")
    loads = [_looked(source, target) for source in sources]
    for load_, name in zip(loads, names, strict=True):
        _assert_taken(target, name, load_)
    remark = "" if target.rule is None else assert_stands(target.rule, options)
    done = []
    for load_, name in zip(loads, names, strict=True):
        with _Progress(shown(name), load_.size) as progress:
            path = files.bring(load_, target.folder, name, proceed=progress.proceed)
        done.append(_record(load_, path))
        if not options.json:
            complain(*(f"masv-watch: left out: {clause}" for clause in load_.left_out))
            complain(*target.waits_for(name, "folder" if load_.is_folder else "file"))
            told = f"{counted(load_.files, 'file')}, {size_text(load_.size)}"
            say(f"{shown(path)} is dropped ({told})")
    if remark:
        complain(f"masv-watch: warning: {remark}")
    if options.json:
        say(json.dumps({"dropped": done}))
    return OK


def _one_name(text: str) -> bytes:
    name = os.fsencode(text)
    if not name or b"/" in name or name in (b".", b".."):
        raise WrongUsage(f"{shown_word(text)} is no name - --as takes one name without a slash")
    return name


def _looked(source: bytes, target: Target) -> files.Load:
    load_ = files.look(source)
    inside = os.path.realpath(target.folder) + b"/"
    if inside.startswith(os.path.join(load_.above, load_.name) + b"/"):
        raise WrongUsage(
            f"{shown(target.folder)} lies in {shown(source)} - a folder cannot hold its own copy"
        )
    return load_


def _assert_taken(target: Target, name: bytes, load_: files.Load) -> None:
    with files.Root.open(target.folder) as there:
        files.assert_free(there, name)
    kind = "folder" if load_.is_folder else "file"
    refusal = target.refusal(name, kind)
    if refusal and target.rule is not None:
        raise Ended(
            f"{shown(name)} would never be sent by hot folder {target.rule.name}: it {refusal}"
            f" - {target.cure(name, kind)}"
        )


def _record(load_: files.Load, path: bytes) -> dict[str, object]:
    return {
        "source": shown(os.path.join(load_.above, load_.name)),
        "path": shown(path),
        "files": load_.files,
        "size": load_.size,
        "left_out": list(load_.left_out),
    }


@dataclass(slots=True)
class _Progress:
    """The copying of one drop before a person who may end it."""

    name: str
    size: int
    done: int = 0
    _clock: SystemClock = field(default_factory=SystemClock)
    _began: float = 0.0
    _shown_at: float = 0.0
    _ending: Ending = field(default_factory=Ending)

    def __enter__(self) -> _Progress:
        self._began = self._shown_at = self._clock.monotonic()
        if self.size >= _LARGE:
            # a person sees at once that something begins
            self._shown_at -= _REFRESH_S
        self._ending.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.stop()
        if self._is_seen():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def proceed(self, size: int) -> None:
        """Count what was copied; end the copying between two blocks when a signal asked for it."""
        self._ending.check(f"nothing of {self.name} stays in the folder")
        self.done += size
        now = self._clock.monotonic()
        if now - self._shown_at >= _REFRESH_S and self._is_seen():
            self._shown_at = now
            rate = size_text(int(self.done / max(now - self._began, 0.001)))
            share = 100 * self.done // max(self.size, 1)
            line = f"{self.name}  {min(share, 100)} %  of {size_text(self.size)}  {rate}/s"
            with contextlib.suppress(OSError):
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def _is_seen(self) -> bool:
        return sys.stderr is not None and sys.stderr.isatty()
