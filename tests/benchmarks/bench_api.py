"""How fast the API answers while the same process sends 4 GiB, beside bare Bottle routes.

Owns one run: a sandbox that keeps no bytes, a daemon with 1,000 uploads that sends a hollow file of
4 GiB, and callers one after the other. The peer is a Bottle app without guard, store or desk in the
same process, behind listeners of the same kind, that answers trees of the same size. Prints a table
with minimum, median, p99 and ratios; nothing here is asserted.

    .venv/bin/python tests/benchmarks/bench_api.py [--rounds N] [--gib N]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.processes import Sandbox, ask, free_port  # noqa: E402

UPLOADS = 1000
SLOW_CLIENTS = 100

CONFIG = """
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {state}
transfer: {{connections: 4, chunk_size: 100 MiB, active_uploads: 4}}
"""


def serve(config: str, port: int) -> int:
    """Run the daemon and, in the same process, the bare routes on another port."""
    import bottle

    from masv_watch import logs
    from masv_watch.api.server import Listeners
    from masv_watch.config.load import load
    from masv_watch.daemon import Daemon
    from masv_watch.model import Listen

    loaded = load(config, environ=os.environ)
    logs.set_up(secrets=loaded.secrets, level="WARNING")
    daemon = Daemon(loaded, path=config, environ=os.environ)
    bare, trees = bottle.Bottle(), {}

    @bare.post("/tree/<name>")
    def keep(name: str) -> str:
        trees[name] = json.load(bottle.request.body)
        return "{}"

    @bare.get("/tree/<name>")
    def give(name: str) -> bytes:
        bottle.response.content_type = "application/json"
        return json.dumps(trees[name]).encode()

    bottle.BaseRequest.MEMFILE_MAX = 8 * 1024 * 1024
    listeners = Listeners(bare, (Listen(port=port),))
    status = daemon.run()
    listeners.close()
    return status


class Bench:
    """One daemon with its uploads, its peer and its load."""

    def __init__(self, top: Path, gib: int) -> None:
        """Start everything and create the uploads."""
        self.gib = gib
        self.sandbox = Sandbox(top / "cloud", "--discard", "--no-md5")
        port, bare = free_port(), free_port()
        config = top / "masv-watch.yml"
        text = CONFIG.format(api=self.sandbox.api, port=port, state=top / "state")
        config.write_text(text)
        config.chmod(0o600)
        self.daemon = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(config), "--bare-port", str(bare)]
        )
        self.api, self.bare = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{bare}"
        self._await_ready()
        self.small = top / "small.bin"
        self.small.write_bytes(b"x" * 1000)
        self.large = top / "large.bin"
        with self.large.open("wb") as file:
            file.truncate(gib << 30)
        # in the page cache before anything is measured, as a file that was just dropped is
        with self.large.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                continue
        self.ids = [self.create(self.small) for _ in range(UPLOADS)]
        self._await_idle()
        for name, path in self.paths().items():
            ask(self.bare, f"/tree/{name}", "POST", ask(self.api, path)[1])

    def paths(self) -> dict[str, str]:
        """Give the calls that are measured."""
        middle = self.ids[len(self.ids) // 2]
        return {"list": "/api/v1/uploads", "one": f"/api/v1/uploads/{middle}"}

    def _await_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if ask(self.api, "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the daemon did not become ready")

    def _await_idle(self) -> None:
        while any(each["state"] == "transferring" for each in ask(self.api, "/api/v1/uploads")[1]):
            time.sleep(0.5)

    def create(self, path: Path) -> str:
        """Create an upload of one file."""
        body = {"subdomain": "acme", "paths": [str(path)], "recipients": []}
        status, answer = ask(self.api, "/api/v1/uploads", "POST", body)
        assert status == 201, answer
        return str(answer["upload_id"])

    def close(self) -> None:
        """End both processes."""
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(30)
        self.sandbox.end()


class Load:
    """Keeps the daemon sending, one file of some GiB after the other, until it is ended."""

    def __init__(self, bench: Bench) -> None:
        """Begin to send and wait for the first bytes."""
        self.bench, self.sent, self._is_over = bench, 0, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._began = threading.Event()
        self._thread.start()
        self._began.wait(30)

    def _run(self) -> None:
        while not self._is_over.is_set():
            upload_id = self.bench.create(self.bench.large)
            before = 0
            while True:
                tree = ask(self.bench.api, f"/api/v1/uploads/{upload_id}")[1]
                self.sent += tree["progress"] - before
                before = tree["progress"]
                if before:
                    self._began.set()
                if tree["state"] != "transferring" or self._is_over.is_set():
                    break
                time.sleep(0.25)
            ask(self.bench.api, f"/api/v1/uploads/{upload_id}", "DELETE")

    def end(self) -> int:
        """Stop sending and give the bytes that were sent."""
        self._is_over.set()
        self._thread.join()
        return self.sent


def slow_clients(api: str) -> list[socket.socket]:
    """Open connections that stall: in a header, in a body, or before they read the answer."""
    host, port = api.removeprefix("http://").split(":")
    head = f"POST /api/v1/uploads HTTP/1.1\r\nHost: {host}:{port}\r\n".encode()
    kinds = (
        head,
        head + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
        head.replace(b"POST", b"GET") + b"\r\n",
    )
    found = []
    for number in range(SLOW_CLIENTS):
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(kinds[number % len(kinds)])
        found.append(connection)
    return found


def measure(targets: dict[str, tuple[str, str]], rounds: int) -> dict[str, list[float]]:
    """Call every target in turn, on a connection each, and give milliseconds by target."""
    lines = {
        name: http.client.HTTPConnection(base.removeprefix("http://"), timeout=60)
        for name, (base, _) in targets.items()
    }
    took: dict[str, list[float]] = {name: [] for name in targets}
    for _ in range(rounds):
        for name, (_, path) in targets.items():
            began = time.perf_counter()
            lines[name].request("GET", path)
            answer = lines[name].getresponse()
            answer.read()
            took[name].append((time.perf_counter() - began) * 1000)
            assert answer.status == 200
    for line in lines.values():
        line.close()
    return took


def p99(values: list[float]) -> float:
    """Give the 99th percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def tell(title: str, took: dict[str, list[float]]) -> None:
    """Print one table."""
    print(f"\n{title}\n{'call':<12}{'min':>8}{'median':>8}{'p99':>8}   ms; ratio to bare (p99)")
    for name, values in took.items():
        bare = took.get(f"bare {name}")
        ratio = f"{p99(values) / p99(bare):>8.2f}" if bare else ""
        print(
            f"{name:<12}{min(values):>8.2f}{statistics.median(values):>8.2f}{p99(values):>8.2f}"
            f"{ratio}"
        )


def run(rounds: int, gib: int) -> None:
    """Measure idle, while sending, and while sending with slow clients."""
    with tempfile.TemporaryDirectory() as top:
        bench = Bench(Path(top), gib)
        try:
            targets: dict[str, Any] = {}
            for name, path in bench.paths().items():
                targets[name] = (bench.api, path)
                targets[f"bare {name}"] = (bench.bare, f"/tree/{name}")
            print(
                f"{UPLOADS} uploads, {rounds} calls each, interleaved, one caller, 2 cores shared"
            )
            tell("idle", measure(targets, rounds))
            load = Load(bench)
            calm = measure(targets, rounds)
            tell(f"while {gib} GiB files are sent", calm)
            stalled = slow_clients(bench.api)
            slow = measure(targets, rounds)
            tell(f"the same with {SLOW_CLIENTS} slow clients", slow)
            for connection in stalled:
                connection.close()
            sent = load.end()
            print(f"\nsent meanwhile: {sent / 2**30:.1f} GiB")
            for name in bench.paths():
                ratio = p99(slow[name]) / p99(calm[name])
                print(f"{name}: p99 with slow clients / without: {ratio:.2f}")
        finally:
            bench.close()


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--gib", type=int, default=4)
    parser.add_argument("--serve")
    parser.add_argument("--bare-port", type=int, default=0)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.bare_port)
    run(options.rounds, options.gib)
    return 0


if __name__ == "__main__":
    sys.exit(main())
