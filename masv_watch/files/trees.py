"""Whole trees of files below a root: surveyed, copied, compared, removed.

Owns the steps that a move across file systems and a trash are made of. Never decides which tree,
and gives targets no final name. Called by `files.moving` alone.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress

import xxhash

from masv_watch.errors import SourceChanged
from masv_watch.files.observations import Observation, is_same
from masv_watch.files.roots import Root
from masv_watch.files.slices import Slice
from masv_watch.model import Identity
from masv_watch.names import shown

_BLOCK = 1 << 20


def survey(root: Root, path: bytes) -> dict[bytes, Observation]:
    """Give everything at and below a path, folders before what they hold; {} when it is gone.

    Raises: SourceVanished, SourceUnreadable, SourceForbidden.
    """
    root.forget_folders()
    top = root.observe(path)
    if top is None:
        return {}
    seen = {path: top}
    folders = [path] if top.kind == "folder" else []
    while folders:
        for entry in root.list_folder(folders.pop()):
            seen[entry.path] = entry
            if entry.kind == "folder":
                folders.append(entry.path)
    return seen


def copy_tree(
    root: Root, source: tuple[bytes, Mapping[bytes, Observation]], there: Root, path: bytes
) -> None:
    """Copy what was surveyed to a new path, every file synced and compared, every folder synced.

    Links are made anew as they are; FIFOs, sockets and devices are left out.

    Raises: OSError about the target, or when a copy differs; our errors about the source.
    """
    top, seen = source
    for at, entry in seen.items():
        _copy_entry(root, entry, there, path + at[len(top) :])
    for at in reversed([at for at, entry in seen.items() if entry.kind == "folder"]):
        sync(there, path + at[len(top) :])


def _copy_entry(root: Root, entry: Observation, there: Root, path: bytes) -> None:
    above, _, name = path.rpartition(b"/")
    folder = there.folder(above)
    if entry.kind == "folder":
        os.mkdir(name, dir_fd=folder)
    elif entry.kind == "link":
        source_above, _, source_name = entry.path.rpartition(b"/")
        link = os.readlink(source_name, dir_fd=root.folder(source_above))
        os.symlink(link, name, dir_fd=folder)
    elif entry.identity is not None:
        _copy_file(root, entry.path, there, path, identity=entry.identity)


def _copy_file(root: Root, source: bytes, there: Root, path: bytes, *, identity: Identity) -> None:
    above, _, name = path.rpartition(b"/")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    target = os.open(name, flags, 0o666, dir_fd=there.folder(above))
    try:
        with Slice(root.path, source, identity, offset=0, size=identity.size) as body:
            while block := memoryview(body.read()):
                while block:
                    block = block[os.write(target, block) :]
            wanted = body.hash
        os.fsync(target)
        os.utime(target, ns=(identity.mtime_ns, identity.mtime_ns))
        if hasattr(os, "posix_fadvise"):
            # so that the comparison reads what the disk holds, not what memory does
            os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(target)
    copied = there.identify(path)
    if copied.size != identity.size or content_hash(there, path, copied) != wanted:
        raise OSError(errno.EIO, "the copy differs from its source")


def content_hash(root: Root, path: bytes, identity: Identity) -> str:
    """Give the xxh3-128 of a whole file in hex, all of it or nothing.

    Raises: SourceChanged when it has not the size of its identity; OSError; as `Root.open_file`.
    """
    hasher = xxhash.xxh3_128()
    descriptor = root.open_file(path)
    try:
        done = 0
        while block := os.pread(descriptor, _BLOCK, done):
            hasher.update(block)
            done += len(block)
    finally:
        os.close(descriptor)
    if done != identity.size:
        raise SourceChanged(f"{shown(path)} is not of its size any more", path=path)
    return hasher.hexdigest()


def remove_sources(root: Root, seen: Mapping[bytes, Observation]) -> None:
    """Remove what was copied: another file by now stops it, a new one keeps its folder.

    Raises: SourceChanged, SourceVanished, SourceUnreadable; OSError when one cannot be removed.
    """
    for path, entry in reversed(list(seen.items())):
        above, _, name = path.rpartition(b"/")
        if entry.kind == "folder":
            with suppress(OSError):
                os.rmdir(name, dir_fd=root.folder(above))
        elif entry.kind == "file":
            if entry.identity is None or not is_same(root.identify(path), entry.identity):
                raise SourceChanged(f"{shown(path)} changed while it was copied", path=path)
            os.unlink(name, dir_fd=root.folder(above))
        elif entry.kind == "link":
            os.unlink(name, dir_fd=root.folder(above))
    root.forget_folders()


def delete_tree(root: Root, path: bytes) -> None:
    """Remove everything at and below a path of ours; nothing there is fine.

    Raises: OSError, SourceUnreadable.
    """
    for at, entry in reversed(list(survey(root, path).items())):
        above, _, name = at.rpartition(b"/")
        if entry.kind == "folder":
            os.rmdir(name, dir_fd=root.folder(above))
        else:
            os.unlink(name, dir_fd=root.folder(above))
    root.forget_folders()


def sync(root: Root, relative: bytes) -> None:
    """Make the names of one folder durable.

    Raises: OSError.
    """
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root.folder(relative))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
