"""Start real sandbox processes and speak to them as a client would."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

ROOT = Path(__file__).resolve().parents[3]
READY = re.compile(r"sandbox ready: api=(http://\S+) smtp=(127\.0\.0\.1):(\d+) team=(\w{26})\n")
JSON = {"Content-Type": "application/json"}


class Sandbox:
    """One sandbox process and a client of it."""

    def __init__(self, *flags, data=None):
        self.flags = [*flags, *(["--data", str(data)] if data else [])]
        self.start()

    def start(self):
        ports = ["--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "masv_watch.sandbox", *ports, *self.flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, line + self.process.stderr.read()
        self.api, _, port, self.team = ready.groups()
        self.smtp_port = int(port)
        self.address = (urlsplit(self.api).hostname, urlsplit(self.api).port)
        self.session = requests.Session()

    def end(self, how="terminate"):
        getattr(self.process, how)()
        out, err = self.process.communicate(timeout=60)
        self.session.close()
        return self.process.returncode, out, err

    def call(self, method, path, *, token=None, key=None, headers=None, **rest):
        """Make a control call as the docs say: JSON content type on every POST and PUT."""
        headers = {**(JSON if method in {"POST", "PUT"} else {}), **(headers or {})}
        if token:
            headers["X-Package-Token"] = token
        if key:
            headers["X-API-KEY"] = key
        return self.session.request(
            method, self.api + path, headers=headers, timeout=60, allow_redirects=False, **rest
        )

    def witness(self, name):
        return self.call("GET", f"/_sandbox/{name}").json()

    def fault(self, name, match="", **rest):
        answer = self.call("POST", "/_sandbox/faults", json={"name": name, "match": match, **rest})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def package(self, **fields):
        body = {"name": "Day 1", "description": "", "recipients": [], **fields}
        answer = self.call("POST", f"/v1/teams/{self.team}/packages", key="sandbox-key", json=body)
        assert answer.status_code == 201, answer.text
        return Package(self, answer.json())

    def portal(self, subdomain):
        return self.call("GET", f"/v1/subdomains/portals/{subdomain}").json()["id"]


class Package:
    """A package and the calls on it."""

    def __init__(self, sandbox, shown):
        self.sandbox = sandbox
        self.id = shown["id"]
        self.token = shown["access_token"]

    def call(self, method, path="", **rest):
        rest.setdefault("token", self.token)
        return self.sandbox.call(method, f"/v1/packages/{self.id}{path}", **rest)

    def add(self, name="a.mov", **fields):
        answer = self.call("POST", "/files", json={"kind": "file", "name": name, **fields})
        assert answer.status_code == 201, answer.text
        return File(self, answer.json())

    def send(self, data=b"bytes", name="a.mov", chunk=5 << 20, **fields):
        """Send one file whole."""
        file = self.add(name, **fields)
        file.open()
        extras = file.put_all(data, chunk)
        answer = file.finalize(extras, len(data), chunk_size=chunk)
        assert answer.status_code == 200, answer.text
        return file

    def finalize(self):
        return self.call("POST", "/finalize")

    def link(self, **fields):
        answer = self.call("POST", "/links", json=fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def seen(self):
        return next(row for row in self.sandbox.witness("packages") if row["id"] == self.id)


class File:
    """A file of a package and its upload."""

    def __init__(self, package, added):
        self.package = package
        self.added = added
        self.id = added["file"]["id"]
        self.blueprint = added["create_blueprint"]
        self.session = package.sandbox.session

    def create(self, **changes):
        asked = {**self.blueprint, **changes}
        return self.session.request(
            asked["method"], asked["url"], headers=asked["headers"], timeout=60
        )

    def open(self):
        self.upload_id = re.search("<UploadId>(.+)</UploadId>", self.create().text)[1]
        return self.upload_id

    def ask(self, start, count, upload_id=None):
        return self.package.call(
            "POST",
            f"/files/{self.id}?start={start}&count={count}",
            json={"upload_id": upload_id or self.upload_id},
        )

    def url(self, number=1, **rest):
        return self.ask(number - 1, 1, **rest).json()[0]["url"]

    def put(self, data, number=1):
        return self.session.put(self.url(number), data=data, timeout=60)

    def put_all(self, data, chunk=5 << 20):
        pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)] or [b""]
        return [
            {"partNumber": str(number), "etag": self.put(piece, number).headers["ETag"]}
            for number, piece in enumerate(pieces, 1)
        ]

    def finalize(self, extras, size, **fields):
        body = {
            "chunk_extras": extras,
            "file_extras": {"upload_id": self.upload_id},
            "size": size,
            **fields,
        }
        return self.package.call("POST", f"/files/{self.id}/finalize", json=body)


@pytest.fixture(scope="session")
def one_sandbox():
    """One sandbox for all tests that need no flags."""
    sandbox = Sandbox()
    yield sandbox
    assert sandbox.end()[0] == 0


@pytest.fixture
def sandbox(one_sandbox):
    """The common sandbox, free of faults afterwards."""
    yield one_sandbox
    one_sandbox.call("DELETE", "/_sandbox/faults")


@pytest.fixture
def spawn():
    """Start sandboxes with flags of the test's own."""
    started = []

    def start(*flags, data=None):
        started.append(Sandbox(*flags, data=data))
        return started[-1]

    yield start
    for sandbox in started:
        with suppress(ProcessLookupError, ValueError):
            sandbox.end()


@pytest.fixture
def package(sandbox):
    """A fresh team package."""
    return sandbox.package()


@pytest.fixture
def eventually():
    """Wait until a condition holds and answer what it said."""

    def wait(condition, within=60.0):
        deadline = time.monotonic() + within
        while True:
            found = condition()
            if found or time.monotonic() > deadline:
                assert found
                return found
            time.sleep(0.01)

    return wait
