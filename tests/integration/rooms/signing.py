"""A login over a real cloud, and a count of what it asks there.

Owns the building of the login and the answers that a test puts into the cloud's mouth. Never stands
in for the cloud. Used by the tests of the login.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.streams import Deadlines
from masv_watch.errors import NoSession
from masv_watch.login import Login
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Masv, Secret
from tests.doubles import FakeClock
from tests.processes import Sandbox

EMAIL, PASSWORD = "me@example.com", Secret("sandbox")
KEY = Secret("sandbox-key")
#: a team that only a fault's answer has
OTHER = "01CWEEY60MREFF7PPYZ82QSQ9J"
MINUTE_S = 61.0


class Desk:
    """A login over a real cloud, with what it was given to remember."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Open the door to the cloud; `open` makes the login."""
        self.sandbox = sandbox
        self.clock = FakeClock()
        deadlines = Deadlines(connect_s=5.0, answer_s=30.0, finalize_s=5.0)
        # connections need time that passes by itself
        self.http = Http(clock=SystemClock(), metrics=Metrics(), connections=8, deadlines=deadlines)
        self.cloud = CloudClient(self.http, api_url=sandbox.api)
        self.remembered: str | None = None
        self.metrics = Metrics()
        self._asked_before = self._asked()

    def masv(
        self, *, team: str | None = "acme", api_key: Secret | None = None, api_url: str = ""
    ) -> Masv:
        """Write the configuration of the cloud."""
        return Masv(api_url=api_url or self.sandbox.api, team=team, api_key=api_key)

    def open(self, **masv: Any) -> Login:
        """Build the login as a daemon does at its start."""
        return Login(
            self.cloud,
            self.masv(**masv),
            clock=self.clock,
            metrics=self.metrics,
            remembered=self.remembered,
            remember=self._remember,
        )

    @property
    def asked(self) -> int:
        """Count the asks for teams of this test."""
        return self._asked() - self._asked_before

    def teams(self, *subdomains: str) -> None:
        """Let the next ask be answered with our team and further ones."""
        rows = [{"id": self.sandbox.team, "name": "Acme", "subdomain": "acme"}]
        rows += [{"id": OTHER, "name": name, "subdomain": name} for name in subdomains]
        self.fault("status", status=200, body=json.dumps(rows))

    def fault(self, name: str, **rest: Any) -> None:
        """Let something happen to the next ask for teams."""
        self.sandbox.fault(name, "GET /v1/teams", **rest)

    def has_fired(self) -> bool:
        """Say whether the fault has met its ask."""
        return bool(self.sandbox.witness("faults")[0]["fired"])

    def creates(self, key: Secret) -> bool:
        """Create a package with what the login gave, and say whether the cloud has it."""
        made = self.cloud.create_team_package(
            key, team_id=self.sandbox.team, name="n", description="", recipients=[]
        )
        return made.id in {entry["id"] for entry in self.sandbox.witness("packages")}

    def _remember(self, text: str | None) -> None:
        self.remembered = text

    def _asked(self) -> int:
        found = self.sandbox.witness("requests")
        return sum(entry["method"] == "GET" and entry["path"] == "/v1/teams" for entry in found)


def refusal(asked: Callable[[], object]) -> NoSession | None:
    """Give the refusal of a call, None when it went well."""
    try:
        asked()
    except NoSession as error:
        return error
    return None
