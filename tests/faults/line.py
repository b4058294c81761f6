"""A sender's room whose cloud lies behind the proxy, and one small delivery after the other in it.

Owns how a room is joined to a line, how its time is driven, and what is asked of each delivery.
Never touches the engine: rooms, store, client and sandbox are the real ones. Used by the tests of
broken connections.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.streams import Deadlines
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Terms, UploadType
from tests.faults.proxy import Proxy
from tests.integration.rooms.sent import Room
from tests.processes import Sandbox
from tests.waiting import eventually

#: seconds: long enough for a busy machine, short enough to be waited out
SHORT = Deadlines(
    connect_s=0.7, answer_s=0.7, finalize_s=0.7, least_put_s=0.7, least_rate=1024 * 1024.0
)
PATIENT = Deadlines(connect_s=5.0, answer_s=5.0, finalize_s=5.0)
#: no two uploads of a run have one name, so that a package tells whose it is
_NUMBERS = count(1)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What our books show of one upload."""

    name: str
    upload_id: str
    #: SHA-256 of what had to arrive
    wanted: str
    state: str
    error: str
    #: what was done to it
    note: Any


class Line:
    """A room behind a proxy; `deliver` sends one file in a package of its own."""

    def __init__(
        self,
        top: Path,
        sandbox: Sandbox,
        *,
        deadlines: Deadlines = PATIENT,
        workers: int = 4,
        **options: Any,
    ) -> None:
        """Build the room; `options` are the proxy's."""
        self.sandbox = sandbox
        self.proxy = Proxy(sandbox.api, **options)
        self.room = Room(top, sandbox, workers=workers)
        self.http = Http(
            clock=SystemClock(), metrics=Metrics(), connections=workers + 2, deadlines=deadlines
        )
        self.room.cloud = CloudClient(self.http, api_url=self.proxy.url)

    def close(self) -> None:
        """End the room and the line."""
        self.proxy.close()
        self.room.close()
        self.http.close()

    def upload(self, content: bytes, *, name: str = "", **said: Any) -> str:
        """Make an upload of one file that is finalized by itself; give its id."""
        name = name or f"n{next(_NUMBERS)}"
        terms = Terms(type=UploadType.TEAM)
        source = self.room.source(f"{name}.bin", content)
        return self.room.call(source, name=name, terms=terms, **said)

    def until(
        self, condition: Callable[[], Any], *, step_s: float = 1.0, within: float = 120
    ) -> Any:
        """Turn the room, time passing at every turn, until a condition holds."""

        def turned() -> Any:
            self.room.clock.advance(step_s)
            self.room.turn()
            return condition()

        return eventually(turned, within=within, every=0.002)

    def is_over(self, upload_id: str) -> bool:
        """Say whether an upload is where it stays."""
        return self.room.upload(upload_id).state in {"complete", "error"}

    def deliver(self, content: bytes, note: Any = "", **said: Any) -> Sent:
        """Send a file until it is delivered or an error is shown."""
        upload_id = self.upload(content, **said)
        self.until(lambda: self.is_over(upload_id))
        return self.sent(upload_id, content, note)

    def sent(self, upload_id: str, content: bytes, note: Any = "") -> Sent:
        """Say what our books show of an upload."""
        row = self.room.upload(upload_id)
        return Sent(
            name=row.name,
            upload_id=upload_id,
            wanted=hashlib.sha256(content).hexdigest(),
            state=str(row.state),
            error=row.error,
            note=note,
        )

    def judge(self, sent: Iterable[Sent], *, may_fail: bool = False) -> None:
        """Compare what our books say of these uploads with what the cloud has of them."""
        packages: dict[str, list[dict[str, Any]]] = {}
        for each in self.sandbox.witness("packages"):
            if each["state"] != "archived":
                packages.setdefault(each["name"], []).append(each)
        for one in sent:
            assert may_fail or one.state == "complete", one
            demand_nothing_wrong(one, packages.get(one.name, []))

    def puts(self, package_id: str) -> Counter[int]:
        """Count the PUTs of each chunk of the only file of a package."""
        found = self.sandbox.witness("puts")
        return Counter(
            {each["part"]: each["attempts"] for each in found if each["package"] == package_id}
        )


def demand_nothing_wrong(sent: Sent, packages: list[dict[str, Any]]) -> None:
    """Assure that a file arrived once, whole and alone, or that an error is shown instead.

    What a lost create left behind is empty and never delivered.
    """
    told = f"{sent} {packages}"[:2000]
    finalized = [each for each in packages if each["finalized_at"] is not None]
    rest = [each for each in packages if each["finalized_at"] is None]
    assert len(finalized) == (sent.state == "complete"), told
    for package in finalized:
        assert [file["sha256"] for file in package["files"]] == [sent.wanted], told
        assert package["files"][0]["name"] == f"{sent.name}.bin", told
    if sent.state == "complete":
        assert not any(each["files"] for each in rest), told
    else:
        assert sent.error, told
