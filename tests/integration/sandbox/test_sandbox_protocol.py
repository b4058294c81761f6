"""The control plane against the facts of cloud-api.md; each test cites the mark of its fact."""

from __future__ import annotations

import base64
import json
import re

import pytest

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
NO_SUCH_ID = "01D2TMG9F0J6JD5SJ55NY27MXJ"


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def assert_refused(answer, status, text=""):
    body = answer.json()
    assert answer.status_code == status, answer.text
    assert set(body) == {"code", "message", "errors"}
    assert text in body["message"]


def test_auth_good_password_opens_the_team(sandbox):
    """The user token of /auth lists teams [docs-tokens]."""
    body = {"email": "me@example.com", "password": "sandbox"}
    answer = sandbox.call("POST", "/v1/auth", json=body)

    assert answer.status_code == 200
    assert answer.json()["teams"][0]["id"] == sandbox.team
    assert claims(answer.json()["token"])["sub"] == answer.json()["user"]["id"]
    token = {"X-User-Token": answer.json()["token"]}
    teams = sandbox.call("GET", "/v1/teams", headers=token).json()
    assert [(team["id"], team["subdomain"]) for team in teams] == [(sandbox.team, "acme")]


@pytest.mark.parametrize("body", [{"email": "me@example.com", "password": "x"}, {}])
def test_auth_wrong_or_empty_is_refused(sandbox, body):
    """A wrong password is 401, a missing one 400, both in the default error form [docs-tut]."""
    assert_refused(sandbox.call("POST", "/v1/auth", json=body), 401 if body else 400)


def test_api_key_unknown_is_401_and_made_one_works(sandbox):
    """A key is made with the user token and shown once [docs-keys]."""
    assert_refused(sandbox.call("GET", "/v1/teams", key="nope"), 401, "session is nil")
    body = {"email": "me@example.com", "password": "sandbox"}
    token = sandbox.call("POST", "/v1/auth", json=body).json()["token"]
    made = sandbox.call(
        "POST",
        f"/v1/teams/{sandbox.team}/api_keys",
        headers={"X-User-Token": token},
        json={"name": "n", "state": "active"},
    )

    assert made.status_code == 201
    assert sandbox.call("GET", "/v1/teams", key=made.json()["key"]).status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/finalize"), ("PUT", "/expiry")])
def test_content_type_not_json_is_415(package, kind, method, path):
    """Every POST and PUT needs application/json, bodyless ones too [docs-start]."""
    answer = package.call(method, path, headers={"Content-Type": kind}, data=b"{}")

    assert_refused(answer, 415, "unsupported Content-Type")


def test_content_type_with_charset_is_accepted(package):
    """A charset parameter does no harm."""
    kind = {"Content-Type": "application/json; charset=utf-8"}

    assert package.call("POST", "/links", headers=kind, data=b"{}").status_code == 201


def test_team_package_created_has_the_known_shape(sandbox):
    """Create answers 201 with id, a full token and the union of samples [docs-pkg]."""
    answer = sandbox.call(
        "POST",
        f"/v1/teams/{sandbox.team}/packages",
        key="sandbox-key",
        json={"name": "Day 1", "recipients": ["a@example.com"], "access_limit": 3, "later": 1},
    )
    shown = answer.json()

    assert answer.status_code == 201
    assert ULID.fullmatch(shown["id"])
    assert (shown["state"], shown["access_limit"]) == ("new", 3)
    found = claims(shown["access_token"])
    assert set(found) == {"exp", "imp", "lvl", "sub", "typ", "uid"}
    assert (found["lvl"], found["sub"], found["typ"]) == ("f", shown["id"], "package")


def test_team_package_read_again_mints_a_token_that_works(package):
    """Reading the package is the way to renew a token [mcp packages.ts:194-197]."""
    sandbox = package.sandbox
    path = f"/v1.1/teams/{sandbox.team}/packages/{package.id}"
    shown = sandbox.call("GET", path, key="sandbox-key").json()

    assert package.call("GET", "/files", token=shown["access_token"]).json() == []


def test_team_lists_paged_and_legacy_show_their_defaults(sandbox):
    """v1.1 pages finalized ones; v1 is a bare array with switches [docs-pkg, docs-legacy]."""
    for number in range(3):
        package = sandbox.package(name=f"Paged {number}")
        package.send()
        package.finalize()
    path = f"/v1.1/teams/{sandbox.team}/packages"
    page = sandbox.call("GET", f"{path}?limit=2&page=2&name=paged&sort=name", key="sandbox-key")
    fresh = sandbox.package(name="Paged new")
    new = sandbox.call("GET", f"{path}?status=new,expired&name=paged", key="sandbox-key").json()
    legacy = sandbox.call(
        "GET",
        f"/v1/teams/{sandbox.team}/packages?new=true&finalized=false&expired=false",
        key="sandbox-key",
    ).json()

    assert page.json()["metadata"] == {"total": 3}
    assert [row["name"] for row in page.json()["records"]] == ["Paged 2"]
    assert [row["id"] for row in new["records"]] == [fresh.id]
    assert fresh.id in {row["id"] for row in legacy}
    assert {row["state"] for row in legacy} == {"new"}


def test_team_list_bad_paging_is_400(sandbox):
    """A limit beyond the schema is refused [docs-pkg]."""
    path = f"/v1.1/teams/{sandbox.team}/packages?limit=101"

    assert_refused(sandbox.call("GET", path, key="sandbox-key"), 400, "limit")


def test_portal_lookup_needs_no_auth_and_unknown_is_404(sandbox):
    """A portal is found by its subdomain without auth [docs-js]; unknown is 404 [inferred]."""
    found = sandbox.call("GET", "/v1/subdomains/portals/vault").json()

    assert ULID.fullmatch(found["id"])
    assert found["has_access_code"] is True
    assert "access_code" not in found
    assert_refused(sandbox.call("GET", "/v1/subdomains/portals/nowhere"), 404)


def test_portal_package_open_portal_takes_sender_and_name(sandbox):
    """The key is `sender`, and the package lands in the inbox [docs-js]."""
    path = f"/v1/portals/{sandbox.portal('dailies')}/packages"
    answer = sandbox.call("POST", path, json={"name": "Cards", "sender": "dit@example.com"})
    inbox = f"/v1.1/teams/{sandbox.team}/inbox?status=new"
    records = sandbox.call("GET", inbox, key="sandbox-key").json()["records"]
    seen = next(p for p in sandbox.witness("packages") if p["id"] == answer.json()["id"])

    assert answer.status_code == 201
    assert answer.json()["access_token"]
    assert answer.json()["id"] in {row["id"] for row in records}
    assert (seen["portal"], seen["sender"]) == ("dailies", "dit@example.com")


@pytest.mark.parametrize("body", [{"name": "x"}, {"sender": "a@b.c"}, {"name": 1, "sender": "a@b"}])
def test_portal_package_without_sender_or_name_is_400(sandbox, body):
    """Both are required [docs-js]."""
    path = f"/v1/portals/{sandbox.portal('dailies')}/packages"

    assert_refused(sandbox.call("POST", path, json=body), 400)


@pytest.mark.parametrize(
    ("code", "status"), [(None, 403), ("wrong", 403), ("", 403), ("open-sesame", 201)]
)
def test_portal_package_code_wrong_or_missing_is_403(sandbox, code, status):
    """The code travels in the body (decision N1)."""
    body = {"name": "x", "sender": "a@b.c", **({} if code is None else {"access_code": code})}
    answer = sandbox.call("POST", f"/v1/portals/{sandbox.portal('vault')}/packages", json=body)

    assert answer.status_code == status
    if status == 403:
        assert_refused(answer, 403, "access code")


def test_file_added_answers_blueprint_and_limits(package):
    """The answer has file, create_blueprint and limits [docs-upload, 3p six of six]."""
    added = package.add("big.mov").added

    assert ULID.fullmatch(added["file"]["id"])
    assert set(added["create_blueprint"]) == {"method", "url", "headers", "body"}
    limits = (added["min_chunk_size"], added["max_chunk_size"], added["max_chunks_count"])
    assert limits == (5 << 20, 5 << 30, 10_000)
    spec = package.sandbox.call("GET", "/v1/system/packages/spec").json()
    assert spec["max_chunk_count"] == 10_000


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("", ""),
        ("sub/", "sub"),
        ("/a\\b/", "a/b"),
        ("../../a", "a"),
        ("....//a", "a"),
        ("a\tb\nc", "abc"),
        ("dürer/日", "dürer/日"),
    ],
)
def test_file_path_is_cleaned_as_documented(package, sent, kept):
    """Backslash, ../, outer slashes, tabs and newlines are cleaned [docs-chars]."""
    added = package.add(path=sent).added

    assert added["file"]["path"] == kept
    assert package.call("GET", "/files").json()[0]["path"] == kept
    assert package.seen()["files"][0]["path"] == sent


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "file"},
        {"kind": "file", "name": ""},
        {"kind": "file", "name": "/"},
        {"kind": "file", "name": 7},
        {"kind": "file", "name": "a", "path": None, "last_modified": "yesterday"},
        {"kind": "directory", "name": "a"},
        {"kind": "file", "name": "a", "path": ["x"]},
    ],
)
def test_file_add_malformed_is_400(package, body):
    """What cannot be a file is refused."""
    assert_refused(package.call("POST", "/files", json=body), 400)


def test_file_list_shows_completed_and_zips_after_finalize(package):
    """Zip entries appear after finalize; count only kind file [docs-dl]."""
    package.send(b"abc", "a.mov", last_modified="2024-01-01T00:00:00.000Z")
    before = package.call("GET", "/files").json()
    package.finalize()
    after = package.call("GET", "/files").json()

    assert [(row["kind"], row["completed"], row["size"]) for row in before] == [("file", True, 3)]
    assert before[0]["last_modified"] == "2024-01-01T00:00:00.000Z"
    assert {row["kind"] for row in after} == {"file", "zip_windows", "zip_macos"}


def test_file_deleted_is_gone_and_package_can_finalize(package):
    """A file can be removed until finalize [inferred from docs-upload]."""
    package.send(name="keep")
    orphan = package.add("orphan")

    assert package.call("DELETE", f"/files/{orphan.id}").status_code == 204
    assert_refused(package.call("DELETE", f"/files/{orphan.id}"), 404)
    assert package.finalize().status_code == 200


@pytest.mark.parametrize("token", [None, "x", "a.b.c", "ä.b.c"])
def test_package_token_bad_is_401(package, token):
    """A token that is none is 401 [3p-android]."""
    headers = {"X-Package-Token": token.encode()} if token else {}
    path = f"/v1/packages/{package.id}"

    assert_refused(package.sandbox.call("GET", path, headers=headers), 401)


def test_package_token_forged_or_foreign_is_401(sandbox, package):
    """The signature and the subject of a token are checked."""
    header, payload, signature = package.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()

    for token in (
        f"{header}.{payload}.{signature[::-1]}",
        f"{none}.{payload}.",
        sandbox.package().token,
    ):
        assert_refused(package.call("GET", token=token), 401)


def test_package_token_expired_is_401(spawn):
    """An expired token is 401, and reading again does not help with a lifetime of zero."""
    package = spawn("--token-lifetime", "0").package()

    assert_refused(package.call("GET"), 401, "expired")


def test_package_get_by_token_shows_state(package):
    """The package answers its state to its token (N7) [inferred]."""
    shown = package.call("GET").json()

    assert (shown["id"], shown["state"]) == (package.id, "new")


def test_package_deleted_is_archived_and_404_afterwards(package):
    """Delete answers 204; later calls are 404 [mcp packages.ts:327-341]."""
    file = package.add()
    file.open()
    url = file.url()

    assert package.call("DELETE").status_code == 204
    assert package.seen()["state"] == "archived"
    assert_refused(package.call("GET"), 404)
    assert_refused(package.call("DELETE"), 404)
    assert_refused(package.call("POST", "/files", json={"kind": "file", "name": "x"}), 404)
    assert package.sandbox.session.put(url, data=b"x").status_code == 404


def test_package_expiry_passed_expires_it(package):
    """PUT expiry takes a time or unlimited storage [mcp packages.ts:273-308]."""
    package.send()
    package.finalize()
    past = {"unlimited_storage": False, "expiry": "2020-01-01T00:00:00.000Z"}

    assert package.call("PUT", "/expiry", json=past).json()["state"] == "expired"
    assert package.call("PUT", "/expiry", json={"unlimited_storage": True}).json()["state"] == (
        "finalized"
    )
    assert_refused(package.call("PUT", "/expiry", json={"expiry": "soon"}), 400)


def test_unknown_route_and_method_are_json(sandbox):
    """Errors are never HTML (section J)."""
    assert_refused(sandbox.call("GET", "/v1/nothing"), 404)
    assert_refused(sandbox.call("DELETE", "/v1/teams"), 405)
    assert_refused(sandbox.call("GET", f"/v1/packages/{NO_SUCH_ID}"), 401)
