"""Serve the control plane's account side: sign-in, teams, portals, package create and lists.

Owns the WSGI app and its table of routes. Never touches bytes of files; what happens inside one
package is `packages`. Called by the HTTP front for every URL that is not storage.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any

import bottle

from masv_watch.sandbox import desk as desks
from masv_watch.sandbox import tokens
from masv_watch.sandbox.answers import Fields, Refused, answer, query, query_count
from masv_watch.sandbox.depot import MAX_PART, MAX_PARTS, MIN_PART
from masv_watch.sandbox.desk import Desk
from masv_watch.sandbox.records import ApiKey, Package, Portal, Records, Seed

Route = tuple[str, str, Callable[..., Any]]
#: Links expire with their package; the default keeping time is not stated [inferred].
_KEPT_DAYS = 10
_DEFAULT_LIMIT = 5  # [mcp integrations.ts:111]
_SORTS = {
    "name": lambda package: package.name,
    "created_at": lambda package: (package.created_at, package.id),
    "sender": lambda package: package.sender,
    "status": lambda package: package.shown_state(),
    "expiry": lambda package: package.expiry,
}


def plant(records: Records) -> None:
    """Give a new data folder its team, key and portals; an old one stays as it is."""
    if records.seed is not None:
        return
    seed = Seed(secrets.token_hex(32), tokens.new_id(), tokens.new_id())
    records.save(
        seed,
        ApiKey("sandbox-key", tokens.new_id(), "sandbox"),
        Portal(tokens.new_id(), "dailies", "Dailies"),
        Portal(tokens.new_id(), "vault", "Vault", access_code="open-sesame"),
    )


def build_app(routes: list[Route]) -> Any:
    """Make one WSGI app of the routes; what it raises reaches the HTTP front."""
    app = bottle.Bottle(catchall=False, autojson=False)
    for method, path, callback in routes:
        app.route(path, method, callback)
    app.default_error_handler = _unrouted
    return app


def _unrouted(response: Any) -> Any:
    status = int(response.status_code)
    refused = Refused(status, "not found" if status == 404 else "method not allowed")
    bottle.response.status = status
    bottle.response.content_type = "application/json"
    return refused.body()


class Cloud:
    """The account side of the control plane."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._records = desk.records

    def routes(self) -> list[Route]:
        """List the calls."""
        return [
            ("POST", "/v1/auth", self.sign_in),
            ("GET", "/v1/teams", self.list_teams),
            ("POST", "/v1/teams/<team>/api_keys", self.create_key),
            ("GET", "/v1/system/packages/spec", self.show_spec),
            ("POST", "/v1/teams/<team>/packages", self.create_team_package),
            ("GET", "/v1/teams/<team>/packages", self.list_packages_legacy),
            ("GET", "/v1.1/teams/<team>/packages", self.list_team_packages),
            ("GET", "/v1.1/teams/<team>/inbox", self.list_inbox),
            ("GET", "/v1.1/teams/<team>/packages/<package>", self.show_team_package),
            ("GET", "/v1/subdomains/portals/<subdomain>", self.find_portal),
            ("POST", "/v1/teams/<team>/portals", self.create_portal),
            ("GET", "/v1/teams/<team>/portals", self.list_portals_legacy),
            ("GET", "/v1.1/teams/<team>/portals", self.list_portals),
            ("GET", "/v1.1/portals/<portal>", self.show_portal),
            ("POST", "/v1/portals/<portal>/packages", self.create_portal_package),
        ]

    def sign_in(self) -> Any:
        """Exchange e-mail and password for a user token [docs-tokens]."""
        fields = Fields.read()
        good = hmac.compare_digest(fields.text("email").lower().encode(), desks.USER_EMAIL.encode())
        password = fields.text("password").encode()
        if not hmac.compare_digest(password, desks.USER_PASSWORD.encode()) or not good:
            raise Refused(401, "email or password is wrong")
        seed = self._desk.seed
        user = {
            "email": desks.USER_EMAIL,
            "id": seed.user_id,
            "level": "basic",
            "name": "Me",
            "preferred_team_id": seed.team_id,
            "primary_team_id": seed.team_id,
            "time_zone": "UTC",
        }
        token = self._desk.user_token()
        return answer({"token": token, "teams": [self._team(full=False)], "user": user})

    def list_teams(self) -> Any:
        """List the caller's teams: an array [inferred]."""
        self._desk.require_team()
        return answer([self._team(full=True)])

    def create_key(self, team: str) -> Any:
        """Make an API key; it is shown this once [docs-keys]."""
        self._desk.require_team(team, user_only=True)
        fields = Fields.read()
        active = fields.text("state", "active") == "active"
        row = ApiKey(secrets.token_hex(20), tokens.new_id(), fields.text("name"), active)
        self._records.save(row)
        shown = {"id": row.id, "key": row.key, "name": row.name}
        return answer({**shown, "state": "active" if active else "inactive"}, 201)

    def show_spec(self) -> Any:
        """Say the chunk limits, in the spelling of this endpoint [docs-upload]."""
        return answer(
            {
                "max_chunk_count": MAX_PARTS,
                "max_chunk_size": MAX_PART,
                "min_chunk_size": MIN_PART,
            }
        )

    def create_team_package(self, team: str) -> Any:
        """Create a team package (section B)."""
        self._desk.require_team(team)
        fields = Fields.read()
        recipients = fields.texts("recipients")
        if not all("@" in recipient for recipient in recipients):
            raise Refused(400, "recipients must be e-mail addresses", field="recipients")
        return self._created(fields, desks.USER_EMAIL, recipients, None)

    def list_packages_legacy(self, team: str) -> Any:
        """List packages as a bare array [docs-legacy]."""
        self._desk.require_team(team)
        shown = {
            state
            for state, default in (
                ("expired", "true"),
                ("finalized", "true"),
                ("new", "false"),
                ("archived", "false"),
            )
            if query(state, default) in {"true", "1", ""}
        }
        with self._records.lock:
            found = [package for package in self._team_packages() if package.shown_state() in shown]
            return answer([self._desk.shown_package(package) for package in found])

    def list_team_packages(self, team: str) -> Any:
        """List team packages by page [docs-pkg]."""
        self._desk.require_team(team)
        with self._records.lock:
            return self._paged(self._team_packages())

    def list_inbox(self, team: str) -> Any:
        """List portal packages by page [mcp packages.ts:175]."""
        self._desk.require_team(team)
        portal = query("portal")
        with self._records.lock:
            packages = [entry for entry in self._records.packages.values() if entry.portal_id]
            return self._paged(
                [entry for entry in packages if portal in (None, "", entry.portal_id)]
            )

    def show_team_package(self, team: str, package: str) -> Any:
        """Show a package; its fresh token renews the old [mcp packages.ts:194-197]."""
        self._desk.require_team(team)
        with self._records.lock:
            return answer(self._desk.shown_package(self._desk.package(package)))

    def find_portal(self, subdomain: str) -> Any:
        """Find a portal by subdomain, without auth [docs-js]; else 404 [inferred]."""
        portals = list(self._records.portals.values())
        portal = next((entry for entry in portals if entry.subdomain == subdomain.lower()), None)
        if portal is None:
            raise Refused(404, "portal not found")
        return answer(_shown_portal(portal, public=True))

    def create_portal(self, team: str) -> Any:
        """Make a portal [docs-portals]."""
        self._desk.require_team(team)
        fields = Fields.read()
        name, subdomain = fields.text("name"), fields.text("subdomain").lower()
        if not 3 <= len(subdomain) <= 53 or len(name) > 255:
            raise Refused(400, "subdomain must have 3 to 53 characters", field="subdomain")
        code = fields.text("access_code", "") if fields.flag("has_access_code") else ""
        with self._records.lock:
            if any(entry.subdomain == subdomain for entry in self._records.portals.values()):
                raise Refused(409, "subdomain is taken")
            row = Portal(tokens.new_id(), subdomain, name, fields.text("message", ""), code)
            row.recipients = fields.texts("recipients")
            self._records.save(row)
        return answer(_shown_portal(row, public=False), 201)

    def list_portals_legacy(self, team: str) -> Any:
        """List portals as a bare array [mcp portals.ts]."""
        self._desk.require_team(team)
        with self._records.lock:
            return answer(self._shown_portals())

    def list_portals(self, team: str) -> Any:
        """List portals in the paged form [mcp portals.ts:40-66]."""
        self._desk.require_team(team)
        with self._records.lock:
            shown = self._shown_portals()
        return answer({"metadata": {"total": len(shown)}, "records": shown})

    def show_portal(self, portal: str) -> Any:
        """Show one portal to its team."""
        self._desk.require_team()
        return answer(_shown_portal(self._portal(portal), public=False))

    def create_portal_package(self, portal: str) -> Any:
        """Create a package through a portal, without auth (section C)."""
        row = self._portal(portal)
        fields = Fields.read()
        # In the body, as decided in N1; 403 is one of the two answers left open there.
        given = fields.text("access_code", "")
        if row.access_code and not hmac.compare_digest(given.encode(), row.access_code.encode()):
            raise Refused(403, "access code is wrong or missing")
        return self._created(fields, fields.text("sender"), list(row.recipients), row.id)

    def _created(
        self, fields: Fields, sender: str, recipients: list[str], portal_id: str | None
    ) -> Any:
        now = time.time()
        row = Package(
            id=tokens.new_id(),
            name=fields.text("name"),
            description=fields.text("description", ""),
            sender=sender,
            recipients=recipients,
            access_limit=fields.count("access_limit", _DEFAULT_LIMIT),
            password=fields.text("password", ""),
            created_at=now,
            updated_at=now,
            expiry=now + _KEPT_DAYS * 86400.0,
            portal_id=portal_id,
        )
        with self._records.lock:
            self._records.save(row)
            return answer(self._desk.shown_package(row), 201)

    def _portal(self, portal_id: str) -> Portal:
        portal = self._records.portals.get(portal_id)
        if portal is None:
            raise Refused(404, "portal not found")
        return portal

    def _shown_portals(self) -> list[dict[str, Any]]:
        return [_shown_portal(entry, public=False) for entry in self._records.portals.values()]

    def _team_packages(self) -> list[Package]:
        return [entry for entry in self._records.packages.values() if entry.portal_id is None]

    def _paged(self, packages: list[Package]) -> Any:
        page = query_count("page", 1, low=1, high=10**8)
        limit = query_count("limit", 20, low=1, high=100)
        # Comma-joined, and finalized and expired unless asked otherwise [docs-pkg].
        states = set((query("status") or "finalized,expired").split(","))
        name, sender = (query("name") or "").lower(), query("sender")
        sort = query("sort") or "-created_at"
        if sort.removeprefix("-") not in _SORTS:
            raise Refused(400, f"sort must be one of {', '.join(_SORTS)}", field="sort")
        found = [
            package
            for package in packages
            if package.shown_state() in states
            and name in package.name.lower()
            and sender in (None, "", package.sender)
        ]
        found.sort(key=_SORTS[sort.removeprefix("-")], reverse=sort.startswith("-"))
        shown = found[(page - 1) * limit : page * limit]
        records = [self._desk.shown_package(package) for package in shown]
        return answer({"metadata": {"total": len(found)}, "records": records})

    def _team(self, *, full: bool) -> dict[str, Any]:
        team = {
            "id": self._desk.seed.team_id,
            "name": desks.TEAM_NAME,
            "subdomain": desks.TEAM_SUBDOMAIN,
        }
        # The names of the agent's session object, whose values the agent has from here [inferred].
        limits = {
            "custom_expiry_default": _KEPT_DAYS,
            "custom_expiry_enabled": True,
            "download_limit_default": _DEFAULT_LIMIT,
            "download_limit_enabled": True,
            "max_email_recipients": 30,
        }
        return {**team, **limits} if full else team


def _shown_portal(portal: Portal, *, public: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "active": True,
        "has_access_code": bool(portal.access_code),
        "id": portal.id,
        "message": portal.message,
        "name": portal.name,
        "subdomain": portal.subdomain,
    }
    return shown if public else {**shown, "recipients": portal.recipients}
