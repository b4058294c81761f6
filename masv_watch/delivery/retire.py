"""What becomes of the package that a later one of the same name replaces: it is deleted.

Owns the call to the cloud and the words about it. Never decides what is replaced, and never acts
before the later package is delivered: its task exists only on a complete upload. Alone, because the
outbox knows no order of its own for it. Called by the outbox.

Law 1. A package that is gone already is deleted: the call may be repeated after any crash.
"""

from __future__ import annotations

from collections.abc import Callable

from masv_watch.cloud.client import CloudClient
from masv_watch.errors import CloudRefused, PackageGone, TokenExpired
from masv_watch.model import Secret, Upload, UploadState, UploadType


def delete_replaced(
    old: Upload | None, cloud: CloudClient, *, fresh_token: Callable[[Upload], Secret]
) -> str:
    """Delete the package of an upload that was replaced; give what was done, for people.

    Its links end with it, those that the cloud mailed too.

    Raises:
        CloudRefused: the cloud does not delete it; it stays.
        CloudError: not now.
    """
    if old is None or old.state is not UploadState.COMPLETE or old.package_id is None:
        return "its upload was deleted before"
    said = f"package {old.package_id} and its links"
    try:
        _delete(old, cloud, fresh_token)
    except PackageGone:
        return f"{said} were gone already"
    except CloudRefused as error:
        raise CloudRefused(
            f"{said} stay: {error.message}",
            hint=f"delete package {old.package_id} at MASV",
            **error.facts,
        ) from error
    return f"{said} were deleted"


def _delete(old: Upload, cloud: CloudClient, fresh_token: Callable[[Upload], Secret]) -> None:
    package_id, token = old.package_id or "", old.package_token
    if token is None:
        token = fresh_token(old)
    try:
        cloud.delete_package(package_id, token)
    except TokenExpired as error:
        if old.terms.type is UploadType.PORTAL:
            raise CloudRefused("the portal's package token has expired") from error
        cloud.delete_package(package_id, fresh_token(old))
