"""Serve the control plane inside one package: files, finalize, links, expiry, delete.

Owns the order of things: files before finalize, nothing after. Never checks a storage URL, only
asks the depot to sign, choose, hash and remove. Called by the HTTP front through the WSGI app.
"""

from __future__ import annotations

import re
import time
from typing import Any

from masv_watch.sandbox import tokens
from masv_watch.sandbox.answers import Fields, Refused, answer, header, nothing, query, query_count
from masv_watch.sandbox.cloud import Route
from masv_watch.sandbox.depot import (
    CREATE_HEADERS,
    MAX_PART,
    MAX_PARTS,
    MIN_PART,
    Depot,
    PartsRefused,
)
from masv_watch.sandbox.desk import Desk
from masv_watch.sandbox.records import File, Link, Package, Part, Upload

_FINALIZE = re.compile(r"/v1/packages/([^/]+)/finalize")
#: Listings of more files than this are allowed once per 5 s [docs-dl].
_MANY_FILES = 10_000
_MANY_FILES_PAUSE_S = 5.0


class Packages:
    """The package side of the control plane."""

    def __init__(self, desk: Desk, depot: Depot) -> None:
        self._desk = desk
        self._records = desk.records
        self._depot = depot
        self._listed_at: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """List the calls."""
        package = "/v1/packages/<package>"
        return [
            ("GET", package, self.show),
            ("DELETE", package, self.delete),
            ("PUT", f"{package}/expiry", self.set_expiry),
            ("POST", f"{package}/files", self.add_file),
            ("GET", f"{package}/files", self.list_files),
            ("POST", f"{package}/files/<file>", self.sign_parts),
            ("DELETE", f"{package}/files/<file>", self.delete_file),
            ("POST", f"{package}/files/<file>/finalize", self.finalize_file),
            ("POST", f"{package}/finalize", self.finalize),
            ("POST", f"{package}/links", self.add_link),
            ("DELETE", f"{package}/links/<link>", self.delete_link),
            ("GET", "/v1/links/<link>", self.show_link),
        ]

    def arrived(self, method: str, path: str) -> None:
        """Count a package finalize the moment it is received, whatever becomes of it."""
        found = _FINALIZE.fullmatch(path) if method == "POST" else None
        package = self._records.packages.get(found[1]) if found else None
        if package is not None:
            with self._records.lock:
                package.finalize_calls += 1
                self._records.save(package)

    def show(self, package: str) -> Any:
        """Show a package to its token (N7) [inferred]."""
        with self._records.lock:
            row = self._desk.opened(package, read_only=True)
            return answer(self._desk.shown_package(row, with_token=False))

    def delete(self, package: str) -> Any:
        """Delete a package: 204, then gone for every call [mcp packages.ts:327]."""
        with self._records.lock:
            row = self._desk.opened(package)
            row.state, row.updated_at = "archived", time.time()
            self._records.save(row)
            files = list(self._records.shelves[row.id].files.values())
        for file in files:
            self._depot.remove(file)
        return nothing()

    def set_expiry(self, package: str) -> Any:
        """Move a package's expiry [mcp packages.ts:273-308]."""
        with self._records.lock:
            row = self._desk.opened(package)
            fields = Fields.read()
            unlimited = fields.flag("unlimited_storage")
            if not unlimited:
                try:
                    row.expiry = tokens.parse_iso(fields.text("expiry"))
                except ValueError:
                    raise Refused(400, "expiry must be a time", field="expiry") from None
            row.unlimited_storage, row.updated_at = unlimited, time.time()
            self._records.save(row)
            return answer(self._desk.shown_package(row, with_token=False))

    def add_file(self, package: str) -> Any:
        """Add a file and answer where to create its upload (section D)."""
        with self._records.lock:
            self._new(package)
            file = _asked_file(package, Fields.read())
            self._records.save(file)
        blueprint = {
            "method": "POST",
            "url": self._desk.base_url() + self._depot.sign("POST", file, {"uploads": ""}),
            "headers": CREATE_HEADERS,
            "body": "",
        }
        shown = {"id": file.id, "name": file.name, "path": file.path, "kind": "file"}
        limits = {
            "min_chunk_size": MIN_PART,
            "max_chunk_size": MAX_PART,
            # The spec endpoint spells it max_chunk_count (section D).
            "max_chunks_count": MAX_PARTS,
        }
        return answer({"file": shown, "create_blueprint": blueprint, **limits}, 201)

    def list_files(self, package: str) -> Any:
        """List files; once finalized, generated zips are among them [docs-dl]."""
        with self._records.lock:
            row = self._desk.opened(package, read_only=True)
            files = list(self._records.shelves[row.id].files.values())
            if len(files) > _MANY_FILES:
                self._pace(row)
            shown = [self._desk.shown_file(file) for file in files]
        if row.shown_state() == "finalized":
            # The kind for macOS is not printed anywhere [inferred].
            shown += [
                {
                    **shown[0],
                    "id": row.id[:-1] + letter,
                    "kind": kind,
                    "name": f"{row.name}.zip",
                    "path": "",
                    "size": sum(file.size for file in files),
                }
                for letter, kind in (("W", "zip_windows"), ("M", "zip_macos"))
            ]
        return answer(shown)

    def sign_parts(self, package: str, file: str) -> Any:
        """Answer the blueprints of parts start+1 to start+count: a bare array [3p, five]."""
        with self._records.lock:
            row = self._open_file(package, file)
        upload_id = Fields.read().text("upload_id")
        if query("start") is None or query("count") is None:
            raise Refused(400, "start and count are required", field="start")
        start = query_count("start", 0, low=0, high=MAX_PARTS - 1)
        count = query_count("count", 1, low=1, high=MAX_PARTS)
        if start + count > MAX_PARTS:
            raise Refused(400, f"a file has at most {MAX_PARTS} chunks", field="count")
        base = self._desk.base_url()
        return answer(
            [
                {
                    "method": "PUT",
                    "url": base
                    + self._depot.sign(
                        "PUT", row, {"partNumber": str(number), "uploadId": upload_id}
                    ),
                }
                for number in range(start + 1, start + count + 1)
            ]
        )

    def delete_file(self, package: str, file: str) -> Any:
        """Remove a file, until the package is finalized [inferred from docs-upload]."""
        with self._records.lock:
            self._new(package)
            row = self._file(package, file)
            self._depot.remove(row)
            self._records.drop(row)
        return nothing()

    def finalize_file(self, package: str, file: str) -> Any:
        """Complete a file from its parts (section F); a second time is 409."""
        with self._records.lock:
            row = self._open_file(package, file)
            fields = Fields.read()
            upload = self._upload(row, fields.inner("file_extras").text("upload_id"))
            chosen = self._chosen(upload, fields)
            # From here on no part of it changes.
            row.upload_id = upload.id
        try:
            sha256 = self._depot.sha256(chosen)
        except FileNotFoundError:
            # Deleted meanwhile, with its parts.
            raise Refused(404, "file not found") from None
        except OSError:
            row.upload_id = None
            raise
        with self._records.lock:
            self._new(package)
            self._file(package, file)
            row.size, row.sha256 = sum(part.size for part in chosen), sha256
            self._depot.complete(row, chosen)
        return answer(self._desk.shown_file(row))

    def finalize(self, package: str) -> Any:
        """Lock the package and make its recipients' links (sections F, I)."""
        with self._records.lock:
            row = self._new(package)
            shelf = self._records.shelves[row.id]
            if not shelf.completed:
                raise Refused(400, "package must have at least 1 file")  # [3p-so], exact text
            if shelf.completed < len(shelf.files):
                raise Refused(400, "package has unfinished files")  # [inferred], section N
            now = time.time()
            row.state, row.finalized_at, row.updated_at = "finalized", now, now
            links = [_link(row, email, "") for email in row.recipients]
            self._records.save(row, *links)
            return answer(self._desk.shown_package(row, with_token=False))

    def add_link(self, package: str) -> Any:
        """Make a link; it sleeps until the package is finalized [docs-links]."""
        with self._records.lock:
            row = self._desk.opened(package)
            fields = Fields.read(optional=True)
            email, password = fields.text("email", ""), fields.text("password", "")
            if email and "@" not in email:
                raise Refused(400, "email must be an e-mail address", field="email")
            if row.shown_state() not in {"new", "finalized"}:
                raise Refused(409, f"package is not new or finalized: {row.shown_state()}")
            link = _link(row, email, password)
            self._records.save(link)
            return answer(self._desk.shown_link(link), 201)

    def delete_link(self, package: str, link: str) -> Any:
        """Switch a link off; its record stays [docs-links]."""
        with self._records.lock:
            row = self._desk.opened(package)
            found = self._records.shelves[row.id].links.get(link)
            if found is None or not found.active:
                raise Refused(404, "link not found")
            found.active = False
            self._records.save(found)
        return nothing()

    def show_link(self, link: str) -> Any:
        """Show where a link leads, with a download token [docs-dl]."""
        with self._records.lock:
            password = header("X-Link-Password")
            row, package = self._desk.linked(link, query("secret"), password)
            shown = self._desk.shown_link(row)
            return answer(
                {
                    "branding": None,
                    "expiry": shown["expiry"],
                    "id": row.id,
                    "name": package.name,
                    "package_id": package.id,
                    "package_size": self._records.shelves[package.id].bytes,
                    "package_token": self._desk.download_token(row),
                    "recipient_email": row.email,
                    "sender_email": package.sender,
                }
            )

    def _new(self, package_id: str) -> Package:
        row = self._desk.opened(package_id)
        if row.state != "new":
            raise Refused(409, f"package is not new: {row.shown_state()}")
        return row

    def _file(self, package_id: str, file_id: str) -> File:
        file = self._records.shelves[package_id].files.get(file_id)
        if file is None:
            raise Refused(404, "file not found")
        return file

    def _open_file(self, package_id: str, file_id: str) -> File:
        self._new(package_id)
        file = self._file(package_id, file_id)
        if file.upload_id is not None:
            raise Refused(409, "file is already finalized")
        return file

    def _upload(self, file: File, upload_id: str) -> Upload:
        upload = self._records.uploads.get(upload_id)
        if upload is None or upload.file_id != file.id:
            raise Refused(400, "upload_id is unknown", field="upload_id")
        return upload

    def _chosen(self, upload: Upload, fields: Fields) -> list[Part]:
        named = [
            (_number(extra.raw("partNumber", "part_number")), extra.text("etag"))
            for extra in fields.inners("chunk_extras")
        ]
        try:
            chosen = self._depot.choose(upload, named)
        except PartsRefused as error:
            raise Refused(400, str(error), field="chunk_extras") from error
        if fields.count("size") != sum(part.size for part in chosen):
            raise Refused(400, "size is not the sum of the parts", field="size")
        declared = fields.count("chunk_size", 0)
        if declared and len(chosen) > 1 and chosen[0].size != declared:
            raise Refused(400, "chunk_size is not the size of the parts", field="chunk_size")
        return chosen

    def _pace(self, package: Package) -> None:
        now = time.monotonic()
        before = self._listed_at.get(package.id)
        if before is not None and now - before < _MANY_FILES_PAUSE_S:
            message = "packages over 10,000 files are listed once per 5 seconds"
            raise Refused(429, message, headers={"Retry-After": "5"})
        self._listed_at[package.id] = now


def cleaned(text: str) -> str:
    """Clean a path or name as the service does on every upload [docs-chars]."""
    text = re.sub(r"[\t\r\n]", "", text.replace("\\", "/"))
    while "../" in text:
        text = text.replace("../", "")
    return text.strip("/")


def _asked_file(package_id: str, fields: Fields) -> File:
    if fields.text("kind", "file") != "file":
        # The upload page never shows a directory being POSTed (`?` in section D).
        raise Refused(400, "kind must be file", field="kind")
    name, path = fields.text("name"), fields.text("path", "")
    modified = fields.text("last_modified", tokens.NO_TIME)
    try:
        tokens.parse_iso(modified)
    except ValueError:
        raise Refused(400, "last_modified must be a time", field="last_modified") from None
    if not cleaned(name):
        raise Refused(400, "name is empty after clean-up", field="name")
    return File(
        id=tokens.new_id(),
        package_id=package_id,
        sent_path=path,
        sent_name=name,
        path=cleaned(path),
        name=cleaned(name),
        last_modified=modified,
        size=fields.count("size", 0),
    )


def _number(value: Any) -> int:
    # A string in MASV's own uploader [up d.ts]; numbers are tolerated (section N).
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Refused(400, "partNumber must be a number", field="partNumber")


def _link(package: Package, email: str, password: str) -> Link:
    secret = tokens.new_secret()
    return Link(tokens.new_id(), package.id, secret, email, password, time.time())


def refuse_content_type(environ: dict[str, Any]) -> None:
    """Refuse a POST or PUT not declared as JSON [docs-start]; 415 [inferred].

    Raises:
        Refused: 415.
    """
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if environ["REQUEST_METHOD"] in {"POST", "PUT"} and kind != "application/json":
        raise Refused(415, "unsupported Content-Type")
