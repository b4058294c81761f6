"""What a settled drop is to what was delivered before, and the rule's answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import (
    Dedupe,
    DeliveredFile,
    DropEvent,
    HoldReason,
    Identity,
    Late,
    Redrop,
    Rule,
    To,
)
from masv_watch.watch.redrops import (
    LATE_FACTOR,
    ONGOING_S,
    Compared,
    Kind,
    Moment,
    answer,
    compare,
)

_PATHS = st.sampled_from([b"CARD/a", b"CARD/b", b"CARD/c", b"CARD/d"])
_IDENTITIES = st.builds(
    Identity,
    size=st.integers(0, 2),
    mtime_ns=st.integers(0, 2),
    ctime_ns=st.integers(),
    inode=st.integers(1, 3),
    device=st.integers(0, 3),
)
_FILES = st.dictionaries(_PATHS, _IDENTITIES, min_size=1).map(lambda found: tuple(found.items()))
_DELIVERED = st.dictionaries(
    _PATHS,
    st.builds(
        DeliveredFile,
        size=st.integers(0, 2),
        mtime_ns=st.integers(0, 2),
        inode=st.integers(1, 3),
        hash=st.sampled_from(["", "one", "two"]),
        chunk_size=st.just(5),
    ),
)
ID = Identity(size=1, mtime_ns=1, ctime_ns=1, inode=1, device=1)
WAS = DeliveredFile(size=1, mtime_ns=1, inode=1, hash="one", chunk_size=5)
LATE_NOW = Moment(now=LATE_FACTOR * 10, since=0, quiet_s=10)


@given(_FILES, _DELIVERED, st.sampled_from(["one", "two"]))
def test_compare_sends_all_that_is_new_and_nothing_that_was_delivered(files, delivered, read):
    """Whatever happened: once everything was read, each file is delivered, new, or asked about."""
    contents: dict = {}
    found = compare(files, delivered, contents)
    for placed in found.unread:
        contents[placed] = read
    found = compare(files, delivered, contents)

    assert found.kind is not Kind.UNREAD
    new = {path for path, _ in found.new}
    for path, identity in files:
        was = delivered.get(path)
        is_known = was is not None and (was.size, was.mtime_ns) == (
            identity.size,
            identity.mtime_ns,
        )
        is_new = was is None or was.size != identity.size
        if found.kind is Kind.LATE:
            assert not (is_known and path in new)
        if found.kind in (Kind.LATE, Kind.ANEW, Kind.FIRST):
            assert path in new or not is_new
        if found.kind is Kind.SAME:
            assert not is_new
    if found.kind is Kind.LATE:
        assert 0 < len(new) < len(files)
    if found.kind is Kind.ANEW:
        assert new == {path for path, _ in files}


@given(_FILES, st.integers(), st.integers(1, 9), st.integers(0, 9))
def test_compare_reads_nothing_for_other_rights_owners_inodes_or_devices(
    files, ctime_ns, inode, device
):
    """chmod, a hard-link backup, a remount and a restore with its times are no new content."""
    delivered = {
        path: DeliveredFile(
            size=identity.size, mtime_ns=identity.mtime_ns, inode=identity.inode, hash="",
            chunk_size=0,
        )
        for path, identity in files
    }  # fmt: skip
    now = tuple(
        (path, replace(identity, ctime_ns=ctime_ns, inode=inode, device=device))
        for path, identity in files
    )

    assert compare(now, delivered, {}).kind is Kind.SAME


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({b"CARD/a": ID}, Kind.SAME),
        ({b"CARD/a": replace(ID, mtime_ns=2)}, Kind.UNREAD),
        ({b"CARD/a": replace(ID, size=2)}, Kind.ANEW),
        ({b"CARD/a": ID, b"CARD/new": ID}, Kind.LATE),
        ({b"CARD/new": ID}, Kind.ANEW),
        ({b"CARD/plain": replace(ID, mtime_ns=2)}, Kind.UNSURE),
    ],
)
def test_compare_tells_each_case_of_the_same_name_again(files, kind):
    """The table of the same name again (pains 21, 36, 37)."""
    delivered = {b"CARD/a": WAS, b"CARD/plain": replace(WAS, hash="")}

    assert compare(tuple(files.items()), delivered, {}).kind is kind


def test_compare_of_what_a_person_wants_sent_asks_nothing():
    """An answer counts, whatever was delivered (pain 39)."""
    found = compare(((b"CARD/a", ID),), {b"CARD/a": WAS}, {}, is_answered=True)

    assert (found.kind, len(found.new)) == (Kind.FIRST, 1)


@pytest.mark.parametrize(
    ("files", "kind", "new"),
    [
        ({b"CARD/a": ID, b"CARD/new": ID}, Kind.LATE, {b"CARD/new"}),
        (
            {b"CARD/a": ID, b"CARD/plain": replace(ID, mtime_ns=2), b"CARD/new": ID},
            Kind.LATE,
            {b"CARD/plain", b"CARD/new"},
        ),
        ({b"CARD/a": replace(ID, size=2), b"CARD/new": ID}, Kind.FIRST, {b"CARD/a", b"CARD/new"}),
        ({b"CARD/a": ID}, Kind.SAME, set()),
    ],
)
def test_compare_of_what_a_person_let_go_sends_what_the_question_named(files, kind, new):
    """What was delivered as it is never goes again for an answer about what is new (beyond 11)."""
    delivered = {b"CARD/a": WAS, b"CARD/plain": replace(WAS, hash="")}
    asked = compare(tuple(files.items()), delivered, {})
    found = compare(tuple(files.items()), delivered, {}, is_wanted=True)

    assert (found.kind, {path for path, _ in found.new}) == (kind, new)
    assert set(found.new) == set(asked.new)
    if new:
        assert answer(found, _rule(late=Late.ASK), moment=LATE_NOW, added_of_late=9).hold is None


def _rule(**settings) -> Rule:
    return Rule(name="hot", path=b"/srv/hot", to=To(recipients=()), **settings)


def _found(kind: Kind) -> Compared:
    files = ((b"CARD/a", ID), (b"CARD/b", ID))
    delivered = {
        Kind.LATE: {b"CARD/a": WAS},
        Kind.ANEW: {b"CARD/c": WAS},
        Kind.SAME: {b"CARD/a": WAS, b"CARD/b": WAS},
        Kind.FIRST: {},
    }[kind]
    found = compare(files, delivered, {})
    assert found.kind is kind
    return found


@pytest.mark.parametrize(
    ("kind", "redrop", "late", "hold", "ends"),
    [
        (Kind.FIRST, Redrop.SKIP, Late.IGNORE, None, None),
        (Kind.SAME, Redrop.SEND, Late.SEND, None, DropEvent.SAME_CONTENT),
        (Kind.ANEW, Redrop.SEND, Late.IGNORE, None, None),
        (Kind.ANEW, Redrop.SKIP, Late.SEND, None, DropEvent.IGNORE),
        (Kind.ANEW, Redrop.ASK, Late.SEND, HoldReason.REDROP_ASK, None),
        (Kind.LATE, Redrop.SKIP, Late.SEND, None, None),
        (Kind.LATE, Redrop.SEND, Late.ASK, HoldReason.REDROP_ASK, None),
        (Kind.LATE, Redrop.SEND, Late.IGNORE, None, DropEvent.IGNORE),
    ],
)
def test_answer_follows_the_rule(kind, redrop, late, hold, ends):
    """`redrop` is for a new version of the whole, `late` for what comes beside delivered files."""
    said = answer(_found(kind), _rule(redrop=redrop, late=late), moment=LATE_NOW, added_of_late=0)

    assert (said.hold, said.ends) == (hold, ends)


def test_answer_to_a_second_late_package_within_a_day_asks_with_its_size():
    """Once is sent without being asked, so that a folder in use is not sent file by file."""
    said = answer(_found(Kind.LATE), _rule(), moment=LATE_NOW, added_of_late=1)

    assert said.hold is HoldReason.REDROP_ASK
    assert "1 file, 1 bytes" in said.note


def test_answer_to_a_new_version_asks_nothing_about_late_packages():
    """The measure of a day is that of late files alone."""
    said = answer(_found(Kind.ANEW), _rule(), moment=LATE_NOW, added_of_late=1)

    assert (said.hold, said.ends) == (None, None)


def test_answer_to_late_files_waits_four_times_the_quiet_time():
    """Where one late file came, others may follow."""
    early = replace(LATE_NOW, now=LATE_NOW.now - 1)
    said = answer(_found(Kind.LATE), _rule(), moment=early, added_of_late=0)

    assert (said.hold, said.retry_at) == (HoldReason.GROWING, LATE_NOW.now)


@pytest.mark.parametrize(
    ("kind", "stuck", "is_in_use", "hold"),
    [
        (Kind.UNREAD, "", False, HoldReason.GROWING),
        (Kind.UNREAD, "a cannot be read", False, HoldReason.UNREADABLE),
        (Kind.UNREAD, "a is in use", True, HoldReason.OPEN_BY_WRITER),
        (Kind.ONGOING, "", False, HoldReason.GROWING),
    ],
)
def test_answer_to_what_others_bring_further_waits_without_a_look_at_once(
    kind, stuck, is_in_use, hold
):
    """Whoever reads on looks sooner; what cannot be read is said to be that."""
    found = replace(_found(Kind.FIRST), kind=kind, stuck=stuck, is_in_use=is_in_use)
    said = answer(found, _rule(), moment=LATE_NOW, added_of_late=0)

    assert (said.hold, said.retry_at) == (hold, LATE_NOW.now + ONGOING_S)
    assert said.note == said.findings[-1].detail == (stuck or found.findings[-1].detail)


@pytest.mark.parametrize(
    ("kind", "dedupe", "ends"),
    [
        (Kind.RENAMED, Dedupe.SEND, DropEvent.SAME_CONTENT),
        (Kind.TWIN, Dedupe.SKIP, DropEvent.SAME_CONTENT),
        (Kind.TWIN, Dedupe.SEND, None),
        (Kind.TWIN, Dedupe.RELINK, None),
    ],
)
def test_answer_to_what_was_delivered_under_another_name_follows_dedupe(kind, dedupe, ends):
    """A rename sends nothing whatever the rule says; equal content only where it says so."""
    found = replace(_found(Kind.FIRST), kind=kind)
    said = answer(found, _rule(dedupe=dedupe), moment=LATE_NOW, added_of_late=0)

    assert (said.hold, said.ends) == (None, ends)
