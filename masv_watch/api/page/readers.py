"""Who may see what on the page.

Owns the two questions that the page asks of a caller. Never asks the kernel: the guard did. Used by
all of the page.
"""

from __future__ import annotations

from masv_watch.errors import Denied, NotFound
from masv_watch.model import Caller
from masv_watch.uploads import Uploads


def sees_folders(caller: Caller) -> bool:
    """Say whether a caller sees hot folders, and what arrives in them.

    The owners do, and who shows the token without being any user of this machine: as with share
    links. What a hot folder holds is read by the daemon's rights, so nobody else sees it here.
    """
    return caller.is_owner or caller.uid is None


def demand_folders(caller: Caller) -> None:
    """Refuse who does not see hot folders.

    Raises:
        Denied: he does not.
    """
    if not sees_folders(caller):
        raise Denied(
            "hot folders are for root, the daemon's own user and the token's holder",
            hint="ask one of them for it",
        )


def demand_seen(uploads: Uploads, upload_id: str, caller: Caller) -> None:
    """Refuse an upload that a caller does not see, as if there were none.

    Raises:
        NotFound: there is no such upload, or it is not his.
    """
    try:
        uploads.demand_his(upload_id, caller, to="see")
    except Denied as error:
        raise NotFound("there is no such upload of yours", hint="the page lists yours") from error
