"""A daemon with something in every state, and a browser in front of it.

Owns what there is to be seen, and the views of the page with a name each. Never part of the
product. Used by the browser tests of the page.
"""

from __future__ import annotations

from pathlib import Path

from tests.browser.browsing import Browser
from tests.integration.page.station import Station, sparse
from tests.waiting import eventually

PHONE, WIDE = 375, 1280
MIB = 1024 * 1024
HOSTILE = "</h3><script>window.hurt=1</script><img src=x onerror=window.hurt=1>\u202e"
FOLDERS = """
bandwidth: 4 MB/s
hot_folders:
  - {{name: out, path: {top}/out, drop: folder, settle: {{quiet: 1s}}, to: {{recipients: []}}}}
  - {{name: archive, path: {top}/archive, initial: ask, to: {{recipients: [a@example.com]}}}}
  - {{name: away, path: {top}/not-there, to: {{recipients: []}}}}
"""


class Desk:
    """A daemon with something in every state, and a browser."""

    def __init__(self, top: Path) -> None:
        self.station, self.top = Station(top), top
        (top / "out").mkdir()
        (top / "archive").mkdir()
        (top / "archive/old.mov").write_bytes(b"old")
        self.browser = Browser(top, "MAP never.example 127.0.0.1")
        self.small = top / "small.mov"
        self.small.write_bytes(b"take" * 1000)
        self.large = sparse(top / "large.mov", 400 * MIB)

    def start(self) -> None:
        station = self.station
        station.configure(
            transfer="connections: 2, active_uploads: 1", more=FOLDERS.format(top=self.top)
        )
        station.start()
        self.done = self.delivered("delivered")
        station.sandbox.fault("status", "POST /v1/teams", status=422, body={"message": "no"})
        self.stopped = station.create(self.small, package_name="stopped")
        station.until(self.stopped, "error")
        self.sent = station.create(self.small, package_name=HOSTILE)
        station.until(self.sent, "idle")
        self.moving = station.create(self.large, package_name="moving")
        self.queued = station.create(self.large, package_name="queued")
        (self.top / "out" / "EMPTY").mkdir()
        eventually(lambda: len(self.held()) == 2, within=20, every=0.1)

    def delivered(self, name: str) -> str:
        upload_id = self.station.create(self.small, package_name=name)
        self.station.until(upload_id, "idle")
        self.station.call("POST", f"/uploads/{upload_id}/finalize", {})
        self.station.until(upload_id, "complete")
        return upload_id

    def held(self) -> list[str]:
        drops = self.station.call("GET", "/drops").tree
        return sorted(each["path"] for each in drops if each["state"] == "held")

    def close(self) -> None:
        self.browser.close()
        self.station.close()


def views(desk: Desk) -> dict[str, str]:
    """Give the path of each view by a name for its picture."""
    return {
        "live": "/",
        "stopped": "/?show=error",
        "found": "/?q=deliv",
        "nothing-found": "/?q=none",
        "upload-moving": f"/page/uploads/{desk.moving}",
        "upload-stopped": f"/page/uploads/{desk.stopped}",
        "upload-delivered": f"/page/uploads/{desk.done}",
        "no-upload": "/page/uploads/none",
        "explained-held": f"/page/explain?path={desk.top}/out/EMPTY",
        "explained-nowhere": "/page/explain?path=/elsewhere/x.mov",
    }
