"""Remember each request that came in, for tests that count them.

Owns the bounded list of requests and the count of PUTs per part, kept beside the state so that both
survive a kill. Never sees a query string's secrets: they are masked before. Called by the HTTP
front, read by the witness routes.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from masv_watch.sandbox import tokens
from masv_watch.sandbox.depot import PREFIX
from masv_watch.sandbox.records import Journal

LIMIT = 100_000
#: What differs each time a URL is signed goes, so that equal requests have equal paths.
_SIGNATURE = re.compile(r"&?X-Amz-[A-Za-z]+=[^&]*")
_SECRET = re.compile(r"\b(secret|password|uploadId)=[^&]*")
_IN_PATH = re.compile(r"/packages/([^/]+)(?:/files/([^/]+))?")


class Traffic:
    """The requests of a sandbox, newest last."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._journal = Journal(path)
        self._requests: deque[dict[str, Any]] = deque(maxlen=LIMIT)
        self._puts: dict[tuple[str, str, int], list[int]] = {}
        for entry in self._journal.read():
            self._add(entry)
        self._journal.rewrite(self._requests)

    def note(
        self, method: str, target: str, *, status: int | None, size: int, answered: bool = True
    ) -> None:
        """Keep one request; `status` is None when it had neither effect nor answer."""
        path, _, query = target.partition("?")
        package, file = located(path)
        entry = {
            "at": tokens.iso(time.time()),
            "method": method,
            "path": _masked(path, query),
            "status": status,
            "bytes": size,
            "query_free": path,
            "part": part_number(query) if path.startswith(PREFIX) else None,
            "package": package,
            "file": file,
            "answered": answered,
        }
        with self._lock:
            self._add(entry)
        self._journal.append(entry)

    def requests(self) -> list[dict[str, Any]]:
        """List the requests, newest last."""
        with self._lock:
            return list(self._requests)

    def puts(self) -> list[dict[str, Any]]:
        """Count the PUTs of each part: how many came, how many were stored."""
        with self._lock:
            return [
                {
                    "package": package,
                    "file": file,
                    "part": part,
                    "attempts": counts[0],
                    "ok": counts[1],
                }
                for (package, file, part), counts in self._puts.items()
            ]

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _add(self, entry: dict[str, Any]) -> None:
        self._requests.append(entry)
        if entry["method"] == "PUT" and entry["part"] is not None:
            counts = self._puts.setdefault((entry["package"], entry["file"], entry["part"]), [0, 0])
            counts[0] += 1
            counts[1] += entry["status"] == 200


def _masked(path: str, query: str) -> str:
    shown = _SECRET.sub(r"\1=***", _SIGNATURE.sub("", query)).lstrip("&")
    return f"{path}?{shown}" if shown else path


def part_number(query: str) -> int | None:
    """Read the part number of a storage URL; None when it has none."""
    found = parse_qs(query).get("partNumber", [""])[0]
    return int(found) if re.fullmatch(r"[0-9]{1,6}", found) else None


def located(path: str) -> tuple[str | None, str | None]:
    """Say which package and file a path is about."""
    if path.startswith(PREFIX):
        package, _, file = path.removeprefix(PREFIX).partition("/")
        return package or None, file or None
    found = _IN_PATH.search(path)
    return (found[1], found[2]) if found else (None, None)
