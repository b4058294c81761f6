"""What later versions of masv-agent added to the page's calls: fields, switch and session."""

from __future__ import annotations

import pytest

from tests.integration.page.station import MIB, Station, sparse
from tests.waiting import eventually

NOBODY = {"code": 262146, "message": "session is nil"}
USER = {"email": "me@example.com", "password": "sandbox"}


@pytest.fixture(scope="module")
def station(tmp_path_factory):
    """A daemon that has no key and finalizes by itself; one test after the other signs in."""
    station = Station(tmp_path_factory.mktemp("later"), masv="", server=", auto_finalize: true")
    try:
        station.start()
        yield station
    finally:
        station.close()


@pytest.fixture
def signed_in(station):
    """A session by the user's own sign-in."""
    answer = station.call("POST", "/login", USER)
    assert answer.status == 200, answer.text
    return answer.tree


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "take.mov"
    source.write_bytes(b"take")
    return source


def puts(station, package_id):
    return [put["part"] for put in station.sandbox.witness("puts")
            if put["package"] == package_id]  # fmt: skip


def test_session_is_asked_for_by_the_calls_that_need_one(station, source):
    """Without a key nobody is signed in: code 262146 in masv-agent's words, and nothing is made."""
    body = {"subdomain": "acme", "paths": [str(source)]}

    answers = [
        station.call("POST", "/uploads", body),
        station.call("GET", "/login"),
        station.call("GET", "/teams"),
    ]

    for answer in answers:
        assert answer.status == 401, answer.text
        assert NOBODY.items() <= answer.tree.items()
    assert [each for each in station.listed() if each["type"] == "team"] == []


def test_portal_upload_needs_no_session_and_is_finalized_by_the_switch(station, source):
    """With `auto_finalize` the call for it is not awaited."""
    body = {
        "subdomain": "dailies",
        "sender_email": "dit@example.com",
        "paths": [str(source)],
        "priority": 3,
    }

    answer = station.call("POST", "/portals/uploads", body)

    details = station.until(answer.tree["upload_id"], "complete")
    package = station.package(details["package_id"])
    assert answer.status == 201
    assert details["priority"] == 3
    assert (package["portal"], package["finalize_calls"]) == ("dailies", 1)


def test_session_by_wrong_password_is_refused_and_by_the_right_one_lists_the_teams(station):
    """The answer has the page's names; it holds neither password nor token."""
    wrong = station.call("POST", "/login", {**USER, "password": "sandbax"})
    right = station.call("POST", "/login", USER)
    shown = station.call("GET", "/login")
    teams = station.call("GET", "/teams")

    assert wrong.status == 401
    assert right.status == shown.status == teams.status == 200
    assert right.tree == shown.tree
    assert set(shown.tree) == {"user", "teams"}
    assert shown.tree["user"]["email"] == USER["email"]
    assert [team["subdomain"] for team in teams.tree] == ["acme"]
    assert "sandbax" not in wrong.text
    assert USER["password"] not in right.text.replace(USER["email"], "")


def test_team_upload_takes_team_id_chunk_size_and_priority(station, signed_in, tmp_path):
    """The team by its id, chunks of the size that was asked, and whose turn it is."""
    large = sparse(tmp_path / "large.mov", 25 * MIB)
    (team,) = signed_in["teams"]
    body = {
        "team_id": team["id"],
        "paths": [str(large)],
        "chunk_size": 10 * MIB,
        "priority": 7,
    }

    answer = station.call("POST", "/uploads", body)

    details = station.until(answer.tree["upload_id"], "complete")
    assert answer.status == 201
    assert details["priority"] == 7
    assert sorted(puts(station, details["package_id"])) == [1, 2, 3]
    assert station.package(details["package_id"])["finalize_calls"] == 1


def test_team_upload_of_a_foreign_or_doubly_named_team_is_refused(station, signed_in, source):
    """422 that names the field and the teams there are."""
    paths = [str(source)]
    before = station.listed()

    foreign = station.call("POST", "/uploads", {"subdomain": "other", "paths": paths})
    both = station.call("POST", "/uploads", {"subdomain": "acme", "team_id": "x1", "paths": paths})
    none = station.call("POST", "/uploads", {"paths": paths})

    assert [foreign.status, both.status, none.status] == [422, 422, 422]
    assert "acme" in foreign.error[1]
    assert {answer.tree["field"] for answer in (foreign, both, none)} == {"subdomain"}
    assert station.listed() == before


def test_upload_of_a_folder_leaves_out_what_is_always_ignored(station, signed_in, tmp_path):
    """The names that masv-agent ignores are not sent, and the details say so."""
    card = tmp_path / "CARD"
    (card / ".Spotlight-V100").mkdir(parents=True)
    ignored = ["desktop.ini", ".DS_Store", ".fcpcache", "half.part", "._a.mov"]
    for name in ("a.mov", ".hidden", ".Spotlight-V100/store.db", *ignored):
        (card / name).write_bytes(b"x")

    upload_id = station.create(card)

    details = station.until(upload_id, "complete")
    files = station.package(details["package_id"])["files"]
    assert sorted(file["name"] for file in files) == [".hidden", "a.mov"]
    for name in (*ignored, ".Spotlight-V100"):
        assert any(name in line for line in details["skipped"]), details["skipped"]


def test_idle_upload_takes_more_files_before_its_finalize(station, signed_in, source, tmp_path):
    """What is added is sent into the same package; a complete upload takes none (409)."""
    station.reload(server="")
    more = tmp_path / "more.mov"
    more.write_bytes(b"more")
    upload_id = station.create(source)
    station.until(upload_id, "idle")

    added = station.call("POST", f"/uploads/{upload_id}/files", {"paths": [str(more)]})

    details = eventually(
        lambda: (found := station.show(upload_id))["state"] == "idle"
        and found["files_total"] == 2 and found, within=20, every=0.05,
    )  # fmt: skip
    finalized = station.call("POST", f"/uploads/{upload_id}/finalize")
    station.until(upload_id, "complete")
    late = station.call("POST", f"/uploads/{upload_id}/files", {"paths": [str(more)]})
    package = station.package(details["package_id"])
    assert (added.status, added.tree["state"]) == (200, "transferring")
    assert finalized.status == 200
    assert sorted(file["name"] for file in package["files"]) == ["more.mov", "take.mov"]
    assert all(file["completed"] for file in package["files"])
    assert (late.status, late.tree["state"]) == (409, "complete")
    assert "files" not in late.tree["allowed"]


def test_repeated_create_with_its_key_makes_one_upload(station, signed_in, source):
    """The same Idempotency-Key and body give the first id; another body is refused."""
    body = {"subdomain": "acme", "paths": [str(source)]}
    key = ("-H", "Idempotency-Key: take-1")

    first = station.call("POST", "/uploads", body, *key)
    second = station.call("POST", "/uploads", body, *key)
    other = station.call("POST", "/uploads", {**body, "priority": 1}, *key)

    ids = [each["upload_id"] for each in station.listed()]
    assert first.headers["location"] == [f"/api/v1/uploads/{first.tree['upload_id']}"]
    assert second.tree == first.tree
    assert ids.count(first.tree["upload_id"]) == 1
    assert other.status == 422
