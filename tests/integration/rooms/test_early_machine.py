"""Any order of writing, looking and sending: what arrives is finalized whole, and sent once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from masv_watch import files
from masv_watch.errors import SourceChanged, SourceVanished
from masv_watch.lifecycle import is_arriving
from masv_watch.model import (
    Chunk,
    DropMode,
    DropState,
    HoldReason,
    Identity,
    Initial,
    SourceFile,
    Upload,
    UploadEvent,
    UploadState,
)
from masv_watch.watch.gaps import CAP_S
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from tests.integration.rooms.foretold import look_as_foretold
from tests.integration.rooms.watched import LOOK_S, QUIET_S, SPACING_S, Room
from tests.integration.store.making import LEASE_S, open_package
from tests.searching import examples

NAMES = ("a", "b", "deep/c", "deep/d")
#: seconds after which what stands still has been found, has settled and is whole
WHOLE_S = PERIOD_S[Sight.DEGRADED] + QUIET_S + 2 * SPACING_S + 2 * LOOK_S
#: what rounding may take from a time
MOMENT_S = 1e-3
UNITS = (DropMode.FOLDER, DropMode.BATCH)


class EarlyMachine(RuleBasedStateMachine):
    """A writer, the intake, a sender that looks as closely as the real one, and restarts."""

    def __init__(self) -> None:
        """Begin in a folder of its own."""
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="early-machine-"))
        (self.top / "hot" / "CARD").mkdir(parents=True)
        self.room: Room
        #: a time that no other write has
        self.writes = 0
        #: monotonic seconds of each file's last change, and of the last one in the card
        self.changed_at: dict[bytes, float] = {}
        self.moved_at = 0.0
        #: how often each version of a file was closed in a package, by path and identity
        self.closed: Counter[tuple[str, bytes, Identity]] = Counter()
        #: what was finalized
        self.delivered = 0

    def teardown(self) -> None:
        """Close and forget the state."""
        self.room.close()
        shutil.rmtree(self.top)

    @initialize(drop=st.sampled_from(UNITS))
    def first(self, drop: DropMode) -> None:
        """Start the daemon, and somebody begins to copy."""
        self.room = Room(self.top, drop=drop, initial=Initial.SEND)
        self.room.pass_time(1)
        self.write("a", 3)

    @property
    def card(self) -> Path:
        """Give the folder that arrives."""
        return self.room.hot / "CARD"

    def identity(self, path: bytes) -> Identity | None:
        """Give a file as it is now, None when it is gone."""
        with files.Root.open(os.fsencode(self.room.hot)) as root:
            try:
                return root.identify(path)
            except SourceVanished:
                return None

    def there(self) -> dict[bytes, Identity | None]:
        """Give every file below the card as it is now."""
        found = [path for path in self.card.rglob("*") if path.is_file()]
        names = [os.fsencode(path.relative_to(self.room.hot)) for path in found]
        return {name: self.identity(name) for name in names}

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 9))
    def write(self, name: str, size: int) -> None:
        """Somebody writes a file, or over it."""
        self.writes += 1
        target = self.card / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"x" * size)
        # many writes of a test share one tick of the kernel's clock
        os.utime(target, ns=(self.writes, self.writes))
        path = os.fsencode(target.relative_to(self.room.hot))
        self.moved_at = self.changed_at[path] = self.room.clock.monotonic()

    @rule(name=st.sampled_from(NAMES), times=st.integers(3, 9))
    def write_on(self, name: str, times: int) -> None:
        """Somebody writes at one file for long, while the others stand still."""
        for size in range(times):
            self.write(name, size)
            self.room.pass_time(2.0)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        """Somebody takes a file away that the cloud has nothing of yet."""
        target = self.card / name
        path = os.fsencode(target.relative_to(self.room.hot))
        known = [
            file
            for upload in self.room.store.uploads()
            for file in self.room.store.files(upload.id)
            if file.path == path and file.cloud_id
        ]
        if target.exists() and not known:
            target.unlink()
            self.changed_at.pop(path)
            self.moved_at = self.room.clock.monotonic()

    @rule(seconds=st.sampled_from([0.5, SPACING_S, QUIET_S, 2 * QUIET_S]))
    def look(self, seconds: float) -> None:
        """Time passes, and the intake looks."""
        self.room.pass_time(seconds)

    @rule()
    def hurry(self) -> None:
        """A notification rings."""
        self.room.intake.hurry()
        self.room.pass_time(0.6)

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 9), seconds=st.integers(9, 30))
    def arrive(self, name: str, size: int, seconds: int) -> None:
        """Somebody drops a file, and asks what becomes of it until it went or should have gone."""
        self.write(name, size)
        self.explained_looks(seconds)

    @rule(seconds=st.integers(1, 12))
    def explained_looks(self, seconds: int) -> None:
        """What is explained as going is whole at that very look, and nothing else is."""
        for _ in range(seconds):
            if not self.room.intake.gate.why:
                look_as_foretold(self.room, "CARD")
            self.room.clock.advance(1)

    @rule()
    def stand_still(self) -> None:
        """Nobody writes for long enough: whatever was taken is whole."""
        self.room.pass_time(WHOLE_S)
        drop = self.room.store.latest_drop("hot", b"CARD")
        if drop is not None and drop.hold is HoldReason.UNSTABLE_SOURCE:
            # what changed too often within a day has to be quiet for longer
            self.room.pass_time(CAP_S + WHOLE_S)
            drop = self.room.store.latest_drop("hot", b"CARD")
        if drop is not None and drop.state is DropState.TAKEN and self.changed_at:
            assert drop.whole
            assert drop.upload_id is not None
            rows = {file.path: file for file in self.room.store.files(drop.upload_id)}
            sent = {path: row.identity for path, row in rows.items()}
            # late files go alone; the others were delivered with the first package
            assert (
                sent == self.there() if not drop.is_late else sent.items() <= self.there().items()
            )
            assert not any(row.stale for row in rows.values())

    @rule()
    def restart(self) -> None:
        """The daemon is killed and starts again: only the rows are left."""
        self.room.store.start_over()
        self.room.begin()

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        """The sender does a little, looking at every source as the real one does."""
        for upload in self.room.store.claim_uploads(9, LEASE_S):
            if upload.package_id is None:
                open_package(self.room.store, upload)
            for file in self.room.store.next_files(upload.id, count):
                self.send_file(upload, file)
            if not self.room.store.next_files(upload.id, 1):
                self.conclude(upload)
            self.room.store.let_go(upload.id, upload.fence)

    def send_file(self, upload: Upload, file: SourceFile) -> None:
        """Send one file whole, or note that it is not the one that settled."""
        store = self.room.store
        store.note_files_asked(upload.id, upload.fence, [file.id])
        now = self.identity(file.path)
        if now != file.identity:
            if not file.open_asked:
                store.note_file_unasked(file, upload.fence)
            store.note_source_changed(file, upload.fence, "changed")
            return
        # nothing goes to the cloud that was not quiet for its whole time
        assert self.room.clock.monotonic() - self.changed_at[file.path] >= QUIET_S - MOMENT_S
        store.note_file_opened(
            file, upload.fence, cloud_id=f"c{file.id}-{self.writes}-{len(self.closed)}",
            multipart_id="m", chunk_size=99,
        )  # fmt: skip
        opened = store.file(file.id)
        assert opened is not None
        chunk = Chunk(number=1, size=file.identity.size, etag="e", hash="h")
        store.note_etag(opened, upload.fence, chunk, last=True)
        store.note_file_closed(opened, upload.fence)
        self.closed[upload.id, file.path, file.identity] += 1

    def conclude(self, upload: Upload) -> None:
        """Finalize what is whole and sent, after a last look."""
        store = self.room.store
        if store.advance_all_sent(upload.id, upload.fence):
            store.advance_upload(upload.id, UploadEvent.FINALIZE)
        row = store.upload(upload.id)
        assert row is not None
        if row.state is not UploadState.FINALIZING:
            return
        for file in store.files(upload.id):
            if self.identity(file.path) != file.identity:
                store.note_source_changed(file, row.fence, "changed")
        try:
            store.note_finalize_asked(upload.id, row.fence)
        except SourceChanged:
            return
        self.assert_whole(row)
        store.advance_claimed(row, UploadEvent.FINALIZED)
        self.delivered += 1

    def assert_whole(self, upload: Upload) -> None:
        """Nothing is finalized but what settled, as it stands there now, and all that had come."""
        rows = {row.path: row for row in self.room.store.files(upload.id)}
        (drop,) = self.room.store.drops_of(upload.id)
        assert drop.settled_at is not None
        whole_at = self.room.clock.monotonic() - (self.room.store.now() - drop.settled_at)
        assert all(row.closed and not row.stale for row in rows.values())
        for path, identity in self.there().items():
            if path in rows:
                assert rows[path].identity == identity
                assert self.changed_at[path] <= whole_at - QUIET_S + MOMENT_S
            else:
                # it came after the drop was whole and is of the next generation, or it was
                # delivered before, with what these late files came to
                was_sent = any(key[1:] == (path, identity) for key in self.closed)
                is_newer = self.changed_at[path] > whole_at - MOMENT_S
                assert is_newer or (drop.is_late and was_sent)

    @invariant()
    def each_version_is_sent_once(self) -> None:
        """What settled goes up once, however it was told, and whoever was killed meanwhile."""
        assert all(times == 1 for times in self.closed.values())

    @invariant()
    def only_what_is_whole_comes_to_rest(self) -> None:
        """An upload is idle, and then finalized, only with every drop of it whole."""
        for upload in self.room.store.uploads() if hasattr(self, "room") else ():
            if upload.state in (UploadState.IDLE, UploadState.FINALIZING):
                assert all(drop.whole for drop in self.room.store.drops_of(upload.id))

    @invariant()
    def drop_is_whole_only_when_it_was_quiet(self) -> None:
        """A drop that is whole holds nothing that changed within the quiet time before."""
        if not hasattr(self, "room"):
            return
        drop = self.room.store.latest_drop("hot", b"CARD")
        if drop is not None and is_arriving(drop):
            assert drop.settled_at is None
        if drop is not None and drop.whole and drop.state is DropState.TAKEN:
            assert drop.settled_at is not None
            age = self.room.store.now() - drop.settled_at
            stood_still = self.room.clock.monotonic() - age - self.moved_at
            # a change after it was whole is what the next look and the sender's last look are for
            assert stood_still >= QUIET_S - MOMENT_S or stood_still <= MOMENT_S


TestEarlyMachine = EarlyMachine.TestCase
TestEarlyMachine.settings = settings(
    max_examples=examples(30),
    stateful_step_count=30,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
