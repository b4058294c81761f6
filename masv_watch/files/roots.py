"""A hot folder by its descriptor: what lies below it, walked without following a link.

With `follow: inside` a path that meets a link is resolved first and then walked as any other.

Owns the walk, the identity of a file and the translation of the operating system's errors. Never
reads a byte of content. Called by the sweep, the sender's last check, the room that looks at what a
caller named, and the rest of this package.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from operator import attrgetter
from types import TracebackType
from typing import NamedTuple

from masv_watch.errors import SourceError, SourceForbidden, SourceUnreadable, SourceVanished
from masv_watch.files.approach import approach
from masv_watch.files.entries import (
    allowed,
    assert_readable,
    checked,
    forbidden,
    fresh_status,
    may_read,
    no_root,
    open_regular,
    split,
    unreadable,
)
from masv_watch.files.links import Links, is_link
from masv_watch.files.observations import Fields, Observation, identity_of, lying, observed
from masv_watch.files.reach import Reach
from masv_watch.files.rights import Wish
from masv_watch.model import Follow, Identity
from masv_watch.names import shown

#: enough to walk through a folder; the permission to list it is asked only when it is listed
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_STEP = _PASS | os.O_NOFOLLOW
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: of a mode: the kind, and whether the world may read; a file that it may
_FREE = 0o170000 | stat.S_IROTH
_FREE_FILE = stat.S_IFREG | stat.S_IROTH
#: entries of one folder that are looked at at once: about a millisecond's work
_BATCH = 256
_MODE, _DEVICE, _INODE = map(attrgetter, ("st_mode", "st_dev", "st_ino"))
#: descriptors of folders kept while a root is walked; a thousand levels need no more
_KEPT_FOLDERS = 32

#: all of a root, or the devices of what is mounted below it
Fresh = bool | frozenset[int]


class Batch(NamedTuple):
    """Some entries of one folder at one moment."""

    #: of regular files against which nothing speaks, decoded as the file system's names are
    names: list[str]
    #: of these, in the same order
    stats: list[os.stat_result]
    #: what else there is, and what was looked at with more care
    others: list[Observation]


class Root:
    """One open root: every path is walked from its descriptor. Not shared between threads."""

    def __init__(
        self,
        path: bytes,
        descriptor: int,
        *,
        fresh: Fresh = False,
        reach: Reach | None = None,
        follow: Follow = Follow.NONE,
    ) -> None:
        """Take over the descriptor; `Root.open` is the way to one."""
        self.path = path
        self._descriptor = descriptor
        self._fresh = fresh
        self._reach = reach
        #: which links below are followed
        self.follow = follow
        self._links = Links(path, self) if follow is Follow.INSIDE else None
        #: whether a plain stat says everything of a file; and the inodes that may be denied
        self._is_bare = not fresh and (reach is None or reach.uid is None)
        self._guarded = frozenset() if reach is None else reach.inodes
        self._folders: OrderedDict[bytes, int] = OrderedDict()
        status = os.fstat(descriptor)
        #: what the file system of the root itself does not keep, and is not shown
        self.unkept: Fields = frozenset()
        #: folders below that are not entered, each with the clause that says why
        self.withheld: Mapping[bytes, str] = {}
        #: (device, inode); the device compares only within one boot
        self.identity = (status.st_dev, status.st_ino)

    @classmethod
    def open(
        cls,
        path: bytes,
        *,
        fresh: Fresh = False,
        reach: Reach | None = None,
        follow: Follow = Follow.NONE,
    ) -> Root:
        """Open a root by its absolute path, which leads through links as `approach` allows them.

        With `fresh` every file is opened for its identity, because a plain stat on a network file
        system may be a minute old; devices name the file systems below for which that holds.
        With `reach` every folder and file below is judged by it, and what it refuses is unreadable
        or forbidden; it must let the root itself be passed. With `follow: inside` a link to what
        lies under this root is what it points to.

        Raises:
            SourceUnreadable: it is missing, not a folder, or cannot be reached; `facts["errno"]`
                is the name of the reason (`ENOENT`, `ENOTDIR`, `EACCES`, `ESTALE`...).
            SourceForbidden: it is never sent.
        """
        try:
            # an automounter and a dead server answer only to a real look
            os.stat(path + b"/.")
            descriptor = approach(path)
            if reach is not None:
                _admit(reach, descriptor, path)
            return cls(path, descriptor, fresh=fresh, reach=reach, follow=follow)
        except (OSError, ValueError) as error:
            raise no_root(path, error) from error

    def __enter__(self) -> Root:
        """Give the root itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every descriptor."""
        self.close()

    def close(self) -> None:
        """Close every descriptor; may be called again."""
        self.forget_folders()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def leave_out(self, unkept: Fields) -> None:
        """Show nothing more of what the file system of the root itself does not keep.

        What a path is compared with is not touched: `identify` gives all of an identity.
        """
        self.unkept = unkept
        self._is_bare = self._is_bare and not unkept

    def is_fresh(self, *devices: int) -> bool:
        """Say whether what lies on one of these devices is opened for its identity."""
        if isinstance(self._fresh, bool):
            return self._fresh
        return not self._fresh.isdisjoint(devices)

    def forget_folders(self) -> None:
        """Close the descriptors of folders below the root, so that the next walk starts afresh."""
        while self._folders:
            os.close(self._folders.popitem()[1])

    def below(self, relative: bytes) -> Root:
        """Open a folder below as a root of its own, judged by the same reach; "" is this root.

        Raises: as `list_folder`.
        """
        with self.border(relative):
            step = os.dup(self.folder(relative))
        path = self.path.rstrip(b"/") + b"/" + relative if relative else self.path
        return Root(path, step, fresh=self._fresh, reach=self._reach)

    def list_folder(self, relative: bytes = b"") -> Iterator[Observation]:
        """Give what one folder holds, in the order of the file system; "" is the root.

        An entry that goes away meanwhile is left out.

        Raises:
            SourceVanished: there is no such folder.
            SourceUnreadable: it cannot be listed.
            SourceForbidden: a name on the way is a link or no name.
        """
        prefix = relative + b"/" if relative else b""
        for batch in self.stat_folder(relative):
            for name, status in zip(batch.names, batch.stats, strict=True):
                yield observed(prefix + os.fsencode(name), status)
            yield from batch.others

    def stat_folder(self, relative: bytes = b"") -> Iterator[Batch]:
        """Give what one folder holds as `list_folder`, some hundred entries at once.

        Raises: as `list_folder`.
        """
        with self.border(relative):
            folder, real = self.lead(relative)
            listing = os.open(b".", _LIST, dir_fd=folder)
        try:
            if self._reach is not None:
                with self.border(relative):
                    self._reach.admit_folder(listing, relative, Wish.READ)
            with self.border(relative), os.scandir(listing) as entries:
                device = os.fstat(listing).st_dev
                while found := list(islice(entries, _BATCH)):
                    if real == relative:
                        yield self._batch(found, listing, relative, device=device)
                    else:
                        batch = self._batch(found, listing, relative, device=device)
                        yield _under(batch, relative, real)
        finally:
            os.close(listing)
        if not relative:
            # a removed root lists nothing and says no error (fault 8)
            self._assert_there()

    def _batch(
        self, found: list[os.DirEntry[str]], folder: int, above: bytes, *, device: int
    ) -> Batch:
        """Look at some entries of a folder; nearly always nothing speaks against any of them."""
        if self._is_bare:
            try:
                stats = [entry.stat(follow_symlinks=False) for entry in found]
            except OSError:
                # which of them it is about shows below
                pass
            else:
                if (
                    all(mode & _FREE == _FREE_FILE for mode in set(map(_MODE, stats)))
                    and set(map(_DEVICE, stats)) == {device}
                    and self._guarded.isdisjoint(map(_INODE, stats))
                ):
                    return Batch([entry.name for entry in found], stats, [])
        batch, prefix = Batch([], [], []), above + b"/" if above else b""
        for entry in found:
            status = self._plain_status(entry, folder, device)
            if status is not None:
                batch.names.append(entry.name)
                batch.stats.append(status)
                continue
            name = os.fsencode(entry.name)
            seen = self._observed(folder, name, prefix + name)
            if seen is not None:
                batch.others.append(seen)
        return batch

    def _plain_status(
        self, entry: os.DirEntry[str], folder: int, device: int
    ) -> os.stat_result | None:
        """Give the stat of a regular file against which nothing speaks; None for all else."""
        if not self._is_bare:
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return None
        if status.st_dev != device or status.st_ino in self._guarded:
            return None
        is_free = status.st_mode & _FREE == _FREE_FILE
        return status if is_free or may_read(folder, entry.name, status) else None

    def own_identity(self) -> Identity:
        """Give the identity of the root itself; it changes with the names that stand in it."""
        return identity_of(os.fstat(self._descriptor))

    def observe(self, path: bytes) -> Observation | None:
        """Give one entry as its folder's list would, None when it is not there.

        Raises:
            SourceUnreadable: a folder on the way cannot be passed, or the root is gone.
            SourceForbidden: a name on the way is a link or no name.
        """
        above, name = split(path)
        try:
            with self.border(path):
                folder, real = self.lead(above)
                seen = self._observed(folder, name, path)
                if seen is None:
                    self._assert_there()
                return seen and lying(seen, above, real)
        except SourceVanished:
            return None

    def identify(self, path: bytes) -> Identity:
        """Give the identity of a regular file or folder, walked afresh and following nothing.

        Raises:
            SourceVanished: nothing is there, while the root is.
            SourceUnreadable: permission, input/output error, or the root is gone.
            SourceForbidden: a link on the way, or neither a file nor a folder.
        """
        above, name = split(path)
        self.forget_folders()
        with self.border(path):
            return allowed(self._settled_status(above, name, path), path)

    def open_file(self, path: bytes, *, is_afresh: bool = True) -> int:
        """Open a regular file for reading and give its descriptor, which the caller closes.

        The walk to it may go along folders that an earlier one left open unless it `is_afresh`.

        Raises: as `identify`, and SourceForbidden for all but regular files.
        """
        above, name = split(path)
        if is_afresh:
            self.forget_folders()
        with self.border(path):
            folder = self.folder(above)
            if self._links is not None and is_link(folder, name):
                above, name = split(self._links.real(path))
                folder = self.walk(above)
            return open_regular(folder, name, path, self._reach)

    def folder(self, relative: bytes) -> int:
        """Give the descriptor of a folder below; it stays the root's own, and may be kept open.

        Raises: OSError and SourceForbidden; callers stand inside `border`.
        """
        return self.lead(relative)[0]

    def lead(self, relative: bytes) -> tuple[int, bytes]:
        """Give the descriptor of a folder below, and its path without a link.

        Raises: as `folder`.
        """
        try:
            return self.walk(relative), relative
        except SourceForbidden:
            if self._links is None:
                raise
        real = self._links.real(relative)
        return self.walk(real), real

    def walk(self, relative: bytes) -> int:
        """Walk to a folder below and follow nothing.

        Raises: as `folder`.
        """
        if self._descriptor < 0:
            raise ValueError("the root is closed")
        if not relative:
            return self._descriptor
        kept = self._folders.get(relative)
        if kept is not None:
            self._folders.move_to_end(relative)
            return kept
        start, steps = self._nearest(relative)
        descriptor = self._folders[start] if start else self._descriptor
        for name in steps:
            start = start + b"/" + name if start else name
            descriptor = self._step(descriptor, name, start)
            self._keep(start, descriptor)
        return descriptor

    @contextmanager
    def border(self, path: bytes) -> Iterator[None]:
        """Turn errors of the operating system about one path into ours."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            self._assert_there()
            raise SourceVanished(f"{shown(path)} is not there any more", path=path) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise forbidden(path, "is a symbolic link") from error
            raise unreadable(path, error) from error

    def _assert_there(self) -> None:
        try:
            if os.fstat(self._descriptor).st_nlink > 0:
                return
        except OSError as error:
            raise no_root(self.path, error) from error
        raise no_root(self.path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))

    def _settled_status(self, above: bytes, name: bytes, path: bytes) -> os.stat_result:
        """Give the stat of what a path shows, or of what it leads to."""
        folder = self.folder(above)
        status = self._status(folder, name, path)
        if self._links is None or not stat.S_ISLNK(status.st_mode):
            return status
        above, name = split(self._links.real(path))
        return self._status(self.walk(above), name, path)

    def _observed(self, folder: int, name: bytes, path: bytes) -> Observation | None:
        seen = self.look(folder, name, path)
        if self._links is not None and seen is not None and seen.kind == "link":
            return self._links.followed(path)
        return seen

    def look(self, folder: int, name: bytes, path: bytes) -> Observation | None:
        """Give one entry of an open folder below and follow nothing; None when it is gone."""
        busy = ""
        try:
            status = self._status(folder, name, path)
            if stat.S_ISREG(status.st_mode):
                assert_readable(folder, name, status)
                if self.is_fresh(status.st_dev):
                    status, busy = fresh_status(folder, name, status)
        except FileNotFoundError:
            return None
        except SourceForbidden as error:
            detail = str(error.facts["why"]).removeprefix("is ")
            return Observation(path=path, kind="other", identity=None, detail=detail)
        except OSError as error:
            detail = f"cannot be examined: {error.strerror}"
            return Observation(path=path, kind="unreadable", identity=None, detail=detail)
        is_own = status.st_dev == self.identity[0]
        return observed(path, status, self.unkept if is_own else frozenset(), busy=busy)

    def _status(self, folder: int, name: bytes, path: bytes) -> os.stat_result:
        if self._reach is not None:
            return self._reach.examine(folder, name, path)
        return os.lstat(name, dir_fd=folder)

    def _nearest(self, relative: bytes) -> tuple[bytes, list[bytes]]:
        start = relative
        while start and start not in self._folders:
            start = start.rpartition(b"/")[0]
        rest = relative[len(start) + 1 :] if start else relative
        return start, [checked(name, relative) for name in rest.split(b"/")]

    def _step(self, folder: int, name: bytes, path: bytes) -> int:
        if path in self.withheld:
            raise SourceUnreadable(f"{shown(path)} {self.withheld[path]}", path=path)
        try:
            descriptor = os.open(name, _STEP, dir_fd=folder)
        except NotADirectoryError as error:
            if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
                raise forbidden(path, "is a symbolic link") from error
            raise
        if self._reach is not None:
            _admit(self._reach, descriptor, path)
        return descriptor

    def _keep(self, path: bytes, descriptor: int) -> None:
        self._folders[path] = descriptor
        while len(self._folders) > _KEPT_FOLDERS:
            os.close(self._folders.popitem(last=False)[1])


def identify_all(
    root: Root, paths: Iterable[bytes]
) -> Iterator[tuple[bytes, Identity | SourceError]]:
    """Give each path with its identity now, or with the error that stood in the way.

    The order is that of the folders, whose descriptors are walked once: thousands of files cost
    little more than a stat each. Never raises for one file.
    """
    root.forget_folders()
    for path in sorted(paths, key=lambda path: path.rpartition(b"/")[::2]):
        try:
            above, name = split(path)
            with root.border(path):
                status = root._settled_status(above, name, path)
                found: Identity | SourceError = allowed(status, path)
        except SourceError as error:
            found = error
        yield path, found


def _admit(reach: Reach, descriptor: int, path: bytes) -> None:
    try:
        reach.admit_folder(descriptor, path, Wish.SEARCH)
    except BaseException:
        os.close(descriptor)
        raise


def _under(batch: Batch, above: bytes, real: bytes) -> Batch:
    """Give the entries of a folder that a link led to, each with where it lies."""
    plain = zip(batch.names, batch.stats, strict=True)
    seen = [observed(above + b"/" + os.fsencode(name), status) for name, status in plain]
    return Batch([], [], [lying(each, above, real) for each in (*seen, *batch.others)])
