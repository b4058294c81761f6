"""A town for the commands: a sandbox, a daemon with something of everything, and its configuration.

Owns their start and the waiting for a delivery. Never part of the product. Built once for each
module of tests by the fixture `town`.
"""

from __future__ import annotations

from tests.processes import Daemon, Sandbox, free_port
from tests.waiting import eventually

CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: {team}, api_key: {key},
       link_url: "{api}/get/{{id}}?secret={{secret}}"}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}
hot_folders:
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    link: {{mail_to: [one@example.com]{template}}}
  - name: old
    path: {top}/old
    tags: [night]
    initial: ask
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
  - name: older
    path: {top}/older
    tags: [night, late]
    initial: ask
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
{more}"""


class Town:
    """A sandbox, a configuration and a daemon with something of everything."""

    def __init__(self, top):
        self.top, self.port = top, free_port()
        for name in ("out", "old", "older"):
            (top / name).mkdir()
        (top / "old" / "held.mov").write_bytes(b"old")
        for number in range(2):
            (top / "older" / f"held{number}.mov").write_bytes(b"old")
        self.sandbox = Sandbox(top / "cloud")
        self.config = self.write("masv-watch.yml")
        self.daemon = Daemon(self.config, self.port, top / "daemon.log")
        self.daemon.start().until_ready()

    def write(self, name, **changed):
        said = {
            "api": self.sandbox.api, "team": "acme", "key": "sandbox-key", "port": self.port,
            "smtp": self.sandbox.smtp_port, "top": self.top, "template": "", "more": "",
            **changed,
        }  # fmt: skip
        path = self.top / name
        path.write_text(CONFIG.format(**said))
        path.chmod(0o600)
        return path


def delivered(town, name, content=b"x"):
    (town.top / "out" / name).write_bytes(content)

    def look():
        found = [each for each in town.daemon.uploads() if each["package_name"] == name]
        assert found
        assert found[0]["state"] == "complete"
        assert not found[0]["open_tasks"]
        return found[0]["upload_id"]

    return eventually(look, within=20, every=0.1)
