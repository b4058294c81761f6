"""How the desk puts that an upload is not there, or may be delivered already.

Owns the words and what helps. Never decides whether it is so. Used by `uploads.desk` and the page.
"""

from __future__ import annotations

from masv_watch import lifecycle
from masv_watch.errors import IllegalTransition, NotFound
from masv_watch.model import Upload, UploadLine

_SHOWN_ID = 64


def may_be_delivered(upload: Upload | UploadLine) -> IllegalTransition:
    """Give why an upload is not cancelled as one that nobody got, with what helps."""
    return IllegalTransition(
        "this upload is delivered, or may be already",
        hint=f"masv-watch delete {upload.id} --package takes a delivered package back",
        state=lifecycle.SHOWN_AS[upload.state],
        allowed=[],
    )


def missing(upload_id: str) -> NotFound:
    """Give why a call on an upload finds none, with what helps."""
    # an absurd id is shown only by its beginning
    shown = upload_id if len(upload_id) <= _SHOWN_ID else f"{upload_id[:_SHOWN_ID]}..."
    return NotFound(f"there is no upload {shown!r}", hint="masv-watch uploads lists them")
