"""Pieces of a file that are read and not sent: what they come to as the file is now.

Owns how such a piece is opened: by the rights of whoever named the file, and for no longer than its
upload is wanted. Never sends a byte and never stores. Used by `transfer.keeping` and
`transfer.rereading`.
"""

from __future__ import annotations

from masv_watch import files
from masv_watch.model import SourceFile, Verify
from masv_watch.transfer.claims import Claim


def piece_of(
    claim: Claim,
    file: SourceFile,
    *,
    offset: int,
    size: int,
    reach: files.Reach | None,
    verify: Verify = Verify.FAST,
) -> files.Slice:
    """Give so many bytes of a file from an offset, to be read; nothing is opened yet.

    Reading it raises CloudUnreachable once its upload is not wanted, else as `files.Slice`.
    """
    return files.Slice(
        claim.upload.root,
        file.path,
        file.identity,
        offset=offset,
        size=size,
        verify=verify,
        follow=claim.upload.terms.follow,
        reach=reach,
        on_bytes=lambda _size: claim.demand_wanted(),
    )
