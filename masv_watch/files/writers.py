"""Whether a program has a file open for writing, asked of the kernel by a read lease.

Owns the lease and its traps. Never waits and never reads a byte. Called by intake as the last test
before a drop goes.

A read lease is refused with EAGAIN while any process of this machine has the file open for writing,
also when only a writable mapping is left; readers do not disturb it. A writer that opens while the
lease is held sends SIGIO, whose default ends the process, so that none is taken before `prepare`
(probes; fcntl(2), "Leases"). Nothing is learned about writers on other machines.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from masv_watch.errors import SourceBusy, SourceError
from masv_watch.files.roots import Root
from masv_watch.names import shown

#: what the kernel answers where a lease cannot tell
_CANNOT_TELL = {
    errno.EACCES: "its owner is another user and the daemon lacks CAP_LEASE",
    errno.EPERM: "its owner is another user and the daemon lacks CAP_LEASE",
    errno.EINVAL: "its file system knows no leases",
    errno.ENOLCK: "the kernel has no more leases",
    errno.EOPNOTSUPP: "its file system knows no leases",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """What the kernel says about writers of some files."""

    #: files that somebody writes
    busy: tuple[bytes, ...] = ()
    #: why that proves nothing, one clause; "" when every file was asked about
    unknown: str = ""


def prepare() -> None:
    """Let the signal of a broken lease be ignored; call it once, on the main thread."""
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)


def find_writers(
    root: Root,
    paths: Iterable[bytes],
    *,
    most: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Writers:
    """Ask the kernel which of these files are open for writing, until `most` of them are.

    One that others have in use, so that nobody may open it, counts as such. What is not there or
    cannot be opened for another reason is passed over: other tests see that.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return Writers(unknown="this system knows no leases")
    if signal.getsignal(signal.SIGIO) is not signal.SIG_IGN:
        return Writers(unknown="the signal of a broken lease would end this process")
    busy: list[bytes] = []
    unknown = ""
    root.forget_folders()
    for path in sorted(paths, key=lambda path: path.rpartition(b"/")[::2]):
        if stop():
            return Writers(busy=tuple(busy), unknown="the look was ended")
        found = _writes(root, path)
        if found is None:
            busy.append(path)
            if len(busy) == most:
                break
        else:
            unknown = unknown or found
    return Writers(busy=tuple(busy), unknown=unknown)


def _writes(root: Root, path: bytes) -> str | None:
    """Give None while somebody writes, "" when nobody does, else why that is not known."""
    try:
        descriptor = root.open_file(path, is_afresh=False)
    except SourceBusy:
        # as of a file server that holds a lease for a client of its own
        return None
    except SourceError:
        return ""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return None
        why = _CANNOT_TELL.get(error.errno or 0, os.strerror(error.errno or 0))
        return f"the kernel cannot tell of {shown(path)}: {why}"
    finally:
        os.close(descriptor)
    return ""
