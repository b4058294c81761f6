"""One method per call of the cloud.

Owns which URL, header and body a call has, each with the mark of its source. Never retries, never
remembers anything between two calls. Called by `login`, the sender and the outbox.

Every method raises CloudError as `cloud.refusals` and `cloud.http` define it: CloudUnreachable and
CloudThrottled for what may work later, NoSession for a refused key, user token or password,
TokenExpired for a refused package token, PackageGone, CloudRefused for a final no, CloudGarbled for
an answer that is not the protocol.

Where a method takes a `key`, a team's API key and a `wire.UserToken` do alike: each goes out in the
header that is its own ([docs-keys], [docs-tokens]).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from masv_watch.cloud import reading, wire
from masv_watch.cloud.calls import ANSWER_LIMIT, LISTING_LIMIT, Call, Line
from masv_watch.cloud.refusals import Door
from masv_watch.cloud.streams import Body
from masv_watch.cloud.timekeeping import AGREED_S, ahead
from masv_watch.errors import (
    CloudGarbled,
    CloudRefused,
    EtagMismatch,
    PackageGone,
    Remedy,
    SourceForbidden,
)
from masv_watch.model import Chunk, Secret

#: wrong etags in a row before a person must look (fault 60)
_ETAG_LIMIT = 5
#: packages of one page, the most that the documentation allows ([docs-pkg])
_PAGE = 50
#: pages looked through for one name: beyond, the name is no help
_PAGES = 20


class CloudClient:
    """The cloud at one base URL; any thread may call."""

    def __init__(self, http: Line, *, api_url: str) -> None:
        """Speak to `api_url`, which carries no version."""
        self._http = http
        self._base = api_url.rstrip("/")

    @property
    def answer_s(self) -> float | None:
        """Give the seconds in which it answers at best; None while that is not known."""
        return self._http.nearness.answer_s

    def sign_in(self, email: str, password: Secret) -> wire.SignedIn:
        """Exchange e-mail and password for a user token ([docs-tokens]).

        Raises:
            NoSession: they are wrong.
        """
        call = Call(
            doing="signing in",
            method="POST",
            url=f"{self._base}/v1/auth",
            door=Door.SIGN_IN,
            body={"email": email, "password": password.reveal()},
            secrets=(password,),
        )
        return wire.signed_in(self._json(call))

    def teams(self, key: Secret) -> list[wire.Team]:
        """List the teams of a key: the cheapest proof that it is valid ([docs-start])."""
        tree = self._by_key("GET", "/v1/teams", key, doing="listing the key's teams")
        return [wire.team_of(entry) for entry in reading.list_of(tree)]

    def create_team_package(
        self,
        key: Secret,
        *,
        team_id: str,
        name: str,
        description: str,
        recipients: Sequence[str],
        password: Secret | None = None,
        downloads: int | None = None,
    ) -> wire.CreatedPackage:
        """Create a package of the team ([mcp integrations.ts:122-127]).

        Whoever downloads must type the `password`, where one is given ([3p-mistika]). `downloads`
        are those of each link ([mcp integrations.ts:126]).
        """
        body: dict[str, reading.Json] = {
            "name": name,
            "description": description,
            "recipients": list(recipients),
        }
        if password is not None:
            body["password"] = password.reveal()
        if downloads is not None:
            body["access_limit"] = downloads
        path = f"/v1/teams/{_name(team_id)}/packages"
        call = self._team_call("POST", path, key, doing="creating a team package", body=body)
        secrets = () if password is None else (password,)
        return wire.created_package(self._json(replace(call, secrets=secrets)))

    def new_team_packages(self, key: Secret, *, team_id: str, name: str) -> list[wire.PackageSeen]:
        """List the team's unfinished packages of exactly this name, newest first ([docs-pkg]).

        The cloud compares a substring, without case or with: which one is not documented.
        """
        seen = self._listed(key, team_id, name)
        return [package for package in seen if package.name == name and package.state == "new"]

    def _listed(self, key: Secret, team_id: str, name: str) -> Iterator[wire.PackageSeen]:
        asked: dict[str, str | int] = {"status": "new", "name": name, "sort": "-created_at"}
        for page in range(1, _PAGES + 1):
            query = urlencode({**asked, "limit": _PAGE, "page": page})
            path = f"/v1.1/teams/{_name(team_id)}/packages?{query}"
            tree = self._by_key("GET", path, key, doing="looking for a package by its name")
            records = wire.records(tree)
            yield from map(wire.package_seen, records)
            if len(records) < _PAGE:
                return

    def team_package(self, key: Secret, *, team_id: str, package_id: str) -> wire.PackageSeen:
        """Read a team package; the answer carries a fresh token ([mcp packages.ts:94,196]).

        Raises:
            PackageGone: the team has it no more.
        """
        path = f"/v1.1/teams/{_name(team_id)}/packages/{_name(package_id)}"
        doing = "reading a team package"
        try:
            return wire.package_seen(self._by_key("GET", path, key, doing=doing))
        except CloudRefused as error:
            if error.facts.get("status") not in {404, 410}:
                raise
            raise PackageGone(error.message, status=error.facts["status"]) from error

    def portal(self, subdomain: str) -> str:
        """Give the id of a portal, without any proof ([docs-js])."""
        path = f"/v1/subdomains/portals/{_name(subdomain)}"
        call = Call(
            doing="looking for the portal", method="GET", url=self._base + path, door=Door.PUBLIC
        )
        return wire.portal_id(self._json(call))

    def create_portal_package(
        self,
        portal_id: str,
        *,
        name: str,
        description: str,
        sender: str,
        access_code: Secret | None,
    ) -> wire.CreatedPackage:
        """Create a package of a portal ([docs-js]); the code's key is [inferred].

        Raises:
            CloudRefused: also when the access code is wrong or missing; never tried again.
        """
        body = {"name": name, "description": description, "sender": sender}
        if access_code is not None:
            body["access_code"] = access_code.reveal()
        call = Call(
            doing="creating a portal package",
            method="POST",
            url=f"{self._base}/v1/portals/{_name(portal_id)}/packages",
            door=Door.PUBLIC,
            body=body,
            secrets=(access_code,) if access_code is not None else (),
        )
        try:
            return wire.created_package(self._json(call))
        except CloudRefused as error:
            if error.facts.get("status") not in {401, 403, 422}:
                raise
            raise CloudRefused(
                f"the portal's access code is wrong or missing: {error.message}",
                hint="in a hot folder correct to.access_code, reload (SIGHUP), then masv-watch"
                " resume ID; what the API made delete, and make it again with the right code",
                status=error.facts["status"],
            ) from error

    def package(self, package_id: str, token: Secret) -> wire.PackageSeen:
        """Read a package by its own token ([inferred], cloud-api N7)."""
        path = f"/v1/packages/{_name(package_id)}"
        return wire.package_seen(self._by_token("GET", path, token, doing="reading a package"))

    def files(self, package_id: str, token: Secret) -> list[wire.FileSeen]:
        """List the files of a package; large ones may be throttled ([docs-dl])."""
        call = self._call(
            "GET",
            f"/v1/packages/{_name(package_id)}/files",
            token,
            doing="listing files",
            # asked once after a crash, and perhaps very long
            often=False,
            limit=LISTING_LIMIT,
        )
        return wire.files_seen(self._json(call))

    def spec(self) -> wire.Spec:
        """Ask what the cloud takes of any file ([docs-upload]; with which proof is not printed)."""
        call = Call(
            doing="asking for the limits of chunks",
            method="GET",
            url=f"{self._base}/v1/system/packages/spec",
            door=Door.PUBLIC,
        )
        return wire.spec(self._json(call))

    def add_file(
        self, package_id: str, token: Secret, *, name: str, path: str, last_modified: str
    ) -> wire.AddedFile:
        """Add a file to a package ([3p six of six]); `path` is "" for the top.

        Raises:
            SourceForbidden: the cloud would change the name or the path ([docs-chars]).
        """
        if not wire.survives(path, name):
            raise SourceForbidden("the cloud would store the file under another name or path")
        body = {"kind": "file", "name": name, "path": path, "last_modified": last_modified}
        tree = self._by_token(
            "POST",
            f"/v1/packages/{_name(package_id)}/files",
            token,
            body=body,
            doing="adding a file",
        )
        return wire.added_file(tree)

    def delete_file(self, package_id: str, token: Secret, *, file_id: str) -> None:
        """Delete a file of a package that is not finalized ([inferred])."""
        path = f"/v1/packages/{_name(package_id)}/files/{_name(file_id)}"
        self._effect(self._call("DELETE", path, token, doing="deleting a file"))

    def start_multipart(self, blueprint: wire.Blueprint) -> str:
        """Begin the multipart upload of a file; give the storage's upload id ([3p-ctl])."""
        self._demand_storage(blueprint)
        answer = self._http.storage(blueprint, doing="beginning a multipart upload")
        return wire.multipart_id(answer.body)

    def chunk_urls(
        self,
        package_id: str,
        token: Secret,
        *,
        file_id: str,
        multipart_id: str,
        start: int,
        count: int,
    ) -> list[wire.Blueprint]:
        """Ask for the URLs of `count` chunks from the zero-based `start` ([3p five of five])."""
        call = self._call(
            "POST",
            f"/v1/packages/{_name(package_id)}/files/{_name(file_id)}?start={start}&count={count}",
            token,
            body={"upload_id": multipart_id},
            doing="asking for chunk URLs",
        )
        return wire.blueprints(self._json(call), start=start, count=count)

    def put_chunk(self, blueprint: wire.Blueprint, body: Body) -> str:
        """Send a chunk and give its ETag as the storage wrote it ([3p all]).

        Raises:
            EtagMismatch: the storage gave none.
            UrlExpired: ask for this chunk's URL again.
            SourceError: the source changed or vanished while it was read.
        """
        self._demand_storage(blueprint)
        etag = (self._http.storage(blueprint, body).headers.get("ETag") or "").strip()
        if not wire.is_etag(etag):
            raise EtagMismatch(
                "the storage acknowledged a chunk without a usable ETag",
                limit=_ETAG_LIMIT,
                after_limit=Remedy.OPERATOR.value,
            )
        return etag

    def close_file(
        self,
        package_id: str,
        token: Secret,
        *,
        file_id: str,
        multipart_id: str,
        size: int,
        chunk_size: int,
        chunks: Sequence[Chunk],
    ) -> None:
        """Finalize a file; the cloud puts its chunks together ([3p-ctl], quoting the docs)."""
        self._effect(
            self._call(
                "POST",
                f"/v1/packages/{_name(package_id)}/files/{_name(file_id)}/finalize",
                token,
                body=wire.finalize_file_body(
                    chunks, upload_id=multipart_id, size=size, chunk_size=chunk_size
                ),
                doing="finalizing a file",
                is_finalize=True,
            )
        )

    def finalize_package(self, package_id: str, token: Secret) -> None:
        """Finalize a package: it is locked and its recipients are mailed ([docs-upload])."""
        path = f"/v1/packages/{_name(package_id)}/finalize"
        doing = "finalizing the package"
        self._effect(self._call("POST", path, token, doing=doing, often=False, is_finalize=True))

    def delete_package(self, package_id: str, token: Secret) -> None:
        """Delete a package ([mcp packages.ts:327-341])."""
        path = f"/v1/packages/{_name(package_id)}"
        self._effect(self._call("DELETE", path, token, doing="deleting the package", often=False))

    def set_expiry(self, package_id: str, token: Secret, *, after_s: float, now: float) -> None:
        """Have a package expire so many seconds after `now` ([mcp packages.ts:273]).

        Where that is not the time, as the Date of the cloud's answer shows, it is said again by
        the cloud's clock.
        """
        answer = self._http.ask(self._expiry_call(package_id, token, now + after_s))
        off_s = ahead(answer.headers.get("Date") or "", now)
        if off_s is not None and abs(off_s) > AGREED_S:
            self._http.ask(self._expiry_call(package_id, token, now - off_s + after_s))

    def _expiry_call(self, package_id: str, token: Secret, at: float) -> Call:
        path = f"/v1/packages/{_name(package_id)}/expiry"
        body: dict[str, reading.Json] = {"unlimited_storage": False, "expiry": wire.moment(at)}
        doing = "setting when a package expires"
        return self._call("PUT", path, token, doing=doing, body=body, often=False)

    def create_link(
        self, package_id: str, token: Secret, *, password: Secret | None = None
    ) -> wire.CreatedLink:
        """Create a share link without an address, which asks for the `password` ([docs-links]).

        With an address the cloud mails it by itself and may withhold the secret ([3p-flame]).

        Raises:
            CloudGarbled: the link came without its secret, so nobody could open it.
        """
        path = f"/v1/packages/{_name(package_id)}/links"
        body: dict[str, reading.Json] = {} if password is None else {"password": password.reveal()}
        call = self._call("POST", path, token, doing="creating a link", body=body, often=False)
        secrets = () if password is None else (password,)
        link = wire.created_link(self._json(replace(call, secrets=secrets)))
        if not link.secret.reveal():
            raise CloudGarbled("the cloud created a link and withheld its secret")
        return link

    def delete_link(self, package_id: str, token: Secret, *, link_id: str) -> None:
        """Switch a link off ([docs-links]; the path is [inferred])."""
        path = f"/v1/packages/{_name(package_id)}/links/{_name(link_id)}"
        self._effect(self._call("DELETE", path, token, doing="deleting a link", often=False))

    def read_link(self, link_id: str, secret: Secret) -> wire.LinkSeen:
        """Read where a link leads, as its recipient would ([docs-dl])."""
        query = urlencode({"secret": secret.reveal()})
        call = Call(
            doing="reading a link",
            method="GET",
            url=f"{self._base}/v1/links/{_name(link_id)}?{query}",
            door=Door.PUBLIC,
            secrets=(secret,),
        )
        return wire.link_seen(self._json(call))

    def _by_key(self, method: str, path: str, key: Secret, *, doing: str) -> reading.Json:
        return self._json(self._team_call(method, path, key, doing=doing))

    def _team_call(
        self, method: str, path: str, key: Secret, *, doing: str, body: reading.Json = None
    ) -> Call:
        is_user = isinstance(key, wire.UserToken)
        return Call(
            doing=doing,
            method=method,
            url=self._base + path,
            door=Door.USER if is_user else Door.KEY,
            proof="X-User-Token" if is_user else "X-API-KEY",
            secret=key,
            body=body,
            limit=LISTING_LIMIT,
        )

    def _by_token(
        self,
        method: str,
        path: str,
        token: Secret,
        *,
        doing: str,
        body: reading.Json = None,
        often: bool = True,
    ) -> reading.Json:
        return self._json(self._call(method, path, token, doing=doing, body=body, often=often))

    def _call(
        self,
        method: str,
        path: str,
        token: Secret,
        *,
        doing: str,
        body: reading.Json = None,
        often: bool = True,
        is_finalize: bool = False,
        limit: int = ANSWER_LIMIT,
    ) -> Call:
        return Call(
            doing=doing,
            method=method,
            url=self._base + path,
            door=Door.PACKAGE,
            proof="X-Package-Token",
            secret=token,
            body=body,
            often=often,
            is_finalize=is_finalize,
            limit=limit,
        )

    def _json(self, call: Call) -> reading.Json:
        return reading.parse(self._http.ask(call).body, secrets=_secrets(call))

    def _effect(self, call: Call) -> None:
        reading.acknowledged(self._http.ask(call).body, secrets=_secrets(call))

    def _demand_storage(self, blueprint: wire.Blueprint) -> None:
        """Refuse a storage that no honest cloud names: in the clear, or this machine itself."""
        if self._base.startswith("https:") and not blueprint.url.startswith("https:"):
            raise CloudGarbled("the cloud named a storage without TLS, which is not used")
        # what listens here trusts us more than it trusts the cloud, our own API before all
        if wire.is_loopback(blueprint.url) and not wire.is_loopback(self._base):
            raise CloudGarbled("the cloud named this machine itself as its storage")


def _name(piece: str) -> str:
    """Write an id or a name as one piece of a path."""
    return quote(piece, safe="")


def _secrets(call: Call) -> tuple[Secret, ...]:
    return call.secrets if call.secret is None else (call.secret, *call.secrets)
