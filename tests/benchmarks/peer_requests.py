"""The peer of the small files: a script that makes the same calls with one `requests.Session`.

Owns the calls that a delivery needs and nothing else: no settle, no database, no hash, no retry.
What a reader of the service's documentation would write. Run as a process of its own:

    python tests/benchmarks/peer_requests.py BASE FOLDER COUNT THREADS
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import requests
from requests.adapters import HTTPAdapter

CHUNK = 100 * 1024 * 1024


class Sender:
    """One package over one session that all threads share."""

    def __init__(self, base: str, threads: int) -> None:
        """Create the package; as many connections are kept as there are threads."""
        self._base = base
        self._session = requests.Session()
        # the default keeps 10, and would open one anew for each call of the others
        self._session.mount("http://", HTTPAdapter(pool_maxsize=max(threads, 10)))
        answer = self._session.post(
            f"{base}/v1/teams/team1/packages",
            json={"name": "peer", "description": "", "recipients": []},
            headers={"X-API-KEY": "sink-key-0123456789"},
        )
        answer.raise_for_status()
        package = answer.json()
        self._package = f"{base}/v1/packages/{package['id']}"
        self._token = {"X-Package-Token": package["access_token"]}

    def send(self, file: Path) -> None:
        """Make the five calls of a file, which must be no larger than one chunk."""
        added = self._post(
            f"{self._package}/files",
            {"kind": "file", "name": file.name, "path": "", "last_modified": ""},
        )
        blueprint = added.json()["create_blueprint"]
        created = self._session.request(
            blueprint["method"], blueprint["url"], headers=blueprint["headers"]
        )
        created.raise_for_status()
        upload_id = next(
            element.text
            for element in ElementTree.fromstring(created.content).iter()
            if element.tag.endswith("UploadId")
        )
        url = f"{self._package}/files/{added.json()['file']['id']}"
        part = self._post(f"{url}?start=0&count=1", {"upload_id": upload_id}).json()[0]
        content = file.read_bytes()
        sent = self._session.request(part["method"], part["url"], data=content)
        sent.raise_for_status()
        self._post(
            f"{url}/finalize",
            {
                "chunk_extras": [{"partNumber": "1", "etag": sent.headers["ETag"]}],
                "file_extras": {"upload_id": upload_id},
                "size": len(content),
                "chunk_size": CHUNK,
            },
        )

    def finalize(self) -> None:
        """Finalize the package."""
        self._post(f"{self._package}/finalize", {})

    def _post(self, url: str, body: dict[str, Any]) -> requests.Response:
        answer = self._session.post(url, json=body, headers=self._token)
        answer.raise_for_status()
        return answer


def main(words: Sequence[str]) -> None:
    """Send the first COUNT files of FOLDER."""
    base, folder, count, threads = words[0], Path(words[1]), int(words[2]), int(words[3])
    files = sorted(folder.iterdir())[:count]
    sender = Sender(base, threads)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(sender.send, files):
            continue
    sender.finalize()


if __name__ == "__main__":
    main(sys.argv[1:])
