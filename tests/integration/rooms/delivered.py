"""A delivered upload in a real store and a real cloud, and the outbox that owes the rest.

Owns the shortest way to a complete upload whose tasks are due. Never stands in for the sandbox, the
store or the mail server. Used by the tests of the outbox.
"""

from __future__ import annotations

import http.client
import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import xxhash

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.streams import Deadlines
from masv_watch.delivery.outbox import LETTERS, SOURCES, Outbox, Outside
from masv_watch.login import Login
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import (
    NO_TURNS,
    After,
    Chunk,
    Draft,
    DropDraft,
    FileDraft,
    Mail,
    Masv,
    Secret,
    Settings,
    Smtp,
    Task,
    TaskKind,
    Terms,
    Turns,
    Upload,
    UploadEvent,
    UploadType,
)
from masv_watch.names import sent_name
from masv_watch.store.sqlite import SqliteStore, open_store
from masv_watch.transfer.packages import tasks_for
from masv_watch.watch.homes import demand_home
from tests.doubles import BodyByReads, FakeClock
from tests.processes import Sandbox, ask

FOLDER = "out"
LEASE_S = 600.0


class Body(BodyByReads):
    """Bytes as the body of one chunk."""

    def __init__(self, content: bytes) -> None:
        """Begin at the first byte."""
        self._left = content
        self._size = len(content)

    def __len__(self) -> int:
        """Give the bytes in all."""
        return self._size

    def read(self, size: int) -> bytes:
        """Give the next bytes."""
        block, self._left = self._left[:size], self._left[size:]
        return block


@dataclass
class World:
    """One hot folder, one state, one sandbox."""

    top: Path
    sandbox: Sandbox
    clock: FakeClock = field(default_factory=FakeClock)
    #: what `logs` would be told to hide
    secrets: list[Secret] = field(default_factory=list)
    #: whose letters must wait
    turns: Turns = NO_TURNS
    #: what of an identity the file system of the hot folder does not keep
    unkept: files.Fields = frozenset()
    #: whether what is sent has hashes
    is_hashed: bool = True

    def __post_init__(self) -> None:
        """Open everything."""
        self.root = self.top / "hot"
        self.root.mkdir()
        self.settings = Settings(
            masv=Masv(
                api_url=self.sandbox.api,
                team="acme",
                api_key=Secret("sandbox-key"),
                link_url=f"{self.sandbox.api}/get/{{id}}?secret={{secret}}",
            ),
            state=str(self.top / "state"),
            mail=Mail(
                smtp=Smtp(host="127.0.0.1", port=self.sandbox.smtp_port, tls="none"),
                sender="Post <delivery@example.com>",
            ),
        )
        deadlines = Deadlines(connect_s=2.0, answer_s=2.0, finalize_s=2.0)
        self._door = Http(
            clock=SystemClock(), metrics=Metrics(), connections=2, deadlines=deadlines
        )
        self.cloud = CloudClient(self._door, api_url=self.sandbox.api)
        self.open()

    def open(self) -> None:
        """Open the state as a daemon does at its start, with new rooms."""
        self.store: SqliteStore = open_store(
            self.settings.state, clock=self.clock, metrics=Metrics()
        )
        self.store.start_over()
        self.login = Login(self.cloud, self.settings.masv, clock=self.clock, metrics=Metrics())
        self.letters, self.sources = self._outbox(LETTERS), self._outbox(SOURCES)

    def _outbox(self, kinds: tuple[TaskKind, ...]) -> Outbox:
        outside = Outside(
            cloud=self.cloud,
            login=self.login,
            settings=lambda: self.settings,
            ignored=lambda *_: (
                lambda path, _size: path.endswith((b".DS_Store", b".done", b".masv.yml"))
            ),
            register_secret=self.secrets.append,
            demand_home=partial(demand_home, self.store),
        )
        return Outbox(
            self.store,
            outside,
            kinds,
            clock=self.clock,
            metrics=Metrics(),
            luck=lambda: 0.5,
            turns=lambda: self.turns,
        )

    def crash(self) -> None:
        """End the state as a kill would leave it, and start anew on it."""
        self.store.close()
        self.open()

    def close(self) -> None:
        """Close what is open."""
        self.store.close()
        self._door.close()

    def deliver(
        self,
        contents: dict[str, bytes] | None = None,
        *,
        name: str = "Day 1",
        recipients: tuple[str, ...] = (),
        mail_to: tuple[str, ...] = (),
        template: str | None = None,
        after: After | None = None,
        skipped: tuple[str, ...] = (),
        replaces: tuple[str, ...] = (),
        password: Secret | None = None,
    ) -> Upload:
        """Send files below one top-level name and finalize their package; its tasks are due."""
        contents = {"a.mov": b"frame" * 1000} if contents is None else contents
        top = os.fsencode(next(iter(contents)).partition("/")[0])
        drop = self.store.see_drop(FOLDER, top)
        drafts = tuple(self._file(path, content) for path, content in contents.items())
        upload_id = self.store.create_upload(
            Draft(
                hot_folder=FOLDER,
                root=os.fsencode(self.root),
                name=name,
                message="",
                terms=Terms(
                    type=UploadType.TEAM,
                    recipients=recipients,
                    mail_to=mail_to,
                    template=template,
                    after=after or After(),
                    replaces=replaces,
                ),
                drops=(DropDraft(drop_id=drop.id, signature="s", files=drafts, skipped=skipped),),
                password=password,
            )
        )
        self._finish(upload_id)
        return self.upload(upload_id)

    def relink(self, earlier: Upload, *, name: str, mail_to: tuple[str, ...]) -> Upload:
        """Serve a copy of a delivered file by the earlier package; its tasks are due."""
        drop = self.store.see_drop(FOLDER, b"copy of a.mov")
        draft = self._file("copy of a.mov", b"abc")
        upload_id = self.store.create_upload(
            Draft(
                hot_folder=FOLDER,
                root=os.fsencode(self.root),
                name=name,
                message="",
                terms=Terms(type=UploadType.TEAM, mail_to=mail_to),
                drops=(DropDraft(drop_id=drop.id, signature="s", files=(draft,)),),
                relinks=earlier.id,
            )
        )
        self.store.claim_uploads(100, LEASE_S)
        upload = self.upload(upload_id)
        tasks = tasks_for(upload, self.store.drops_of(upload_id))
        assert self.store.relink(upload, earlier, tasks)
        return self.upload(upload_id)

    def _file(self, path: str, content: bytes) -> FileDraft:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_bytes(content)
        with files.Root.open(os.fsencode(self.root)) as root:
            root.leave_out(self.unkept)
            seen = root.observe(os.fsencode(path))
        above, _, name = path.rpartition("/")
        return FileDraft(
            path=os.fsencode(path),
            package_path=above,
            name=sent_name(os.fsencode(name)),
            identity=seen.identity,
        )

    def _finish(self, upload_id: str) -> None:
        self.store.claim_uploads(100, LEASE_S)
        upload = self.upload(upload_id)
        made = self.cloud.create_team_package(
            Secret("sandbox-key"),
            team_id=self.sandbox.team,
            name=upload.name,
            description="",
            recipients=upload.terms.recipients,
        )
        self.store.note_package_asked(upload_id, upload.fence)
        self.store.note_package(upload_id, upload.fence, made.id, made.token)
        for row in self.store.files(upload_id):
            self._send(row, upload.fence, (made.id, made.token))
        assert self.store.advance_all_sent(upload_id, upload.fence)
        self.store.advance_upload(upload_id, UploadEvent.FINALIZE)
        self.store.note_finalize_asked(upload_id, upload.fence)
        self.cloud.finalize_package(made.id, made.token)
        upload = self.upload(upload_id)
        tasks = tasks_for(upload, self.store.drops_of(upload_id))
        self.store.advance_claimed(upload, UploadEvent.FINALIZED, tasks=tasks)

    def _send(self, row: Any, fence: int, package: tuple[str, Secret]) -> None:
        content = (self.root / os.fsdecode(row.path)).read_bytes()
        added = self.cloud.add_file(
            *package, name=row.name, path=row.package_path, last_modified="2023-11-14T22:13:20.000Z"
        )
        multipart = self.cloud.start_multipart(added.blueprint)
        self.store.note_files_asked(row.upload_id, fence, [row.id])
        size = max(len(content), 1)
        self.store.note_file_opened(
            row, fence, cloud_id=added.id, multipart_id=multipart, chunk_size=size
        )
        (url,) = self.cloud.chunk_urls(
            *package, file_id=added.id, multipart_id=multipart, start=0, count=1
        )
        etag = self.cloud.put_chunk(url, Body(content))
        hashed = xxhash.xxh3_128_hexdigest(content) if self.is_hashed else ""
        chunk = Chunk(number=1, size=len(content), etag=etag, hash=hashed)
        self.store.note_etag(row, fence, chunk, last=True)
        self.cloud.close_file(
            *package,
            file_id=added.id,
            multipart_id=multipart,
            size=len(content),
            chunk_size=5 * 1024 * 1024,
            chunks=[chunk],
        )
        self.store.note_file_closed(row, fence)

    def work(self) -> None:
        """Let both outboxes do what is due now."""
        for outbox in (self.letters, self.sources):
            while outbox.tick() == 0.0:
                pass

    def work_for(self, hours: float, *, step_s: float = 60.0) -> None:
        """Let time pass and the outboxes with it."""
        for _ in range(int(hours * 3600 / step_s)):
            self.clock.advance(step_s)
            self.work()

    def upload(self, upload_id: str) -> Upload:
        """Give an upload as it stands."""
        upload = self.store.upload(upload_id)
        assert upload is not None
        return upload

    def task(self, upload: Upload, kind: TaskKind, key: str | None = None) -> Task:
        """Give one task of an upload."""
        found = [task for task in self.store.tasks(upload.id) if task.kind is kind]
        return next(task for task in found if key is None or task.key == key)

    def mails(self, upload: Upload) -> list[dict[str, Any]]:
        """List the letters of this upload that the mail server took."""
        return [
            mail for mail in self.sandbox.witness("mail") if upload.name in (mail["subject"] or "")
        ]

    def package(self, upload: Upload) -> dict[str, Any]:
        """Give the package as the cloud has it."""
        packages = self.sandbox.witness("packages")
        return next(each for each in packages if each["id"] == upload.package_id)

    def without_mail(self) -> None:
        """Take the mail server out of the configuration, as a reload would."""
        self.settings = replace(self.settings, mail=None)


def download(url: str) -> dict[str, bytes]:
    """Follow a share link as a recipient's script would; give the bytes by path."""
    pieces = urlsplit(url)
    base = f"{pieces.scheme}://{pieces.netloc}"
    status, listed = ask(base, f"{pieces.path}/files?{pieces.query}")
    assert status == 200, listed
    entries = listed["files"] if isinstance(listed, dict) else listed
    found = {}
    for entry in entries:
        connection = http.client.HTTPConnection(pieces.netloc, timeout=60)
        connection.request("GET", f"{pieces.path}/file/{entry['id']}?{pieces.query}")
        answer = connection.getresponse()
        assert answer.status == 200
        found[f"{entry['path']}/{entry['name']}".lstrip("/")] = answer.read()
        connection.close()
    return found
