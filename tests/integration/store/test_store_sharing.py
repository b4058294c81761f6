"""What shares the link, as rows: priorities of rules and people, the line for slots, the limit."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from importlib.resources import files as package_files
from pathlib import Path

from masv_watch.metrics import Metrics
from masv_watch.model import Selection, Turns, UploadEvent, UploadState
from masv_watch.store.contract import Store
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import Bench
from tests.integration.store.making import FOLDER, LEASE_S
from tests.integration.store.test_store_steering import draft


def priority(store: Store, upload_id: str) -> int:
    """Give whose turn it is."""
    return making.must(store.upload(upload_id)).priority


def test_priority_of_a_rule_reaches_its_unfinished_uploads(store: Store) -> None:
    """Live for what is on its way (behaviour 7.6), and for no other hot folder's."""
    upload_id, _ = making.create(store, b"a.mov")
    called = store.create_upload(draft())

    changed = store.adopt_priorities({FOLDER: 7, "elsewhere": 9})

    assert (changed, priority(store, upload_id), priority(store, called)) == (1, 7, 0)
    assert store.adopt_priorities({FOLDER: 7}) == 0
    assert store.adopt_priorities({FOLDER: 0}) == 1


def test_priority_that_a_person_set_stays_when_the_rule_changes(store: Store) -> None:
    """Also where it is the very same number: he said it."""
    upload_id, _ = making.create(store, b"a.mov")
    other, _ = making.create(store, b"b.mov")
    store.prioritize(upload_id, 3)
    store.prioritize(other, 0)

    store.adopt_priorities({FOLDER: 7})

    assert (priority(store, upload_id), priority(store, other)) == (3, 0)


def test_priority_of_what_is_over_does_not_change(store: Store) -> None:
    """What was delivered shows the priority with which it went."""
    done = making.bring_upload(store, UploadState.COMPLETE)
    failed = making.bring_upload(store, UploadState.ERROR, b"b.mov")

    store.adopt_priorities({FOLDER: 7})

    assert (priority(store, done.id), priority(store, failed.id)) == (0, 7)


def test_changed_priority_wakes_the_sender(store: Store) -> None:
    """It counts at once, not at the next look."""
    making.create(store, b"a.mov")
    rung: list[bool] = []
    store.listen(lambda: rung.append(True))

    store.adopt_priorities({FOLDER: 7})

    assert rung == [True]


def test_line_holds_who_waits_for_a_slot_by_priority(store: Store, clock: FakeClock) -> None:
    """Not who has one, was started, waits for a retry, or is paused."""
    waits = making.claim(store, store.create_upload(draft("waits", priority=20)))
    store.let_go(waits.id, waits.fence, retry_at=clock.wall() + 60)
    for name, number in (("active", 9), ("low", -2), ("first", 5), ("second", 5), ("none", 0)):
        store.create_upload(draft(name, priority=number))
        clock.advance(1)
    assert [upload.name for upload in store.claim_uploads(1, LEASE_S)] == ["active"]
    started, paused = (store.create_upload(draft(name, priority=8)) for name in "ab")
    store.start_upload(started)
    store.advance_upload(paused, UploadEvent.PAUSE)

    assert store.in_line(9) == [5, 5, 0, -2]
    assert store.in_line(2) == [5, 5]


def test_closed_window_keeps_what_transfers_and_nothing_else(store: Store) -> None:
    """What is finalizing, deleted or started by a person goes on; others' uploads too."""
    kept, _ = making.create(store, b"a.mov")
    started, _ = making.create(store, b"b.mov")
    done = making.bring_upload(store, UploadState.FINALIZING, b"c.mov")
    gone, _ = making.create(store, b"d.mov")
    making.claim(store, gone)
    store.advance_upload(gone, UploadEvent.DELETE)
    store.start_over()
    called = store.create_upload(draft("called"))
    store.start_upload(started)
    shut = Turns(closed={FOLDER: None})

    assert store.queued(shut) == [started, called]
    assert len(store.in_line(9, shut)) == 2
    claimed = {upload.id for upload in store.claim_uploads(9, LEASE_S, turns=shut)}
    assert claimed == {started, done.id, gone, called}
    assert [upload.id for upload in store.claim_uploads(9, LEASE_S)] == [kept]


def test_turn_is_by_priority_then_by_place_then_by_age(store: Store, clock: FakeClock) -> None:
    """At opening: priority, deadline, age (behaviour 12)."""
    places = {"late": 30.0, "soon": 10.0, "sooner": 5.0}
    ids: dict[str, str] = {}
    for name, folder, priority in (
        ("first", "late", 0), ("second", "soon", 0), ("third", "soon", 0), ("fourth", "late", 5),
        ("fifth", "sooner", 0),
    ):  # fmt: skip
        ids[name] = store.create_upload(replace(draft(name, priority=priority), hot_folder=folder))
        clock.advance(1)
    turns = Turns(place=lambda folder, _at: places[folder or ""])
    wanted = [ids[name] for name in ("fourth", "fifth", "second", "third", "first")]

    assert store.queued(turns) == wanted
    taken = [upload.id for _ in range(3) for upload in store.claim_uploads(2, LEASE_S, turns=turns)]
    assert taken == wanted


def test_turn_of_a_mixed_hot_folder_is_asked_of_each_of_its_uploads(
    store: Store, clock: FakeClock
) -> None:
    """Where the youngest may go first, the oldest are not enough to choose from."""
    ids = []
    for number in range(5):
        ids.append(store.create_upload(replace(draft(str(number)), hot_folder="mixed")))
        clock.advance(1)
    turns = Turns(place=lambda _folder, at: -at, mixed=frozenset({"mixed"}))

    assert [upload.id for upload in store.claim_uploads(1, LEASE_S, turns=turns)] == ids[-1:]
    assert store.queued(turns) == ids[-2::-1]


def test_posted_limit_outlives_a_restart_until_it_is_forgotten(bench: Bench, store: Store) -> None:
    """What a caller said holds over restarts."""
    assert store.remembered_rate_limit() is None
    store.remember_rate_limit("[true, 8000000]")
    again = bench.open()

    assert again.remembered_rate_limit() == "[true, 8000000]"
    again.remember_rate_limit(None)
    assert again.remembered_rate_limit() is None


def test_priority_of_a_state_before_rules_had_one_is_a_persons(tmp_path: Path) -> None:
    """Whatever was not 0 came from a person then, so no rule takes it away."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    database = sqlite3.connect(folder / "masv-watch.db")
    for number in (1, 2):
        script = package_files("masv_watch.store").joinpath(f"migrations/000{number}.sql")
        database.executescript(script.read_text(encoding="utf-8"))
    for upload_id, number in (("said", 4), ("unsaid", 0)):
        database.execute(
            "INSERT INTO uploads (id, hot_folder, root, name, message, terms, state, created_at,"
            " joined_at, priority) VALUES (?, ?, X'2F', 'n', '', ?, 'transferring', 1, 1, ?)",
            (upload_id, FOLDER, '{"type": "team"}', number),
        )
    database.execute("PRAGMA user_version = 2")
    database.commit()
    database.close()

    store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    changed = store.adopt_priorities({FOLDER: 7})
    said = {line.id: line.priority for line in store.select_uploads(Selection())}
    store.close()

    assert (changed, said) == (1, {"said": 4, "unsaid": 7})
