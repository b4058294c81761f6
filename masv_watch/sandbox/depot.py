"""Keep the bytes: S3-style multipart uploads behind presigned URLs.

Owns URL signatures and their expiry, parts with their ETags, and completed objects, which are their
parts in order: completing copies nothing. Never knows teams, tokens or JSON. Called by the HTTP
front for storage URLs and by the control plane to sign, to complete and to remove.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from masv_watch.sandbox import tokens
from masv_watch.sandbox.records import File, Part, Records, Upload

PREFIX = "/storage/"
MIN_PART = 5 << 20  # section E: 5 MiB on S3 [inferred]
MAX_PART = 5 << 30  # [docs-upload]
MAX_PARTS = 10_000  # [docs-upload]
BLOCK = 1 << 20
#: Signed into the create blueprint, so a client that drops a blueprint's headers is found out:
#: a blueprint is url, method, headers and body [docs-upload].
CREATE_HEADERS = {"x-amz-server-side-encryption": "AES256"}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_STAMP = "%Y%m%dT%H%M%SZ"


class StorageRefused(Exception):
    """A refusal in S3's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def xml(self) -> bytes:
        """Write the refusal as S3 does."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
            f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
        ).encode()


class PartsRefused(Exception):
    """The parts named at completion do not make up the object."""

    def __init__(self, number: int, fault: str) -> None:
        super().__init__(f"part {number} {fault}")


class BodyCut(Exception):
    """The client went away before its body was whole."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the depot treats bytes."""

    #: False: the ETag is no MD5 (as under SSE-KMS), which saves 1.3 CPU-s/GiB.
    md5: bool = True
    #: True: keep no bytes at all.
    discard: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a part goes, once its URL was found good."""

    file: File
    upload: Upload
    number: int


class Depot:
    """The storage side of the sandbox."""

    def __init__(self, records: Records, folder: Path, habits: Habits, lifetime_s: float) -> None:
        self._records = records
        self._folder = folder
        self._habits = habits
        self._lifetime_s = lifetime_s
        folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    def sign(self, method: str, file: File, query: Mapping[str, str]) -> str:
        """Answer path and query of a presigned URL."""
        path = f"{PREFIX}{file.package_id}/{file.id}"
        headers = ";".join(CREATE_HEADERS) if "uploads" in query else "host"
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": datetime.now(UTC).strftime(_STAMP),
            "X-Amz-Expires": f"{self._lifetime_s:g}",
            "X-Amz-SignedHeaders": headers,
            # After the others: clients look for "&partNumber=N&" [3p-ctl].
            **{name: value for name, value in query.items() if name != "uploads"},
        }
        pairs = [*([("uploads", "")] if "uploads" in query else []), *fields.items()]
        text = "&".join(
            part for part in ("uploads" if "uploads" in query else "", urlencode(fields)) if part
        )
        return f"{path}?{text}&X-Amz-Signature={self._signature(method, path, pairs)}"

    def admit(
        self, method: str, path: str, query: str, headers: Mapping[str, str], *, expired: bool
    ) -> File | Slot:
        """Check a presigned URL: the file to create an upload for, or the slot of a part.

        Raises:
            StorageRefused: forged, expired, unknown or not a storage call.
        """
        if method not in {"POST", "PUT"}:
            raise StorageRefused(405, "MethodNotAllowed", "The method is not allowed here.")
        pairs = parse_qsl(query, keep_blank_values=True)
        fields = dict(pairs)
        self._verify(method, path, pairs, expired=expired)
        for name in fields["X-Amz-SignedHeaders"].split(";"):
            if name != "host" and headers.get(name) != CREATE_HEADERS.get(name):
                raise StorageRefused(403, "SignatureDoesNotMatch", f"Signed header {name} differs.")
        file = self._records.files.get(path.rpartition("/")[2])
        if "uploads" in fields:
            if file is None or file.upload_id is not None:
                raise StorageRefused(404, "NoSuchKey", "The file does not exist any more.")
            return file
        upload = self._records.uploads.get(fields.get("uploadId", ""))
        if (
            file is None
            or upload is None
            or upload.file_id != file.id
            or file.upload_id is not None
        ):
            raise StorageRefused(404, "NoSuchUpload", "The specified upload does not exist.")
        return Slot(file, upload, int(fields["partNumber"]))

    def open_upload(self, file: File) -> bytes:
        """Create a multipart upload and answer S3's namespaced XML [3p-ctl, mistika]."""
        upload = Upload(id=secrets.token_urlsafe(48), file_id=file.id, package_id=file.package_id)
        self._records.save(upload)
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<InitiateMultipartUploadResult xmlns="{_NAMESPACE}">'
            f"<Bucket>sandbox</Bucket><Key>{file.package_id}/{file.id}</Key>"
            f"<UploadId>{upload.id}</UploadId></InitiateMultipartUploadResult>"
        ).encode()

    def receive(
        self, slot: Slot, length: int, read_into: Callable[[memoryview], int], block: memoryview
    ) -> str:
        """Store one part and answer its quoted ETag; it counts once journaled.

        Raises:
            StorageRefused: too large, or the upload ended meanwhile.
            BodyCut: the body ended early; nothing of it stays.
        """
        if length > MAX_PART:
            raise StorageRefused(400, "EntityTooLarge", "The part exceeds the maximum size.")
        blob = "" if self._habits.discard else f"{slot.number}-{secrets.token_hex(12)}"
        try:
            etag = self._pour(blob, length, read_into, block)
            replaced = self._keep(slot, Part(slot.upload.id, slot.number, length, etag, blob))
        except BaseException:
            self._unlink([blob])
            raise
        self._unlink([replaced])
        return f'"{etag}"'

    def choose(self, upload: Upload, named: Iterable[tuple[int, str]]) -> list[Part]:
        """Find the parts named at completion, by S3's rules.

        Raises:
            PartsRefused: a part is unknown, out of order, too small, or its ETag differs.
        """
        known = self._records.parts.get(upload.id, {})
        chosen: list[Part] = []
        for number, etag in named:
            part = known.get(number)
            if part is None:
                raise PartsRefused(number, "is unknown")
            # Quoted [3p aiohttp] and bare [3p mistika] are both in use.
            if etag.strip('"') != part.etag:
                raise PartsRefused(number, "has another etag")
            if chosen and number <= chosen[-1].number:
                raise PartsRefused(number, "is out of order")
            chosen.append(part)
        if not chosen:
            raise PartsRefused(1, "was not named")
        for part in chosen[:-1]:
            if part.size < MIN_PART:
                raise PartsRefused(part.number, f"is smaller than {MIN_PART} bytes")
            if part.size != chosen[0].size:
                raise PartsRefused(part.number, "differs in size from the first")
        if chosen[-1].size > chosen[0].size:
            raise PartsRefused(chosen[-1].number, "is larger than the others")
        return chosen

    def sha256(self, parts: Iterable[Part]) -> str | None:
        """Hash an object; None when its bytes were discarded."""
        parts = list(parts)
        if not all(part.blob for part in parts):
            return None
        total = hashlib.sha256()
        block = memoryview(bytearray(BLOCK))
        for part in parts:
            with (self._folder / part.blob).open("rb", buffering=0) as source:
                while count := source.readinto(block):
                    total.update(block[:count])
        return total.hexdigest()

    def complete(self, file: File, chosen: list[Part]) -> None:
        """Mark a file completed and, in the same step, forget all but the chosen parts."""
        with self._records.lock:
            kept = {part.number for part in chosen}
            known = self._records.parts[chosen[0].upload_id]
            spare = [part for number, part in known.items() if number not in kept]
            others = self._uploads(file, but=chosen[0].upload_id)
            blobs = [part.blob for part in spare] + self._blobs_of(others)
            self._records.complete(file, [*spare, *others])
        self._unlink(blobs)

    def remove(self, file: File) -> None:
        """Forget every upload and all bytes of a file."""
        with self._records.lock:
            uploads = self._uploads(file)
            blobs = self._blobs_of(uploads)
            if uploads:
                self._records.drop(*uploads)
        self._unlink(blobs)

    def blobs(self, file: File) -> list[tuple[Path, int]] | None:
        """Answer the files that hold an object, in order; None when they are gone."""
        parts = self._records.parts.get(file.upload_id or "")
        if not file.completed or not parts or not all(part.blob for part in parts.values()):
            return None
        return [(self._folder / parts[number].blob, parts[number].size) for number in sorted(parts)]

    def _keep(self, slot: Slot, part: Part) -> str:
        """Journal a part and answer the blob that it replaces, or nothing."""
        with self._records.lock:
            if slot.file.upload_id is not None or slot.upload.id not in self._records.uploads:
                raise StorageRefused(404, "NoSuchUpload", "The upload ended meanwhile.")
            before = self._records.parts[slot.upload.id].get(slot.number)
            self._records.save(part)
        return "" if before is None else before.blob

    def _verify(
        self, method: str, path: str, pairs: list[tuple[str, str]], *, expired: bool
    ) -> None:
        fields = dict(pairs)
        given = fields.get("X-Amz-Signature")
        if given is None:
            raise StorageRefused(403, "AccessDenied", "The URL is not signed.")
        signed = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
        if not secrets.compare_digest(
            given.encode(), self._signature(method, path, signed).encode()
        ):
            raise StorageRefused(403, "SignatureDoesNotMatch", "The signature does not match.")
        born = datetime.strptime(fields["X-Amz-Date"], _STAMP).replace(tzinfo=UTC)
        if expired or time.time() >= born.timestamp() + float(fields["X-Amz-Expires"]):
            raise StorageRefused(403, "AccessDenied", "Request has expired")

    def _signature(self, method: str, path: str, pairs: Iterable[tuple[str, str]]) -> str:
        key = bytes.fromhex(self._records.planted.signing_key)
        return tokens.digest(key, f"{method}\n{path}\n{sorted(pairs)}")

    def _pour(
        self, blob: str, length: int, read_into: Callable[[memoryview], int], block: memoryview
    ) -> str:
        summed = hashlib.md5(usedforsecurity=False) if self._habits.md5 else None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = os.open(self._folder / blob, flags, 0o600) if blob else -1
        left = length
        try:
            while left:
                count = read_into(block[: min(left, len(block))])
                if not count:
                    raise BodyCut
                left -= count
                if summed is not None:
                    summed.update(block[:count])
                written = 0
                while fd >= 0 and written < count:
                    written += os.write(fd, block[written:count])
        finally:
            if fd >= 0:
                os.close(fd)
        # 40 digits, so that nobody takes it for an MD5.
        return summed.hexdigest() if summed is not None else secrets.token_hex(20)

    def _uploads(self, file: File, *, but: str | None = None) -> list[Upload]:
        names = self._records.uploads_of.get(file.id, set())
        return [self._records.uploads[name] for name in names if name != but]

    def _blobs_of(self, uploads: list[Upload]) -> list[str]:
        parts = self._records.parts
        return [part.blob for upload in uploads for part in parts.get(upload.id, {}).values()]

    def _unlink(self, blobs: Iterable[str]) -> None:
        for blob in blobs:
            if blob:
                (self._folder / blob).unlink(missing_ok=True)

    def _sweep(self) -> None:
        # What a kill left: bytes that no journaled part names.
        parts = self._records.parts.values()
        named = {part.blob for numbered in parts for part in numbered.values()}
        self._unlink({entry.name for entry in self._folder.iterdir()} - named)
