"""The calls that need the cloud: the session, its teams, and the share link."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest

from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import Unprocessable
from masv_watch.login import Login
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Caller as Asking
from masv_watch.model import Chunk, Draft, Masv, Secret, Terms, UploadEvent, UploadType
from masv_watch.uploads import Uploads, Wish
from tests.doubles import BodyByReads
from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.api.conftest import Caller
from tests.integration.store.making import claim, file_draft, finalize, must, send_files
from tests.processes import Sandbox, ask, free_port

LOGIN, TEAMS = "/api/v1/login", "/api/v1/teams"
OWNER = Asking(uid=0, is_owner=True)
USER = {"email": "me@example.com", "password": "sandbox"}
TEAM_KEYS = {
    "custom_expiry_default", "custom_expiry_enabled", "download_limit_default",
    "download_limit_enabled", "id", "max_email_recipients", "name", "subdomain",
}  # fmt: skip


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    cloud = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.end()


@pytest.fixture
def build(tmp_path, cloud):
    """Build APIs that are closed at the end: with the right key, another one, or none."""
    built = []

    def build(key=None, api_url=cloud.api):
        secret = None if key is None else Secret(key)
        masv = Masv(api_url=api_url, api_key=secret)
        caller = Caller(tmp_path / str(len(built)), api_url=api_url, masv=masv)
        caller.short = Short(caller.app)
        built.append(caller)
        return caller.short

    build.built = built
    yield build
    for caller in built:
        caller.short.close()
        caller.close()


def test_session_of_a_key_has_its_teams_and_no_user(build, cloud):
    """The cloud does not say whose key it is; the teams are told in every documented key."""
    short = build("sandbox-key")

    answer, teams = short.ask(LOGIN), short.ask(TEAMS)

    assert (answer.status, teams.status) == (200, 200)
    assert answer.tree["user"] == {"email": "", "id": "", "name": ""}
    (team,) = answer.tree["teams"]
    assert teams.tree == [team]
    assert set(team) == TEAM_KEYS
    assert (team["id"], team["subdomain"]) == (cloud.team, "acme")


def test_calls_without_a_session_are_401_in_the_documented_words(build):
    """Code and sentence are those that scripts for masv-agent look for."""
    short = build()

    for path in (LOGIN, TEAMS):
        answer = short.ask(path)

        assert answer.status == 401
        assert said(answer) == (262146, "session is nil")
        assert "POST /api/v1/login" in answer.tree["hint"]


def test_sign_in_begins_a_session(build):
    """The right password gives user and teams, and from then on the session is there."""
    short = build()

    answer = short.ask(LOGIN, "POST", USER)
    session = short.ask(LOGIN)

    assert answer.status == 200
    assert set(answer.tree) == {"user", "teams"}
    assert answer.tree["user"]["email"] == "me@example.com"
    assert set(answer.tree["user"]) == {"email", "id", "name"}
    assert [team["subdomain"] for team in answer.tree["teams"]] == ["acme"]
    assert session.tree == answer.tree


def test_sign_in_with_a_wrong_password_is_401_and_ends_nothing(build):
    """Who is signed in stays so when somebody else mistypes."""
    short = build()
    first = short.ask(LOGIN, "POST", {**USER, "password": "wrong"})
    none = short.ask(LOGIN)
    short.ask(LOGIN, "POST", USER)

    second = short.ask(LOGIN, "POST", {**USER, "email": "other@example.com"})

    assert (first.status, none.status, second.status) == (401, 401, 401)
    assert {said(answer)[0] for answer in (first, none, second)} == {262146}
    assert short.ask(LOGIN).tree["user"]["email"] == "me@example.com"


def test_passwords_and_tokens_are_in_no_answer_and_no_log(build, caplog):
    """Neither the right one nor a wrong one, nor the token that the cloud gave for it."""
    caplog.set_level(logging.DEBUG)
    short = build()

    answers = [
        short.ask(LOGIN, "POST", {**USER, "password": "canary-wrong"}),
        short.ask(LOGIN, "POST", {**USER, "password": ["canary-wrong"]}),
        short.ask(LOGIN, "POST", {"email": "canary\r\n", "password": "canary-wrong"}),
        short.ask(LOGIN, "POST", USER),
        short.ask(LOGIN),
    ]

    token = build.built[0].login.key().reveal()
    told = caplog.text + "".join(answer.body.decode() for answer in answers)
    assert len(token) > 8
    assert "canary" not in told
    assert token not in told
    assert '"sandbox"' not in told


@pytest.mark.parametrize(("path", "method"), [(LOGIN, "GET"), (TEAMS, "GET"), (LOGIN, "POST")])
def test_cloud_that_is_away_is_502(build, path, method):
    """It says that the cloud did not answer, not that somebody is not signed in."""
    short = build("sandbox-key", api_url=f"http://127.0.0.1:{free_port()}")

    answer = short.ask(path, method, USER if method == "POST" else None)

    assert (answer.status, said(answer)[0]) == (502, 1201)


def test_refused_key_is_401_and_says_what_helps(build):
    """The key is wrong: what to correct, without the key."""
    short = build("canary-key-of-nobody")

    answer = short.ask(LOGIN)

    assert (answer.status, said(answer)[0]) == (401, 262146)
    assert "masv.api_key" in answer.tree["hint"]
    assert b"canary" not in answer.body


def test_session_is_asked_of_the_cloud_once_for_many_calls(build, cloud):
    """A page that shows the session again and again costs one call a minute."""
    short = build("sandbox-key")
    before = len(asked(cloud))

    for _ in range(10):
        assert short.ask(LOGIN).status == 200
        assert short.ask(TEAMS).status == 200

    assert len(asked(cloud)) == before + 1


def asked(cloud):
    return [each for each in cloud.witness("requests") if each["path"].endswith("/v1/teams")]


class Content(BodyByReads, io.BytesIO):
    """The bytes of a file as the body of a chunk."""

    def __len__(self):
        return len(self.getbuffer())


def put(cloud, package_id, token):
    """Send one small file into a package."""
    added = cloud.add_file(
        package_id, token, name="A001.mov", path="", last_modified="2026-01-01T00:00:00.000Z"
    )
    one = {"file_id": added.id, "multipart_id": cloud.start_multipart(added.blueprint)}
    (blueprint,) = cloud.chunk_urls(package_id, token, **one, start=0, count=1)
    etag = cloud.put_chunk(blueprint, Content(b"frames"))
    chunks = [Chunk(number=1, size=6, etag=etag, hash="")]
    cloud.close_file(package_id, token, **one, size=6, chunk_size=5 * 2**20, chunks=chunks)


def delivered(build, *, with_token=None):
    """Deliver a real package through the cloud and give its upload, as the sender leaves it."""
    caller = build.built[0]
    store, key = caller.store, Secret("sandbox-key")
    upload_id = store.create_upload(
        Draft(
            hot_folder=None,
            root=b"/",
            name="Day 1",
            message="",
            terms=Terms(type=UploadType.TEAM, recipients=(), team="acme", idle_s=None),
            files=(file_draft(b"srv/A001.mov", size=0),),
        )
    )
    claimed = claim(store, upload_id)
    cloud = CloudClient(caller.http, api_url=caller.settings.masv.api_url)
    package = cloud.create_team_package(
        key, team_id=caller.login.team_id("acme"), name="Day 1", description="", recipients=()
    )
    store.note_package_asked(upload_id, claimed.fence)
    token = package.token if with_token is None else Secret(with_token)
    store.note_package(upload_id, claimed.fence, package.id, token)
    send_files(store, must(store.upload(upload_id)))
    assert store.advance_all_sent(upload_id, claimed.fence)
    put(cloud, package.id, package.token)
    cloud.finalize_package(package.id, package.token)
    store.advance_upload(upload_id, UploadEvent.FINALIZE)
    finalize(store, upload_id)
    return upload_id, package.id


def test_link_of_a_delivered_team_upload_has_the_five_documented_keys(build, cloud):
    """Exactly those of the page, `expiry` in its form, and the link opens."""
    short = build("sandbox-key")
    upload_id, _ = delivered(build)

    answer = short.ask(f"{UPLOADS}/{upload_id}/link", "POST")

    assert answer.status == 200
    assert set(answer.tree) == {"email", "expiry", "locked", "id", "secret"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", answer.tree["expiry"])
    assert answer.tree["locked"] is False
    where = f"/get/{answer.tree['id']}/files?secret={answer.tree['secret']}"
    assert ask(cloud.api, where)[0] == 200


def test_each_call_for_a_link_makes_another_one(build, cloud):
    """As the page says: a link for any desired recipient; the upload itself is not changed."""
    short = build("sandbox-key")
    upload_id, package_id = delivered(build)
    before = build.built[0].store.upload(upload_id)

    links = [short.ask(f"{UPLOADS}/{upload_id}/link", "POST", {}).tree["id"] for _ in range(3)]

    assert len(set(links)) == 3
    assert build.built[0].store.upload(upload_id) == before
    (package,) = [each for each in cloud.witness("packages") if each["id"] == package_id]
    assert {link["id"] for link in package["links"]} == set(links)


def test_link_with_an_old_package_token_is_made_with_a_fresh_one(build):
    """A package outlives its token; its team can read another one."""
    short = build("sandbox-key")
    upload_id, _ = delivered(build, with_token="expired")

    assert short.ask(f"{UPLOADS}/{upload_id}/link", "POST").status == 200


def test_link_of_a_package_that_is_gone_is_409(build, cloud):
    """Somebody deleted it in the cloud; that is said, and nothing is asked again and again."""
    short = build("sandbox-key")
    upload_id, package_id = delivered(build)
    caller = build.built[0]
    client = CloudClient(caller.http, api_url=cloud.api)
    client.delete_package(package_id, caller.store.upload(upload_id).package_token)

    answer = short.ask(f"{UPLOADS}/{upload_id}/link", "POST")

    assert (answer.status, said(answer)[0]) == (409, 1207)


def test_hint_at_the_teams_of_a_session_is_bounded(build, cloud):
    """Whoever belongs to a thousand teams of long names gets a sentence, not a page."""
    build("sandbox-key")
    caller = build.built[0]
    named = tuple(wire.Team(id=str(n), name="", subdomain=f"{n:03}" + "x" * 500) for n in range(99))
    user = wire.User(id="1", email="me@example.com", name="Me")
    signed = wire.SignedIn(user=user, teams=named, token=wire.UserToken("a-user-token"))
    login = Login(
        CloudClient(caller.http, api_url=cloud.api),
        Masv(api_url=cloud.api),
        clock=SystemClock(),
        metrics=Metrics(),
        remembered=json.dumps({"api_url": cloud.api, **wire.sign_in_answer(signed)}),
    )
    uploads = Uploads(caller.store, auth_until=lambda: None, login=login)

    with pytest.raises(Unprocessable) as caught:
        uploads.ask(Wish(type=UploadType.TEAM, paths=(b"/srv",), team="acme"), OWNER)

    hint = caught.value.hint
    assert hint.startswith("name one of its teams: 000xxx")
    assert [len(name) for name in hint.partition(": ")[2].split(", ")] == [64] * 20
