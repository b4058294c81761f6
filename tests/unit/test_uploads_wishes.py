"""What a caller wishes: what of it is frozen, how it is called, and when it is the same again."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Caller, Found, Secret, UploadType
from masv_watch.uploads import Wish
from masv_watch.uploads.wishes import draft_of, repeat_of

WISH = Wish(type=UploadType.TEAM, paths=(b"/srv/a.mov",), team="acme")
ALICE = Caller(uid=1000, is_owner=False)
FOUND = Found(files=(), skipped=("x is a link",))


def drafted(wish, **said):
    return draft_of(wish, FOUND, **{"reader": None, "idle_s": None, "repeat": None, **said})


def key_of(wish, key="k", caller=ALICE):
    return repeat_of(wish, key, caller, lambda content: hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        ((b"/srv/a.mov",), "a.mov"),
        ((b"/srv/CARD/",), "CARD"),
        ((b"/srv/a.mov", b"/srv/b.mov"), "a.mov and 1 more"),
        ((b"/srv/\xffa\n.mov",), "\\xffa\\n.mov"),
    ],
)
def test_draft_without_a_name_is_called_after_its_first_path(paths, name):
    """Something that people recognize, without a character that hurts."""
    assert drafted(replace(WISH, paths=paths)).name == name


def test_draft_with_a_name_keeps_it():
    """A caller's own word wins."""
    assert drafted(replace(WISH, name="Day 1")).name == "Day 1"


def test_draft_freezes_every_wish():
    """Nothing that was asked for is lost on the way to the row."""
    wish = replace(
        WISH,
        message="hello",
        recipients=("a@example.com",),
        password=Secret("p"),
        access_code=Secret("c"),
        chunk_size=7,
        priority=3,
    )
    draft = drafted(wish, reader=1000, idle_s=0.0)

    assert (draft.hot_folder, draft.root, draft.message) == (None, b"/", "hello")
    assert (draft.password, draft.access_code) == (Secret("p"), Secret("c"))
    assert (draft.chunk_size, draft.priority, draft.reader) == (7, 3, 1000)
    assert (draft.terms.team, draft.terms.recipients) == ("acme", ("a@example.com",))
    assert (draft.terms.idle_s, draft.terms.batch, draft.terms.mail_to) == (0.0, False, ())
    assert (draft.skipped, draft.terms.after.delivered) == (("x is a link",), "keep")


def test_recipients_that_differ_by_case_alone_are_one():
    """The first spelling stays, in the order in which they were named."""
    wish = replace(WISH, recipients=("B@x.example", "a@x.example", "b@X.example", "A@X.EXAMPLE"))

    assert drafted(wish).terms.recipients == ("B@x.example", "a@x.example")


def test_wish_without_a_key_is_never_a_repeat():
    """Two equal creates are two uploads unless their caller says otherwise."""
    assert key_of(WISH, "") is None


DIFFERENCES = {
    "type": UploadType.PORTAL,
    "paths": (b"/srv/b.mov",),
    "team": "other",
    "portal": "vault",
    "sender": "a@example.com",
    "name": "x",
    "message": "x",
    "recipients": ("a@example.com",),
    "password": Secret("x"),
    "access_code": Secret("x"),
    "chunk_size": 1,
    "priority": 1,
}


@pytest.mark.parametrize("field", [*Wish.__dataclass_fields__])
def test_repeat_with_any_difference_has_another_digest(field):
    """A key that is used for something else is noticed, whatever differs."""
    other = replace(WISH, **{field: DIFFERENCES[field]})

    assert key_of(other).key == key_of(WISH).key
    assert key_of(other).digest != key_of(WISH).digest


def test_repeat_of_an_equal_wish_is_the_same_for_its_caller_alone():
    """Nobody meets another's upload by guessing his key."""
    token = Caller(uid=None, is_owner=True)

    assert key_of(replace(WISH)) == key_of(WISH)
    assert len({key_of(WISH, caller=caller).key for caller in (ALICE, token)}) == 2


words = st.text(max_size=5)


@given(st.lists(words, min_size=5, max_size=5), st.lists(words, min_size=5, max_size=5))
def test_digest_never_takes_two_wishes_for_one(one, other):
    """However words are moved between fields, only equal wishes are equal."""
    names = ("team", "portal", "sender", "name", "message")
    first, second = (
        key_of(replace(WISH, **dict(zip(names, each, strict=True)))) for each in (one, other)
    )

    assert (first == second) == (one == other)


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=3),
       st.lists(st.binary(min_size=1, max_size=6), min_size=1, max_size=3))  # fmt: skip
def test_digest_tells_paths_apart_byte_by_byte(one, other):
    """Names that are no text count as they are."""
    first, second = (key_of(replace(WISH, paths=tuple(each))) for each in (one, other))

    assert (first == second) == (one == other)
