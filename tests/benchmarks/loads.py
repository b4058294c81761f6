"""What keeps a daemon busy in the soak: droppers, callers, watchers, faults and reloads.

Owns what is dropped and called at which pace, and the promises that follow from it: every content
is unlike every other, and stands for how often it must and may be delivered. Never measures and
never judges. Used by the soak.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.processes import Sandbox, ask

#: bytes of small files, and of large ones, which take three chunks
SMALL = (8 * 1024, 64 * 1024)
LARGE = 12 * 1024 * 1024
#: names that are written anew again and again
NAMES = 10
COMPLETE = """
SELECT d.hot_folder, d.path, count(*) FROM drops d JOIN uploads u ON u.id = d.upload_id
WHERE u.state = 'complete' AND d.hot_folder IN ('cards', 'again', 'fickle', 'portal', 'big')
GROUP BY d.hot_folder, d.path
"""


@dataclass(frozen=True, slots=True)
class Promise:
    """How often a content must and may be delivered, and where it was dropped."""

    least: int
    most: int
    where: str


class Promises:
    """Every content that was ever dropped, by its SHA-256; any thread."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._all: dict[str, Promise] = {}

    def __len__(self) -> int:
        """Count them."""
        return len(self._all)

    def note(self, digest: str, where: str, *, least: int = 1, most: int = 1) -> None:
        """Promise a content anew, in other terms where it was promised before."""
        with self._lock:
            self._all[digest] = Promise(least, most, where)

    def broken(self, delivered: Counter[str]) -> list[str]:
        """Tell which contents were delivered too rarely, too often, or never dropped."""
        wrong = [
            f"{promise.where}: {delivered[digest]} times, not {promise.least} to {promise.most}"
            for digest, promise in self._all.items()
            if not promise.least <= delivered[digest] <= promise.most
        ]
        return wrong + [f"{each}: never dropped" for each in delivered if each not in self._all]


def delivered(sandbox: Sandbox) -> Counter[str]:
    """Count how often the sandbox got each content in a finalized package."""
    return Counter(
        file["sha256"] for package in sandbox.packages() for file in package["files"]
    )  # fmt: skip


class Droppers:
    """Hands that put files into hot folders, and take away what was delivered and kept."""

    def __init__(self, top: Path, database: Path, *, seed: int) -> None:
        """Begin with empty folders below `top`; the ledger is read to know what may go."""
        self.top, self.promises = top, Promises()
        self._database = database
        self._luck = random.Random(seed)
        self._lock = threading.Lock()
        self._number = 0
        self._beside = top / "beside"
        self._beside.mkdir(parents=True, exist_ok=True)
        self._done: dict[tuple[str, bytes], int] = {}
        self._written: Counter[str] = Counter()
        self._fickle: list[tuple[Path, str]] = []

    def _next(self, suffix: str = ".mov") -> str:
        with self._lock:
            self._number += 1
            return f"{self._number:07}{suffix}"

    def _write(self, path: Path, size: int) -> str:
        """Write a content that no other file has and give its hash."""
        content = os.urandom(min(size, 4096)) * (-(-size // 4096))
        path.write_bytes(content[:size])
        return hashlib.sha256(content[:size]).hexdigest()

    def _small(self) -> int:
        return self._luck.randint(*SMALL)

    def _put(self, folder: str, *, size: int = 0, least: int = 1) -> tuple[Path, str]:
        name = self._next()
        made = self._beside / name
        digest = self._write(made, size or self._small())
        self.promises.note(digest, f"{folder}/{name}", least=least)
        target = self.top / folder / name
        made.rename(target)
        return target, digest

    def small(self) -> None:
        """Drop one small file, which is deleted once it is delivered."""
        self._put("each")

    def burst(self) -> None:
        """Drop 25 small files at once."""
        for _ in range(25):
            self._put("each")

    def marked(self) -> None:
        """Drop a file, then the marker that says that it is done."""
        path, _ = self._put("marked")
        (path.parent / f"{path.name}.done").touch()

    def card(self) -> None:
        """Drop a folder that grows in place."""
        name = self._next("")
        for number in range(self._luck.randint(4, 12)):
            below = self.top / "cards" / name / ("CLIP" if number % 2 else "AUDIO")
            below.mkdir(parents=True, exist_ok=True)
            digest = self._write(below / f"{number:03}.mxf", self._small())
            self.promises.note(digest, f"cards/{name}/{number:03}.mxf")

    def batch(self) -> None:
        """Drop five files that become one package; they are moved once it is delivered."""
        for _ in range(5):
            self._put("batch")

    def portal(self) -> None:
        """Drop a file that goes to a portal."""
        self._put("portal")

    def large(self) -> None:
        """Drop a file of several chunks."""
        self._put("big", size=LARGE)

    def again(self) -> None:
        """Write new content under a name whose last content was delivered."""
        name = f"again{self._luck.randrange(NAMES)}.mov"
        if self._done.get(("again", name.encode()), 0) < self._written[name]:
            return
        self._written[name] += 1
        made = self._beside / name
        digest = self._write(made, self._small())
        self.promises.note(digest, f"again/{name} {self._written[name]}")
        made.rename(self.top / "again" / name)

    def fickle(self) -> None:
        """Drop something that its owner will soon delete or rename, or has just now."""
        if len(self._fickle) > self._luck.randrange(4):
            path, digest = self._fickle.pop(self._luck.randrange(len(self._fickle)))
            if self._luck.random() < 0.5:
                self.promises.note(digest, f"fickle/{path.name}, deleted", least=0)
                path.unlink(missing_ok=True)
            else:
                self.promises.note(digest, f"fickle/{path.name}, renamed")
                with suppress(FileNotFoundError):
                    path.rename(path.with_name(f"renamed{path.name}"))
        self._fickle.append(self._put("fickle", least=0))

    def clear(self) -> None:
        """Take away what was delivered and kept, and what was moved."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as ledger:
            rows = ledger.execute(COMPLETE).fetchall()
        self._done = {(folder, path): count for folder, path, count in rows}
        waits = {path for path, _ in self._fickle}
        for folder, path, _ in rows:
            target = self.top / folder / os.fsdecode(path)
            if folder == "again" or target in waits:
                continue
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)
            else:
                target.unlink(missing_ok=True)
            # renamed after it was delivered: known by its inode, and never sent
            target.with_name(f"renamed{target.name}").unlink(missing_ok=True)
        shutil.rmtree(self.top / "batch" / "_sent", ignore_errors=True)

    def end(self) -> None:
        """Let what was neither deleted nor renamed stand: then it must be delivered."""
        while self._fickle:
            path, digest = self._fickle.pop()
            self.promises.note(digest, f"fickle/{path.name}, left alone")


class Callers:
    """Clients of the API: they make uploads, ask for everything, and follow what moves."""

    def __init__(self, api: str, media: Path, promises: Promises, *, seed: int) -> None:
        """Begin without uploads; what they send is written to `media`."""
        self._api, self._media, self._promises = api, media, promises
        self._luck = random.Random(seed)
        self._number = 0
        #: upload, its files and their hashes
        self._open: dict[str, list[tuple[Path, str]]] = {}
        #: those of them that must be delivered from now on
        self._finalized: set[str] = set()
        self.refused: Counter[str] = Counter()

    def _call(self, path: str, method: str = "GET", body: Any = None) -> Any:
        status, answer = ask(self._api, path, method, body)
        if status >= 400:
            self.refused[f"{method} {path[:40]} {status}"] += 1
            return None
        return answer

    def _file(self) -> tuple[Path, str]:
        self._number += 1
        path = self._media / f"api{self._number:06}.mov"
        content = os.urandom(4096) * self._luck.randint(2, 30)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        self._promises.note(digest, f"media/{path.name}", least=0)
        return path, digest

    def create(self) -> None:
        """Make an upload of two files and add a third."""
        files = [self._file(), self._file()]
        asked = {"paths": [str(path) for path, _ in files], "subdomain": "acme",
                 "package_name": f"api {self._number}"}  # fmt: skip
        made = self._call("/api/v1/uploads", "POST", asked)
        if made is None:
            return
        upload_id = made["upload_id"]
        third = self._file()
        if self._call(
            f"/api/v1/uploads/{upload_id}/files", "POST", {"paths": [str(third[0])]}
        ):  # fmt: skip
            files.append(third)
        self._open[upload_id] = files

    def attend(self) -> None:
        """Finalize what is idle, delete a few, link and forget what is complete."""
        for upload_id, files in list(self._open.items()):
            one = f"/api/v1/uploads/{upload_id}"
            state = (self._call(one) or {"state": "gone"})["state"]
            is_his = upload_id not in self._finalized
            if is_his and state in {"transferring", "idle"} and self._luck.random() < 0.05:
                self._call(one, "DELETE")
                state = "gone"
            elif is_his and state == "idle":
                if self._call(f"{one}/finalize", "POST", {}):
                    self._finalized.add(upload_id)
                    for path, digest in files:
                        self._promises.note(digest, f"media/{path.name}, finalized")
            elif state == "complete" and self._luck.random() < 0.5:
                self._call(f"{one}/link", "POST", {})
            elif state == "complete":
                self._call(one, "DELETE")
            if state in {"complete", "gone"}:
                del self._open[upload_id]
                self._finalized.discard(upload_id)
                for path, _ in files:
                    path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what failed because its source vanished, as a person does."""
        for upload in self._call("/api/v1/uploads?state=error") or ():
            if upload["hot_folder"] == "fickle":
                self._call(f"/api/v1/uploads/{upload['upload_id']}", "DELETE")

    def poll(self) -> None:
        """Ask once for everything that a monitor asks for."""
        for path in (
            "/healthz", "/readyz", "/api/v1/uploads?limit=50", "/api/v1/stats",
            "/api/v1/uploads?state=complete&limit=20&sort=-created_at", "/api/v1/drops",
            "/api/v1/hot_folders", "/api/v1/automations", "/api/v1/ledger?limit=100",
            "/api/v1/settings/upload_rate_limit", "/api/v1/uploads/nothing-of-that-name",
            f"/api/v1/explain?path={quote(str(self._media.parent / 'hot' / 'each' / 'x.mov'))}",
        ):  # fmt: skip
            self._call(path)
        for path in ("/metrics", "/"):
            _read(self._api, path)

    def follow(self) -> None:
        """Open the stream of what moves, read a little of it, and go away without a word."""
        _read(self._api, "/api/v1/events?after=0", lines=self._luck.randint(1, 40))

    @property
    def is_done(self) -> bool:
        """Say whether every upload came to its end."""
        return not self._open


def _read(api: str, path: str, *, lines: int | None = None) -> None:
    parts = urlsplit(api)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    with suppress(OSError, http.client.HTTPException), closing(connection):
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        if lines is None:
            answer.read()
        for _ in range(lines or 0):
            answer.readline()


#: how often each of them is done in its turn at the most
TIMES = 20
#: each is on for a third of the time, one after the other
FAULTS: tuple[dict[str, Any], ...] = (
    {"name": "status", "match": "POST /v1", "status": 429, "headers": {"Retry-After": "1"}},
    {"name": "status", "match": "PUT /storage", "status": 500},
    {"name": "reset", "match": "PUT /storage", "bytes": 4096},
    # a chunk whose fresh URLs are refused often enough in a row ends in an error, and rightly; two
    # such faults may meet the same chunk
    {"name": "expire_urls", "match": "PUT /storage", "times": 2},
    {"name": "after", "match": "POST /v1"},
    {"name": "smtp", "match": "", "code": 451},
    {"name": "smtp", "match": "", "stage": "lost"},
)


class Faults:
    """The cloud's and the mail server's troubles, one kind after the other."""

    def __init__(self, sandbox: Sandbox, *, seed: int) -> None:
        """Begin without one."""
        self._sandbox = sandbox
        self._luck = random.Random(seed)
        self._turn = -1

    def turn(self) -> None:
        """Go on to the next: one in three of its requests fails, then all goes well again."""
        self._turn += 1
        self._sandbox.heal()
        if self._turn % 3 == 2:
            return
        order = {"times": TIMES, **FAULTS[(self._turn - self._turn // 3) % len(FAULTS)]}
        self._sandbox.fault(order.pop("name"), order.pop("match"), **order)


class Hand(threading.Thread):
    """One thread that does one thing again and again until it is told to stop."""

    def __init__(self, act: Callable[[], None], every_s: float) -> None:
        """Begin at once; what an act raises is kept and ends the hand."""
        super().__init__(daemon=True, name=act.__name__)
        self._act, self._every_s = act, every_s
        self._over = threading.Event()
        self.error: BaseException | None = None
        self.acts = 0
        self.start()

    def run(self) -> None:
        """Act until the end."""
        while not self._over.wait(self._every_s):
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - told by whoever measures
                self.error = error
                return
            self.acts += 1

    def end(self) -> None:
        """Stop after the act that is going on."""
        self._over.set()
        self.join(120)
