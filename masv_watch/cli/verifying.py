"""The command that compares a folder with the receipt of its delivery.

Owns which files it reads, what a person sees meanwhile and how it ends. Never decides what is
wrong: `delivery.receipt` and `delivery.proving` do. No daemon, no configuration and no state is
needed. Called by the table of commands.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from masv_watch import files
from masv_watch.cli.endings import Ending
from masv_watch.cli.outcomes import FAILED, OK, WrongUsage
from masv_watch.cli.output import say
from masv_watch.cli.whereabouts import shown_word
from masv_watch.config.guarded import read_text
from masv_watch.config.problems import Wrong
from masv_watch.delivery import proving, receipt
from masv_watch.delivery.letters import size_text
from masv_watch.delivery.receipt import Flaw, Receipt
from masv_watch.errors import SourceError
from masv_watch.figures import counted
from masv_watch.loops import SystemClock
from masv_watch.names import shown, unsent_name
from masv_watch.store import signing

#: seconds between two lines of progress
_REFRESH_S = 0.2
#: bytes of a receipt that is read: of a million files it has about a quarter
_LARGEST = 1 << 30
#: names of no weight that are told
_TOLD = 3


@dataclass(slots=True)
class _Verdict:
    """What is told at the end."""

    flaws: list[Flaw] = field(default_factory=list)
    #: what weighs nothing and is to be known, one sentence each
    notes: list[str] = field(default_factory=list)
    #: files and bytes that are as they were delivered
    files: int = 0
    size: int = 0


def verify(options: argparse.Namespace) -> int:
    """Say whether a folder holds what a receipt says was delivered; 1 when it does not."""
    key = "" if options.key is None else _key(options.key)
    read = receipt.read(_content(options.receipt, "the receipt"))
    folder = os.path.abspath(os.fsencode(options.folder))
    verdict = _Verdict()
    if isinstance(read, Flaw):
        verdict.flaws.append(read)
    else:
        verdict.flaws += receipt.check(read, signing.is_signed, key=key)
        if options.chain is not None:
            verdict.flaws += _chain(options.chain, read, key)
        _compare(read, folder, verdict)
        verdict.notes += _notes(read, is_key_given=bool(key))
    _tell(options, read, verdict)
    return FAILED if verdict.flaws else OK


def _chain(path: str, read: Receipt, key: str) -> list[Flaw]:
    seals = receipt.read_chain(_content(path, "the chain"))
    if isinstance(seals, Flaw):
        return [seals]
    return receipt.check_chain(seals, signing.is_signed, receipt=read.seal, key=key)


def _compare(read: Receipt, folder: bytes, verdict: _Verdict) -> None:
    with _Progress() as progress:
        found = _walk(folder, progress)
        own = _own_name(read, folder, found)
        found = {own + path: entry for path, entry in found.items()}
        seen = {path: _seen(entry) for path, entry in found.items()}
        match = proving.match(read.entries, seen)
        wanted = proving.to_read(read.entries, seen, match)
        progress.total = sum(seen[path].size for path in wanted)
        contents = {
            path: _read(folder, found[path], size, progress)
            for path, size in sorted(wanted.items())
        }
    flaws = proving.compare(read.entries, seen, match, contents)
    verdict.flaws += flaws
    if match.litter:
        verdict.notes.append(_littered(match.litter))
    wrong = {flaw.path for flaw in flaws}
    for entry in read.entries:
        path = match.pairs.get(entry.path)
        if path is not None and shown(path) not in wrong:
            verdict.files, verdict.size = verdict.files + 1, verdict.size + entry.size


def _walk(folder: bytes, progress: _Progress) -> dict[bytes, files.Observation]:
    try:
        with files.Root.open(folder) as root:
            walked = files.walk_received(root, on_entry=progress.check)
            return {entry.path: entry for entry in walked}
    except SourceError as error:
        raise WrongUsage(f"{error.message} - name the folder that was received") from error


def _seen(entry: files.Observation) -> proving.Seen:
    size = 0 if entry.identity is None else entry.identity.size
    return proving.Seen(kind=entry.kind, size=size, detail=entry.detail)


def _read(
    folder: bytes, entry: files.Observation, chunk_size: int, progress: _Progress
) -> proving.Content:
    if entry.identity is None:
        return proving.Content(trouble="it is no file")
    try:
        hashes = files.chunk_hashes(
            folder, entry.path, entry.identity, chunk_size=chunk_size, on_bytes=progress.count
        )
    except SourceError as error:
        return proving.Content(trouble=error.message)
    return proving.Content(hashes=hashes)


def _littered(litter: Collection[bytes]) -> str:
    first = ", ".join(shown(path) for path in list(litter)[:_TOLD])
    more = f" and {len(litter) - _TOLD:,} more" if len(litter) > _TOLD else ""
    return f"what a desktop or masv-watch left there counts for nothing: {first}{more}"


def _own_name(read: Receipt, folder: bytes, found: Collection[bytes]) -> bytes:
    """Give the begin of every path where the one folder of a package was named itself; else b""."""
    tops = {entry.path.partition("/")[0] for entry in read.entries if "/" in entry.path}
    if len(tops) != 1 or any("/" not in entry.path for entry in read.entries):
        return b""
    (top,) = tops
    name = os.path.basename(os.path.abspath(folder))
    names = {os.fsencode(top), _source_name(top)}
    if name not in names or any(path.partition(b"/")[0] in names for path in found):
        return b""
    return name + b"/"


def _source_name(name: str) -> bytes:
    try:
        return unsent_name(name)
    except ValueError:
        return os.fsencode(name)


def _notes(read: Receipt, *, is_key_given: bool) -> Iterator[str]:
    if not is_key_given:
        yield (
            f"nothing vouches for the key {read.seal.key} but the receipt itself: ask the sender"
            " for masv-watch receipt --public-key by another way, and give it as --key FILE"
        )
    plain = proving.without_hashes(read.entries)
    if plain:
        yield (
            f"of {counted(plain, 'file')} only the size was compared: they were sent with"
            " `transfer.verify: size`, which makes no hashes"
        )


def _tell(options: argparse.Namespace, read: Receipt | Flaw, verdict: _Verdict) -> None:
    if options.json:
        say(json.dumps(_tree(read, verdict)))
        return
    for flaw in verdict.flaws:
        of = f"{flaw.path}: " if flaw.path else ""
        say(f"{flaw.test}: {of}{flaw.what} - {flaw.cure}")
    for note in verdict.notes:
        say(f"note: {note}")
    if isinstance(read, Receipt):
        say(_sentence(read, verdict))


def _sentence(read: Receipt, verdict: _Verdict) -> str:
    what = f"receipt {read.seal.number} of {shown_word(proving.printable(read.name))}"
    good = f"{counted(verdict.files, 'file')}, {size_text(verdict.size)}"
    if verdict.flaws:
        found = counted(len(verdict.flaws), "finding")
        return f"not proved: {what}: {found}; {good} as delivered"
    return f"ok: {what}: {good}, all as delivered"


def _tree(read: Receipt | Flaw, verdict: _Verdict) -> Mapping[str, object]:
    known = read if isinstance(read, Receipt) else None
    return {
        "ok": not verdict.flaws,
        "receipt": known and known.seal.number,
        "upload_id": known and known.upload_id,
        "key": known and known.seal.key,
        "files": verdict.files,
        "size": verdict.size,
        "findings": [
            {"test": flaw.test, "path": flaw.path, "what": flaw.what, "cure": flaw.cure}
            for flaw in verdict.flaws
        ],
        "notes": verdict.notes,
    }


def _content(path: str, what: str) -> bytes:
    try:
        # as much as there is, not as much as there may be: that is reserved at once
        largest = min(_LARGEST, os.path.getsize(path) + 1)
    except (OSError, ValueError):
        largest = 1
    try:
        return read_text(path, largest)[0]
    except Wrong as wrong:
        raise WrongUsage(f"{what} {shown_word(path)} {wrong.message}") from wrong


def _key(path: str) -> str:
    try:
        return signing.read_public(_content(path, "the key"))
    except ValueError as error:
        raise WrongUsage(
            f"{shown(os.fsencode(path))} holds no public key of Ed25519"
            " - give what masv-watch receipt --public-key prints"
        ) from error


class _Progress:
    """The reading before a person who may end it."""

    def __init__(self) -> None:
        self.total = self._done = 0
        self._clock, self._ending = SystemClock(), Ending()
        self._began = self._shown_at = self._clock.monotonic()

    def __enter__(self) -> _Progress:
        self._ending.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.stop()
        if self._is_seen():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def check(self) -> None:
        """Go on, unless somebody asked for the end."""
        self._ending.check("nothing was proved")

    def count(self, size: int) -> None:
        """Count what was read."""
        self.check()
        self._done += size
        now = self._clock.monotonic()
        if now - self._shown_at >= _REFRESH_S and self._is_seen():
            self._shown_at = now
            rate = size_text(int(self._done / max(now - self._began, 0.001)))
            share = min(100, 100 * self._done // max(self.total, 1))
            line = f"verifying  {share} %  of {size_text(self.total)}  {rate}/s"
            with contextlib.suppress(OSError):
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    @staticmethod
    def _is_seen() -> bool:
        return sys.stderr is not None and sys.stderr.isatty()
