"""Prospects: what a rule would make of an entry, by the deciders of the watch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from masv_watch.cli.listings import read
from masv_watch.model import DropMode, HoldReason, LinkWish, Package, Rule, Settle, To
from masv_watch.preview import Fate, prospect
from masv_watch.watch.limits import Limits
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import LeftOut, Tree, sweep

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def rule(**said):
    given = {"name": "out", "path": b"/srv/out", "to": To(recipients=("a@x.example",)), **said}
    return Rule(at="m.yml:4", **given)


def prospects(rule_, *lines, **known):
    listing = read("\n".join(lines).encode(), b"/srv/out", by_nul=False)
    trees = sweep(listing, Matcher(rule_))
    return {tree.top.decode(): prospect(rule_, tree, local=NOON, **known) for tree in trees}


def test_sent_entry_has_the_draft_that_the_intake_would_make():
    """Name, message, addressees, and every file as it is called inside."""
    wanted = rule(
        package=Package(name="{name} {date}", message="{files} files, {size}"),
        link=LinkWish(mail_to=("b@x.example", "A@X.example")),
    )
    found = prospects(wanted, "CARD/a.mov\t1000", "CARD/b/c.mov\t500", earlier=1)["CARD"]

    assert (found.fate, found.why, found.rule_at) == (Fate.SENT, "", "m.yml:4")
    assert found.draft.name == "CARD 2026-11-28 (2)"
    assert found.draft.message == "2 files, 1.5 kB"
    assert found.draft.terms.recipients == ("a@x.example",)
    assert found.draft.terms.mail_to == ("b@x.example",)
    (drop,) = found.draft.drops
    assert [(file.package_path, file.name) for file in drop.files] == [
        ("CARD", "a.mov"), ("CARD/b", "c.mov"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "lines", "fate", "hold", "why", "at"),
    [
        ({}, ["x.tmp"], Fate.LEFT_OUT, None, "matches `*.tmp` of the built-in list", ""),
        (
            {"ignore": ("*.xmp",)}, ["x.xmp"],
            Fate.LEFT_OUT, None, "matches `*.xmp` of the rule", "m.yml:4",
        ),
        (
            {"drop": DropMode.FILE}, ["A/x"],
            Fate.LEFT_OUT, None, "is a folder, and files are sent (drop: file)", "m.yml:4",
        ),
        (
            {"drop": DropMode.FOLDER}, ["x.mov"], Fate.HELD, HoldReason.LOOSE_FILE,
            "is a loose file, and folders are sent (drop: folder)", "m.yml:4",
        ),
        ({}, ["A/x.tmp"], Fate.HELD, HoldReason.EMPTY, "A holds no file that is sent", "m.yml:4"),
        ({}, ["A/"], Fate.HELD, HoldReason.EMPTY, "A holds no file that is sent", "m.yml:4"),
        ({}, ["empty.mov\t0"], Fate.SENT, None, "", "m.yml:4"),
    ],
)  # fmt: skip
def test_entry_that_is_not_sent_says_by_which_line_of_which_rule(said, lines, fate, hold, why, at):
    """Each with the words of the decider, and the rule's own line where a rule decided."""
    (found,) = prospects(rule(**said), *lines).values()

    assert (found.fate, found.hold, found.why, found.rule_at) == (fate, hold, why, at)


def test_drop_beyond_its_limits_is_held():
    """The numbers are those of the intake."""
    (found,) = prospects(rule(), "A/x\t10", limits=Limits(size=9)).values()

    assert (found.fate, found.hold) == (Fate.HELD, HoldReason.LIMIT_EXCEEDED)


def test_drop_that_cannot_be_read_in_whole_is_held_with_the_name():
    """Nothing is sent without the rest (law 4 of settling)."""
    hidden = LeftOut(path=b"A/x", reason="cannot be examined: no")
    found = prospect(rule(), Tree(top=b"A", kind="folder", unreadable=(hidden,)), local=NOON)

    assert (found.fate, found.hold) == (Fate.HELD, HoldReason.UNREADABLE)
    assert found.why == "A/x cannot be examined: no"


def test_done_marker_is_named_and_no_drop_of_its_own():
    """A rule that waits for one says for which."""
    found = prospects(rule(settle=Settle(done_marker="{name}.done")), "A/x", "A.done")

    assert found["A"].marker == b"A.done"
    assert found["A.done"].fate is Fate.LEFT_OUT
