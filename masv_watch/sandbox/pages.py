"""Serve what a link opens: a page for people, a list for scripts, the bytes.

Owns the `/get/` routes and the look of the page. Never shows an inactive link, never trusts a name:
each is escaped. Called by the HTTP front through the WSGI app; the front itself streams the bytes.
"""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote, urlencode

import bottle

from masv_watch.sandbox.answers import Refused, answer, header, query
from masv_watch.sandbox.cloud import Route
from masv_watch.sandbox.depot import Depot
from masv_watch.sandbox.desk import Desk
from masv_watch.sandbox.records import File, Link, Package

#: Where the front finds the files to stream after the head of an answer.
STREAM = "sandbox.stream"
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #777; --link: #0b62c4 }}
@media (prefers-color-scheme: dark) {{ :root {{ --soft: #aaa; --link: #7db8ff }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto }}
body {{ padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin: 0; overflow-wrap: anywhere }}
p {{ color: var(--soft); margin: .3rem 0 1.5rem; white-space: pre-line; overflow-wrap: anywhere }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .5rem 0; border-bottom: 1px solid var(--line) }}
td {{ overflow-wrap: anywhere }}
th:last-child, td:last-child {{ text-align: right; white-space: nowrap; padding-left: 1rem }}
a {{ color: var(--link) }}
</style></head><body>
<h1>{title}</h1>
<p>{text}</p>
{content}
</body></html>
"""
_ASK = (
    '<form><input type="hidden" name="secret" value="{secret}"><label>Password '
    '<input type="password" name="password"></label> <button>Open</button></form>'
)


class Pages:
    """The download side of the sandbox."""

    def __init__(self, desk: Desk, depot: Depot) -> None:
        self._desk = desk
        self._records = desk.records
        self._depot = depot

    def routes(self) -> list[Route]:
        """List the calls."""
        return [
            ("GET", "/get/<link>", self.show_page),
            ("GET", "/get/<link>/files", self.list_files),
            ("GET", "/get/<link>/file/<file>", self.send_file),
        ]

    def show_page(self, link: str) -> Any:
        """Show a package to a person."""
        try:
            with self._records.lock:
                row, package = self._opened(link)
                return _page(200, package.name, _summary(package), self._table(row, package))
        except Refused as error:
            asked = "password" in error.message
            form = _ASK.format(secret=escape(query("secret") or "")) if asked else ""
            return _page(error.status, "This link cannot be opened", error.message, form)

    def list_files(self, link: str) -> Any:
        """List the files for scripts."""
        with self._records.lock:
            _, package = self._opened(link)
            return answer(
                [
                    {
                        "id": file.id,
                        "path": file.path,
                        "name": file.name,
                        "size": file.size,
                        "sha256": file.sha256,
                    }
                    for file in self._records.shelves[package.id].files.values()
                ]
            )

    def send_file(self, link: str, file: str) -> Any:
        """Name the bytes for the front to stream, with their length."""
        with self._records.lock:
            _, package = self._opened(link)
            row = self._records.shelves[package.id].files.get(file)
            if row is None:
                raise Refused(404, "file not found")
            blobs = self._depot.blobs(row)
        if blobs is None:
            raise Refused(410, "the bytes of this file were discarded")
        bottle.request.environ[STREAM] = blobs
        name = quote(row.name.rpartition("/")[2], safe="")
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(row.size),
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "X-Content-Type-Options": "nosniff",
        }
        return bottle.HTTPResponse(body=b"", status=200, headers=headers)

    def _opened(self, link: str) -> tuple[Link, Package]:
        password = query("password") or header("X-Link-Password")
        return self._desk.linked(link, query("secret"), password)

    def _table(self, link: Link, package: Package) -> str:
        pairs = {"secret": link.secret}
        if query("password"):
            pairs["password"] = query("password") or ""
        tail = escape(urlencode(pairs))
        rows = [
            f'<tr><td><a href="/get/{link.id}/file/{file.id}?{tail}">{escape(_full_name(file))}</a>'
            f"</td><td>{_human(file.size)}</td></tr>"
            for file in self._records.shelves[package.id].files.values()
        ]
        return f"<table><tr><th>File</th><th>Size</th></tr>\n{chr(10).join(rows)}\n</table>"


def _page(status: int, title: str, text: str, content: str) -> Any:
    body = _PAGE.format(title=escape(title), text=escape(text), content=content).encode()
    return bottle.HTTPResponse(body=body, status=status, headers=_HEADERS)


def _summary(package: Package) -> str:
    return "\n".join(line for line in (f"From {package.sender}", package.description) if line)


def _full_name(file: File) -> str:
    return f"{file.path}/{file.name}" if file.path else file.name


def _human(size: float) -> str:
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024 or unit == "TiB":
            break
    return f"{size:.1f} {unit}"
