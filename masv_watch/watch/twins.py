"""What a settled drop is to one that was delivered under another name.

Owns the comparison of two shapes and two contents, and whom the earlier delivery serves. Never
reads a byte and never asks the ledger: both are handed in. Called by the tests of an entry.

Law 1. Content alone makes a twin: equal sizes and times prove nothing, and where no hash was kept
       nothing is left unsent by a guess.
Law 2. A delivery serves a drop only when it went to everybody whom the drop would go to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from masv_watch.model import Drop, Identity, SourceFile, Terms, Upload, UploadType
from masv_watch.watch.redrops import Placed

#: a file with the size of the chunks by which its hash is made, and that hash
Contents = Mapping[tuple[bytes, Identity, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A delivered drop of another path."""

    drop: Drop
    #: whom it went to
    terms: Terms
    #: its delivered files by their path below it
    files: Mapping[bytes, SourceFile]
    #: nothing stands at its path any more, and it was not our own post-action that took it away
    is_gone: bool = False
    #: else all of it is up and waits for its delivery
    is_delivered: bool = True


class Likeness(StrEnum):
    """What a drop is to an earlier one."""

    #: other files
    OTHER = "other"
    #: the content has to be read before that can be said
    UNREAD = "unread"
    #: equal content
    TWIN = "twin"


def likeness(
    files: Sequence[Placed], top: bytes, earlier: Earlier, contents: Contents
) -> tuple[Likeness, tuple[Placed, ...]]:
    """Say what a drop is to an earlier one, and which of its files have to be read for that."""
    shape = {path[len(top) :]: (path, identity) for path, identity in files}
    if shape.keys() != earlier.files.keys():
        return Likeness.OTHER, ()
    pairs = [(placed, earlier.files[below]) for below, placed in shape.items()]
    if any(not was.hash or placed[1].size != was.identity.size for placed, was in pairs):
        return Likeness.OTHER, ()
    unread = []
    for (path, identity), was in pairs:
        known = contents.get((path, identity, chunk_size_of(was)))
        if known is None:
            unread.append((path, identity))
        elif known != was.hash:
            return Likeness.OTHER, ()
    return (Likeness.UNREAD, tuple(unread)) if unread else (Likeness.TWIN, ())


def chunk_size_of(was: SourceFile) -> int:
    """Give the bytes of each chunk by which the hash of a delivered file was made."""
    return max(was.chunk_size or 0, 1)


def is_over(upload: Upload, now: float) -> bool:
    """Say whether the links of a delivered package have ended, at this store second."""
    after_s, since = upload.terms.expires_s, upload.finalized_at
    return after_s is not None and since is not None and since + after_s <= now


def unserved(earlier: Terms, wanted: Terms) -> str:
    """Say whom the earlier delivery did not reach, in a clause; "" when it reached everybody."""
    if (earlier.type, earlier.portal) != (wanted.type, wanted.portal):
        return "it went to another portal or team"
    reached = _folded((*earlier.recipients, *earlier.mail_to))
    lacking = [
        address
        for address in (*wanted.recipients, *wanted.mail_to)
        if address.casefold() not in reached
    ]
    return f"it did not go to {', '.join(lacking)}" if lacking else ""


def unlinked(earlier: Terms, wanted: Terms) -> str:
    """Say in a clause why a further link cannot serve a drop; "" when it can.

    Our own letter brings a link to whomever it names; whom the cloud mails learns only of packages
    that are finalized for him.
    """
    if wanted.type is not UploadType.TEAM or earlier.type is not UploadType.TEAM:
        return "a portal's package has no further links"
    if earlier.team != wanted.team:
        return "it was sent by another team"
    reached = _folded((*earlier.recipients, *earlier.mail_to))
    lacking = [address for address in wanted.recipients if address.casefold() not in reached]
    return f"the cloud has not mailed {', '.join(lacking)}" if lacking else ""


def _folded(addresses: Iterable[str]) -> set[str]:
    return {address.casefold() for address in addresses}
