"""On a small screen what moves and what needs somebody are both shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from masv_watch.cli import fitting
from masv_watch.cli.screens import LiveScreen
from masv_watch.cli.seen import Drop, Failure, Health, HotFolder, Overview, Stats, Upload, Waiting

QUEUED = Waiting(reason="queued", ahead=1)
STOPPED = Failure(message="a source vanished", cure="masv-watch resume s")


def upload(name, **rest):
    known = {
        "id": f"{name:0<8}",
        "type": "team",
        "state": "transferring",
        "sent": 0,
        "size": 100_000_000,
    }
    return Upload(name=name, **{**known, **rest})


def stopped(name):
    return upload(name, state="error", failure=STOPPED)


def picture(seen, *, width=60, height=20, is_plain=False, live="overview"):
    """Give what a screen of this size shows, without colours, and the bytes that it wrote."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii" if is_plain else "utf-8")
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None,
        markup=False, emoji=False, highlight=False, legacy_windows=False,
    )  # fmt: skip
    with LiveScreen(console) as screen:
        getattr(screen, live)(*seen)
        file.flush()
        text = raw.getvalue().decode()
    return [line.rstrip() for line in text.replace("\x1b[?25l", "").splitlines()]


def overview(uploads, **rest):
    known = {
        "health": Health(is_ready=True, why="", concerns=()), "drops": (), "folders": (),
        "stats": Stats(rate=0, eta_s=None, left=1, in_flight=0, busy=0),
    }  # fmt: skip
    return (Overview(uploads=tuple(uploads), **{**known, **rest}),)


@pytest.mark.parametrize("height", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("stops", [1, 8])
def test_screen_of_a_few_lines_shows_what_moves_and_what_needs_somebody(height, stops):
    """Neither hides the other, however many there are of it and however small the screen."""
    troubled = [stopped(f"s{number}") for number in range(stops)]
    waiting = [upload(f"q{number}", waiting=QUEUED) for number in range(5)]
    moving = [upload("m0", rate=5), upload("m1", rate=5)]

    fit = fitting.trouble_first([*waiting, *troubled, *moving], height)

    assert fit.shown[0].name == "s0"
    assert "m0" in [each.name for each in fit.shown]
    assert fit.hidden == stops + 7 - len(fit.shown)
    assert len(fit.shown) + len(fit.below) <= max(height, 2)


def test_screen_with_room_shows_all_that_needs_somebody_before_what_moves():
    """And what only waits for its turn at the end."""
    uploads = [upload("q", waiting=QUEUED), upload("m"), stopped("s"), stopped("t")]

    fit = fitting.trouble_first(uploads, 20)

    assert [each.name for each in fit.shown] == ["s", "t", "m", "q"]
    assert fit.below == (
        (uploads[2], "a source vanished - masv-watch resume s"),
        (uploads[3], "a source vanished - masv-watch resume s"),
    )


def test_what_is_on_its_way_is_told_below_where_a_row_needs_no_room():
    """On a slow line nothing is acknowledged for half a minute; a row of another tells more."""
    one, two = upload("m", in_flight=14_400_000), upload("n", in_flight=7)

    assert fitting.moving_first([one, two], 3).below == ((one, "+ 14.4 MB on its way"),)
    assert fitting.moving_first([one, two], 2).below == ()
    assert fitting.moving_first([upload("p", in_flight=7, state="paused")], 9).below == ()


def test_top_of_twenty_lines_shows_the_upload_that_moves_beside_the_one_that_stopped():
    """With trouble everywhere, too: nothing is cut off at the end, and the end is there."""
    folders = [
        HotFolder(name=f"folder{number}", path="/srv", state="watching", settling=0, held=9)
        for number in range(9)
    ]
    drops = [
        Drop(id=number, hot_folder=f"folder{number}", path="a", state="held", reason="empty",
             note="", cure="put something in")
        for number in range(9)
    ]  # fmt: skip
    health = Health(is_ready=True, why="", concerns=tuple(f"concern {n}" for n in range(7)))
    uploads = [
        *(upload(f"queue{number}", waiting=QUEUED) for number in range(5)),
        upload("moving", rate=5), stopped("stopped"),
    ]  # fmt: skip

    shown = picture(overview(uploads, folders=folders, drops=drops, health=health))

    text = "\n".join(shown)
    assert len(shown) < 20
    assert max(map(len, shown)) <= 60
    assert text.index("stopped") < text.index("moving")
    assert "stopped0  error" in text
    assert "and 5 more uploads" in text
    assert "and 5 more to look at" in text
    assert shown[-1] == "q ends"


@pytest.mark.parametrize(
    ("is_plain", "sent", "in_flight", "bar"),
    [
        (False, 0, 14_400_000, "╍╍╍" + "─" * 13),
        (False, 50_000_000, 1, "━" * 8 + "╍" + "─" * 7),
        (False, 50_000_000, 0, "━" * 8 + "─" * 8),
        (False, 75_000_000, 25_000_000, "━" * 12 + "╍" * 4),
        (True, 50_000_000, 25_000_000, "=" * 8 + "-" * 4 + "." * 4),
    ],
)
@pytest.mark.parametrize("live", ["overview", "uploads"])
def test_bar_tells_what_is_on_its_way_by_its_form(live, is_plain, sent, in_flight, bar):
    """Without colours, and where a terminal has no other than plain letters, too."""
    uploads = [upload("m", sent=sent, in_flight=in_flight)]
    seen = overview(uploads) if live == "overview" else (uploads, None)

    shown = picture(seen, width=120, is_plain=is_plain, live=live)

    (row,) = [line for line in shown if line.startswith("m0") and "transferring" in line]
    assert f"  {bar}  " in row
    assert any("on its way" in line for line in shown) is bool(in_flight)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 130])
def test_live_row_keeps_its_whole_id_whatever_its_screen_does_without(width):
    """It is what a person types; size and time left are told elsewhere."""
    shown = picture(overview([upload("m", rate=5_000_000, eta_s=9)]), width=width)

    (row,) = [line for line in shown if line.startswith("m0")]
    assert row.split()[:3] == ["m0000000", "transferring", "m"]
    assert " 0 %" in row
    assert ("0:00:09" in row) is (width >= 80)
    assert ("5.0 MB/s" in row) is (width >= 60)
    assert max(map(len, shown)) <= width
