"""What becomes of duplicates, of markers, and of what was left out of a delivered source."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from masv_watch import files
from masv_watch.delivery.outbox import SOURCES, Outbox, Outside
from masv_watch.metrics import Metrics
from masv_watch.model import (
    After,
    Dedupe,
    Rule,
    Settle,
    Sidecar,
    TaskDraft,
    TaskKind,
    TaskState,
    To,
    UploadState,
)
from masv_watch.roster import Roster
from masv_watch.store.sqlite import open_store
from masv_watch.uploads import Uploads
from masv_watch.watch.markers import marks_of
from tests.doubles import FakeClock
from tests.integration.rooms.watched import QUIET_S

from .test_intake_redrops import SETTLED_S

DISPOSE = TaskKind.DISPOSE
MOVE = After(delivered="move", move_to="{root}/_sent/{name}")
DELETE = After(delivered="delete")
KEEP = After()


def outbox_of(room, **instead):
    """Build what deals with the sources of a room; it asks no cloud."""
    outside = Outside(
        cloud=None,
        login=None,
        settings=lambda: None,
        ignored=lambda *_: lambda *_: False,
        register_secret=lambda _secret: None,
        **instead,
    )
    return Outbox(
        room.store, outside, SOURCES, clock=room.clock, metrics=Metrics(), luck=lambda: 0.5
    )


def settle(room):
    """Wait until everything settled, then deliver it and owe nothing for it."""
    room.pass_time(SETTLED_S)
    for upload in room.taken():
        if upload.state is UploadState.TRANSFERRING:
            room.store.start_over()
            room.deliver(upload)
    room.pass_time(SETTLED_S)


def work(outbox):
    """Let the outbox do what is due."""
    while outbox.tick() == 0.0:
        pass


def owed(room):
    """List what is owed of all sources: their drop, state and outcome."""
    found = [task for upload in room.taken() for task in room.store.tasks(upload.id)]
    return [(int(task.key), task.state, task.note) for task in found if task.kind is DISPOSE]


@pytest.mark.parametrize(
    ("after", "duplicate", "ends"),
    [
        (MOVE, None, "moved"),
        (DELETE, None, "deleted"),
        (KEEP, MOVE, "moved"),
        (KEEP, DELETE, "deleted"),
        (MOVE, KEEP, "kept"),
        (KEEP, None, "kept"),
    ],
)
def test_duplicate_is_dealt_with_as_the_rule_says_or_as_what_was_delivered(
    make_room, after, duplicate, ends
):
    """A normal end with a post-action of its own (pain 38)."""
    room = make_room(after=after, after_duplicate=duplicate)
    (room.hot / "a.mov").write_bytes(b"abc")
    settle(room)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)
    assert room.state("a.mov") == ("duplicate", None)
    work(outbox_of(room))

    assert (room.hot / "a.mov").exists() == (ends == "kept")
    assert (room.hot / "_sent" / "a.mov").exists() == (ends == "moved")
    assert len(list(room.hot.glob(".masv-trash/*/a.mov"))) == (ends == "deleted")
    if ends == "kept":
        assert owed(room) == []
    else:
        ((drop, state, note),) = owed(room)
        assert (drop, state) == (room.drop("a.mov").id, TaskState.DONE)
        assert ("moved to" if ends == "moved" else "removed") in note
        assert dict(room.store.sources(drop)) == {}


def test_copy_in_a_folder_is_deleted_as_a_duplicate_with_all_its_files(make_room):
    """Its files are what was compared; the earlier drop stays as it was."""
    room = make_room(dedupe=Dedupe.SKIP, after_duplicate=DELETE)
    (room.hot / "one" / "deep").mkdir(parents=True)
    (room.hot / "one" / "deep" / "a").write_bytes(b"abc")
    settle(room)
    shutil.copytree(room.hot / "one", room.hot / "two")
    room.pass_time(SETTLED_S)
    work(outbox_of(room))

    assert not (room.hot / "two").exists()
    assert (room.hot / "one" / "deep" / "a").read_bytes() == b"abc"
    assert owed(room)[0][1] is TaskState.DONE


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_duplicate_stays_where_the_package_with_its_content_is_gone(make_room, how):
    """It may be the last copy: nothing is removed that no cloud holds (P5)."""
    room = make_room(after_duplicate=DELETE)
    (room.hot / "a.mov").write_bytes(b"abc")
    (room.hot / "b.mov").write_bytes(b"other")
    room.pass_time(SETTLED_S)
    first, other = sorted(room.taken(), key=lambda upload: upload.name)
    room.store.start_over()
    room.deliver(first)
    room.store.start_over()
    if how == "replaced":
        room.deliver(other, TaskDraft(kind=TaskKind.RETIRE, key=first.id))
    else:
        room.store.delete_upload(first.id, takes_package=True)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(2 * SETTLED_S)
    assert how == "deleted" or room.state("a.mov") == ("duplicate", None)
    work(outbox_of(room))

    assert owed(room) == []
    assert (room.hot / "a.mov").read_bytes() == b"abc"


def test_duplicate_that_changes_before_its_post_action_stays(make_room, caplog):
    """What stands there by then was never delivered (behaviour 5); whoever is told reads a cure."""
    room = make_room(after_duplicate=DELETE)
    (room.hot / "a.mov").write_bytes(b"abc")
    settle(room)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)
    (room.hot / "a.mov").write_bytes(b"something new")
    work(outbox_of(room))

    assert (room.hot / "a.mov").read_bytes() == b"something new"
    ((_, state, note),) = owed(room)
    assert state is TaskState.REFUSED
    assert "changed since it was delivered" in note
    (told,) = [each for each in caplog.records if "ended without success" in each.message]
    assert "masv-watch" in told.cure


def test_duplicate_that_a_person_sends_again_keeps_its_source(make_room):
    """The wish of a person comes before the post-action of the rule."""
    room = make_room(after_duplicate=DELETE)
    (room.hot / "a.mov").write_bytes(b"abc")
    settle(room)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)
    room.store.resend_drop(room.drop("a.mov").id)
    work(outbox_of(room))

    assert (room.hot / "a.mov").exists()
    assert owed(room)[0][1:] == (TaskState.WITHDRAWN, "it is to be sent again")


def test_kill_between_the_end_of_a_duplicate_and_its_post_action_loses_neither(make_room):
    """End and intent are one commit, and the repeat recognises what was done (behaviour 10)."""
    room = make_room(after_duplicate=MOVE)
    (room.hot / "a.mov").write_bytes(b"abc")
    settle(room)
    os.utime(room.hot / "a.mov", (1, 1))
    room.pass_time(SETTLED_S)
    outbox = outbox_of(room)
    real = room.store.advance_task

    def killed(*_given, **_named):
        raise KeyboardInterrupt

    room.store.advance_task = killed
    with pytest.raises(KeyboardInterrupt):
        outbox.tick()
    room.store.advance_task = real
    room.store.start_over()
    work(outbox_of(room))

    assert (room.hot / "_sent" / "a.mov").read_bytes() == b"abc"
    assert [path.name for path in (room.hot / "_sent").iterdir()] == ["a.mov"]
    assert owed(room)[0][1] is TaskState.DONE


@pytest.mark.parametrize("after", [MOVE, DELETE])
def test_done_marker_goes_with_its_source(world, after):
    """Beside the target of a move, or into the trash (behaviour 3.6)."""
    with_marks(world)
    world.deliver({"a.mov": b"abc"}, after=after)
    (world.root / "a.mov.done").write_bytes(b"")
    world.work()

    left = {path.name for path in world.root.iterdir() if not path.name.startswith(".")}
    assert left <= {"_sent"}
    where = "_sent/a.mov.done" if after is MOVE else ".masv-trash/*/a.mov.done"
    assert len(list(world.root.glob(where))) == 1


def test_done_marker_with_words_is_not_deleted(world):
    """What somebody wrote into it was never sent: it stays, and the outcome names it (P5)."""
    with_marks(world)
    upload = world.deliver({"a.mov": b"abc"}, after=DELETE)
    (world.root / "a.mov.done").write_bytes(b"take 3 is the good one")
    world.sources._outside = replace(
        world.sources._outside, ignored=lambda *_: lambda _path, size: not size
    )
    world.work()

    assert not (world.root / "a.mov").exists()
    assert (world.root / "a.mov.done").read_bytes() == b"take 3 is the good one"
    assert "a.mov.done was not sent and stays" in world.task(upload, DISPOSE).note


def test_done_marker_of_what_came_next_stays(world, monkeypatch):
    """A marker beside a new drop of the name says something of that one."""
    with_marks(world)
    world.deliver({"a.mov": b"abc"}, after=MOVE)
    real, moves = files.move, []

    def move_then_arrive(*given, **named):
        moves.append(real(*given, **named))
        if len(moves) == 1:
            (world.root / "a.mov").write_bytes(b"the next")
            (world.root / "a.mov.done").write_bytes(b"")
        return moves[-1]

    monkeypatch.setattr(files, "move", move_then_arrive)
    world.work()

    assert (world.root / "_sent" / "a.mov").read_bytes() == b"abc"
    assert (world.root / "a.mov").read_bytes() == b"the next"
    assert (world.root / "a.mov.done").exists()


def test_folder_named_as_a_marker_is_no_marker_and_stays(world):
    """Only a file is one."""
    with_marks(world)
    world.deliver({"a.mov": b"abc"}, after=MOVE)
    (world.root / "a.mov.done").mkdir()
    world.work()

    assert (world.root / "a.mov.done").is_dir()
    assert (world.root / "_sent" / "a.mov").exists()


def with_marks(world):
    """Let the outbox know of the markers of a rule with `{name}.done`."""
    rule = Rule(
        name="out", path=b"/", to=To(recipients=()), settle=Settle(done_marker="{name}.done")
    )
    world.sources._outside = replace(
        world.sources._outside, marks=lambda _folder, path, kind: marks_of(rule, path, kind)
    )


@pytest.mark.parametrize(
    ("template", "kind", "beside"),
    [
        ("{name}.done", "folder", (b"CARD.done",)),
        ("{stem}.ok", "file", (b"CARD.ok",)),
        ("{name}/DONE", "folder", ()),
        (None, "folder", ()),
    ],
)
def test_marks_of_a_drop_are_those_beside_it(template, kind, beside):
    """One inside of it goes along by itself."""
    rule = Rule(name="out", path=b"/", to=To(recipients=()), settle=Settle(done_marker=template))

    assert marks_of(rule, b"CARD", kind) == beside


@pytest.mark.parametrize(
    ("name", "moved", "deleted"),
    [
        (b"CARD/.DS_Store", True, True),
        (b"CARD/._a.mov", True, True),
        (b"CARD/DONE", True, True),
        (b"CARD/masv.yml", True, True),
        (b"CARD/notes.xmp", True, False),
        (b"CARD/clip.wav", True, False),
        (b"CARD/~$budget.xlsx", True, False),
        (b"CARD/a.mov.part", False, False),
        (b"CARD/a.mov", False, False),
    ],
)
def test_only_what_is_nobodys_content_may_be_deleted_along(tmp_path, name, moved, deleted):
    """What a pattern left out was not delivered: it may be moved, never deleted (P5)."""
    rule = Rule(
        name="hot",
        path=os.fsencode(tmp_path / "hot"),
        to=To(recipients=()),
        settle=Settle(quiet_s=QUIET_S, done_marker="{name}/DONE"),
        sidecar=Sidecar(name="{name}/masv.yml"),
        ignore=("*.xmp",),
        only=("*.mov", "*.xmp", "*.part"),
    )
    clock = FakeClock()
    store = open_store(str(tmp_path / "state"), clock=clock, metrics=Metrics())
    roster = Roster(
        [rule],
        store,
        Uploads(store, auth_until=lambda: None),
        denied=frozenset,
        canary=os.fsencode(tmp_path / "canary"),
        clock=clock,
        metrics=Metrics(),
    )

    assert roster.ignored("hot", "move")(name, 0) == moved
    assert roster.ignored("hot", "delete")(name, 0) == deleted
    is_marker = name.endswith(b"/DONE")
    assert roster.ignored("hot", "move")(name, 1) == moved
    assert roster.ignored("hot", "delete")(name, 1) == (deleted and not is_marker)
    assert not roster.ignored("unknown", "move")(name, 0)
    assert roster.marks("unknown", name, "file") == ()
    store.close()
