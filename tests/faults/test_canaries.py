"""Secrets stay where they belong: looked for everywhere else after a day that went badly."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.integration.page.station import Station, curl
from tests.processes import PROJECT
from tests.waiting import eventually

#: what each secret holds and nothing else does; the signs around it try every way of writing one
MARKS = {
    "code": "kestrel7code",
    "given_code": "plover8code",
    "wrong_code": "wrong5plover",
    "password": "heron4pass",
    "smtp": "dunlin6smtp",
    "token": "whimbrel3bearer",
    "wrong_token": "godwit2bearer",
    "sign_in": "siskin9sign",
    "user_token": "redstart1user",
    "package_token": "ouzel6package",
}
SECRETS = {name: f'{mark}/+%&"' for name, mark in MARKS.items()}
#: these travel in headers
SECRETS |= {name: f"{MARKS[name]}/+%&" for name in ("token", "wrong_token", "user_token")}
SECRETS["package_token"] = f"{MARKS['package_token']}/+%&"
ENVIRON = {
    "CANARY_CODE": SECRETS["code"],
    "CANARY_SMTP": SECRETS["smtp"],
    "CANARY_TOKEN": SECRETS["token"],
}
KEY = ", team: acme, api_key: !env CANARY_KEY"
MORE = """\
mail:
  from: delivery@example.com
  smtp: {{host: 127.0.0.1, port: {smtp}, tls: none, user: delivery, password: !env CANARY_SMTP}}
hot_folders:
  - {{name: out, path: {top}/out, settle: {{quiet: 1s}}, to: {{recipients: []}},
     link: {{mail_to: [one@example.com, two@example.com]}}}}
  - {{name: vault, path: {top}/vault, settle: {{quiet: 1s}},
     to: {{portal: aviary, sender: dit@example.com, access_code: !env CANARY_CODE}}}}
"""
#: files of the state whose purpose is to hold a secret
KEPT_APART = {"seal.key", "api-token"}
USER = {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "name": "Me", "email": "me@example.com"}


def spellings(secret):
    """Give every form in which a secret could lie somewhere: plain, and inside base64."""
    raw = secret.encode()
    forms = {raw}
    for shift in range(3):
        # the whole groups in the middle do not depend on what stands around it
        text = base64.b64encode(b"\0" * shift + raw)
        forms.add(text[4 if shift else 0 : len(text) - 4])
    return forms | {form.replace(b"+", b"-").replace(b"/", b"_") for form in forms}


def found_in(places, secrets):
    """Give each place, by its name, that holds a secret, with the name of that secret."""
    return sorted(
        (place, name)
        for place, content in places.items()
        for name, secret in secrets.items()
        if any(form in content for form in spellings(secret))
    )


def files_of(state):
    """Give the bytes of every file of a state that is not made to hold a secret."""
    return {
        f"state/{path.name}": path.read_bytes()
        for path in state.rglob("*")
        if path.is_file() and path.name not in KEPT_APART
    }


class Day(Station):
    """A daemon whose configuration and calls hold canaries, and all that it ever said."""

    def __init__(self, top):
        for name in ("out", "vault"):
            (top / name).mkdir()
        super().__init__(top)
        self.key = self._prepare_cloud()
        self.environ = {**ENVIRON, "CANARY_KEY": self.key}
        self.configure(
            masv=KEY,
            server=", token: !env CANARY_TOKEN",
            more=MORE.format(top=top, smtp=self.sandbox.smtp_port),
        )
        self.said = {}
        self.take = top / "take.mov"
        self.take.write_bytes(b"take" * 1000)

    def _prepare_cloud(self):
        """Make a portal with our access code and an API key of our own; give the key."""
        signed = self._cloud("/v1/auth", {"email": "me@example.com", "password": "sandbox"})
        team = f"/v1/teams/{self.sandbox.team}"
        portal = {"name": "Aviary", "subdomain": "aviary", "has_access_code": True,
                  "access_code": SECRETS["code"]}  # fmt: skip
        self._cloud(f"{team}/portals", portal, signed["token"])
        return self._cloud(f"{team}/api_keys", {"name": "canary"}, signed["token"])["key"]

    def _cloud(self, path, body, token=""):
        parts = urlsplit(self.sandbox.api)
        line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        headers = {"Content-Type": "application/json", "X-User-Token": token}
        line.request("POST", path, json.dumps(body), headers)
        answer = line.getresponse()
        tree = json.loads(answer.read())
        line.close()
        assert answer.status in (200, 201), tree
        return tree

    def call(self, method, path, body=None, *more, uid=None):
        """Make a call, and keep what it answered."""
        answer = super().call(method, path, body, *more, uid=uid)
        headers = json.dumps(answer.headers).encode()
        self.said[f"{len(self.said)} {method} {path}"] = headers + answer.body
        return answer

    def command(self, *words):
        """Run a command as a user types it, and keep what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "masv_watch", *words],
            cwd=PROJECT, capture_output=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "MASV_WATCH_URL": self.daemon.api},
        )  # fmt: skip
        self.said[f"{len(self.said)} masv-watch {' '.join(words)}"] = done.stdout + done.stderr
        return done

    def echo(self, match, status, *names, **more):
        """Have the cloud refuse a call with the secrets of that upload in its words."""
        told = " ".join(self.key if name == "key" else SECRETS[name] for name in names)
        body = {"message": f"no: {told}", "errors": [{"msg": told}]}
        self.sandbox.fault("status", match, status=status, body=body, **more)

    def portal(self, code, name="portal"):
        body = {"subdomain": "aviary", "sender_email": "a@example.com",
                "paths": [str(self.take)], "package_name": name, "access_code": code}  # fmt: skip
        return self.call("POST", "/portals/uploads", body)

    def drop(self, path):
        (self.top / path).write_bytes(b"frame" * 1000)

    def until_done(self, name):
        """Wait until a drop is delivered and owes nothing."""

        def done():
            upload = [each for each in self.daemon.uploads() if each["package_name"] == name][-1]
            assert upload["state"] == "complete"
            assert not upload["open_tasks"]
            return upload

        return eventually(done, within=20, every=0.05)

    def until_told(self, upload_id):
        """Wait until the log tells of a failure of an upload, and look at the upload."""

        def told():
            lines = self.daemon.text().splitlines()
            return [line for line in lines if upload_id in line and " failed" in line]

        eventually(told, within=20, every=0.05)
        self.call("GET", f"/uploads/{upload_id}")

    def places(self):
        """Give everything in which no secret may stand."""
        return {
            **self.said,
            **files_of(self.state),
            "log": self.daemon.log.read_bytes(),
            "mails": json.dumps(self.sandbox.witness("mail")).encode(),
        }


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    day = Day(tmp_path_factory.mktemp("day"))
    try:
        day.start()
        yield day
    finally:
        day.close()


def spend(day):
    """Live through a day: what works, what is refused, and a cloud that repeats what it was told.

    Gives the link that was made by a call, and leaves everything that was said with the day.
    """
    for name in ("out/good.mov", "vault/good.mov"):
        day.drop(name)
    day.until_done("good.mov")
    done_id = _team(day, name="with-password", password=SECRETS["password"])
    day.until(done_id, "idle")
    day.call("POST", f"/uploads/{done_id}/finalize")
    day.until(done_id, "complete")
    _badly_asked(day)
    _echoed(day)
    day.sandbox.heal()
    link = day.call("POST", f"/uploads/{done_id}/link").tree
    # the one answer in which a secret is due
    del day.said[list(day.said)[-1]]
    return link


def _team(day, name, **fields):
    body = {"subdomain": "acme", "paths": [str(day.take)], "package_name": name, **fields}
    answer = day.call("POST", "/uploads", body, "-H", f"Idempotency-Key: {name}")
    assert answer.status == 201, answer.text
    return answer.tree["upload_id"]


def _badly_asked(day):
    """Make calls that hold a secret and are refused by ourselves."""
    secret = SECRETS["password"]
    body = {"subdomain": "acme", "paths": [str(day.take)]}
    statuses = [
        day.call("POST", "/uploads", {**body, "passwort": secret}),
        day.call("POST", "/uploads", {**body, "password": [secret]}),
        day.call("POST", "/uploads", {**body, "password": secret * 100}),
        day.call("POST", "/uploads", {**body, "password": secret + "\n"}),
        day.call("POST", "/uploads", {**body, "chunk_size": secret}),
        day.call("POST", "/uploads", json.dumps({**body, "password": secret})[:-1]),
        day.call("POST", "/uploads", {**body, "paths": ["/absent"], "password": secret}),
        day.call("GET", "/uploads", None, "-H", f"Authorization: Bearer {SECRETS['wrong_token']}"),
        day.call("GET", "/uploads", None, "-u", f"me:{SECRETS['wrong_token']}"),
        day.call("POST", "/login", {"email": "me@example.com", "password": SECRETS["sign_in"]}),
    ]
    assert all(400 <= answer.status < 500 for answer in statuses), [
        answer.status for answer in statuses
    ]
    right = day.call("GET", "/uploads", None, "-H", f"Authorization: Bearer {SECRETS['token']}")
    assert right.status == 200


def _echoed(day):
    """Let every call of ours fail once, in words that repeat what the call or its upload held."""
    _end(day, day.portal(SECRETS["wrong_code"]).tree["upload_id"])
    for match, status in (("POST /v1/portals/", 403), _STEPS[1]):
        day.echo(match, status, "given_code", "key")
        _end(day, _portal_by_open_door(day, SECRETS["given_code"]))
    for match, status in (*_STEPS, *_TEAM_STEPS):
        day.echo(match, status, "password", "key", "code")
        _end(day, _team(day, f"echo {match} {status}", password=SECRETS["password"]))
    day.sandbox.fault(
        "smtp", "two@example.com", code=550, times=None, message=f"no {SECRETS['smtp']}"
    )
    day.echo("POST .*/links", 500, "key")
    day.drop("out/refused.mov")
    day.until_done("refused.mov")
    for status in (401, 500):
        day.echo("POST /v1/auth", status, "sign_in", "key")
        day.call("POST", "/login", {"email": USER["email"], "password": SECRETS["sign_in"]})


_STEPS = (
    ("POST /v1/packages/[^/]+/files$", 400),
    ("PUT /storage/", 400),
    ("POST /v1/packages/[^/]+/files/[^/]+/finalize", 400),
)
_TEAM_STEPS = (
    ("POST /v1/teams/[^/]+/packages$", 422),
    ("POST /v1/teams/[^/]+/packages$", 500),
)


def _portal_by_open_door(day, code):
    """Create an upload for a portal that takes any code."""
    body = {"subdomain": "dailies", "sender_email": "a@example.com",
            "paths": [str(day.take)], "access_code": code}  # fmt: skip
    return day.call("POST", "/portals/uploads", body).tree["upload_id"]


def _end(day, upload_id):
    """Let an upload fail, and take it away so that it meets no later fault."""
    day.until_told(upload_id)
    day.sandbox.heal()
    day.call("DELETE", f"/uploads/{upload_id}")


def sign_in(day):
    """Be a user instead of a key: his token is stored, used, repeated by the cloud and refused."""
    # without a key there is no rule for the team, and no letter
    day.reload(masv="", more="")
    teams = [{"id": "01ARZ3NDEKTSV4RRFFQ69G5FAW", "name": "Acme", "subdomain": "acme"}]
    user = {"token": SECRETS["user_token"], "user": USER, "teams": teams}
    package = {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAX", "access_token": SECRETS["package_token"]}
    day.sandbox.heal()
    day.sandbox.fault("status", "POST /v1/auth", status=200, body=user)
    day.sandbox.fault("status", "GET /v1/teams", status=200, body=json.dumps(teams))
    answer = day.call("POST", "/login", {"email": USER["email"], "password": SECRETS["sign_in"]})
    assert answer.status == 200, answer.text
    day.sandbox.fault("status", "POST /v1/teams/", status=201, body=package)
    day.echo("POST /v1/packages/", 400, "user_token", "package_token", times=None)
    day.until_told(_team(day, "by the user"))
    day.sandbox.heal()
    day.restart()
    day.call("GET", "/login")
    day.call("GET", "/login")


def ask_everything(day):
    """Have everything said that can be asked."""
    listed = day.call("GET", "/uploads").tree
    for upload in listed:
        day.call("GET", f"/uploads/{upload['upload_id']}")
    for path in ("/drops", "/hot_folders", "/automations", "/openapi.json", "/login", "/teams"):
        day.call("GET", path)
    for path in ("/metrics", "/healthz", "/readyz"):
        day.said[path] = curl(f"{day.daemon.api}{path}").body
    _events(day)
    for words in (("status", "--json"), ("show", listed[-1]["upload_id"])):
        done = day.command(*words)
        assert done.returncode == 0, done.stderr


def _events(day):
    done = subprocess.run(
        ["curl", "-sSN", "--max-time", "1", f"{day.base}/events?after=0"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert b"finalized" in done.stdout
    day.said["events"] = done.stdout


def test_secrets_are_nowhere_but_where_they_are_due(day):
    """No log, answer, mail, command, metric or file of the state holds one of them."""
    link = spend(day)
    secrets = {**MARKS, "key": day.key, "link": link["secret"]}
    links = {link["secret"] for package in day.sandbox.witness("packages")
             for link in package["links"]}  # fmt: skip

    sign_in(day)
    ask_everything(day)
    while_running = found_in(day.places(), secrets)
    day.daemon.kill()
    after_a_crash = found_in(files_of(day.state), secrets)
    day.start()
    day.daemon.stop()
    after_the_end = found_in(day.places(), secrets)

    assert while_running == []
    assert after_a_crash == []
    assert after_the_end == []
    # the links in our letters are the ones that were made for them, each in one letter alone
    quiet = {name: content for name, content in day.places().items() if name != "mails"}
    assert found_in(quiet, {str(number): each for number, each in enumerate(links)}) == []
    letters = [mail["text"] for mail in day.sandbox.witness("mail")]
    assert len(letters) == 3
    assert all(sum(secret in text for secret in links) == 1 for text in letters)
    assert b"Traceback" not in day.daemon.log.read_bytes()


def test_search_finds_what_was_planted(tmp_path):
    """The control: plain, in the middle of a database, as JSON and inside base64."""
    secret = SECRETS["password"]
    planted = {
        "plain": f"x{secret}y".encode(),
        "database": b"\0\xff" + secret.encode() + b"\0",
        "json": json.dumps({"a": [secret]}).encode(),
        **{f"base64-{pad}": base64.b64encode(b"u" * pad + secret.encode()) for pad in range(5)},
        "clean": b"nothing of it",
        "api-token": secret.encode(),
    }
    (tmp_path / "deep").mkdir()
    for name, content in planted.items():
        (tmp_path / "deep" / name).write_bytes(content)

    found = found_in(files_of(tmp_path), MARKS)

    holders = set(planted) - {"clean", "api-token"}
    assert found == [(f"state/{name}", "password") for name in sorted(holders)]
