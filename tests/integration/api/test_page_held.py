"""What is held stands on the page by hot folder and reason, with its number and its cure once."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from masv_watch.api.page import holds
from masv_watch.model import DropEvent, HoldReason, Rule, To
from masv_watch.uploads import FolderSight
from tests.integration.api.calling import Short
from tests.integration.api.looking import page_of


@pytest.fixture
def desk(caller):
    """Give an API with two hot folders."""
    caller.sights = [
        FolderSight(
            rule=Rule(name=name, path=path, to=To(recipients=())),
            reason="",
            last_sweep=None,
            notifications="on",
        )
        for name, path in (("dailies", b"/srv/d\xff"), ("archive", b"/"))
    ]
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def hold(desk, folder, path, reason, note=""):
    drop = desk.store.see_drop(folder, path)
    desk.store.advance_drop(drop.id, DropEvent.BLOCK, hold=reason, note=note)
    return drop


def test_drops_of_one_reason_stand_together_with_their_cure_once(desk):
    """However many the first start held: one sentence, one button for all, one for each."""
    drops = [
        hold(desk, "archive", b"old-%03d.mov" % number, HoldReason.INITIAL_ASK)
        for number in range(holds.LISTED + 3)
    ]
    hold(desk, "dailies", b"EMPTY", HoldReason.EMPTY)

    page = page_of(desk)

    assert page.text.count("masv-watch release --folder archive sends all of it") == 1
    assert "archive 53 drops Held: it was there at the first start." in page.text
    assert "Held 54" in page.text
    assert page.text.index("archive 53 drops") < page.text.index("Held: nothing in it can be sent")
    assert "45 drops more" in page.text
    assert "and 3 drops more: masv-watch status" in page.text
    assert page.targets.count("hot_folders/archive/release") == 1
    assert page.targets.count("hot_folders/archive/seed") == 1
    released = [target for target in page.targets if re.match("drops/.*/release", target)]
    assert released == [f"drops/{drop.id}/release" for drop in drops[: holds.LISTED]]
    folded = [each["data-key"] for each in page.all("details")]
    assert [each for each in folded if each.startswith("held-")] == [
        "held-archive-initial_ask-more"
    ]


def test_cure_that_differs_by_the_drop_stands_once_with_the_numbers_beside(desk):
    """`DROP` is what is to be put there; one alone is told with its own number."""
    first = hold(desk, "dailies", b"a", HoldReason.INCOMPLETE, "missing: a/1.exr")
    alone = page_of(desk).text
    second = hold(desk, "dailies", b"b", HoldReason.INCOMPLETE, "missing: b/2.exr")
    both = page_of(desk).text

    assert f"masv-watch release {first.id} sends it as it is" in alone
    assert f"drop {first.id}" not in alone
    assert both.count("masv-watch release DROP sends it as it is") == 1
    for drop, missing in ((first, "a/1.exr"), (second, "b/2.exr")):
        assert f"missing: {missing} drop {drop.id}" in both


def test_drop_leads_to_its_explanation_by_its_bytes(desk):
    """The path is asked for as it is on the disk, whatever it is made of."""
    hold(desk, "dailies", b"caf\xe9 & <b>", HoldReason.EMPTY)
    hold(desk, "archive", b"x", HoldReason.EMPTY)

    links = [link for link in page_of(desk).links if link.startswith("/page/explain?")]

    asked = [
        parse_qs(urlsplit(link).query, encoding="utf-8", errors="surrogateescape")["path"][0]
        for link in links
    ]
    assert [each.encode("utf-8", "surrogateescape") for each in asked] == [
        b"/x", b"/srv/d\xff/caf\xe9 & <b>",
    ]  # fmt: skip
