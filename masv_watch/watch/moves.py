"""Which files of a settled drop were delivered under paths that they have no more.

Owns what proves a move, and what a drop is of which files were moved. Never looks at a disk, reads
no byte and asks no ledger: what was found is handed in. Called by `origins` and `histories`.

Law 1. Inode, size and time prove that a file was moved, and nothing is read for it, where the time
       has a fraction of a second (behaviour 6). A freed inode is given out again at once, and
       frames have one size and whole seconds: there the content decides. A source is taken away
       only for a content that was compared (P5).
Law 2. Equal content alone proves it only of a whole: of every file of the drop, or of a folder that
       is at least half of one that is gone, and half of which that one was. An equal file among new
       ones goes with them: without it their package might be of no use.
Law 3. What stands where it was delivered, with its size and time, was: whatever was a drop then.
Law 4. What is not proved is new, and goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from masv_watch.figures import counted
from masv_watch.model import DeliveredAt, DeliveredFile, Finding, Identity
from masv_watch.names import shown
from masv_watch.watch.redrops import Compared, Kind, Placed

#: a file with the size of the chunks by which its hash is made, and that hash
Contents = Mapping[tuple[bytes, Identity, int], str]
#: what may be the origin of each file
Options = Mapping[Placed, Sequence[DeliveredAt]]
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The files of a drop that were delivered under other paths."""

    origins: Mapping[bytes, DeliveredAt] = field(default_factory=dict)
    #: a file of them was not read: inode, size and time speak for it
    is_unread: bool = False
    #: files whose content has to be read before it can be said of them, and by which chunks
    unread: tuple[Placed, ...] = ()
    chunk_sizes: Mapping[bytes, int] = field(default_factory=dict)


def is_same_file(now: Identity, before: DeliveredFile, *, grain_ns: int = 0) -> bool:
    """Say whether a file is one that was delivered, wherever it stands now."""
    is_one = bool(now.inode) and now.inode == before.inode
    return is_one and is_as_it_was(now, before, grain_ns=grain_ns)


def is_as_it_was(now: Identity, before: DeliveredFile, *, grain_ns: int) -> bool:
    """Say whether a file is as it was delivered under the same path, by its size and time."""
    return now.size == before.size and abs(now.mtime_ns - before.mtime_ns) < max(grain_ns, 1)


def is_telling(now: Identity, *, grain_ns: int) -> bool:
    """Say whether no other file that gets the inode of one by chance can have its time, too."""
    return grain_ns <= 1 and now.mtime_ns % _SECOND_NS != 0


def may_be(now: Placed, before: DeliveredAt) -> bool:
    """Say whether the content of a file can prove that it is one that was delivered.

    Every empty file is like any other, so that one needs its name as well.
    """
    path, identity = now
    if not before.file.hash or before.file.size != identity.size:
        return False
    return identity.size > 0 or path.rpartition(b"/")[2] == before.path.rpartition(b"/")[2]


def weigh(options: Options, contents: Contents) -> Moved:
    """Say of each file which of its options has its content, as far as that was read."""
    origins: dict[bytes, DeliveredAt] = {}
    unread: list[Placed] = []
    chunk_sizes: dict[bytes, int] = {}
    for (path, identity), befores in options.items():
        for before in befores:
            chunk_size = max(before.file.chunk_size, 1)
            known = contents.get((path, identity, chunk_size))
            if known == before.file.hash:
                origins[path] = before
                break
            if known is None:
                chunk_sizes.setdefault(path, chunk_size)
        else:
            if path in chunk_sizes:
                unread.append((path, identity))
    return Moved(origins=origins, unread=tuple(unread), chunk_sizes=chunk_sizes)


def is_probable(options: Options, found: Moved) -> bool:
    """Say whether what was read so far speaks for a folder that has only another name.

    A new version of it has the same names and often the same sizes: it is not read to its end.
    """
    read = len(options) - len(found.unread)
    return 2 * len(found.origins) >= read


def is_ruled_out(options: Options, found: Moved) -> bool:
    """Say whether a file was read in vain: not every one of them can have been moved."""
    left = {path for path, _ in found.unread}
    return any(path not in found.origins and path not in left for path, _ in options)


def as_it_was_below(
    files: Iterable[Placed], top: bytes, delivered: Mapping[bytes, DeliveredAt]
) -> dict[Placed, DeliveredAt]:
    """Give the files that stand below a folder as a file of their size did in another one."""
    found = {}
    for placed in files:
        before = delivered.get(placed[0][len(top) :])
        if before is not None and before.file.size == placed[1].size:
            found[placed] = before
    return found


def is_half(same: int, files: int, delivered: int) -> bool:
    """Say whether a folder that shares files with one that is gone is that one, renamed."""
    return 2 * same >= max(files, delivered)


def is_continued(files: Sequence[Placed], top: bytes, origins: Mapping[bytes, DeliveredAt]) -> bool:
    """Say whether a folder is one that was delivered under another name."""
    same: dict[int, int] = {}
    for path, before in origins.items():
        if path[len(top) :] == before.path[len(before.top) :]:
            same[before.drop_id] = same.get(before.drop_id, 0) + 1
    sizes = {before.drop_id: before.files for before in origins.values()}
    return any(is_half(count, len(files), sizes[drop_id]) for drop_id, count in same.items())


def lacking_of(files: Sequence[Placed], known: Mapping[bytes, DeliveredFile]) -> Sequence[Placed]:
    """Give the files of which nothing is known where they stand."""
    if not known:
        # of a new drop that is all of it, which is not held twice
        return files
    return [placed for placed in files if placed[0] not in known]


def known_of(files: Iterable[Placed], moved: Moved) -> dict[bytes, DeliveredFile]:
    """Give what was moved as if it had been delivered where it stands."""
    return {
        path: replace(moved.origins[path].file, mtime_ns=identity.mtime_ns)
        for path, identity in files
        if path in moved.origins
    }


def told(found: Compared, files: Sequence[Placed], top: bytes, moved: Moved) -> Compared:
    """Give a comparison with what was moved: a drop of which nothing is new is renamed."""
    origins = moved.origins
    if not origins:
        return found
    tops = tuple(dict.fromkeys(before.top for before in origins.values()))
    known = tuple(dict.fromkeys((*tops, *found.origins)))
    found = replace(found, origins=known, is_unread=moved.is_unread)
    if found.kind is Kind.SAME:
        is_there = all(path == before.path for path, before in origins.items())
        passed, detail = False, _with(tops) if is_there else _renamed(files, top, origins)
        found = replace(found, kind=Kind.SAME if is_there else Kind.RENAMED)
    elif found.kind in (Kind.LATE, Kind.UNSURE):
        passed, was = found.findings[-1].passed, found.findings[-1].detail
        detail = f"{was} ({_under(origins, tops)})"
    else:
        return found
    said = Finding(test="elsewhere", passed=passed, detail=detail)
    return replace(found, findings=(*found.findings[:-1], said))


def to_be_read(moved: Moved) -> Compared:
    """Give a comparison that waits for the content of what was perhaps moved."""
    count = len(moved.unread)
    detail = (
        f"{count} of its files to be read first: what was delivered with"
        f" {'its size' if count == 1 else 'their sizes'} is gone from its path, and it may be that"
    )
    return Compared(
        kind=Kind.UNREAD,
        unread=moved.unread,
        chunk_sizes=moved.chunk_sizes,
        findings=(Finding(test="elsewhere", passed=False, detail=detail),),
    )


def _with(tops: Sequence[bytes]) -> str:
    among = f" and {len(tops) - 1} more" if len(tops) > 1 else ""
    return f"every file of it was delivered as it is, with {shown(min(tops))}{among}"


def _renamed(files: Sequence[Placed], top: bytes, origins: Mapping[bytes, DeliveredAt]) -> str:
    tops = tuple(dict.fromkeys(before.top for before in origins.values()))
    is_all = len(origins) == len(files)
    is_whole = is_all and all(
        path[len(top) :] == before.path[len(before.top) :] for path, before in origins.items()
    )
    if len(tops) == 1 and is_whole:
        more = next(iter(origins.values())).files - len(files)
        left = f", with {counted(more, 'more file')}" if more > 0 else ""
        return f"it was delivered as {shown(tops[0])}{left}"
    if is_all and len(files) == 1:
        return f"it was delivered as {shown(next(iter(origins.values())).path)}"
    rest = "" if is_all else ", the others as they are"
    return f"every file of it was delivered, {_under(origins, tops)}{rest}"


def _under(origins: Mapping[bytes, DeliveredAt], tops: Sequence[bytes]) -> str:
    first = shown(next(iter(origins.values())).path)
    among = f" and more of {len(tops)} drops" if len(tops) > 1 else ""
    if len(origins) == 1:
        return f"1 as {first}"
    return f"{len(origins)} under other paths, as {first}{among}"
