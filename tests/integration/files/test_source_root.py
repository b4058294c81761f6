"""A hot folder by its descriptor, on real files."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from masv_watch.errors import (
    SourceBusy,
    SourceChanged,
    SourceError,
    SourceForbidden,
    SourceUnreadable,
    SourceVanished,
)
from masv_watch.files import Root, check_identity, filesystem_kind, identify_all
from masv_watch.files.mounts import kind_of
from tests.in_use import REFUSALS, InUse

NOBODY = 65534


def test_list_folder_gives_every_kind_without_following_or_hanging(hot: Path, root: Root) -> None:
    """Files and folders come with their identity, everything else with what it is (fault 26)."""
    (hot / "file").write_bytes(b"12345")
    (hot / "folder").mkdir()
    (hot / "dangling").symlink_to("nowhere")
    (hot / "loop").symlink_to("loop")
    (hot / "up").symlink_to("..")
    os.mkfifo(hot / "fifo")
    server = socket.socket(socket.AF_UNIX)
    server.bind(os.path.relpath(hot / "sock"))
    server.close()
    os.link(hot / "file", hot / "twin")
    seen = {each.path: each for each in root.list_folder()}

    assert {path: each.kind for path, each in seen.items()} == {
        b"file": "file",
        b"folder": "folder",
        b"dangling": "link",
        b"loop": "link",
        b"up": "link",
        b"fifo": "other",
        b"sock": "other",
        b"twin": "file",
    }
    assert seen[b"fifo"].detail == "a FIFO"
    assert seen[b"sock"].detail == "a socket"
    assert seen[b"loop"].detail == "a symbolic link"
    assert seen[b"fifo"].identity is None
    assert seen[b"file"].nlink == 2
    assert seen[b"file"].identity == root.identify(b"file")
    assert seen[b"file"].identity.size == 5


@pytest.mark.parametrize(
    "name", [b"a\nb", b"\x1b[31m", b"\xff\xfe", b"-rf", b"...", b"end ", b"%41", b"x" * 255]
)
def test_list_folder_and_open_file_take_any_name_as_bytes(
    hot: Path, root: Root, name: bytes
) -> None:
    """A name is bytes from the listing to the read (faults 20, 21)."""
    folder = os.fsencode(hot) + b"/" + name
    os.mkdir(folder)
    with open(folder + b"/" + name, "wb") as file:
        file.write(b"content")
    (seen,) = root.list_folder(name)
    descriptor = root.open_file(seen.path)
    content = os.read(descriptor, 100)
    os.close(descriptor)

    assert seen.path == name + b"/" + name
    assert content == b"content"


@pytest.mark.parametrize(
    "path", [b"", b"/etc/passwd", b"..", b"a/../../etc", b".", b"a//b", b"a/.", b"a\0b"]
)
def test_paths_that_leave_the_root_are_forbidden(hot: Path, root: Root, path: bytes) -> None:
    """No spelling of a path leads out of the root."""
    (hot / "a").mkdir()

    with pytest.raises(SourceForbidden):
        root.identify(path)
    with pytest.raises(SourceForbidden):
        root.open_file(path)


def test_links_on_the_way_and_at_the_end_are_forbidden(
    hot: Path, root: Root, tmp_path: Path
) -> None:
    """A link is never followed, neither as a folder on the way nor as the file (fault 23)."""
    outside = tmp_path / "hot_evil"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (hot / "way").symlink_to(outside)
    (hot / "end").symlink_to(outside / "secret")
    (hot / "deep").mkdir()
    (hot / "deep" / "way").symlink_to("../../hot_evil")

    for path in (b"way/secret", b"end", b"deep/way/secret"):
        with pytest.raises(SourceForbidden, match="symbolic link"):
            root.open_file(path)
        with pytest.raises(SourceForbidden):
            root.identify(path)
    with pytest.raises(SourceForbidden):
        list(root.list_folder(b"way"))


@pytest.mark.parametrize("special", ["fifo", "folder", "socket"])
def test_open_file_of_what_is_no_regular_file_is_forbidden_at_once(
    hot: Path, root: Root, special: str
) -> None:
    """A FIFO without a writer would block an ordinary open for ever (fault 26)."""
    if special == "fifo":
        os.mkfifo(hot / "x")
    elif special == "folder":
        (hot / "x").mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(hot / "x"))

    with pytest.raises(SourceForbidden):
        root.open_file(b"x")


def test_open_file_races_a_link_swap_and_never_leaks(hot: Path, tmp_path: Path) -> None:
    """While somebody swaps file, folder and link, no byte from outside is read (fault 24)."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("secret")
    inside, swap = hot / "d", hot / "swap"
    inside.mkdir()
    (inside / "f").write_text("inside")
    swap.symlink_to(outside)
    over = threading.Event()

    def keep_swapping() -> None:
        while not over.is_set():
            for one, other in ((inside, hot / "aside"), (swap, inside), (inside, swap)):
                os.rename(one, other)
            os.rename(hot / "aside", inside)

    thread = threading.Thread(target=keep_swapping)
    thread.start()
    read, refused = set(), 0
    with Root.open(os.fsencode(hot)) as root:
        for _ in range(4000):
            try:
                descriptor = root.open_file(b"d/f")
            except SourceError:
                refused += 1
                continue
            read.add(os.read(descriptor, 100))
            os.close(descriptor)
    over.set()
    thread.join()

    assert read == {b"inside"}
    assert refused > 0


def test_open_file_of_a_link_that_appears_after_the_look_is_forbidden(
    hot: Path, root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The open itself follows no link, whatever the look before it saw (fault 24)."""
    (tmp_path / "secret").write_text("secret")
    (hot / "f").write_text("inside")
    look = os.lstat

    def swaps(*args: object, **kwargs: object) -> os.stat_result:
        answer = look(*args, **kwargs)  # type: ignore[arg-type]
        (hot / "f").unlink()
        (hot / "f").symlink_to(tmp_path / "secret")
        return answer

    monkeypatch.setattr(os, "lstat", swaps)

    with pytest.raises(SourceForbidden, match="symbolic link"):
        root.open_file(b"f")


def test_missing_is_vanished_while_the_root_is_there(hot: Path, root: Root) -> None:
    """A path that is gone is SourceVanished, also when its folder became a file."""
    (hot / "file").write_text("x")

    for path in (b"gone", b"gone/deep", b"file/below"):
        with pytest.raises(SourceVanished):
            root.identify(path)
    assert root.observe(b"gone") is None


def test_missing_is_unreadable_when_the_root_was_removed(hot: Path, root: Root) -> None:
    """Nothing below a removed root vanished, and its empty list is no answer (fault 8)."""
    hot.rmdir()

    with pytest.raises(SourceUnreadable) as caught:
        root.identify(b"clip")
    assert caught.value.facts["errno"] == "ENOENT"
    with pytest.raises(SourceUnreadable):
        list(root.list_folder())
    with pytest.raises(SourceUnreadable):
        root.observe(b"clip")


@pytest.mark.parametrize(("make", "name"), [(False, "ENOENT"), (True, "ENOTDIR")])
def test_open_of_a_missing_root_is_unreadable_with_a_hint(
    tmp_path: Path, make: bool, name: str
) -> None:
    """A root that is not there waits, and says what helps (fault 5)."""
    path = tmp_path / "a\nb"
    if make:
        path.write_text("a file")

    with pytest.raises(SourceUnreadable) as caught:
        Root.open(os.fsencode(path))
    assert caught.value.facts["errno"] == name
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert "a\\nb" in str(caught.value)


def test_root_identity_follows_the_folder_not_the_path(hot: Path, tmp_path: Path) -> None:
    """Another folder at the same path has another identity (fault 7)."""
    with Root.open(os.fsencode(hot)) as before:
        hot.rename(tmp_path / "old")
        hot.mkdir()
        with Root.open(os.fsencode(hot)) as after:
            assert before.identity != after.identity
        assert before.identity[1] == os.stat(tmp_path / "old").st_ino


def test_permission_denied_names_the_path_and_lets_the_rest_go_on() -> None:
    """EACCES on a file or folder is unreadable with its name, not vanished (fault 29)."""
    top = tempfile.mkdtemp(prefix="masv-rights-", dir=tempfile.gettempdir())
    try:
        os.chmod(top, 0o755)
        hot = Path(top) / "hot"
        (hot / "closed").mkdir(parents=True)
        (hot / "closed" / "f").write_text("x")
        (hot / "mute").write_text("x")
        (hot / "fine").write_text("x")
        hot.chmod(0o755)
        (hot / "mute").chmod(0)
        (hot / "closed").chmod(0)
        answer = _as_nobody(hot)
    finally:
        os.chmod(hot / "closed", 0o700)
        shutil.rmtree(top)

    assert answer.splitlines() == [
        "closed folder",
        "fine file",
        "mute unreadable cannot be examined: Permission denied",
        "SourceUnreadable EACCES mute cannot be read: Permission denied",
        "SourceUnreadable EACCES closed cannot be read: Permission denied",
        "SourceUnreadable EACCES closed/f cannot be read: Permission denied",
    ]


def _as_nobody(hot: Path) -> str:
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
import masv_watch.files as files, masv_watch.errors as errors, os
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
root = files.Root.open({os.fsencode(hot)!r})
for each in sorted(root.list_folder(), key=lambda each: each.path):
    print(each.path.decode(), each.kind, each.detail)
for act in (lambda: root.open_file(b"mute"), lambda: list(root.list_folder(b"closed")),
            lambda: root.identify(b"closed/f")):
    try:
        act()
    except errors.SourceError as error:
        print(type(error).__name__, error.facts["errno"], error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def test_check_identity_tells_changed_from_vanished(hot: Path, root: Root) -> None:
    """The last check before finalize names which fields changed."""
    (hot / "f").write_bytes(b"one")
    settled = root.identify(b"f")
    check_identity(os.fsencode(hot), b"f", settled)
    (hot / "f").write_bytes(b"other")

    with pytest.raises(SourceChanged, match="size"):
        check_identity(os.fsencode(hot), b"f", settled)
    (hot / "f").unlink()
    with pytest.raises(SourceVanished):
        check_identity(os.fsencode(hot), b"f", settled)
    hot.rmdir()
    with pytest.raises(SourceUnreadable):
        check_identity(os.fsencode(hot), b"f", settled)


@pytest.mark.fault(14)
def test_check_identity_sees_a_same_size_rewrite_with_its_time_restored(
    hot: Path, root: Root
) -> None:
    """The change time cannot be restored, so a silent rewrite is seen."""
    (hot / "f").write_bytes(b"one")
    before = os.stat(hot / "f")
    settled = root.identify(b"f")
    while os.stat(hot / "f").st_ctime_ns == before.st_ctime_ns:
        (hot / "f").write_bytes(b"two")
        os.utime(hot / "f", ns=(before.st_atime_ns, before.st_mtime_ns))
    seen = root.identify(b"f")

    assert (seen.size, seen.mtime_ns, seen.inode) == (settled.size, settled.mtime_ns, settled.inode)
    with pytest.raises(SourceChanged, match="ctime_ns changed"):
        check_identity(os.fsencode(hot), b"f", settled)


def test_identify_all_gives_every_path_with_identity_or_error(hot: Path, root: Root) -> None:
    """Thousands of files in many folders are looked at in one pass, and one error stops nothing."""
    paths = []
    for number in range(60):
        folder = hot / f"d{number}" / "e"
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).write_text(name)
            paths.append(os.fsencode(f"d{number}/e/{name}"))
    (hot / "link").symlink_to("d0")
    found = dict(identify_all(root, [*paths, b"d0/gone", b"link/e/a", b"link"]))

    assert all(found[path] == root.identify(path) for path in paths)
    assert isinstance(found[b"d0/gone"], SourceVanished)
    assert isinstance(found[b"link/e/a"], SourceForbidden)
    assert isinstance(found[b"link"], SourceForbidden)


def test_walking_many_folders_keeps_few_descriptors(hot: Path, root: Root) -> None:
    """A thousand folders are walked with a handful of descriptors, all given back at the end."""
    before = len(os.listdir("/dev/fd"))
    for number in range(200):
        (hot / f"d{number}").mkdir()
        (hot / f"d{number}" / "f").touch()
    dict(identify_all(root, [b"d%d/f" % number for number in range(200)]))
    during = len(os.listdir("/dev/fd"))
    root.close()

    assert during - before <= 32
    assert len(os.listdir("/dev/fd")) < before


@pytest.mark.parametrize("fresh", [True, False])
def test_observe_of_an_opened_file_gives_the_same_identity(hot: Path, fresh: bool) -> None:
    """The look that opens, for network file systems, sees what the plain one does."""
    (hot / "f").write_bytes(b"12")
    (hot / "l").symlink_to("f")
    os.mkfifo(hot / "p")
    with Root.open(os.fsencode(hot), fresh=fresh) as root:
        kinds = {each.path: each.kind for each in root.list_folder()}

        assert root.observe(b"f").identity == root.identify(b"f")
    assert kinds == {b"f": "file", b"l": "link", b"p": "other"}


@pytest.mark.parametrize("number", REFUSALS, ids=os.strerror)
def test_file_that_is_in_use_is_seen_as_its_folder_knows_it_and_told_as_such(
    hot: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is there and what it was: nobody may only open it now (pain 6)."""
    (hot / "f").write_bytes(b"12")
    InUse(monkeypatch, "f", number)
    why = f"is in use by another program or machine: {os.strerror(number)}"
    with Root.open(os.fsencode(hot), fresh=True) as root:
        (seen,) = root.list_folder()
        with pytest.raises(SourceBusy, match=f"f {why}") as raised:
            root.open_file(b"f")

        assert (seen.kind, seen.identity, seen.busy) == ("file", root.identify(b"f"), why)
    assert raised.value.facts["errno"] == errno.errorcode[number]


MOUNTS = [
    b"21 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    b"40 21 0:50 / /mnt/nas rw,relatime shared:7 master:1 - nfs4 server:/x rw,vers=4.2",
    b"41 21 0:51 / /mnt/with\\040space rw - fuse.sshfs me@host: rw",
    b"42 21 0:52 / /mnt/usb rw - fuseblk /dev/sdb1 rw",
    b"43 21 0:53 / /mnt/smb rw - cifs //server/x rw",
]


@pytest.mark.parametrize(
    ("mount", "kind"),
    [
        (b"21", "local"),
        (b"40", "network"),
        (b"41", "network"),
        (b"42", "local"),
        (b"43", "network"),
        (b"99", "local"),
    ],
)
def test_kind_of_a_mount_is_read_from_the_kernels_list(mount: bytes, kind: str) -> None:
    """The type of the file system decides, and an unknown mount counts as local."""
    assert kind_of(mount, MOUNTS) == kind


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(
            (kind, "network")
            for kind in (b"cvfs", b"gfs2", b"panfs", b"wekafs", b"beegfs", b"gpfs")
        ),
        *((kind, "network") for kind in (b"lustre", b"ocfs2", b"9p", b"virtiofs", b"prl_fs")),
        *((kind, "network") for kind in (b"vboxsf", b"fuse", b"fuse.mergerfs")),
        *((kind, "local") for kind in (b"ext4", b"xfs", b"btrfs", b"zfs", b"exfat", b"fuseblk")),
    ],
)
def test_file_system_that_other_machines_may_change_counts_as_network(
    kind: bytes, expected: str
) -> None:
    """Notifications are blind there; plain FUSE names nobody behind it, `fuseblk` is a disk."""
    assert kind_of(b"36", [b"36 35 0:60 / /mnt/san rw - %s san rw" % kind]) == expected


def test_filesystem_kind_of_real_paths(hot: Path, tmp_path: Path) -> None:
    """A temporary folder is local, and one that cannot be looked at counts as local."""
    (tmp_path / "link").symlink_to(hot)

    assert filesystem_kind(os.fsencode(hot)) == "local"
    assert filesystem_kind(os.fsencode(tmp_path / "link")) == "local"
    assert filesystem_kind(os.fsencode(tmp_path / "gone")) == "local"


@pytest.mark.parametrize("target", ["hot", "/"])
def test_open_of_a_root_by_a_link_that_others_can_set_is_refused(
    hot: Path, tmp_path: Path, target: str
) -> None:
    """Whoever may write beside a root could otherwise lead us to any folder of the machine."""
    (hot / "a").write_bytes(b"1")
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "way").symlink_to(hot if target == "hot" else target)

    with Root.open(os.fsencode(beside / "way")) as opened:
        assert opened.list_folder()
    beside.chmod(0o777)
    for path in (beside / "way", beside / "way" / ".", beside / "way" / ".." / hot.name):
        with pytest.raises(SourceUnreadable, match="link"):
            Root.open(os.fsencode(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of another user")
def test_open_of_a_root_by_a_link_in_the_folder_of_another_user_is_refused(
    hot: Path, tmp_path: Path
) -> None:
    """His folder is his to change, whatever its mode says."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    (theirs / "way").symlink_to(hot)
    os.chown(theirs, NOBODY, NOBODY)

    with pytest.raises(SourceUnreadable, match="link"):
        Root.open(os.fsencode(theirs / "way"))
    os.chown(theirs, 0, 0)
    Root.open(os.fsencode(theirs / "way")).close()
