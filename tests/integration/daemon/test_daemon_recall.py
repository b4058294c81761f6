"""A real daemon keeps what is up for its recall window: told to nobody, and taken back or sent."""

from __future__ import annotations

import signal
from urllib.request import urlopen

from tests.processes import Daemon, Sandbox, ask, free_port
from tests.waiting import eventually

CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key,
       link_url: "{api}/get/{{id}}?secret={{secret}}"}}
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: dit@example.com}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    recall: {recall}
    to: {{recipients: [client@example.com]}}
    link: {{mail_to: [producer@example.com]}}
"""


def test_what_is_up_is_taken_back_or_goes_at_once_when_the_rule_has_no_window_any_more(tmp_path):
    """Nothing of either reaches anybody before, and of what was taken back nothing ever does."""
    (tmp_path / "out").mkdir()
    sandbox, port = Sandbox(tmp_path / "cloud"), free_port()
    config = tmp_path / "masv-watch.yml"

    def configure(recall: str) -> None:
        config.write_text(
            CONFIG.format(
                api=sandbox.api, smtp=sandbox.smtp_port, port=port, top=tmp_path, recall=recall
            )
        )
        config.chmod(0o600)

    def waiting() -> dict[str, dict]:
        found = {each["package_name"]: each for each in daemon.uploads()}
        kept = {
            name: each
            for name, each in found.items()
            if each["state"] == "idle" and each["waiting"]["reason"] == "recall"
        }
        return kept if len(kept) == 2 else {}

    configure("1h")
    daemon = Daemon(config, port, tmp_path / "daemon.log")
    try:
        daemon.start().until_ready()
        for name in ("wrong", "right"):
            (tmp_path / "out" / f"{name}.mov").write_bytes(name.encode())
        kept = eventually(waiting)
        assert sandbox.witness("mail") == []
        assert sandbox.packages() == []
        status, _ = ask(daemon.api, f"/api/v1/uploads/{kept['wrong.mov']['upload_id']}", "DELETE")
        eventually(lambda: len(sandbox.packages(state="archived")) == 1)
        configure("0s")
        daemon.signal(signal.SIGHUP)
        letters = eventually(lambda: sandbox.witness("mail"))
        eventually(lambda: daemon.uploads()[0]["state"] == "complete")
        with urlopen(f"{daemon.api}/metrics") as answer:
            numbers = answer.read().decode()
    finally:
        daemon.kill()
        sandbox.end()

    assert status < 300
    assert kept["right.mov"]["waiting"]["until"] > kept["right.mov"]["created_at"]
    assert kept["right.mov"]["waiting"]["cure"].startswith("masv-watch delete ")
    assert [letter["to"] for letter in letters] == [["producer@example.com"]]
    assert "right.mov" in str(letters)
    assert "wrong.mov" not in str(letters)
    assert 'masv_watch_recalls_total{end="taken_back"} 1' in numbers
    assert "it was taken back in its recall window" in daemon.text()
