"""Intake with a real store, real files and a clock that the tests drive.

Owns the room of one hot folder and its ticking. Never judges: the intake in it does. Used by the
intake's tests.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import xxhash

from masv_watch.loops import Bell
from masv_watch.metrics import Metrics
from masv_watch.model import (
    Drop,
    Rule,
    Settle,
    SourceFile,
    TaskDraft,
    To,
    Upload,
    UploadEvent,
)
from masv_watch.store.contract import Store
from masv_watch.store.sqlite import open_store
from masv_watch.uploads import Uploads
from masv_watch.watch.hints import Hints, Sight
from masv_watch.watch.intake import Intake
from masv_watch.watch.limits import LIMITS, Limits
from masv_watch.watch.turnstile import Turnstile
from tests.doubles import FakeClock
from tests.integration.store.making import claim, finalize, open_package, send_files

QUIET_S = 8.0
#: seconds between two samples of what settles
SPACING_S = QUIET_S / 3
#: seconds after which a loop looks by itself
LOOK_S = 1.0


class Room:
    """One hot folder's intake, ticked as its loop ticks it."""

    def __init__(
        self,
        top: Path,
        *,
        sight: Sight = Sight.DEGRADED,
        limits: Limits = LIMITS,
        store: Store | None = None,
        clock: FakeClock | None = None,
        **settings: Any,
    ) -> None:
        self.top = top
        self.hot = top / "hot"
        self.clock = clock or FakeClock()
        self.store: Store = store or open_store(
            str(top / "state"), clock=self.clock, metrics=Metrics()
        )
        self.hints = Hints(
            lambda _name: self.intake.hurry(),
            kind_of=lambda _path: "network" if sight is Sight.BLIND else "local",
            new_observer=_no_observer,
        )
        self.rule = Rule(
            name="hot",
            path=os.fsencode(self.hot),
            **{
                "to": To(recipients=()),
                "limits": limits,
                "settle": Settle(quiet_s=QUIET_S),
                **settings,
            },
        )
        self.uploads = Uploads(self.store, auth_until=lambda: None)
        self.turnstile = Turnstile(monotonic=self.clock.monotonic)
        self.intake = self.begin()

    def begin(self) -> Intake:
        """Start the room anew, as a restart of the daemon does: nothing is remembered."""
        self.intake = Intake(
            self.rule,
            store=self.store,
            uploads=self.uploads,
            hints=self.hints,
            clock=self.clock,
            metrics=Metrics(),
            bell=Bell(),
            stop=lambda: False,
            turnstile=self.turnstile,
        )
        return self.intake

    def restart(self, *, after_s: float = 0.0) -> Intake:
        """End the daemon and start it anew later, with the clocks as they are by then."""
        self.store.close()
        self.clock.advance(after_s)
        self.store = open_store(str(self.top / "state"), clock=self.clock, metrics=Metrics())
        self.uploads = Uploads(self.store, auth_until=lambda: None)
        return self.begin()

    def pass_time(self, seconds: float) -> int:
        """Tick as a loop does for so long; give how often."""
        until = self.clock.monotonic() + seconds
        ticks = 0
        while (left := until - self.clock.monotonic()) > 0:
            pause = self.intake.tick()
            ticks += 1
            self.clock.advance(min(pause, LOOK_S, left))
        self.intake.tick()
        return ticks + 1

    def drop(self, path: str) -> Drop | None:
        return self.store.latest_drop("hot", os.fsencode(path))

    def state(self, path: str) -> tuple[str, str | None] | None:
        drop = self.drop(path)
        return None if drop is None else (drop.state.value, drop.hold and drop.hold.value)

    def taken(self) -> list[Upload]:
        return self.store.uploads()

    def files(self, upload: Upload) -> list[str]:
        return sorted(os.fsdecode(file.path) for file in self.store.files(upload.id))

    def deliver(self, upload: Upload, *tasks: TaskDraft, hashed: bool = True) -> None:
        """Walk an upload to complete, as sender and cloud do; `hashed` as `verify: fast` does."""
        claimed = claim(self.store, upload.id)
        open_package(self.store, claimed)
        send_files(
            self.store,
            self.store.upload(upload.id),
            hash_of=self._hash_of if hashed else lambda _file: "",
        )
        assert self.store.advance_all_sent(upload.id, claimed.fence)
        self.store.advance_upload(upload.id, UploadEvent.FINALIZE)
        finalize(self.store, upload.id, tasks=tasks)

    def _hash_of(self, file: SourceFile) -> str:
        path = self.hot / os.fsdecode(file.path)
        return xxhash.xxh3_128_hexdigest(path.read_bytes()) if path.is_file() else "h"

    def close(self) -> None:
        self.hints.stop()
        self.store.close()


def _no_observer() -> Any:
    raise OSError(errno.ENOSPC, "the limit of watches is reached")
