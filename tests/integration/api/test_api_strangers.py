"""What those get who prove nothing or own nothing: of the answers, of the session, of the log."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from masv_watch.api import app
from masv_watch.api.calls import Health
from masv_watch.api.telling import WITHHELD_UPLOAD
from masv_watch.errors import SourceUnreadable
from masv_watch.model import (
    Auth,
    Draft,
    DropEvent,
    Flow,
    HoldReason,
    Masv,
    Terms,
    UploadEvent,
    UploadType,
)
from tests.integration.api.calling import UPLOADS
from tests.integration.api.conftest import Caller
from tests.integration.api.listening import JSON, STRANGER, curl
from tests.integration.store import making

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")
LOGIN = "/api/v1/login"


@pytest.fixture
def build(tmp_path):
    built = []

    def build(**settings):
        built.append(Caller(tmp_path / str(len(built)), **settings))
        return built[-1]

    yield build
    for caller in built:
        caller.close()


@needs_root
def test_second_user_who_is_trusted_may_not_sign_in():
    """Everybody's uploads go by the one session: it is root's and the daemon's own user's."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(
        folder / "daemon",
        masv=Masv(api_url="http://127.0.0.1:9"),
        trusted_users=(str(STRANGER),),
    )
    body = '{"email": "me@example.com", "password": "canary"}'
    call = ("-H", JSON, "-d", body, f"{caller.url}{LOGIN}")
    proof = ("-H", f"Authorization: Bearer {caller.token.reveal()}")

    refused = [curl(*call, uid=STRANGER), curl(*proof, *call, uid=STRANGER)]
    wrong = curl("-H", JSON, "-d", "{}", f"{caller.url}{LOGIN}", uid=STRANGER)
    looked, own = curl(f"{caller.url}{LOGIN}", uid=STRANGER), curl(*call)

    for status, tree in [*refused, wrong]:
        assert (status, tree["code"]) == (403, 1503)
        assert "root and the daemon's own user" in tree["message"]
        assert "masv.api_key" in tree["hint"]
    # he may ask who is signed in, and the owner's call gets as far as the cloud
    assert (looked[0], own[0]) == (401, 502)
    caller.close()
    shutil.rmtree(folder)


def test_ready_without_proof_tells_whether_and_nothing_else(build):
    """Names of folders and loops are for those who may call; how it stands is for everybody."""
    caller = build(auth=Auth.TOKEN)
    caller.health = Health(live=True, ready=False, why="not swept: a", concerns=("b is away",))

    bare = caller.call("/readyz")
    proven = caller.call("/readyz", headers=[f"Authorization: Bearer {caller.token.reveal()}"])

    assert (bare.status, bare.tree) == (503, {"ready": False, "why": "", "concerns": []})
    assert proven.status == 503
    assert proven.tree == {"ready": False, "why": "not swept: a", "concerns": ["b is away"]}


def test_ready_tells_the_own_user_everything(build):
    """`masv-watch status` needs no token for the concerns."""
    caller = build()
    caller.health = Health(live=True, ready=True, concerns=("b is away",))

    assert caller.call("/readyz").tree["concerns"] == ["b is away"]


@pytest.mark.parametrize("shown", [(), ("Authorization: Basic abc",)])
def test_hint_of_a_missing_token_shows_how_to_send_it(build, shown):
    """What hides secrets must not hide the words that tell what to do."""
    answer = build(auth=Auth.TOKEN).call(UPLOADS, headers=shown)

    assert answer.status == 401
    assert "Authorization: Bearer TOKEN" in answer.tree["hint"]


def test_words_from_outside_are_masked_where_they_look_like_a_secret(build, tmp_path):
    """A disk or a cloud may quote what nobody is to see."""
    caller = build()
    words = SourceUnreadable("it said password=canary-1", hint="X-User-Token: canary-2")

    def failing():
        raise words

    caller.before_a_look = failing
    answer = caller.ask(UPLOADS, "POST", {"subdomain": "acme", "paths": [str(tmp_path)]})

    assert (answer.status, answer.tree["code"]) == (409, 1103)
    assert b"canary" not in answer.body


def lines(caplog):
    return [each for each in caplog.records if each.message == "a call was refused"]


def test_same_refusal_is_logged_once_a_minute_with_how_many_came(build, caplog):
    """Who is refused again and again cannot fill the log; what he did is still told."""
    caller = build(auth=Auth.TOKEN)
    for number in range(50):
        assert caller.call(f"/{number}").status == 401
    caller.call("/", host="elsewhere.example")
    caller.clock.advance(app.QUIET_S - 1)
    caller.call("/before")
    caller.clock.advance(1)
    caller.call("/after")
    caller.clock.advance(app.QUIET_S)
    caller.call("/later")

    told = [(each.code, each.call, each.times) for each in lines(caplog)]

    assert told == [
        (1502, "GET /0", 1),
        (1503, "GET /", 1),
        (1502, "GET /after", 51),
        (1502, "GET /later", 1),
    ]


def test_every_refused_call_is_counted_though_few_are_logged(build):
    """What the log leaves out the metrics still tell, by no word of the caller's own."""
    caller = build(auth=Auth.TOKEN)
    for method in ("GET", "GET", "DELETE", "JUNK"):
        caller.call(UPLOADS, method)
    caller.call(UPLOADS, host="elsewhere.example")

    assert caller.refused == [
        ("GET", 1502), ("GET", 1502), ("DELETE", 1502), ("OTHER", 1502), ("GET", 1503),
    ]  # fmt: skip


def test_kinds_of_refusals_that_are_remembered_are_bounded(build, caplog, monkeypatch):
    """Beyond the bound the one that was logged longest ago is forgotten, and logged again."""
    monkeypatch.setattr(app, "MOST_KINDS", 2)
    caller = build(auth=Auth.TOKEN)
    caplog.set_level(logging.WARNING)
    kinds = [
        {},
        {"host": "elsewhere.example"},
        {"headers": ["Authorization: Bearer wrong"]},
    ]

    for kind in [*kinds, kinds[2], kinds[1], kinds[0]]:
        caller.call("/", **kind)

    assert len(lines(caplog)) == 4


@needs_root
def test_link_and_package_of_anothers_upload_are_refused_over_the_api():
    """A trusted user steers every upload, but gets no bytes that he did not name himself."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    media = folder / "media"
    media.mkdir()
    (media / "a.mov").write_bytes(b"take")
    caller = Caller(
        folder / "daemon",
        trusted_users=(str(STRANGER),),
        allowed_roots=(os.fsencode(media),),
    )
    wish = json.dumps(
        {"subdomain": "dailies", "sender_email": "a@example.com", "paths": [str(media / "a.mov")]}
    )
    create = ("-H", JSON, "-d", wish, f"{caller.url}/api/v1/portals/uploads")
    roots, his = curl(*create)[1]["upload_id"], curl(*create, uid=STRANGER)[1]["upload_id"]

    def asked(upload_id, uid):
        one = f"{caller.url}{UPLOADS}/{upload_id}"
        link = curl("-X", "POST", "-H", JSON, f"{one}/link", uid=uid)
        taken = curl("-X", "DELETE", f"{one}?package=delete", uid=uid)
        return [(status, tree.get("code")) for status, tree in (link, taken)]

    assert asked(roots, STRANGER) == [(403, 1503), (403, 1503)]
    # a portal makes no links, but that is said to him as it is to its owner
    assert [status for status, _ in asked(his, STRANGER)] == [409, 200]
    assert [status for status, _ in asked(roots, 0)] == [409, 200]
    caller.close()
    shutil.rmtree(folder)


@needs_root
def test_note_of_a_drop_is_not_told_to_a_second_user():
    """It can name what lies in the drop, or in a manifest of it, which he may not read (P8)."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(folder / "daemon", trusted_users=(str(STRANGER),))
    held = caller.store.see_drop("out", b"CARD")
    note = "missing: canary.mxf"
    caller.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.INCOMPLETE, note=note)
    targets = ("/api/v1/drops", "/api/v1/ledger", f"/api/v1/drops/{held.id}")
    proof = ("-H", f"Authorization: Bearer {caller.token.reveal()}")

    own = [curl(f"{caller.url}{target}") for target in targets]
    his = [curl(f"{caller.url}{target}", uid=STRANGER) for target in targets]
    his += [curl(*proof, f"{caller.url}{target}", uid=STRANGER) for target in targets]
    his += [curl("-H", JSON, "-d", "{}", f"{caller.url}{targets[2]}/release", uid=STRANGER)]
    caller.close()
    shutil.rmtree(folder)

    assert {status for status, _ in (*own, *his)} == {200}
    assert all(note in json.dumps(tree) for _, tree in own)
    assert not any("canary" in json.dumps(tree) for _, tree in his)
    assert all("masv-watch explain" in json.dumps(tree) for _, tree in his[:6])
    assert all("incomplete" in json.dumps(tree) for _, tree in his[:6])


@needs_root
def test_note_of_a_drop_is_not_told_to_a_second_user_by_the_stream_of_moves():
    """What the list of drops withholds is no more his by another way (P8)."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(folder / "daemon", trusted_users=(str(STRANGER),))
    held = caller.store.see_drop("out", b"CARD")
    note = "missing: canary.mxf"
    caller.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.INCOMPLETE, note=note)
    url = f"{caller.url}/api/v1/events?after=0"

    _, own = curl("--max-time", "3", url)
    status, his = curl("--max-time", "3", url, uid=STRANGER)
    caller.close()
    shutil.rmtree(folder)

    assert "canary" in str(own)
    assert status == 200
    assert "canary" not in str(his)
    assert "masv-watch explain" in str(his)


@needs_root
def test_what_was_met_on_the_way_of_an_upload_is_told_to_who_named_its_files():
    """Why it failed and what was left out names what lies beside it; he steers it all the same."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(folder / "daemon", trusted_users=(str(STRANGER),))
    store = caller.store
    ids = {
        whose: failed_upload(store, whose, reader=reader)
        for whose, reader in (("roots", None), ("his", STRANGER))
    }
    waits = making.claim(store, making.create(store, b"waits.mov")[0])
    again = store.now() + 3600
    store.let_go(waits.id, waits.fence, retry_at=again, attempts=1, error="canary-roots is away")
    targets = {
        whose: (UPLOADS, f"{UPLOADS}/{upload_id}", "/api/v1/events?after=0")
        for whose, upload_id in ids.items()
    }

    def asked(whose, uid):
        found = [curl("--max-time", "3", f"{caller.url}{target}", uid=uid)[1]
                 for target in targets[whose]]  # fmt: skip
        one = f"{caller.url}{UPLOADS}/{ids[whose]}"
        found.append(curl("-X", "PATCH", "-H", JSON, "-d", '{"priority": 2}', one, uid=uid)[1])
        return found

    caller.flow = Flow(retries=1, reason="canary-roots is away")
    stats = [curl(f"{caller.url}/api/v1/stats", uid=uid)[1]["retries"] for uid in (0, STRANGER)]
    owner, own, other = asked("roots", 0), asked("his", STRANGER), asked("roots", STRANGER)
    caller.close()
    shutil.rmtree(folder)

    assert all("canary-roots" in str(each) for each in owner)
    assert all("canary-his" in str(each) for each in own)
    assert not any("canary-roots" in str(each) for each in other)
    assert [each["last_reason"] for each in stats] == ["canary-roots is away", WITHHELD_UPLOAD]
    details = other[1]
    assert [file["reason"] for file in details["files"]] == [WITHHELD_UPLOAD]
    assert (details["state"], details["error"]["code"]) == ("error", 1102)
    assert details["error"]["cure"] == f"masv-watch resume {ids['roots']}"
    assert "who named every file" in details["error"]["message"]
    assert details["skipped"] == [f"1 left out: {WITHHELD_UPLOAD}"]


def failed_upload(store, whose, *, reader):
    """Make an upload that failed and left something out, as files of this user."""
    canary = f"canary-{whose}.mov"
    file = making.file_draft(f"srv/{whose}.mov".encode())
    terms = Terms(type=UploadType.TEAM, recipients=(), idle_s=None)
    draft = Draft(
        hot_folder=None, root=b"/", name=whose, message="", terms=terms, files=(file,),
        skipped=(f"{canary} (cannot be read)",), reader=reader,
    )  # fmt: skip
    upload_id = store.create_upload(draft)
    fence = making.claim(store, upload_id).fence
    (sent,) = store.files(upload_id)
    later = store.now() + 3600
    store.note_file_retry(sent, fence, attempts=1, retry_at=later, error=f"beside {canary}")
    store.advance_upload(upload_id, UploadEvent.FAIL, code=1102, error=f"{canary} vanished")
    return upload_id
