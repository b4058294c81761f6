"""A real daemon and what comes again: replaced and linked packages over a kill -9."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Daemon, Sandbox, free_port
from tests.waiting import eventually

CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    link: {{mail_to: [one@example.com]}}
    redrop: replace
    dedupe: relink
"""
DELETE = "DELETE /v1/packages/"


@pytest.fixture
def field(tmp_path: Path) -> Any:
    """Give a sandbox and a daemon that is not started."""
    (tmp_path / "out").mkdir()
    sandbox = Sandbox(tmp_path / "cloud")
    port = free_port()
    config = tmp_path / "masv-watch.yml"
    text = CONFIG.format(api=sandbox.api, port=port, smtp=sandbox.smtp_port, top=tmp_path)
    config.write_text(text)
    config.chmod(0o600)
    daemon = Daemon(config, port, tmp_path / "daemon.log")
    yield tmp_path / "out", sandbox, daemon
    if daemon.process is not None:
        daemon.stop()
    sandbox.end()


def done(daemon: Daemon, count: int) -> list[dict[str, Any]]:
    """Wait until so many uploads are complete and owe nothing; give them."""

    def all_done() -> list[dict[str, Any]]:
        found = daemon.uploads()
        is_done = all(each["state"] == "complete" and not each["open_tasks"] for each in found)
        return found if len(found) == count and is_done else []

    return sorted(eventually(all_done, within=60, every=0.1), key=lambda each: each["created_at"])


def test_kill_while_a_replaced_package_is_deleted_leaves_the_new_one_alone(field: Any) -> None:
    """Delivered once each, the old one deleted once, and a copy is linked to what stands."""
    out, sandbox, daemon = field
    daemon.start().until_ready()
    (out / "a.mov").write_bytes(b"the first")
    done(daemon, 1)
    # the effect happens and its answer is late: the kill falls between the two
    sandbox.fault("stall", DELETE, seconds=5.0, times=1)
    (out / "a.mov").write_bytes(b"the second, and longer")
    eventually(lambda: sandbox.packages(state="archived"), within=60, every=0.05)
    daemon.kill()
    daemon.start().until_ready()
    first, second = done(daemon, 2)
    sandbox.heal()
    shutil.copyfile(out / "a.mov", out / "copy.mov")
    *_, linked = done(daemon, 3)

    states = {each["id"]: each["state"] for each in sandbox.witness("packages")}
    assert states == {first["package_id"]: "archived", second["package_id"]: "finalized"}
    assert linked["package_id"] == second["package_id"]
    (package,) = sandbox.packages()
    assert package["finalize_calls"] == 1
    assert len({link["id"] for link in package["links"]}) == 2
    letters = [mail["subject"].split(" (")[0] for mail in sandbox.witness("mail")]
    assert letters == ["Delivered: a.mov", "Delivered: a.mov", "Delivered: copy.mov"]
    (task,) = [
        each for each in daemon.details(second["upload_id"])["tasks"] if each["kind"] == "retire"
    ]
    assert (task["state"], task["key"]) == ("done", first["upload_id"])
