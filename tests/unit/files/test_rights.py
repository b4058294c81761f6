"""The kernel's rule of rights as a pure function; the kernel itself is asked elsewhere."""

from __future__ import annotations

import struct
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.files.rights import Entry, Guarded, Tag, User, Wish, is_granted, parse_entries

NOBODY_NAMED = 0xFFFFFFFF
NUMBERS = st.integers(1, 5)
BITS = st.integers(0, 7)
WISHES = st.sampled_from(list(Wish))
USERS = st.builds(
    lambda uid, gids: User(uid=uid, gids=gids),
    NUMBERS,
    st.frozensets(NUMBERS, min_size=1, max_size=4),
)


def packed(entries: tuple[Entry, ...]) -> bytes:
    """Write a list as the kernel does."""
    lines = (struct.pack("<HHI", each.tag, each.grants, each.number) for each in entries)
    return struct.pack("<I", 2) + b"".join(lines)


@st.composite
def lists(draw: st.DrawFn) -> tuple[Entry, ...]:
    """Make a valid access list."""
    named = [
        Entry(tag, draw(BITS), number)
        for tag in (Tag.USER, Tag.GROUP)
        for number in sorted(draw(st.frozensets(NUMBERS, max_size=3)))
    ]
    plain = [Entry(tag, draw(BITS), NOBODY_NAMED) for tag in (Tag.OWNER, Tag.OWNING_GROUP)]
    plain.append(Entry(Tag.OTHER, draw(BITS), NOBODY_NAMED))
    if named or draw(st.booleans()):
        plain.append(Entry(Tag.MASK, draw(BITS), NOBODY_NAMED))
    return tuple(sorted(named + plain, key=lambda each: (each.tag, each.number)))


def mode_of(entries: tuple[Entry, ...]) -> int:
    """Give the mode that the kernel shows beside a list: the mask stands for the group."""
    bits = {each.tag: each.grants for each in entries}
    group = bits.get(Tag.MASK, bits[Tag.OWNING_GROUP])
    return bits[Tag.OWNER] << 6 | group << 3 | bits[Tag.OTHER]


@st.composite
def guarded(draw: st.DrawFn) -> Guarded:
    """Make something with a mode, and with a list or without one."""
    uid, gid = draw(NUMBERS), draw(NUMBERS)
    entries = draw(st.none() | lists())
    mode = draw(st.integers(0, 0o777)) if entries is None else mode_of(entries)
    return Guarded(mode=mode, uid=uid, gid=gid, entries=entries)


@given(lists())
def test_entries_written_as_the_kernel_does_are_read_back(entries: tuple[Entry, ...]) -> None:
    """The binary form loses nothing."""
    assert parse_entries(packed(entries)) == entries


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\2\0\0\0" + tail))
def test_entries_of_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever a file carries, reading it ends with a list or with a ValueError."""
    try:
        entries = parse_entries(data)
    except ValueError:
        return
    assert packed(entries) == data


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (Entry(Tag.OWNER, 7, 0), Entry(Tag.OWNING_GROUP, 7, 0)),
        (*(Entry(tag, 7, 0) for tag in (Tag.OWNER, Tag.OWNING_GROUP, Tag.OTHER, Tag.OTHER)),),
        # without a mask, what a named user may do is not known
        (*(Entry(tag, 7, 1) for tag in (Tag.OWNER, Tag.USER, Tag.OWNING_GROUP, Tag.OTHER)),),
        (*(Entry(tag, 8, 1) for tag in (Tag.OWNER, Tag.OWNING_GROUP, Tag.OTHER)),),
    ],
)
def test_entries_that_are_no_valid_list_are_refused(entries: tuple[Entry, ...]) -> None:
    """A list that acl(5) calls invalid is never interpreted."""
    with pytest.raises(ValueError, match="invalid access list"):
        parse_entries(packed(entries))


@given(USERS, WISHES, guarded())
def test_owner_is_judged_by_the_owners_bits_alone(user: User, wish: Wish, thing: Guarded) -> None:
    """An owner without a right does not get it as a member of a group or as one of the others."""
    own = User(uid=thing.uid, gids=user.gids)

    assert is_granted(own, wish, thing) == bool(thing.mode >> 6 & wish)


@given(USERS, WISHES, st.integers(0, 0o777), NUMBERS, NUMBERS)
def test_list_of_three_entries_says_the_same_as_the_mode(
    user: User, wish: Wish, mode: int, uid: int, gid: int
) -> None:
    """A minimal list is only another way to write the mode."""
    entries = (
        Entry(Tag.OWNER, mode >> 6 & 7, NOBODY_NAMED),
        Entry(Tag.OWNING_GROUP, mode >> 3 & 7, NOBODY_NAMED),
        Entry(Tag.OTHER, mode & 7, NOBODY_NAMED),
    )
    plain = Guarded(mode=mode, uid=uid, gid=gid)
    listed = Guarded(mode=mode, uid=uid, gid=gid, entries=entries)

    assert is_granted(user, wish, plain) == is_granted(user, wish, listed)


@given(USERS, WISHES, guarded())
def test_group_without_the_right_shuts_its_members_out(
    user: User, wish: Wish, thing: Guarded
) -> None:
    """A member of the only group gets nothing as one of the others."""
    plain = Guarded(mode=thing.mode & 0o707, uid=9, gid=thing.gid)
    member = User(uid=user.uid, gids=user.gids | {thing.gid})

    assert not is_granted(member, wish, plain)


@given(USERS, WISHES, guarded())
def test_user_of_unknown_groups_gets_what_every_set_of_groups_would(
    user: User, wish: Wish, thing: Guarded
) -> None:
    """Not knowing somebody's groups never gives him a right that some groups would take away."""
    sets = [
        frozenset((*chosen, 99)) for size in range(6) for chosen in combinations(range(1, 6), size)
    ]
    always = all(is_granted(User(uid=user.uid, gids=gids), wish, thing) for gids in sets)

    assert is_granted(User(uid=user.uid, gids=frozenset()), wish, thing) == always


@given(USERS, WISHES, guarded(), st.integers(1, 7))
def test_named_user_gets_what_his_entry_and_the_mask_both_grant(
    user: User, wish: Wish, thing: Guarded, mask: int
) -> None:
    """The mask bounds every named entry, and a named user's groups do not count."""
    entries = (
        Entry(Tag.OWNER, 7, NOBODY_NAMED),
        Entry(Tag.USER, thing.mode & 7, user.uid),
        Entry(Tag.OWNING_GROUP, 7, NOBODY_NAMED),
        Entry(Tag.MASK, mask, NOBODY_NAMED),
        Entry(Tag.OTHER, 7, NOBODY_NAMED),
    )
    listed = Guarded(mode=mode_of(entries), uid=9, gid=thing.gid, entries=entries)

    assert is_granted(user, wish, listed) == bool(thing.mode & mask & wish)
