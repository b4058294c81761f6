"""On a terminal people see tables and live progress; in a pipe nothing but lines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.cli.terminal import Terminal
from tests.processes import PROJECT

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)
ONE = "3f2a91bc-0000-4000-8000-000000000001"
TWO = "4f2a91bc-0000-4000-8000-000000000002"
MADE = "99999999-0000-4000-8000-000000000000"
STATS = {
    "since": "2026-01-02T03:04:05.000Z", "bytes_acknowledged": 0, "bytes_in_flight": 8_000_000,
    "bytes_resent": 4_200_000, "bytes_left": 9_000_000_000, "rate_bytes_per_s": 123_400_000,
    "eta_s": 65, "connections_busy": 3, "retries": {"count": 2, "last_reason": "a \x1b[31m503"},
}  # fmt: skip
COLOURS = ("\x1b[3", "\x1b[9", ";3")


@pytest.fixture
def wire(standin):
    standin.wire.add(ONE, package_name="[red]a[/red] :smile: \x1b[31mevil\u202e", hot_folder="out")
    standin.wire.add(TWO, package_name="b.mov", state="complete", progress=1000)
    return standin.wire


def seen(standin, *words, **how):
    """Give what a terminal shows of a command, its codes, and the status."""
    with Terminal(*words, "--url", standin.url, **how) as terminal:
        status = terminal.end()
        return terminal.text, terminal.raw, status


def test_uploads_on_a_terminal_are_a_table_with_short_ids(standin, wire):
    """Names stay as they are: no markup, no emoji, no codes of theirs."""
    text, raw, status = seen(standin, "uploads")

    assert status == OK
    head, first, second = text.splitlines()[:3]
    assert head.split() == ["ID", "STATE", "SENT", "SIZE", "FOLDER", "PACKAGE"]
    assert first.split()[0] == "3f2a91bc"
    assert "[red]a[/red] :smile: \\x1b[31mevil\\u202e" in first
    assert second.split()[:4] == ["4f2a91bc", "complete", "100", "%"]
    assert "\x1b[" in raw


def test_uploads_on_a_terminal_without_colour_have_none(standin, wire):
    """NO_COLOR takes colours; a dumb terminal gets lines without any code."""
    _, plain, _ = seen(standin, "uploads", NO_COLOR="1")
    dumb, dumb_raw, status = seen(standin, "uploads", TERM="dumb", width=200)

    assert not [colour for colour in COLOURS if colour in plain]
    assert status == OK
    assert "\x1b" not in dumb_raw
    assert dumb.splitlines()[0].split() == ["ID", "STATE", "SENT", "SIZE", "PACKAGE"]
    assert dumb.splitlines()[2] == f"{TWO}  complete      100 %     1.0 kB  b.mov"


def test_output_into_a_pipe_has_no_code_whatever_the_environment_wishes(standin, wire):
    """Scripts read the same bytes everywhere."""
    for words in (("uploads",), ("status",), ("show", ONE)):
        done = subprocess.run(
            [sys.executable, "-m", "masv_watch", *words, "--url", standin.url],
            cwd=PROJECT, capture_output=True, check=False,
            env={"FORCE_COLOR": "1", "TERM": "xterm-256color", "TTY_COMPATIBLE": "1"},
        )  # fmt: skip

        assert done.returncode == OK
        assert b"\x1b" not in done.stdout + done.stderr


def test_status_on_a_terminal_shows_folders_and_what_wants_a_look(standin, wire):
    """Nothing that is in order takes a line of the second table."""
    wire.uploads[ONE] |= {
        "state": "error", "error": {"code": 1, "message": "no such file", "cure": "bring it back"},
    }  # fmt: skip

    wire.mode = "events, and a sweep every 300 s"
    text, _, status = seen(standin, "status", width=160)

    assert status == OK
    assert text.splitlines()[0] == "ready"
    assert "out         watching         1     0  found by events, and a sweep every 300 s" in text
    assert "last sweep 2026-01-02 03:04:05 UTC" in text
    assert "uploads: 1 complete, 1 error" in text
    assert "no such file - bring it back" in text
    assert "b.mov" not in text


def test_status_on_a_terminal_of_80_columns_breaks_no_time_and_no_sentence_into_shreds(
    standin, wire
):
    """What a hot folder's health is told by has the room that it needs."""
    wire.mode = "events, and a sweep every 300 s"
    text, _, status = seen(standin, "status", width=80)

    assert status == OK
    assert max(map(len, text.splitlines())) <= 80
    for words in ("found by events, and a sweep every 300 s", "last sweep 2026-01-02 03:04:05 UTC"):
        assert words in text


def test_status_tells_how_the_sending_of_all_goes(standin, wire):
    """Rate, time left and what failures cost, in words; a script gets the numbers."""
    wire.stats = STATS
    text, _, status = seen(standin, "status", width=160)
    piped = subprocess.run(
        [sys.executable, "-m", "masv_watch", "status", "--url", standin.url],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    cost = "tried again 2 times, 4.2 MB sent again; last reason: a \\x1b[31m503"
    wanted = [
        "sending: 123.4 MB/s, 0:01:05 left, 8.0 MB on its way over 3 connections",
        f"since 2026-01-02T03:04:05.000Z: {cost}",
    ]

    assert status == piped.returncode == OK
    for line in wanted:
        assert line in [each.rstrip() for each in text.splitlines()]
        assert line in piped.stdout.splitlines()


def test_status_of_a_daemon_that_does_not_tell_how_it_sends_is_the_rest(standin, wire):
    """The commands may be newer than the daemon."""
    text, _, status = seen(standin, "status", width=160)

    assert status == OK
    assert "sending" not in text
    assert "uploads: 1 complete, 1 transferring" in text


def test_show_of_a_moving_upload_tells_its_pace_and_what_failures_cost(standin, wire):
    """On the terminal a line each; in a pipe in brackets behind the upload."""
    wire.uploads[ONE] |= {
        "package_name": "a.mov", "rate_bytes_per_s": 12_300_000, "eta_s": 75,
        "bytes_in_flight": 5_242_880, "bytes_resent": 4_200_000,
        "retries": {"count": 1, "last_reason": "no answer in time"},
    }  # fmt: skip
    wire.details[ONE] = {
        "files": [
            {"path": "a.mov", "state": "retrying", "size": 1000, "progress": 400, "attempts": 2,
             "next_try": "2026-01-02T03:04:09.000Z", "reason": "no answer in time"},
        ],
    }  # fmt: skip
    text, _, status = seen(standin, "show", ONE, width=160)
    piped = subprocess.run(
        [sys.executable, "-m", "masv_watch", "show", ONE, "--url", standin.url],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    pace = "12.3 MB/s, 0:01:15 left, 5.2 MB on its way"
    cost = "tried again 1 time, 4.2 MB sent again; last reason: no answer in time"
    why = "(no answer in time; tried 2 times, again at 2026-01-02T03:04:09.000Z)"

    assert status == piped.returncode == OK
    seen_lines = [line.rstrip() for line in text.splitlines()]
    assert pace in seen_lines
    assert cost in seen_lines
    assert f"retrying  40 %  1.0 kB  a.mov  {why}" in seen_lines
    assert piped.stdout.splitlines() == [
        f"{ONE}  transferring   40 %     1.0 kB  a.mov  ({cost})  ({pace})",
        f"  retrying        1.0 kB  a.mov  {why}",
    ]


def test_show_on_a_terminal_lists_files_left_outs_and_tasks(standin, wire):
    """The whole id stands there too, to be copied."""
    wire.details[TWO] = {
        "files": [{"path": "b.mov", "state": "complete", "size": 1000, "progress": 1000}],
        "skipped": [".DS_Store (built-in)"],
        "tasks": [{"kind": "link", "key": "", "state": "done", "note": "link x"}],
    }

    text, _, status = seen(standin, "show", "4f")

    assert status == OK
    lines = [line.rstrip() for line in text.splitlines()]
    assert TWO in lines
    assert "complete  100 %  1.0 kB  b.mov" in lines
    assert "left out: .DS_Store (built-in)" in lines
    assert "share link: done  link x" in lines


def test_watch_of_uploads_moves_until_interrupted_and_leaves_the_cursor(standin, wire):
    """Rate and time left are the daemon's, of each and of all; Ctrl-C is a clean end."""
    wire.script[ONE] = [
        {"size": 10**9, "progress": 10**8 * number, "package_name": "moving.mov",
         "rate_bytes_per_s": 98_700_000, "eta_s": 9 - number, "bytes_in_flight": 5_000_000}
        for number in range(9)
    ]  # fmt: skip
    wire.stats = STATS
    with Terminal("uploads", "--watch", "--url", standin.url, width=110) as terminal:
        terminal.until("moving.mov")
        terminal.until("98.7 MB/s   0:00:08")
        terminal.until("0:00:07")
        terminal.until("sending: 123.4 MB/s, 0:01:05 left, 8.0 MB on its way over 3 connections")
        terminal.interrupt()
        status = terminal.end()

    assert status == OK
    assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.text


def test_watch_of_many_uploads_shows_what_moves_and_counts_the_rest(standin, wire):
    """A small terminal is no reason for a picture that tears."""
    for number in range(40):
        wire.add(f"5{number:02}a91bc-0000-4000-8000-000000000003", state="complete", progress=1000)
    waiting = {"reason": "auth", "since": None, "until": None, "ahead": 0, "cure": "c" * 300}
    wire.uploads[ONE] |= {"waiting": waiting, "package_name": "n" * 300}
    with Terminal("uploads", "--watch", "--url", standin.url, width=80, height=12) as terminal:
        terminal.until("more")
        terminal.interrupt()
        assert terminal.end() == OK

    # a second picture may have begun over the first
    picture = terminal.text.partition("and 3")[0].splitlines()
    assert picture[1].split()[:2] == ["3f2a91bc", "transferring"]
    assert max(map(len, picture)) <= 80
    assert len(picture) < 12


def test_watch_of_one_upload_ends_with_it(standin, wire):
    """The last picture stays; a pipe gets a line for each change."""
    looks = [
        {"progress": 100, "rate_bytes_per_s": 50, "eta_s": 18},
        # another rate is no news for a pipe
        {"progress": 100, "rate_bytes_per_s": 60, "eta_s": 15},
        {"progress": 1000, "state": "complete"},
    ]
    wire.script[ONE] = [dict(look) for look in looks]
    text, _, status = seen(standin, "show", ONE, "--watch")
    wire.uploads[ONE] |= {"state": "transferring", "package_name": "a.mov"}
    wire.script[ONE] = [dict(look) for look in looks]
    piped = subprocess.run(
        [sys.executable, "-m", "masv_watch", "show", ONE, "--watch", "--url", standin.url],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert status == piped.returncode == OK
    assert "complete" in text.splitlines()[-4]
    assert piped.stdout.splitlines() == [
        f"{ONE}  transferring   10 %     1.0 kB  a.mov",
        f"{ONE}  complete      100 %     1.0 kB  a.mov",
    ]


def test_watch_and_json_together_are_wrong_usage(standin, wire):
    """Pictures are no JSON."""
    text, _, status = seen(standin, "show", ONE, "--watch", "--json")

    assert status == USAGE
    assert "--watch is for people and --json for scripts" in text


def test_create_that_waits_on_a_terminal_shows_progress_and_may_be_left(standin, wire):
    """Ctrl-C leaves the upload alone and says how to follow it."""
    with Terminal("create", "--team", "acme", "--wait", "/x", "--url", standin.url) as terminal:
        terminal.until("400 B of 1.0 kB")
        terminal.interrupt()
        status = terminal.end()

    assert status == FAILED
    assert f"upload {MADE} goes on without this command" in terminal.text.replace("\n", " ")
    assert not [call for call in wire.calls if call.method == "DELETE"]


@pytest.mark.parametrize(("typed", "is_deleted"), [("\n", False), ("yes\n", True)])
def test_delete_on_a_terminal_asks_and_takes_only_a_yes(standin, wire, typed, is_deleted):
    """The question says what becomes of the package and of the files."""
    with Terminal("delete", TWO, "--url", standin.url, width=300) as terminal:
        terminal.until("[y/N]")
        terminal.type(typed)
        status = terminal.end()

    assert status == (OK if is_deleted else FAILED)
    assert (TWO not in wire.uploads) is is_deleted
    assert "b.mov, 1.0 kB, complete?" in terminal.text
    assert "The package stays delivered, its links live on. Source files stay." in terminal.text
    assert is_deleted or "nothing was deleted" in terminal.text


def test_delete_of_a_package_on_a_terminal_says_what_is_lost(standin, wire):
    """And --yes asks nothing."""
    with Terminal("delete", TWO, "--package", "--url", standin.url, width=300) as terminal:
        terminal.until("The package at MASV and its links are deleted.")
        terminal.type("n\n")
        assert terminal.end() == FAILED
    text, _, status = seen(standin, "delete", TWO, "--package", "--yes")

    assert status == OK
    assert "[y/N]" not in text
    assert TWO not in wire.uploads


def test_status_names_what_is_still_to_be_mailed_or_moved(standin, tell):
    """A count would send a person through all uploads for the one that a letter fails of."""
    standin.wire.add(ONE, package_name="a.mov", state="complete", open_tasks=1)
    standin.wire.add(TWO, package_name="b.mov", state="complete")
    status, out, _ = tell("status")

    assert status == OK
    assert "still to be mailed or moved: 1 upload\n" in out
    assert f"  masv-watch show {ONE}: a.mov\n" in out
    assert TWO not in out
