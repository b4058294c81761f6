"""`recall`: what is up waits before its finalize, and can be taken back until then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import (
    DropMode,
    DropState,
    Rule,
    Terms,
    To,
    Turns,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.uploads import FolderSight, HotFolders, Records, WaitReason
from tests.integration.rooms.sent import CHUNK, FOLDER, Hold, Room

WINDOW_S = 600.0
TOLD = Terms(type=UploadType.TEAM, recipients=("anna@example.com",))


def idle(room: Room, name: str = "wrong", **said) -> str:
    """Give an upload of which everything is up, at the begin of its window."""
    room.build()
    upload_id = room.drop(name, CHUNK, 1000, recall_s=WINDOW_S, **{"terms": TOLD, **said})
    room.until(lambda: room.upload(upload_id).state == "idle")
    return upload_id


def wait(room: Room, seconds: float) -> None:
    """Let time pass, and whatever the sender does with it."""
    for part in (seconds / 2, seconds / 2, 0.0):
        room.clock.advance(part)
        room.turn()


def waiting(room: Room, upload_id: str):
    """Give what an upload waits for, which list and view say alike."""
    seen = room.desk.view(upload_id).waiting
    assert [view.waiting for view in room.desk.list() if view.upload.id == upload_id] == [seen]
    return seen


def count(room: Room, end: str) -> int:
    """Give how many windows ended so."""
    lines = room.numbers.text().splitlines()
    wanted = f'masv_watch_recalls_total{{end="{end}"}} '
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(wanted))


@pytest.mark.parametrize("target", ["team", "portal"])
def test_nobody_is_told_before_the_window_is_over_and_then_by_itself(room: Room, target: str):
    """MASV mails recipients when a package is finalized, so it is the finalize that waits."""
    portal = Terms(type=UploadType.PORTAL, portal="dailies", sender="dit@example.com")
    upload_id = idle(room, terms=TOLD if target == "team" else portal)
    until = room.store.now() + WINDOW_S
    seen = waiting(room, upload_id)
    wait(room, WINDOW_S - 1)

    assert (seen.reason, seen.until) == (WaitReason.RECALL, until)
    assert seen.cure == (
        f"masv-watch delete {upload_id} takes it back, masv-watch finalize {upload_id} sends it now"
    )
    assert room.upload(upload_id).lease_until == 0
    assert room.package(upload_id)["finalize_calls"] == 0
    wait(room, 1)
    assert room.until_complete(upload_id)["finalize_calls"] == 1
    assert count(room, "over") == 1


@pytest.mark.parametrize("verb", ["finalize", "start"])
def test_person_who_wants_it_delivered_ends_the_window(room: Room, verb: str):
    """The first is what the cure names, the second what the page's button does."""
    upload_id = idle(room)

    getattr(room.desk, verb)(upload_id)

    assert room.until_complete(upload_id)["finalize_calls"] == 1


@pytest.mark.parametrize("by", ["delete", "cancel"])
def test_what_is_taken_back_is_never_delivered_and_its_source_stays(room: Room, by: str):
    """Its package goes from the cloud, nobody is told, and nothing of it goes again by itself."""
    upload_id = idle(room)
    package = room.upload(upload_id).package_id
    (drop,) = room.store.drops_of(upload_id)
    wait(room, WINDOW_S - 1)
    records = Records(room.store, hurry=lambda _name: None, terms=lambda *_: None)

    if by == "delete":
        room.desk.delete(upload_id)
    else:
        records.cancel(drop.id)
    room.until(lambda: room.upload(upload_id).state == "gone")
    wait(room, 2 * WINDOW_S)

    (made,) = [each for each in room.sandbox.witness("packages") if each["id"] == package]
    assert (made["state"], made["finalized_at"], made["finalize_calls"]) == ("archived", None, 0)
    assert room.store.drop(drop.id).state is DropState.CANCELLED
    assert len(list((room.root / "wrong").iterdir())) == 2
    assert count(room, "taken_back") == 1
    assert room.store.resend_drop(drop.id).state is DropState.SETTLING


def test_taken_back_while_the_cloud_is_away_it_goes_once_that_is_back(room: Room):
    """The intent is stored first: the end of the window does not overtake it."""
    upload_id = idle(room)
    package = room.upload(upload_id).package_id
    room.sandbox.fault("status", "DELETE /v1/packages/", status=500, times=None)
    room.desk.delete(upload_id)
    room.until(lambda: room.upload(upload_id).error)
    wait(room, 2 * WINDOW_S)
    assert room.upload(upload_id).state == "deleting"
    room.restart()
    room.sandbox.heal()

    room.until_state(upload_id, "gone")
    assert room.cloud_state(package) == "archived"
    (made,) = [each for each in room.sandbox.witness("packages") if each["id"] == package]
    assert made["finalize_calls"] == 0


def test_delete_that_meets_the_finalize_at_the_end_of_the_window_has_one_of_both(room: Room):
    """What went out cannot be undone: it is delivered, and said so."""
    room.build()
    upload_id = room.drop("wrong", 1000, recall_s=WINDOW_S, terms=TOLD)
    held = Hold(room.cloud.finalize_package)
    room.cloud.finalize_package = held
    room.until(lambda: room.upload(upload_id).state == "idle")
    room.clock.advance(WINDOW_S)
    room.until(held.reached.is_set)
    package = room.upload(upload_id).package_id

    room.desk.delete(upload_id)
    held.go_on.set()
    room.until_state(upload_id, "gone")

    assert room.cloud_state(package) == "finalized"
    assert room.upload(upload_id).finalized_at is not None
    assert count(room, "taken_back") == 0


@pytest.mark.parametrize("what", ["changed", "removed", "renamed"])
def test_source_that_is_not_as_it_was_pulls_it_back_at_the_end_of_the_window(room: Room, what: str):
    """Nothing was seen meanwhile: the last look finds it, and the old bytes are not delivered."""
    upload_id = idle(room)
    source = room.root / "wrong" / "f0"
    if what == "changed":
        source.write_bytes(b"other")
    elif what == "removed":
        source.unlink()
    else:
        source.rename(room.top / "elsewhere")
    wait(room, WINDOW_S)
    room.until(lambda: room.upload(upload_id).state == "transferring")

    assert room.package(upload_id)["finalize_calls"] == 0
    room.until(lambda: room.told == [FOLDER])
    if what == "changed":
        room.settle_again(upload_id)
        room.until(lambda: room.upload(upload_id).state == "idle")
        assert waiting(room, upload_id).until == room.store.now() + WINDOW_S
        wait(room, WINDOW_S)
        assert sum(file["size"] for file in room.until_complete(upload_id)["files"]) == 5 + 1000


def test_change_that_is_seen_in_the_window_has_what_it_is_now_wait_anew(room: Room):
    """What is delivered in the end could be taken back for as long as any other."""
    upload_id = idle(room)
    wait(room, WINDOW_S - 1)
    (room.root / "wrong" / "f0").write_bytes(b"other")
    room.settle_again(upload_id)
    room.until(lambda: room.upload(upload_id).state == "idle")
    wait(room, WINDOW_S - 1)

    assert room.package(upload_id)["finalize_calls"] == 0
    assert count(room, "changed") == 1
    wait(room, 1)
    assert sum(file["size"] for file in room.until_complete(upload_id)["files"]) == 5 + 1000


@pytest.mark.parametrize("opens_after", [WINDOW_S / 2, WINDOW_S * 2])
def test_window_of_delivery_and_of_recall_are_both_kept(room: Room, opens_after: float):
    """Whichever ends last is told of."""
    opens = room.store.now() + opens_after
    room.turns = Turns(undelivered={FOLDER: opens})
    room.desk._turns = lambda: room.turns
    upload_id = idle(room)
    until = room.store.now() + WINDOW_S
    seen = waiting(room, upload_id)
    is_last = opens_after > WINDOW_S
    wanted = (WaitReason.WINDOW_CLOSED, opens) if is_last else (WaitReason.RECALL, until)
    assert (seen.reason, seen.until) == wanted

    wait(room, WINDOW_S - 1)
    if not is_last:
        room.turns = Turns()
    wait(room, 0)
    assert room.upload(upload_id).state == "idle"
    wait(room, 1)
    assert (room.upload(upload_id).state == "idle") is is_last
    room.turns = Turns()
    assert room.until_complete(upload_id)["finalize_calls"] == 1


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_wall_clock_that_jumps_neither_ends_nor_prolongs_the_window(room: Room, jump: float):
    """Its time is the store's, which goes on as the machine does."""
    upload_id = idle(room)
    room.clock.jump_wall(jump)
    wait(room, WINDOW_S - 1)
    assert room.upload(upload_id).state == "idle"

    wait(room, 1)
    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_upload_that_an_earlier_package_serves_waits_before_it_is_linked(room: Room):
    """Its link and letters would tell of it, and no finalize stands before them."""
    room.build()
    letters = Terms(type=UploadType.TEAM, mail_to=("one@example.com",))
    first = room.drop("one", 1000, terms=letters)
    room.until_complete(first)
    second = room.drop("two", 1000, terms=letters, relinks=first, recall_s=WINDOW_S)
    third = room.drop("three", 1000, terms=letters, relinks=first, recall_s=WINDOW_S)
    wait(room, WINDOW_S - 1)
    seen = waiting(room, second)

    assert (seen.reason, seen.until) == (WaitReason.RECALL, room.store.now() + 1)
    assert seen.cure.endswith(f"masv-watch start {second} sends it now")
    assert room.store.tasks(second) == []
    room.desk.delete(third)
    room.until(lambda: room.upload(third).state == "gone")
    wait(room, 1)
    room.until_complete(second)
    assert room.upload(second).package_id == room.upload(first).package_id
    assert {task.kind for task in room.store.tasks(second)} >= {"link", "letter"}
    assert (count(room, "taken_back"), count(room, "sent_now")) == (1, 0)
    assert room.store.tasks(third) == []


@pytest.mark.parametrize("how", ["deleted", "rebound"])
def test_upload_that_waited_to_be_served_has_no_second_window_for_a_package_of_its_own(
    room: Room, how: str
):
    """It was told nobody for as long as its rule says; what stood in the way costs no more."""
    room.build()
    terms = Terms(type=UploadType.TEAM, idle_s=0.0 if how == "deleted" else 2 * WINDOW_S)
    first = room.drop("one", 1000, terms=terms)
    room.until_state(first, "complete" if how == "deleted" else "idle")
    second = room.drop("two", 1000, relinks=first, recall_s=WINDOW_S)
    wait(room, WINDOW_S - 1)
    if how == "deleted":
        room.desk.delete(first)
        wait(room, 1)
    else:
        wait(room, 1)
        room.store.rebind_upload(first, replace(terms, recipients=("other@example.com",)))

    room.until_state(second, "complete")

    assert room.upload(second).package_id != room.upload(first).package_id
    assert room.store.now() <= room.upload(second).created_at + WINDOW_S + 60


def test_upload_that_waits_to_be_served_has_its_window_where_it_is_sent_before_its_end(room: Room):
    """Nobody could look at what is up by then."""
    room.build()
    first = room.drop("one", 1000, terms=Terms(type=UploadType.TEAM, idle_s=2 * WINDOW_S))
    room.until_state(first, "idle")
    second = room.drop("two", 1000, relinks=first, recall_s=WINDOW_S)
    wait(room, 10)
    room.store.rebind_upload(first, replace(TOLD, idle_s=2 * WINDOW_S))
    room.until_state(second, "idle")

    seen = waiting(room, second)

    assert seen.reason is WaitReason.RECALL
    assert seen.until - room.store.now() > WINDOW_S - 1
    assert room.store.now() < room.upload(second).created_at + 60


def test_upload_that_changes_after_its_wait_to_be_served_has_another_window(room: Room):
    """What is new in it was never to be recalled."""
    room.build()
    first = room.drop("one", 1000)
    room.until_complete(first)
    second = room.drop("two", 1000, relinks=first, recall_s=WINDOW_S)
    wait(room, WINDOW_S - 1)
    (drop,) = room.store.drops_of(second)
    room.store.note_change(drop.id, "grew")
    wait(room, 10)
    room.settle_again(second)
    room.until(lambda: room.upload(second).state == "idle")

    assert waiting(room, second).reason is WaitReason.RECALL


@pytest.mark.parametrize("how", ["start", "reload"])
def test_upload_that_is_served_is_linked_at_once_when_its_window_ends_early(room: Room, how: str):
    """By a person's word, or by a rule that has no window any more."""
    room.build()
    first = room.drop("one", 1000)
    room.until_complete(first)
    second = room.drop("two", 1000, relinks=first, recall_s=WINDOW_S)
    wait(room, 2)
    assert room.upload(second).state == "transferring"

    if how == "start":
        room.desk.start(second)
    else:
        room.store.adopt_recalls({FOLDER: 0.0})

    room.until_complete(second)
    assert room.upload(second).package_id == room.upload(first).package_id


def test_batch_in_its_window_is_finalized_by_its_hot_folders_name(room: Room):
    """`finalize --folder` means what waits, also where no batch is open any more."""
    batch = Terms(type=UploadType.TEAM, batch=True, idle_s=300.0)
    upload_id = idle(room, terms=batch)
    assert waiting(room, upload_id).reason is WaitReason.BATCH_OPEN
    wait(room, 300.0)
    assert waiting(room, upload_id).reason is WaitReason.RECALL
    rule = Rule(name=FOLDER, path=b"/srv/out", to=To(recipients=()), drop=DropMode.BATCH)
    sight = FolderSight(rule=rule, reason="", last_sweep=None, notifications="on")
    folders = HotFolders(room.store, room.desk, sights=lambda: [sight], hurry=lambda _name: None)

    assert folders.finalize(FOLDER) == upload_id
    assert room.until_complete(upload_id)["finalize_calls"] == 1


def test_drop_of_a_batch_that_is_cancelled_in_the_window_is_not_in_what_is_delivered(room: Room):
    """The others go when they would have gone: their window is not begun anew."""
    room.build()
    batch = Terms(type=UploadType.TEAM, batch=True, idle_s=0.0)
    upload_id = room.drop("right", 1000, terms=batch, recall_s=WINDOW_S)
    wrong = room.store.see_drop(FOLDER, b"wrong")
    (room.root / "wrong").mkdir()
    (room.root / "wrong" / "f0").write_bytes(b"nobody's")
    room.store.join_upload(upload_id, room.settled("wrong", wrong.id))
    room.until(lambda: room.upload(upload_id).state == "idle")
    until = room.store.now() + WINDOW_S
    wait(room, WINDOW_S / 2)

    Records(room.store, hurry=lambda _name: None, terms=lambda *_: None).cancel(wrong.id)
    seen = waiting(room, upload_id)
    wait(room, WINDOW_S / 2)

    assert (seen.reason, seen.until) == (WaitReason.RECALL, until)
    assert [file["size"] for file in room.until_complete(upload_id)["files"]] == [1000]


def test_finalize_that_a_person_asked_for_is_noted_with_its_reason(room: Room):
    """Whoever reads the events sees that somebody did not wait."""
    upload_id = idle(room)
    room.desk.finalize(upload_id)
    room.until_complete(upload_id)

    (noted,) = [
        move.detail
        for move in room.store.moves(0, 1000)
        if move.noun_id == upload_id and move.event == UploadEvent.FINALIZE
    ]
    assert noted == "a person ended its recall window"
    assert count(room, "sent_now") == 1
    assert room.upload(upload_id).state is UploadState.COMPLETE
