"""How fast the page opens on 10,000 uploads, beside a bare Bottle route of the same size.

Owns one run: the API over a real store with 10,000 uploads of a million files, and behind listeners
of the same kind in the same process a Bottle app without guard, store or desk that serves the
page's own HTML as it was. Callers come one after the other over HTTP; then, where there is a
Chromium, a real browser opens both. Prints a table with minimum, median, p99 and ratios; nothing
here is asserted.

    .venv/bin/python tests/benchmarks/bench_page.py [--uploads N] [--files N] [--rounds N]
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import bottle  # noqa: E402

from masv_watch.api.server import Listeners  # noqa: E402
from masv_watch.model import Listen  # noqa: E402
from tests.browser.browsing import PROGRAM, Browser  # noqa: E402
from tests.integration.api.test_api_lists import Shelf  # noqa: E402

#: `{n}` is another number in each round: what was searched for a moment ago is not looked for anew
VIEWS = {
    "first view": "/",
    "piece that is asked again": "/?only=live",
    "search, few have it": "/?q=_{n}7.m",
    "search, nothing has it": "/?q=none{n}",
    "search, most have it": "/?q=C{n}",
}


def fetched(port: int, path: str) -> tuple[float, bytes]:
    """Give milliseconds and body of one call on a new connection, as a browser opens a page."""
    began = time.perf_counter()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", path, headers={"Connection": "close"})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    assert answer.status == 200, body
    return (time.perf_counter() - began) * 1000, body


def stuff(shelf: Shelf, files: int) -> None:
    """Have the uploads hold so many files more, as cameras name them."""
    with closing(sqlite3.connect(Path(shelf.settings.state) / "masv-watch.db")) as database:
        ids = [row[0] for row in database.execute("SELECT id FROM uploads")]
        each = files // len(ids)
        database.executemany(
            "INSERT INTO files (upload_id, path, package_path, name, size, mtime_ns, ctime_ns,"
            " inode, device, closed) VALUES (?, ?, 'CARD', ?, 1, 1, 1, 1, 1, 1)",
            (
                (upload_id, b"card/%d" % number, f"A{place % 1000:03}_C{number:03}_{place:04}.mov")
                for place, upload_id in enumerate(ids)
                for number in range(each)
            ),
        )
        database.commit()


def bare(pages: dict[str, bytes]) -> Listeners:
    """Serve these pages by a route that does nothing else."""
    app = bottle.Bottle()

    @app.get("/<number>")
    def give(number: str) -> bytes:
        bottle.response.content_type = "text/html; charset=utf-8"
        return pages[number]

    return Listeners(app, (Listen(port=0),))


def row(name: str, took: list[float], peer: list[float], size: int) -> str:
    """Write one line of the table."""

    def p99(values: list[float]) -> float:
        return statistics.quantiles(values, n=100, method="inclusive")[98]

    ratio = statistics.median(took) / statistics.median(peer)
    return (
        f"{name:<28}{size / 1000:>7.0f}{min(took):>8.1f}{statistics.median(took):>8.1f}"
        f"{p99(took):>8.1f}{statistics.median(peer):>9.1f}{ratio:>7.1f}"
    )


def by_http(shelf: Shelf, rounds: int) -> None:
    """Measure every view beside the same bytes from a bare route, call by call in turn."""
    found = {name: fetched(shelf.port, path.format(n=999))[1] for name, path in VIEWS.items()}
    pages = {str(number): body for number, body in enumerate(found.values())}
    peer = bare(pages)
    print(f"{'view':<28}{'kB':>7}{'min':>8}{'median':>8}{'p99':>8}{'bare':>9}{'ratio':>7}   ms")
    for number, (name, path) in enumerate(VIEWS.items()):
        ours, theirs = [], []
        for at in range(rounds):
            ours.append(fetched(shelf.port, path.format(n=at))[0])
            theirs.append(fetched(peer.ports[0], f"/{number}")[0])
        print(row(name, ours, theirs, len(found[name])))
    peer.close()


def by_browser(shelf: Shelf, folder: Path, rounds: int) -> None:
    """Measure until a real browser has loaded and drawn the page, and the bare one likewise."""
    peer = bare({"0": fetched(shelf.port, "/")[1]})
    browser = Browser(folder, "MAP never.example 127.0.0.1")
    tab = browser.tab()
    tab.look_as()

    def opened(url: str) -> float:
        tab.open(url)
        asked: Callable[[], float] = lambda: float(  # noqa: E731
            tab.run("performance.getEntriesByType('navigation')[0].loadEventEnd")
        )
        while not (took := asked()):
            time.sleep(0.01)
        return took

    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(opened(f"http://127.0.0.1:{shelf.port}/"))
        theirs.append(opened(f"http://127.0.0.1:{peer.ports[0]}/0"))
    print(row("first view, in a browser", ours, theirs, 0))
    tab.close()
    browser.close()
    peer.close()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        shelf = Shelf(Path(top) / "daemon")
        try:
            shelf.fill(options.uploads)
            stuff(shelf, options.files)
            print(
                f"{options.uploads} uploads, {options.files} files; {options.rounds} calls each, in"
                " turn, one caller"
            )
            by_http(shelf, options.rounds)
            if shutil.which(PROGRAM):
                by_browser(shelf, Path(top), min(options.rounds, 20))
            else:
                print(f"no {PROGRAM}: not opened in a browser")
        finally:
            shelf.close()


if __name__ == "__main__":
    main()
