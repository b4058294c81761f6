"""The verbs of tasks and links, and the bell."""

from __future__ import annotations

import logging
from dataclasses import asdict

import pytest

from masv_watch.errors import IllegalTransition
from masv_watch.model import (
    DropState,
    HoldReason,
    Link,
    Secret,
    TaskDraft,
    TaskEvent,
    TaskKind,
    UploadEvent,
    UploadState,
)
from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import ALL_KINDS, DISPOSE, LEASE_S, LETTER, LINK

SECRET = "link-secret-nobody-may-read"


def delivered(store: Store, *tasks: TaskDraft) -> str:
    """Deliver an upload that owes these tasks."""
    return making.bring_upload(store, UploadState.COMPLETE, tasks=tasks).id


def test_claim_task_goes_by_kind_and_lease(store: Store, clock: FakeClock) -> None:
    """A room claims its kinds only; a leased task is left to its holder until the lease ends."""
    delivered(store, LINK, DISPOSE)
    first = store.claim_task([TaskKind.DISPOSE], LEASE_S)
    assert first is not None
    assert (first.kind, first.key, first.fence) == ("dispose", "1", 1)
    assert store.claim_task([TaskKind.DISPOSE], LEASE_S) is None
    link = store.claim_task(ALL_KINDS, LEASE_S)
    assert link is not None
    assert link.kind == "link"
    assert store.claim_task([], LEASE_S) is None
    clock.advance(LEASE_S)

    again = store.claim_task([TaskKind.DISPOSE], LEASE_S)
    assert again is not None
    assert (again.id, again.fence) == (first.id, 2)


def test_next_task_at_is_when_the_first_of_its_kinds_can_be_due(
    store: Store, clock: FakeClock
) -> None:
    """Whoever has nothing to do sleeps until then; a wait and a lease put it off."""
    assert store.next_task_at(ALL_KINDS) is None
    delivered(store, LINK, DISPOSE)
    assert store.next_task_at([TaskKind.LETTER]) is None
    at = store.next_task_at(ALL_KINDS)
    assert at is not None
    assert at <= store.now()
    link = store.claim_task([TaskKind.LINK], LEASE_S)
    assert link is not None
    assert store.next_task_at([TaskKind.LINK]) == store.now() + LEASE_S
    store.retry_task(link, retry_at=store.now() + 7, attempts=1, note="later")

    assert store.next_task_at([TaskKind.LINK]) == store.now() + 7
    clock.advance(7)
    again = store.claim_task([TaskKind.LINK], LEASE_S)
    assert again is not None
    store.advance_task(again, TaskEvent.WITHDRAWN)
    assert store.next_task_at([TaskKind.LINK]) is None


def test_hurry_rings_for_whoever_sleeps_until_a_retry(store: Store) -> None:
    """What may go now must not wait for the second that somebody sleeps until."""
    delivered(store, LINK)
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    store.retry_task(task, retry_at=store.now() + 3600, attempts=1, note="later")
    rung: list[bool] = []
    store.listen(lambda: rung.append(True))

    store.hurry()

    assert rung
    at = store.next_task_at(ALL_KINDS)
    assert at is not None
    assert at <= store.now()


def test_claim_task_gives_a_letter_only_with_its_link(store: Store) -> None:
    """No letter leaves before there is a link to write into it."""
    upload_id = delivered(store, LINK, LETTER)
    assert store.claim_task([TaskKind.LETTER], LEASE_S) is None
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    link = Link(upload_id=upload_id, id="L", secret=Secret(SECRET), expiry="2030-01-01T00:00:00Z")
    store.advance_task(task, TaskEvent.DONE, link=link)
    letter = store.claim_task([TaskKind.LETTER], LEASE_S)

    assert letter is not None
    assert dict(letter.facts) == {"message_id": "<1@x>"}
    assert store.link(upload_id) == link
    assert letter.created_at == store.now()


def test_retry_task_waits_and_note_asked_is_kept(
    bench: Bench, store: Store, clock: FakeClock
) -> None:
    """A task waits until its time and remembers that it may have happened."""
    delivered(store, LINK)
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    for _ in range(2):
        store.note_task_asked(task)
        store.retry_task(task, retry_at=store.now() + 60, attempts=1, note="451 later")
        rows = bench.rows()
    store.note_task_asked(task)
    assert bench.rows() == rows
    assert store.claim_task(ALL_KINDS, LEASE_S) is None
    clock.advance(60)
    again = store.claim_task(ALL_KINDS, LEASE_S)

    assert again is not None
    assert (again.asked, again.attempts, again.note) == (True, 1, "451 later")


def test_last_task_finishes_the_drops(store: Store) -> None:
    """Delivered turns into done with the last task, whatever became of each."""
    upload_id = delivered(store, LINK, DISPOSE)
    for event, state, left in (
        (TaskEvent.REFUSED, DropState.TAKEN, {upload_id: 1}),
        (TaskEvent.WITHDRAWN, DropState.DONE, {}),
    ):
        task = store.claim_task(ALL_KINDS, LEASE_S)
        assert task is not None
        store.advance_task(task, event, note="250 ok")

        assert store.drops_of(upload_id)[0].state is state
        assert store.open_tasks() == left


def test_advance_task_asked_twice_changes_nothing(bench: Bench, store: Store) -> None:
    """A task that ended stays as it ended; asked again it says so."""
    upload_id = delivered(store, LINK)
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    link = Link(upload_id=upload_id, id="L", secret=Secret(SECRET))
    store.advance_task(task, TaskEvent.DONE, link=link)
    before = bench.rows()

    with pytest.raises(IllegalTransition):
        store.advance_task(task, TaskEvent.DONE, link=link)
    assert bench.rows() == before


def test_listen_rings_after_moves_only(store: Store) -> None:
    """The bell rings once a state moved and its row can be read, not for a note."""
    seen: list[list[DropState]] = []
    store.listen(lambda: seen.append([drop.state for drop in store.drops()]))
    drop = store.see_drop(making.FOLDER, b"a")
    store.adopt(making.FOLDER, b"/a")
    assert seen == []
    store.hold_new(making.FOLDER, [(b"b", "", 1, 1)], HoldReason.EMPTY)
    store.release(making.FOLDER, HoldReason.EMPTY)
    assert seen == [[DropState.SETTLING, DropState.SETTLING]]
    with pytest.raises(IllegalTransition):
        store.create_upload(making.upload_draft(making.drop_draft(drop), making.drop_draft(drop)))

    assert len(seen) == 1


def test_secrets_never_show_in_nouns_or_records(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Token and link secret appear in no repr, no log record and no text of an event."""
    caplog.set_level(logging.DEBUG)
    upload_id = delivered(store, LINK)
    claimed = making.must(store.upload(upload_id))
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    link = Link(upload_id=upload_id, id="L", secret=Secret(SECRET))
    store.advance_task(task, TaskEvent.DONE, link=link)
    store.advance_upload(upload_id, UploadEvent.DELETE)
    nouns = [claimed, store.link(upload_id), *store.tasks(upload_id), *store.drops()]
    said = [repr(noun) + str(noun) + repr(asdict(noun)) for noun in nouns if noun is not None]
    said += [repr(record.__dict__) + record.getMessage() for record in caplog.records]

    assert claimed.package_token == Secret(making.TOKEN)
    assert len(caplog.records) > 5
    assert not [one for one in said if SECRET in one or making.TOKEN in one]


def test_moves_are_logged_once_with_their_states(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Each move is one log record after its commit; a refused one leaves none."""
    caplog.set_level(logging.INFO)
    upload_id, _ = making.create(store)
    caplog.clear()
    store.advance_upload(upload_id, UploadEvent.PAUSE)
    with pytest.raises(IllegalTransition):
        store.advance_upload(upload_id, UploadEvent.PAUSE)

    (record,) = caplog.records
    assert record.getMessage() == "upload moved"
    assert (record.__dict__["before"], record.__dict__["after"]) == ("transferring", "paused")


def test_link_that_is_refused_withdraws_the_letters_that_wait_for_it(store: Store) -> None:
    """Without a link no letter can ever leave; nothing stays owed for ever."""
    upload_id = delivered(store, LINK, LETTER, DISPOSE)
    task = store.claim_task([TaskKind.LINK], LEASE_S)
    assert task is not None
    store.advance_task(task, TaskEvent.REFUSED, note="the package is gone")

    states = {each.kind: (each.state, each.note) for each in store.tasks(upload_id)}
    assert states["letter"] == ("withdrawn", "the package is gone")
    assert states["dispose"][0] == "due"
    assert store.refused_tasks() == {upload_id: 1}


def test_forget_events_removes_old_notes_only(store: Store, clock: FakeClock, bench: Bench) -> None:
    """A daemon that runs for months keeps the notes of its moves for a bounded time."""
    delivered(store)
    old = len(bench.rows()["events"])
    clock.advance(100.0)
    delivered(store)
    young = len(bench.rows()["events"]) - old

    assert store.forget_events(100.0) == old
    assert len(bench.rows()["events"]) == young
    assert store.forget_events(100.0) == 0


def test_hurry_lets_waiting_tasks_and_uploads_be_claimed_at_once(
    store: Store, clock: FakeClock
) -> None:
    """A reload may have mended what they wait for."""
    delivered(store, DISPOSE)
    task = store.claim_task(ALL_KINDS, LEASE_S)
    assert task is not None
    store.retry_task(task, retry_at=store.now() + 3600, attempts=1, note="later")
    upload_id, _ = making.create(store, b"later.mov")
    upload = making.claim(store, upload_id)
    store.let_go(upload.id, upload.fence, retry_at=store.now() + 3600, attempts=1, error="later")
    assert store.claim_task(ALL_KINDS, LEASE_S) is None
    assert store.claim_uploads(9, LEASE_S) == []

    store.hurry()

    assert store.claim_task(ALL_KINDS, LEASE_S) is not None
    assert [each.id for each in store.claim_uploads(9, LEASE_S)] == [upload_id]
