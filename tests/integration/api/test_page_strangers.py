"""Who may open the page, and what of it he sees: never more than he may read himself (P8)."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path

import pytest

from masv_watch.model import Auth, Draft, DropState, Rule, Terms, To, UploadState, UploadType
from masv_watch.uploads import FolderSight
from tests.integration.api.calling import Short
from tests.integration.api.conftest import Caller
from tests.integration.api.listening import JSON, STRANGER, curl
from tests.integration.api.looking import Page, page_of
from tests.integration.store import making

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")


@pytest.fixture
def build(tmp_path):
    built = []

    def build(**settings):
        built.append(Caller(tmp_path / str(len(built)), **settings))
        return built[-1]

    yield build
    for caller in built:
        caller.close()


def upload(desk, name, reader):
    draft = Draft(
        hot_folder=None, root=b"/", name=name, message="", reader=reader,
        terms=Terms(type=UploadType.TEAM, recipients=(), idle_s=None),
        files=(making.file_draft(b"srv/%s.mov" % name.encode()),),
    )  # fmt: skip
    return desk.store.create_upload(draft)


def basic(password, user="anybody"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Served:
    """What curl got of a page."""

    def __init__(self, body):
        self.body = body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.fixture
def shared(build):
    """Give an API that a second user is trusted to call, with uploads of both and a hot folder."""
    desk = build(trusted_users=(str(STRANGER),))
    rule = Rule(name="secret-project", path=b"/srv/secret", to=To(recipients=()))
    desk.sights = [FolderSight(rule=rule, reason="", last_sweep=1.0, notifications="on")]
    held = desk.store.see_drop("secret-project", b"held-card")
    desk.held = held.id
    desk.folder_upload = making.bring_upload(desk.store, UploadState.TRANSFERRING, b"dropped").id
    desk.his = upload(desk, "of-the-second-user", STRANGER)
    desk.other = upload(desk, "of-a-third-user", STRANGER + 1)
    desk.ours = upload(desk, "of-the-owner", None)
    desk.short = Short(desk.app)
    yield desk
    desk.short.close()


@needs_root
def test_second_user_sees_only_his_own(shared):
    """No upload of others, no hot folder, no drop, no name of any, in no view and no count."""
    status, body = curl(f"{shared.url}/", uid=STRANGER)
    page = Page(Served(body))

    assert status == 200
    assert [link for link in page.links if "/page/" in link] == [f"/page/uploads/{shared.his}"]
    assert "All 1" in page.text
    for name in ("secret", "held-card", "dropped", "third-user", "of-the-owner", "dailies"):
        assert name not in body
    for query in ("?q=of-", "?q=.mov", "?show=transferring", "?only=live"):
        found = Page(Served(curl(f"{shared.url}/{query}", uid=STRANGER)[1]))
        assert {link for link in found.links if "/page/" in link} == {f"/page/uploads/{shared.his}"}
    assert curl(f"{shared.url}/page/uploads/{shared.his}", uid=STRANGER)[0] == 200
    answers = {
        each: curl(f"{shared.url}/page/uploads/{each}", uid=STRANGER)
        for each in (shared.other, shared.ours, shared.folder_upload)
    }
    assert {status for status, _ in answers.values()} == {404}
    # the owner sees all of them
    assert len([link for link in page_of(shared).links if "/page/uploads" in link]) == 4


@needs_root
def test_second_user_presses_only_buttons_of_his_own(shared):
    """With a right token of a page of his own; one of the owner's page is none of his."""
    token = Page(Served(curl(f"{shared.url}/", uid=STRANGER)[1])).token

    def press(target, shown=token):
        call = ("-X", "POST", "-H", JSON, "-H", f"X-Page-Token: {shown}", "-d", "{}")
        return curl(*call, f"{shared.url}/page/{target}", uid=STRANGER)[0]

    for upload_id in (shared.other, shared.ours, shared.folder_upload):
        assert press(f"uploads/{upload_id}/pause") == 404
        assert press(f"uploads/{upload_id}/link") == 404
        assert press(f"uploads/{upload_id}/cancel") == 404
        assert shared.store.upload(upload_id).state is UploadState.TRANSFERRING
    for verb in ("pause", "adopt", "seed", "release", "finalize"):
        assert press(f"hot_folders/secret-project/{verb}") == 403
    for verb in ("release", "hold", "cancel", "rebind", "resend"):
        assert press(f"drops/{shared.held}/{verb}") == 403
    assert shared.store.drop(shared.held).state is DropState.SETTLING
    assert press(f"uploads/{shared.his}/pause", page_of(shared).token) == 403
    assert shared.store.upload(shared.his).state is UploadState.TRANSFERRING
    assert press(f"uploads/{shared.his}/pause") == 200
    assert shared.store.upload(shared.his).state is UploadState.PAUSED
    assert shared.store.paused_folders() == {}


@needs_root
def test_stranger_is_told_who_he_is_and_gets_nothing(build):
    """As a page, with what to write where, and so that a browser asks for the token."""
    desk = build()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        head = f"{folder}/head"
        status, body = curl("-D", head, f"{desk.url}/", uid=STRANGER)
        fields = Path(head).read_text()

    assert status == 401
    assert "Who is looking?" in body
    assert f"User {STRANGER} may not call masv-watch here" in body
    assert f"Add {STRANGER} to server.trusted_users in the configuration and reload, or" in body
    assert "give the token as the password" in body
    assert 'Www-Authenticate: Basic realm="masv-watch"' in fields


def test_token_opens_the_page_as_a_password(build):
    """The only way in which a browser can show it; any user name will do."""
    desk = build(auth=Auth.TOKEN)
    token = desk.token.reveal()

    def look(*headers, path="/"):
        return desk.call(path, headers=[f"Authorization: {each}" for each in headers]).status

    assert look() == 401
    assert look(basic(token)) == look(basic(token, user="")) == look(f"Bearer {token}") == 200
    for wrong in (
        basic(token + "x"), basic(""), basic("", user=token), "Basic", "Basic %%%",
        "Basic " + base64.b64encode(token.encode()).decode(), f"Digest {token}",
    ):  # fmt: skip
        assert look(wrong) == 401, wrong


@pytest.mark.parametrize("path", ["/api/v1/uploads", "/metrics", "/page", "/pages/x"])
def test_password_opens_nothing_but_the_page(build, path):
    """A browser sends it by itself, so it must not count where no page token is asked for."""
    desk = build(auth=Auth.TOKEN)
    token = desk.token.reveal()

    with_password = desk.call(path, headers=[f"Authorization: {basic(token)}"])
    bare = desk.call(path)

    assert (with_password.status, bare.status) == (401, 401)
    assert with_password.tree["message"] == "the Authorization of this call is no bearer token"
    for answer in (with_password, bare):
        assert answer.headers["Www-Authenticate"] == 'Bearer realm="masv-watch"'


def test_foreign_host_gets_a_page_without_anything_on_it(build):
    """A name that was turned to us: the page says so, and nothing else."""
    desk = build()
    upload(desk, "not-for-you", None)

    answer = desk.call("/", host="rebound.example")

    assert answer.status == 403
    assert b"the Host of this call is not one of this API" in answer.body.replace(
        b"The Host", b"the Host"
    )
    assert b"not-for-you" not in answer.body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
