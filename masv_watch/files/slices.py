"""A re-openable slice of a source file: the body of one PUT.

Owns the fence around the bytes of a chunk and their hashes. Never sends, never retries and never
holds more than one block. Called by the sender; the HTTP library reads it like a file.

Law 1. Before the first byte and after the last, descriptor and path show the settled identity.
Law 2. The last block is handed over only after that second look, so that a changed file's chunk
       is never complete at the storage.
Law 3. An empty answer means the end: a file that gives too little raises (probe 7).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from types import TracebackType

import xxhash

from masv_watch.errors import SourceChanged
from masv_watch.files.roots import Root, demand_same, identity_of
from masv_watch.model import Identity, Verify
from masv_watch.names import shown

_BLOCK = 1 << 20


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
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        """Describe the slice; nothing is opened yet.

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
        self._on_bytes = on_bytes
        self._descriptor = -1
        self._start_hashes()

    def open(self) -> Slice:
        """Open the file and assure that it is the settled one; an open slice starts afresh.

        Raises:
            SourceChanged, SourceVanished, SourceUnreadable, SourceForbidden.
        """
        self.close()
        with Root.open(self._root_path) as root:
            self._descriptor = root.open_file(self._path)
        try:
            self.check()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the file; hashes and `read_bytes` stay. May be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

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

        Raises:
            SourceChanged: the file is not the settled one any more, or gives too few bytes.
            SourceVanished, SourceUnreadable: it is gone, or the medium reports an error.
            ValueError: the slice is not open.
        """
        if self._descriptor < 0:
            raise ValueError("the slice is not open")
        wanted = min(_BLOCK, self._size - self._read, _BLOCK if n is None or n < 0 else n)
        if wanted <= 0:
            return b""
        if self._read == 0:
            self.check()
        block = self._block(wanted)
        if self._read + len(block) == self._size:
            self.check()
        self._note(block)
        return block

    def check(self) -> None:
        """Assure that the descriptor and the path both show the settled identity.

        Raises:
            SourceChanged, SourceVanished, SourceUnreadable, SourceForbidden; ValueError: not open.
        """
        if self._descriptor < 0:
            raise ValueError("the slice is not open")
        with Root.open(self._root_path) as root:
            # the path first: a removed file is gone, not changed, and that has another remedy
            demand_same(root.identify(self._path), self._identity, self._path)
            with root.border(self._path):
                held = identity_of(os.fstat(self._descriptor))
            demand_same(held, self._identity, self._path)

    def _block(self, wanted: int) -> bytes:
        try:
            block = os.pread(self._descriptor, wanted, self._offset + self._read)
        except OSError as error:
            self._translate(error)
            raise
        if not block:
            raise SourceChanged(f"{shown(self._path)} ends before its size", path=self._path)
        return block

    def _translate(self, error: OSError) -> None:
        with Root.open(self._root_path) as root, root.border(self._path):
            raise error

    def _note(self, block: bytes) -> None:
        if self._xxh:
            self._xxh.update(block)
        if self._md5:
            self._md5.update(block)
        self._read += len(block)
        if self._on_bytes:
            self._on_bytes(len(block))

    def _start_hashes(self) -> None:
        self._read = 0
        self._xxh = None if self._verify is Verify.SIZE else xxhash.xxh3_128()
        strict = self._verify is Verify.STRICT
        self._md5 = hashlib.md5(usedforsecurity=False) if strict else None

    def _demand_whole(self) -> None:
        if self._read != self._size:
            raise ValueError("the slice was not handed over to its last byte")
