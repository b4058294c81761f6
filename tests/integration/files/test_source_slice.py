"""A slice of a source file as the body of a PUT, on real files."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import tracemalloc
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3
import xxhash

from masv_watch.errors import SourceChanged, SourceError, SourceForbidden, SourceVanished
from masv_watch.files import Root, Slice
from masv_watch.model import Identity, Verify

MIB = 1 << 20
CONTENT = os.urandom(3 * MIB + 17)


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Give a hot folder with one file in a sub-folder."""
    folder = tmp_path / "hot"
    (folder / "CARD").mkdir(parents=True)
    (folder / "CARD" / "clip").write_bytes(CONTENT)
    return folder


def settled(hot: Path) -> Identity:
    """Give the file's identity now."""
    with Root.open(os.fsencode(hot)) as root:
        return root.identify(b"CARD/clip")


def slice_of(hot: Path, offset: int = 0, size: int | None = None, **more: object) -> Slice:
    """Make a slice of the file as it is now."""
    identity = settled(hot)
    size = identity.size - offset if size is None else size
    return Slice(
        os.fsencode(hot),
        b"CARD/clip",
        identity,
        offset=offset,
        size=size,
        **more,  # type: ignore[arg-type]
    )


def drain(body: Slice, n: int = -1) -> bytes:
    """Read a slice to its end."""
    return b"".join(iter(lambda: body.read(n), b""))


@pytest.mark.parametrize(
    ("offset", "size"), [(0, len(CONTENT)), (5, MIB), (MIB, 2 * MIB + 17), (7, 1), (9, 0)]
)
@pytest.mark.parametrize("n", [-1, 1000, 64 * MIB])
def test_slice_gives_exactly_its_bytes_and_their_hashes(
    hot: Path, offset: int, size: int, n: int
) -> None:
    """However it is read, a slice is its bytes, its length and its hashes."""
    if n == 1000:
        size = min(size, 5000)
    wanted = CONTENT[offset : offset + size]
    with slice_of(hot, offset, size, verify=Verify.STRICT) as body:
        read = drain(body, n)

        assert len(body) == size
        assert body.tell() == body.read_bytes == size
        assert body.read() == b""
    assert read == wanted
    assert body.hash == xxhash.xxh3_128_hexdigest(wanted)
    assert body.md5 == hashlib.md5(wanted).hexdigest()


@pytest.mark.parametrize(
    ("verify", "hashed", "md5"),
    [(Verify.SIZE, False, False), (Verify.FAST, True, False), (Verify.STRICT, True, True)],
)
def test_slice_hashes_what_the_setting_asks(
    hot: Path, verify: Verify, hashed: bool, md5: bool
) -> None:
    """`size` hashes nothing, `fast` xxh3, `strict` MD5 as well."""
    with slice_of(hot, verify=verify) as body:
        drain(body)

    assert (bool(body.hash), bool(body.md5)) == (hashed, md5)


def test_slice_rewound_gives_the_same_again(hot: Path) -> None:
    """A retry reads from the start: hash and progress start anew with it."""
    told: list[int] = []
    with slice_of(hot, on_bytes=told.append) as body:
        body.read()
        assert body.seek(0) == 0
        assert sum(told) == body.tell() == 0
        again = drain(body)

        with pytest.raises(ValueError, match="rewound"):
            body.seek(5)
    assert again == CONTENT
    assert body.hash == xxhash.xxh3_128_hexdigest(CONTENT)
    assert sum(told) == len(CONTENT)


def test_slice_hash_before_the_last_byte_is_refused(hot: Path) -> None:
    """A hash of a part is never taken for the hash of the slice."""
    with slice_of(hot) as body:
        body.read()

        with pytest.raises(ValueError, match="last byte"):
            _ = body.hash


def test_slice_beyond_its_file_is_refused(hot: Path) -> None:
    """A slice lies within the settled size."""
    with pytest.raises(ValueError, match="within"):
        slice_of(hot, 0, len(CONTENT) + 1)


def test_slice_blocks_are_at_most_one_mebibyte_and_memory_is_constant(hot: Path) -> None:
    """Neither a chunk nor a file is ever held as bytes."""
    with slice_of(hot) as body:
        tracemalloc.start()
        sizes = {len(block) for block in iter(lambda: body.read(64 * MIB), b"")}
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert max(sizes) == MIB
    assert peak < 2.5 * MIB


def truncate(clip: Path) -> None:
    """Cut the file in the middle (fault 16)."""
    os.truncate(clip, 2 * MIB)


def append(clip: Path) -> None:
    """Let the file grow (fault 12)."""
    with clip.open("ab") as file:
        file.write(b"more")


def rewrite(clip: Path) -> None:
    """Write other bytes of the same length and restore the time (fault 14)."""
    before = os.stat(clip)
    while os.stat(clip).st_ctime_ns == before.st_ctime_ns:
        with clip.open("r+b") as file:
            file.write(b"other")
        os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(clip: Path) -> None:
    """Rename another file over it, with the same size and time (fault 18)."""
    before = os.stat(clip)
    other = clip.with_name("other")
    other.write_bytes(CONTENT[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.rename(clip)


def swap_for_link(clip: Path) -> None:
    """Put a link to the same file in its place (fault 24)."""
    clip.rename(clip.with_name("moved"))
    clip.symlink_to("moved")


def swap_folder_for_link(clip: Path) -> None:
    """Put a link in the place of its folder."""
    clip.parent.rename(clip.parent.with_name("AWAY"))
    clip.parent.symlink_to("AWAY")


def unlink(clip: Path) -> None:
    """Remove it (fault 17)."""
    clip.unlink()


CHANGES = [truncate, append, rewrite, replace, swap_for_link, swap_folder_for_link, unlink]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_slice_of_a_file_that_changes_never_gives_its_last_byte(
    hot: Path, change: Callable[[Path], None], blocks: int
) -> None:
    """Whenever the source changes, the slice raises before it is whole, and never ends early."""
    with slice_of(hot) as body:
        for _ in range(blocks):
            body.read()
        change(hot / "CARD" / "clip")

        with pytest.raises(SourceError) as caught:
            drain(body)
    assert body.read_bytes < len(CONTENT)
    wanted = {
        unlink: SourceVanished,
        swap_for_link: SourceForbidden,
        swap_folder_for_link: SourceForbidden,
    }
    assert isinstance(caught.value, wanted.get(change, SourceChanged))


@pytest.mark.parametrize("change", CHANGES)
def test_slice_of_a_file_that_changed_before_is_not_opened(
    hot: Path, change: Callable[[Path], None]
) -> None:
    """A changed source is refused before the cloud hears of it."""
    body = slice_of(hot)
    before = len(os.listdir("/dev/fd"))
    change(hot / "CARD" / "clip")

    with pytest.raises(SourceError):
        body.open()
    assert len(os.listdir("/dev/fd")) == before


def test_slice_whose_descriptor_is_another_file_is_refused(hot: Path) -> None:
    """A file swapped in for the open and back again is caught by its descriptor (fault 18)."""
    other = hot / "other"
    other.write_bytes(CONTENT)
    with slice_of(hot) as body:
        strange = os.open(other, os.O_RDONLY)
        os.dup2(strange, body._descriptor)
        os.close(strange)

        with pytest.raises(SourceChanged, match="inode"):
            body.check()


def test_slice_of_an_empty_file_is_empty(hot: Path) -> None:
    """An empty file is an empty body, checked like any other (fault 27)."""
    (hot / "CARD" / "clip").write_bytes(b"")
    with slice_of(hot) as body:
        assert body
        assert body.read() == b""
        body.check()
    assert body.hash == xxhash.xxh3_128_hexdigest(b"")


def test_slice_is_sent_by_urllib3_with_its_exact_length(hot: Path) -> None:
    """The body of a PUT arrives byte for byte, with a Content-Length and not in chunks."""
    bodies: list[tuple[str | None, bytes]] = []

    class Storage(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            length = int(self.headers["Content-Length"])
            bodies.append((self.headers["Transfer-Encoding"], self.rfile.read(length)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    pool = urllib3.HTTPConnectionPool("127.0.0.1", server.server_port, blocksize=MIB)
    with slice_of(hot, 100) as body:
        answer = pool.urlopen(
            "PUT",
            "/x",
            body=body,
            headers={"Content-Length": str(len(body))},
            retries=False,
            redirect=False,
        )
    pool.close()
    server.shutdown()
    server.server_close()

    assert answer.status == 200
    assert bodies == [(None, CONTENT[100:])]


def test_slice_of_a_sparse_file_reads_its_holes(hot: Path) -> None:
    """A hole is zeros of the apparent size (fault 28)."""
    os.truncate(hot / "CARD" / "clip", 0)
    os.truncate(hot / "CARD" / "clip", 1 << 34)
    with slice_of(hot, (1 << 34) - MIB - 5) as body:
        read = drain(body)

    assert read == bytes(MIB + 5)


def poured(body: Slice, block: int = MIB) -> bytes:
    """Have the kernel send a slice to its end, over a socket that is read all the while."""
    here, there = socket.socketpair()
    got = bytearray()

    def read() -> None:
        while block := there.recv(1 << 20):
            got.extend(block)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while body.send_to(here.fileno(), block):
            pass
    finally:
        here.close()
        reader.join()
        there.close()
    return bytes(got)


@pytest.mark.parametrize(("offset", "size"), [(0, len(CONTENT)), (5, MIB), (7, 1), (9, 0)])
def test_slice_that_nobody_hashes_is_sent_by_the_kernel(hot: Path, offset: int, size: int) -> None:
    """The same bytes, without one of them in our memory."""
    counted: list[int] = []
    with slice_of(hot, offset, size, verify=Verify.SIZE, on_bytes=counted.append) as body:
        assert body.is_plain
        assert poured(body) == CONTENT[offset : offset + size]
        assert (body.left, sum(counted), body.hash) == (0, size, "")


@pytest.mark.parametrize("verify", [Verify.FAST, Verify.STRICT])
def test_slice_that_is_hashed_is_not_for_the_kernel(hot: Path, verify: Verify) -> None:
    """What is hashed must pass our hands."""
    assert not slice_of(hot, verify=verify).is_plain


@pytest.mark.fault(12)
def test_slice_that_changes_while_the_kernel_sends_it_never_gives_its_last_byte(hot: Path) -> None:
    """The fence holds for what the kernel sends as well."""
    path = hot / "CARD" / "clip"

    def change(_size: int) -> None:
        path.write_bytes(CONTENT[::-1])

    with (
        slice_of(hot, verify=Verify.SIZE, on_bytes=change) as body,
        pytest.raises(SourceChanged),
    ):
        poured(body)

    assert body.left > 0


@pytest.mark.fault(12)
def test_slice_that_changes_after_its_last_byte_fails_the_look_after_the_answer(hot: Path) -> None:
    """Pages that the kernel sends leave when they are acknowledged, not when handed over."""
    with slice_of(hot, verify=Verify.SIZE) as body:
        poured(body)
        (hot / "CARD" / "clip").write_bytes(CONTENT[::-1])

        with pytest.raises(SourceChanged):
            body.check()


def test_slice_hands_over_no_more_at_once_than_is_worth_it(hot: Path) -> None:
    """A limit of a few KiB a second is kept by small blocks, not by minutes of silence."""
    counted: list[int] = []
    with slice_of(
        hot, size=10_000, most=lambda wanted: min(wanted, 4096), on_bytes=counted.append
    ) as body:
        assert drain(body) == CONTENT[:10_000]
    with slice_of(
        hot,
        size=10_000,
        most=lambda wanted: min(wanted, 4096),
        on_bytes=counted.append,
        verify=Verify.SIZE,
    ) as body:
        assert poured(body) == CONTENT[:10_000]

    assert counted == [4096, 4096, 1808] * 2
