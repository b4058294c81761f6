"""What a call asks for: every shape with its description, and one sentence for what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.api import commands
from masv_watch.api.commands import (
    DeletionAsked,
    FilesAdded,
    MovesAsked,
    Nothing,
    PortalCreate,
    Prioritized,
    SignIn,
    TeamCreate,
    UploadsAsked,
)
from masv_watch.api.fields import MOST_PATHS
from masv_watch.api.reading import adapter_of, read_body, read_query
from masv_watch.errors import BadRequest, RequestError, Unprocessable
from masv_watch.model import UploadType

BODIES = [TeamCreate, PortalCreate, FilesAdded, Prioritized, SignIn, Nothing]
TEAM = {"subdomain": "acme", "paths": ["/srv/a.mov"]}
PORTAL = {"subdomain": "dailies", "sender_email": "dit@example.com", "paths": ["/srv/a.mov"]}
#: the surrogates among them stand for bytes that are not UTF-8
TEXTS = st.text(st.characters(exclude_categories=[]) | st.sampled_from("\udc80\udcff\0/.\r\n@"))


def read(kind, tree):
    return read_body(kind, json.dumps(tree).encode())


def refused(kind, tree):
    with pytest.raises(Unprocessable) as caught:
        read(kind, tree)
    return caught.value


def tried(kind, body):
    """Give what is read of a body, or the refusal of it."""
    try:
        return read_body(kind, body), None
    except RequestError as error:
        return None, error


@given(st.binary())
def test_body_of_any_bytes_is_read_or_refused(body):
    """Nothing else than our own errors leaves the reader."""
    for kind in BODIES:
        found, error = tried(kind, body)

        assert isinstance(found, kind) or error.message.isprintable()


@given(st.dictionaries(st.sampled_from([*TEAM, "package_name", "x"]), st.lists(TEXTS) | TEXTS))
def test_sentence_of_a_refusal_is_one_printable_line(tree):
    """Whatever a caller writes into a body, a person can read the answer."""
    _, error = tried(TeamCreate, json.dumps(tree).encode())

    assert error is None or error.message.isprintable()
    assert error is None or error.hint.isprintable()
    assert error is None or len(error.message) < 300


@given(TEXTS)
def test_path_that_is_read_is_absolute_and_gives_back_its_bytes(text):
    """A path comes to the file system as the bytes that its caller meant."""
    found, error = tried(FilesAdded, json.dumps({"paths": ["/" + text]}).encode())

    if "\0" in text or re.search("[\ud800-\udc7f\udd00-\udfff]", text):
        assert error.facts["field"] == "paths[0]"
    else:
        assert list(found.sources()) == [("/" + text).encode("utf-8", "surrogateescape")]


@given(TEXTS)
def test_line_that_is_read_can_be_a_header_and_can_be_sent(text):
    """A name with a line break, a control character or half a character is refused."""
    is_wrong = re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text)

    found, error = tried(TeamCreate, json.dumps({**TEAM, "package_name": text}).encode())

    if is_wrong or len(text) > 1024:
        assert error.facts["field"] == "package_name"
    else:
        assert found.wish().name == text
        assert len(text.splitlines()) <= 1


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_priority_is_a_whole_number_that_the_store_can_hold(value):
    """5.0 is whole, true is no number, and nothing is rounded or cut."""
    is_right = not isinstance(value, bool) and value == int(value) and abs(value) < 2**31

    found, error = tried(Prioritized, json.dumps({"priority": value}).encode())

    if is_right:
        assert (type(found.priority), found.priority) == (int, value)
    else:
        assert error.facts["field"] == "priority"


@given(TEXTS)
def test_value_that_is_read_fits_its_description(text):
    """What the description forbids is refused: no client is told less than it may send."""
    for field in ("package_name", "package_description", "password", "subdomain"):
        schema = adapter_of(TeamCreate).json_schema()["properties"][field]
        arm = next(arm for arm in schema["anyOf"] if arm["type"] == "string")
        _, error = tried(TeamCreate, json.dumps({**TEAM, field: text}).encode())
        if error is not None:
            continue
        assert re.search(arm["pattern"].replace("$", r"\Z"), text), field
        assert arm.get("minLength", 0) <= len(text) <= arm.get("maxLength", 2**16)


@pytest.mark.parametrize("kind", BODIES)
def test_body_with_an_unknown_field_names_it_and_the_nearest(kind):
    """A mistyped field is no silent default."""
    for field in fields(kind):
        error = refused(kind, {f"{field.name}x": 1})
        assert error.message.startswith(f"unknown field `{field.name}x`")
        assert error.hint == f"did you mean `{field.name}`?"
    known = ", ".join(field.name for field in fields(kind))
    hint = refused(kind, {"zzzzzz": 1}).hint
    assert hint == (f"known: {known}" if known else "this call takes no field")


@pytest.mark.parametrize("kind", [kind for kind in BODIES if fields(kind)])
def test_body_without_a_required_field_says_which_is_missing(kind):
    """The first that is missing, and how many more."""
    needed = [field.name for field in fields(kind) if field.default is MISSING]

    error = refused(kind, {})

    assert error.message.startswith(f"`{needed[0]}` is missing")
    assert (len(needed) > 1) == (f"({len(needed) - 1} more)" in error.message)
    assert error.facts["field"] == needed[0]


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ({}, "missing"),
        ({"subdomain": None, "team_id": None}, "missing"),
        ({"subdomain": "a", "team_id": "b"}, "both"),
    ],
)
def test_team_is_named_exactly_once(names, word):
    """By its subdomain or by its id."""
    with pytest.raises(Unprocessable, match=word):
        read(TeamCreate, {"paths": ["/a"], **names}).wish()


def test_team_create_becomes_a_wish_with_every_field():
    """Nothing that a caller says is lost on the way to the desk."""
    wish = read(
        TeamCreate,
        {
            "paths": ["/a", "/b"],
            "team_id": "01ABC",
            "package_name": "name",
            "package_description": "one\r\n\ttwo",
            "recipients": ["a@example.com"],
            "password": "secret",
            "chunk_size": 5_242_880,
            "priority": -1,
        },
    ).wish()

    assert (wish.type, wish.team, wish.portal) == (UploadType.TEAM, "01ABC", None)
    assert wish.paths == (b"/a", b"/b")
    assert (wish.name, wish.message) == ("name", "one\r\n\ttwo")
    assert wish.recipients == ("a@example.com",)
    assert wish.password.reveal() == "secret"
    assert (wish.chunk_size, wish.priority) == (5_242_880, -1)


def test_portal_create_becomes_a_wish_with_every_field():
    """As above, for a portal."""
    wish = read(PortalCreate, {**PORTAL, "access_code": "open", "priority": 2}).wish()

    assert (wish.type, wish.portal, wish.team) == (UploadType.PORTAL, "dailies", None)
    assert (wish.sender, wish.priority) == ("dit@example.com", 2)
    assert wish.access_code.reveal() == "open"


def test_create_with_null_for_what_is_optional_is_the_create_without_it():
    """Some clients send every field that they know."""
    optional = {field.name: None for field in fields(TeamCreate) if field.default is None}
    whole = {**optional, **TEAM}

    assert read(TeamCreate, whole) == read(TeamCreate, TEAM)


def test_empty_body_is_an_empty_object():
    """The documented calls without a body send none."""
    for body in (b"", b"{}", b" {}\n", b"\xef\xbb\xbf{}"):
        assert read_body(Nothing, body) == Nothing()


def test_paths_are_bounded():
    """The bound itself passes, one more does not; the sentence says how many there may be."""
    assert len(read(FilesAdded, {"paths": ["/a"] * MOST_PATHS}).paths) == MOST_PATHS

    error = refused(FilesAdded, {"paths": ["/a"] * (MOST_PATHS + 1)})

    assert error.message == f"`paths` must have at most {MOST_PATHS} items, not {MOST_PATHS + 1}"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"1", b'"x"', b"nul", b"NaN", b"\xff", b"[" * 99_999]
)
def test_body_that_is_no_json_object_is_a_bad_request(body):
    """400 is for what cannot be read, 422 for what cannot be done."""
    with pytest.raises(BadRequest):
        read_body(TeamCreate, body)


def test_query_is_read_from_texts():
    """A query holds texts only; numbers and yes or no are read from them."""
    asked = read_query(
        UploadsAsked, {"limit": "10", "waiting": "true", "type": "team", "sort": "-size"}
    )

    assert (asked.limit, asked.waiting, asked.type) == (10, True, UploadType.TEAM)
    assert (asked.sort, asked.state, asked.cursor) == ("-size", None, None)
    assert read_query(MovesAsked, {"after": "0"}).after == 0
    assert read_query(UploadsAsked, {}) == UploadsAsked()


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (UploadsAsked, "limit", "0"),
        (UploadsAsked, "limit", "10001"),
        (UploadsAsked, "limit", "9" * 9000),
        (UploadsAsked, "sort", "age"),
        (UploadsAsked, "state", "finalizing"),
        (UploadsAsked, "waiting", "maybe"),
        (UploadsAsked, "cursor", "x" * 8193),
        (MovesAsked, "after", "-1"),
        (MovesAsked, "after", str(2**63)),
        (DeletionAsked, "package", "keep"),
        (DeletionAsked, "pakage", "delete"),
    ],
)
def test_query_that_is_wrong_names_the_parameter(kind, name, value):
    """And never repeats a value of thousands of characters."""
    with pytest.raises(Unprocessable) as caught:
        read_query(kind, {name: value})

    assert caught.value.facts["field"] == name
    assert name in caught.value.message
    assert len(caught.value.message) < 200


def test_every_shape_of_a_call_refuses_what_it_does_not_know():
    """A shape that forgot to say so would swallow mistakes."""
    kinds = [
        kind
        for kind in vars(commands).values()
        if isinstance(kind, type) and kind.__module__ == commands.__name__
    ]

    assert len(kinds) >= 10
    for kind in kinds:
        with pytest.raises(Unprocessable, match="unknown"):
            read(kind, {"no such field": 1})


@pytest.mark.parametrize("kind", BODIES)
def test_object_with_very_many_names_is_refused_before_it_is_looked_at(kind):
    """An error for each unknown name would cost a thousand times the body."""
    names = {f"x{number}": 1 for number in range(65)}

    for error in (
        refused(kind, names),
        refused(kind, {"paths": [names]}),
        tried_query(UploadsAsked, dict.fromkeys(names, "1")),
    ):
        assert "65 names, and at most 64 are read" in error.message
        assert error.hint
    assert "unknown field `x0`" in refused(kind, dict(list(names.items())[:64])).message


def tried_query(kind, query):
    with pytest.raises(Unprocessable) as caught:
        read_query(kind, query)
    return caught.value


def test_list_of_wrong_texts_is_refused_by_its_first_one():
    """The others are not looked at: a list may be long, and an error is large."""
    paths = refused(FilesAdded, {"paths": ["/srv/a.mov", *["x"] * 1000]})
    recipients = refused(TeamCreate, {**TEAM, "recipients": ["x"] * 1000})

    assert (paths.facts["field"], recipients.facts["field"]) == ("paths[1]", "recipients[0]")
    assert "more" not in paths.message + recipients.message


def test_name_of_any_length_is_unknown():
    """A long one is cut and compared with nothing."""
    error = refused(TeamCreate, {**TEAM, "paths" * 100_000: 1})

    assert len(error.message) < 120
    assert error.hint.startswith("known: ")
