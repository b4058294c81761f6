"""Bring a copy of somebody's file or folder into a hot folder: whole, or not at all.

Owns the copying under a name that every hot folder ignores, and the one name change that makes a
drop of it. Never changes or removes a source and never decides what is sent. Called by the command
`drop`.

Law 1. Until all of it is written and synced a copy has a name that every rule leaves out; then one
       name change, which overwrites nothing, makes it a drop (pain 59).
Law 2. Whatever ends the copying early, the copy goes away again; only a kill leaves it, under the
       name that is ignored, until the next one there.
Law 3. No link is followed: links, FIFOs, sockets and devices are left out and told.
Law 4. A source that changes while it is copied ends the copying: no torn copy gets its name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from masv_watch.errors import CannotDrop, SourceChanged, SourceError, SourceUnreadable
from masv_watch.files.naming import change_name, sync_all
from masv_watch.files.observations import Observation, identity_of, is_same
from masv_watch.files.remains import clear_remains, private_name
from masv_watch.files.roots import Root
from masv_watch.files.trees import delete_tree
from masv_watch.model import Identity
from masv_watch.names import shown

#: told the bytes of each block once they are copied, 0 before each entry; it may raise
Proceed = Callable[[int], None]

#: bytes that the kernel copies at one call, between two answers to a Ctrl-C
_STRIDE = 16 << 20
_BLOCK = 1 << 20
#: what says that the kernel cannot copy from the one file system to the other by itself
_BY_HAND = {
    errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM,
    errno.EBADF, errno.EIO,
}  # fmt: skip
#: files from which on one call that syncs all of them takes less time than one for each
_MANY = 16
#: file systems that cannot sync a folder
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Something that is to be dropped, as it was looked at."""

    #: the folder that holds it, absolute, without links
    above: bytes
    name: bytes
    #: everything at and below it, folders before what they hold
    seen: Mapping[bytes, Observation]

    @property
    def is_folder(self) -> bool:
        """Say whether it is a folder."""
        return self.seen[self.name].kind == "folder"

    @property
    def files(self) -> int:
        """Count its files."""
        return sum(entry.kind == "file" for entry in self.seen.values())

    @property
    def size(self) -> int:
        """Give the bytes of its files."""
        known = (entry.identity for entry in self.seen.values() if entry.kind == "file")
        return sum(identity.size for identity in known if identity)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Name what is not copied, one clause each."""
        odd = (entry for entry in self.seen.values() if entry.kind in ("link", "other"))
        return tuple(f"{shown(entry.path)} is {entry.detail}" for entry in odd)


def look(path: bytes, proceed: Proceed = lambda _size: None) -> Load:
    """Look at everything that would be copied of an absolute path; links may lead to its folder.

    Raises:
        SourceUnreadable: it or something in it cannot be read, or it is not there.
        SourceForbidden: it is neither a file nor a folder.
    """
    above, name = os.path.realpath(os.path.dirname(path)), os.path.basename(path)
    if not name:
        raise SourceUnreadable("/ has no name to be dropped under", hint="name what lies in it")
    with Root.open(above) as root:
        return Load(above=above, name=name, seen=_walked(root, name, proceed))


def bring(load: Load, folder: bytes, name: bytes, *, proceed: Proceed) -> bytes:
    """Copy what was looked at into a folder under a name that is free there; give its new path.

    Raises:
        CannotDrop: the name is taken, or the folder is full, away or not writable.
        SourceError: the source cannot be read to its end, or changed meanwhile.
        Whatever `proceed` raises; in each case nothing of the copy stays.
    """
    draft = private_name(b"drop")
    with _about(folder):
        there = Root.open(folder)
    with there, Root.open(load.above) as source:
        assert_free(there, name)
        clear_remains(there)
        _assert_room(load, there, source)
        try:
            with _about(folder):
                _copy(source, load, (there, draft), proceed)
                try:
                    change_name(there.folder(b""), draft, name, is_folder=load.is_folder)
                except FileExistsError:
                    raise _taken(folder, name) from None
        except BaseException:
            with suppress(OSError, SourceError):
                there.forget_folders()
                delete_tree(there, draft)
            raise
        with _about(folder):
            _sync(there.folder(b""))
    return folder.rstrip(b"/") + b"/" + name


def assert_free(there: Root, name: bytes) -> None:
    """Assure that a name is free in a folder.

    Raises:
        CannotDrop: it is not.
    """
    if there.observe(name) is not None:
        raise _taken(there.path, name)


def _assert_room(load: Load, there: Root, source: Root) -> None:
    """Refuse at once what would fail at its end; on one file system blocks may be shared."""
    seen = os.fstatvfs(there.folder(b""))
    free = seen.f_bavail * seen.f_frsize
    if seen.f_blocks and free < load.size and there.identity[0] != source.identity[0]:
        raise CannotDrop(
            f"{shown(there.path)} has {free:,} bytes free, and {shown(load.name)} needs"
            f" {load.size:,}",
            hint="make room in it",
        )


def _walked(root: Root, name: bytes, proceed: Proceed) -> dict[bytes, Observation]:
    root.forget_folders()
    top = root.observe(name)
    if top is None:
        raise SourceUnreadable(f"{shown(root.path + b'/' + name)} is not there")
    if top.kind in ("link", "other"):
        hint = "name what it points to" if top.kind == "link" else "name a file or a folder"
        raise SourceUnreadable(f"{shown(name)} is {top.detail}", hint=hint)
    seen, ahead = {name: top}, [name] if top.kind == "folder" else []
    while ahead:
        for entry in root.list_folder(ahead.pop()):
            proceed(0)
            seen[entry.path] = entry
            if entry.kind == "folder":
                ahead.append(entry.path)
    for entry in seen.values():
        if entry.kind == "unreadable":
            raise SourceUnreadable(f"{shown(entry.path)} {entry.detail}; nothing is dropped")
    return seen


def _copy(source: Root, load: Load, target: tuple[Root, bytes], proceed: Proceed) -> None:
    there, draft = target
    copied: dict[bytes, Identity] = {}
    is_many = load.files >= _MANY
    for at, entry in load.seen.items():
        proceed(0)
        above, _, own = (draft + at[len(load.name) :]).rpartition(b"/")
        if entry.kind == "folder":
            with _of_one_name(load):
                os.mkdir(own, dir_fd=there.folder(above))
        elif entry.kind == "file":
            with _of_one_name(load):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(own, flags, 0o666, dir_fd=there.folder(above))
            try:
                copied[at] = _copy_file(source, at, descriptor, proceed)
                if not is_many:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
    if is_many:
        _sync_many(there, [draft + at[len(load.name) :] for at in copied], proceed)
    _demand_unchanged(load, copied, _walked(source, load.name, proceed))
    # the innermost first: to fill a folder sets its time
    for at in reversed([at for at, entry in load.seen.items() if entry.kind == "folder"]):
        _finish_folder(there, draft + at[len(load.name) :], load.seen[at])


def _copy_file(source: Root, path: bytes, target: int, proceed: Proceed) -> Identity:
    """Copy one file from its first byte to its last, and give the identity that it had."""
    descriptor = source.open_file(path)
    try:
        before = identity_of(os.fstat(descriptor))
        body = _Body(source, path, descriptor, before.size)
        _fill(body, target, proceed)
        after = identity_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if not is_same(after, before) or os.fstat(target).st_size != before.size:
        raise _changed(path)
    os.utime(target, ns=(before.mtime_ns, before.mtime_ns))
    return before


@dataclass(frozen=True, slots=True)
class _Body:
    """The content of one open source."""

    root: Root
    path: bytes
    descriptor: int
    size: int

    def read(self, block: memoryview, offset: int) -> int:
        """Fill a block; give how many bytes there were."""
        with self.root.border(self.path):
            return os.preadv(self.descriptor, [block], offset)


def _fill(body: _Body, target: int, proceed: Proceed) -> None:
    done = _fill_by_kernel(body, target, proceed)
    block = memoryview(bytearray(_BLOCK if done < body.size else 0))
    while done < body.size:
        count = body.read(block, done)
        if count == 0:
            return
        written = 0
        while written < count:
            written += os.pwrite(target, block[written:count], done + written)
        done += count
        proceed(count)


def _fill_by_kernel(body: _Body, target: int, proceed: Proceed) -> int:
    """Copy as far as the kernel does it by itself, or shares the blocks; give how far."""
    done = 0
    copy = getattr(os, "copy_file_range", None)
    while copy is not None and done < body.size:
        try:
            count = int(copy(body.descriptor, target, min(_STRIDE, body.size - done), done, done))
        except OSError as error:
            if error.errno not in _BY_HAND:
                raise
            return done
        if count == 0:
            # the end, or a file system whose files have no size of their own
            return done
        done += count
        proceed(count)
    return done


def _demand_unchanged(
    load: Load, copied: Mapping[bytes, Identity], now: Mapping[bytes, Observation]
) -> None:
    for path in load.seen.keys() ^ now.keys():
        raise _changed(path)
    for path, entry in now.items():
        if entry.kind != load.seen[path].kind:
            raise _changed(path)
        if entry.kind == "file" and (entry.identity is None or entry.identity != copied[path]):
            raise _changed(path)


def _finish_folder(there: Root, path: bytes, entry: Observation) -> None:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=there.folder(path))
    try:
        if entry.identity is not None:
            os.utime(descriptor, ns=(entry.identity.mtime_ns, entry.identity.mtime_ns))
        _sync_open(descriptor)
    finally:
        os.close(descriptor)


def _sync_many(there: Root, paths: Iterable[bytes], proceed: Proceed) -> None:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=there.folder(b""))
    try:
        if sync_all(descriptor):
            return
    finally:
        os.close(descriptor)
    for path in paths:
        proceed(0)
        descriptor = there.open_file(path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync(folder: int) -> None:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    try:
        _sync_open(descriptor)
    finally:
        os.close(descriptor)


def _sync_open(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


@contextmanager
def _of_one_name(load: Load) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise CannotDrop(
            f"two names in {shown(load.name)} are one to that folder's file system",
            hint="rename one of those that differ only in case or accents",
        ) from error


@contextmanager
def _about(folder: bytes) -> Iterator[None]:
    """Turn an error about the target into ours; those about the source are ours already."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CannotDrop(
            f"nothing can be dropped into {shown(folder)}: {error.strerror}",
            hint="make room in it" if is_full else "look at the folder and its rights",
            errno=errno.errorcode.get(error.errno or 0, str(error.errno)),
        ) from error


def _taken(folder: bytes, name: bytes) -> CannotDrop:
    return CannotDrop(
        f"{shown(name)} is already in {shown(folder)}",
        hint="give another name with --as, or take that one away first",
    )


def _changed(path: bytes) -> SourceChanged:
    return SourceChanged(
        f"{shown(path)} changed while it was copied; nothing is dropped",
        hint="drop it once its program is done with it",
    )
