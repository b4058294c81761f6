"""Everything at once on a terminal, until q; in a pipe what `status` says, once."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.integration.cli.terminal import Terminal
from tests.processes import PROJECT

OK, UNREACHABLE = 0, 4
ONE = "3f2a91bc-0000-4000-8000-000000000001"


@pytest.fixture
def wire(standin):
    standin.wire.add(ONE, package_name="[red]a[/red] \x1b[31mevil\u202e", hot_folder="out")
    return standin.wire


def test_top_shows_folders_uploads_and_numbers_until_q(standin, wire):
    """Each look is drawn over the one before; a key ends it and the terminal is as it was."""
    with Terminal("top", "--url", standin.url, width=130, height=24) as terminal:
        terminal.until("q ends")
        wire.uploads[ONE]["progress"] = 730
        terminal.until("73 %")
        terminal.type("q")
        status = terminal.end()

    assert status == OK
    assert "[red]a[/red] \\x1b[31mevil\\u202e" in terminal.text
    assert "out  watching" in terminal.text
    assert "sending: nothing" in terminal.text
    # the cursor is shown again
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")


def test_top_on_a_small_screen_shows_what_moves_and_counts_the_rest(standin, wire):
    """No line is wider than the screen, and no picture higher."""
    for number in range(40):
        wire.add(f"5{number:02}a91bc-0000-4000-8000-000000000003", state="idle", progress=1000)
    standin.wire.folders = [f"folder{number}" for number in range(30)]
    with Terminal("top", "--url", standin.url, width=80, height=20) as terminal:
        terminal.until("q ends")
        terminal.interrupt()
        assert terminal.end() == OK

    picture = terminal.text.partition("q ends")[0].splitlines()
    assert max(map(len, picture)) <= 80
    assert len(picture) < 20
    assert any(line.startswith("3f2a91bc") for line in picture)
    assert any(line.endswith("more hot folders") for line in picture)
    assert any(line.endswith("more uploads") for line in picture)


def test_top_tells_by_its_state_that_an_upload_waits_for_its_turn(standin, wire):
    """It needs no line below, where there is room for others then; what is more is told there."""
    waits = {"reason": "queued", "since": None, "until": None, "ahead": 3, "cure": ""}
    wire.add("5f2a91bc-0000-4000-8000-000000000005", package_name="in line", waiting=waits)
    shut = {**waits, "reason": "window_closed", "ahead": 0, "cure": "wait for the window"}
    wire.add("6f2a91bc-0000-4000-8000-000000000006", package_name="shut out", waiting=shut)
    with Terminal("top", "--url", standin.url, width=130, height=24) as terminal:
        terminal.until("q ends")
        terminal.interrupt()
        assert terminal.end() == OK

    picture = terminal.text.partition("q ends")[0]
    assert re.search(r"5f2a91bc +queued +in line", picture)
    assert re.search(r"6f2a91bc +transferring +shut out", picture)
    assert "waits, queued" not in picture
    assert "6f2a91bc: waits, window_closed: wait for the window" in picture


def test_top_names_what_stopped_first_and_each_cure_of_a_hold_once(standin, wire):
    """Thirty drops of one reason are one group, and what failed is not hidden by what moves."""
    stopped = "9f2a91bc-0000-4000-8000-000000000009"
    wire.add(stopped, state="error", package_name="stopped")
    for number in range(30):
        wire.drops[str(number)] = {
            "id": number, "hot_folder": "out", "path": f"old-{number:02}.mov", "state": "held",
            "reason": "initial_ask", "note": "", "cure": "masv-watch release --folder out",
        }  # fmt: skip
    with Terminal("top", "--url", standin.url, width=80, height=24) as terminal:
        terminal.until("q ends")
        terminal.type("q")
        assert terminal.end() == OK

    picture = terminal.text.partition("q ends")[0]
    assert "held: out/old-00.mov and 29 more (initial_ask)" in picture
    assert picture.count("masv-watch release --folder out") == 1
    assert picture.index("9f2a91bc  error") < picture.index("3f2a91bc  transferring")


def test_top_without_an_upload_says_so(standin):
    """No head of a table stands over nothing."""
    with Terminal("top", "--url", standin.url, width=80, height=24) as terminal:
        terminal.until("no uploads")
        terminal.type("q")
        assert terminal.end() == OK

    assert "PACKAGE" not in terminal.text


def test_top_into_a_pipe_says_once_what_status_says(standin, wire):
    """A script that calls it ends."""
    said = [
        subprocess.run(
            [sys.executable, "-m", "masv_watch", word, "--url", standin.url],
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
        )
        for word in ("top", "status")
    ]  # fmt: skip

    assert said[0].returncode == OK
    assert said[0].stdout == said[1].stdout
    assert "uploads: 1 transferring" in said[0].stdout


def test_top_without_a_daemon_ends_in_one_line(standin, wire):
    """The terminal is as it was, and the status says why."""
    with Terminal("top", "--url", "http://127.0.0.1:9", width=110, height=24) as terminal:
        status = terminal.end()

    assert status == UNREACHABLE
    assert "Traceback" not in terminal.text
