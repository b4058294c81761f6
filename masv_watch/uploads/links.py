"""Make a share link for somebody who waits for it, and read a package as its team.

Owns the calls to the cloud that the front desk makes itself. Never keeps a link but its id: each
call makes another one, as its caller asked. Called by the API, and for the reading by the rooms.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from masv_watch import lifecycle
from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import IllegalTransition, NoSession, PackageGone, StoreError, TokenExpired
from masv_watch.login import Login
from masv_watch.model import Caller, Secret, Upload, UploadState, UploadType
from masv_watch.uploads.desk import Uploads
from masv_watch.uploads.views import calls_for


class Links:
    """Share links of delivered uploads; any thread may ask."""

    def __init__(
        self,
        uploads: Uploads,
        cloud: CloudClient,
        login: Login,
        *,
        register_secret: Callable[[Secret], None],
        note_made: Callable[[Upload, str], None],
        template: Callable[[], str],
    ) -> None:
        """Work with these.

        `register_secret` is told every secret that is made here, `note_made` the id of each link;
        `template` gives the form of the address at which people open a link.
        """
        self._uploads = uploads
        self._cloud = cloud
        self._login = login
        self._register_secret = register_secret
        self._note_made = note_made
        self._template = template

    def url(self, made: wire.CreatedLink) -> str:
        """Give the address at which people open a link."""
        return wire.link_url(self._template(), made.id, made.secret)

    def create(self, upload_id: str, caller: Caller) -> wire.CreatedLink:
        """Make a link without an address and give it with its secret.

        Raises:
            Denied: the caller did not name every file of it himself; nothing was asked.
            NotFound: no such upload.
            IllegalTransition: it is not complete, or not a team's; nothing was asked.
            CloudError: the cloud did not make it.
        """
        upload = self._uploads.find(upload_id)
        self._uploads.demand_his(upload_id, caller, to="share")
        package_id, token = _linkable(upload)
        try:
            made = self._cloud.create_link(package_id, token, password=upload.password)
        except TokenExpired:
            fresh = self._fresh_token(upload)
            made = self._cloud.create_link(package_id, fresh, password=upload.password)
        self._register_secret(made.secret)
        with suppress(StoreError):
            # whoever asked has his link: he is told of it all the same
            self._note_made(upload, made.id)
        return made

    def _fresh_token(self, upload: Upload) -> Secret:
        try:
            seen = read_package(self._cloud, self._login, upload)
        except NoSession:
            self._login.refused()
            raise
        if seen.token is None:
            raise PackageGone("the cloud gave no fresh token for the package")
        return seen.token


def read_package(cloud: CloudClient, login: Login, upload: Upload) -> wire.PackageSeen:
    """Read the package of a team's upload; the answer carries a fresh token.

    Raises:
        PackageGone: it has none, or the team has it no more.
        CloudError: the cloud did not tell; NoSession when it refuses the key.
    """
    if upload.package_id is None:
        raise PackageGone(f"upload {upload.id} has no package")
    return cloud.team_package(
        login.key(), team_id=login.team_id(upload.terms.team), package_id=upload.package_id
    )


def _how_to_complete(upload: Upload) -> str:
    if upload.state is UploadState.FINALIZING:
        return "it is being finalized: ask again when it is complete"
    if upload.state is UploadState.IDLE:
        return "finalize it first"
    return "once it is idle, finalize it"


def _linkable(upload: Upload) -> tuple[str, Secret]:
    facts: dict[str, object] = {
        "state": lifecycle.SHOWN_AS[upload.state],
        "allowed": calls_for(upload),
    }
    if upload.terms.type is not UploadType.TEAM:
        raise IllegalTransition(
            "a share link can be made for team uploads only; a portal tells its own recipients",
            hint="",
            **facts,
        )
    if upload.state is not UploadState.COMPLETE:
        raise IllegalTransition(
            "a share link can be made once the upload is complete",
            hint=_how_to_complete(upload),
            **facts,
        )
    if upload.package_id is None or upload.package_token is None:
        raise PackageGone(f"upload {upload.id} has no package")
    return upload.package_id, upload.package_token
