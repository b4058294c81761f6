"""How fast the page opens on 10,000 uploads, beside a bare Bottle route of the same size.

Owns one run: the API over a real store with 10,000 uploads of a million files, and behind listeners
of the same kind in the same process a Bottle app without guard, store or desk that serves the
page's own HTML as it was. Callers come one after the other over HTTP; then a real browser opens
both. Prints a table with minimum, median, p99 and ratios; the browser's figure is held against the
goal, and without a Chromium there is none.

    .venv/bin/python tests/benchmarks/bench_page.py [--uploads N] [--files N] [--rounds N]
        [--json FILE]
"""

from __future__ import annotations

import http.client
import shutil
import sqlite3
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
from tests.benchmarks.figures import CannotMeasureError, Figures, main, parser  # noqa: E402
from tests.browser.browsing import PROGRAM, Browser  # noqa: E402
from tests.integration.api.test_api_lists import Shelf  # noqa: E402

#: of a view, milliseconds of the page and of the same bytes from the bare route
PAGE, BARE = "page", "bare"
DRAWN = "first view, in a browser"
#: milliseconds until the page is open
OPEN_MS = 1000
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


def row(figures: Figures, name: str, size: int = 0) -> str:
    """Write one line of the table."""
    took, bare_ms = figures.median(PAGE, name), figures.median(BARE, name)
    return (
        f"{name:<28}{size / 1000:>7.0f}{min(figures.of(PAGE, name)):>8.1f}{took:>8.1f}"
        f"{figures.p99(PAGE, name):>8.1f}{bare_ms:>9.1f}{took / bare_ms:>7.1f}"
    )


def by_http(shelf: Shelf, figures: Figures) -> list[str]:
    """Measure every view beside the same bytes from a bare route, call by call in turn."""
    found = {name: fetched(shelf.port, path.format(n=999))[1] for name, path in VIEWS.items()}
    peer = bare({str(number): body for number, body in enumerate(found.values())})
    for number, (name, path) in enumerate(VIEWS.items()):
        for at in range(figures.rounds):
            ours = fetched(shelf.port, path.format(n=at))[0]
            figures.add(name, page=ours, bare=fetched(peer.ports[0], f"/{number}")[0])
    peer.close()
    return [row(figures, name, len(body)) for name, body in found.items()]


def by_browser(shelf: Shelf, folder: Path, figures: Figures) -> str:
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

    for _ in range(min(figures.rounds, 20)):
        ours = opened(f"http://127.0.0.1:{shelf.port}/")
        figures.add(DRAWN, page=ours, bare=opened(f"http://127.0.0.1:{peer.ports[0]}/0"))
    tab.close()
    browser.close()
    peer.close()
    return row(figures, DRAWN)


def run() -> None:
    """Measure as the command line asks.

    Raises:
        CannotMeasureError: there is no browser that could open the page.
    """
    line = parser(__doc__, rounds=100)
    line.add_argument("--uploads", type=int, default=10_000)
    line.add_argument("--files", type=int, default=1_000_000)
    options = line.parse_args()
    if shutil.which(PROGRAM) is None:
        raise CannotMeasureError(f"{PROGRAM} is missing: install the Debian package")
    title = f"The page over {options.uploads:,} uploads of {options.files:,} files"
    figures = Figures(title, options.rounds)
    head = f"{'view':<28}{'kB':>7}{'min':>8}{'median':>8}{'p99':>8}{'bare':>9}{'ratio':>7}   ms"
    with tempfile.TemporaryDirectory() as top:
        shelf = Shelf(Path(top) / "daemon")
        try:
            shelf.fill(options.uploads)
            stuff(shelf, options.files)
            rows = [head, *by_http(shelf, figures), by_browser(shelf, Path(top), figures)]
        finally:
            shelf.close()
    figures.goal(
        "milliseconds until the page is open in a browser, p99", figures.p99(PAGE, DRAWN),
        limit=OPEN_MS, most=True,
    )  # fmt: skip
    figures.tell(["\n".join(rows)], options.json)


if __name__ == "__main__":
    sys.exit(main(run))
