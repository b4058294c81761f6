"""Tell a test what the cloud saw: packages, mail, requests, PUTs; and take its faults.

Owns the `/_sandbox/` routes that outside scripts rely on. Never needs a token and never enters the
list of requests itself. Called by the HTTP front through the WSGI app.
"""

from __future__ import annotations

from typing import Any

import bottle

from masv_watch.sandbox import tokens
from masv_watch.sandbox.answers import Refused, answer, nothing, parse_json
from masv_watch.sandbox.cloud import Route
from masv_watch.sandbox.desk import Desk
from masv_watch.sandbox.faults import FaultRefused, Faults
from masv_watch.sandbox.records import Package
from masv_watch.sandbox.traffic import Traffic

PREFIX = "/_sandbox/"


class Witness:
    """The sandbox's own routes."""

    def __init__(self, desk: Desk, traffic: Traffic, faults: Faults) -> None:
        self._desk = desk
        self._records = desk.records
        self._traffic = traffic
        self._faults = faults

    def routes(self) -> list[Route]:
        """List the calls."""
        return [
            ("GET", "/_sandbox/packages", self.list_packages),
            ("GET", "/_sandbox/mail", self.list_mail),
            ("GET", "/_sandbox/requests", self.list_requests),
            ("GET", "/_sandbox/puts", self.list_puts),
            ("GET", "/_sandbox/faults", self.list_faults),
            ("POST", "/_sandbox/faults", self.order_fault),
            ("DELETE", "/_sandbox/faults", self.clear_faults),
        ]

    def list_packages(self) -> Any:
        """List every package there ever was, oldest first."""
        with self._records.lock:
            return answer([self._shown(package) for package in self._records.packages.values()])

    def list_mail(self) -> Any:
        """List the mail that the sink took."""
        with self._records.lock:
            return answer([mail.shown for mail in self._records.mails])

    def list_requests(self) -> Any:
        """List the requests, newest last."""
        return answer(self._traffic.requests())

    def list_puts(self) -> Any:
        """Count the PUTs per part."""
        return answer(self._traffic.puts())

    def list_faults(self) -> Any:
        """List the faults with how often each fired."""
        return answer(self._faults.listed())

    def order_fault(self) -> Any:
        """Add a fault."""
        try:
            ordered = self._faults.order(parse_json(bottle.request.environ["wsgi.input"].read()))
        except FaultRefused as error:
            raise Refused(400, str(error), field="fault") from error
        return answer(ordered, 201)

    def clear_faults(self) -> Any:
        """Forget all faults; held answers go out."""
        self._faults.clear()
        return nothing()

    def _shown(self, package: Package) -> dict[str, Any]:
        shelf = self._records.shelves[package.id]
        finalized_at = package.finalized_at
        return {
            "id": package.id,
            "name": package.name,
            "description": package.description,
            "state": package.shown_state(),
            "sender": package.sender,
            "recipients": package.recipients,
            "portal": self._portal_name(package),
            "has_password": bool(package.password),
            "access_limit": package.access_limit,
            "expiry": tokens.iso(package.expiry),
            "finalize_calls": package.finalize_calls,
            "created_at": tokens.iso(package.created_at),
            "finalized_at": None if finalized_at is None else tokens.iso(finalized_at),
            "files": [
                {
                    "id": file.id,
                    "path": file.sent_path,
                    "name": file.sent_name,
                    "size": file.size,
                    "sha256": file.sha256,
                    "completed": file.completed,
                }
                for file in shelf.files.values()
            ],
            "links": [
                {
                    "id": link.id,
                    "secret": link.secret,
                    "email": link.email,
                    "url": f"{self._desk.base_url()}/get/{link.id}?secret={link.secret}",
                    "active": self._desk.is_active(link),
                    "has_password": bool(link.password),
                }
                for link in shelf.links.values()
            ],
        }

    def _portal_name(self, package: Package) -> str | None:
        if package.portal_id is None:
            return None
        return self._records.portals[package.portal_id].subdomain
