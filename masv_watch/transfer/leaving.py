"""Cancel in the cloud the packages that uploads have left.

Owns the retries of these cancellations. Never decides that a package is left and never touches an
upload: the store did both in one transaction. Called by one loop of `daemon`.

Law 1. What is left is never finalized, so that whatever becomes of a cancellation, nobody is told
       of its package.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from masv_watch.cloud.client import CloudClient
from masv_watch.errors import CloudRefused, MasvWatchError, NoSession, PackageGone, TokenExpired
from masv_watch.login import Login
from masv_watch.model import LeftPackage, UploadType
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: seconds between two looks while a package is left
LOOK_S = 10.0


class Leaving:
    """The packages that are left, over one store and one cloud."""

    def __init__(
        self, store: Store, cloud: CloudClient, login: Login, *, luck: Callable[[], float]
    ) -> None:
        """Work with these."""
        self._store = store
        self._cloud = cloud
        self._login = login
        self._luck = luck

    def before(self, tick: Callable[[], float]) -> Callable[[], float]:
        """Give a tick of a loop that cancels what is due first."""

        def both() -> float:
            self.tick()
            rest_s = tick()
            return min(rest_s, LOOK_S) if self._store.has_left_packages() else rest_s

        return both

    def tick(self) -> None:
        """Cancel every package that is left and due."""
        for left in self._store.left_packages():
            try:
                self._cancel(left)
            except MasvWatchError as error:
                self._failed(left, error)
            else:
                self._store.note_left_gone(left.id)

    def _cancel(self, left: LeftPackage) -> None:
        try:
            self._delete(left)
        except PackageGone:
            log.info("a package that was left was gone already", extra={"package": left.id})
            return
        log.info(
            "a package that was left is cancelled",
            extra={"package": left.id, "upload": left.upload_id},
        )

    def _delete(self, left: LeftPackage) -> None:
        try:
            self._cloud.delete_package(left.id, left.token)
        except TokenExpired:
            if left.type is UploadType.PORTAL:
                raise
            seen = self._cloud.team_package(
                self._login.key(), team_id=self._login.team_id(left.team), package_id=left.id
            )
            if seen.token is None:
                raise CloudRefused("the cloud gave no fresh token for the package") from None
            self._cloud.delete_package(left.id, seen.token)

    def _failed(self, left: LeftPackage, error: MasvWatchError) -> None:
        attempts, now = left.attempts + 1, self._store.now()
        if isinstance(error, NoSession):
            self._login.refused()
            at = now + (self._login.pause_s() or 1.0)
            self._store.retry_left(left.id, retry_at=at, attempts=attempts)
            return
        decision = decide(error, attempts, now, self._luck())
        if decision.next is Next.AGAIN and decision.at is not None:
            self._store.retry_left(left.id, retry_at=decision.at, attempts=attempts)
            return
        why = f"it was left for another one and stays in the cloud, unfinished: {error.message}"
        self._store.note_stray(left.id, left.upload_id, why)
        log.error(
            "a package that was left stays in the cloud, unfinished",
            extra={
                "upload": left.upload_id,
                "package": left.id,
                "code": error.code,
                "reason": error.message,
                "cure": "delete the package at MASV",
            },
        )
        self._store.note_left_gone(left.id)
