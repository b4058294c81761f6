"""The command that copies into a hot folder the safe way.

Owns which folder and which name is meant, whether its rule would take it, the progress that a
person sees and the answer to Ctrl-C. Never copies by itself: `files.dropping` does, and no daemon
needs to run. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from masv_watch import files
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.cli.output import complain, say
from masv_watch.cli.whereabouts import shown_word
from masv_watch.config.load import find, load
from masv_watch.delivery.letters import count_text, size_text
from masv_watch.errors import ConfigError
from masv_watch.loops import SystemClock
from masv_watch.model import Rule
from masv_watch.names import shown
from masv_watch.watch.rules import Fate, Matcher, Standing, role

#: seconds between two lines of progress
_REFRESH_S = 0.2
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where drops are to go."""

    #: absolute
    folder: bytes
    #: the hot folder that it is or lies in; None when the configuration knows none
    rule: Rule | None

    def refusal(self, name: bytes, kind: str) -> str:
        """Say why the rule would never send an entry of that name; "" when it would."""
        if self.rule is None:
            return ""
        below = self.folder[len(self.rule.path) :].strip(b"/")
        path = below + b"/" + name if below else name
        matched = Matcher(self.rule).match(path, kind)
        if matched.fate is Fate.SKIP:
            return matched.reason
        standing = role(kind, self.rule.drop)
        if below or standing.standing is Standing.TAKEN:
            return ""
        return standing.findings[-1].detail


def drop(options: argparse.Namespace) -> int:
    """Copy files and folders into a hot folder, each whole and by one name change."""
    given = None if options.name is None else _one_name(options.name)
    if given is not None and len(options.files) > 1:
        raise WrongUsage("--as names one drop - give one FILE with it")
    target = target_of(options)
    sources = [os.path.abspath(os.fsencode(path)) for path in options.files]
    names = [given or os.path.basename(source) for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise WrongUsage(f"{shown_word(shown(name))} is given twice - drop one of them --as")
    loads = [_looked(source, target) for source in sources]
    for load_, name in zip(loads, names, strict=True):
        _assert_taken(target, name, load_)
    done = []
    for load_, name in zip(loads, names, strict=True):
        with _Progress(shown(name), load_.size) as progress:
            path = files.bring(load_, target.folder, name, proceed=progress.proceed)
        done.append(_record(load_, path))
        if not options.json:
            complain(*(f"masv-watch: left out: {clause}" for clause in load_.left_out))
            counted = f"{count_text(load_.files)}, {size_text(load_.size)}"
            say(f"{shown(path)} is dropped ({counted})")
    if options.json:
        say(json.dumps({"dropped": done}))
    return OK


def target_of(options: argparse.Namespace) -> Target:
    """Find the folder that was named: a hot folder's name, or a path with a slash in it.

    Raises:
        WrongUsage: no hot folder has that name.
        ConfigError: a name was given, and there is no configuration that could know it.
    """
    wanted = os.fsencode(options.to)
    is_path = b"/" in wanted or wanted in (b".", b"..")
    try:
        rules = _rules(options)
    except ConfigError:
        if not is_path or options.config:
            raise
        return Target(folder=os.path.abspath(wanted), rule=None)
    if not is_path:
        named = [rule for rule in rules if rule.name == options.to]
        if not named:
            known = ", ".join(rule.name for rule in rules) or "none"
            raise WrongUsage(
                f"there is no hot folder {shown_word(options.to)} - known: {known};"
                " write ./NAME for a path"
            )
        return Target(folder=named[0].path, rule=named[0])
    folder = os.path.abspath(wanted)
    real = os.path.realpath(folder)
    for rule in rules:
        root = os.path.realpath(rule.path)
        if real == root or real.startswith(root.rstrip(b"/") + b"/"):
            below = real[len(root) :].strip(b"/")
            return Target(folder=os.path.join(rule.path, below).rstrip(b"/"), rule=rule)
    complain(f"masv-watch: warning: {shown(folder)} is no hot folder of the configuration")
    return Target(folder=folder, rule=None)


def _rules(options: argparse.Namespace) -> tuple[Rule, ...]:
    path = find(options.config, os.environ)
    return load(path, environ=os.environ, with_secrets=False).settings.hot_folders


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
    refusal = target.refusal(name, "folder" if load_.is_folder else "file")
    if refusal and target.rule is not None:
        raise Ended(
            f"{shown(name)} would never be sent by hot folder {target.rule.name}: it {refusal}"
            f" - {_cure(load_)}"
        )


def _cure(load_: files.Load) -> str:
    kind = "what lies in it" if load_.is_folder else "it in a folder"
    return f"give another name with --as, or drop {kind}"


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
    _ended_by: int = 0
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> _Progress:
        self._began = self._shown_at = self._clock.monotonic()
        self._stack.enter_context(self._listening())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        if self._is_seen():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def proceed(self, size: int) -> None:
        """Count what was copied; end the copying between two blocks when a signal asked for it."""
        if self._ended_by:
            word = signal.Signals(self._ended_by).name
            raise Ended(f"ended by {word} - nothing of {self.name} stays in the folder")
        self.done += size
        now = self._clock.monotonic()
        if now - self._shown_at >= _REFRESH_S and self._is_seen():
            self._shown_at = now
            rate = size_text(int(self.done / max(now - self._began, 0.001)))
            share = 100 * self.done // max(self.size, 1)
            line = f"{self.name}  {min(share, 100)} %  of {size_text(self.size)}  {rate}/s"
            with contextlib.suppress(OSError):
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        # an exception out of a handler could fall between a name change and its end
        before = {number: signal.signal(number, self._end) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, _frame: object) -> None:
        self._ended_by = number

    def _is_seen(self) -> bool:
        return sys.stderr is not None and sys.stderr.isatty()
