"""What tells file systems apart, and the marker of a root, on real ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.files import Root, RootMarker, read_marker, volume_of, write_marker
from masv_watch.files.mounts import network_below, parse_mounts
from tests.mounted import Mounts, make_image

MARKER = RootMarker(state="0b0e8d9c", hot_folder="out")


def test_marker_that_is_written_is_read_again_and_may_be_read_by_all(hot: Path, root: Root) -> None:
    """It is plain text for people, mode 0644 whatever the mask, and nothing is left beside it."""
    old = os.umask(0o077)
    try:
        assert write_marker(root, MARKER) == ""
    finally:
        os.umask(old)

    assert read_marker(root) == MARKER
    assert [each.name for each in hot.iterdir()] == [".masv-watch"]
    assert (hot / ".masv-watch").stat().st_mode & 0o777 == 0o644
    assert "leave it here" in json.loads((hot / ".masv-watch").read_text())["note"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00", b"[]", b'{"state": 1, "hot_folder": "x"}', b"{" * 5000, b"null", b'{"a":1}'],
)
def test_marker_that_is_none_counts_as_none(hot: Path, root: Root, content: bytes) -> None:
    """Whoever may write into the folder can write anything under that name."""
    (hot / ".masv-watch").write_bytes(content)

    assert read_marker(root) is None
    assert write_marker(root, MARKER) == ""
    assert read_marker(root) == MARKER


def test_marker_is_never_read_or_written_through_a_link(
    hot: Path, root: Root, tmp_path: Path
) -> None:
    """A link under its name leads nowhere: what it points to stays as it is."""
    outside = tmp_path / "outside"
    outside.write_text('{"state": "0b0e8d9c", "hot_folder": "out"}')
    before = outside.read_text()
    (hot / ".masv-watch").symlink_to(outside)
    (hot / ".masv-watch.masv-part").symlink_to(outside)

    assert read_marker(root) is None
    assert write_marker(root, MARKER) == ""
    assert outside.read_text() == before
    assert not (hot / ".masv-watch").is_symlink()


def test_marker_that_is_a_fifo_or_a_folder_hangs_nothing(hot: Path, root: Root) -> None:
    """A FIFO is none; a folder of that name cannot be replaced, which is said."""
    os.mkfifo(hot / ".masv-watch")
    assert read_marker(root) is None
    (hot / ".masv-watch").unlink()
    (hot / ".masv-watch").mkdir()

    assert read_marker(root) is None
    assert write_marker(root, MARKER) != ""
    assert [each.name for each in hot.iterdir()] == [".masv-watch"]


def test_volume_of_two_file_systems_at_one_path_differs_by_uuid(
    hot: Path, mounts: Mounts, tmp_path: Path
) -> None:
    """Two cards have two UUIDs; the first is known again under whatever number."""
    one = make_image(tmp_path / "one", "11111111-2222-3333-4444-555555555555", "CARD_A")
    two = make_image(tmp_path / "two", "99999999-2222-3333-4444-555555555555", "CARD_B")
    seen = []
    for image in (one, two, one):
        mounts.image(hot, image)
        with Root.open(os.fsencode(hot)) as root:
            seen.append(volume_of(root))
        mounts.leave(hot)

    assert [each.uuid[:8] for each in seen] == ["11111111", "99999999", "11111111"]
    assert [each.label for each in seen] == ["CARD_A", "CARD_B", "CARD_A"]
    assert all(each.takes_marker and each.boot for each in seen)


def test_volume_of_a_read_only_mount_takes_no_marker(hot: Path, mounts: Mounts) -> None:
    """A share that cannot hold a marker is known by other signs (pain 17)."""
    mounts.tmpfs(hot, "ro")
    with Root.open(os.fsencode(hot)) as root:
        assert not volume_of(root).takes_marker
        assert write_marker(root, MARKER) != ""


MOUNTS = [
    b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    b"40 21 0:45 / /srv/hot rw - ext4 /dev/sdb1 rw",
    b"41 40 0:46 / /srv/hot/nas rw - nfs4 nas:/a rw",
    b"42 40 0:47 / /srv/hot/with\\040blank rw master:7 - cifs //server/b rw",
    b"43 40 0:48 / /srv/hot/covered rw - cifs //server/c rw",
    b"44 43 8:2 / /srv/hot/covered rw - ext4 /dev/sdc1 ro",
    b"45 21 0:49 / /srv/hotter rw - nfs4 nas:/d rw",
    b"nonsense",
]


def test_network_file_systems_below_a_root_are_found() -> None:
    """What counts is each mount below a root, and the last one at a place (pain 9)."""
    found = network_below(b"/srv/hot", parse_mounts(MOUNTS))

    assert [each.point for each in found] == [b"/srv/hot/nas", b"/srv/hot/with blank"]
    assert [each.device for each in found] == [os.makedev(0, 46), os.makedev(0, 47)]
    assert [each.is_read_only for each in parse_mounts(MOUNTS)][5]


@pytest.mark.parametrize(
    ("kind", "keeps"),
    [
        (b"ext4", True),
        (b"xfs", True),
        (b"tmpfs", True),
        (b"nfs4", False),
        (b"cifs", False),
        (b"fuse", False),
        (b"fuse.sshfs", False),
        (b"fuseblk", False),
        (b"vfat", False),
        (b"exfat", False),
    ],
)
def test_inode_number_of_a_file_is_believed_where_its_file_system_keeps_it(
    kind: bytes, keeps: bool
) -> None:
    """Others make one up, and another one when they have forgotten it."""
    (mount,) = parse_mounts([b"36 35 8:1 / /mnt/card rw shared:1 - %s /dev/sdb1 rw" % kind])

    assert mount.keeps_inodes is keeps


def test_inode_number_is_not_believed_where_nothing_is_known(tmp_path: Path) -> None:
    """As where a folder is gone."""
    assert not files.keeps_inodes(os.fsencode(tmp_path / "gone"))
