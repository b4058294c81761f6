"""What the kernel's list of mounts tells of the limits of a unit."""

from __future__ import annotations

import os

import pytest

from masv_watch.config.confinement import Bar, bar_of, cure_of, is_confined
from masv_watch.files.mounts import parse_mounts

#: as a unit with ProtectSystem=strict, PrivateTmp= and one folder opened sees its machine
_LIST = b"""\
600 599 254:0 / / ro,relatime shared:1 - ext4 /dev/vda rw
601 600 254:0 /srv/out /srv/out rw,relatime shared:1 - ext4 /dev/vda rw
602 600 254:0 /tmp/systemd-private-ab12-masv-watch.service-Xy/tmp /tmp rw - ext4 /dev/vda rw
603 600 0:48 / /mnt/iso ro,relatime - iso9660 /dev/sr0 ro
604 600 0:49 / /mnt/nas ro,relatime - nfs4 nas:/hot rw
"""
_INACCESSIBLE = b"605 600 0:25 /systemd/inaccessible/dir %s ro,nosuid - tmpfs tmpfs rw,mode=755\n"
_EMPTY = b"606 600 0:50 / /home ro,nosuid,nodev - tmpfs tmpfs ro,mode=755\n"


def bar(path: bytes, *more: bytes, is_written: bool = True) -> Bar | None:
    listed = parse_mounts((_LIST + b"".join(more)).splitlines())
    return bar_of(path, listed, is_written=is_written)


def test_folder_that_no_line_opens_is_read_only_for_who_writes():
    """Reading it is enough for a rule that keeps its sources."""
    assert bar(b"/srv/hot") is Bar.READ_ONLY
    assert bar(b"/srv/hot", is_written=False) is None
    assert bar(b"/mnt/nas/hot") is Bar.READ_ONLY


@pytest.mark.parametrize("path", [b"/srv/out", b"/srv/out/below"])
def test_folder_that_a_line_opens_is_free(path):
    """The nearest mount above it counts, not the root's."""
    assert bar(path) is None


def test_neighbour_of_an_opened_folder_is_not_opened():
    """A name that begins alike lies elsewhere."""
    assert bar(b"/srv/output") is Bar.READ_ONLY


def test_read_only_file_system_is_no_matter_of_the_unit():
    """No drop-in can make a disc writable."""
    assert bar(b"/mnt/iso/card") is None


def test_folder_below_a_private_tmp_is_hidden():
    """What the unit sees there is a folder of its own."""
    assert bar(b"/tmp/out", is_written=False) is Bar.PRIVATE_TMP


def test_home_is_hidden_in_both_ways_of_protecthome():
    """An inaccessible folder, or an empty one that is read-only."""
    assert bar(b"/home/anna/out", _INACCESSIBLE % b"/home", is_written=False) is Bar.HOME
    assert bar(b"/home/anna/out", _EMPTY, is_written=False) is Bar.EMPTY_HOME
    assert bar(b"/opt/x/out", _INACCESSIBLE % b"/opt/x", is_written=False) is Bar.INACCESSIBLE


def test_home_that_is_bound_into_an_empty_one_is_free():
    """That is what its cure does."""
    bound = b"607 606 254:0 /home/anna/out /home/anna/out rw,relatime - ext4 /dev/vda rw\n"

    assert bar(b"/home/anna/out", _EMPTY, bound) is None


def test_nothing_known_of_mounts_bars_nothing():
    """Without the kernel's list there is nothing to say."""
    assert bar_of(b"/srv/out", [], is_written=True) is None


@pytest.mark.parametrize("each", list(Bar))
def test_cure_names_the_path_and_what_to_do(each):
    """A line for a drop-in, or where the other line stands that hides it."""
    words = cure_of(each, b"/home/a b/50%")

    assert "/home/a b/50%" in words
    assert "-/home/a b/50%%" in words or "take it out of there" in words


def test_cure_of_what_no_unit_can_name_asks_for_another_name():
    """A line that would be read wrongly is not proposed."""
    words = cure_of(Bar.READ_ONLY, b"/srv/\xff")

    assert "plain name" in words
    assert "ReadWritePaths" not in words


@pytest.mark.parametrize("process", [os.getpid, os.getppid])
def test_unit_is_known_by_the_process_that_it_started(process):
    """The command itself, or what that command started (`timeout`)."""
    assert is_confined({"SYSTEMD_EXEC_PID": str(process())})


@pytest.mark.parametrize("environ", [{}, {"SYSTEMD_EXEC_PID": "999999999"}])
def test_unit_is_not_what_a_shell_below_a_service_is_in(environ):
    """A terminal that some unit started is none: its shell stands between."""
    assert not is_confined(environ)
