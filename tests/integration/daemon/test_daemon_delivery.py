"""A real daemon delivers: letters, links, sources, and no secret anywhere but in its place."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import signal
import sqlite3
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.processes import PROJECT, Daemon, Sandbox, ask, free_port, opened
from tests.waiting import eventually

KEY, CODE = "sandbox-key", "open-sesame"
MAIL = "mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}"
CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: !env CANARY_KEY,
       link_url: "{api}/get/{{id}}?secret={{secret}}"}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
{mail}
hot_folders:
  - name: both
    path: {top}/both
    settle: {{quiet: 1s}}
    to: {{recipients: [client@example.com, Both@Example.com, both@example.com]}}
    link: {{mail_to: [producer@example.com, BOTH@example.com, Producer@example.com]}}
  - name: out
    path: {top}/out
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    link: {{mail_to: [one@example.com, two@example.com]}}
  - name: move
    path: {top}/move
    settle: {{quiet: 1s}}
    to: {{recipients: []}}
    after: {{delivered: {{move: "{{root}}/_sent/{{name}}"}}}}
  - name: vault
    path: {top}/vault
    settle: {{quiet: 1s}}
    to: {{portal: vault, sender: dit@example.com, access_code: !env CANARY_CODE}}
    after: {{delivered: delete}}
"""
ENVIRON = {"CANARY_KEY": KEY, "CANARY_CODE": CODE}


class House:
    """A sandbox and a daemon over four hot folders."""

    def __init__(self, top):
        self.top, self.port = top, free_port()
        for name in ("both", "out", "move", "vault"):
            (top / name).mkdir()
        self.sandbox = Sandbox(top / "cloud")
        self.config = top / "masv-watch.yml"
        self.configure()
        self.daemon = Daemon(self.config, self.port, top / "daemon.log")
        self.start()

    def configure(self, *, mail=True):
        said = MAIL.format(smtp=self.sandbox.smtp_port) if mail else ""
        text = CONFIG.format(api=self.sandbox.api, port=self.port, top=self.top, mail=said)
        if not mail:
            text = re.sub(r"\n    link: .*", "", text)
        self.config.write_text(text)

    def start(self):
        self.daemon.start(environ=ENVIRON).until_ready()

    def reload(self):
        before = self.daemon.text().count("the configuration was taken over")
        self.daemon.signal(signal.SIGHUP)
        eventually(
            lambda: self.daemon.text().count("the configuration was taken over") > before,
            within=10,
        )

    def drop(self, path, content=b"frame" * 1000):
        target = self.top / path
        target.write_bytes(content)
        return target

    def upload(self, name):
        found = [each for each in self.daemon.uploads() if each["package_name"] == name]
        assert found, f"no upload {name} yet"
        return found[0]

    def delivered(self, name, *, done=True):
        """Wait until an upload is complete and, if asked, owes nothing; give its details."""

        def look():
            upload = self.upload(name)
            assert upload["state"] == "complete"
            assert not (done and upload["open_tasks"])
            return self.daemon.details(upload["upload_id"])

        return eventually(look, within=20, every=0.1)

    def package(self, name):
        found = [each for each in self.sandbox.witness("packages") if each["name"] == name]
        assert len(found) == 1
        return found[0]

    def mails(self, name):
        return [mail for mail in self.sandbox.witness("mail") if f": {name} (" in mail["subject"]]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    yield house
    house.daemon.stop()
    house.sandbox.end()


@pytest.fixture(autouse=True)
def healed(house):
    yield
    house.sandbox.heal()


def test_delivery_to_people_whom_the_cloud_mails_too_gives_each_one_letter(house):
    """An address in both lists gets the cloud's mail only; case makes no second person."""
    content = b"take one" * 5000
    house.drop("both/a.mov", content)

    house.delivered("a.mov")

    package = house.package("a.mov")
    assert sorted(each.casefold() for each in package["recipients"]) == [
        "both@example.com",
        "client@example.com",
    ]
    (mail,) = house.mails("a.mov")
    assert mail["to"] == ["producer@example.com"]
    ours = [link for link in package["links"] if not link["email"]]
    assert [link["url"] for link in ours] == [re.search(r"http://\S+", mail["text"])[0]]
    (file,) = package["files"]
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    pieces = urlsplit(ours[0]["url"])
    assert get(pieces.netloc, f"{pieces.path}?{pieces.query}")[0] == 200
    status, got = get(pieces.netloc, f"{pieces.path}/file/{file['id']}?{pieces.query}")
    assert (status, got) == (200, content)


def get(netloc, path):
    connection = http.client.HTTPConnection(netloc, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_delivery_with_a_refused_recipient_stands_and_shows_the_servers_words(house):
    """The outcome is in the details and in `show`; nothing is sent again (pains 38, 40)."""
    house.sandbox.fault("smtp", "two@example.com", code=550, message="no such user", times=None)
    house.drop("out/refused.mov")

    details = house.delivered("refused.mov")

    outcome = {task["key"]: (task["state"], task["note"]) for task in details["tasks"]}
    assert outcome["one@example.com"][0] == "done"
    assert outcome["two@example.com"][0] == "refused"
    assert "550 no such user" in outcome["two@example.com"][1]
    assert house.package("refused.mov")["finalize_calls"] == 1
    shown = command("show", details["upload_id"], "--url", house.daemon.api)
    assert "letter to two@example.com: refused" in shown.stdout
    assert "550 no such user" in shown.stdout


def command(*words, **environ):
    return subprocess.run(
        [sys.executable, "-m", "masv_watch", *words],
        cwd=PROJECT, capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", **environ}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("failing.mov", {"name": "status", "status": 503, "times": 2}),
        ("hanging.mov", {"name": "stall", "seconds": 2, "when": "before", "times": 1}),
    ],
)
def test_source_is_not_moved_before_the_cloud_confirmed(house, name, fault):
    """While finalize fails or hangs, the source stays as it is; then it moves."""
    house.sandbox.fault(match="POST .*/packages/[^/]+/finalize", **fault)
    source = house.drop(f"move/{name}")
    seen = []

    def look():
        there = source.exists()
        seen.append((house.upload(name)["state"], there))
        return seen[-1][0] == "complete"

    eventually(look, within=30, every=0.05)
    house.delivered(name)

    assert ("idle", True) in seen
    assert all(there for state, there in seen if state != "complete")
    assert (house.top / "move" / "_sent" / name).read_bytes() == b"frame" * 1000
    assert not source.exists()


def test_source_that_changed_after_its_delivery_stays_and_becomes_a_new_generation(house):
    """What was not delivered is not moved: it is delivered as "name (2)" and then moved."""
    shelf = house.top / "move" / "_sent"
    if shelf.exists():
        shelf.rename(house.top / "_sent before")
    shelf.write_bytes(b"in the way")
    source = house.drop("move/edit.mov", b"first cut")
    first = house.delivered("edit.mov", done=False)
    source.write_bytes(b"second cut, longer")
    shelf.unlink()
    house.reload()

    second = house.delivered("edit.mov (2)")

    ended = house.daemon.details(first["upload_id"])
    (disposal,) = [task for task in ended["tasks"] if task["kind"] == "dispose"]
    assert disposal["state"] == "refused"
    assert "changed since it was delivered" in disposal["note"]
    assert ended["state"] == "complete"
    assert second["state"] == "complete"
    (file,) = house.package("edit.mov (2)")["files"]
    assert file["sha256"] == hashlib.sha256(b"second cut, longer").hexdigest()
    assert (shelf / "edit.mov").read_bytes() == b"second cut, longer"


def test_delivery_whose_mail_left_the_configuration_waits_and_is_mailed_later(house):
    """A reload without `mail` makes the letter wait with its hint; one with it sends it."""
    house.sandbox.fault("stall", "POST .*/links", seconds=600, times=1)
    house.drop("out/later.mov")
    upload = eventually(lambda: house.upload("later.mov"), within=10)
    eventually(lambda: house.upload("later.mov")["state"] == "complete", within=10)
    house.configure(mail=False)
    house.reload()
    house.sandbox.heal()

    def waits():
        tasks = house.daemon.details(upload["upload_id"])["tasks"]
        return all(task["note"] for task in tasks if task["kind"] == "letter") and tasks

    tasks = eventually(waits, within=10, every=0.1)
    house.configure()
    house.reload()
    house.delivered("later.mov")

    notes = {task["note"] for task in tasks if task["kind"] == "letter"}
    assert notes == {
        (
            "there is no mail server to send the letter by"
            " - set mail.smtp and mail.from, then reload (SIGHUP)"
        )
    }
    assert len(house.mails("later.mov")) == 2


@pytest.mark.fault(34)
def test_delivery_killed_while_its_link_is_made_has_one_link_and_one_letter_each(house):
    """SIGKILL between the cloud's effect and our commit: the link is found, not made again."""
    house.sandbox.fault("stall", "POST .*/links", seconds=60, times=1)
    house.drop("out/killed.mov")
    eventually(lambda: house.package("killed.mov")["links"], within=20, every=0.05)
    house.daemon.kill()
    house.sandbox.heal()
    house.start()

    house.delivered("killed.mov")

    assert len(house.package("killed.mov")["links"]) == 1
    assert len(house.mails("killed.mov")) == 2
    assert house.package("killed.mov")["finalize_calls"] == 1


def test_delivery_to_a_portal_puts_its_source_into_the_trash(house):
    """No letter of ours; the source goes into the trash once the portal has it."""
    house.drop("vault/rushes.mov", b"rushes")

    details = house.delivered("rushes.mov")

    (kept,) = (house.top / "vault" / ".masv-trash").glob("*/rushes.mov")
    assert kept.read_bytes() == b"rushes"
    assert details["type"] == "portal"
    assert [task["kind"] for task in details["tasks"]] == ["dispose", "receipt"]
    assert house.mails("rushes.mov") == []


@pytest.mark.fault(20)
@pytest.mark.fault(21)
def test_delivery_with_hostile_names_is_shown_escaped_everywhere(house):
    """A name with a line break, an escape and bidi marks stays one line in log and terminal."""
    name = "a\nb\x1b[31m\u202e\udcff.mov"
    house.drop(f"out/{name}", b"x")

    def look():
        found = [each for each in house.daemon.uploads() if "31m" in each["package_name"]]
        assert found
        assert found[0]["state"] == "complete"
        assert not found[0]["open_tasks"]
        return found[0]

    upload = eventually(look, within=20, every=0.1)

    listed = command("uploads", "--url", house.daemon.api).stdout
    (line,) = [line for line in listed.splitlines() if upload["upload_id"] in line]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", listed + house.daemon.text())
    assert line.count("\n") == 0
    mails = [each for each in house.sandbox.witness("mail") if "31m" in each["subject"]]
    assert len(mails) == 2
    assert not any("\u202e" in mail["html"] + mail["text"] + mail["subject"] for mail in mails)


def test_secrets_are_in_no_log_no_answer_and_no_mail_but_the_links_own(house):
    """Last of this file: after all of the above, canaries are where they belong and only there."""
    house.drop("out/last.mov")
    house.delivered("last.mov")
    secrets = {KEY, CODE}
    database = sqlite3.connect(f"file:{house.top}/state/masv-watch.db?mode=ro", uri=True)
    state = house.top / "state"
    tokens = database.execute("SELECT package_token FROM uploads WHERE package_token IS NOT NULL")
    secrets |= {opened(state, row[0]) for row in tokens}
    links = {opened(state, row[0]) for row in database.execute("SELECT secret FROM links")}
    database.close()

    answers = [json.dumps(ask(house.daemon.api, path)[1]) for path in (
        "/healthz", "/readyz", "/api/v1/uploads", "/api/v1/drops", "/nowhere",
        *(f"/api/v1/uploads/{each['upload_id']}" for each in house.daemon.uploads()),
    )]  # fmt: skip
    said = command("status", "--json", "--url", house.daemon.api)
    upload_id = house.upload("last.mov")["upload_id"]
    shown = command("show", upload_id, "--json", "--url", house.daemon.api)
    mails = json.dumps(house.sandbox.witness("mail"))
    quiet = [house.daemon.text(), *answers, said.stdout, said.stderr, shown.stdout, shown.stderr]

    assert len(secrets) > 5
    assert len(links) >= 4
    for secret in secrets | links:
        assert not any(secret in text for text in quiet)
    for secret in secrets:
        assert secret not in mails
    assert not any(re.search("X-Amz-(Signature|Credential)=(?!\\*)", text) for text in quiet)
    for mail in house.sandbox.witness("mail"):
        assert sum(secret in mail["text"] for secret in links) == 1
    assert "Traceback" not in house.daemon.text()
