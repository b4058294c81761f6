"""Uploads by call: what is made of a call, and that a repeated one makes no second upload."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from pathlib import Path

import pytest

from masv_watch.model import Masv, UploadState, UploadType
from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.api.conftest import Caller
from tests.integration.api.listening import JSON, STRANGER, curl
from tests.processes import Sandbox, ask
from tests.waiting import eventually

PORTALS = "/api/v1/portals/uploads"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.end()


@pytest.fixture
def desk(tmp_path):
    """Give an API and a card to send, with what is never sent beside it."""
    caller = Caller(tmp_path / "daemon")
    caller.short = Short(caller.app)
    caller.card = tmp_path / "CARD_A"
    for name in ("A001.mov", "sub/A002.mov", "sub/.DS_Store", "desktop.ini"):
        file = caller.card / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    caller.note = tmp_path / "note.pdf"
    caller.note.write_bytes(b"note")
    caller.team = {"subdomain": "acme", "paths": [str(caller.card), str(caller.note)]}
    yield caller
    caller.short.close()
    caller.close()


def made(desk, tree, path=UPLOADS, key=None):
    """Create an upload and give its row."""
    headers = [] if key is None else [("Idempotency-Key", key)]
    answer = desk.short.ask(path, "POST", tree, headers=headers)
    assert answer.status == 201, answer.body
    return desk.store.upload(answer.tree["upload_id"])


def test_create_of_the_documented_page_makes_an_upload(desk):
    """Its body word for word but for the paths: 201, one key, and where the upload is."""
    answer = desk.ask(
        UPLOADS,
        "POST",
        {
            "subdomain": "acme",
            "paths": [str(desk.card), str(desk.note)],
            "package_name": "Optional package name",
            "package_description": "Optionali package description",
            "recipients": ["someone@example.com", "Someone@Example.com"],
            "password": "optional_download_password",
        },
    )

    assert answer.status == 201
    assert set(answer.tree) == {"upload_id"}
    upload_id = answer.tree["upload_id"]
    assert uuid.UUID(upload_id).version == 4
    assert answer.headers["Location"] == f"{UPLOADS}/{upload_id}"
    upload = desk.store.upload(upload_id)
    assert (upload.name, upload.message) == (
        "Optional package name",
        "Optionali package description",
    )
    assert upload.terms.recipients == ("someone@example.com",)
    told = desk.short.ask(f"{UPLOADS}/{upload.id}").tree["to"]
    assert told == ["someone@example.com"]
    assert upload.password.reveal() == "optional_download_password"
    assert upload.state is UploadState.TRANSFERRING


def test_create_walks_folders_and_keeps_their_names(desk):
    """A folder brings its own name, ignored names stay out and are counted."""
    upload = made(desk, desk.team)

    details = desk.short.ask(f"{UPLOADS}/{upload.id}").tree

    assert {file["path"] for file in details["files"]} == {
        "CARD_A/A001.mov",
        "CARD_A/sub/A002.mov",
        "note.pdf",
    }
    assert details["size"] == sum(file["size"] for file in details["files"])
    assert details["package_name"] == "CARD_A and 1 more"
    assert details["to"] == ["nobody"]
    assert any("desktop.ini" in reason for reason in details["skipped"])


def test_create_for_a_portal_needs_no_session(tmp_path, desk):
    """Nobody is signed in: a portal takes it all the same, a team is refused with 262146."""
    caller = Caller(tmp_path / "other", masv=Masv(api_url="http://127.0.0.1:9"))
    short = Short(caller.app)
    portal = {
        "subdomain": "vault",
        "sender_email": "dit@example.com",
        "paths": [str(desk.note)],
        "access_code": "open-sesame",
    }

    team = short.ask(UPLOADS, "POST", desk.team)
    answer = short.ask(PORTALS, "POST", portal)

    assert (team.status, said(team)) == (401, (262146, "session is nil"))
    assert answer.status == 201
    (upload,) = caller.store.uploads()
    assert upload.terms.type is UploadType.PORTAL
    assert (upload.terms.portal, upload.terms.sender) == ("vault", "dit@example.com")
    assert upload.access_code.reveal() == "open-sesame"
    short.close()
    caller.close()


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ({"subdomain": "acme"}, 201),
        ({"subdomain": "ACME"}, 201),
        ({"team_id": "TEAM"}, 201),
        ({"subdomain": "acme", "team_id": None}, 201),
        ({"subdomain": "other"}, 422),
        ({"team_id": "other"}, 422),
        ({}, 422),
        ({"subdomain": None}, 422),
        ({"subdomain": "acme", "team_id": "TEAM"}, 422),
    ],
)
def test_create_names_one_team_of_the_session(tmp_path, cloud, desk, names, status):
    """Once the session's teams are known, another one is refused and the known ones are named."""
    caller = Caller(tmp_path / "other", api_url=cloud.api)
    short = Short(caller.app)
    names = {name: cloud.team if one == "TEAM" else one for name, one in names.items()}
    assert short.ask("/api/v1/teams").status == 200

    answer = short.ask(UPLOADS, "POST", {**names, "paths": [str(desk.note)]})

    assert answer.status == status
    if status == 422:
        assert answer.tree["field"] == "subdomain"
        assert "acme" in answer.tree["hint"] or "once" in answer.tree["hint"]
    short.close()
    caller.close()


def test_create_keeps_chunk_size_and_priority(desk):
    """Both count from the first byte on; a whole number may be written with a point."""
    upload = made(desk, {**desk.team, "chunk_size": 104857600, "priority": -3.0})

    assert (upload.chunk_size, upload.priority) == (104857600, -3)


@pytest.mark.parametrize(("switch", "idle_s"), [(False, None), (True, 0.0)])
def test_create_waits_for_its_finalize_unless_the_switch_is_on(tmp_path, desk, switch, idle_s):
    """An upload by call stays idle until somebody finalizes it; `auto_finalize` does it at once."""
    caller = Caller(tmp_path / "other", auto_finalize=switch)
    short = Short(caller.app)

    assert short.ask(UPLOADS, "POST", desk.team).status == 201

    assert caller.store.uploads()[0].terms.idle_s == idle_s
    short.close()
    caller.close()


def test_repeated_create_gives_the_first_upload_whatever_became_of_it(desk):
    """The same key and body: also when the source is gone, and when the upload is deleted."""
    first = made(desk, desk.team, key="k-1")
    at_once = made(desk, desk.team, key="k-1")
    shutil.rmtree(desk.card)
    without_source = made(desk, desk.team, key="k-1")
    desk.short.ask(f"{UPLOADS}/{first.id}", "DELETE")

    answer = desk.short.ask(UPLOADS, "POST", desk.team, headers=[("Idempotency-Key", "k-1")])

    assert first.id == at_once.id == without_source.id
    assert (answer.status, answer.tree) == (201, {"upload_id": first.id})
    assert answer.headers["Location"] == f"{UPLOADS}/{first.id}"
    assert desk.short.ask(UPLOADS).tree == []


def test_repeated_create_with_the_keys_of_its_body_in_another_order_is_the_same(desk):
    """What counts is what is asked for, not how it is written."""
    first = made(desk, desk.team, key="k")
    turned = dict(reversed([*desk.team.items(), ("priority", 0), ("package_name", None)]))

    assert made(desk, turned, key="k").id == first.id


@pytest.mark.parametrize(
    "other",
    [
        {"priority": 1},
        {"package_name": "x"},
        {"package_description": "x"},
        {"password": "x"},
        {"recipients": ["a@example.com"]},
        {"chunk_size": 7_000_000},
        {"subdomain": "other"},
        {"paths": ["/nowhere"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_key_of_another_create_is_refused(desk, other):
    """422, whichever field differs; neither is a second upload made nor the first one given."""
    made(desk, desk.team, key="k")
    headers = [("Idempotency-Key", "k")]

    answer = desk.short.ask(UPLOADS, "POST", {**desk.team, **other}, headers=headers)

    assert (answer.status, said(answer)[0]) == (422, 1509)
    assert "Idempotency-Key" in answer.tree["message"]
    assert len(desk.store.uploads()) == 1


def test_key_of_a_team_create_is_no_key_of_a_portal_create(desk):
    """The two calls differ, so the second is another call under the same key."""
    made(desk, desk.team, key="k")
    tree = {**desk.team, "sender_email": "dit@example.com"}

    answer = desk.short.ask(PORTALS, "POST", tree, headers=[("Idempotency-Key", "k")])

    assert answer.status == 422


def test_key_of_a_refused_create_may_be_used_again(desk):
    """What made nothing takes no key: the caller corrects his call and sends it again."""
    headers = [("Idempotency-Key", "k")]
    wrong = desk.short.ask(UPLOADS, "POST", {**desk.team, "paths": ["/no"]}, headers=headers)

    assert wrong.status == 404
    assert made(desk, desk.team, key="k")


def test_create_without_a_key_makes_another_upload_each_time(desk):
    """Only a key tells a repeat from a second wish."""
    assert made(desk, desk.team).id != made(desk, desk.team).id


def test_twins_at_the_same_time_make_one_upload(desk):
    """Eight callers at once with one key: whoever finds a place gets 201 and the same id."""
    answers, gate = [], threading.Barrier(8)

    def tried():
        answer = desk.ask(UPLOADS, "POST", desk.team, headers=["Idempotency-Key: twin"])
        return None if answer.status == 503 else answer

    def create():
        gate.wait()
        answers.append(eventually(tried))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status for answer in answers] == [201] * 8
    assert len({answer.tree["upload_id"] for answer in answers}) == 1
    assert len(desk.store.uploads()) == 1


@needs_root
def test_key_of_another_user_is_another_key():
    """Two users who count alike do not get each other's uploads."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    file = folder / "note.pdf"
    file.write_bytes(b"note")
    caller = Caller(
        folder / "daemon", trusted_users=(str(STRANGER),), allowed_roots=(bytes(folder),)
    )
    body = f'{{"subdomain": "acme", "paths": ["{file}"]}}'
    call = ("-H", JSON, "-H", "Idempotency-Key: 1", "-d", body, f"{caller.url}{UPLOADS}")

    answers = [curl(*call, uid=uid) for uid in (None, STRANGER, None, STRANGER)]

    assert [status for status, _ in answers] == [201] * 4
    ids = [tree["upload_id"] for _, tree in answers]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]
    assert ids[0] != ids[1]
    caller.close()
    shutil.rmtree(folder)


def test_secrets_of_a_create_are_in_no_answer(desk):
    """Password and access code are kept, and shown to nobody."""
    made(desk, {**desk.team, "password": "canary-1"})
    portal = {**desk.team, "sender_email": "dit@example.com", "access_code": "canary-2"}
    made(desk, portal, PORTALS)

    for upload in desk.store.uploads():
        for path in (UPLOADS, f"{UPLOADS}/{upload.id}"):
            assert "canary" not in str(ask(desk.url, path))
