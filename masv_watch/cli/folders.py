"""Which folder a person means: a hot folder by its name, or a path.

Owns the way from a word to a folder with the rule that it is under. Never looks into the folder.
Called by the commands that work on a folder without the daemon.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from masv_watch.cli.outcomes import WrongUsage
from masv_watch.cli.output import complain
from masv_watch.cli.whereabouts import shown_word
from masv_watch.config.finding import find
from masv_watch.config.load import load
from masv_watch.errors import ConfigError
from masv_watch.model import Rule
from masv_watch.names import shown
from masv_watch.watch.addresses import addressing, layout_of
from masv_watch.watch.markers import marker_of
from masv_watch.watch.rules import Fate, Matcher, Standing, role


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
        if not self.rule.is_enabled:
            return "lies in a hot folder that is disabled"
        left_out = self._matched(self.rule, name, kind)
        if left_out is not None:
            return left_out
        standing = role(kind, self.rule.drop)
        if self._below(self.rule) or self.rule.is_deep or standing.standing is Standing.TAKEN:
            return ""
        return standing.findings[-1].detail

    def cure(self, name: bytes, kind: str) -> str:
        """Say what helps an entry that the rule would never send."""
        if self.rule is not None and not self.rule.is_enabled:
            return "set `enabled: true` for it, then masv-watch reload"
        instead = "drop what lies in it" if kind == "folder" else "drop it in a folder"
        is_left_out = self.rule is not None and self._matched(self.rule, name, kind) is not None
        return f"give another name with --as, or {instead}" if is_left_out else instead

    def _below(self, rule: Rule) -> bytes:
        return self.folder[len(rule.path) :].strip(b"/")

    def _matched(self, rule: Rule, name: bytes, kind: str) -> str | None:
        """Say what leaves an entry out; None for what is kept."""
        below = self._below(rule)
        matched = Matcher(rule).match(below + b"/" + name if below else name, kind)
        return matched.reason if matched.fate is Fate.SKIP else None

    def waits_for(self, name: bytes, kind: str) -> Iterator[str]:
        """Say what a drop needs before it goes; nothing where it needs nothing."""
        rule = self.rule
        if rule is None:
            return
        below = self._below(rule)
        top = below + b"/" + name if below else name
        if layout_of(rule).drop_of(top) != top or (rule.is_deep and kind == "folder"):
            # a part of a drop, an address, or a folder of drops
            return
        for objection in addressing(rule, top):
            if objection.hold is not None:
                yield f"masv-watch: it is held: {objection.note}, and nobody else is named"
                return
        for path in self._beside(rule, top, kind):
            if path.startswith(top + b"/") and kind != "folder":
                yield (
                    f"masv-watch: it is held: {shown(path)} would have to lie in it, and it is a"
                    " file - drop it in a folder"
                )
            else:
                whole = shown(os.path.join(rule.path, path))
                yield f"masv-watch: it goes once {whole} is there"

    @staticmethod
    def _beside(rule: Rule, top: bytes, kind: str) -> Iterator[bytes]:
        if rule.drop_marker is not None:
            yield marker_of(rule.drop_marker, top, kind)
        if rule.sidecar is not None and rule.sidecar.required:
            yield marker_of(rule.sidecar.name, top, kind)


def target_of(word: str, options: argparse.Namespace) -> Target:
    """Find the folder that was named: a hot folder's name, or a path with a slash in it.

    Raises:
        WrongUsage: no hot folder has that name.
        ConfigError: a name was given, and there is no configuration that could know it.
    """
    wanted = os.fsencode(word)
    is_path = b"/" in wanted or wanted in (b".", b"..")
    try:
        rules = rules_of(options)
    except ConfigError:
        if not is_path or options.config:
            raise
        return Target(folder=os.path.abspath(wanted), rule=None)
    if not is_path:
        named = [rule for rule in rules if rule.name == word]
        if not named:
            raise WrongUsage(f"{unknown(word, rules)}; write ./NAME for a path")
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


def rules_of(options: argparse.Namespace) -> tuple[Rule, ...]:
    """Give the rules of the configuration, without their secrets.

    Raises:
        ConfigError
    """
    path = find(options.config, os.environ)
    return load(path, environ=os.environ, with_secrets=False).settings.hot_folders


def unknown(name: str, rules: Sequence[Rule]) -> str:
    """Say that no hot folder has a name, and which there are."""
    known = ", ".join(rule.name for rule in rules) or "none"
    return f"there is no hot folder {shown_word(name)} - known: {known}"
