"""Remember what the cloud knows, in memory and in an append-only journal.

Owns the nouns (package, file, upload, part, link, mail) and their durability: a change is in the
journal before its answer goes out, so that a SIGKILL of the sandbox loses nothing answered.
Never judges a request. Called by the control plane, the depot and the mailbox.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar


@dataclass(slots=True)
class Seed:
    """What is fixed when a data folder is born."""

    KIND: ClassVar[str] = "seed"
    signing_key: str
    team_id: str
    user_id: str


@dataclass(slots=True)
class ApiKey:
    """One key of the team."""

    KIND: ClassVar[str] = "api_key"
    key: str
    id: str
    name: str
    active: bool = True


@dataclass(slots=True)
class Portal:
    """A door through which strangers send to the team."""

    KIND: ClassVar[str] = "portal"
    id: str
    subdomain: str
    name: str
    message: str = ""
    access_code: str = ""
    recipients: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Package:
    """One package; its files and links are found through `Records`."""

    KIND: ClassVar[str] = "package"
    id: str
    name: str
    description: str
    sender: str
    recipients: list[str]
    access_limit: int
    password: str
    created_at: float
    updated_at: float
    expiry: float
    #: None for a team package.
    portal_id: str | None = None
    #: new, finalized or archived; expired is computed.
    state: str = "new"
    finalized_at: float | None = None
    unlimited_storage: bool = False
    finalize_calls: int = 0

    def shown_state(self) -> str:
        """Say the state as the API shows it [mcp packages.ts:21-23]."""
        if self.state == "finalized" and not self.unlimited_storage and self.expiry <= time.time():
            return "expired"
        return self.state


@dataclass(slots=True)
class File:
    """One file of a package."""

    KIND: ClassVar[str] = "file"
    id: str
    package_id: str
    #: As the client sent them; the witness shows the path in this form.
    sent_path: str
    sent_name: str
    #: After the clean-up of section D.
    path: str
    name: str
    last_modified: str
    size: int = 0
    completed: bool = False
    #: The multipart upload whose parts, in order, are the bytes; set while completing, so that no
    #: part changes under the hash, and journaled with `completed`.
    upload_id: str | None = None
    #: None until completed, or when the bytes were discarded.
    sha256: str | None = None


@dataclass(slots=True)
class Upload:
    """One multipart upload in the depot."""

    KIND: ClassVar[str] = "upload"
    id: str
    file_id: str
    package_id: str


@dataclass(slots=True)
class Part:
    """One stored part."""

    KIND: ClassVar[str] = "part"
    upload_id: str
    number: int
    size: int
    #: Without quotes.
    etag: str
    #: Name of its file under objects/; empty when bytes are discarded.
    blob: str


@dataclass(slots=True)
class Link:
    """One download link."""

    KIND: ClassVar[str] = "link"
    id: str
    package_id: str
    secret: str
    email: str
    password: str
    created_at: float
    active: bool = True


@dataclass(slots=True)
class Mail:
    """One mail that the sink took, in the form the witness shows."""

    KIND: ClassVar[str] = "mail"
    shown: dict[str, Any]


Row = Seed | ApiKey | Portal | Package | File | Upload | Part | Link | Mail
_KINDS: dict[str, Callable[..., Row]] = {
    "seed": Seed,
    "api_key": ApiKey,
    "portal": Portal,
    "package": Package,
    "file": File,
    "upload": Upload,
    "part": Part,
    "link": Link,
    "mail": Mail,
}


class Journal:
    """A file of JSON lines; a torn last line (a kill within a write) is dropped at opening."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fd = -1

    def read(self) -> Iterator[Any]:
        """Yield the whole lines that are there."""
        if not self._path.exists():
            return
        with self._path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def rewrite(self, entries: Iterable[Any]) -> None:
        """Replace the content in one step and open for appending."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as out:
            out.writelines(_encoded(entry) for entry in entries)
        fresh.replace(self._path)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def append(self, entry: Any) -> None:
        """Add one line; page cache survives a kill of the process, so no fsync.

        Raises:
            OSError: the line could not be written whole; nothing of it stays.
        """
        line = _encoded(entry)
        with self._lock:
            written = os.write(self._fd, line)
            if written != len(line):
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
                raise OSError(errno.ENOSPC, "journal is full", str(self._path))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def _encoded(entry: Any) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


@dataclass(slots=True)
class Shelf:
    """What hangs on one package, with its sums kept, so that no call walks the files."""

    files: dict[str, File] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    completed: int = 0
    bytes: int = 0


class Records:
    """Everything the cloud knows; take `lock` around any read-then-save."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.seed: Seed | None = None
        self.api_keys: dict[str, ApiKey] = {}
        self.portals: dict[str, Portal] = {}
        self.packages: dict[str, Package] = {}
        self.shelves: dict[str, Shelf] = {}
        self.files: dict[str, File] = {}
        self.links: dict[str, Link] = {}
        self.uploads: dict[str, Upload] = {}
        #: Parts by upload, then by number.
        self.parts: dict[str, dict[int, Part]] = {}
        self.uploads_of: dict[str, set[str]] = {}
        self.mails: list[Mail] = []
        self._journal = Journal(path)
        for entry in self._journal.read():
            for kind, row, gone in entry:
                self._apply(_KINDS[kind](**row), gone=gone)
        self._journal.rewrite([_entry(row, gone=False)] for row in self._all())

    @property
    def planted(self) -> Seed:
        """The fixed ids and the signing key; there once the folder was planted."""
        if self.seed is None:
            raise LookupError("seed")
        return self.seed

    def save(self, *rows: Row) -> None:
        """Keep new or changed rows, as one step."""
        with self.lock:
            self._journal.append([_entry(row, gone=False) for row in rows])
            for row in rows:
                self._apply(row, gone=False)

    def drop(self, *rows: Row) -> None:
        """Forget rows, as one step."""
        with self.lock:
            self._journal.append([_entry(row, gone=True) for row in rows])
            for row in rows:
                self._apply(row, gone=True)

    def complete(self, file: File, spare: Iterable[Row]) -> None:
        """Mark a file completed and forget what that leaves over, as one step."""
        with self.lock:
            file.completed = True
            spare = list(spare)
            entry = [_entry(file, gone=False), *(_entry(row, gone=True) for row in spare)]
            self._journal.append(entry)
            self._count(file, 1)
            for row in spare:
                self._apply(row, gone=True)

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def _all(self) -> Iterator[Row]:
        if self.seed is not None:
            yield self.seed
        for table in (self.api_keys, self.portals, self.packages, self.files, self.links):
            yield from table.values()
        yield from self.uploads.values()
        for parts in self.parts.values():
            yield from parts.values()
        yield from self.mails

    def _apply(self, row: Row, *, gone: bool) -> None:
        match row:
            case Seed():
                self.seed = row
            case ApiKey():
                self.api_keys[row.key] = row
            case Portal():
                self.portals[row.id] = row
            case Package():
                self.packages[row.id] = row
                self.shelves.setdefault(row.id, Shelf())
            case File():
                self._apply_file(row, gone=gone)
            case Link():
                self.links[row.id] = row
                self.shelves[row.package_id].links[row.id] = row
            case Upload():
                self._apply_upload(row, gone=gone)
            case Part():
                parts = self.parts.setdefault(row.upload_id, {})
                if gone:
                    parts.pop(row.number, None)
                else:
                    parts[row.number] = row
            case Mail():
                self.mails.append(row)

    def _apply_file(self, row: File, *, gone: bool) -> None:
        shelf = self.shelves[row.package_id]
        before = shelf.files.pop(row.id, None) if gone else shelf.files.get(row.id)
        # While the journal is read, each version of a row is its own object.
        if before is not None and before.completed:
            self._count(before, -1)
        if gone:
            self.files.pop(row.id, None)
            return
        shelf.files[row.id] = self.files[row.id] = row
        if row.completed:
            self._count(row, 1)

    def _apply_upload(self, row: Upload, *, gone: bool) -> None:
        siblings = self.uploads_of.setdefault(row.file_id, set())
        if gone:
            self.uploads.pop(row.id, None)
            self.parts.pop(row.id, None)
            siblings.discard(row.id)
            return
        self.uploads[row.id] = row
        self.parts.setdefault(row.id, {})
        siblings.add(row.id)

    def _count(self, file: File, sign: int) -> None:
        shelf = self.shelves[file.package_id]
        shelf.completed += sign
        shelf.bytes += sign * file.size


def _entry(row: Row, *, gone: bool) -> tuple[str, dict[str, Any], bool]:
    # dataclasses.asdict copies deeply: 10 times slower, and the row is encoded at once anyway.
    fields = {column.name: getattr(row, column.name) for column in dataclasses.fields(row)}
    return row.KIND, fields, gone
