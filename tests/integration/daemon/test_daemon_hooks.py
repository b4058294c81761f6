"""A real daemon tells a hook of a delivery, and opens packages to who has the password."""

from __future__ import annotations

import sqlite3

import pytest

from tests.integration.rooms.delivered import download
from tests.integration.rooms.listening import TOKEN, Listener
from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

PASSWORD = "canary-of-the-package"
CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key,
       link_url: "{api}/get/{{id}}?secret={{secret}}"}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    package: {{password: !env PACKAGE_PASSWORD, expires: 2d, downloads: 3}}
    notify: [{{webhook: !env WEBHOOK}}]
  - {{name: twin, path: {top}/twin, like: out, enabled: false}}
"""


def test_delivery_behind_a_password_is_told_to_a_hook_and_no_secret_is_anywhere(tmp_path):
    """From the file in the hot folder to the bytes that only the password opens."""
    for name in ("out", "twin"):
        (tmp_path / name).mkdir()
    sandbox, listener, port = Sandbox(tmp_path / "cloud"), Listener(), free_port()
    config = tmp_path / "masv-watch.yml"
    config.write_text(CONFIG.format(api=sandbox.api, port=port, top=tmp_path))
    config.chmod(0o600)
    daemon = Daemon(config, port, tmp_path / "daemon.log")
    environ = {"PACKAGE_PASSWORD": PASSWORD, "WEBHOOK": listener.url().reveal()}
    try:
        daemon.start(environ=environ).until_ready()
        (tmp_path / "twin" / "left.mov").write_bytes(b"left alone")
        (tmp_path / "out" / "film.mov").write_bytes(b"a film")
        eventually(lambda: listener.told)
        ((_, told),) = listener.told
        base = f"http://127.0.0.1:{port}"
        _, link = ask(base, f"/api/v1/uploads/{told['upload_id']}/link", "POST", {})
        _, folders = ask(base, "/api/v1/hot_folders")
        (package,) = sandbox.witness("packages")
        url = f"{sandbox.api}/get/{link['id']}?secret={link['secret']}"
        with pytest.raises(AssertionError, match="password"):
            download(url)
        opened = download(f"{url}&password={PASSWORD}")
        answers = str((link, folders, ask(base, f"/api/v1/uploads/{told['upload_id']}")))
    finally:
        daemon.kill()
        sandbox.end()
        listener.close()

    assert (told["event"], told["name"], told["hot_folder"]) == ("delivered", "film.mov", "out")
    assert opened == {"film.mov": b"a film"}
    assert (package["has_password"], package["access_limit"]) == (True, 3)
    assert [folder["state"] for folder in folders] == ["watching", "disabled"]
    for secret in (PASSWORD, TOKEN):
        assert secret not in daemon.text() + answers
        with sqlite3.connect(tmp_path / "state" / "masv-watch.db") as state:
            assert secret not in "\n".join(state.iterdump())


PLAIN = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
{notify}
"""


def test_hook_that_a_reload_brings_is_told_of_what_comes_right_after_it(tmp_path):
    """While there was none nobody looked; what is delivered before the first look is not told."""
    (tmp_path / "out").mkdir()
    sandbox, listener, port = Sandbox(tmp_path / "cloud"), Listener(), free_port()
    config = tmp_path / "masv-watch.yml"
    place = {"api": sandbox.api, "port": port, "top": tmp_path}
    config.write_text(PLAIN.format(notify="", **place))
    config.chmod(0o600)
    daemon = Daemon(config, port, tmp_path / "daemon.log")
    try:
        daemon.start(environ={"WEBHOOK": listener.url().reveal()}).until_ready()
        (tmp_path / "out" / "before.mov").write_bytes(b"before")
        eventually(lambda: [one["state"] for one in daemon.uploads()] == ["complete"], within=20)
        config.write_text(PLAIN.format(notify="    notify: [{webhook: !env WEBHOOK}]", **place))
        ask(daemon.api, "/api/v1/reload", "POST", {})
        (tmp_path / "out" / "after.mov").write_bytes(b"after")
        eventually(lambda: listener.told, within=30)
    finally:
        daemon.kill()
        sandbox.end()
        listener.close()

    assert [told["name"] for _, told in listener.told] == ["after.mov"]
