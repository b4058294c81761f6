"""What a settled drop is to one that was delivered under another name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.model import (
    Drop,
    DropState,
    Identity,
    SourceFile,
    Terms,
    UploadType,
)
from masv_watch.watch.twins import Earlier, Likeness, chunk_size_of, likeness, unlinked, unserved
from tests.searching import examples

ID = Identity(size=1, mtime_ns=1, ctime_ns=1, inode=1, device=1)
DROP = Drop(
    id=7,
    hot_folder="hot",
    path=b"OLD",
    generation=1,
    state=DropState.DONE,
    hold=None,
    note="",
    whole=True,
    upload_id="u",
    signature="s",
    size=2,
    file_count=2,
    seen_at=0.0,
    settled_at=0.0,
)
TEAM = Terms(type=UploadType.TEAM, recipients=("a@example.com",), mail_to=("B@example.com",))


def was(path: bytes, identity: Identity = ID, hashed: str = "one") -> SourceFile:
    """Make a delivered file."""
    return SourceFile(
        id=1,
        upload_id="u",
        drop_id=7,
        path=path,
        package_path="",
        name="n",
        identity=identity,
        cloud_id="c",
        multipart_id="m",
        chunk_size=5,
        sent=identity.size,
        open_asked=True,
        close_asked=True,
        closed=True,
        stale=False,
        attempts=0,
        retry_at=0.0,
        error="",
        hash=hashed,
    )


def earlier(*, is_gone: bool = False, **files: SourceFile) -> Earlier:
    """Make an earlier drop of these files below it."""
    below = {b"/" + name.encode(): file for name, file in files.items()}
    return Earlier(drop=DROP, terms=TEAM, files=below, is_gone=is_gone)


_HASHES = st.sampled_from(["", "one", "two"])


@settings(max_examples=examples(60))
@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 2), _HASHES), min_size=1),
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(0, 2), _HASHES), min_size=1),
)
def test_likeness_calls_a_twin_only_what_was_read_and_is_equal_byte_for_byte(now, before):
    """Nothing is left unsent by a guess: every file read, every hash kept and equal (Law 2)."""
    files = tuple((b"NEW/" + name.encode(), replace(ID, size=now[name][0])) for name in sorted(now))
    old = {
        name: was(b"OLD/" + name.encode(), replace(ID, size=size), hashed)
        for name, (size, hashed) in before.items()
    }
    read = {(path, identity, 5): now[path[-1:].decode()][1] for path, identity in files}
    is_equal = now == before and all(hashed for _, hashed in before.values())

    assert (likeness(files, b"NEW", earlier(**old), read)[0] is Likeness.TWIN) == is_equal
    kind, unread = likeness(files, b"NEW", earlier(**old), {})
    assert kind is not Likeness.TWIN
    if is_equal:
        assert {path for path, _ in unread} == {path for path, _ in files}


def test_likeness_asks_for_the_hash_of_the_chunks_that_were_sent():
    """The same bytes have another hash when they went in chunks of another size."""
    files = ((b"NEW/a", ID),)
    old = earlier(a=was(b"OLD/a"))

    assert likeness(files, b"NEW", old, {(b"NEW/a", ID, 9): "one"})[0] is Likeness.UNREAD
    assert chunk_size_of(was(b"OLD/a")) == 5
    assert chunk_size_of(replace(was(b"OLD/a"), chunk_size=None)) == 1


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (TEAM, ""),
        (Terms(type=UploadType.TEAM, mail_to=("A@Example.com", "b@example.com")), ""),
        (Terms(type=UploadType.TEAM), ""),
        (replace(TEAM, recipients=("c@example.com",)), "did not go to c@example.com"),
        (replace(TEAM, mail_to=("d@example.com",)), "did not go to d@example.com"),
        (Terms(type=UploadType.PORTAL, portal="vault"), "another portal"),
    ],
)
def test_unserved_names_whom_the_earlier_delivery_did_not_reach(wanted, says):
    """What was delivered to others is not delivered: it goes."""
    assert says in unserved(TEAM, wanted)
    assert bool(says) == bool(unserved(TEAM, wanted))


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (TEAM, ""),
        (replace(TEAM, mail_to=("new@example.com",)), ""),
        (replace(TEAM, recipients=("B@example.com",)), ""),
        (replace(TEAM, recipients=("c@example.com",)), "the cloud has not mailed c@example.com"),
        (replace(TEAM, team="other"), "another team"),
        (Terms(type=UploadType.PORTAL, portal="vault"), "portal"),
    ],
)
def test_unlinked_names_whom_a_further_link_does_not_reach(wanted, says):
    """Our letter reaches whom it names; whom the cloud mails learns of whole packages alone."""
    assert says in unlinked(TEAM, wanted)
    assert bool(says) == bool(unlinked(TEAM, wanted))
