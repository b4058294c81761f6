"""File systems that show a time otherwise than before, and the ledger that compares times."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import files
from masv_watch.files.mounts import parse_mounts
from masv_watch.model import DeliveredFile, Identity, Initial, Late
from masv_watch.watch import histories
from masv_watch.watch.redrops import Kind, compare
from masv_watch.watch.settle import is_of, is_same_signature, signature
from tests.integration.rooms.test_intake_redrops import LATE_S, SETTLED_S, delivered
from tests.mounted import Mounts

LINE = b"36 35 8:1 / /mnt/card rw,noatime shared:1 - %s /dev/sdb1 rw"


@pytest.mark.parametrize(
    ("kind", "grain_s"),
    [
        (b"vfat", 2.0),
        (b"msdos", 2.0),
        (b"exfat", 0.01),
        (b"hfsplus", 1.0),
        (b"fuse.glusterfs", 1.0),
        (b"ext4", 0.0),
        (b"xfs", 0.0),
        (b"nfs4", 0.0),
        (b"fuse.sshfs", 0.0),
    ],
)
def test_grain_of_a_mount_goes_by_the_kind_of_its_file_system(kind: bytes, grain_s: float):
    """FAT keeps every second second, GlusterFS drifts by less than one (pain 19)."""
    (mount,) = parse_mounts([LINE % kind])

    assert mount.mtime_grain_ns == grain_s * 1e9


def test_grain_of_what_is_no_folder_is_none(tmp_path: Path):
    """Nothing is tolerated where nothing is known."""
    assert files.mtime_grain_ns(os.fsencode(tmp_path / "none")) == 0


def test_grain_of_a_real_mount_is_that_of_its_file_system(tmp_path: Path):
    """The kernel names it, whatever is mounted there."""
    tool = shutil.which("mkfs.ext3") or "/usr/sbin/mkfs.ext3"
    if not os.path.exists(tool):
        pytest.skip("there is no mkfs.ext3")
    image = tmp_path / "image"
    with image.open("wb") as made:
        made.truncate(4 * 1024 * 1024)
    subprocess.run([tool, "-q", "-F", "-I", "128", str(image)], check=True)
    mounts = Mounts()
    try:
        mounts._mount(tmp_path / "disk", "-t", "ext3", "-o", "loop", str(image))
        grain_ns = files.mtime_grain_ns(os.fsencode(tmp_path / "disk"))
        source = tmp_path / "disk" / "a"
        source.write_bytes(b"a")
        os.utime(source, ns=(10**18 + 7, 10**18 + 7))
        kept = source.stat().st_mtime_ns
    finally:
        mounts.end()

    assert (grain_ns, kept) == (10**9, 10**18)


@given(
    st.integers(-(2**62), 2**62),
    st.integers(0, 5 * 10**9),
    st.integers(0, 5 * 10**9),
    st.booleans(),
)
def test_times_are_the_same_where_they_differ_by_less_than_the_grain(
    mtime_ns: int, apart_ns: int, grain_ns: int, has_hash: bool
):
    """Two stamps of a coarse file system, a whole grain apart, are two times."""
    before = DeliveredFile(
        size=5, mtime_ns=mtime_ns, inode=1, hash="h" if has_hash else "", chunk_size=5
    )
    now = Identity(size=5, mtime_ns=mtime_ns + apart_ns, ctime_ns=1, inode=2, device=3)

    found = compare([(b"a", now)], {b"a": before}, {}, grain_ns=grain_ns)

    assert (found.kind is Kind.SAME) is (apart_ns == 0 or apart_ns < grain_ns)


def test_delivered_file_whose_time_drifts_within_the_grain_is_not_even_read(
    make_room: Any, monkeypatch: pytest.MonkeyPatch
):
    """Path, size and time within the mount's grain: it is the delivered one (behaviour 6)."""
    room = make_room(mtime_grain_s=2.0)
    source = room.hot / "a.mov"
    source.write_bytes(b"abc")
    os.utime(source, ns=(10**18 + 1_700_000_000, 10**18 + 1_700_000_000))
    delivered(room, hashed=False)
    monkeypatch.setattr(histories.files, "hash_content", lambda *_args, **_said: 1 / 0)

    # as after the card was put in again
    os.utime(source, ns=(10**18, 10**18))
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert len(room.store.uploads()) == 1
    assert str(room.drop("a.mov").state) in {"duplicate", "done"}
    os.utime(source, ns=(10**18 + 4 * 10**9, 10**18 + 4 * 10**9))
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    assert room.state("a.mov") == ("held", "redrop_ask")


@pytest.mark.parametrize("is_folder", [True, False])
def test_recorded_drop_whose_time_drifts_within_the_grain_is_not_sent(
    make_room: Any, is_folder: bool
):
    """A person said that it is not to be sent; a card that is put in again is the same card."""
    room = make_room(mtime_grain_s=2.0, initial=Initial.IGNORE)
    source = room.hot / "CARD" / "a" if is_folder else room.hot / "CARD"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(b"abc")
    os.utime(source, ns=(10**18 + 1_700_000_000, 10**18 + 1_700_000_000))
    room.pass_time(SETTLED_S)
    assert room.state("CARD") == ("ignored", None)

    os.utime(source, ns=(10**18, 10**18))
    room.begin()
    room.pass_time(SETTLED_S)
    assert room.store.drops("hot", living=True) == []
    assert room.drop("CARD").generation == 1
    if is_folder:
        # what comes beside it goes alone, drifted or not
        (room.hot / "CARD" / "b").write_bytes(b"b")
        room.pass_time(LATE_S)
        (upload,) = room.taken()
        assert room.files(upload) == ["CARD/b"]
        return
    os.utime(source, ns=(10**18 + 4 * 10**9, 10**18 + 4 * 10**9))
    room.intake.hurry()
    room.pass_time(SETTLED_S)
    assert len(room.taken()) == 1


def test_drop_on_its_way_whose_time_drifts_within_the_grain_has_not_changed(make_room: Any):
    """It is not settled anew, nor shown as one that changed."""
    room = make_room(mtime_grain_s=2.0)
    source = room.hot / "a.mov"
    source.write_bytes(b"abc")
    os.utime(source, ns=(10**18 + 1_700_000_000, 10**18 + 1_700_000_000))
    room.pass_time(SETTLED_S)
    assert room.drop("a.mov").whole
    os.utime(source, ns=(10**18, 10**18))
    room.intake.hurry()
    room.pass_time(SETTLED_S)

    assert room.drop("a.mov").whole
    assert room.store.changes_of(room.drop("a.mov").id) == 0


@pytest.mark.parametrize("drifts", [True, False])
def test_answer_about_late_files_holds_where_their_times_drift_within_the_grain(
    make_room: Any, drifts: bool
):
    """Nobody wrote to them; a time that is another one makes a new question."""
    room = make_room(mtime_grain_s=2.0, late=Late.ASK)
    (room.hot / "CARD").mkdir()
    (room.hot / "CARD" / "a").write_bytes(b"a")
    delivered(room)
    late = room.hot / "CARD" / "b"
    late.write_bytes(b"b")
    os.utime(late, ns=(10**18 + 1_700_000_000, 10**18 + 1_700_000_000))
    room.pass_time(LATE_S)
    assert room.state("CARD") == ("held", "redrop_ask")
    room.store.release_drop(room.drop("CARD").id)
    at_ns = 10**18 if drifts else 10**18 + 5 * 10**9
    os.utime(late, ns=(at_ns, at_ns))
    room.pass_time(LATE_S)

    sent = [upload.name for upload in room.taken()]
    assert sent == ["CARD", *["CARD (added)"] * drifts]


def test_ledger_of_before_a_grain_was_said_is_read_as_it_was_written(make_room: Any):
    """A grain that is set or taken back sends nothing of what did not change."""
    room = make_room(initial=Initial.IGNORE)
    (room.hot / "a.mov").write_bytes(b"abc")
    room.pass_time(SETTLED_S)
    for grain_s in (2.0, None, 1.0):
        room.rule = replace(room.rule, mtime_grain_s=grain_s)
        room.begin()
        room.pass_time(SETTLED_S)

    assert [drop.generation for drop in room.store.drops("hot")] == [1]
    assert room.taken() == []


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4), st.integers(1, 5 * 10**9))
def test_signature_knows_times_that_were_cut_to_its_grain_and_no_others(
    times: list[int], grain_ns: int
):
    """With any grain and without one the exact times are the same content."""

    def listed(times_ns: list[int]) -> list[tuple[bytes, Identity]]:
        return [
            (b"%d" % number, Identity(size=5, mtime_ns=each, ctime_ns=1, inode=2, device=3))
            for number, each in enumerate(times_ns)
        ]

    kept = signature(listed(times), grain_ns=grain_ns)
    cut = [each - each % grain_ns for each in times]
    later = [each + grain_ns for each in times]

    assert is_of(listed(times), kept)
    assert is_of(listed(cut), kept)
    assert not is_of(listed(later), kept)
    assert is_same_signature(signature(listed(times)), kept)
    assert is_same_signature(signature(listed(cut), grain_ns=grain_ns), kept)
    assert is_of(listed(times), signature(listed(times)))
    assert is_same_signature("", "")
    assert not is_same_signature("", kept)
