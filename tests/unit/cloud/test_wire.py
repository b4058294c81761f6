"""The wire protocol as literal bytes: tolerant reading, strict meaning, nothing secret shown."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cloud import reading, refusals, wire
from masv_watch.errors import CloudGarbled
from masv_watch.model import Chunk, Secret
from masv_watch.names import sent_name

ID = "01H6ZJ2K3M4N5P6Q7R8S9T0VWX"
CANARY = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.canary.s3cr3t"
URL = "https://storage.example/key?partNumber=1&X-Amz-Signature=canary"
ADDED = {
    "file": {"id": ID, "name": "big.mov", "path": "", "kind": "file"},
    "create_blueprint": {"method": "POST", "url": URL, "headers": {"x-amz-acl": "private"}},
    "min_chunk_size": 5242880,
    "max_chunk_size": 5368709120,
    "max_chunks_count": 10000,
}
SIGN_IN = {
    "token": CANARY,
    "teams": [{"id": ID, "name": "Default Team", "subdomain": "a8fc91fa"}],
    "user": {
        "email": "me@example.com",
        "id": ID,
        "level": "basic",
        "name": "Me",
        "preferred_team_id": ID,
        "time_zone": "EST",
    },
}
S3_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<InitiateMultipartUploadResult%s>'
    b"<Bucket>b</Bucket><Key>k</Key><UploadId>2~up.load_id-7</UploadId>"
    b"</InitiateMultipartUploadResult>"
)


def test_package_create_gives_id_and_hidden_token():
    """The token is there for the wire and for nobody's eyes."""
    text = json.dumps({"id": ID, "access_token": CANARY, "unknown": [1]}).encode()

    created = wire.created_package(reading.parse(text))

    assert created.id == ID
    assert created.token.reveal() == CANARY
    assert CANARY not in repr(created)


def test_team_of_the_agents_session_object_is_read_whole():
    """The example of the vendor's agent, value by value."""
    tree = {
        "custom_expiry_default": 30,
        "custom_expiry_enabled": True,
        "download_limit_default": 12,
        "download_limit_enabled": True,
        "id": ID,
        "max_email_recipients": 30,
        "name": "Acme",
        "subdomain": "acme",
    }

    assert asdict(wire.team_of(tree)) == tree


def test_team_of_a_sign_in_says_none_for_what_is_not_said():
    """A limit that is not known is not shown as zero."""
    team = wire.team_of({"id": ID, "name": "Default Team", "subdomain": "a8fc91fa"})

    assert (team.name, team.subdomain) == ("Default Team", "a8fc91fa")
    assert {value for name, value in asdict(team).items() if name.startswith("cu")} == {None}
    assert team.max_email_recipients is None


def test_sign_in_of_the_documentation_is_read_and_hides_its_token():
    """User, teams and a token that is none of anybody's business."""
    signed = wire.signed_in(SIGN_IN)

    assert (signed.user.email, signed.user.name, signed.user.id) == ("me@example.com", "Me", ID)
    assert [team.subdomain for team in signed.teams] == ["a8fc91fa"]
    assert isinstance(signed.token, wire.UserToken)
    assert signed.token.reveal() == CANARY
    assert CANARY not in repr(signed) + str(signed.token)


@pytest.mark.parametrize("missing", ["token", "user"])
def test_sign_in_without_what_it_is_for_is_garbled(missing):
    """An answer without a token signs nobody in, and the error does not show the rest."""
    with pytest.raises(CloudGarbled) as caught:
        wire.signed_in({key: value for key, value in SIGN_IN.items() if key != missing})

    assert CANARY not in str(caught.value)


@given(
    st.builds(
        wire.SignedIn,
        user=st.builds(wire.User, id=st.just(ID), email=st.text(), name=st.text()),
        teams=st.lists(
            st.builds(
                wire.Team,
                id=st.just(ID),
                name=st.text(),
                subdomain=st.text(),
                custom_expiry_default=st.none() | st.integers(-1, 2**63 - 1),
                custom_expiry_enabled=st.none() | st.booleans(),
                download_limit_default=st.none() | st.integers(0, 2**63 - 1),
                download_limit_enabled=st.none() | st.booleans(),
                max_email_recipients=st.none() | st.integers(0, 2**63 - 1),
            ),
            max_size=3,
        ).map(tuple),
        token=st.text("abcXYZ012._-", min_size=1).map(wire.UserToken),
    )
)
def test_sign_in_that_was_written_is_read_again_as_it_was(signed):
    """What survives a restart is the same session."""
    assert wire.signed_in(json.loads(json.dumps(wire.sign_in_answer(signed)))) == signed


@pytest.mark.parametrize(
    ("said", "is_locked"),
    [
        ({}, False),
        ({"active": True, "access_limit": 5, "access_limit_enabled": True}, False),
        ({"active": False, "access_limit": 5, "access_limit_enabled": True}, True),
        ({"active": True, "access_limit": 0, "access_limit_enabled": True}, True),
        ({"active": True, "access_limit": 0, "access_limit_enabled": False}, False),
        ({"active": True, "access_limit_enabled": True}, False),
        ({"active": "no", "access_limit": "0"}, False),
    ],
)
def test_link_is_locked_when_it_is_off_or_without_a_download(said, is_locked):
    """As far as the answer tells: how often it was used is in none."""
    tree = {"id": ID, "download_secret": "bqkBtnPwvmkgJpHN", **said}

    assert wire.created_link(tree).locked is is_locked


def test_link_of_the_documentation_is_read_whole():
    """The expiry stays as the cloud wrote it, the address is whom the link was made for."""
    link = wire.created_link(
        {
            "access_limit": 5,
            "access_limit_enabled": True,
            "active": True,
            "download_secret": "bqkBtnPwvmkgJpHN",
            "email": "someone@example.com",
            "expiry": "2020-12-04T13:14:01.038Z",
            "id": ID,
            "password": "****",
        }
    )

    assert (link.id, link.email, link.locked) == (ID, "someone@example.com", False)
    assert link.expiry == "2020-12-04T13:14:01.038Z"
    assert "bqkBtnPwvmkgJpHN" not in repr(link)


def test_package_object_of_the_documentation_is_read_whole():
    """Unknown keys are tolerated, the year 1 means no time, links come along."""
    link = {
        "id": ID,
        "download_secret": "bqkBtnPwvmkgJpHN",
        "expiry": reading.NO_TIME,
        "email": "a@b",
    }
    tree = {
        "id": ID,
        "state": "new",
        "name": "Day 1",
        "created_at": "2020-12-04T13:14:01.038Z",
        "total_files": 3,
        "access_token": CANARY,
        "links": [link, {"id": "no id at all"}],
        "extras": {},
    }

    seen = wire.package_seen(tree)

    assert (seen.state, seen.name, seen.total_files) == ("new", "Day 1", 3)
    assert seen.created_at == "2020-12-04T13:14:01.038Z"
    assert [(entry.id, entry.expiry) for entry in seen.links] == [(ID, "")]
    assert "bqkBtnPwvmkgJpHN" not in repr(seen)


@pytest.mark.parametrize("spelling", ["max_chunks_count", "max_chunk_count"])
def test_specification_with_either_spelling_of_the_count_has_its_limit(spelling):
    """The endpoint is documented with one, the answer of a file has the other."""
    found = wire.spec({spelling: 77, "max_chunk_size": 8, "min_chunk_size": 3, "more": []})

    assert (found.min_chunk, found.max_chunk, found.max_count) == (3, 8, 77)
    assert wire.spec({}) == wire.Spec(min_chunk=None, max_chunk=None, max_count=None)


@pytest.mark.parametrize("spelling", ["max_chunks_count", "max_chunk_count"])
def test_added_file_with_either_spelling_of_the_count_has_its_limit(spelling):
    """Two pages of the documentation spell the same key in two ways."""
    tree = {key: value for key, value in ADDED.items() if key != "max_chunks_count"}

    added = wire.added_file({**tree, spelling: 77})

    assert (added.min_chunk, added.max_chunk, added.max_count) == (5242880, 5368709120, 77)
    assert added.blueprint.headers == {"x-amz-acl": "private"}
    assert "canary" not in repr(added)


def test_added_file_without_limits_says_so():
    """A limit that was not said is None, never a guess of the wire."""
    tree = {key: ADDED[key] for key in ("file", "create_blueprint")}

    added = wire.added_file(tree)

    assert (added.min_chunk, added.max_chunk, added.max_count) == (None, None, None)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_chunks_count": 0},
        {"max_chunk_size": 0},
        {"min_chunk_size": 10, "max_chunk_size": 9},
    ],
)
def test_added_file_with_limits_that_contradict_themselves_is_refused(limits):
    """A limit of nothing would divide by zero later."""
    with pytest.raises(CloudGarbled):
        wire.added_file({**ADDED, **limits})


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/x",
        "file:///etc/passwd",
        "//host/x",
        "https://",
        "https:///x",
        "https://host/a b",
        "https://host/\r\nX-Evil: 1",
        "https://host/\x00",
        "https://host\\@evil/x",
        "https://me:pw@host/x",
        "https://host:99999/x",
        "https://[::1/x",
        "https://hóst/x",
        7,
        None,
    ],
)
def test_blueprint_with_an_unusable_url_is_refused_without_showing_it(url):
    """Nothing but a plain http or https URL is ever asked."""
    with pytest.raises(CloudGarbled) as caught:
        wire.blueprint({"method": "PUT", "url": url})

    assert "evil" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "headers",
    [["x"], {"a b": "c"}, {"a": "b\r\nc: d"}, {"a": 1}, {"a": "é"}, {"": "x"}, "x"],
)
def test_blueprint_with_unusable_headers_is_refused(headers):
    """A header that could forge another one never reaches the connection."""
    with pytest.raises(CloudGarbled):
        wire.blueprint({"method": "PUT", "url": URL, "headers": headers})


def test_blueprint_headers_of_framing_are_left_out():
    """How a body is framed is decided by who sends it."""
    headers = {"Content-Length": "7", "Transfer-Encoding": "chunked", "x-amz-acl": "private"}

    found = wire.blueprint({"method": "put", "url": URL, "headers": headers})

    assert (found.method, found.headers) == ("PUT", {"x-amz-acl": "private"})


@pytest.mark.parametrize("name", ["Sec-Fetch-Site", "ORIGIN", "host", "Connection", "upgrade"])
def test_blueprint_headers_that_speak_for_the_sender_are_left_out(name):
    """A cloud never decides as whom, or through what, we speak to a server."""
    found = wire.blueprint({"method": "PUT", "url": URL, "headers": {name: "none", "a": "b"}})

    assert found.headers == {"a": "b"}


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9:8080", "LOCALHOST:1", "localhost.")),
        *((host, True) for host in ("a.localhost", "[::1]", "[0:0::1]:80", "[::ffff:127.0.0.1]")),
        *((host, True) for host in ("0.0.0.0", "[::]", "127.1", "2130706433", "0x7f.0.0.1")),
        *((host, True) for host in ("0177.0.0.1", "127.0.0.1.", "1.2.3.0x7f")),
        *((host, False) for host in ("10.0.0.1", "storage.example", "[2001:db8::1]", "1.example")),
        *((host, False) for host in ("localhost.example", "127.0.0.1.example", "s3.face")),
    ],
)
def test_host_of_this_machine_is_known_in_every_spelling(host, is_ours):
    """What a resolver takes for this machine is taken for it before it is asked."""
    assert wire.is_loopback(f"https://{host}/k?x=1") is is_ours


@pytest.mark.parametrize("method", ["GET", "DELETE", "", None, "PUT\r\n"])
def test_blueprint_with_another_method_is_refused(method):
    """A blueprint writes, so it is a PUT or a POST."""
    with pytest.raises(CloudGarbled):
        wire.blueprint({"method": method, "url": URL})


def test_chunk_urls_are_a_bare_array_whose_headers_may_be_missing():
    """Five of five clients read it so."""
    tree = [
        {"method": "PUT", "url": f"https://s/k?partNumber={number}&uploadId=u"} for number in (3, 4)
    ]

    found = wire.blueprints(tree, start=2, count=2)

    assert [entry.url[-21:] for entry in found] == [
        "partNumber=3&uploadId=u"[-21:],
        "partNumber=4&uploadId=u"[-21:],
    ]


@pytest.mark.parametrize(
    "tree",
    [
        [],
        {"0": {}},
        [{"method": "PUT", "url": "https://s/k?partNumber=4"}],
        [{"method": "PUT", "url": "https://s/k"}] * 2,
    ],
)
def test_chunk_urls_of_another_count_or_number_are_refused(tree):
    """A chunk under another's number would be silent damage."""
    with pytest.raises(CloudGarbled):
        wire.blueprints(tree, start=2, count=1)


@pytest.mark.parametrize("namespace", [b"", b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_multipart_id_is_found_with_and_without_the_namespace(namespace):
    """Storages differ in it."""
    assert wire.multipart_id(S3_XML % namespace) == "2~up.load_id-7"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"<a/>",
        b"<a><UploadId/></a>",
        b"<a><UploadId>a b</UploadId></a>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a><UploadId>&x;</UploadId></a>',
        '<?xml version="1.0"?><!DOCTYPE a []><a><UploadId>x</UploadId></a>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="utf-7"?>+ADw-UploadId+AD4-x',
        b"<a>" * 20_000,
        b"<a>" * 10_000 + b"</a>" * 10_000,
        b"\x00",
        S3_XML % b"" + b" " * reading.XML_LIMIT,
    ],
)
def test_multipart_id_of_hostile_xml_is_refused(text):
    """No entity is expanded, in no encoding, and nothing long is read."""
    with pytest.raises(CloudGarbled):
        wire.multipart_id(text)


def test_file_listing_leaves_generated_archives_out():
    """After finalize the cloud lists its own zip files too."""
    tree = [
        {"id": ID, "kind": "file", "name": "a", "path": "/CARD/", "size": 5, "completed": True},
        {"id": ID, "kind": "zip_windows", "name": "x.zip", "size": 9},
        {"id": ID, "kind": "directory", "name": "CARD"},
        {"id": ID, "name": "b\ud800"},
    ]

    first, second = wire.files_seen(tree)

    assert (first.path, first.name, first.size, first.completed) == ("CARD", "a", 5, True)
    assert (second.path, second.name, second.size, second.completed) == ("", "b?", None, False)


def test_file_finalize_names_chunks_in_order_with_numbers_as_strings():
    """`partNumber` is a string in MASV's own uploader."""
    chunks = [Chunk(number=n, size=1, etag=f'"e{n}"', hash="") for n in (2, 1)]

    body = wire.finalize_file_body(chunks, upload_id="u", size=2, chunk_size=1)

    assert body == {
        "chunk_extras": [
            {"partNumber": "1", "etag": '"e1"'},
            {"partNumber": "2", "etag": '"e2"'},
        ],
        "file_extras": {"upload_id": "u"},
        "size": 2,
        "chunk_size": 1,
    }


def test_link_url_escapes_what_it_fills_in():
    """A secret with a brace or an ampersand stays one value."""
    url = wire.link_url("https://get.example/{id}?secret={secret}", ID, Secret("a&{id}="))

    assert url == f"https://get.example/{ID}?secret=a%26%7Bid%7D%3D"


@pytest.mark.parametrize(
    ("path", "name", "kept"),
    [
        ("", "a.mov", True),
        ("CARD/CLIPS", "a b.mov", True),
        ("", "..", True),
        ("a..b", "c", True),
        ("foo..", "bar", False),
        ("CARD/", "a", False),
        ("/CARD", "a", False),
        ("", "a\\b", False),
        ("", "a\tb", False),
        ("", "a/b", False),
        ("", "", False),
    ],
)
def test_name_that_the_cloud_would_change_is_known_beforehand(path, name, kept):
    """What is sent must come out as it was sent."""
    assert wire.survives(path, name) is kept


@given(
    st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)
)
def test_sent_name_of_any_file_survives_the_cloud(name):
    """The reversible escape already covers a base name."""
    assert wire.survives("", sent_name(name))


@given(st.text(alphabet="./\\ab\t\n", max_size=30))
def test_clean_up_applied_twice_changes_nothing_more(path):
    """The predicate rests on a fixpoint."""
    assert wire.cleaned(wire.cleaned(path)) == wire.cleaned(path)


@pytest.mark.parametrize(
    ("etag", "usable"),
    [
        ('"5d41402abc4b2a76b9719d911017c592"', True),
        ("5d41402abc4b2a76b9719d911017c592", True),
        ('W/"x"', True),
        ("", False),
        ('""', False),
        ('"a", "b"', False),
        ('"a\x00"', False),
        ("x" * 300, False),
    ],
)
def test_etag_is_known_quoted_and_bare(etag, usable):
    """Both forms are in use."""
    assert wire.is_etag(etag) is usable


def test_etag_is_compared_only_when_both_are_md5():
    """Under server-side keys an ETag is no MD5, so it proves nothing either way."""
    md5 = "5d41402abc4b2a76b9719d911017c592"

    assert wire.etag_agrees(f'"{md5.upper()}"', md5)
    assert wire.etag_agrees('"0000-2"', md5)
    assert wire.etag_agrees('"' + "0" * 32 + '"', "")
    assert not wire.etag_agrees('"' + "0" * 32 + '"', md5)


NUMBERS = st.integers() | st.floats(allow_nan=True) | st.booleans()
TEXTS = st.text(max_size=20) | st.sampled_from([ID, URL, "PUT", "file", "new", CANARY])
KEYS = st.sampled_from(
    (
        *("id", "access_token", "state", "name", "created_at", "total_files", "links", "file"),
        *("create_blueprint", "method", "url", "headers", "body", "kind", "path", "size"),
        *("completed", "download_secret", "expiry", "records", "package_id", "package_token"),
        *("min_chunk_size", "max_chunk_size", "max_chunks_count", "max_chunk_count", "message"),
        *("errors", "code", "msg", "error", "user", "teams", "token", "subdomain", "email"),
        *("active", "access_limit", "access_limit_enabled", "custom_expiry_default"),
        *("custom_expiry_enabled", "download_limit_default", "max_email_recipients"),
    )
)
TREES = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=20,
)
READERS = {
    "team": wire.team_of,
    "signed_in": wire.signed_in,
    "created_package": wire.created_package,
    "package_seen": wire.package_seen,
    "added_file": wire.added_file,
    "spec": wire.spec,
    "blueprint": wire.blueprint,
    "blueprints": lambda tree: wire.blueprints(tree, start=0, count=1),
    "files_seen": wire.files_seen,
    "created_link": wire.created_link,
    "link_seen": wire.link_seen,
    "portal_id": wire.portal_id,
    "records": wire.records,
}


def said(reader, given):
    """Read and give what CloudGarbled said, "" when it was readable."""
    try:
        reader(given)
    except CloudGarbled as error:
        return str(error)
    return ""


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(tree=TREES)
def test_reader_over_any_json_gives_values_or_says_garbled(reader, tree):
    """Law 1: no other exception escapes, and what it says is one printable line."""
    assert said(reader, tree).isprintable()


@given(st.binary(max_size=200) | TREES.map(lambda tree: json.dumps(tree).encode()))
def test_reader_over_any_bytes_gives_values_or_says_garbled(text):
    """The same for bytes: JSON, XML, refusals and effects."""
    for reader in (reading.parse, wire.multipart_id, reading.acknowledged):
        assert said(reader, text).isprintable()
    code, sentence = refusals.words_of(text)
    assert (code + sentence).isprintable()
    assert len(sentence) <= 200
