"""What a folder's file system really does, tried out in a private folder that goes away again.

Owns the trying: times, inodes, names, renames, leases, rights. Never judges what an answer means
for masv-watch and never touches what lies beside its own folder. Called by the self-test.

Law 1. All that is made lies in one folder whose name every rule leaves out; it goes at the end,
       whatever happens.
Law 2. A probe tells what it saw or raises OSError; it never guesses.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from masv_watch.errors import SourceError
from masv_watch.files.mounts import kind_of
from masv_watch.files.naming import rename_exclusively
from masv_watch.files.remains import clear_remains, private_name
from masv_watch.files.roots import Root
from masv_watch.files.trees import delete_tree
from masv_watch.files.writers import Writers, find_writers
from masv_watch.names import shown

#: an odd second with digits down to the last nanosecond, in 2001
_ODD_NS = 1_000_000_001_987_654_321
#: what file systems round times to, in nanoseconds: from exact over exFAT's 10 ms to FAT's 2 s
_GRAINS_NS = (2_000_000_000, 1_000_000_000, 10_000_000, 1_000_000, 1000, 100, 1)
_CAP_LEASE = 28
_CAN_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """The mount that a folder lies on, as the kernel names it."""

    #: `ext4`, `cifs`...; "" when that could not be learned
    filesystem: str
    #: the device or the share
    source: str
    is_network: bool
    is_read_only: bool
    #: whether its medium can be taken out; None when nobody says
    is_removable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What room a file system has, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renaming:
    """What a change of a name does."""

    #: the file under the new name is the one that was under the old one
    keeps_file: bool
    #: a taken name can be refused by the rename itself
    is_exclusive: bool
    has_hard_links: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What a file system takes for one name."""

    folds_case: bool
    #: composed and decomposed accents are one name
    folds_accents: bool
    #: names that are not UTF-8 can be made
    takes_bytes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Whether the kernel tells of writers."""

    #: a writer was seen, and nobody was seen once it had ended
    sees_writers: bool
    #: why it cannot tell, one clause; "" when it can
    why_not: str = ""
    #: whether it can tell about files of other users too
    of_every_user: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """The kernel's notifications that a folder needs, and those that there are."""

    #: one for each folder
    folders: int
    #: whether there are more than were counted
    is_cut: bool
    #: by processes of this user that can be seen
    used: int
    #: None where the kernel has no such limit
    limit: int | None


class Workbench:
    """A private folder of ours below a root; everything in it is gone at the end."""

    def __init__(self, root: Root) -> None:
        """Make the folder.

        Raises: OSError when the root cannot be written in.
        """
        self._root = root
        clear_remains(root)
        self.name = private_name(b"selftest")
        os.mkdir(self.name, 0o700, dir_fd=root.folder(b""))
        self._folder = os.open(self.name, _CAN_LOOK | os.O_DIRECTORY, dir_fd=root.folder(b""))

    @property
    def path(self) -> bytes:
        """Give its absolute path."""
        return self._root.path.rstrip(b"/") + b"/" + self.name

    def __enter__(self) -> Workbench:
        """Give the folder itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything."""
        self.clear()

    def clear(self) -> str:
        """Remove everything; give why something stays, "" when nothing does. May be called again.

        What was made can be removed: that is the right to delete, as far as it can be tried.
        """
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1
        try:
            self._root.forget_folders()
            delete_tree(self._root, self.name)
        except (OSError, SourceError) as error:
            return f"{shown(self.path)} cannot be removed: {_why(error)}"
        return ""

    def touch(self, name: bytes) -> None:
        """Make a small file, or write to it once more."""
        os.close(self._written(name, b"masv-watch"))

    def _written(self, name: bytes, content: bytes) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._folder)
        try:
            os.pwrite(descriptor, content, 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def clock(self, name: bytes = b"clock") -> float:
        """Give the seconds since 1970 that the file system writes to a file now."""
        descriptor = self._written(name, b"now")
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # a client may still show its own clock through the descriptor that wrote
        descriptor = os.open(name, _CAN_LOOK, dir_fd=self._folder)
        try:
            return os.fstat(descriptor).st_mtime_ns / 1e9
        finally:
            os.close(descriptor)

    def mtime_grain_ns(self) -> int | None:
        """Give what times are rounded to, in nanoseconds; None when a set time is not kept."""
        descriptor = self._written(b"grain", b"grain")
        try:
            os.utime(descriptor, ns=(_ODD_NS, _ODD_NS))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        kept = os.lstat(b"grain", dir_fd=self._folder).st_mtime_ns
        for grain in _GRAINS_NS:
            if kept % grain == 0 and abs(kept - _ODD_NS) < grain:
                return grain
        return None

    def identity(self, name: bytes) -> tuple[int, int]:
        """Give the inode and the change time of a file, looked up afresh by two ways."""
        seen = os.lstat(name, dir_fd=self._folder)
        descriptor = os.open(name, _CAN_LOOK, dir_fd=self._folder)
        try:
            opened = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if opened.st_ino != seen.st_ino:
            return (-1, opened.st_ctime_ns)
        return (opened.st_ino, opened.st_ctime_ns)

    def renaming(self) -> Renaming:
        """Try what a change of a name does to the file and to a taken name."""
        self.touch(b"old")
        self.touch(b"taken")
        before = os.lstat(b"old", dir_fd=self._folder).st_ino
        try:
            knows = rename_exclusively(self._folder, b"old", b"taken")
            # a file system that took the wish and renamed all the same kept nothing free
            is_exclusive = False
        except FileExistsError:
            knows, is_exclusive = True, True
        if not knows or is_exclusive:
            os.rename(b"old", b"taken", src_dir_fd=self._folder, dst_dir_fd=self._folder)
        after = os.lstat(b"taken", dir_fd=self._folder).st_ino
        has_links = True
        try:
            os.link(b"taken", b"linked", src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            has_links = False
        return Renaming(
            keeps_file=before == after, is_exclusive=is_exclusive, has_hard_links=has_links
        )

    def naming(self) -> Naming:
        """Try which names are one, and whether every name can be made."""
        composed = unicodedata.normalize("NFC", "accent-\u00e9").encode()
        decomposed = unicodedata.normalize("NFD", "accent-\u00e9").encode()
        self.touch(b"Case")
        self.touch(composed)
        takes_bytes = True
        try:
            self.touch(b"bytes-\xff")
        except OSError:
            takes_bytes = False
        return Naming(
            folds_case=self._is_there(b"cASE"),
            folds_accents=self._is_there(decomposed),
            takes_bytes=takes_bytes,
        )

    def _is_there(self, name: bytes) -> bool:
        with suppress(OSError):
            os.lstat(name, dir_fd=self._folder)
            return True
        return False

    def lease(self) -> Lease:
        """Try whether the kernel tells of a writer, by the very question that intake asks."""
        writer = self._written(b"lease", b"lease")
        try:
            while_written = self._asked(b"lease")
        finally:
            os.close(writer)
        after = self._asked(b"lease")
        if while_written.busy and not after.busy and not after.unknown:
            return Lease(sees_writers=True, of_every_user=_may_lease_all())
        why = while_written.unknown or after.unknown or "a writer is not told from nobody"
        return Lease(sees_writers=False, why_not=why)

    def _asked(self, name: bytes) -> Writers:
        return find_writers(self._root, [self.name + b"/" + name])


def mount_of(root: Root) -> Mount:
    """Give the mount that a root lies on."""
    folder = root.folder(b"")
    read_only = bool(os.fstatvfs(folder).f_flag & os.ST_RDONLY)
    try:
        facts = dict(line.split(b":", 1) for line in _lines(b"/proc/self/fdinfo/%d" % folder))
        number, lines = facts[b"mnt_id"].strip(), _lines(b"/proc/self/mountinfo")
        fields = next(line.split() for line in lines if line.split()[:1] == [number])
        # optional fields end with a dash, behind which stand type and source
        dash = fields.index(b"-", 6)
        kind, source, device = fields[dash + 1], fields[dash + 2], fields[2]
    except (OSError, ValueError, LookupError, StopIteration):
        return Mount(
            filesystem="", source="", is_network=False, is_read_only=read_only, is_removable=None
        )
    return Mount(
        filesystem=shown(kind),
        source=shown(source),
        is_network=kind_of(number, lines) == "network",
        is_read_only=read_only,
        is_removable=_is_removable(device),
    )


def room_of(root: Root) -> Room:
    """Give what room the file system of a root has for this user."""
    seen = os.fstatvfs(root.folder(b""))
    return Room(free=seen.f_bavail * seen.f_frsize, total=seen.f_blocks * seen.f_frsize)


def is_sticky(root: Root) -> bool:
    """Say whether others' files in a root can be removed by their owner alone."""
    status = os.fstat(root.folder(b""))
    ours = os.geteuid() in (0, status.st_uid)
    return bool(status.st_mode & stat.S_ISVTX) and not ours


def _may_lease_all() -> bool:
    """Say whether this process may take leases on files of other users."""
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in _lines(b"/proc/self/status") if line.startswith(b"CapEff:"))
        return bool(int(line.split()[1], 16) >> _CAP_LEASE & 1)
    return False


def _is_removable(device: bytes) -> bool | None:
    """Ask the block device, or the disk that a partition lies on; None for what is none."""
    for place in (b"/removable", b"/../removable"):
        with suppress(OSError, LookupError):
            return _lines(b"/sys/dev/block/" + device + place)[0].strip() == b"1"
    return None


def _why(error: OSError | SourceError) -> str:
    return (error.strerror or "") if isinstance(error, OSError) else error.message


def _lines(path: bytes) -> list[bytes]:
    with open(path, "rb") as file:
        return file.read().splitlines()
