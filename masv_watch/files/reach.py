"""How far a caller of our API reaches: which folders, by whose rights, and what is never sent.

Owns the judgement of each folder and file that a walk meets, by the descriptor that the walk uses.
Never walks and never words an answer. Called by `Root`, and by the room that looks at what a
caller named.

Law 1. What is denied is known by device and inode, so that no spelling, link or mount hides it.
Law 2. A foreign user's rights are judged on every folder that is passed or listed and every file.
Law 3. What cannot be judged is refused.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from masv_watch.errors import SourceForbidden
from masv_watch.files.approach import resolved_root
from masv_watch.files.rights import Guarded, User, Wish, is_granted, parse_entries
from masv_watch.names import shown

Mark = tuple[int, int]

#: the inode of a mark that stands for its whole device; no real one has it
WHOLE = 0
#: the longest path that a caller can name, as of the kernel (PATH_MAX)
LONGEST_PATH = 4096

#: enough to judge an entry, whatever it is, without opening it
_SIGHT = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
_ACCESS_LIST = b"system.posix_acl_access"
#: what the kernel answers where there is no list
_NO_LIST = {errno.ENODATA, errno.EOPNOTSUPP}
_SYSTEM = (b"/proc", b"/sys", b"/dev")
#: file systems that show the kernel's inside and hold no media, wherever they are mounted
_VIRTUAL = frozenset(
    b"binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl mqueue nsfs "
    b"proc pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
#: entries of the daemon's own folders that are marked one by one
_MARKED_AT_MOST = 10_000


class NoRight(PermissionError):
    """The user whose rights are judged has none to it; the daemon's own may suffice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one caller may have read for him."""

    #: absolute folders below which he stays; None: he may name any path
    roots: tuple[bytes, ...] | None
    #: the user whose rights are judged; None: the daemon's own rights suffice
    uid: int | None
    #: his groups; empty when they are not known
    gids: frozenset[int]
    #: never sent, whoever asks: devices and inodes as `never_sent` gives them
    denied: frozenset[Mark]

    @property
    def inodes(self) -> frozenset[int]:
        """Give the inodes that are never sent on one device or another."""
        return _inodes(self.denied)

    def examine(self, folder: int, name: bytes, path: bytes) -> os.stat_result:
        """Give the stat of an entry; a regular file must be the user's to read.

        Raises: SourceForbidden when it is never sent; OSError.
        """
        status = os.lstat(name, dir_fd=folder)
        if self.uid is None or not stat.S_ISREG(status.st_mode):
            self._assert_sent(status, path)
            return status
        descriptor = os.open(name, _SIGHT, dir_fd=folder)
        try:
            return self.admit_file(descriptor, path)
        finally:
            os.close(descriptor)

    def admit_file(self, descriptor: int, path: bytes) -> os.stat_result:
        """Assure that an opened file may be read, and give its stat.

        Raises: as `examine`.
        """
        status = os.fstat(descriptor)
        self._assert_sent(status, path)
        if stat.S_ISREG(status.st_mode):
            self._assert_granted(descriptor, status, Wish.READ)
        return status

    def admit_folder(self, descriptor: int, path: bytes, wish: Wish) -> None:
        """Assure that an opened folder may be passed, or that one which was passed may be listed.

        Raises: as `examine`.
        """
        status = os.fstat(descriptor)
        self._assert_sent(status, path)
        self._assert_granted(descriptor, status, wish)

    def _assert_sent(self, status: os.stat_result, path: bytes) -> None:
        device = status.st_dev
        if (device, status.st_ino) in self.denied or (device, WHOLE) in self.denied:
            why = "is the system's or masv-watch's own, and never sent"
            raise SourceForbidden(f"{shown(path)} {why}", path=path, why=why)

    def _assert_granted(self, descriptor: int, status: os.stat_result, wish: Wish) -> None:
        if self.uid is None:
            return
        user = User(uid=self.uid, gids=self.gids)
        try:
            data = _access_list(descriptor)
            guarded = Guarded(
                mode=status.st_mode,
                uid=status.st_uid,
                gid=status.st_gid,
                entries=None if data is None else parse_entries(data),
            )
        except (OSError, ValueError) as error:
            raise PermissionError(errno.EACCES, "its access list cannot be read") from error
        if not is_granted(user, wish, guarded):
            raise NoRight(errno.EACCES, f"uid {self.uid} has no right to it")


class Places:
    """Where a named path is walked: links are resolved in its roots, or above its last name."""

    def __init__(self, roots: tuple[bytes, ...] | None) -> None:
        """Resolve the roots, which an administrator may reach through links; None: anywhere."""
        self._folders: dict[bytes, bytes] = {}
        self._roots: list[tuple[bytes, bytes]] | None = None
        if roots is not None:
            pairs = set()
            for root in roots:
                real = resolved_root(root)
                if real is not None:
                    pairs |= {(root.rstrip(b"/"), real.rstrip(b"/")), (real.rstrip(b"/"),) * 2}
            # the inner of two nested roots speaks first
            self._roots = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)

    def find(self, path: bytes) -> bytes | None:
        """Give the place below "/" that a checked absolute path means; None: outside the roots.

        Nothing there is touched below the roots; a walk from "/" that follows no link decides.
        """
        if self._roots is None:
            above, _, name = path.rpartition(b"/")
            real = self._folders.get(above)
            if real is None:
                real = self._folders[above] = os.path.realpath(above or b"/").rstrip(b"/")
            return (real + b"/" + name)[1:]
        for root, real in self._roots:
            if path == root or path.startswith(root + b"/"):
                return (real + path[len(root) :])[1:]
        return None


def never_sent(own: Iterable[bytes]) -> frozenset[Mark]:
    """Give the marks of what is never sent: the daemon's own files and folders, and the system's.

    What a folder of the daemon's own holds is marked as well, so that a hard link to it or a mount
    of it is known too. What is not there has no mark.
    """
    marks = set(_virtual_devices())
    for path in _SYSTEM:
        marks |= _marks(path, deep=False)
    for path in own:
        marks |= _marks(path, deep=True)
    return frozenset(marks)


def is_kernels_own(filesystem: str) -> bool:
    """Say whether a type of file system shows the kernel itself: nothing of it is ever sent."""
    return os.fsencode(filesystem) in _VIRTUAL


def groups_of(uid: int) -> frozenset[int]:
    """Give a user's groups as the system's database lists them; empty when it does not know him."""
    try:
        entry = pwd.getpwuid(uid)
        return frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    except (KeyError, OSError):
        return frozenset()


@lru_cache(maxsize=2)
def _inodes(denied: frozenset[Mark]) -> frozenset[int]:
    # asked for each root that is opened, which may be one for each of many small files
    return frozenset(inode for _, inode in denied if inode != WHOLE)


def _access_list(descriptor: int) -> bytes | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        # by way of /proc, because the call itself refuses a descriptor that cannot be read from
        return os.getxattr(b"/proc/self/fd/%d" % descriptor, _ACCESS_LIST)
    except OSError as error:
        if error.errno in _NO_LIST:
            return None
        raise


def _marks(path: bytes, *, deep: bool) -> set[Mark]:
    found = set()
    for at in _with_contents(path) if deep else (path,):
        try:
            status = os.stat(at) if at == path else os.lstat(at)
        except OSError:
            continue
        if not stat.S_ISLNK(status.st_mode):
            found.add((status.st_dev, status.st_ino))
        if len(found) >= _MARKED_AT_MOST:
            break
    return found


def _with_contents(path: bytes) -> Iterator[bytes]:
    yield path
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            yield folder + b"/" + name


def _virtual_devices() -> Iterator[Mark]:
    try:
        with open(b"/proc/self/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if fields[fields.index(b"-", 6) + 1] in _VIRTUAL:
            major, _, minor = fields[2].partition(b":")
            yield os.makedev(int(major), int(minor)), WHOLE
