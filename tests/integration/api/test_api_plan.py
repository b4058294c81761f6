"""The call that compares an edit with what runs: who may ask, and what it takes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch import rehearsal
from masv_watch.config import portable
from masv_watch.config.describing import json_schema
from masv_watch.model import Follow, Masv, Rule, Secret, To
from tests.integration.api.calling import Short, said
from tests.integration.api.conftest import Caller
from tests.integration.api.listening import JSON, STRANGER, curl

PLAN = "/api/v1/plan"


@pytest.fixture
def desk(caller, tmp_path):
    (tmp_path / "hot").mkdir()
    (tmp_path / "hot" / "a.mov").write_bytes(b"a")
    rule = Rule(
        name="out",
        path=str(tmp_path / "hot").encode(),
        to=To(portal="dailies", sender="d@example.com", access_code=Secret("open-sesame")),
    )
    masv = Masv(team="acme", api_key=Secret("sandbox-key"))
    caller.settings = replace(caller.settings, masv=masv, hot_folders=(rule,))
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def edit(desk, **changed):
    (rule,) = desk.settings.hot_folders
    settings = replace(desk.settings, hot_folders=(replace(rule, **changed),))
    return {"settings": portable.write(settings)}


def test_same_settings_change_nothing(desk):
    """Secrets are not compared: the caller has none of them."""
    answer = desk.short.ask(PLAN, "POST", edit(desk))

    assert answer.status == 200
    assert json.loads(answer.body) == {"keys": [], "hot_folders": []}


def test_edit_is_answered_without_any_secret(desk):
    """Both values of each key, and each drop that they concern."""
    to = To(portal="vault", sender="d@example.com", access_code=Secret("other"))
    answer = desk.short.ask(PLAN, "POST", edit(desk, to=to))

    (folder,) = json.loads(answer.body)["hot_folders"]
    assert folder["keys"] == [{"key": "to.portal", "before": "dailies", "after": "vault"}]
    (effect,) = folder["effects"]
    assert (effect["kind"], effect["path"]) == ("alter", "a.mov")
    assert not [word for word in ("open-sesame", "sandbox-key", "other") if word.encode()
                in answer.body]  # fmt: skip


def test_edit_that_follows_links_shows_what_they_add(desk, tmp_path):
    """Each side walks as its own rule does."""
    (tmp_path / "hot" / "CARD").mkdir()
    (tmp_path / "hot" / "CARD" / "own").write_bytes(b"own")
    (tmp_path / "hot" / "CARD" / "link").symlink_to("../a.mov")
    answer = desk.short.ask(PLAN, "POST", edit(desk, follow=Follow.INSIDE))

    (folder,) = json.loads(answer.body)["hot_folders"]
    assert folder["keys"] == [{"key": "follow", "before": "none", "after": "inside"}]
    (effect,) = folder["effects"]
    assert (effect["kind"], effect["path"]) == ("alter", "CARD")
    assert {each["key"]: each["after"] for each in effect["changes"]} == {"files": "2"}


def test_folder_that_grows_between_both_looks_has_no_effect_by_itself(desk, tmp_path, monkeypatch):
    """Law 1: both rules see one walk."""
    (tmp_path / "hot" / "CARD").mkdir()
    (tmp_path / "hot" / "CARD" / "a.mov").write_bytes(b"a")
    original = rehearsal.Outlooks.outlook

    def growing(foresight, root, tree, **said):
        if tree.top == b"CARD":
            (tmp_path / "hot" / "CARD" / f"late {id(foresight)}").write_bytes(b"late")
        return original(foresight, root, tree, **said)

    monkeypatch.setattr(rehearsal.Outlooks, "outlook", growing)
    answer = desk.short.ask(PLAN, "POST", edit(desk, chunk_size=6_000_000))

    (folder,) = json.loads(answer.body)["hot_folders"]
    assert folder["keys"] == [{"key": "chunk_size", "before": "not set", "after": "6 MB"}]
    assert folder["effects"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "`settings` is missing"),
        ({"settings": []}, "`settings` must be an object"),
        ({"settings": {}}, "`settings` cannot be compared: masv is missing"),
        ({"settings": {"masv": {}, "state": "", "hot_folders": [{}]}}, "hot_folders[0].name is"),
    ],
)
def test_body_that_is_no_settings_is_refused_with_its_place(desk, body, words):
    """422, and one sentence."""
    answer = desk.short.ask(PLAN, "POST", body)

    assert answer.status == 422
    assert words in said(answer)[1]


def test_pattern_that_is_none_is_refused(desk):
    """What the configuration would refuse is no crash here either."""
    answer = desk.short.ask(PLAN, "POST", edit(desk, ignore=("!",)))

    assert answer.status == 422
    assert "Invalid git pattern" in said(answer)[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")
def test_second_user_who_is_trusted_may_not_ask():
    """A plan looks into folders that the caller names: it is for whoever may edit the file."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(folder / "daemon", trusted_users=(str(STRANGER),))
    status, tree = curl("-H", JSON, "-d", "{}", f"{caller.url}{PLAN}", uid=STRANGER)

    assert (status, tree["code"]) == (403, 1503)
    assert "root and the daemon's own user" in tree["message"]
    caller.close()
    shutil.rmtree(folder)


def test_folder_of_the_daemon_s_own_is_never_listed(desk, tmp_path):
    """A plan is no way to look into the state or the configuration."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.pem").write_bytes(b"key")
    found = (tmp_path / "secret").stat()
    desk.rehearsal._denied = lambda: frozenset({(found.st_dev, found.st_ino)})
    answer = desk.short.ask(PLAN, "POST", edit(desk, path=str(tmp_path / "secret").encode()))

    (folder,) = json.loads(answer.body)["hot_folders"]
    assert b"key.pem" not in answer.body
    assert "is not compared" in folder["notes"][0]


def test_schema_of_the_file_is_served_for_editors(desk):
    """An editor on another machine describes the keys of this version."""
    answer = desk.short.ask("/api/v1/config/schema")

    assert (answer.status, answer.tree) == (200, json_schema())
