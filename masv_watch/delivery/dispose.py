"""What becomes of a delivered source: kept, moved or removed.

Owns the name of a move's target and the comparison with what was delivered. Never acts before the
cloud confirmed: its task exists only on a complete upload. Called by the outbox.

Law 1. A source that is not byte for byte what was delivered stays where it is (behaviour 5).
       Where its file system does not keep what tells a rewrite, its bytes are compared before it is
       removed; what is moved is lost to nobody.
Law 2. The target of a move is the same at every try, so that a crash is recognised, not repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from masv_watch import files
from masv_watch.delivery.letters import size_text
from masv_watch.errors import SourceChanged, SourceUnreadable, SourceVanished
from masv_watch.model import After, Drop, Identity, SourceFile
from masv_watch.names import shown

_PLACEHOLDER = re.compile(rb"\{([a-z_]+)\}")
#: no path has it
_CUT = b"\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A drop that was delivered, by itself or as another, and what it held then."""

    #: of its hot folder
    root: bytes
    after: After
    drop: Drop
    expected: Mapping[bytes, Identity]
    #: when its package was finalized, local time
    finalized: datetime
    #: says which files that were left out, by path and bytes, may go along
    ignored: Callable[[bytes, int], bool]
    #: which of the files in its package may be each of them
    sent: Mapping[bytes, Sequence[SourceFile]] = field(default_factory=dict)
    #: paths beside it at which markers of it may stand
    marks: tuple[bytes, ...] = ()


def carry_out(root: files.Root, source: Source) -> str:
    """Move or remove a source, and its markers with it; give what was done, for people.

    Raises:
        SourceChanged: it is not what was delivered; it stays.
        SourceVanished: it is neither there nor where an earlier try would have put it.
        SourceUnreadable, CannotMove: not now; it stays.
    """
    if source.after.delivered == "delete":
        moved = files.remove(
            root,
            source.drop.path,
            source.expected,
            ignored=source.ignored,
            compare=lambda: _demand_content(source),
        )
        stay = _take_along(root, source, None)
        kept = "".join(f"; {shown(path)} was not sent and stays" for path in stay)
        return f"removed; until the trash is emptied it is at {shown(moved.target)}{kept}"
    target = target_of(source, template_of(source.after))
    moved = files.move(
        root, source.drop.path, target, expected=source.expected, ignored=source.ignored
    )
    _take_along(root, source, moved.target)
    return f"moved to {shown(moved.target)}"


def _demand_content(source: Source) -> None:
    """Assure by its bytes that a source is what was delivered, where nothing else can tell (P5)."""
    for path, identity in source.expected.items():
        if identity.is_whole:
            continue
        # a hash is made by the chunks that were sent
        known: dict[int, set[str]] = {}
        for sent in source.sent.get(path, ()):
            if sent.hash and sent.chunk_size and sent.identity.size == identity.size:
                known.setdefault(sent.chunk_size, set()).add(sent.hash)
        if not known:
            raise SourceChanged(
                f"{shown(path)} cannot be compared with what was delivered, which has no hash",
                path=path,
            )
        if not any(_hash(source, path, size) in hashes for size, hashes in known.items()):
            raise SourceChanged(
                f"{shown(path)} has other bytes than were delivered, with the same size and time",
                path=path,
            )


def _hash(source: Source, path: bytes, chunk_size: int) -> str:
    try:
        return files.hash_content(source.root, path, source.expected[path], chunk_size=chunk_size)
    except SourceVanished as error:
        # its root may be away: what is really gone is told by the next try
        raise SourceUnreadable(
            f"{shown(path)} cannot be compared now with what was delivered", path=path
        ) from error


def _take_along(root: files.Root, source: Source, target: bytes | None) -> list[bytes]:
    """Let the markers of a source follow it: beside its target, or into the trash.

    They stay where something stands at the source's path again: they may be of that. One that must
    not be deleted stays as well; those are given.
    """
    stay: list[bytes] = []
    root.forget_folders()
    for path in source.marks:
        found = root.observe(path)
        if found is None or found.identity is None or found.kind != "file":
            continue
        if root.observe(source.drop.path) is not None:
            return stay
        if target is None and not source.ignored(path, found.identity.size):
            stay.append(path)
            continue
        # one that is written anew meanwhile is of what comes next
        with suppress(SourceChanged, SourceVanished):
            if target is None:
                files.remove(root, path, {path: found.identity})
                continue
            beside = target.rpartition(b"/")[0] + b"/" + path.rpartition(b"/")[2]
            files.move(root, path, beside, expected={path: found.identity})
    return stay


def template_of(after: After) -> bytes:
    """Give the template of a move's target; empty where nothing is moved."""
    return (after.move_to or "").encode("utf-8", "surrogateescape")


def archive_of(source: Source) -> bytes:
    """Give the folder that the targets of all moves of a hot folder lie in, absolute."""
    values = {b"root": source.root.rstrip(b"/"), b"hot_folder": source.drop.hot_folder.encode()}
    names = frozenset(_values_of(source))

    def filled(found: re.Match[bytes]) -> bytes:
        return values.get(found[1], _CUT if found[1] in names else found[0])

    kept = _PLACEHOLDER.sub(filled, template_of(source.after)).partition(_CUT)[0]
    return re.sub(rb"/{2,}", b"/", kept).rpartition(b"/")[0] or b"/"


def target_of(source: Source, template: bytes) -> bytes:
    """Fill the template of a move's target; names of sources go in as the bytes they are."""
    values = _values_of(source)
    filled = _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), template)
    # what lies in no subfolder leaves a gap
    return re.sub(rb"/{2,}", b"/", filled)


def _values_of(source: Source) -> dict[bytes, bytes]:
    name = source.drop.path.rpartition(b"/")[2]
    stem, ending = os.path.splitext(name)
    if set(source.expected) != {source.drop.path}:
        stem, ending = name, b""
    return {
        b"root": source.root.rstrip(b"/"),
        b"name": name,
        b"stem": stem,
        b"ext": ending.removeprefix(b"."),
        b"date": source.finalized.strftime("%Y-%m-%d").encode(),
        b"time": source.finalized.strftime("%H-%M-%S").encode(),
        b"hot_folder": source.drop.hot_folder.encode(),
        b"subfolder": source.drop.path.rpartition(b"/")[0],
        b"files": str(source.drop.file_count).encode(),
        b"size": size_text(source.drop.size).encode(),
    }
