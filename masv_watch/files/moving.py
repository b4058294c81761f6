"""What becomes of a delivered source: moved, or put into the trash and later removed.

Owns every change that is made to a hot folder. Never decides whether something was delivered, and
never overwrites. Called by the outbox, which stores its intent first and may ask again after any
crash: each call looks at what is there before it acts.

Law 1. Only what was delivered goes: a changed, missing or additional regular file stops the whole.
       What else was not delivered (links, FIFOs, what a pattern left out) is moved with its folder
       and never deleted; a folder alone is no content.
Law 2. On one file system a source goes by one name change, so that a crash leaves either name; a
       file goes by hard link and unlink, which unlike a rename can never overwrite.
Law 3. Across file systems the copy is whole, synced, compared and named before a source goes.
Law 4. The same call again finishes what a crash left, or recognises that it is done.
"""

from __future__ import annotations

import errno
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

from masv_watch.errors import CannotMove, SourceChanged, SourceError, SourceVanished
from masv_watch.files.numbering import fitted, numbered
from masv_watch.files.observations import Observation, as_far_as, unkept_of, without
from masv_watch.files.roots import Root
from masv_watch.files.trees import (
    content_hash,
    copy_tree,
    delete_tree,
    remove_sources,
    survey,
    sync,
)
from masv_watch.model import Identity
from masv_watch.names import shown

Expected = Mapping[bytes, Identity]
#: says of a file that was not delivered, by its path and bytes, whether it goes along
Ignored = Callable[[bytes, int], bool]
_Fields = tuple[str, ...]

TRASH = b".masv-trash"
_COPYING = b".masv-part"
#: the device is left out: it changes across reboots, while change time and inode stay (section 3)
_DELIVERED: _Fields = ("size", "mtime_ns", "ctime_ns", "inode")
#: a name change sets the change time
_RENAMED: _Fields = ("size", "mtime_ns", "inode")
#: file systems that know no hard links, and kernels that allow them only to a file's owner
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
#: seconds by which nothing in a trash is overdue where somebody is there and his clock is right
_OVERDUE_S = 30 * 86400.0
#: FAT keeps every second second
_GRAIN_NS = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a delivered source is now."""

    #: absolute
    target: bytes
    #: `recognised`: an earlier call did it, and this one at most finished it
    how: Literal["renamed", "copied", "trashed", "recognised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """What emptying a trash did, counted in calls of `remove`."""

    removed: int = 0
    #: not old enough yet
    kept: int = 0
    #: could not be removed now; tried again the next time
    failed: int = 0


def move(
    root: Root, path: bytes, target: bytes, *, expected: Expected, ignored: Ignored | None = None
) -> Moved:
    """Move a delivered file or folder to an absolute path, without ever overwriting.

    `expected` holds every delivered file by its path below the root. A taken target name gets
    " (2)", " (3)" and so on. Folders of the target are made. What is no regular file, and files
    that `ignored` accepts, go along. Idempotent: the same call finishes or recognises an earlier.

    Raises:
        SourceChanged: a delivered file is not as delivered, or there are others; nothing is lost.
        SourceVanished: neither the source nor a target that equals it is there.
        SourceUnreadable, SourceForbidden: the source cannot be looked at.
        CannotMove: the target is full, not writable, or no folder; the source stays.
    """
    if root.observe(path) is None and not os.path.lexists(target.rpartition(b"/")[0]):
        # no folder is made for what is not there
        raise SourceVanished(f"{shown(path)} is neither there nor at its target", path=path)
    with _trouble(path, "moved"), _arrive(root, target.rpartition(b"/")[0]) as there:
        name = target.rpartition(b"/")[2]
        seen = _as_kept(survey(root, path), expected)
        earlier = _find(there, name, path, expected)
        if earlier is not None and _finish(root, there, (path, earlier), seen):
            # a crash between the two halves of the last name change leaves the copy's first name
            delete_tree(there, fitted(name, _COPYING))
            return Moved(target=_absolute(there, earlier), how="recognised")
        if not seen:
            raise SourceVanished(f"{shown(path)} is neither there nor at its target", path=path)
        _demand(seen, expected, ignored, fields=_DELIVERED)
        done = _rename(root, path, there, name)
        if done is not None:
            _demand_arrived((root, path), (there, done), expected, ignored)
            return Moved(target=_absolute(there, done), how="renamed")
        _demand_copyable(seen)
        done = _copy(root, (path, seen), there, name)
        remove_sources(root, seen)
        return Moved(target=_absolute(there, done), how="copied")


def find_moved(root: Root, path: bytes, target: bytes, *, expected: Expected) -> bytes | None:
    """Give the target at which an earlier `move` left the source, None when there is none.

    A target counts when it holds every delivered file with its size and modification time.

    Raises: CannotMove when the target cannot be looked at.
    """
    above, _, name = target.rpartition(b"/")
    if not os.path.lexists(above):
        return None
    try:
        with _trouble(path, "looked for"), _inside(root, above) as there:
            found = _find(there, name, path, expected)
            return None if found is None else _absolute(there, found)
    except FileNotFoundError:
        return None


def remove(
    root: Root,
    path: bytes,
    expected: Expected,
    *,
    ignored: Ignored | None = None,
    compare: Callable[[], None] = lambda: None,
) -> Moved:
    """Put a delivered file or folder into the root's trash, from where it can be taken back.

    What is no regular file keeps the whole where it is: it was not delivered. `compare` is called
    once all that a look can tell agrees, and raises where the bytes do not. Idempotent: a source
    that lies in the trash already is recognised. `empty_trash` removes it.

    Raises: as `move`, and what `compare` does.
    """
    name = path.rpartition(b"/")[2]
    with _trouble(path, "removed"):
        seen = survey(root, path)
        if not seen:
            return Moved(target=_find_trashed(root, path, expected), how="recognised")
        _demand(seen, expected, ignored, fields=_DELIVERED)
        _demand_nothing_else(seen)
        compare()
        bin_ = TRASH + b"/" + uuid.uuid4().hex.encode()
        _make_folders(root, bin_, mode=0o700)
        os.rename(
            name,
            name,
            src_dir_fd=root.folder(path.rpartition(b"/")[0]),
            dst_dir_fd=root.folder(bin_),
        )
        root.forget_folders()
        _demand_arrived(
            (root, path), (root, bin_ + b"/" + name), expected, ignored, is_deleted=True
        )
        return Moved(target=_absolute(root, bin_ + b"/" + name), how="trashed")


def empty_trash(
    root: Root, older_than_s: float, now: float, *, watched_s: float = math.inf
) -> Emptied:
    """Remove for good what was put into the trash at least so long ago (`now`: wall clock, s).

    What seems to be far older, as by a clock that is years ahead, goes only after it was watched
    for so long as well: `watched_s` says for how long the caller has been there.

    What cannot be removed is counted and left for the next time.

    Raises: SourceUnreadable, SourceForbidden when the trash itself cannot be listed.
    """
    removed = kept = failed = 0
    try:
        bins = list(root.list_folder(TRASH))
    except SourceVanished:
        return Emptied()
    for entry in bins:
        age_s = math.inf if entry.identity is None else now - entry.identity.mtime_ns / 1e9
        if age_s < older_than_s or (age_s > older_than_s + _OVERDUE_S and watched_s < older_than_s):
            kept += 1
            continue
        try:
            delete_tree(root, entry.path)
            removed += 1
        except (OSError, SourceError):
            failed += 1
    root.forget_folders()
    return Emptied(removed=removed, kept=kept, failed=failed)


@contextmanager
def _trouble(path: bytes, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise CannotMove(
            f"{shown(path)} cannot be {done}: {error.strerror}",
            hint="make room at the target" if full else "look at the target and its rights",
            path=path,
            errno=errno.errorcode.get(error.errno or 0, str(error.errno)),
        ) from error


@contextmanager
def _aiming(target: bytes) -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        raise CannotMove(
            f"the target {shown(target)} cannot be used: {error.message}", hint=error.hint
        ) from error


@contextmanager
def _arrive(root: Root, folder: bytes) -> Iterator[Root]:
    if not folder.startswith(root.path + b"/"):
        os.makedirs(folder or b"/", exist_ok=True)
    else:
        with _aiming(folder):
            _make_folders(root, folder[len(root.path) + 1 :], mode=0o777)
    with _inside(root, folder) as there:
        yield there


@contextmanager
def _inside(root: Root, folder: bytes) -> Iterator[Root]:
    with _aiming(folder):
        if folder.startswith(root.path + b"/"):
            # below the root a link could be anybody's, so it is walked like a source
            with root.border(folder):
                step = os.dup(root.folder(folder[len(root.path) + 1 :]))
            there = Root(folder, step)
        else:
            there = Root.open(folder or b"/")
    with there:
        yield there


def _make_folders(root: Root, relative: bytes, *, mode: int) -> None:
    made = b""
    for name in relative.split(b"/"):
        with root.border(relative), suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=root.folder(made))
        made = made + b"/" + name if made else name
    with root.border(relative):
        root.folder(relative)


def _as_kept(seen: dict[bytes, Observation], expected: Expected) -> dict[bytes, Observation]:
    """Give what stands there without what the file system did not keep of what was delivered."""
    unkept = frozenset[str]().union(*map(unkept_of, expected.values()))
    if not unkept:
        return seen
    return {
        at: entry
        if entry.identity is None
        else replace(entry, identity=without(entry.identity, unkept))
        for at, entry in seen.items()
    }


def _demand(
    seen: Mapping[bytes, Observation],
    expected: Expected,
    ignored: Ignored | None,
    *,
    fields: _Fields,
) -> None:
    for path, wanted in expected.items():
        entry = seen.get(path)
        if entry is None or entry.identity is None or entry.kind != "file":
            raise SourceChanged(f"{shown(path)} is gone since it was delivered", path=path)
        if not _agree(entry.identity, wanted, fields):
            raise SourceChanged(f"{shown(path)} changed since it was delivered", path=path)
    for path, entry in seen.items():
        is_new = entry.kind in ("file", "unreadable") and path not in expected
        size = 0 if entry.identity is None else entry.identity.size
        if is_new and not (ignored and ignored(path, size)):
            raise SourceChanged(f"{shown(path)} was not delivered", path=path)


def _demand_nothing_else(seen: Mapping[bytes, Observation]) -> None:
    for path, entry in seen.items():
        if entry.kind not in ("file", "folder"):
            raise SourceChanged(
                f"{shown(path)} is {entry.detail}, which was not delivered and is not deleted",
                path=path,
            )


def _demand_copyable(seen: Mapping[bytes, Observation]) -> None:
    for path, entry in seen.items():
        if entry.kind == "other":
            raise CannotMove(
                f"{shown(path)} is {entry.detail}, which cannot be taken to another file system",
                hint="take it out of the folder, and the rest is moved",
                path=path,
            )


def _demand_arrived(
    source: tuple[Root, bytes],
    arrived: tuple[Root, bytes],
    expected: Expected,
    ignored: Ignored | None,
    *,
    is_deleted: bool = False,
) -> None:
    """Look again once nobody reaches it by its old name, and put it back when it changed."""
    (root, path), (there, name) = source, arrived
    seen = {path + at[len(name) :]: entry for at, entry in survey(there, name).items()}
    try:
        _demand(seen, expected, ignored, fields=_RENAMED)
        if is_deleted:
            _demand_nothing_else(seen)
    except SourceChanged:
        above, _, own = path.rpartition(b"/")
        if root.observe(path) is None:
            _change_name(there, name, root.folder(above), own)
        raise


def _agree(seen: Identity, wanted: Identity, fields: _Fields) -> bool:
    known = as_far_as(seen, wanted)
    return all(getattr(seen, field) == getattr(known, field) for field in fields)


def _find(there: Root, name: bytes, path: bytes, expected: Expected) -> bytes | None:
    with _aiming(there.path):
        for candidate in numbered(name):
            top = there.observe(candidate)
            if top is None:
                return None
            if _equals(there, candidate, path, expected):
                return candidate
    return None


def _equals(there: Root, name: bytes, path: bytes, expected: Expected) -> bool:
    for source, wanted in expected.items():
        try:
            found = there.observe(name + source[len(path) :])
        except SourceError:
            return False
        if found is None or found.kind != "file" or found.identity is None:
            return False
        if found.identity.size != wanted.size:
            return False
        if abs(found.identity.mtime_ns - wanted.mtime_ns) > _GRAIN_NS:
            return False
    return bool(expected)


def _find_trashed(root: Root, path: bytes, expected: Expected) -> bytes:
    name = path.rpartition(b"/")[2]
    with suppress(SourceVanished):
        for entry in root.list_folder(TRASH):
            candidate = entry.path + b"/" + name
            if entry.kind == "folder" and _equals(root, candidate, path, expected):
                return _absolute(root, candidate)
    raise SourceVanished(f"{shown(path)} is neither there nor in the trash", path=path)


def _finish(
    root: Root, there: Root, names: tuple[bytes, bytes], seen: Mapping[bytes, Observation]
) -> bool:
    """Finish an earlier move whose target is whole; say whether there was one."""
    path, target = names
    top = seen.get(path)
    if top is None:
        return True
    if top.kind == "file" and top.identity:
        arrived = there.observe(target)
        if arrived and arrived.identity and _is_one(top.identity, arrived.identity):
            os.unlink(path.rpartition(b"/")[2], dir_fd=root.folder(path.rpartition(b"/")[0]))
            return True
    if root.identity[0] == there.identity[0]:
        return False
    # a crash while the sources of a whole copy were removed: what is left of them has its equal
    for at, entry in seen.items():
        if entry.kind == "file" and entry.identity:
            twin = there.observe(target + at[len(path) :])
            if twin is None or twin.identity is None or twin.kind != "file":
                return False
            if content_hash(root, at, entry.identity) != content_hash(
                there, twin.path, twin.identity
            ):
                return False
    remove_sources(root, seen)
    return True


def _is_one(one: Identity, other: Identity) -> bool:
    return (one.inode, one.device) == (other.inode, other.device)


def _rename(root: Root, path: bytes, there: Root, name: bytes) -> bytes | None:
    """Move by one name change to the first free name; None when that crosses file systems."""
    above, _, own = path.rpartition(b"/")
    is_file = _is_file(root, path)
    for candidate in numbered(name):
        if there.observe(candidate) is not None:
            continue
        try:
            if is_file:
                _change_name(root, path, there.folder(b""), candidate)
            else:
                # onto a folder that appears meanwhile it fails, unless that one is empty
                os.rename(
                    own, candidate, src_dir_fd=root.folder(above), dst_dir_fd=there.folder(b"")
                )
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                continue
            if error.errno == errno.EXDEV:
                return None
            raise
        root.forget_folders()
        there.forget_folders()
        return candidate
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _change_name(root: Root, path: bytes, folder: int, name: bytes) -> None:
    above, _, own = path.rpartition(b"/")
    from_folder = root.folder(above)
    if not _is_file(root, path):
        os.rename(own, name, src_dir_fd=from_folder, dst_dir_fd=folder)
        return
    try:
        os.link(own, name, src_dir_fd=from_folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        os.unlink(own, dir_fd=from_folder)
        return
    # without links the name is reserved first, so that only our own empty file is replaced
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, dir_fd=folder))
    try:
        os.rename(own, name, src_dir_fd=from_folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise


def _is_file(root: Root, path: bytes) -> bool:
    entry = root.observe(path)
    return entry is not None and entry.kind != "folder"


def _copy(
    root: Root, source: tuple[bytes, Mapping[bytes, Observation]], there: Root, name: bytes
) -> bytes:
    draft = fitted(name, _COPYING)
    with _aiming(there.path):
        delete_tree(there, draft)
    try:
        copy_tree(root, source, there, draft)
        done = _rename(there, draft, there, name)
    except BaseException:
        with suppress(OSError, SourceError):
            delete_tree(there, draft)
        raise
    if done is None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    sync(there, b"")
    return done


def _absolute(root: Root, relative: bytes) -> bytes:
    return root.path.rstrip(b"/") + b"/" + relative
