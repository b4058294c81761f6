"""Say who a caller is, and how packages, files and links look on the wire.

Owns authentication and the JSON forms of the nouns, in one place for both halves of the control
plane. Never changes a record. Called by `cloud`, `packages` and `pages`.
"""

from __future__ import annotations

import hmac
from typing import Any

from masv_watch.sandbox import tokens
from masv_watch.sandbox.answers import Refused, header
from masv_watch.sandbox.records import File, Link, Package, Records, Seed

USER_EMAIL = "me@example.com"
USER_PASSWORD = "sandbox"  # noqa: S105 - printed in the documentation, known to everyone by design
TEAM_NAME = "Acme"
TEAM_SUBDOMAIN = "acme"
_USER_TOKEN_S = 12 * 3600.0


class Desk:
    """Identity and appearance of what the cloud knows."""

    def __init__(self, records: Records, token_lifetime_s: float, base_url: str) -> None:
        self.records = records
        self._token_lifetime_s = token_lifetime_s
        self._base_url = base_url

    @property
    def seed(self) -> Seed:
        """The fixed ids and the signing key."""
        return self.records.planted

    @property
    def _key(self) -> bytes:
        return bytes.fromhex(self.seed.signing_key)

    def base_url(self) -> str:
        """Say under which address we were reached, so a proxy stays in the path."""
        host = header("Host")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name in {"localhost", "[::1]"} or (name.startswith("127.") and _is_dotted(name)):
            return f"http://{host}"
        return self._base_url

    def require_team(self, team_id: str | None = None, *, user_only: bool = False) -> None:
        """Check `X-API-KEY` or `X-User-Token` [docs-keys, docs-tokens], and the team.

        Raises:
            Refused: 401 without a good one of them; 404 for another team.
        """
        given = header("X-API-KEY").encode()
        keys = [
            entry.key.encode() for entry in list(self.records.api_keys.values()) if entry.active
        ]
        known = not user_only and any(hmac.compare_digest(given, key) for key in keys)
        if not known and self._claims(header("X-User-Token")).get("sub") != self.seed.user_id:
            raise Refused(401, "session is nil")
        if team_id is not None and team_id != self.seed.team_id:
            raise Refused(404, "team not found")

    def package(self, package_id: str) -> Package:
        """Find a package that was not deleted.

        Raises:
            Refused: 404; a deleted package is gone for good (section F).
        """
        package = self.records.packages.get(package_id)
        if package is None or package.state == "archived":
            raise Refused(404, "package not found")
        return package

    def opened(self, package_id: str, *, read_only: bool = False) -> Package:
        """Find the package that the caller's `X-Package-Token` opens.

        Raises:
            Refused: 401 for a bad token, 403 for a download token on a change, 404.
        """
        claims = self._claims(header("X-Package-Token"))
        if claims.get("typ") != "package" or claims.get("sub") != package_id:
            raise Refused(401, "package token is missing or for another package")
        if claims.get("lvl") == "d" and not read_only:
            raise Refused(403, "token does not permit this")
        return self.package(package_id)

    def user_token(self) -> str:
        """Mint a user token [docs-tokens]."""
        claims = {"ext": {}, "imp": False, "sub": self.seed.user_id}
        return tokens.mint(self._key, claims, _USER_TOKEN_S)

    def package_token(self, package: Package) -> str:
        """Mint a full token, afresh on each read [inferred]."""
        claims: dict[str, Any] = {"imp": False, "lvl": "f", "sub": package.id, "typ": "package"}
        if package.portal_id is None:
            claims["uid"] = self.seed.user_id
        return tokens.mint(self._key, claims, self._token_lifetime_s)

    def download_token(self, link: Link) -> str:
        """Mint the token that a link gives [docs-dl]."""
        claims = {
            "imp": False,
            "lid": link.id,
            "lvl": "d",
            "sub": link.package_id,
            "typ": "package",
        }
        return tokens.mint(self._key, claims, self._token_lifetime_s)

    def shown_package(self, package: Package, *, with_token: bool = True) -> dict[str, Any]:
        """Write a package object: the union of all samples (section G)."""
        shelf = self.records.shelves[package.id]
        token = {"access_token": self.package_token(package)} if with_token else {}
        return {
            "id": package.id,
            "name": package.name,
            "description": package.description,
            "state": package.shown_state(),
            "sender": package.sender,
            **token,
            "created_at": tokens.iso(package.created_at),
            "updated_at": tokens.iso(package.updated_at),
            "expiry": tokens.NO_TIME if package.unlimited_storage else tokens.iso(package.expiry),
            "custom_expiry": False,
            "unlimited_storage": package.unlimited_storage,
            "extra_storage_days": 0,
            "extra_storage_updated_at": tokens.NO_TIME,
            "extras": {},
            "links": [self.shown_link(link) for link in shelf.links.values()],
            "progress_channels": [],
            "size": shelf.bytes,
            "total_files": shelf.completed,
            "contains_virus": False,
            "access_limit": package.access_limit,
            "tag": None,
            "teamspace_id": "",
            "portal_id": package.portal_id or "",
        }

    def shown_file(self, file: File) -> dict[str, Any]:
        """Write a file object [docs-dl], with `completed` [3p-android] and `path`."""
        return {
            "id": file.id,
            "kind": "file",
            "name": file.name,
            "path": file.path,
            "size": file.size,
            "last_modified": file.last_modified,
            "virus_detected": False,
            "completed": file.completed,
        }

    def shown_link(self, link: Link) -> dict[str, Any]:
        """Write a link with exactly the keys of the page [docs-links]."""
        package = self.records.packages[link.package_id]
        return {
            "access_limit": package.access_limit,
            "access_limit_enabled": package.access_limit > 0,
            "active": self.is_active(link),
            # Withheld when the cloud itself mails the link [3p-flame].
            "download_secret": "" if link.email else link.secret,
            # Defaults to the uploader's [docs-links].
            "email": link.email or package.sender,
            "expiry": tokens.NO_TIME if package.unlimited_storage else tokens.iso(package.expiry),
            "id": link.id,
            "password": "****" if link.password or package.password else "",
        }

    def is_active(self, link: Link) -> bool:
        """Say whether a link can be downloaded: not before finalize [docs-links]."""
        return link.active and self.records.packages[link.package_id].shown_state() == "finalized"

    def linked(self, link_id: str, secret: str | None, password: str) -> tuple[Link, Package]:
        """Find what an active link with this secret leads to.

        Raises:
            Refused: 404 for an unknown link or wrong secret, 403 for an inactive one or a wrong
                password.
        """
        link = self.records.links.get(link_id)
        if link is None or not hmac.compare_digest((secret or "").encode(), link.secret.encode()):
            raise Refused(404, "link not found")
        package = self.package(link.package_id)
        if not self.is_active(link):
            raise Refused(403, "link is not active")
        wanted = link.password or package.password
        if wanted and not hmac.compare_digest(password.encode(), wanted.encode()):
            raise Refused(403, "password is wrong or missing")
        return link, package

    def _claims(self, token: str) -> dict[str, Any]:
        if not token:
            return {}
        try:
            return tokens.read(self._key, token)
        except tokens.TokenRefused as error:
            raise Refused(401, str(error)) from error


def _is_dotted(name: str) -> bool:
    return name.replace(".", "").isdigit() and name.count(".") == 3
