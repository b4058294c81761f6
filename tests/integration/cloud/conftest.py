"""A real sandbox process and a client of ours that speaks to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from masv_watch import loops
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.streams import Deadlines
from masv_watch.metrics import Metrics
from masv_watch.model import Secret

READY = re.compile(r"sandbox ready: api=(http://\S+) smtp=\S+ team=(\w{26})\n")
KEY = Secret("sandbox-key")

HASTY = Deadlines(connect_s=5.0, answer_s=2.0, finalize_s=3.0)
PATIENT = Deadlines(connect_s=60.0, answer_s=60.0, finalize_s=60.0)


class Sandbox:
    """One sandbox process, and what its witness routes tell."""

    def __init__(self, project, *flags):
        ports = ["--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "masv_watch.sandbox", *ports, *flags],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        ready = READY.fullmatch(line)
        assert ready, line
        self.api, self.team = ready.groups()

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=60)

    def call(self, method, path, body=None):
        connection = HTTPConnection(urlsplit(self.api).netloc, timeout=60)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body and json.dumps(body), headers)
        text = connection.getresponse().read()
        connection.close()
        return json.loads(text) if text else None

    def fault(self, name, match, **rest):
        """Order a fault and assure that it was understood."""
        ordered = self.call("POST", "/_sandbox/faults", {"name": name, "match": match, **rest})
        assert ordered["name"] == name, ordered

    def package(self, package_id):
        found = self.call("GET", "/_sandbox/packages")
        return next(entry for entry in found if entry["id"] == package_id)

    def requests(self, fragment):
        found = self.call("GET", "/_sandbox/requests")
        return [entry for entry in found if fragment in entry["path"]]


@pytest.fixture(scope="session")
def one_sandbox(project):
    """Give one sandbox for all tests that need no flags."""
    sandbox = Sandbox(project)
    yield sandbox
    sandbox.end()


@pytest.fixture
def sandbox(one_sandbox):
    """Give the common sandbox, free of faults afterwards."""
    yield one_sandbox
    one_sandbox.call("DELETE", "/_sandbox/faults")


@pytest.fixture
def expiring(project):
    """Give a sandbox whose package tokens are expired as soon as they are minted."""
    sandbox = Sandbox(project, "--token-lifetime", "0")
    yield sandbox
    sandbox.end()


@pytest.fixture
def connect():
    """Make clients of a base URL and close them; a hasty one gives up who is only slow."""
    doors = []

    def make(api_url, *, hasty=False):
        doors.append(
            Http(
                clock=loops.SystemClock(),
                metrics=Metrics(),
                connections=2,
                deadlines=HASTY if hasty else PATIENT,
            )
        )
        return CloudClient(doors[-1], api_url=api_url)

    yield make
    for door in doors:
        door.close()


@pytest.fixture
def cloud(connect, sandbox):
    """Give a client of the common sandbox."""
    return connect(sandbox.api)
