"""The three tables and the word that people see, over every pair there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition
from masv_watch.model import (
    Drop,
    DropEvent,
    DropState,
    HoldReason,
    Shown,
    TaskEvent,
    TaskState,
    UploadEvent,
    UploadState,
)

Table = Mapping[Any, Mapping[Any, Any]]

#: the tables once more, row by row as the architecture page prints them; "-" is illegal
UPLOAD_COLUMNS = (
    "files_added all_sent source_changed pause resume ask_again finalize finalized refused fail"
    " delete deleted"
)
UPLOAD_ROWS = {
    "transferring": "transferring idle transferring paused - - - - - error deleting -",
    "paused": "paused - paused - transferring - - - - error deleting -",
    "idle": "transferring - transferring - - - finalizing - - error deleting -",
    "finalizing": "- - transferring - - - - complete transferring error deleting -",
    "complete": "- - - - - - - - - - deleting -",
    "error": "error - error - transferring finalizing - - - - deleting -",
    "deleting": "- - - - - - - - - - deleting gone",
    "gone": "- - - - - - - - - - - -",
}
DROP_COLUMNS = "quiet block ignore same_content change take release finish cancel supersede resend"
DROP_ROWS = {
    "settling": "queued held ignored duplicate - taken - done cancelled - -",
    "held": "- - - - - - settling done cancelled - -",
    "queued": "- held - - settling taken - done cancelled superseded -",
    "taken": "taken taken - duplicate taken - taken done cancelled superseded -",
    "done": "- - - - - - - - - - settling",
    "cancelled": "- - - - - - - - - - settling",
    "superseded": "- - - - - - - - - - settling",
    "duplicate": "- - - - - - - - - - settling",
    "ignored": "- - - - - - - - - - settling",
}
TASK_COLUMNS = "done refused withdrawn"
TASK_ROWS = {
    "due": "done refused withdrawn",
    "done": "- - -",
    "refused": "- - -",
    "withdrawn": "- - -",
}
MACHINES = (
    (lifecycle.UPLOAD, UploadState, UploadEvent, UPLOAD_COLUMNS, UPLOAD_ROWS),
    (lifecycle.DROP, DropState, DropEvent, DROP_COLUMNS, DROP_ROWS),
    (lifecycle.TASK, TaskState, TaskEvent, TASK_COLUMNS, TASK_ROWS),
)


def pairs() -> Iterator[Any]:
    """Give every (state, event) pair of every machine with the state that must follow."""
    for table, states, events, columns, rows in MACHINES:
        names = columns.split()
        for state, event in product(states, events):
            after = rows[state].split()[names.index(event)]
            yield pytest.param(table, state, event, after, id=f"{states.__name__}-{state}-{event}")


@pytest.mark.parametrize(("table", "state", "event", "after"), list(pairs()))
def test_advance_every_pair_follows_the_printed_table(
    table: Table, state: StrEnum, event: StrEnum, after: str
) -> None:
    """A legal pair gives the next state; any other raises, names what is allowed, changes none."""
    before = {one: dict(row) for one, row in table.items()}

    if after != "-":
        assert lifecycle.advance(table, state, event) == after
    else:
        with pytest.raises(IllegalTransition) as caught:
            lifecycle.advance(table, state, event)
        allowed = [str(one) for one in table[state]]
        assert caught.value.message == f"{event} is not allowed in state {state}"
        assert caught.value.hint == "allowed: " + (", ".join(allowed) or "nothing")
        assert caught.value.facts == {"state": state, "event": event, "allowed": allowed}
    assert {one: dict(row) for one, row in table.items()} == before


@pytest.mark.parametrize(
    ("table", "legal", "illegal"),
    [(lifecycle.UPLOAD, 29, 67), (lifecycle.DROP, 29, 70), (lifecycle.TASK, 3, 9)],
    ids=["upload", "drop", "task"],
)
def test_tables_count_as_published(table: Table, legal: int, illegal: int) -> None:
    """The number of legal and of illegal pairs is a published fact."""
    events = {UploadEvent: 12, DropEvent: 11, TaskEvent: 3}
    kind = type(next(event for row in table.values() for event in row))

    assert sum(len(row) for row in table.values()) == legal
    assert len(table) * events[kind] - legal == illegal
    assert len(kind) == events[kind]


def test_upload_delete_is_legal_everywhere_but_gone() -> None:
    """Whatever an upload does, it can be deleted; only what is gone cannot."""
    without = [state for state, row in lifecycle.UPLOAD.items() if UploadEvent.DELETE not in row]

    assert without == [UploadState.GONE]


def test_upload_delivery_is_reachable_from_every_living_state() -> None:
    """No living state is a dead end: some sequence of events completes it."""
    over = {UploadState.DELETING, UploadState.GONE}
    reaching = {UploadState.COMPLETE}
    for _ in UploadState:
        for state, row in lifecycle.UPLOAD.items():
            if reaching & set(row.values()):
                reaching.add(state)

    assert reaching == set(UploadState) - over


@pytest.mark.parametrize("state", UploadState)
def test_resumption_of_an_upload_in_doubt_asks_before_it_sends(state: UploadState) -> None:
    """What stopped after its finalize was asked for goes back to the question; else it sends."""
    asked = lifecycle.resumption(state, is_asked=True)

    assert lifecycle.resumption(state, is_asked=False) is UploadEvent.RESUME
    assert (asked is UploadEvent.ASK_AGAIN) == (state is UploadState.ERROR)


def test_upload_complete_is_never_left_but_by_delete() -> None:
    """Delivered is a fact that can neither be undone nor repeated."""
    assert set(lifecycle.UPLOAD[UploadState.COMPLETE]) == {UploadEvent.DELETE}


def drop(state: DropState, hold: HoldReason | None = None) -> Drop:
    """Give a drop of which only the state and the hold matter."""
    return Drop(
        id=1, hot_folder="h", path=b"p", generation=1, state=state, hold=hold, note="",
        whole=False, upload_id=None, signature="", size=0, file_count=0, seen_at=0, settled_at=None,
    )  # fmt: skip


EVERYTHING = tuple(
    product(DropState, (None, *HoldReason), (None, *UploadState), (False, True), (0, 1, 7))
)


def test_shown_is_total_and_says_thirteen_words() -> None:
    """Every combination of columns has a word, all thirteen come out, and no other."""
    said = set()
    for state, hold, upload, has_package, open_tasks in EVERYTHING:
        word, reason = lifecycle.shown(
            drop(state, hold), upload, has_package=has_package, open_tasks=open_tasks
        )
        said.add(word)
        assert isinstance(word, Shown)
        assert reason is None or word is Shown.HELD

    assert said == set(Shown)
    assert len(said) == 13


@given(st.sampled_from(EVERYTHING))
def test_shown_of_an_untaken_drop_is_its_own_state(case: tuple[Any, ...]) -> None:
    """A drop that no upload took shows its own word, whatever stands in the other columns."""
    state, hold, upload, has_package, open_tasks = case
    if state is DropState.TAKEN:
        return
    word, _ = lifecycle.shown(
        drop(state, hold), upload, has_package=has_package, open_tasks=open_tasks
    )

    assert str(word) == str(state)


@pytest.mark.parametrize(
    ("upload", "hold", "has_package", "open_tasks", "word", "reason"),
    [
        ("transferring", None, False, 0, "queued", None),
        ("transferring", None, True, 0, "uploading", None),
        ("transferring", "unreadable", True, 0, "held", "unreadable"),
        ("paused", None, True, 0, "held", "paused"),
        ("paused", None, False, 0, "held", "paused"),
        ("paused", "operator", True, 0, "held", "operator"),
        ("idle", None, True, 0, "idle", None),
        ("idle", "root_unavailable", True, 0, "held", "root_unavailable"),
        ("finalizing", None, True, 0, "finalizing", None),
        ("complete", None, True, 3, "delivered", None),
        ("complete", None, True, 0, "done", None),
        ("complete", "operator", True, 0, "done", None),
        ("error", None, True, 0, "failed", None),
        ("deleting", None, True, 0, "cancelled", None),
        ("gone", None, True, 0, "cancelled", None),
        (None, None, False, 0, "queued", None),
    ],
)
def test_shown_of_a_taken_drop_follows_its_upload(
    upload: str | None,
    hold: str | None,
    has_package: bool,
    open_tasks: int,
    word: str,
    reason: str | None,
) -> None:
    """A taken drop shows its hold, else what its upload does, and delivered until all is done."""
    taken = drop(DropState.TAKEN, None if hold is None else HoldReason(hold))
    state = None if upload is None else UploadState(upload)

    said = lifecycle.shown(taken, state, has_package=has_package, open_tasks=open_tasks)
    assert said == (word, reason)


def test_shown_as_gives_the_five_documented_words_and_hides_two_states() -> None:
    """At the API an upload has one of five words, or it is not there."""
    words = set(lifecycle.SHOWN_AS.values())

    assert set(lifecycle.SHOWN_AS) == set(UploadState)
    assert words == {"transferring", "paused", "idle", "complete", "error", None}
    hidden = {state for state, word in lifecycle.SHOWN_AS.items() if word is None}
    assert hidden == {UploadState.DELETING, UploadState.GONE}


def test_cures_name_one_line_for_every_hold_reason() -> None:
    """Whoever reads why a drop waits also reads what helps, on one line."""
    assert set(lifecycle.CURES) == set(HoldReason)
    assert all(cure and "\n" not in cure for cure in lifecycle.CURES.values())
