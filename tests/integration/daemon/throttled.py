"""A sandbox behind a meter, and a daemon with limits of bandwidth.

Owns the configuration as the tests of limits want it. Never part of the product. Used by them.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.daemon.dispatch import Dispatch
from tests.metering import Meter
from tests.processes import ask
from tests.waiting import eventually

WHERE = "/api/v1/settings/upload_rate_limit"
#: bytes a second of 8 Mbit/s
SLOW = 1_000_000


class Throttled(Dispatch):
    """A daemon whose bytes are counted on their way to the sandbox."""

    def __init__(self, top: Path, *, bandwidth: str = "", **more: Any) -> None:
        """Start the sandbox and its meter; `bandwidth` is the configuration's, as it is written."""
        self.bandwidth = bandwidth
        self.meter: Meter | None = None
        super().__init__(top, flags=("--discard",), **more)

    def configure(self, *, key: str = "sandbox-key", **folders: str) -> None:
        """Write the configuration, with the meter in place of the sandbox."""
        if self.meter is None:
            self.meter = Meter(self.sandbox.api)
        super().configure(key=key, **folders)
        text = self.config.read_text().replace(self.sandbox.api, self.meter.url)
        if self.bandwidth:
            text = text.replace("hot_folders:", f"bandwidth: {self.bandwidth}\nhot_folders:", 1)
        self.config.write_text(text)

    def limit(self, rate: int | None) -> dict[str, Any]:
        """Have the API limit all uploads to so many bytes a second; None takes the limit away."""
        body = {"enabled": rate is not None, "rate_limit_bps": (rate or 0) * 8}
        status, tree = ask(self.daemon.api, WHERE, "POST", body)
        assert status == 200, tree
        return tree

    @property
    def gauge(self) -> Meter:
        """Give the meter, which is there once the configuration was written."""
        assert self.meter is not None
        return self.meter

    def until_flowing(self) -> None:
        """Wait until the bytes of a file are on their way."""
        before = self.gauge.bytes(0.0, float("inf"))
        eventually(lambda: self.gauge.bytes(0.0, float("inf")) > before + 100_000, within=30)

    def in_hand(self) -> float | None:
        """Count the uploads that the daemon sends now."""
        return self.metric("uploads_in_hand")

    def metric(self, name: str, labels: str = "") -> float | None:
        """Read a number of `/metrics`, None when it is not there."""
        whole = f"masv_watch_{name}{labels} "
        for line in self.metrics().splitlines():
            if line.startswith(whole):
                return float(line.removeprefix(whole))
        return None

    def metrics(self) -> str:
        """Read `/metrics`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def close(self) -> None:
        """End both processes and the meter."""
        # what a limit holds back would use up all of a stop's grace
        self.daemon.kill()
        super().close()
        if self.meter is not None:
            self.meter.close()


@contextmanager
def throttled(top: Path, **more: Any) -> Iterator[Throttled]:
    """Give a metered sandbox and a ready daemon, ended afterwards."""
    world = Throttled(top, **more)
    try:
        world.daemon.start().until_ready()
        yield world
    finally:
        world.close()
