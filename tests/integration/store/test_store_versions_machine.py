"""Files that change on their way, in any order of changes, etags, losses and claims.

A model of the storage stands beside the store: what each part of each cloud file holds. What the
cloud is told to put together must be there, and must be the bytes of the version that settled.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from masv_watch.errors import FenceLost
from masv_watch.model import Chunk, FileDraft, Identity, SourceFile, Upload
from masv_watch.store.sqlite import SqliteStore
from masv_watch.transfer.chunks import Span, spans
from tests.doubles import FakeClock
from tests.integration.store import making
from tests.integration.store.benches import SqliteBench
from tests.integration.store.making import FOLDER, LEASE_S
from tests.searching import examples

CHUNK = 10
DROPPED, NAMED = b"dropped", b"named"

#: one letter for each full chunk, and the bytes of a last, shorter one
contents = st.tuples(st.text("xy", min_size=2, max_size=4), st.integers(0, 2))
which = st.sampled_from([DROPPED, NAMED])
picks = st.integers(0, 99)
Content = tuple[str, int]

#: verbs of a worker about the version that he has in hand, and what an old one says
OF_ONE_VERSION: dict[str, tuple[object, ...]] = {
    "note_file_closed": (),
    "note_etag": (Chunk(number=1, size=CHUNK, etag="old", hash="old"),),
    "forget_kept": (1,),
    "note_reread": (1,),
}


def changed(content: Content, how: str, at: int) -> Content:
    """Give a content that is another one in part, as most changes are."""
    full, tail = content
    if how == "rewrite":
        at %= max(len(full), 1)
        return full[:at] + ("y" if full[at : at + 1] == "x" else "x") + full[at + 1 :], tail
    if how == "grow":
        return full + "xy"[at % 2], tail
    if how == "cut":
        return full[: at % (len(full) + 1)], at % 3
    return content


def size_of(content: Content) -> int:
    """Give the bytes of a content."""
    return CHUNK * len(content[0]) + content[1]


def hash_of(content: Content, span: Span) -> str:
    """Give the hash of a chunk: the same for the same bytes, in whatever version."""
    full = content[0]
    return full[span.number - 1] if span.number <= len(full) else f"tail of {span.size}"


class VersionsMachine(RuleBasedStateMachine):
    """A file of a drop and one of a caller, in one upload."""

    def __init__(self) -> None:
        """Open a state of its own."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="versions-machine-"))
        self.bench = SqliteBench(self.folder, FakeClock())
        self.store: SqliteStore = self.bench.open()
        self.numbers = itertools.count(1)
        #: what the sources hold now
        self.contents: dict[bytes, Content] = {}
        #: times of each content of each file: what is as it once was looks as it once did
        self.times: dict[tuple[bytes, Content], int] = {}
        #: what the storage has, by cloud file and number
        self.storage: dict[tuple[str | None, int], Chunk] = {}
        #: PUTs that took effect and whose etags are not stored yet: the file in hand, its fence
        self.unheard: list[tuple[SourceFile, int, Chunk]] = []
        #: files in hand of long ago, with their fences
        self.old: list[tuple[SourceFile, int]] = []

    def teardown(self) -> None:
        """Close and forget the state."""
        self.bench.close()
        shutil.rmtree(self.folder)

    def draft(self, path: bytes, content: Content) -> FileDraft:
        """Describe a source with this content."""
        self.contents[path] = content
        at = self.times.setdefault((path, content), next(self.numbers))
        return making.file_draft(path, size_of(content), at)

    @initialize(first=contents, second=contents)
    def begin(self, first: Content, second: Content) -> None:
        """An upload has a drop, and a file that a caller named."""
        drop = self.store.see_drop(FOLDER, DROPPED)
        of_drop = making.drop_draft(drop, [self.draft(DROPPED, first)])
        upload = making.upload_draft(of_drop)
        self.upload_id = self.store.create_upload(
            replace(upload, files=(self.draft(NAMED, second),))
        )
        self.claim()

    @property
    def upload(self) -> Upload:
        """Give the upload as it stands."""
        return making.must(self.store.upload(self.upload_id))

    def file(self, path: bytes) -> SourceFile:
        """Give a file as its row stands; whoever took it in hand before is remembered."""
        found = next(file for file in self.store.files(self.upload_id) if file.path == path)
        self.old.append((found, self.fence))
        return found

    @rule()
    def claim(self) -> None:
        """The process is another one: what was claimed before is over."""
        self.store.start_over()
        (upload,) = self.store.claim_uploads(9, LEASE_S)
        self.fence = upload.fence

    @rule(
        path=which,
        how=st.sampled_from(["rewrite", "grow", "cut", "touch", "nothing"]),
        at=picks,
        steps=st.integers(0, 4),
        is_found=st.booleans(),
    )
    def change(self, path: bytes, how: str, at: int, steps: int, *, is_found: bool) -> None:
        """A source changes and settles; a worker may have found it changed before."""
        for _ in range(steps):
            self.send(path, 10_000)
        content = changed(self.contents[path], how, at)
        if how == "touch":
            self.times[path, content] = next(self.numbers)
        file = self.file(path)
        if path == DROPPED:
            (drop,) = self.store.drops_of(self.upload_id)
            if is_found:
                self.store.note_source_changed(file, self.fence, "changed")
            self.store.note_change(drop.id, "changed")
            self.store.settle_again(making.drop_draft(drop, [self.draft(path, content)]))
        else:
            self.store.note_source_changed(file, self.fence, "changed")
            identity = self.draft(path, content).identity
            self.store.settle_file(self.file(path), self.fence, identity)

    @rule(path=which, limit=st.sampled_from([2, 10_000]))
    def send(self, path: bytes, limit: int) -> None:
        """A worker opens a file, or keeps or sends its next chunk, or closes it."""
        file = self.file(path)
        if file.closed or self.hear_own(file):
            return
        if file.cloud_id is None:
            self.open(file, limit)
            return
        missing = self.missing(file)
        if missing:
            chunk = self.kept(file, missing[0]) or self.put(file, missing[0])
            self.store.note_etag(file, self.fence, chunk, last=len(missing) == 1)
        else:
            self.close(file)

    def open(self, file: SourceFile, limit: int) -> None:
        """Give a file a cloud file."""
        count = max(limit, -(-file.identity.size // CHUNK))
        self.store.note_file_opened(
            file,
            self.fence,
            cloud_id=f"cloud-{next(self.numbers)}",
            multipart_id="m",
            chunk_size=CHUNK,
            max_chunks=count,
        )

    def close(self, file: SourceFile) -> None:
        """What the cloud is told to put together is there, and is this version's bytes."""
        named = self.store.chunks(file.id)
        wanted = spans(size_of(self.contents[file.path]), CHUNK)
        assert [(chunk.number, chunk.size) for chunk in named] == [
            (span.number, span.size) for span in wanted
        ]
        for chunk, span in zip(named, wanted, strict=True):
            assert self.storage[file.cloud_id, chunk.number] == chunk
            assert chunk.hash == hash_of(self.contents[file.path], span)
        self.store.note_file_closed(file, self.fence)

    def missing(self, file: SourceFile) -> list[Span]:
        """Give the chunks of a file that are not acknowledged."""
        have = {chunk.number for chunk in self.store.chunks(file.id)}
        return [span for span in spans(file.identity.size, CHUNK) if span.number not in have]

    def kept(self, file: SourceFile, span: Span) -> Chunk | None:
        """Give what is kept of an earlier version if it has the same bytes; else forget it."""
        kept = self.store.kept_chunk(file, span.number)
        if kept is None:
            return None
        assert self.storage[file.cloud_id, span.number] == kept
        if (kept.size, kept.hash) == (span.size, hash_of(self.contents[file.path], span)):
            return kept
        self.store.forget_kept(file, self.fence, span.number)
        return None

    def put(self, file: SourceFile, span: Span) -> Chunk:
        """Send a chunk's bytes to the storage."""
        chunk = Chunk(
            number=span.number,
            size=span.size,
            etag=f"etag-{next(self.numbers)}",
            hash=hash_of(self.contents[file.path], span),
        )
        self.storage[file.cloud_id, span.number] = chunk
        return chunk

    def hear_own(self, file: SourceFile) -> bool:
        """Take in an etag of this version that is on its way: nothing is sent twice at once."""
        for each in self.unheard:
            if each[0].id == file.id and self.is_same_version(file, *each[:2]):
                self.unheard.remove(each)
                last = len(self.missing(file)) == 1
                self.store.note_etag(each[0], self.fence, each[2], last=last)
                return True
        return False

    @rule(path=which, pick=picks)
    def read_again(self, path: bytes, pick: int) -> None:
        """A worker reads chunks of a file that is sent once more."""
        file = self.file(path)
        if file.cloud_id is None or file.closed or self.missing(file):
            return
        number = file.reread + 1 + pick % 2
        if number <= len(self.store.chunks(file.id)):
            self.store.note_reread(file, self.fence, number)

    @rule(path=which, pick=picks)
    def put_unheard(self, path: bytes, pick: int) -> None:
        """A chunk reaches the storage; its etag is slow to come back."""
        file = self.file(path)
        if file.cloud_id is None or file.closed:
            return
        out = {each[2].number for each in self.unheard if self.is_same_version(file, *each[:2])}
        todo = [span for span in self.missing(file) if span.number not in out]
        if not todo:
            return
        span = todo[pick % len(todo)]
        if self.kept(file, span) is None:
            self.unheard.append((file, self.fence, self.put(file, span)))

    @precondition(lambda self: self.unheard)
    @rule(pick=picks)
    def hear_late(self, pick: int) -> None:
        """An etag comes back, however late: it counts for the very version that was sent."""
        file, fence, chunk = self.unheard.pop(pick % len(self.unheard))
        now, before = self.store.file(file.id), self.bench.rows()
        assert now is not None
        is_mine = self.is_same_version(now, file, fence)
        try:
            self.store.note_etag(file, fence, chunk, last=is_mine and len(self.missing(now)) == 1)
        except FenceLost:
            assert not is_mine
            assert self.bench.rows() == before
        else:
            assert is_mine

    @precondition(lambda self: self.old)
    @rule(pick=picks, verb=st.sampled_from(list(OF_ONE_VERSION)))
    def wake_old(self, pick: int, verb: str) -> None:
        """Whoever has an earlier version in hand changes nothing."""
        file, fence = self.old[pick % len(self.old)]
        now, before = self.store.file(file.id), self.bench.rows()
        assert now is not None
        if file.cloud_id is None or self.is_same_version(now, file, fence):
            return
        given = OF_ONE_VERSION[verb]
        more = {"last": True} if verb == "note_etag" else {}
        try:
            getattr(self.store, verb)(file, fence, *given, **more)
        except FenceLost:
            assert self.bench.rows() == before
            return
        raise AssertionError("an earlier version was believed")

    def is_same_version(self, now: SourceFile, file: SourceFile, fence: int) -> bool:
        """Say whether a file in hand is what its row holds."""
        mine = (file.identity, file.cloud_id, file.version, fence)
        return mine == (now.identity, now.cloud_id, now.version, self.fence)

    @rule(path=which)
    def lose(self, path: bytes) -> None:
        """The cloud lost a file: nothing of it is kept."""
        self.store.note_file_lost(self.file(path), self.fence)
        file = self.file(path)
        assert (file.cloud_id, file.version, file.sent, file.closed) == (None, 0, 0, False)
        assert self.store.chunks(file.id) == []
        assert self.store.kept_chunk(replace(file, version=99), 1) is None

    @rule()
    def finish(self) -> None:
        """All is sent in the end, and the rows prove that it is one version of each file."""
        for path in (DROPPED, NAMED):
            while not self.file(path).closed:
                self.send(path, 10_000)
        proofs = {proof.path: proof for proof in self.store.prove(self.upload_id)}
        for path, content in self.contents.items():
            proof = proofs[path]
            assert proof.doubt == ""
            assert proof.hash
            assert proof.identity == self.identity(path)
            found = spans(size_of(content), CHUNK)
            assert [chunk.hash for chunk in proof.chunks] == [hash_of(content, s) for s in found]
        assert self.upload.sent == self.upload.size

    def identity(self, path: bytes) -> Identity:
        """Give the identity of a source as it is now."""
        return self.draft(path, self.contents[path]).identity

    @invariant()
    def sums_are_those_of_acknowledged_chunks(self) -> None:
        """What is sent is the sum of the chunks of the present version, never of kept ones."""
        if not hasattr(self, "upload_id"):
            return
        files = self.store.files(self.upload_id)
        for file in files:
            assert file.sent == sum(chunk.size for chunk in self.store.chunks(file.id))
            # nothing is read again before all of its version is there
            assert not file.reread or not self.missing(file)
        upload = self.upload
        assert upload.sent == sum(file.sent for file in files)
        assert upload.size == sum(file.identity.size for file in files)


TestVersionsMachine = VersionsMachine.TestCase
TestVersionsMachine.settings = settings(
    max_examples=examples(40),
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)
