"""Outlooks: what a rule would make of an entry, by the deciders of the watch."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from masv_watch.cli.listings import read
from masv_watch.model import (
    Depth,
    DropMode,
    HoldReason,
    Limits,
    LinkWish,
    Package,
    Prospect,
    Rule,
    Settle,
    Sidecar,
    To,
)
from masv_watch.watch.outlooks import Outlooks
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import LeftOut, Tree, sweep
from tests.doubles import FakeClock

#: where the rule of these tests stands
AT = "m.yml:4"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def rule(**said):
    given = {"name": "out", "path": b"/srv/out", "to": To(recipients=("a@x.example",)), **said}
    return Rule(at="m.yml:4", **given)


def outlooks(rule_, *lines):
    listing = read("\n".join(lines).encode(), b"/srv/out", by_nul=False)
    foresight = Outlooks(rule_, clock=FakeClock())
    foresight.meet(listing.list_folder())
    return {
        tree.top.decode(): foresight.outlook(listing, tree, local=NOON)
        for tree in sweep(listing, Matcher(rule_))
    }


def test_sent_entry_has_the_draft_that_the_intake_would_make():
    """Name, message, addressees, and every file as it is called inside."""
    wanted = rule(
        package=Package(name="{name} {date}", message="{files} files, {size}"),
        link=LinkWish(mail_to=("b@x.example", "A@X.example")),
    )
    found = outlooks(wanted, "CARD/a.mov\t1000", "CARD/b/c.mov\t500")["CARD"]

    assert (found.prospect, found.why, found.rule_at) == (Prospect.GOES, "", "m.yml:4")
    assert found.draft.name == "CARD 2026-11-28"
    assert found.draft.message == "2 files, 1.5 kB"
    assert found.draft.terms.recipients == ("a@x.example",)
    assert found.draft.terms.mail_to == ("b@x.example",)
    (drop,) = found.draft.drops
    assert [(file.package_path, file.name) for file in drop.files] == [
        ("CARD", "a.mov"), ("CARD/b", "c.mov"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "lines", "verdict", "hold", "why", "at"),
    [
        ({}, ["x.tmp"], Prospect.LEFT_OUT, None, "matches `*.tmp` of the built-in list", ""),
        (
            {"ignore": ("*.xmp",)}, ["x.xmp"],
            Prospect.LEFT_OUT, None, "matches `*.xmp` of the rule", "m.yml:4",
        ),
        (
            {"drop": DropMode.FILE}, ["A/x"],
            Prospect.LEFT_OUT, None, "is a folder, and files are sent (drop: file)", "m.yml:4",
        ),
        (
            {"drop": DropMode.FOLDER}, ["x.mov"], Prospect.HELD, HoldReason.LOOSE_FILE,
            "is a loose file, and folders are sent (drop: folder)", "m.yml:4",
        ),
        ({}, ["A/x.tmp"], Prospect.HELD, HoldReason.EMPTY, "A holds no file that is sent", AT),
        ({}, ["A/"], Prospect.HELD, HoldReason.EMPTY, "A holds no file that is sent", AT),
        ({}, ["empty.mov\t0"], Prospect.GOES, None, "", "m.yml:4"),
    ],
)  # fmt: skip
def test_entry_that_is_not_sent_says_by_which_line_of_which_rule(
    said, lines, verdict, hold, why, at
):
    """Each with the words of the decider, and the rule's own line where a rule decided."""
    (found,) = outlooks(rule(**said), *lines).values()

    assert (found.prospect, found.hold, found.why, found.rule_at) == (verdict, hold, why, at)


def test_drop_beyond_its_limits_is_held():
    """The numbers are those of the intake."""
    (found,) = outlooks(rule(limits=Limits(size=9)), "A/x\t10").values()

    assert (found.prospect, found.hold) == (Prospect.HELD, HoldReason.LIMIT_EXCEEDED)


def test_drop_that_cannot_be_read_in_whole_is_held_with_the_name():
    """Nothing is sent without the rest (law 4 of settling)."""
    hidden = LeftOut(path=b"A/x", reason="cannot be examined: no")
    tree = Tree(top=b"A", kind="folder", unreadable=(hidden,))
    found = Outlooks(rule(), clock=FakeClock()).outlook(
        read(b"", b"/srv/out", by_nul=False), tree, local=NOON
    )

    assert (found.prospect, found.hold) == (Prospect.HELD, HoldReason.UNREADABLE)
    assert found.why == "A/x cannot be examined: no"


def test_done_marker_is_named_and_no_drop_of_its_own():
    """A rule that waits for one says for which."""
    found = outlooks(rule(settle=Settle(done_marker="{name}.done")), "A/x", "A.done")

    assert found["A"].marker == b"A.done"
    assert found["A.done"].prospect is Prospect.LEFT_OUT


def test_entries_of_an_address_go_to_those_it_names_and_the_rest_is_held():
    """`rules test` shows addresses as the intake takes them."""
    to = To(by_subfolder=((b"studio-a", ("x@a.example",)),))

    found = outlooks(rule(to=to), "studio-a/CARD/x\t1", "beside/x\t1")

    assert found["studio-a/CARD"].draft.terms.recipients == ("x@a.example",)
    assert (found["beside"].prospect, found["beside"].hold) == (
        Prospect.HELD, HoldReason.NO_RECIPIENT,
    )  # fmt: skip
    assert set(found) == {"studio-a/CARD", "beside"}


def test_files_at_any_depth_are_drops_of_their_own_and_folders_only_the_way():
    """A folder that is left out is named once, with all that it holds."""
    wanted = rule(
        drop=DropMode.FILE,
        depth=Depth.ANY,
        ignore=("proxies/",),
        package=Package(name="{subfolder}|{name}"),
    )
    found = outlooks(wanted, "a\t1", "day1/cam A/b\t1", "day1/proxies/p\t1", "day1/c.tmp", "EMPTY/")

    assert {top: each.draft.name for top, each in found.items() if each.draft} == {
        "a": "|a", "day1/cam A/b": "day1/cam A|b",
    }  # fmt: skip
    assert [found[top].why for top in ("day1/proxies", "day1/c.tmp")] == [
        "matches `proxies/` of the rule", "matches `*.tmp` of the built-in list",
    ]  # fmt: skip
    assert len(found) == 4


def test_recipient_of_a_domain_that_is_not_allowed_is_held():
    """A wrong address is seen before anything happens."""
    (found,) = outlooks(rule(limits=Limits(domains=("own.example",))), "x\t1").values()

    assert (found.hold, found.why) == (
        HoldReason.LIMIT_EXCEEDED,
        "it goes to x.example, which are not allowed: 1 file, 1 B, to a@x.example",
    )  # fmt: skip


def test_entry_whose_sidecar_is_listed_waits_for_what_nobody_read_and_one_without_goes():
    """A listing says what there is, not what it says."""
    wanted = rule(sidecar=Sidecar(name="{name}.masv.yml", required=False))
    found = outlooks(wanted, "a.mov\t5", "a.mov.masv.yml\t5", "b.mov\t5")

    assert found["a.mov"].hold is HoldReason.SIDECAR_INVALID
    assert "is only listed" in found["a.mov"].why
    assert found["b.mov"].prospect is Prospect.GOES
    assert found["a.mov.masv.yml"].why == "is the sidecar of a drop"
