"""The plain lines are one for each thing, and the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli import hotfolder, lines
from masv_watch.cli.seen import (
    Details,
    Drop,
    Failure,
    File,
    Happening,
    HotFolder,
    Stats,
    Task,
    Upload,
    Waiting,
)


def upload(**rest):
    known = {
        "id": "u1", "type": "team", "state": "transferring", "name": "take.mov",
        "sent": 400, "size": 1000,
    }  # fmt: skip
    return Upload(**{**known, **rest})


def test_upload_line_has_its_columns_and_one_clause_for_each_hindrance():
    """Scripts cut at columns, people read what is in brackets."""
    waiting = Waiting(reason="retrying", until="T", ahead=1, cure="no network")
    found = upload(waiting=waiting, refused_tasks=1)

    assert lines.upload_line(found) == (
        "u1  transferring   40 %     1.0 kB  take.mov"
        "  (waits, retrying until T, 1 upload first: no network)"
        "  (1 task refused: masv-watch show u1)"
    )


def test_upload_line_of_a_failure_says_what_helps():
    """The cure stands behind the reason."""
    found = upload(state="error", failure=Failure(message="away", cure="bring it back"))

    assert lines.upload_line(found).endswith("  (away - bring it back)")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"rate": 12_300_000}, "12.3 MB/s"),
        ({"rate": 12_300_000, "eta_s": 75}, "12.3 MB/s, 0:01:15 left"),
        ({"in_flight": 5_000_000}, "5.0 MB on its way"),
        ({"rate": 10, "eta_s": 0, "in_flight": 7}, "10 B/s, 0:00:00 left, 7 B on its way"),
        ({"rate": 10, "eta_s": 1, "state": "paused"}, ""),
    ],
)
def test_pace_says_what_is_known_and_nothing_of_what_stands(more, said):
    """Rate, time left and bytes in flight, each only where it says something."""
    found = upload(**more)

    assert lines.pace(found) == said
    assert lines.upload_line(found).endswith(f"  ({said})" if said else "  take.mov")
    assert lines.steady_line(found).endswith("  take.mov")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"retries": 1, "retry_reason": "no answer"}, "tried again 1 time; last reason: no answer"),
        ({"resent": 4_200_000}, "4.2 MB sent again"),
        ({"retries": 2, "resent": 10}, "tried again 2 times, 10 B sent again"),
        ({"retry_reason": "of nothing"}, ""),
        (
            {"retries": 2, "retry_reason": "x", "waiting": Waiting(reason="retrying", cure="x")},
            "tried again 2 times",
        ),
    ],
)
def test_trouble_says_what_failures_cost_and_why_once(more, said):
    """A reason that stands in the same line already is not said again."""
    found = upload(**more)

    assert lines.trouble(found) == said
    assert (f"({said})" in lines.steady_line(found)) is bool(said)


def test_trouble_of_what_is_done_stands_in_its_details_only():
    """A list of a thousand deliveries is no list of a thousand old failures."""
    done = upload(state="complete", retries=3, resent=10, retry_reason="x")

    assert lines.upload_line(done).endswith("  take.mov")
    assert list(lines.details_lines(Details(upload=done))) == [
        lines.upload_line(done), "  tried again 3 times, 10 B sent again; last reason: x",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stats", "said"),
    [
        (Stats(), []),
        # what left a moment ago still has a rate
        (Stats(rate=10), []),
        (Stats(left=1000), ["sending: nothing moves, 1.0 kB to be sent"]),
        (Stats(left=1000, rate=10, eta_s=100), ["sending: 10 B/s, 0:01:40 left"]),
        (
            Stats(left=1000, in_flight=7, busy=1, resent=3, since="T"),
            ["sending: 7 B on its way over 1 connection", "since T: 3 B sent again"],
        ),
    ],
)
def test_stats_lines_say_how_it_goes_and_what_failures_cost(stats, said):
    """At rest there is nothing to say."""
    assert list(lines.stats_lines(stats)) == said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, ""),
        ({"reason": "x"}, "x"),
        ({"reason": "x", "attempts": 1}, "x; tried 1 time"),
        ({"reason": "x", "attempts": 2, "next_try": "T"}, "x; tried 2 times, again at T"),
    ],
)
def test_why_of_a_file_names_tries_and_the_next_one(more, said):
    """Who waits sees until when."""
    assert lines.why(File(path="a", state="retrying", sent=0, size=1, **more)) == said


@pytest.mark.parametrize(
    ("sent", "size", "state", "said"),
    [
        (0, 0, "transferring", "0 %"),
        (0, 0, "idle", "100 %"),
        (0, 0, "complete", "100 %"),
        (999_999, 1_000_000, "transferring", "99 %"),
        (7, 7, "idle", "100 %"),
        (9, 7, "idle", "100 %"),
    ],
)
def test_share_is_whole_only_when_all_is_acknowledged(sent, size, state, said):
    """What looks done is done."""
    assert lines.share(sent, size, state) == said


@pytest.mark.parametrize(
    ("found", "wants"),
    [
        (upload(), False),
        (upload(waiting=Waiting(reason="queued")), False),
        (upload(state="idle", waiting=Waiting(reason="finalizing")), False),
        (upload(state="complete", waiting=Waiting(reason="digest")), False),
        (upload(waiting=Waiting(reason="auth")), True),
        (upload(state="error"), True),
        (upload(state="complete", refused_tasks=1), True),
    ],
)
def test_upload_that_wants_a_look_is_in_trouble_or_stuck(found, wants):
    """Its turn in a queue is no trouble."""
    assert lines.wants_a_look(found) is wants


def test_drop_line_names_reason_note_and_cure():
    """What is not there leaves no empty brackets."""
    held = Drop(hot_folder="out", path="a", state="held", reason="empty", note="n", cure="fill it")

    assert lines.drop_line(held) == "held: out/a (empty: n) - fill it"
    assert lines.drop_line(Drop(hot_folder="out", path="a", state="settling")) == "settling: out/a"
    waits = Drop(hot_folder="out", path="a", state="settling", note="it waits for b")
    assert lines.drop_line(waits) == "settling: out/a (it waits for b)"


@pytest.mark.parametrize(
    ("files", "up", "said"),
    [
        (1, 0, "0 of 1 file up"),
        (30, 12, "12 of 30 files up"),
        (5000, 1200, "1,200 of 5,000 files up"),
    ],
)
def test_drop_line_of_what_arrives_says_how_many_files_are_up(files, up, said):
    """Files so far: how many will come nobody knows."""
    drop = Drop(hot_folder="out", path="CARD", state="taken", files=files, files_up=up)

    assert lines.drop_line(drop) == f"taken: out/CARD, {said}"


def test_task_name_says_what_is_owed():
    """An unknown kind of a newer daemon keeps its own word."""
    names = [lines.task_name(Task(kind=kind, key="k", state="due")) for kind in (
        "letter", "link", "dispose", "receipt",
    )]  # fmt: skip

    assert names == ["letter to k", "share link", "source", "receipt"]


def test_uploads_whose_letters_wait_are_counted_with_the_time_of_the_first():
    """One line in `status`, however many they are."""
    waiting = [
        upload(state="complete", waiting=Waiting(reason="digest", until=until))
        for until in ("T2", "T1")
    ]

    (told,) = lines.gathering_lines([upload(), *waiting])

    assert told == "letters that wait for others: of 2 uploads, until T1"
    assert list(lines.gathering_lines([upload()])) == []


def test_letter_that_waits_says_when_it_leaves_and_with_how_many_others():
    """One that is tried again says when; what ended only says what came of it."""
    waits = Task(kind="letter", key="k", state="due", next_try="T", companions=3)
    again = Task(kind="letter", key="k", state="due", next_try="T", note="450 later")
    done = Task(kind="letter", key="k", state="done", note="250 OK")

    told = [[words for words in lines.task_words(each) if words] for each in (waits, again, done)]

    assert told == [["in a letter with 3 others at T"], ["at T", "450 later"], ["250 OK"]]


def test_happening_line_shows_the_states_that_it_moved_between():
    """One event, one line."""
    moved = Happening(
        id="7", at="T", noun="upload", noun_id="u1", event="pause", before="idle", after="paused"
    )

    assert lines.happening_line(moved) == "T  upload u1  pause idle -> paused"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, ""), (0, "0:00:00"), (60, "0:01:00"), (3661, "1:01:01"), (90061, "1 d 1:01:01")],
)
def test_duration_text_is_a_clock_with_days_before_it(seconds, said):
    """Nothing is said while nothing is known."""
    assert lines.duration_text(seconds) == said


@given(st.lists(st.text(alphabet="ab1-", min_size=1, max_size=12), unique=True))
def test_short_ids_begin_the_whole_ones_and_mean_one_each(ids):
    """What a table shows can be typed."""
    short = lines.short_ids(ids, at_least=3)

    assert set(short) == set(ids)
    for one, beginning in short.items():
        assert one.startswith(beginning)
        others = [other for other in ids if other.startswith(beginning) and other != one]
        assert not others or beginning == one


def test_short_ids_are_no_shorter_than_asked_for():
    """Ids of today stay distinct from ids of tomorrow for a while."""
    assert lines.short_ids(["0123456789", "a123456789"]) == {
        "0123456789": "01234567", "a123456789": "a1234567",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("drop", "depth", "words"),
    [("each", "top", ""), ("file", "any", "; takes each file"), ("batch", "top", "; takes each")],
)
def test_hot_folder_says_what_it_takes_where_that_is_not_plain(drop, depth, words):
    """Most take each file and each folder, and of those the line stays short."""
    folder = HotFolder(name="out", state="paused", drop=drop, depth=depth, takes="each file")

    line = lines.hot_folder_line(folder)

    assert line.startswith("hot folder out: paused")
    assert words in line
    assert bool(words) is ("takes" in line)


def test_drops_that_are_held_for_the_very_same_stand_on_one_line():
    """A flood of them hides no other; what settles has a line of its own."""
    frames = [
        Drop(
            hot_folder="out", path=f"f.{n}", state="held", reason="incomplete", note="missing: f.3"
        )
        for n in (1, 2, 4)
    ]
    other = Drop(hot_folder="out", path="g", state="held", reason="incomplete", note="missing: g/1")
    settling = [Drop(hot_folder="out", path=name, state="settling") for name in "xy"]

    said = list(lines.drop_lines([*frames, *settling, other]))

    assert said == [
        "held: out/f.1 and 2 more (incomplete: missing: f.3)",
        "settling: out/x",
        "settling: out/y",
        "held: out/g (incomplete: missing: g/1)",
    ]


def test_hot_folder_in_full_says_all_that_its_rule_asks_for():
    """By the names that it has there."""
    folder = HotFolder(
        name="out", state="watching", path="/srv/out", drop="file", depth="any",
        takes="each file, however deep it lies", rule=(("quiet_s", "2"), ("mail_to", "a@x")),
        quiet="2 s, as the rule says", writers="not asked: why", told_by="without inode",
        everything_at="2026-01-02T03:04:05.000Z",
    )  # fmt: skip

    said = list(hotfolder._lines(folder, (), ()))

    assert said[2:9] == [
        "takes each file, however deep it lies (drop: file, depth: any)",
        "everything in it was looked at 2026-01-02T03:04:05.000Z, else its folders alone",
        "quiet once nothing changed for 2 s, as the rule says",
        "programs that still write: not asked: why",
        "a change is told without inode",
        "  quiet_s: 2",
        "  mail_to: a@x",
    ]


@pytest.mark.parametrize(
    ("iso", "text"),
    [
        ("2026-11-29T02:00:24.582Z", "2026-11-29 02:00:24 UTC"),
        ("", ""),
        ("2026-11-29", "2026-11-29"),
        ("T.Z", "T.Z"),
        ("\\x1b", "\\x1b"),
    ],
)
def test_time_is_written_for_people_and_anything_else_as_it_is(iso, text):
    """A daemon of another age may say something else."""
    assert lines.time_text(iso) == text
