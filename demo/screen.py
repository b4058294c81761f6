"""Show a run on a terminal or in a log.

Owns what is printed and when: moments with their time, one living line, the stations of an upload.
Never asks a server anything. Used by `main_job.py`.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
import time
from typing import Any

from outside import DemoFailed

#: the stations of an upload, in order
MOMENTS = ("settled", "transferring", "transferred", "idle", "complete")


class Screen:
    """Prints moments with their time, and below them one line that lives on a terminal."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._live = sys.stdout.isatty()
        self._plain_at = 0.0
        self._shown = ""

    def now(self) -> float:
        """Give the seconds since the demo began."""
        return time.monotonic() - self.started

    def say(self, text: str = "") -> None:
        """Print a line above the living one."""
        self._wipe()
        print(text, flush=True)

    def moment(self, who: str, text: str, at: float | None = None) -> None:
        """Print what happened, to whom and when."""
        self.say(f"{self.now() if at is None else at:7.1f} s  {who:<9}{text}")

    def more(self, text: str) -> None:
        """Print a further line of the last moment."""
        self.say(f"{'':<20}{text}")

    def live(self, text: str) -> None:
        """Show where things stand: in place on a terminal, else a plain line every 5 s."""
        if self._live:
            text = text[: shutil.get_terminal_size().columns - 1]
            if text != self._shown:
                print(f"\r\x1b[K{text}", end="", flush=True)
                self._shown = text
        elif text != self._shown and self.now() - self._plain_at >= 5:
            print(f"{'':<11}{text}", flush=True)
            self._shown, self._plain_at = text, self.now()

    def _wipe(self) -> None:
        if self._live and self._shown:
            print("\r\x1b[K", end="")
            self._shown = ""


@dataclasses.dataclass
class Journey:
    """One upload on its way, as the daemon's API shows it."""

    hot_folder: str
    type: str
    upload_id: str = ""
    files: str = ""
    view: dict[str, Any] = dataclasses.field(default_factory=dict)
    moments: dict[str, float] = dataclasses.field(default_factory=dict)

    def look(self, view: dict[str, Any], screen: Screen) -> None:
        """Print every station that was reached since the last look."""
        self.upload_id, self.view = str(view["upload_id"]), view
        if view["state"] == "error":
            raise DemoFailed(f"upload {self.upload_id} of {self.hot_folder} is in state error")
        reached = MOMENTS[: MOMENTS.index(station(view)) + 1]
        fresh = [moment for moment in reached if moment not in self.moments]
        for moment in fresh:
            self.moments[moment] = screen.now()
            size = f": {told(view['size'])}" if moment in ("settled", "transferred") else ""
            passed = "" if moment == fresh[-1] or moment == "settled" else " (between two looks)"
            screen.moment(self.hot_folder, f"{moment}{size}{passed}")

    def bar(self) -> str:
        """Draw how far it is."""
        if not self.view:
            return f"{self.hot_folder} settling"
        size, sent = int(self.view["size"]), int(self.view["progress"])
        share = sent / size if size else 0.0
        filled = "#" * int(share * 20)
        waiting = self.view.get("waiting") or {}
        why = f" {waiting['reason']}" if waiting.get("reason") else ""
        return f"{self.hot_folder} [{filled:-<20}] {share:4.0%}{self.files}{why}"


def station(view: dict[str, Any]) -> str:
    """Say how far an upload is, in the words of MOMENTS."""
    if view["state"] in ("idle", "complete"):
        return str(view["state"])
    if view["size"] and view["progress"] >= view["size"]:
        return "transferred"
    return "transferring" if view["progress"] or not view.get("waiting") else "settled"


def counted(count: int, noun: str = "file") -> str:
    """Say a number of things."""
    return f"{count} {noun}{'s' * (count != 1)}"


def told(size: int) -> str:
    """Say a number of bytes for people."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
