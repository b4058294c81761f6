"""One tab of a real browser, driven by its own protocol.

Owns the connection to a tab and the few things that a person does in one: open, look, click, type.
Never part of the product. Used by the browser tests of the page.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

from tests.waiting import eventually


class _Line:
    """A WebSocket as a client, of text frames only; no library here speaks it."""

    def __init__(self, port: int, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._came = self._socket.makefile("rb")
        assert b" 101 " in self._came.readline()
        while self._came.readline().strip():
            continue

    def send(self, text: str) -> None:
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = (
            struct.pack("!BB", 0x81, 0x80 | size)
            if size < 126
            else struct.pack("!BBH", 0x81, 0x80 | 126, size)
            if size < 65536
            else struct.pack("!BBQ", 0x81, 0x80 | 127, size)
        )
        number = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(data, "big") ^ number).to_bytes(size, "big")
        self._socket.sendall(head + mask + masked)

    def receive(self) -> str:
        text = b""
        while True:
            first, second = self._came.read(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", self._came.read(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._came.read(8))
            text += self._came.read(size)
            if first & 0x80:
                return text.decode()

    def close(self) -> None:
        self._came.close()
        self._socket.close()


class Tab:
    """One tab; what its console and its policy complained of is kept in `complaints`."""

    def __init__(self, port: int, target: str) -> None:
        """Connect to a tab that the browser opened."""
        self._line = _Line(port, f"/devtools/page/{target}")
        self._number = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **said: Any) -> Any:
        """Make one call of the protocol and give its result."""
        self._number += 1
        self._line.send(json.dumps({"id": self._number, "method": method, "params": said}))
        while True:
            tree = json.loads(self._line.receive())
            if tree.get("id") == self._number:
                assert "error" not in tree, (method, tree["error"])
                return tree["result"]
            self._note(tree)

    def _note(self, tree: dict[str, Any]) -> None:
        params = tree.get("params", {})
        if tree["method"] == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif tree["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif tree["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def look_as(self, *, width: int = 1280, height: int = 900, is_dark: bool = False) -> None:
        """Be a screen of this size, light or dark."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        theme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[theme])

    def open(self, url: str) -> None:
        """Load a page and wait until it is there."""
        self.run("window.before = true")
        found = self.ask("Page.navigate", url=url)
        assert "errorText" not in found or "ERR_INVALID_AUTH" in found["errorText"], found
        eventually(
            lambda: self.run("!window.before && document.readyState === 'complete'"),
            within=30,
            every=0.02,
        )

    def run(self, script: str) -> Any:
        """Evaluate a script in the page and give its value."""
        found = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def text(self) -> str:
        """Give the text of the page as people see it."""
        return str(self.run("document.body.innerText"))

    def until(self, script: str, within: float = 20.0) -> Any:
        """Wait until a script gives something true."""
        return eventually(lambda: self.run(script), within=within, every=0.05)

    def click(self, selector: str) -> None:
        """Click what a selector names, with the mouse, in its middle."""
        place = self.run(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)});"
            " it.scrollIntoView({block: 'center'}); const box = it.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1],
                button="left", clickCount=1,
            )  # fmt: skip

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        more = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more,
            )  # fmt: skip
            more = {}

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Keep how the page looks as a PNG."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Let go of the tab."""
        self._line.close()
