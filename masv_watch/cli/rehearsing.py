"""The command that runs rules on a list of paths, or on a folder, without touching anything.

Owns where the paths come from and how each entry's outlook is printed. Never decides:
`watch.outlooks` asks the deciders of intake. Called by the table of commands; no daemon needs to
run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from masv_watch import files
from masv_watch.cli.answers import printable
from masv_watch.cli.folders import rules_of, unknown
from masv_watch.cli.listings import Listing, read
from masv_watch.cli.outcomes import OK, Ended, WrongUsage
from masv_watch.cli.output import say
from masv_watch.cli.whereabouts import shown_word
from masv_watch.config.guarded import read_text
from masv_watch.config.problems import Wrong
from masv_watch.delivery.letters import size_text
from masv_watch.figures import counted
from masv_watch.loops import SystemClock
from masv_watch.model import DropMode, Prospect, Rule, Terms
from masv_watch.names import shown
from masv_watch.watch.outlooks import Outlook, Outlooks
from masv_watch.watch.rules import Fate, Matcher
from masv_watch.watch.scan import Tree, sweep
from masv_watch.watch.tops import tops

#: bytes of a listing
_LARGEST = 128 * 1024 * 1024


def rehearse(options: argparse.Namespace) -> int:
    """Print for each entry of a listing or a folder what each rule would make of it."""
    if (options.listing is None) == (options.path is None):
        raise WrongUsage("name a LISTING, - for standard input, or --path DIR")
    rules = _chosen(options)
    clock = SystemClock()
    folders = []
    with _opened(options) as root_for:
        for rule in rules:
            outlooks = _outlooks(rule, root_for(rule), clock)
            if options.json:
                folders.append(_folder(rule, outlooks))
            else:
                _say_folder(rule, outlooks)
    if options.json:
        say(json.dumps({"hot_folders": folders}))
    return OK


def _chosen(options: argparse.Namespace) -> Sequence[Rule]:
    rules = rules_of(options)
    if options.folder is not None:
        named = [rule for rule in rules if rule.name == options.folder]
        if not named:
            raise WrongUsage(unknown(options.folder, rules))
        return named
    if options.path is not None:
        real = os.path.realpath(os.fsencode(options.path))
        own = [rule for rule in rules if os.path.realpath(rule.path) == real]
        return own or rules
    return rules


def _content(name: str) -> bytes:
    try:
        if name == "-":
            return b"" if sys.stdin is None else sys.stdin.buffer.read(_LARGEST)
        return read_text(os.path.abspath(name), _LARGEST)[0]
    except Wrong as wrong:
        raise Ended(f"the listing {shown_word(name)} {wrong.message}") from wrong
    except OSError as error:
        raise Ended(f"the listing {shown_word(name)} cannot be read: {error.strerror}") from error


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Callable[[Rule], files.Root]]:
    """Give what a rule's entries are walked in.

    Raises:
        Ended, SourceError: there is nothing to walk through.
    """
    if options.path is not None:
        path = os.path.abspath(os.fsencode(options.path))
        with ExitStack() as until_told:
            yield lambda rule: until_told.enter_context(files.Root.open(path, follow=rule.follow))
        return
    content = _content(options.listing)

    def listed(rule: Rule) -> files.Root:
        listing: Listing = read(content, rule.path, by_nul=options.by_nul)
        # it answers all that the tests ask of a root
        return cast(files.Root, listing)

    yield listed


def _outlooks(rule: Rule, root: files.Root, clock: SystemClock) -> Iterator[Outlook]:
    matcher, foresight = Matcher(rule), Outlooks(rule, clock=clock)
    local = clock.local(clock.wall())
    foresight.meet(
        entry
        for entry in tops(root, matcher)
        if isinstance(entry, files.Observation)
        and matcher.match(entry.path, entry.kind).fate is Fate.KEEP
    )
    for tree in sweep(root, matcher):
        yield foresight.outlook(root, tree, local=local)


def _say_folder(rule: Rule, outlooks: Iterable[Outlook]) -> None:
    say(f"{printable(rule.name)} ({rule.at}), drop: {rule.drop.value}")
    for each in outlooks:
        say(*(f"  {line}" for line in _lines(rule, each)))


def _lines(rule: Rule, found: Outlook) -> Iterator[str]:
    tree = found.tree
    name = shown(tree.top) + ("/" if tree.kind == "folder" else "")
    if found.prospect is Prospect.LEFT_OUT:
        yield f"{name}: left out: {found.why}{_at(found.rule_at)}"
        return
    if found.prospect is Prospect.HELD:
        yield f"{name}: held ({found.hold}): {found.why} ({rule.at})"
    else:
        sums = f"{counted(len(tree.files), 'file')}, {size_text(tree.size)}"
        joins = ", joins the open package" if rule.drop is DropMode.BATCH else ""
        yield f"{name}: sent ({rule.at}), {sums}{joins}"
    if found.marker is not None and found.prospect is Prospect.GOES:
        yield f"    waits for  {shown(found.marker)}"
    draft = found.draft
    if draft is None:
        yield from _left_out(tree)
        return
    yield f"    package    {printable(draft.name)}"
    if draft.message:
        yield f"    message    {printable(draft.message)}"
    yield f"    to         {_addressees(draft.terms)}"
    if draft.terms.mail_to:
        yield f"    letter to  {', '.join(draft.terms.mail_to)}"
    for file in draft.drops[0].files:
        inside = f"{file.package_path}/{file.name}" if file.package_path else file.name
        yield f"    {shown(file.path)} -> {printable(inside)}"
    yield from _left_out(tree)
    for path in tree.empty_folders():
        yield f"    {shown(path)}/: left out: is an empty folder"
    told = len(tree.skipped) + len(tree.empty_folders())
    for remark in draft.drops[0].skipped[told:]:
        yield f"    {remark}"


def _left_out(tree: Tree) -> Iterator[str]:
    for entry in tree.skipped:
        yield f"    {shown(entry.path)}: left out: {entry.reason}{_at(entry.rule_at)}"


def _at(rule_at: str) -> str:
    return f" ({rule_at})" if rule_at else ""


def _addressees(terms: Terms) -> str:
    if terms.portal is not None:
        return f"portal {terms.portal}, from {terms.sender}"
    return ", ".join(terms.recipients) or "nobody by mail of the cloud"


def _folder(rule: Rule, outlooks: Iterable[Outlook]) -> dict[str, Any]:
    return {
        "name": rule.name,
        "rule_at": rule.at,
        "drop": rule.drop.value,
        "entries": [record(each) for each in outlooks],
    }


def record(found: Outlook) -> dict[str, Any]:
    """Give an outlook as JSON; names are escaped as everywhere."""
    draft, tree = found.draft, found.tree
    return {
        "path": shown(tree.top),
        "kind": tree.kind,
        "verdict": found.prospect.value,
        "why": found.why,
        "hold": found.hold,
        "rule_at": found.rule_at,
        "waits_for": None if found.marker is None else shown(found.marker),
        "package": None if draft is None else {"name": draft.name, "message": draft.message},
        "to": None if draft is None else _to(draft.terms),
        "files": [
            {
                "path": shown(file.path),
                "package_path": file.package_path,
                "name": file.name,
                "size": file.identity.size,
            }
            for file in (() if draft is None else draft.drops[0].files)
        ],
        "left_out": [
            {"path": shown(entry.path), "why": entry.reason, "rule_at": entry.rule_at}
            for entry in tree.skipped
        ],
    }


def _to(terms: Terms) -> dict[str, Any]:
    return {
        "recipients": list(terms.recipients),
        "portal": terms.portal,
        "sender": terms.sender,
        "letters": list(terms.mail_to),
    }
