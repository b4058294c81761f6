"""Whether a user may read or pass what a mode and an access list describe.

Owns the kernel's rule of owner, groups, others and POSIX access lists, as pure functions. Never
touches the disk and looks no user up. Called by `files.reach` with what a descriptor told.

Law 1. The answer is that of Linux (`acl_permission_check`, acl(5)) for a user without privileges.
Law 2. What cannot be understood grants nothing.
Law 3. Without known groups only that is granted which any set of groups would be.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

_HEADER = struct.Struct("<I")
_ENTRY = struct.Struct("<HHI")
_VERSION = 2
#: kinds of entries of which a list has exactly one
_ALWAYS = (0x01, 0x04, 0x20)


class Wish(IntEnum):
    """What a user wants to do, as bits of a mode."""

    #: read a file, or list a folder
    READ = 4
    #: pass through a folder
    SEARCH = 1


class Tag(IntEnum):
    """Whom an entry of an access list speaks of, as the kernel numbers them."""

    OWNER = 0x01
    USER = 0x02
    OWNING_GROUP = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an access list."""

    tag: Tag
    #: three bits, as of a mode
    grants: int
    #: of the user or group; without meaning for the other tags
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody whose rights are judged; root's privileges are not known here."""

    uid: int
    #: primary and further ones; empty: not known, for everybody has one
    gids: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """Whose a file or folder is, and who else may use it."""

    mode: int
    uid: int
    gid: int
    #: None when it carries no access list
    entries: tuple[Entry, ...] | None = None


def parse_entries(data: bytes) -> tuple[Entry, ...]:
    """Read the kernel's binary form of an access list (`system.posix_acl_access`).

    Raises:
        ValueError: it is none, or one that acl(5) calls invalid.
    """
    body = data[_HEADER.size :]
    if len(data) < _HEADER.size or _HEADER.unpack_from(data)[0] != _VERSION:
        raise ValueError("an access list of an unknown version")
    if len(body) % _ENTRY.size:
        raise ValueError("an access list that ends early")
    entries = tuple(
        Entry(Tag(tag), grants, number) for tag, grants, number in _ENTRY.iter_unpack(body)
    )
    tags = [entry.tag for entry in entries]
    masks = tags.count(Tag.MASK)
    named = Tag.USER in tags or Tag.GROUP in tags
    whole = all(tags.count(Tag(tag)) == 1 for tag in _ALWAYS)
    if not whole or masks > 1 or (named and not masks) or any(e.grants > 7 for e in entries):
        raise ValueError("an invalid access list")
    return entries


def is_granted(user: User, wish: Wish, guarded: Guarded) -> bool:
    """Say whether the user may do one thing; ask once for each, as the kernel does."""
    if user.uid == guarded.uid:
        return _has(guarded.mode >> 6, wish)
    # the kernel looks at the list only while the group's bits, which are its mask, are not empty
    if guarded.entries is not None and guarded.mode & 0o070:
        return _is_listed(user, wish, guarded.entries, guarded.gid)
    return _by_class(user, wish, {guarded.gid: [guarded.mode >> 3]}, others=guarded.mode)


def _is_listed(user: User, wish: Wish, entries: tuple[Entry, ...], gid: int) -> bool:
    mask, others = 7, 0
    groups: dict[int, list[int]] = {}
    for entry in entries:
        if entry.tag is Tag.MASK:
            mask = entry.grants
        elif entry.tag is Tag.OTHER:
            others = entry.grants
        elif entry.tag in (Tag.GROUP, Tag.OWNING_GROUP):
            number = gid if entry.tag is Tag.OWNING_GROUP else entry.number
            groups.setdefault(number, []).append(entry.grants)
    for entry in entries:
        if entry.tag is Tag.USER and entry.number == user.uid:
            return _has(entry.grants & mask, wish)
    masked = {number: [bits & mask for bits in grants] for number, grants in groups.items()}
    return _by_class(user, wish, masked, others=others)


def _by_class(user: User, wish: Wish, groups: dict[int, list[int]], *, others: int) -> bool:
    """Judge by groups, one of which suffices, and by others only for a member of none."""
    granting = [any(_has(bits, wish) for bits in grants) for grants in groups.values()]
    if not user.gids:
        return all(granting) and _has(others, wish)
    mine = [grants for number, grants in groups.items() if number in user.gids]
    if mine:
        return any(_has(bits, wish) for grants in mine for bits in grants)
    return _has(others, wish)


def _has(bits: int, wish: Wish) -> bool:
    return bits & wish == wish
