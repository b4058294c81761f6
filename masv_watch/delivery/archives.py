"""Whether what stands where delivered sources are moved to is what stood there before.

Owns the meaning of "the same archive". Never moves anything. Called by the outbox before it does.

Law 1. Nothing is moved to the bare mount point of a file system that is away (P5).
Law 2. What is unknown proves nothing: only what was noted and is seen otherwise keeps a source.
Law 3. On the file system of its hot folder an archive is vouched for by the gate of that.
"""

from __future__ import annotations

from dataclasses import replace

from masv_watch import files
from masv_watch.delivery.dispose import Source, archive_of
from masv_watch.errors import ArchiveAway
from masv_watch.model import Archive, Footing
from masv_watch.names import shown
from masv_watch.store.contract import Store


def demand_there(store: Store, source: Source) -> None:
    """Make sure that a source is moved to where those before it are, and note where that is.

    Raises:
        ArchiveAway: another file system stands there; the source stays.
        CannotMove: it cannot be looked at.
    """
    home = files.place_of(source.root)
    if source.after.delivered != "move" or home is None:
        # without its root the move itself says what is wrong
        return
    name, path = source.drop.hot_folder, archive_of(source)
    seen, known = files.footing_of(path, home=home[0]), store.archive(name, path)
    if known is None:
        store.note_archive(Archive(hot_folder=name, path=path, footing=seen))
        return
    why = difference(known.footing, seen)
    if why:
        error = ArchiveAway(
            f"the archive {shown(path)} {why}; delivered sources stay where they are",
            hint=(
                "mount the file system that was there, or say masv-watch adopt"
                f" {name} --archive if this one is to take its place"
            ),
        )
        store.note_archive_away(known, str(error))
        raise error
    kept = _completed(seen, known.footing)
    if known.why or kept != known.footing:
        store.note_archive(replace(known, footing=kept, why=""))


def difference(known: Footing, seen: Footing) -> str:
    """Say what speaks against the file system of an archive; "" when nothing does."""
    if known.is_home and seen.is_home:
        return ""
    if seen.top != known.top and seen.top.startswith(known.top.rstrip(b"/") + b"/"):
        # mounted where nothing was: what the first move may have missed
        return ""
    if known.uuid and seen.uuid:
        is_same = known.uuid == seen.uuid
    elif known.top != seen.top:
        is_same = bool(seen.boot) and (known.boot, known.device) == (seen.boot, seen.device)
    else:
        is_same = not (known.source and seen.source and known.source != seen.source)
    if is_same or known.top == seen.top == b"/":
        return ""
    if known.top != seen.top:
        return (
            f"would be on the file system of {shown(seen.top)}, and was on that of {_named(known)}"
        )
    return f"is on another file system than before, both at {shown(seen.top)}"


def _named(known: Footing) -> str:
    server = known.source if known.source not in ("", "local") else ""
    return shown(known.top) + f" ({shown(server.encode())})" * bool(server)


def _completed(seen: Footing, known: Footing) -> Footing:
    """Keep of the same file system what this look could not learn."""
    if seen.top != known.top:
        return seen
    return replace(seen, uuid=seen.uuid or known.uuid, source=seen.source or known.source)
