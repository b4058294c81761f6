"""`cancel`: a drop that has not gone yet ends for good, whatever it was waiting for."""

from __future__ import annotations

import os

import pytest

from masv_watch import files
from masv_watch.errors import FenceLost, IllegalTransition
from masv_watch.explain import Asked, explain
from masv_watch.model import (
    Caller,
    Depth,
    DropMode,
    DropState,
    Initial,
    Prospect,
    Settle,
    Sidecar,
    UploadEvent,
    UploadState,
)
from masv_watch.uploads import Records
from tests.integration.rooms.watched import QUIET_S
from tests.integration.store.making import claim, open_package

from .test_intake_redrops import SETTLED_S


def cancel(room, path):
    """Cancel the newest drop of a path, as the API does."""
    sight = room.intake.entries.sight
    records = Records(room.store, hurry=lambda _name: None, terms=lambda *_: None, sight=sight)
    return records.cancel(room.drop(path).id)


def verdict(room, path):
    """Say how `explain` sees a path."""
    asked = Asked(
        path=os.fsencode(room.hot / path),
        relative=os.fsencode(path),
        caller=Caller(uid=0, is_owner=True),
    )
    return explain(
        asked, room.intake, store=room.store, uploads=room.uploads, clock=room.clock
    ).prospect


@pytest.mark.parametrize(
    "waits", ["settling", "empty", "loose_file", "initial_ask", "marker_missing"]
)
def test_drop_that_was_not_taken_ends_and_what_still_comes_of_it_is_not_sent(make_room, waits):
    """For good: neither the rest of its bytes nor the end of its hold brings it back."""
    rules = {
        "marker_missing": {"settle": Settle(quiet_s=QUIET_S, done_marker="{name}.done")},
        "loose_file": {"drop": DropMode.FOLDER},
        "initial_ask": {"initial": Initial.ASK},
    }
    room = make_room(**rules.get(waits, {}))
    if waits == "empty":
        (room.hot / "x").mkdir()
    else:
        (room.hot / "x").write_bytes(b"a")
    room.pass_time(1 if waits == "settling" else SETTLED_S)
    if waits == "settling":
        room.pass_time(3)
    hold = None if waits == "settling" else waits
    assert room.state("x") == ("settling" if hold is None else "held", hold)
    view = cancel(room, "x")
    assert (view.drop.state, view.drop.note) == (DropState.CANCELLED, "a person cancelled it")
    if waits == "empty":
        (room.hot / "x" / "a").write_bytes(b"abc")
    elif waits == "settling":
        (room.hot / "x").write_bytes(b"all of it")
    elif waits == "marker_missing":
        (room.hot / "x.done").touch()
    room.begin()
    room.pass_time(4 * SETTLED_S)

    assert room.taken() == []
    assert room.drop("x").state is DropState.CANCELLED
    assert verdict(room, "x") is Prospect.KNOWN
    assert room.store.resend_drop(room.drop("x").id).state is DropState.SETTLING


def test_other_content_under_the_name_of_what_was_cancelled_goes(make_room):
    """What ended is that drop, not its name."""
    room = make_room()
    (room.hot / "x").write_bytes(b"a")
    room.pass_time(1)
    cancel(room, "x")
    room.pass_time(SETTLED_S)
    (room.hot / "x").write_bytes(b"something else")
    room.pass_time(SETTLED_S)

    assert [upload.name for upload in room.taken()] == ["x"]


@pytest.mark.parametrize("waits", ["settling", "initial_ask", "sidecar_missing"])
def test_right_file_that_is_copied_over_a_cancelled_one_goes(make_room, waits):
    """Between two sweeps nobody saw the wrong one go; another file is other content."""
    rules = {
        "initial_ask": {"initial": Initial.ASK},
        "sidecar_missing": {"sidecar": Sidecar(name="{name}.yml")},
    }
    room = make_room(**rules.get(waits, {}))
    (room.hot / "x").write_bytes(b"the wrong one")
    room.pass_time(1 if waits == "settling" else SETTLED_S)
    cancel(room, "x")
    if waits == "sidecar_missing":
        # where it stood still, even the file itself may be written anew
        (room.hot / "x").write_bytes(b"right")
        (room.hot / "x.yml").write_text("message: for the edit\n")
    else:
        (room.top / "new").write_bytes(b"right")
        (room.top / "new").replace(room.hot / "x")
    room.intake.hurry()
    room.pass_time(2 * SETTLED_S)

    assert [upload.name for upload in room.taken()] == ["x"]
    assert room.taken()[0].size == len(b"right")


@pytest.mark.parametrize(
    ("how", "goes"),
    [("replaced", True), ("same content", False), ("grown", False), ("touched", False)],
)
@pytest.mark.parametrize("depth", [Depth.TOP, Depth.ANY])
def test_what_was_cancelled_while_it_settled_is_known_over_a_restart(make_room, depth, how, goes):
    """Another file under its name goes; itself, whatever inode it has now, and its rest do not."""
    room = make_room(initial=Initial.SEND, drop=DropMode.FILE, depth=depth)
    path = room.hot / ("x" if depth is Depth.TOP else "day1/x")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"the wrong one")
    room.pass_time(1)
    name = str(path.relative_to(room.hot))
    assert room.state(name) == ("settling", None)
    cancel(room, name)
    before = path.stat()
    if how in ("replaced", "same content"):
        new = room.top / "new"
        new.write_bytes(b"right" if how == "replaced" else b"the wrong one")
        if how == "same content":
            os.utime(new, ns=(before.st_mtime_ns, before.st_mtime_ns))
        new.replace(path)
    elif how == "grown":
        path.write_bytes(b"the wrong one, all of it")
    else:
        os.utime(path, ns=(before.st_mtime_ns + 10**9, before.st_mtime_ns + 10**9))
    room.begin()
    room.pass_time(2 * SETTLED_S)
    room.begin()
    room.pass_time(2 * SETTLED_S)

    assert [room.files(upload) for upload in room.taken()] == ([[name]] if goes else [])
    assert goes or room.drop(name).state is DropState.CANCELLED


@pytest.mark.parametrize("is_anew", [False, True])
@pytest.mark.parametrize("numbers", ["kept", "not kept", "of another device"])
def test_cancelled_file_that_grows_on_is_known_by_its_inode_only_where_it_keeps_one(
    make_room, monkeypatch, numbers, is_anew
):
    """Network file systems and FAT number a file anew, and any system its devices."""
    kinds = (files.keeps_inodes, lambda _path: False)
    monkeypatch.setattr("masv_watch.files.keeps_inodes", kinds[numbers == "not kept"])
    room = make_room(initial=Initial.SEND, drop=DropMode.FILE, depth=Depth.ANY)
    path = room.hot / "day1" / "x"
    path.parent.mkdir()
    path.write_bytes(b"x")
    room.pass_time(1)
    cancel(room, "day1/x")
    if is_anew:
        room.begin()
    for size in range(2, 6):
        if numbers == "of another device":
            path.write_bytes(b"x" * size)
            for known in room.intake.entries._memory.growing.values():
                known.place = known.place and (known.place[0] + 1, known.place[1])
        else:
            (room.top / "new").write_bytes(b"x" * size)
            (room.top / "new").replace(path)
        room.intake.hurry()
        room.pass_time(1)
    room.pass_time(2 * SETTLED_S)

    assert len(room.taken()) == (numbers == "kept")


def test_what_had_settled_when_it_was_cancelled_goes_anew_when_it_is_written_anew(make_room):
    """Over a restart too: it stood still, so that what comes is no rest of it."""
    room = make_room(sidecar=Sidecar(name="{name}.yml"))
    (room.hot / "x").write_bytes(b"the wrong one")
    room.pass_time(SETTLED_S)
    cancel(room, "x")
    (room.hot / "x").write_bytes(b"right")
    (room.hot / "x.yml").write_text("message: for the edit\n")
    room.begin()
    room.pass_time(2 * SETTLED_S)

    assert [upload.size for upload in room.taken()] == [len(b"right")]


def test_what_is_not_sent_because_of_a_cancel_is_told_with_its_cure(make_room, caplog):
    """Whoever wrote on meanwhile must be able to see why nothing of it came."""
    room = make_room()
    (room.hot / "x").write_bytes(b"a")
    room.pass_time(4)
    cancel(room, "x")
    (room.hot / "x").write_bytes(b"all of it")
    room.pass_time(2 * SETTLED_S)

    (told,) = [each for each in caplog.records if "was cancelled is not sent" in each.message]
    assert told.cure.startswith(f"masv-watch resend {room.drop('x').id}")


def test_what_was_cancelled_and_is_gone_may_come_again(make_room):
    """Nothing is known any more of what stands there."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "x").write_bytes(b"a")
    room.pass_time(SETTLED_S)
    cancel(room, "x")
    (room.hot / "x").unlink()
    room.pass_time(SETTLED_S)
    (room.hot / "x").write_bytes(b"a")
    room.pass_time(SETTLED_S)

    assert room.state("x") == ("held", "loose_file")


@pytest.mark.parametrize("state", ["transferring", "paused", "error", "idle", "finalizing"])
@pytest.mark.parametrize("is_whole", [True, False])
def test_drop_on_its_way_takes_its_upload_along(make_room, state, is_whole):
    """The package is deleted by the intent that is stored with it; the source stays."""
    room = make_room()
    (room.hot / "x").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    open_package(room.store, claimed)
    if state in ("idle", "finalizing"):
        room.store.engine.write(
            lambda tx: tx.run("note_file_closed", id=room.store.files(upload.id)[0].id, hash="h")
        )
        room.store.engine.write(
            lambda tx: tx.run("count_files", id=upload.id, size=0, sent=3, files=0, open=-1)
        )
        assert room.store.advance_all_sent(upload.id, claimed.fence)
    events = {"paused": UploadEvent.PAUSE, "error": UploadEvent.FAIL}
    if state in events:
        room.store.advance_upload(upload.id, events[state])
    if state == "finalizing":
        room.store.advance_upload(upload.id, UploadEvent.FINALIZE)
    if not is_whole:
        room.store.note_change(room.drop("x").id, "changed")
    cancel(room, "x")

    assert room.store.upload(upload.id).state is UploadState.DELETING
    with pytest.raises(FenceLost):
        room.store.note_finalize_asked(upload.id, claimed.fence)
    (room.hot / "x").write_bytes(b"abc" if is_whole else b"abcd")
    os.utime(room.hot / "x", (1, 1))
    if is_whole:
        identity = room.store.files(upload.id)[0].identity
        os.utime(room.hot / "x", ns=(identity.mtime_ns, identity.mtime_ns))
    room.begin()
    room.pass_time(4 * SETTLED_S)
    assert room.drop("x").state is DropState.CANCELLED
    assert (room.hot / "x").exists()


def test_drop_of_a_batch_leaves_it_and_the_rest_goes(make_room):
    """Whoever was about to finalize with its files in the package is let go before."""
    room = make_room(drop=DropMode.BATCH)
    for name in ("x", "y"):
        (room.hot / name).write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    claimed = claim(room.store, upload.id)
    cancel(room, "x")

    assert room.files(room.taken()[0]) == ["y"]
    with pytest.raises(FenceLost):
        room.store.note_package_asked(upload.id, claimed.fence)
    room.pass_time(4 * SETTLED_S)
    assert room.files(room.taken()[0]) == ["y"]
    assert room.drop("x").state is DropState.CANCELLED


@pytest.mark.parametrize("how", ["delivered", "finalize asked", "deleting"])
def test_drop_that_went_or_may_have_gone_is_not_cancelled(make_room, how):
    """It says why, and what there is instead."""
    room = make_room()
    (room.hot / "x").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (upload,) = room.taken()
    if how == "finalize asked":
        claimed = claim(room.store, upload.id)
        open_package(room.store, claimed)
        room.store.engine.write(
            lambda tx: tx.run("note_finalize_asked", id=upload.id, fence=claimed.fence, asked=1)
        )
    elif how == "deleting":
        room.store.note_package_asked(upload.id, claim(room.store, upload.id).fence)
        room.store.delete_upload(upload.id, takes_package=False)
    else:
        room.deliver(upload)
    before = room.drop("x")
    with pytest.raises(IllegalTransition) as refused:
        cancel(room, "x")

    assert room.drop("x") == before
    said = f"{refused.value.message}: {refused.value.hint}"
    assert {
        "delivered": "cancel is not allowed in state done: it ended as done before",
        "finalize asked": f"may be already: masv-watch show {upload.id}",
        "deleting": "is being deleted already",
    }[how] in said
