"""A re-openable slice of a source file: the body of one PUT.

Owns the fence around the bytes of a chunk and their hashes. Never retries, never decides where the
bytes go and never holds more than one block. Called by the sender; `cloud.streams` reads it.

Law 1. Before the first byte and after the last, descriptor and path show the settled identity.
Law 2. The last block is handed over only after that second look, so that a changed file's chunk
       is never complete at the storage. What the kernel sends by itself leaves later than it was
       handed over: whoever uses `send_to` looks once more after the storage's answer.
Law 3. An empty answer means the end: a file that gives too little raises (probe 7).
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from types import TracebackType

import xxhash

from masv_watch.errors import SourceChanged
from masv_watch.files.observations import demand_same, identity_of
from masv_watch.files.reach import Reach
from masv_watch.files.roots import Root
from masv_watch.model import Follow, Identity, Verify
from masv_watch.names import shown

#: bytes of the largest block that is read at once
BLOCK = 1 << 20
#: what only the medium of a source reports while the kernel sends from it to a socket
_OF_THE_SOURCE = {errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV}


class Slice:
    """One chunk of one file, readable from its start as often as wanted; used by one thread."""

    def __init__(
        self,
        root_path: bytes,
        path: bytes,
        identity: Identity,
        *,
        offset: int,
        size: int,
        verify: Verify = Verify.FAST,
        follow: Follow = Follow.NONE,
        reach: Reach | None = None,
        on_bytes: Callable[[int], None] | None = None,
        most: Callable[[int], int] | None = None,
    ) -> None:
        """Describe the slice; nothing is opened yet, and what is opened lies within the reach.

        `most` is asked before each block how many of so many bytes may be handed over now; it may
        take its time, and it may raise.

        `on_bytes` is told the size of each block as it is handed over, and the negative sum when
        the slice is rewound, so that its total is always what this attempt has handed over.

        Raises:
            ValueError: the slice does not lie within the settled size.
        """
        if offset < 0 or size < 0 or offset + size > identity.size:
            raise ValueError("a slice lies within its file")
        self._root_path = root_path
        self._path = path
        self._identity = identity
        self._offset = offset
        self._size = size
        self._verify = verify
        self._follow = follow
        self._reach = reach
        self._on_bytes = on_bytes
        self._most = most
        self._descriptor = -1
        self._root: Root | None = None
        self._start_hashes()

    def open(self) -> Slice:
        """Open the file and assure that it is the settled one; an open slice starts afresh.

        Raises:
            SourceChanged, SourceVanished, SourceUnreadable, SourceForbidden.
        """
        self.close()
        self._root = Root.open(self._root_path, follow=self._follow)
        try:
            self._descriptor = self._open_file(self._root)
            self.check()
        except BaseException:
            self.close()
            raise
        return self

    def _open_file(self, root: Root) -> int:
        if self._reach is None:
            return root.open_file(self._path)
        # judged once, at the descriptor that is read: later looks are for the identity alone
        with Root.open(self._root_path, follow=self._follow, reach=self._reach) as judged:
            return judged.open_file(self._path)

    def close(self) -> None:
        """Close the file; hashes and `read_bytes` stay. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._root is not None:
            self._root.close()
            self._root = None

    def __enter__(self) -> Slice:
        """Open the slice."""
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def __len__(self) -> int:
        """Give the bytes of the slice, whatever was read of it."""
        return self._size

    def __bool__(self) -> bool:
        """Be true even when empty: an empty slice is a body all the same."""
        return True

    @property
    def read_bytes(self) -> int:
        """Give the bytes handed over since the start or the last rewind."""
        return self._read

    @property
    def hash(self) -> str:
        """Give the xxh3-128 of the slice in hex; "" with `verify: size`.

        Raises:
            ValueError: not every byte was handed over yet.
        """
        self._demand_whole()
        return self._xxh.hexdigest() if self._xxh else ""

    @property
    def md5(self) -> str:
        """Give the MD5 of the slice in hex; "" unless `verify: strict`.

        Raises:
            ValueError: not every byte was handed over yet.
        """
        self._demand_whole()
        return self._md5.hexdigest() if self._md5 else ""

    def tell(self) -> int:
        """Give the position within the slice."""
        return self._read

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Rewind to the start, hashes and progress with it; no other place can be sought.

        Raises:
            ValueError: any other place.
        """
        if position != 0 or whence != os.SEEK_SET:
            raise ValueError("a slice is only rewound to its start")
        if self._on_bytes and self._read:
            self._on_bytes(-self._read)
        self._start_hashes()
        return 0

    def read(self, n: int | None = -1) -> bytes:
        """Give the next block, at most 1 MiB however much is asked; b"" only at the end.

        Raises: as `read_into`.
        """
        wanted = self._worth(BLOCK if n is None or n < 0 else min(n, BLOCK))
        block = b""

        def fetch(descriptor: int, position: int) -> memoryview:
            nonlocal block
            block = os.pread(descriptor, wanted, position)
            return memoryview(block)

        self._hand_over(wanted, fetch)
        return block

    def read_into(self, block: memoryview) -> int:
        """Fill a block with the next bytes and give how many; 0 only at the end.

        Raises:
            SourceChanged: the file is not the settled one any more, or gives too few bytes.
            SourceVanished, SourceUnreadable: it is gone, or the medium reports an error.
            ValueError: the slice is not open.
        """
        wanted = self._worth(len(block))

        def fetch(descriptor: int, position: int) -> memoryview:
            return block[: os.preadv(descriptor, [block[:wanted]], position)]

        return self._hand_over(wanted, fetch)

    def _hand_over(self, wanted: int, fetch: Callable[[int, int], memoryview]) -> int:
        descriptor = self._open_descriptor()
        if wanted <= 0:
            return 0
        if self._read == 0:
            self.check()
        try:
            block = fetch(descriptor, self._offset + self._read)
        except OSError as error:
            self._translate(error)
            raise
        self._demand_some(len(block))
        if len(block) == self.left:
            self.check()
        self._hash(block)
        self._note(len(block))
        return len(block)

    @property
    def is_plain(self) -> bool:
        """Say whether nobody looks at the bytes on their way, so that the kernel may send them."""
        return self._xxh is None and self._md5 is None

    def send_to(self, out: int, at_most: int) -> int:
        """Have the kernel send the next bytes to a socket's descriptor; give how many.

        0 means the end.

        Raises: as `read_into`; BlockingIOError when the socket takes nothing now; another OSError
            that is the socket's.
        """
        descriptor = self._open_descriptor()
        wanted = self._worth(at_most)
        if wanted <= 0:
            return 0
        if self._read == 0 or wanted == self.left:
            self.check()
        try:
            count = os.sendfile(out, descriptor, self._offset + self._read, wanted)
        except OSError as error:
            if error.errno in _OF_THE_SOURCE:
                self._translate(error)
            raise
        self._demand_some(count)
        self._note(count)
        return count

    def look(self) -> None:
        """Tell `on_bytes` of no byte: it raises when the slice is not wanted any more."""
        if self._on_bytes:
            self._on_bytes(0)

    def forget_cached(self) -> None:
        """Have the next bytes read from where they lie, and not from this machine's memory."""
        if hasattr(os, "posix_fadvise"):
            descriptor = self._open_descriptor()
            os.posix_fadvise(descriptor, self._offset, self._size, os.POSIX_FADV_DONTNEED)

    @property
    def left(self) -> int:
        """Give the bytes that were not handed over yet."""
        return self._size - self._read

    def check(self) -> None:
        """Assure that the descriptor and the path both show the settled identity.

        Raises:
            SourceChanged, SourceVanished, SourceUnreadable, SourceForbidden; ValueError: not open.
        """
        descriptor, root = self._open_descriptor(), self._root
        if root is None:
            raise ValueError("the slice is not open")
        # the path first: a removed file is gone, not changed, and that has another remedy
        demand_same(root.identify(self._path), self._identity, self._path)
        with root.border(self._path):
            held = identity_of(os.fstat(descriptor))
        demand_same(held, self._identity, self._path)

    def _worth(self, at_most: int) -> int:
        wanted = min(at_most, self.left)
        if self._most is None or wanted <= 0:
            return wanted
        return min(wanted, max(self._most(wanted), 1))

    def _open_descriptor(self) -> int:
        if self._descriptor < 0:
            raise ValueError("the slice is not open")
        return self._descriptor

    def _demand_some(self, count: int) -> None:
        if not count:
            raise SourceChanged(f"{shown(self._path)} ends before its size", path=self._path)

    def _translate(self, error: OSError) -> None:
        with Root.open(self._root_path) as root, root.border(self._path):
            raise error

    def _hash(self, block: memoryview) -> None:
        if self._xxh:
            self._xxh.update(block)
        if self._md5:
            self._md5.update(block)

    def _note(self, count: int) -> None:
        self._read += count
        if self._on_bytes:
            self._on_bytes(count)

    def _start_hashes(self) -> None:
        self._read = 0
        self._xxh = None if self._verify is Verify.SIZE else xxhash.xxh3_128()
        strict = self._verify is Verify.STRICT
        self._md5 = hashlib.md5(usedforsecurity=False) if strict else None

    def _demand_whole(self) -> None:
        if self._read != self._size:
            raise ValueError("the slice was not handed over to its last byte")
