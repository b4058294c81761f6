"""What is done to a package as a whole: open it, renew its token, finalize it.

Owns the order of asking and doing at the cloud. Never sends file bytes and never decides about a
retry. Its functions run on the crew's workers, handed out by `transfer.sender`.

Law 1. The intent is stored before the effect; when an intent of an earlier try is found, the cloud
is asked before the effect is repeated.
Law 2. Finalize is asked only after a last look at every source, and only while every drop is whole.
Law 3. A finalize whose outcome nobody tells is no delivery: it is asked for again, and taken for
done only when the cloud itself says so, by the package's state or in words. Else a person is told.
Law 4. A finalize that is refused because files are missing has those sent again, after a pause and
only MOST_REFUSALS - 1 times in a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.refusals import says_finalized, says_unfinished
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudUnpaid,
    CloudUnreachable,
    FenceLost,
    NoSession,
    PackageGone,
    SourceChanged,
    SourceError,
    SourceUnreadable,
    TokenExpired,
)
from masv_watch.login import Login
from masv_watch.logs import register_secrets
from masv_watch.model import (
    Drop,
    Identity,
    Secret,
    SourceFile,
    TaskDraft,
    TaskKind,
    Upload,
    UploadEvent,
    UploadState,
    UploadType,
)
from masv_watch.store.contract import Store
from masv_watch.store.packaging_contract import UNNAMED
from masv_watch.uploads import end_links, read_package

log = logging.getLogger(__name__)

#: finalizes in a row that may be refused for missing files before a person must look: each costs
#: sending those files again
MOST_REFUSALS = 5
#: how an error begins of an upload whose finalize may have taken effect
MAY_BE_DELIVERED = "it may be delivered already"
_ONCE_MORE = "drop the files once more"
#: of the time for which a package has links, what may be over when it gets another one
_SPENT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    is_finalized: bool
    is_known: bool


class Packages:
    """The package-wide effects over one cloud and one store."""

    def __init__(
        self,
        store: Store,
        cloud: CloudClient,
        login: Login,
        access_code: Callable[[str | None], Secret | None],
    ) -> None:
        """Work with these; `access_code` gives the code of a hot folder's portal as it is now."""
        self._store = store
        self._cloud = cloud
        self._login = login
        self._access_code = access_code

    def open(self, upload: Upload) -> None:
        """Give an upload its package.

        A create whose answer was lost may have left one behind. It is never taken over: nothing in
        it shows for certain that it is ours, and another's recipients would get our files. Empty
        and unfinished, it is never delivered; the log names it.
        """
        if upload.package_id is not None:
            return
        if upload.relinks is not None and self._relink(upload, upload.relinks):
            return
        self._demand_quota(upload)
        asked_before = upload.package_asked_at is not None
        self._store.note_package_asked(upload.id, upload.fence)
        if upload.terms.type is UploadType.PORTAL:
            self._open_at_portal(upload)
        else:
            self._open_in_team(upload, asked_before=asked_before)

    def _demand_quota(self, upload: Upload) -> None:
        """Ask for no package of whom the cloud refused one a short while ago.

        A person who starts the upload has it asked for all the same.
        """
        found = None if upload.is_started else self._store.shortage(upload.terms.payer)
        if found is not None and self._store.now() < found.ask_at:
            raise CloudUnpaid(found.why, ask_at=found.ask_at)

    def awaits(self, upload: Upload) -> bool:
        """Say whether an upload waits for the delivery of the package that is to serve it."""
        if upload.relinks is None or upload.is_started:
            return False
        earlier = self._store.upload(upload.relinks)
        coming = (UploadState.IDLE, UploadState.FINALIZING)
        return earlier is not None and earlier.state in coming

    def _relink(self, upload: Upload, earlier_id: str) -> bool:
        """Serve an upload by a package that has its content; say whether that was done.

        Where the cloud has it no more, or anything is not as it was, the upload is sent.
        """
        earlier = self._store.upload(earlier_id)
        why = self._why_not_relinked(upload, earlier)
        if earlier is not None and not why:
            self._look_at_sources(upload)
            tasks = tasks_for(upload, self._store.drops_of(upload.id))
            if self._store.relink(upload, earlier, tasks):
                log.info(
                    "an upload is served by an earlier package",
                    extra={"upload": upload.id, "earlier": earlier_id},
                )
                return True
            why = "it is not as it was compared"
        log.info("an upload gets its own package", extra={"upload": upload.id, "reason": why})
        self._store.forget_relink(upload, why)
        return False

    def _why_not_relinked(self, upload: Upload, earlier: Upload | None) -> str:
        if earlier is None or earlier.state is not UploadState.COMPLETE or earlier.is_retired:
            return "the earlier upload is gone, or not delivered"
        if _access(upload) != _access(earlier):
            return "the earlier package has another password, end or number of downloads"
        if _ends_sooner(earlier, self._store.now()):
            return "the earlier package ends sooner than its own would"
        try:
            state = read_package(self._cloud, self._login, earlier).state
        except PackageGone:
            return "the cloud has the earlier package no more"
        return "" if state == "finalized" else f"the earlier package is {state or 'not known'}"

    def _open_in_team(self, upload: Upload, *, asked_before: bool) -> None:
        key, team_id = self._login.key(), self._login.team_id(upload.terms.team)
        if asked_before:
            self._tell_left_behind(upload, key, team_id)
        created = self._cloud.create_team_package(
            key,
            team_id=team_id,
            name=upload.name,
            description=upload.message,
            recipients=upload.terms.recipients,
            password=upload.password,
            downloads=upload.terms.downloads,
        )
        self._login.accepted()
        self._keep(upload, created.id, created.token)

    def _tell_left_behind(self, upload: Upload, key: Secret, team_id: str) -> None:
        found = self._cloud.new_team_packages(key, team_id=team_id, name=upload.name)
        empty = [
            package.id
            for package in found
            if not package.total_files and not self._store.package_is_ours(package.id)
        ]
        if empty:
            log.warning(
                "an earlier create may have left an empty package; it is never delivered",
                extra={"upload": upload.id, "packages": ", ".join(empty)},
            )

    def _open_at_portal(self, upload: Upload) -> None:
        # an orphan of a lost answer cannot be found here: nobody but its token may ask ([docs-js])
        portal_id = self._cloud.portal(upload.terms.portal or "")
        created = self._cloud.create_portal_package(
            portal_id,
            name=upload.name,
            description=upload.message,
            sender=upload.terms.sender or "",
            access_code=upload.access_code or self._access_code(upload.hot_folder),
        )
        self._keep(upload, created.id, created.token)

    def _keep(self, upload: Upload, package_id: str, token: Secret) -> None:
        """Note the package that was made for an upload, or that it is to be cancelled.

        Whoever rebound the upload meanwhile, or took it over, has another one made.
        """
        register_secrets(token)
        try:
            self._store.note_package(upload.id, upload.fence, package_id, token)
        except FenceLost:
            self._store.leave_package(upload, package_id, token)
            raise

    def renew_token(self, upload: Upload) -> None:
        """Get a fresh package token by reading the package with the key ([mcp packages.ts:194]).

        Raises:
            CloudRefused: a portal's package has no such way, or the cloud gave none.
        """
        if upload.terms.type is UploadType.PORTAL or upload.package_id is None:
            expired = "the portal's package token has expired and cannot be renewed"
            in_doubt = upload.finalize_asked
            raise CloudRefused(
                f"{MAY_BE_DELIVERED}: {expired}" if in_doubt else expired,
                hint=way_on_in_doubt(upload) if in_doubt else f"{_ONCE_MORE} under another name",
            )
        seen = read_package(self._cloud, self._login, upload)
        if seen.token is None:
            raise CloudRefused("the cloud gave no fresh token for the package")
        self._store.note_package(upload.id, upload.fence, upload.package_id, seen.token)

    def delete(self, upload: Upload) -> None:
        """Delete a package that nobody wants any more; one that was delivered stays unless asked.

        A finalize whose answer was lost is asked about first: what it delivered is delivered.
        """
        if upload.package_id is None:
            # at most an empty one that a lost answer left behind, which is never delivered
            self._store.note_deleted(upload, was_finalized=False)
            return
        was_finalized = False
        try:
            stays = upload.finalized_at is not None
            if upload.finalize_asked and not stays:
                asked = self._ask(upload)
                was_finalized = asked.is_finalized
                # what cannot be learned is left alone: unfinished it is never delivered anyway
                stays = was_finalized or not asked.is_known
                if not asked.is_known and not upload.takes_package:
                    self._store.note_stray(
                        upload.package_id,
                        upload.id,
                        "its upload was deleted while its delivery was asked for, and the cloud"
                        " does not tell whether it was delivered",
                    )
            if upload.finalized_at is not None and self._store.shares_package(upload):
                if upload.takes_package:
                    end_links(upload, self._store, self._cloud, self._login)
            elif upload.takes_package or not stays:
                self._cloud.delete_package(*held_package(upload))
        except PackageGone:
            log.info("a deleted upload's package was gone already", extra={"upload": upload.id})
        self._store.note_deleted(upload, was_finalized=was_finalized)

    def finalize(self, upload: Upload) -> None:
        """Finalize a package exactly once and hang its tasks on the upload.

        Raises:
            SourceChanged: a source changed, which is noted; no finalize was asked.
            CloudUnreachable: the cloud refused and had not all files, which are sent again.
            CloudRefused: it refused for another reason, or once too often; or nobody tells what
                became of an earlier one.
        """
        if upload.finalize_asked:
            asked = self._ask_in_doubt(upload)
            if asked.is_finalized:
                self._complete(upload)
                return
            if not asked.is_known:
                self._repeat(upload)
                return
            self._store.note_finalize_unasked(upload.id, upload.fence)
        self._clear_leftovers(upload)
        self._look_at_sources(upload)
        package_id, token = held_package(upload)
        if upload.terms.expires_s is not None:
            # before anybody can open it: one whose end the cloud does not take is not delivered
            self._cloud.set_expiry(
                package_id, token, after_s=upload.terms.expires_s, now=self._store.now()
            )
        self._store.note_finalize_asked(upload.id, upload.fence)
        try:
            self._cloud.finalize_package(package_id, token)
        except CloudRefused as error:
            self._judge_refusal(upload, error)
            return
        self._complete(upload)

    def _repeat(self, upload: Upload) -> None:
        """Ask again for a finalize of which the cloud does not tell what became (cloud-api N7).

        The sources are not looked at: they were before it was asked first, and a change since
        belongs to the next version.
        """
        try:
            self._cloud.finalize_package(*held_package(upload))
        except CloudRefused as error:
            if says_unfinished(error):
                self._send_missing(upload, error)
            if not says_finalized(error):
                raise untold(upload, error) from error
        self._complete(upload)

    def _judge_refusal(self, upload: Upload, error: CloudRefused) -> None:
        """Judge the refusal of a finalize of which nothing had reached the cloud before.

        Of an earlier one the effect may have come late.
        """
        is_late = upload.finalize_asked and says_finalized(error)
        if self._ask_in_doubt(upload).is_finalized or is_late:
            self._complete(upload)
            return
        self._send_missing(upload, error)

    def _send_missing(self, upload: Upload, error: CloudRefused) -> NoReturn:
        self._store.note_finalize_unasked(upload.id, upload.fence)
        lost, strays = self._unfinished(upload)
        package_id, token = held_package(upload)
        for cloud_id in strays:
            delete_cloud_file(self._cloud, package_id, token, cloud_id)
        if not lost and not strays:
            raise error
        if not lost:
            # an add that was given up took effect later than it was looked for
            raise CloudUnreachable(
                f"{len(strays)} files that nobody sends were in the package, and are deleted:"
                f" {error.message}"
            ) from error
        if upload.refusals + 1 >= MOST_REFUSALS:
            raise CloudRefused(
                f"the cloud refused to finalize {MOST_REFUSALS} times in a row and says each time"
                f" that it has not all files: {error.message}",
                hint=f"ask MASV about package {upload.package_id}, then"
                f" masv-watch resume {upload.id}; or delete the upload",
                **error.facts,
            ) from error
        for file in lost:
            self._store.note_file_lost(file, upload.fence)
        self._store.advance_claimed(upload, UploadEvent.REFUSED, error=str(error))
        raise CloudUnreachable(
            f"the cloud has not all files, {len(lost)} are sent again: {error.message}"
        ) from error

    def _ask_in_doubt(self, upload: Upload) -> _Asked:
        """Ask as `_ask` does, of a finalize that may be asked again where nobody tells."""
        try:
            return self._ask(upload)
        except CloudGarbled:
            if upload.terms.type is UploadType.TEAM:
                raise
            # where this call is unknown, a gateway's page may answer
            return _Asked(is_finalized=False, is_known=False)

    def _ask(self, upload: Upload) -> _Asked:
        """Ask whether a finalize took effect; a portal's package may not tell (cloud-api N7)."""
        package_id, token = held_package(upload)
        try:
            if upload.terms.type is UploadType.TEAM:
                state = read_package(self._cloud, self._login, upload).state
            else:
                state = self._cloud.package(package_id, token).state
        except (NoSession, TokenExpired, PackageGone):
            if upload.terms.type is UploadType.TEAM:
                raise
            return _Asked(is_finalized=False, is_known=False)
        except CloudRefused:
            return _Asked(is_finalized=False, is_known=False)
        return _Asked(is_finalized=state in {"finalized", "expired"}, is_known=bool(state))

    def _unfinished(self, upload: Upload) -> tuple[list[SourceFile], list[str]]:
        """List what the cloud says it has not whole: files that we closed, and ids of no file."""
        listed = self._cloud.files(*held_package(upload))
        done = {seen.id for seen in listed if seen.completed}
        rows = self._store.files(upload.id)
        ours = {file.cloud_id for file in rows}
        lost = [file for file in rows if file.closed and file.cloud_id not in done]
        return lost, [seen.id for seen in listed if not seen.completed and seen.id not in ours]

    def _clear_leftovers(self, upload: Upload) -> None:
        package_id, token = held_package(upload)
        for cloud_id in self._store.leftovers(upload.id):
            if cloud_id == UNNAMED:
                self._clear_unnamed(upload)
            else:
                delete_cloud_file(self._cloud, package_id, token, cloud_id)
            self._store.note_leftover_gone(upload.id, upload.fence, cloud_id)

    def _clear_unnamed(self, upload: Upload) -> None:
        """Delete what an add left in the package whose file vanished before it was answered."""
        package_id, token = held_package(upload)
        ours = {row.cloud_id for row in self._store.files(upload.id)}
        for seen in self._cloud.files(package_id, token):
            if seen.id not in ours:
                delete_cloud_file(self._cloud, package_id, token, seen.id)

    def _look_at_sources(self, upload: Upload) -> None:
        known = {file.path: file for file in self._store.files(upload.id)}
        changed = 0
        with files.Root.open(upload.root, fresh=True, follow=upload.terms.follow) as root:
            for path, found in files.identify_all(root, known):
                if isinstance(found, Identity) and files.is_same(found, known[path].identity):
                    continue
                if isinstance(found, SourceUnreadable):
                    raise found
                note = str(found) if isinstance(found, SourceError) else "changed after it was sent"
                self._store.note_source_changed(known[path], upload.fence, note)
                changed += 1
        if changed:
            raise SourceChanged(f"{changed} files changed before the package was finalized")

    def _complete(self, upload: Upload) -> None:
        tasks = tasks_for(upload, self._store.drops_of(upload.id))
        self._store.advance_claimed(upload, UploadEvent.FINALIZED, tasks=tasks)


def held_package(upload: Upload) -> tuple[str, Secret]:
    """Give the package's id and token of an upload that has one.

    Raises:
        PackageGone: it has none; a mistake in the order of steps.
    """
    if upload.package_id is None or upload.package_token is None:
        raise PackageGone(f"upload {upload.id} has no package yet")
    return upload.package_id, upload.package_token


def untold(upload: Upload, error: CloudError) -> CloudRefused:
    """Give the error for an upload whose finalize was asked for, and nobody tells its outcome."""
    return CloudRefused(
        f"{MAY_BE_DELIVERED}, and the cloud does not tell: {error.message}",
        hint=f"{_look_first(upload)} before anything is sent once more; masv-watch resume"
        f" {upload.id} asks the cloud again",
        **error.facts,
    )


def way_on_in_doubt(upload: Upload) -> str:
    """Say what helps where the cloud cannot be asked any more whether something was delivered."""
    return f"{_look_first(upload)}; only if not, {_ONCE_MORE} under another name"


def _look_first(upload: Upload) -> str:
    of_portal = upload.terms.type is UploadType.PORTAL
    where = "ask the portal's owner" if of_portal else "look at MASV"
    return f"{where} whether package {upload.package_id} was delivered"


def _access(upload: Upload) -> tuple[object, ...]:
    """Give who can open the package of an upload, and for how long."""
    return upload.password, upload.terms.expires_s, upload.terms.downloads


def _ends_sooner(earlier: Upload, now: float) -> bool:
    """Say whether whoever gets a link on a package now would have it for a shorter time."""
    lasts_s, since = earlier.terms.expires_s, earlier.finalized_at
    if lasts_s is None or since is None:
        return False
    return now - since > _SPENT * lasts_s


def delete_cloud_file(cloud: CloudClient, package_id: str, token: Secret, file_id: str) -> None:
    """Delete a file of a package; one that is not there any more counts as deleted."""
    try:
        cloud.delete_file(package_id, token, file_id=file_id)
    except PackageGone:
        return


def tasks_for(upload: Upload, drops: list[Drop]) -> list[TaskDraft]:
    """Give what an upload owes once it is complete: link, letters, sources, its receipt."""
    tasks = []
    terms = upload.terms
    if (terms.mail_to or upload.relinks) and terms.type is UploadType.TEAM:
        tasks.append(TaskDraft(kind=TaskKind.LINK, key=""))
        tasks += [TaskDraft(kind=TaskKind.LETTER, key=address) for address in terms.mail_to]
    if terms.after.delivered != "keep":
        tasks += [TaskDraft(kind=TaskKind.DISPOSE, key=str(drop.id)) for drop in drops]
    tasks += [TaskDraft(kind=TaskKind.RETIRE, key=upload_id) for upload_id in terms.replaces]
    # the last: of a million files it takes its time, and letters leave before
    tasks.append(TaskDraft(kind=TaskKind.RECEIPT, key=""))
    return tasks
