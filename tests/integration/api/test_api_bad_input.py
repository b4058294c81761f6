"""Input that nobody should send: one clear refusal, nothing changed, never an inside."""

from __future__ import annotations

import json
import logging
import os
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.api.conftest import Caller
from tests.integration.store.making import create
from tests.processes import ask
from tests.searching import examples

PORTALS = "/api/v1/portals/uploads"
#: what a call with a body may be refused with
REFUSED = {400, 401, 404, 409, 415, 422}
#: cheap examples over one desk: a second of them each
FUZZ = settings(
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**60, max_value=10**300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["\ud800", "\udcff", "\0", "\r\nX: y", "/", "/..", "a@b", "é", "1e999"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = {
    UPLOADS: [
        "paths", "subdomain", "team_id", "package_name", "package_description", "recipients",
        "password", "chunk_size", "priority",
    ],
    PORTALS: [
        "paths", "subdomain", "sender_email", "access_code", "package_name",
        "package_description", "chunk_size", "priority",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    """Give an API with something to send; its log is as in a daemon."""
    folder = tmp_path_factory.mktemp("bad")
    log = logging.getLogger("masv_watch")
    log.setLevel(logging.INFO)
    caller = Caller(folder / "daemon")
    caller.file = folder / "A001.mov"
    caller.file.write_bytes(b"frames")
    caller.short = Short(caller.app)
    caller.team = {"subdomain": "acme", "paths": [str(caller.file)]}
    caller.portal = {**caller.team, "sender_email": "dit@example.com"}
    caller.upload_id, _ = create(caller.store, b"a.mov")
    yield caller
    caller.short.close()
    caller.close()
    log.setLevel(logging.NOTSET)


@pytest.fixture
def unchanged(caller):
    """See to it that a test makes, moves and removes no upload."""
    before = caller.store.uploads()
    yield
    assert caller.store.uploads() == before


def writing(caller):
    """Give every call that takes a body."""
    one, folder = f"{UPLOADS}/{caller.upload_id}", "/api/v1/hot_folders/out"
    return [
        ("POST", UPLOADS),
        ("POST", PORTALS),
        ("POST", "/api/v1/login"),
        ("PATCH", one),
        *(
            ("POST", f"{one}/{verb}")
            for verb in ("files", "link", "start", "retry", "pause", "resume")
        ),
        *(("POST", f"{folder}/{verb}") for verb in ("scan", "pause", "release", "seed")),
        ("POST", "/api/v1/drops/1/release"),
        ("POST", "/api/v1/drops/1/hold"),
    ]


@pytest.mark.usefixtures("unchanged")
@FUZZ
@given(body=st.binary(max_size=200), number=st.integers(0, 14))
def test_body_of_any_bytes_is_refused_with_a_sentence(caller, body, number):
    """Whatever comes, the answer is JSON with code and sentence, and no row is made."""
    method, path = writing(caller)[number]
    if not body.strip():
        body = b"\0"

    answer = caller.short.call(path, method, body)

    assert answer.status in REFUSED
    said(answer)


@FUZZ
@given(tree=TREES, number=st.integers(0, 14))
def test_body_of_any_json_is_answered_or_refused_with_a_sentence(caller, tree, number):
    """A tree of any shape is no crash, however odd its texts and numbers are."""
    method, path = writing(caller)[number]

    answer = caller.short.call(path, method, json.dumps(tree).encode())

    assert answer.status in REFUSED | {200}
    if answer.status != 200:
        said(answer)


@FUZZ
@given(data=st.data(), value=TREES)
@pytest.mark.parametrize("path", [UPLOADS, PORTALS])
def test_create_with_any_value_in_a_field_is_made_or_names_the_field(caller, path, data, value):
    """A create is made whole or refused; what is refused says where."""
    field = data.draw(st.sampled_from(FIELDS[path]))
    right = caller.team if path == UPLOADS else caller.portal
    before = len(caller.store.uploads())

    answer = caller.short.ask(path, "POST", {**right, field: value})

    assert answer.status in {201, 404, 422}
    assert len(caller.store.uploads()) == before + (answer.status == 201)
    if answer.status == 422:
        said(answer)
        # paths are looked at once their form is right, and then the sentence names the path
        named = answer.tree.get("field", "paths")
        assert named.startswith((field, "subdomain"))


WRONG = [
    ("paths", value)
    for value in ("/a", {}, [], [1], [None], [["/a"]], ["a"], [""], ["\0"], ["/a\0b"], ["~/a"])
] + [
    *(("subdomain", value) for value in (1, "", "a.b", "a b", "-a", "a\r\n", "é", "x" * 64, [])),
    *(("package_name", value) for value in (1, [], "a\r\nb", "a\0", "\x85", "\u2028", "x" * 1025)),
    *(("package_description", value) for value in (1, "\0", "\x1b[2J", "x" * 65_537)),
    *(("recipients", value) for value in ("a@b.c", [1], ["a"], ["a@b.c\r\nBcc: d@e.f"], ["@"])),
    *(("password", value) for value in (1, "", "a\nb", "x" * 1025)),
    *(("chunk_size", value) for value in ("1", 0, -1, 1.5, True, 2**63, 6 * 1024**3, 1e300)),
    *(("priority", value) for value in ("1", 1.5, True, 2**31, -(2**31), [], 10**300)),
    ("colour", "blue"),
]  # fmt: skip


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("field", "value"), WRONG)
def test_create_with_a_wrong_field_is_422_and_names_it(caller, field, value):
    """One sentence: which field, and what it must be; nothing is made."""
    answer = caller.short.ask(UPLOADS, "POST", {**caller.team, field: value})

    code, sentence = said(answer)
    assert (answer.status, code) == (422, 1509)
    assert answer.tree["field"].startswith(field)
    assert field in sentence
    assert "\n" not in sentence


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("field", ["password", "access_code"])
def test_refusal_never_repeats_a_secret(caller, field, caplog):
    """A secret of a wrong form is shown to nobody, neither in the answer nor in the log."""
    path, right = (UPLOADS, caller.team) if field == "password" else (PORTALS, caller.portal)
    for value in ("canary\r\n", "canary" * 400, ["canary"], {"canary": "canary"}):
        answer = caller.short.ask(path, "POST", {**right, field: value})

        assert answer.status == 422
        assert b"canary" not in answer.body
    assert "canary" not in caplog.text


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"", 422, "missing"),
        (b"null", 400, "object"),
        (b"[]", 400, "object"),
        (b'"{}"', 400, "object"),
        (b"{", 400, "character 1"),
        (b"{'paths': 1}", 400, "JSON"),
        (b'{"paths": NaN}', 400, "JSON"),
        (b'{"priority": -Infinity}', 400, "JSON"),
        (b'{"priority": %s}' % (b"9" * 5000), 400, "5000 digits"),
        (b'{"paths": 1e999}', 422, "`paths` must be a list"),
        (b'{"priority": 1, "priority": 2}', 422, "`priority` is given twice"),
        (b'{"a": {"b": 1, "b": 1}}', 422, "`b` is given twice"),
        (b"[" * 200_000, 400, "deep"),
        (b'{"a":' * 200_000, 400, "deep"),
        (b'{"paths": [' + b"[" * 200_000 + b"]" * 200_000 + b"]}", 400, "deep"),
        (b"\xff\xfe{\x00}\x00", 400, "UTF-8"),
        (b'{"subdomain": "\xff"}', 400, "UTF-8"),
        (b'{"subdomain": "\xed\xa0\x80"}', 400, "UTF-8"),
        (b'{"a\\u000d\\u000ab": 1}', 422, "unknown field `a??b`"),
        (b"\xef\xbb\xbf{}", 422, "missing"),
        (b"{}garbage", 400, "character 2"),
        (b"subdomain=acme&paths=/etc/passwd", 400, "JSON"),
    ],
    ids=range(22),
)
def test_body_that_is_no_plain_json_object_is_refused(caller, body, status, word):
    """The sentence says what the body is instead, or where it breaks."""
    answer = caller.short.call(UPLOADS, "POST", body)

    assert answer.status == status
    assert word in said(answer)[1]


def test_body_with_a_byte_order_mark_is_read(caller):
    """Some editors put one before what they save; JSON allows to ignore it."""
    body = b"\xef\xbb\xbf" + json.dumps(caller.team).encode()

    assert caller.short.call(UPLOADS, "POST", body).status == 201


def test_name_that_is_not_utf8_can_be_named_by_its_escaped_byte(caller):
    """A source is bytes; a byte that is no UTF-8 is written as a surrogate, as Python does."""
    path = bytes(caller.file.parent) + b"/\xff.mov"
    with open(path, "wb") as file:
        file.write(b"frames")

    answer = caller.short.ask(UPLOADS, "POST", {**caller.team, "paths": [os.fsdecode(path)]})

    assert answer.status == 201
    files = caller.short.ask(f"{UPLOADS}/{answer.tree['upload_id']}").tree["files"]
    assert [file["path"] for file in files] == ["%FF.mov"]


def test_hundred_thousand_paths_are_looked_at_and_one_more_is_refused(caller):
    """What one call may name is bounded, and the bound itself is no burden."""
    many = {"subdomain": "acme", "paths": [str(caller.file)] * 100_000}
    absent = {"subdomain": "acme", "paths": [f"/nowhere/{number}" for number in range(100_000)]}
    relative = {"subdomain": "acme", "paths": ["x"] * 100_000}

    taken, made = ask(caller.url, UPLOADS, "POST", many)
    missing, _ = ask(caller.url, UPLOADS, "POST", absent)
    wrong, first = ask(caller.url, UPLOADS, "POST", relative)
    many["paths"].append("/one/more")
    refused, why = ask(caller.url, UPLOADS, "POST", many)

    assert (taken, missing, wrong, refused) == (201, 404, 422, 422)
    assert len(first["message"]) < 100
    assert "at most 100000" in why["message"]
    files = caller.short.ask(f"{UPLOADS}/{made['upload_id']}").tree["files"]
    assert [file["path"] for file in files] == ["A001.mov"]


@pytest.mark.usefixtures("unchanged")
def test_body_beyond_the_limit_is_413_and_the_next_call_is_answered(caller):
    """8 MiB are read; what is larger gets a readable refusal, and nobody else notices."""
    body = {"subdomain": "acme", "paths": ["/" + "x" * (9 * 1024 * 1024)]}

    status, tree = ask(caller.url, UPLOADS, "POST", body)

    assert (status, tree["code"]) == (413, 1507)
    assert "8 MiB" in tree["hint"]
    assert ask(caller.url, "/healthz") == (200, {"live": True})


HIDDEN = [
    "/etc/passwd/../shadow",
    "{folder}/../{name}/secret",
    "{folder}/./secret",
    "{folder}/sub/../secret",
    "{folder}//../secret",
    "/..",
    "/../../..",
    "..",
    "../secret",
    "{folder}/%2e%2e/secret",
    "{folder}/%252e%252e/secret",
    "{folder}/..%2fsecret",
    "{folder}/..%c0%afsecret",
    "{folder}/..\\secret",
    "{folder}/\u2024\u2024/secret",
    "{folder}/\uff0e\uff0e/secret",
    "{folder}/\udcc0\udcae\udcc0\udcae/secret",
    "file://{folder}/secret",
    "{folder}\0/secret",
    "{folder}/secret/",
    "/proc/self/root{folder}/secret",
    "/dev/fd/0",
]


@pytest.mark.parametrize("spelled", HIDDEN)
def test_path_that_climbs_is_sent_by_nobody(tmp_path, spelled):
    """However it is written, no spelling leads out of the roots; the answer names no secret."""
    root, secret = tmp_path / "root", tmp_path / "secret"
    for folder in (root, root / "sub"):
        folder.mkdir()
    secret.write_bytes(b"secret")
    caller = Caller(tmp_path / "daemon", allowed_roots=(bytes(root),))
    short = Short(caller.app)
    path = spelled.format(folder=root, name=root.name)

    answer = short.ask(UPLOADS, "POST", {"subdomain": "acme", "paths": [path]})

    assert answer.status in {404, 422}
    said(answer)
    assert caller.store.uploads() == []
    assert short.ask(UPLOADS, "POST", {"subdomain": "acme", "paths": [str(secret)]}).status == 404
    short.close()
    caller.close()


PIECES = [
    "%2e%2e", "..", ".", "%2f", "..%2f..%2fetc%2fpasswd", "%00", "%0d%0aX:%20y", "%252e%252e",
    "%c0%ae%c0%ae", "%c0%af", "%e0%80%af", "%f0%80%80%af", "%ed%a0%80", "%ff", "%fe%ff",
    "%u002e", "%", "%2", "%zz", "~", "*", "'", "%22", "%5c..%5c", ";a=b", "{upload_id}",
    "%F0%9F%92%A9", "%E2%80%AE", "a" * 3000, "-1", "0x0", "1e9", "null", "true", "[]",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_piece_of_a_url_in_any_spelling_names_nothing(caller, piece):
    """An id or a name that is not ours is 404 for every call, and no header holds any of it."""
    one, folder = f"{UPLOADS}/{piece}", f"/api/v1/hot_folders/{piece}"
    calls = [
        ("GET", one),
        ("DELETE", one),
        *(
            ("POST", f"{one}/{verb}")
            for verb in ("pause", "resume", "finalize", "start", "retry", "link")
        ),
        *(("POST", f"{folder}/{verb}") for verb in ("scan", "pause", "release", "finalize")),
        ("POST", f"/api/v1/drops/{piece}/release"),
        ("POST", f"/api/v1/drops/{piece}/hold"),
    ]

    for method, path in calls:
        answer = caller.short.ask(path, method, {})
        assert answer.status in {404, 405}, (method, path)
        said(answer)
        assert len(answer.body) < 600
        assert not any("\r" in value or "\n" in value for value in answer.headers.values())
    assert caller.short.ask(one, "PATCH", {"priority": 1}).status in {404, 405}
    over = caller.ask(one, headers=["X: y"])
    assert (over.status, "X" in over.headers) == (404, False)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "query",
    [
        "?%ff", "?sort=%ff", "?sort=%ed%a0%80", "?cursor=%c0%af", "?hot_folder=%fe", "?sort",
        "?sort=", "?sort=colour", "?state=finalizing", "?state=gone", "?type=email", "?limit=0",
        "?limit=-1", "?limit=10001", "?limit=1.5", "?limit=", "?limit=x&limit=y", "?waiting=2",
        "?waiting=", "?unknown=1", "?State=paused", "?state=paused%00", "?limit=" + "9" * 9000,
        "?hot_folder=" + "x" * 256, "?" + "a=1&" * 5000,
    ],
)  # fmt: skip
def test_query_that_is_wrong_is_refused(caller, query):
    """A filter that is not understood never gives the list without it."""
    answer = caller.short.ask(f"{UPLOADS}{query}")

    assert answer.status in {400, 422}
    said(answer)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("path", ["/api/v1/drops", "/api/v1/events", f"{UPLOADS}/ID"])
def test_parameter_that_a_call_does_not_know_is_refused(caller, path):
    """A mistyped parameter is named, also where a wrong guess would delete more."""
    method = "DELETE" if path.endswith("ID") else "GET"

    answer = caller.short.ask(f"{path.replace('ID', caller.upload_id)}?pakage=delete&x=1", method)

    assert answer.status == 422
    assert "pakage" in said(answer)[1]
    assert caller.store.upload(caller.upload_id) is not None


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "key", ["\xff", "\x84", "é".encode().decode("latin-1"), "", "x" * 256, "a\tb", "\x7f", "a\x01"]
)
def test_idempotency_key_of_a_wrong_form_is_422(caller, key):
    """A key that may not be what its sender meant protects nobody, so it is refused."""
    answer = caller.short.ask(UPLOADS, "POST", caller.team, headers=[("Idempotency-Key", key)])

    assert answer.status == 422
    assert answer.tree["field"] == "Idempotency-Key"


@pytest.mark.parametrize("name", ["Idempotency-Key", "Last-Event-ID", "Authorization", "X-Any"])
@pytest.mark.parametrize("value", ["\xff\xfe", "\x00", "a\r\n b", "%0d%0aX: y", "\x1b[2J", "é"])
def test_header_of_any_bytes_never_breaks_an_answer(caller, name, value):
    """Over the socket, where the server reads the header: an answer, and no header of his."""
    answer = caller.ask(UPLOADS, "POST", caller.team, headers=[f"{name}: {value}"])

    assert answer.status in {201, 400, 401, 422}
    assert "X" not in answer.headers
    assert caller.call("/healthz").status == 200


@pytest.mark.parametrize("last", ["\xff", "x", "-1", "1.5", "9" * 30, "٣", ""])
def test_last_event_id_that_is_no_number_begins_now(caller, last):
    """A stream is worth more than its beginning; it is there, and starts with what comes."""
    begun = {}
    environ = {"HTTP_LAST_EVENT_ID": last.encode("utf-8").decode("latin-1")}

    pieces = caller.short(
        {**base(), **environ}, lambda status, fields, exc_info=None: begun.update(status=status)
    )

    assert begun["status"].startswith("200")
    assert next(iter(pieces)) == b"retry: 1000\n\n"
    pieces.close()


def base():
    """Give the environment of a call for the stream."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/v1/events",
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "wsgi.url_scheme": "http",
    }


@pytest.mark.usefixtures("unchanged")
def test_every_path_refuses_every_method_that_it_does_not_know(caller):
    """405 with the methods that it knows, for each route of the table."""
    known = {}
    for route in caller.app.routes:
        known.setdefault(route.rule, set()).add(route.method)
    assert len(known) > 25

    for rule, methods in known.items():
        path = re.sub(r"<\w+>", caller.upload_id, rule)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
            answer = caller.short.ask(path, method, {})
            if path in {f"{UPLOADS}/pause", f"{UPLOADS}/resume"} and answer.status != 405:
                # a call on an upload of that name
                assert answer.status == 404 or method == "PATCH"
                continue
            assert (answer.status, said(answer)[0]) == (405, 1505), (method, path)
            assert methods <= set(answer.headers["Allow"].split(","))


def test_no_odd_input_has_crashed_a_call(caller, caplog):
    """The words of a crash are in no log after all the odd names of this file."""
    for piece in PIECES:
        caller.short.ask(f"/api/v1/hot_folders/{piece}/scan", "POST", {})
        caller.short.ask(f"{UPLOADS}/{piece}", "DELETE")

    assert "a call asked for a change" in caplog.text
    assert "crashed" not in caplog.text
    assert "Traceback" not in caplog.text
