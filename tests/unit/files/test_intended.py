"""Which file system a folder lacks, of those that this machine is told to mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from masv_watch.files.intended import Intended, intended, unmounted
from masv_watch.files.mounts import parse_mounts

ROOT = b"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"
NAS = b"41 21 0:46 / /mnt/nas rw - nfs4 nas:/a rw"
TOLD = [Intended(point=point, said_by=b"/etc/fstab") for point in (b"/", b"/mnt/nas", b"/srv")]


@pytest.mark.parametrize(
    ("path", "more", "lacks"),
    [
        (b"/mnt/nas", [], b"/mnt/nas"),
        (b"/mnt/nas/hot/day", [], b"/mnt/nas"),
        (b"/mnt/nas/hot", [NAS], None),
        (b"/mnt/nasty", [], None),
        (b"/mnt", [], None),
        (b"/home/hot", [], None),
        # what lies on a file system of its own lacks none above that
        (b"/srv/disk/hot", [b"42 21 8:2 / /srv/disk rw - ext4 /dev/sdb1 rw"], None),
        # mounted on demand: whoever looks into it has it mounted
        (b"/mnt/nas", [b"43 21 0:47 / /mnt/nas rw - autofs systemd-1 rw"], None),
        # another folder of the same file system is bound there
        (b"/mnt/nas", [b"44 21 8:1 /data/nas /mnt/nas rw - ext4 /dev/sda1 rw"], None),
        # the bare folder itself is bound there, as a unit does that opens it for writing
        (b"/mnt/nas", [b"44 21 8:1 /mnt/nas /mnt/nas rw - ext4 /dev/sda1 rw"], b"/mnt/nas"),
        (b"/mnt/nas/hot", [b"44 21 8:1 /mnt/nas/hot /mnt/nas/hot rw - ext4 /dev/sda1 rw"],
         b"/mnt/nas"),
        (b"/mnt/nas/hot", [NAS, b"45 41 0:46 /hot /mnt/nas/hot rw - nfs4 nas:/a rw"], None),
    ],
)  # fmt: skip
def test_folder_lacks_what_is_told_for_a_point_above_it_and_is_not_mounted(
    path: bytes, more: list[bytes], lacks: bytes | None
) -> None:
    """The point itself, what lies below it, and nothing beside it."""
    found = unmounted(path, parse_mounts([ROOT, *more]), TOLD)

    assert (found and found.point) == lacks


def test_folder_below_two_points_lacks_the_lower_one() -> None:
    """That one decides what stands in it."""
    told = [Intended(point=point, said_by=b"t") for point in (b"/mnt/nas", b"/mnt", b"/mnt/nas/x")]

    found = unmounted(b"/mnt/nas/hot", parse_mounts([ROOT]), told)

    assert found == told[0]


def test_nothing_is_lacking_where_it_cannot_be_learned_what_is_mounted() -> None:
    """As on a system without the kernel's list."""
    assert unmounted(b"/mnt/nas", [], TOLD) is None


def test_points_come_from_the_table_and_from_the_administrator_s_units(tmp_path: Path) -> None:
    """Comments, swap, escapes, a masked unit and what cannot be read tell of nothing."""
    fstab, units = tmp_path / "fstab", tmp_path / "units"
    fstab.write_text(
        "# /dev/sdz1 /mnt/commented ext4 defaults 0 0\n"
        "\n"
        "nas:/a\t/mnt/nas/\tnfs4\tnofail,_netdev 0 0\n"
        "//server/b /mnt/with\\040blank cifs noauto 0 0\n"
        "/dev/sdb1 none swap sw 0 0\n"
        "short\n"
    )
    units.mkdir()
    (units / "mnt-raid.mount").write_text("[Mount]\nWhat=/dev/md0\nWhere = /mnt/raid\n")
    (units / "tmp.mount").symlink_to("/dev/null")
    (units / "gone.mount").symlink_to(units / "nothing")
    (units / "other.service").write_text("Where=/mnt/service\n")

    found = intended(fstab=bytes(fstab), units=bytes(units))
    nothing = intended(fstab=bytes(tmp_path / "none"), units=bytes(tmp_path / "none"))

    assert [each.point for each in found] == [b"/mnt/nas", b"/mnt/with blank", b"/mnt/raid"]
    assert [each.said_by for each in found] == [bytes(fstab)] * 2 + [
        bytes(units / "mnt-raid.mount")
    ]
    assert nothing == []
