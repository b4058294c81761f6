"""What is on its way from a hot folder that nobody watches any more."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import pytest

from masv_watch.metrics import Metrics
from masv_watch.model import Rule, SourceFile, Upload, UploadState
from masv_watch.roster import Roster
from masv_watch.uploads.needs import needs_of
from masv_watch.watch.absence import ALARM_S
from masv_watch.watch.untended import PATIENCE_S, Place, Untended
from tests.integration.rooms.sent import Door, Nth
from tests.integration.rooms.test_intake_redrops import SETTLED_S
from tests.integration.rooms.watched import Room
from tests.integration.store.making import claim, open_package


def roster_of(room: Room, *rules: Rule) -> Roster:
    """Give the roster of a daemon with these rules, as its start builds it."""
    made = Roster(
        rules,
        room.store,
        room.uploads,
        denied=frozenset,
        canary=os.fsencode(room.top / "canary"),
        clock=room.clock,
        metrics=Metrics(),
    )
    made.stop_listening()
    return made


def taken(room: Room) -> Upload:
    """Drop a file and let it be taken, with its root known by then."""
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    return upload


def miss(room: Room, upload: Upload, roster: Roster) -> None:
    """Let the sender find that the source is not as it settled."""
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    (file,) = room.store.files(upload.id)
    room.store.note_source_changed(file, claimed.fence, "not there when it was read")
    room.store.let_go(upload.id, claimed.fence)
    roster.note_source_changed("hot")


#: the hot folder is removed, disabled, or watches another folder by now
EDITS = pytest.mark.parametrize(
    "edit", [None, {"is_enabled": False}, {"path": b"/elsewhere"}], ids=["gone", "off", "moved"]
)
Edit = dict[str, Any] | None


def edited(room: Room, edit: Edit) -> list[Rule]:
    """Give the rules that are left of the room's own."""
    return [] if edit is None else [replace(room.rule, **edit)]


@EDITS
def test_upload_goes_on_once_the_root_that_nobody_watches_is_back(
    make_room: Any, edit: Edit
) -> None:
    """It waits as in a watched hot folder, and after two minutes somebody is told."""
    room = make_room()
    taken(room)
    room.hot.rename(room.top / "away")
    room.intake.hurry()
    room.pass_time(2 * ALARM_S)
    assert room.state("a.mov") == ("taken", "root_unavailable")
    roster = roster_of(room, *edited(room, edit))
    untended = roster.untended
    untended.tick()
    assert roster.needs() == []
    room.clock.advance(2 * ALARM_S)
    untended.tick()

    assert room.state("a.mov") == ("taken", "root_unavailable")
    (need,) = untended.needs()
    assert "hot, which nobody watches any more, is not there, and a.mov" in need.text
    assert need.cure.endswith(f"or masv-watch cancel {room.drop('a.mov').id} ends it")
    assert need in roster.needs()
    (room.top / "away").rename(room.hot)
    untended.tick()
    assert room.state("a.mov") == ("taken", None)
    assert untended.needs() == []


@EDITS
@pytest.mark.parametrize("is_noted", [True, False], ids=["known", "unknown"])
def test_upload_waits_while_a_bare_mount_point_stands_where_nobody_watches(
    make_room: Any, edit: Edit, is_noted: bool
) -> None:
    """A moment of it proves nothing; what stands there again as it settled goes on."""
    room = make_room()
    upload = taken(room)
    if not is_noted:
        # the row of its root is that of the path that is watched by now
        room.store.adopt("hot", b"/elsewhere")
    roster = roster_of(room, *edited(room, edit))
    room.hot.rename(room.top / "away")
    room.hot.mkdir()
    miss(room, upload, roster)
    roster.untended.tick()
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
    assert room.state("a.mov") == ("taken", "root_unavailable")
    room.hot.rmdir()
    (room.top / "away").rename(room.hot)
    roster.untended.tick()

    assert room.state("a.mov") == ("taken", None)
    assert room.drop("a.mov").whole
    assert not room.store.files(upload.id)[0].stale
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING


def test_what_was_left_out_of_a_drop_that_settles_where_nobody_watches_stays_noted(
    make_room: Any,
) -> None:
    """The letter and the receipt name it."""
    room = make_room()
    card = room.hot / "CARD"
    (card / "empty").mkdir(parents=True)
    (card / "a.mov").write_bytes(b"abc")
    os.mkfifo(card / "pipe")
    room.pass_time(2 * SETTLED_S)
    (upload,) = room.taken()
    noted = room.store.skipped(upload.id)
    roster = roster_of(room)
    miss(room, upload, roster)
    roster.untended.tick()

    assert len(noted) == 2
    assert room.drop("CARD").whole
    assert room.store.skipped(upload.id) == noted


def test_source_that_was_removed_where_nobody_watches_is_told_of(make_room: Any) -> None:
    """Its folder is there, and empty because somebody emptied it."""
    room = make_room()
    upload = taken(room)
    roster = roster_of(room)
    (room.hot / "a.mov").unlink()
    miss(room, upload, roster)
    roster.untended.tick()

    assert room.store.upload(upload.id).state is UploadState.ERROR


def test_root_that_does_not_answer_is_told_of(make_room: Any) -> None:
    """Whatever hangs is asked by a loop of its own."""
    room = make_room()
    taken(room)
    untended = roster_of(room).untended
    untended._asking = Place("hot", room.rule.path, ""), room.clock.monotonic()
    assert untended.needs() == []
    room.clock.advance(PATIENCE_S)

    assert [need.text.endswith("does not answer; look at the mount") for need in untended.needs()]


def test_root_that_nobody_watches_is_looked_at_at_once_when_somebody_hurries_it(make_room: Any):
    """A person resumes an upload from there: it does not settle for an hour first."""
    room = make_room()
    taken(room)
    roster = roster_of(room)
    roster.untended.loop.bell.wait(0)

    roster.hurry("hot")

    assert roster.untended.loop.bell.wait(0)


class Answering(Untended):
    """One whose root answers while somebody asks what needs him."""

    asked: Iterator[Any]

    @property
    def _asking(self) -> Any:
        return next(self.asked)

    @_asking.setter
    def _asking(self, value: Any) -> None:
        self.asked = chain([value], repeat(None))


def test_root_that_answers_while_its_need_is_said_breaks_nothing(make_room: Any) -> None:
    """Who asks is on another thread than the look."""
    room = make_room()
    untended = Answering(room.store, clock=room.clock, metrics=Metrics())
    untended._asking = Place("hot", room.rule.path, ""), room.clock.monotonic()
    room.clock.advance(PATIENCE_S)

    assert len(untended.needs()) == 1


def slow(room: Room, instead: Callable[[Untended], None], *, nth: int = 1) -> Untended:
    """Look after what is on its way; something happens while a root keeps the look waiting.

    Its files are asked for first to know the root again, and then to compare all of them.
    """
    happen = Nth(lambda: None, nth, lambda: instead(made))

    def files_of(upload_id: str) -> list[SourceFile]:
        found = room.store.files(upload_id)
        happen()
        return found

    made = Untended(Door(room.store, files=files_of), clock=room.clock, metrics=Metrics())
    made.tend(room.store.drops(living=True))
    return made


def let_go(untended: Untended) -> None:
    """Have all of it watched again, as a reload does."""
    untended.tend(())


def test_drop_that_is_watched_again_while_its_root_answers_late_is_let_go(make_room: Any) -> None:
    """The look that hung across the reload does not take it back."""
    room = make_room()
    taken(room)
    untended = slow(room, let_go)
    untended.tick()

    assert untended.tick() is None


def test_drop_that_is_watched_again_during_a_look_at_a_bare_root_is_not_held(
    make_room: Any,
) -> None:
    """Its own watcher, which found the root in place, would not let it go on."""
    room = make_room()
    taken(room)
    room.hot.rename(room.top / "away")
    room.hot.mkdir()
    untended = slow(room, let_go)
    untended.tick()
    room.clock.advance(ALARM_S)

    assert room.state("a.mov") == ("taken", None)
    assert untended.needs() == []


def test_changed_drop_that_is_watched_again_during_a_look_does_not_fail(make_room: Any) -> None:
    """It settles again where it is watched."""
    room = make_room()
    upload = taken(room)
    untended = slow(room, let_go, nth=2)
    (room.hot / "a.mov").write_bytes(b"other content")
    miss(room, upload, roster_of(room))
    untended.tick()

    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING


def test_drop_that_settled_again_during_a_look_does_not_fail(make_room: Any) -> None:
    """It was watched for a while, and is not any more: what the look found is of before."""
    room = make_room()
    upload = taken(room)

    def settle(_: Untended) -> None:
        room.intake.hurry()
        room.pass_time(SETTLED_S)

    untended = slow(room, settle, nth=2)
    miss(room, upload, roster_of(room))
    (room.hot / "a.mov").write_bytes(b"other content")
    untended.tick()

    assert room.drop("a.mov").whole
    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING


def test_hot_folder_is_watched_again_only_once_nobody_else_looks_after_it(make_room: Any) -> None:
    """Else what was on its way from there would be closed behind the back of its watcher."""
    room = make_room()
    taken(room)
    roster = roster_of(room)
    watching: list[bool] = []

    def drops(*given: Any, **named: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            watching.append(any(each.name == "intake-hot" for each in threading.enumerate()))
        return room.store.drops(*given, **named)

    roster._store = Door(room.store, drops=drops)
    try:
        roster.swap([room.rule])
    finally:
        (loop, *_) = roster.loops
        loop.stop(5.0)

    assert watching == [False]
    assert loop.name == "intake-hot"
    assert roster.untended.tick() is None


def test_nothing_is_looked_at_where_all_is_watched(make_room: Any) -> None:
    """Nobody wakes up for it."""
    room = make_room()
    taken(room)

    assert roster_of(room, room.rule).untended.tick() is None


def test_upload_of_a_root_that_is_away_waits_while_its_hot_folder_is_watched(make_room):
    """Its own watcher says when it is back."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    room.hot.rename(room.top / "away")
    room.intake.hurry()
    room.pass_time(2 * ALARM_S)
    roster_of(room, room.rule)

    assert room.state("a.mov") == ("taken", "root_unavailable")


@EDITS
@pytest.mark.parametrize("restarts", [True, False])
def test_source_that_changes_after_its_hot_folder_went_is_told_of(
    make_room: Any, edit: Edit, restarts: bool
) -> None:
    """Its drop can never settle again, for nobody looks: the upload fails with what helps."""
    room = make_room()
    upload = taken(room)
    roster = roster_of(room, *edited(room, edit))
    (room.hot / "a.mov").write_bytes(b"other content")
    miss(room, upload, roster)
    if restarts:
        room.store.start_over()
        roster = roster_of(room, *edited(room, edit))
    roster.untended.tick()

    assert room.store.upload(upload.id).state is UploadState.ERROR
    (need,) = needs_of(room.store)
    assert f"masv-watch resume {upload.id}" in need.text


def test_source_that_changes_in_a_watched_hot_folder_settles_again(make_room):
    """Somebody looks: no upload fails."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    roster = roster_of(room, room.rule)
    miss(room, upload, roster)

    assert room.store.upload(upload.id).state is UploadState.TRANSFERRING
