"""The commands that show what an edit of the configuration would do, and that have it taken over.

Owns which settings are handed to the daemon, and the lines about what it answers. Never compares:
the daemon does, with its running rules, its ledger and its rights. Called by the table of commands.

Law 1. No secret is read from the new file and none leaves this process.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence

from masv_watch.cli.answers import Json, NotOurs, printable
from masv_watch.cli.caller import WALK_S, place
from masv_watch.cli.desk import desk_of
from masv_watch.cli.outcomes import OK, USAGE, AnswerLost, DaemonUnreachable, lines_of
from masv_watch.cli.output import complain, say
from masv_watch.config import portable
from masv_watch.config.finding import find
from masv_watch.config.load import load
from masv_watch.delivery.letters import size_text
from masv_watch.errors import ConfigError
from masv_watch.figures import counted
from masv_watch.reloads import AT_RESTART

_SIGNS = {"send": "+", "send_anew": "!", "stop": "-", "hold": "=", "alter": "~"}
_WORDS = {
    "send": "would be sent",
    "send_anew": "would be sent anew",
    "stop": "would not be sent",
    "hold": "would be held",
    "alter": "would go otherwise",
}
_CHANGES = {
    "new": "is new",
    "removed": "is removed: what is on its way goes on",
    "enabled": "is enabled",
    "disabled": "is disabled: what is on its way goes on",
    "renamed": "is renamed",
    "changed": "changes",
}

_GOES_ON, _NOT_ASKED = "the earlier configuration goes on", "no daemon was asked"


def plan(options: argparse.Namespace) -> int:
    """Print what the configuration given would change at the running daemon."""
    tree, warnings = _edited(options.config, os.environ)
    complain(*warnings)
    desk = desk_of(options)
    body = {"settings": tree}
    lines, answer = desk.caller.send("POST", place("plan"), _lines, body, within_s=WALK_S)
    desk.print(answer, *lines)
    return OK


def reload(options: argparse.Namespace) -> int:
    """Have the daemon take over its configuration file as it stands now, or nothing of it.

    It is asked of a file with a mistake too, so that its status and metrics say what was refused.
    """
    try:
        desk = desk_of(options, is_told=False)
    except ConfigError as error:
        return _refused(error.problems, {"problems": list(error.problems)}, options, _NOT_ASKED)
    found = desk.where.problems
    try:
        refused, tree = desk.caller.send("POST", place("reload"), _problems, good=(200, 422))
    except DaemonUnreachable as error:
        if not found or isinstance(error, AnswerLost):
            raise
        return _refused([*found, *lines_of(error)], {"problems": list(found)}, options, _NOT_ASKED)
    if refused:
        return _refused(refused, tree, options, _GOES_ON)
    complain(*(printable(line) for line in tree["warnings"]))
    waits = [f"{printable(key)} changes at the next restart" for key in tree["waits_for_restart"]]
    desk.print(tree, "the configuration is taken over", *waits)
    return OK


def _refused(problems: Sequence[str], tree: Json, options: argparse.Namespace, outcome: str) -> int:
    if options.json:
        say(json.dumps(tree))
    complain(*problems, f"masv-watch: nothing was taken over, {outcome}")
    return USAGE


def _problems(tree: Json) -> list[str]:
    """Read why a reload was refused; nothing when it was not.

    Raises:
        NotOurs: it is no answer of a reload.
    """
    if not isinstance(tree, dict) or not {"warnings", "problems", "message"} & set(tree):
        raise NotOurs("it is no answer to a reload")
    if "warnings" in tree and isinstance(tree.get("waits_for_restart"), list):
        return []
    found = tree.get("problems") or [tree.get("message", "")]
    return ["\n".join(printable(line) for line in str(each).split("\n")) for each in found]


def _edited(named: str | None, environ: Mapping[str, str]) -> tuple[Json, tuple[str, ...]]:
    """Load the new file as it is handed on, with its warnings.

    Where it names no state the environment chooses one, and ours is not the daemon's: then the
    running one counts.

    Raises:
        ConfigError
    """
    path = find(named, environ)
    loaded = load(path, environ=environ, with_secrets=False)
    elsewhere = {**environ, "STATE_DIRECTORY": "/another"}
    other = load(path, environ=elsewhere, with_secrets=False).settings.state
    tree = portable.write(loaded.settings)
    return {**tree, "state": "" if other == "/another" else tree["state"]}, loaded.warnings


def _lines(tree: Json) -> list[str]:
    """Read a plan and write it for people.

    Raises:
        NotOurs: it is none.
    """
    if not isinstance(tree, dict) or not {"keys", "hot_folders"} <= set(tree):
        raise NotOurs("it is no plan")
    try:
        found = [_key(each) + _delay(each) for each in tree["keys"]]
        for folder in tree["hot_folders"]:
            found += _folder(folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise NotOurs("a plan of another form") from error
    return found or ["nothing changes"]


def _folder(tree: Json) -> Iterator[str]:
    was = f" (was {printable(tree['was'])})" if tree["was"] else ""
    yield f"hot folder {printable(tree['name'])}{was} {_CHANGES[tree['change']]}"
    yield from (f"  {_key(each)}" for each in tree["keys"])
    yield from (f"  note: {printable(note)}" for note in tree["notes"])
    for effect in tree["effects"]:
        yield from (f"  {line}" for line in _effect(effect))
    if tree["more"]:
        yield f"  ... and {counted(tree['more'], 'drop')} more"
    if tree["frozen"]:
        keep = "keeps what it was" if tree["frozen"] == 1 else "keep what they were"
        yield f"  {counted(tree['frozen'], 'drop')} on the way {keep} taken with"


def _effect(tree: Json) -> Iterator[str]:
    kind, upload = tree["kind"], tree["upload_id"]
    holds = f"{counted(tree['files'], 'file')}, {size_text(tree['size'])}" if tree["files"] else ""
    beside = "; ".join(each for each in (holds, upload and f"upload {upload}") if each)
    does, to = _WORDS[kind], printable(tree.get("to", ""))
    if to and kind != "alter":
        # a daemon of before names nobody
        does += f", for {to}" if kind == "hold" else f" to {to}"
    line = f"{_SIGNS[kind]} {printable(tree['path'])} {does}: {printable(tree['why'])}"
    yield f"{line} ({printable(beside)})" if beside else line
    yield from (f"    {_key(each)}" for each in tree["changes"])


def _delay(tree: Json) -> str:
    """Say of a key outside of hot folders that a reload does not take it over."""
    if tree["key"] not in AT_RESTART:
        return ""
    lost = "; what the earlier one knows as delivered is not known there" * (tree["key"] == "state")
    return f" (at the next restart, not by a reload{lost})"


def _key(tree: Json) -> str:
    before, after = printable(tree["before"]), printable(tree["after"])
    return f"{printable(tree['key'])}: {before} -> {after}"
