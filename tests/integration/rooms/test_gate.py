"""The root gate: real file systems mounted, unmounted and replaced below a hot folder."""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.model import DropEvent, DropMode, HoldReason, Initial, Settle
from masv_watch.watch.absence import ALARM_S
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S, REPROBE_S
from tests.integration.rooms.watched import LOOK_S, QUIET_S
from tests.integration.store.making import claim
from tests.mounted import make_image

ONE = "11111111-2222-3333-4444-555555555555"
TWO = "99999999-2222-3333-4444-555555555555"
#: seconds after which a change is seen by the sweep and has settled
SETTLED_S = 4 * QUIET_S


def marker(hot: Path) -> dict[str, str]:
    """Read the marker of a root."""
    return json.loads((hot / ".masv-watch").read_text())


def last_reads(hot: Path) -> dict[str, int]:
    """Give when the kernel saw each file read last; its mount has to be `strictatime`."""
    return {each.name: each.stat().st_atime_ns for each in hot.glob("*.mov")}


def test_gate_writes_the_marker_at_adoption_and_not_into_an_empty_root(make_room):
    """An empty folder may be a bare mount point; the first drop shows that it is none."""
    room = make_room()
    room.pass_time(SETTLED_S)
    assert not (room.hot / ".masv-watch").exists()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)

    assert marker(room.hot)["state"] == room.store.state_id()
    assert marker(room.hot)["hot_folder"] == "hot"
    assert room.store.root("hot").is_marked
    assert [upload.name for upload in room.taken()] == ["a.mov"]
    assert room.files(room.taken()[0]) == ["a.mov"]


def test_gate_of_a_root_that_cannot_be_opened_says_what_helps(make_room):
    """One that is away wants to be mounted; a file in its place will never be there."""
    room = make_room()
    room.hot.rename(room.hot.with_name("elsewhere"))
    room.pass_time(REPROBE_S)
    missing = room.intake.gate.why
    room.hot.write_text("no folder")
    room.pass_time(REPROBE_S)

    assert missing.endswith("hot is not there; create or mount it; it is looked for again")
    assert room.intake.gate.why.endswith("hot is not a folder; name a folder, or put one there")


def test_gate_writing_the_marker_restarts_no_clock(make_room):
    """The marker is no part of any drop: what settles beside it settles in time."""
    room = make_room(drop=DropMode.FOLDER)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a.mxf").write_bytes(b"abc")
    room.pass_time(QUIET_S + LOOK_S)

    assert (room.hot / ".masv-watch").exists()
    assert [upload.name for upload in room.taken()] == ["CARD"]


@pytest.mark.fault(8)
def test_gate_of_two_hundred_delivered_drops_sends_and_reads_nothing_again(
    make_room, mounts, tmp_path
):
    """Emptied mount point, remount, another device number, restore with new inodes: 0 sent, and
    0 bytes read."""
    room = make_room(initial=Initial.SEND)
    image = make_image(tmp_path / "disk", ONE, "MEDIA")
    mounts.image(room.hot, image, "strictatime")
    for number in range(200):
        (room.hot / f"{number}.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    for upload in room.taken():
        # uploads that were claimed beside it are free again
        room.store.start_over()
        room.deliver(upload)
    sent, read_at = len(room.taken()), last_reads(room.hot)
    device = room.hot.stat().st_dev
    mounts.leave(room.hot)
    room.pass_time(2 * ALARM_S)
    assert room.state("0.mov") == ("done", None)
    closed = room.intake.gate.why
    room.begin()
    room.pass_time(SETTLED_S)
    assert room.intake.gate.why
    mounts.image_anew(room.hot, image, "strictatime", was=device, spare=tmp_path / "spare")
    room.pass_time(REPROBE_S + SETTLED_S)
    assert room.intake.gate.why == ""
    assert room.hot.stat().st_dev != device
    assert last_reads(room.hot) == read_at
    mounts.leave(room.hot)
    # a restore to another disk: same names, sizes and times, new inodes and a new UUID
    restored = tmp_path / "restored"
    mounts.image(restored, make_image(tmp_path / "other", TWO, "OTHER"))
    mounts.image(room.hot, image)
    for each in room.hot.iterdir():
        if each.is_file():
            shutil.copy2(each, restored / each.name)
    mounts.leave(room.hot)
    mounts.leave(restored)
    mounts.image(room.hot, tmp_path / "other", "strictatime")
    read_at = last_reads(room.hot)
    room.pass_time(REPROBE_S + SETTLED_S)

    assert "masv-watch adopt hot" in closed
    assert last_reads(room.hot) == read_at
    assert len(read_at) == sent
    assert sent == 200
    assert len(room.taken()) == sent
    assert room.intake.gate.why == ""
    assert room.store.drops(living=True) == []


@pytest.mark.fault(9)
def test_gate_of_another_volume_at_the_path_waits_for_adopt(make_room, mounts, tmp_path):
    """Another disk without the marker is held until a person says `adopt` (pains 15, 16)."""
    room = make_room()
    mounts.image(room.hot, make_image(tmp_path / "one", ONE, "ONE"))
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    mounts.leave(room.hot)
    mounts.image(room.hot, make_image(tmp_path / "two", TWO, "TWO"))
    (room.hot / "b.mov").write_bytes(b"foreign")
    room.pass_time(2 * REPROBE_S + SETTLED_S)
    before = room.intake.gate.why, room.state("b.mov"), room.state("a.mov")
    untouched = not (room.hot / ".masv-watch").exists()
    room.store.accept_root("hot")
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert "on another file system" in before[0]
    assert "masv-watch adopt hot" in before[0]
    assert before[1:] == (None, ("taken", "root_unavailable"))
    assert untouched
    assert room.intake.gate.why == ""
    assert room.state("b.mov") == ("taken", None)
    assert marker(room.hot)["hot_folder"] == "hot"


@pytest.mark.fault(8)
def test_gate_of_an_unmounted_root_stops_its_uploads_and_resumes_them(
    make_room, mounts, tmp_path, caplog
):
    """Held at once, told loudly once after two minutes, back by itself within 15 s (pain 46)."""
    room = make_room(sight=Sight.DEGRADED)
    image = make_image(tmp_path / "one", ONE, "ONE")
    mounts.image(room.hot, image)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(2 * LOOK_S + REPROBE_S)
    claimed = claim(room.store, room.taken()[0].id)
    # the sender meets it first: the file would wait for half an hour
    file = room.store.files(claimed.id)[0]
    room.store.note_file_retry(
        file, claimed.fence, attempts=3, retry_at=room.store.now() + 1800, error="cannot be read"
    )
    mounts.leave(room.hot)
    room.intake.hurry()
    with caplog.at_level(logging.ERROR):
        room.pass_time(5 * ALARM_S)
    waiting = room.state("a.mov"), room.state("b.mov")
    next_before = room.store.next_files(claimed.id, 9)
    mounts.image(room.hot, image)
    room.pass_time(REPROBE_S + LOOK_S)

    alarms = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert [each.message for each in alarms] == ["a hot folder is away"]
    assert waiting[0] == ("taken", "root_unavailable")
    assert waiting[1] in {("held", "root_unavailable"), ("taken", "root_unavailable")}
    assert next_before == []
    assert room.state("a.mov") == ("taken", None)
    assert [each.path for each in room.store.next_files(claimed.id, 9)] == [b"a.mov"]
    room.pass_time(SETTLED_S)
    assert room.state("b.mov") == ("taken", None)


def test_gate_whose_marker_was_removed_writes_it_again_with_a_warning(make_room, caplog):
    """The same place and something known in it: that is the root."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / ".masv-watch").unlink()
    with caplog.at_level(logging.WARNING):
        room.pass_time(2 * REPROBE_S)

    assert marker(room.hot)["state"] == room.store.state_id()
    assert [each.message for each in caplog.records].count(
        "a hot folder lost its marker; it is written again"
    ) == 1


def test_gate_writes_no_marker_into_a_root_that_is_being_removed(make_room):
    """Whoever removes a whole folder must not find it full again half-way."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / ".masv-watch").unlink()
    for _ in range(5):
        room.intake.hurry()
        room.pass_time(LOOK_S)
    half_way = (room.hot / ".masv-watch").exists()
    (room.hot / "a.mov").unlink()
    room.pass_time(3 * REPROBE_S)

    assert not half_way
    assert list(room.hot.iterdir()) == []


def test_gate_of_an_emptied_root_with_its_marker_is_open(make_room):
    """Whoever takes his files back is not a disk that went away."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(LOOK_S)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "a.mov").unlink()
    (room.hot / "b.mov").unlink()
    room.begin()
    room.pass_time(2 * REPROBE_S)

    assert room.intake.gate.why == ""


@pytest.mark.fault(7)
def test_gate_of_another_folder_that_takes_the_path_sends_nothing_of_it(make_room):
    """Two folders that change places are not each other."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    other = room.top / "other"
    other.mkdir()
    (other / "secret.mov").write_bytes(b"not for them")
    room.hot.rename(room.top / "away")
    other.rename(room.hot)
    room.pass_time(REPROBE_S + SETTLED_S)
    away = room.state("secret.mov"), room.intake.gate.why
    room.hot.rename(other)
    (room.top / "away").rename(room.hot)
    room.pass_time(REPROBE_S + SETTLED_S)

    assert away[0] is None
    assert "masv-watch adopt hot" in away[1]
    assert room.intake.gate.why == ""
    assert room.state("a.mov") == ("taken", None)


def write_foreign(hot: Path, state: str = "another", hot_folder: str = "hot") -> None:
    """Leave the marker of another state, or of another hot folder."""
    (hot / ".masv-watch").write_text(json.dumps({"state": state, "hot_folder": hot_folder}))


@pytest.mark.fault(40)
@pytest.mark.parametrize("initial", [Initial.AUTO, Initial.SEND])
def test_gate_of_a_root_with_the_marker_of_another_state_asks_until_adopt(make_room, initial):
    """A lost state sends nothing again by surprise; `adopt` answers, later drops are sent.

    The other may live: even a rule that sends what was there first sends nothing twice.
    """
    room = make_room(initial=initial)
    write_foreign(room.hot)
    (room.hot / "old.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    (room.hot / "new.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)
    asked = room.state("old.mov"), room.state("new.mov"), room.intake.gate.question
    kept = marker(room.hot)["state"]
    room.store.accept_root("hot")
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    (room.hot / "later.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert asked[:2] == (("held", "initial_ask"), ("held", "initial_ask"))
    assert "masv-watch adopt hot" in asked[2]
    assert kept == "another"
    assert marker(room.hot)["state"] == room.store.state_id()
    assert room.state("old.mov") == ("held", "initial_ask")
    assert [upload.name for upload in room.taken()] == ["later.mov"]
    assert room.intake.gate.question == ""


def test_gate_of_a_marked_root_that_another_state_took_over_is_closed(make_room):
    """Two daemons on one shared folder would send all of it twice."""
    room = make_room()
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    write_foreign(room.hot)
    (room.hot / "b.mov").write_bytes(b"abc")
    room.pass_time(REPROBE_S + SETTLED_S)

    assert "another masv-watch" in room.intake.gate.why
    assert room.state("b.mov") is None
    assert marker(room.hot)["state"] == "another"


def test_gate_of_a_read_only_root_goes_without_a_marker(make_room, mounts):
    """It is known by its file system, and its absence is noticed all the same (pain 17)."""
    room = make_room()
    mounts.tmpfs(room.top / "share")
    (room.top / "share" / "a.mov").write_bytes(b"abc")
    room.hot.rmdir()
    room.hot.symlink_to(room.top / "share")
    mounts.make_read_only(room.top / "share")
    room.pass_time(SETTLED_S)
    taken = room.state("a.mov")
    row = room.store.root("hot")
    mounts.leave(room.top / "share")
    mounts.tmpfs(room.top / "share")
    room.pass_time(2 * REPROBE_S)

    assert taken == ("taken", None)
    assert not row.is_marked
    assert row.uuid
    assert room.intake.gate.why
    assert room.state("a.mov") == ("taken", "root_unavailable")


def test_gate_that_cannot_write_its_marker_says_so_once_and_goes_on(make_room, monkeypatch, caplog):
    """A full or forbidding folder is no reason to send nothing."""
    room = make_room()
    (room.hot / ".masv-watch").mkdir()
    (room.hot / "a.mov").write_bytes(b"abc")
    with caplog.at_level(logging.INFO):
        room.pass_time(SETTLED_S + 3 * REPROBE_S)

    told = [each for each in caplog.records if "has no marker" in each.message]
    assert len(told) == 1
    assert room.state("a.mov") == ("taken", None)


def test_gate_leaves_what_a_person_holds_as_it_is(make_room):
    """The absence of a root takes nobody's word away."""
    room = make_room(initial=Initial.ASK)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    drop = room.drop("a.mov")
    assert (drop.hold, drop.state) == (HoldReason.INITIAL_ASK, "held")
    room.hot.rename(room.top / "away")
    room.pass_time(2 * REPROBE_S)
    (room.top / "away").rename(room.hot)
    room.pass_time(2 * REPROBE_S)
    assert room.state("a.mov") == ("held", "initial_ask")
    room.store.advance_drop(drop.id, DropEvent.RELEASE)
    room.pass_time(SETTLED_S)

    assert room.state("a.mov") == ("taken", None)


def test_gate_decides_about_a_network_file_system_for_each_mount_below(make_room, mounts):
    """A local root keeps its ways, what is mounted in it has those of a network (pain 9)."""
    room = make_room(settle=Settle())
    share = room.hot / "share"
    mounts.tmpfs(share)
    (share / "far.mov").write_bytes(b"abc")
    (room.hot / "near.mov").write_bytes(b"abc")
    room.intake.gate._mounts = lambda: [
        replace(each, kind=b"nfs4") if each.point == os.fsencode(share) else each
        for each in files.mounts()
    ]
    opened = []
    room.pass_time(LOOK_S)
    with room.intake.gate.open(room.clock.monotonic(), expects=lambda: False) as root:
        for name, top in ((b"near.mov", b""), (b"share/far.mov", b"share")):
            near = next(each for each in root.list_folder(top) if each.path == name)
            opened.append(root.is_fresh(near.identity.device))
    room.pass_time(20.0)
    early = room.state("near.mov"), room.state("share")
    mode = room.hints.mode("hot")
    room.pass_time(60.0)

    assert opened == [False, True]
    assert early == (("taken", None), ("settling", None))
    assert mode.sight is Sight.BLIND
    assert "share is on a network file system" in mode.why
    assert room.state("share") == ("taken", None)
    mounts.leave(share)
    room.pass_time(LOOK_S + PERIOD_S[Sight.BLIND])
    assert room.hints.mode("hot").sight is Sight.DEGRADED


def test_new_path_whose_first_sweep_was_stopped_is_not_taken_for_a_replaced_root(make_room):
    """What was noted of the earlier path says nothing of this one."""
    room = make_room(initial=Initial.SEND)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    assert room.store.root("hot").is_marked
    other = room.top / "other"
    other.mkdir()
    for number in range(3):
        (other / f"{number}.mov").write_bytes(b"new")
    room.rule = replace(room.rule, path=os.fsencode(other))
    intake = room.begin()
    # SIGTERM comes once the root is met, and before its first sweep is through
    adopt, stopping = room.store.adopt, []
    room.store.adopt = lambda *given: (adopt(*given), stopping.append(True))
    intake._stop = lambda: bool(stopping)
    intake.tick()
    room.store.adopt = adopt
    intake = room.begin()
    room.pass_time(SETTLED_S)

    assert intake.gate.why == ""
    assert room.state("0.mov") == ("taken", None)
