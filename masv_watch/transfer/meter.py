"""What is on its way right now: bytes handed over, acknowledged, in flight, and sent in vain.

Owns these counts, in memory, for each upload in hand and for the whole process. Never decides and
never stores: what failures cost is handed to whoever writes the rows. Any thread may note; built by
`departure`, asked by the API through `daemon`.

Law 1. Bytes handed over are acknowledged, in flight or sent in vain: the three sum up to them, for
       each upload and for all, whatever interleaves.
Law 2. A chunk counts as acknowledged once its etag is stored; one that ends otherwise was in vain.
Law 3. A note costs a lock and some additions: one comes with every block of every connection.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from masv_watch.errors import MasvWatchError
from masv_watch.logs import redacted
from masv_watch.metrics import Metrics
from masv_watch.model import Flow, Toll, Traffic, Upload
from masv_watch.transfer.rate import Rate


@dataclass(eq=False, slots=True)
class _Sums:
    """The bytes and chunks of one hot folder, or of all that callers made."""

    acknowledged: int = 0
    in_flight: int = 0
    resent: int = 0
    chunks: int = 0
    files: int = 0


@dataclass(eq=False, slots=True)
class _Tally:
    """One upload in hand; what it owes its row stands in `resent`, `retries` and `reason`."""

    folder: _Sums
    acknowledged: int = 0
    in_flight: int = 0
    #: not stored yet
    resent: int = 0
    retries: int = 0
    reason: str = ""
    rate: Rate = field(default_factory=Rate)


class Sent:
    """One chunk on its way; as a context, it was in vain unless it was acknowledged within."""

    __slots__ = ("_handed", "_meter", "_tally")

    def __init__(self, meter: Meter, tally: _Tally) -> None:
        """Begin with nothing handed over."""
        self._meter = meter
        self._tally = tally
        self._handed = 0

    def note(self, size: int) -> None:
        """Count a block that was handed over; a negative size takes back all that was so far."""
        if size:
            self._handed += size
            self._meter.count(self._tally, size, is_first=self._handed == size)

    def acknowledged(self) -> None:
        """Count the chunk as stored by the cloud and noted by us."""
        handed, self._handed = self._handed, 0
        self._meter.end(self._tally, handed, is_acknowledged=True)

    def failed(self) -> None:
        """Count what was handed over as sent in vain; after an acknowledgement there is nothing."""
        if self._handed:
            handed, self._handed = self._handed, 0
            self._meter.end(self._tally, handed, is_acknowledged=False)

    def __enter__(self) -> Sent:
        """Begin the chunk."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it; what was not acknowledged was in vain."""
        self.failed()


class Meter:
    """The counts of one process."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        """Begin with nothing on its way."""
        self._monotonic = monotonic
        self._door = threading.Lock()
        self._tallies: dict[str, _Tally] = {}
        #: by hot folder; empty for what callers made, which is told of from the start
        self._folders: dict[str, _Sums] = {"": _Sums()}
        self._rate = Rate()
        self._busy = 0
        self._retries: Counter[tuple[str, int]] = Counter()
        self._reason = ""
        #: what the counters of the metrics were told so far
        self._reported: Counter[tuple[str, str, str]] = Counter()

    def began(self, upload: Upload) -> Sent:
        """Give the count of a chunk that is about to be sent."""
        with self._door:
            return Sent(self, self._tally_of(upload))

    def count(self, tally: _Tally, size: int, *, is_first: bool) -> None:
        """Count a block of a chunk, or one that is taken back; `Sent` calls it."""
        now = self._monotonic()
        with self._door:
            tally.in_flight += size
            tally.folder.in_flight += size
            if size > 0:
                self._busy += is_first
                tally.rate.note(now, size)
                self._rate.note(now, size)
            else:
                # only a whole chunk is taken back
                self._busy -= 1
                self._waste(tally, -size)

    def end(self, tally: _Tally, handed: int, *, is_acknowledged: bool) -> None:
        """Count a chunk as over; `Sent` calls it."""
        with self._door:
            tally.in_flight -= handed
            tally.folder.in_flight -= handed
            self._busy -= handed > 0
            if is_acknowledged:
                tally.acknowledged += handed
                tally.folder.acknowledged += handed
                tally.folder.chunks += 1
            else:
                self._waste(tally, handed)

    def _waste(self, tally: _Tally, size: int) -> None:
        tally.resent += size
        tally.folder.resent += size

    def retried(self, upload: Upload, step: str, error: MasvWatchError) -> None:
        """Count a step that failed and is tried again, with its reason."""
        reason = redacted(str(error))
        with self._door:
            tally = self._tally_of(upload)
            tally.retries += 1
            tally.reason = self._reason = reason
            self._retries[step, error.code] += 1

    def file_closed(self, upload: Upload) -> None:
        """Count a file that the cloud put together."""
        with self._door:
            self._folder_of(upload).files += 1

    @contextmanager
    def owed(self, upload_id: str) -> Iterator[Toll]:
        """Give what failures cost an upload, to be stored within; an error leaves it owed."""
        with self._door:
            toll = _toll_of(self._tallies.get(upload_id))
        yield toll
        with self._door:
            tally = self._tallies.get(upload_id)
            if tally is not None:
                tally.resent -= toll.resent
                tally.retries -= toll.retries
                if tally.retries == 0:
                    tally.reason = ""

    def keep(self, upload_ids: Collection[str]) -> None:
        """Forget every upload but these; what is still out of one goes on counting for all.

        The rate of one that is taken up again begins anew.
        """
        with self._door:
            for upload_id in [each for each in self._tallies if each not in upload_ids]:
                del self._tallies[upload_id]

    def traffic(self) -> Mapping[str, Traffic]:
        """Say what is on its way of each upload in hand."""
        now = self._monotonic()
        with self._door:
            return {
                upload_id: Traffic(
                    acknowledged=tally.acknowledged,
                    in_flight=tally.in_flight,
                    rate=tally.rate.at(now),
                    toll=_toll_of(tally),
                )
                for upload_id, tally in self._tallies.items()
            }

    def flow(self) -> Flow:
        """Say what is on its way of all uploads together."""
        now = self._monotonic()
        with self._door:
            folders = self._folders.values()
            return Flow(
                acknowledged=sum(folder.acknowledged for folder in folders),
                in_flight=sum(folder.in_flight for folder in folders),
                resent=sum(folder.resent for folder in folders),
                retries=self._retries.total(),
                reason=self._reason,
                rate=self._rate.at(now),
                busy=self._busy,
            )

    def report(self, metrics: Metrics) -> None:
        """Bring the process' metrics up to date; called whenever somebody is about to read them."""
        flow = self.flow()
        metrics.gauge("in_flight_bytes", flow.in_flight)
        metrics.gauge("send_rate_bytes_per_second", flow.rate)
        metrics.gauge("connections_busy", flow.busy)
        with self._door:
            folders = [(name, _counted(sums)) for name, sums in self._folders.items()]
            for hot_folder, counted in folders:
                for name, value in counted.items():
                    by = self._advance((name, hot_folder, ""), value)
                    metrics.count(name, by, hot_folder=hot_folder)
            for (step, code), value in self._retries.items():
                metrics.count("retries", self._advance((step, "", str(code)), value), step=step,
                              code=code)  # fmt: skip

    def _advance(self, key: tuple[str, str, str], value: int) -> int:
        by = value - self._reported[key]
        self._reported[key] = value
        return by

    def _tally_of(self, upload: Upload) -> _Tally:
        tally = self._tallies.get(upload.id)
        if tally is None:
            tally = self._tallies[upload.id] = _Tally(self._folder_of(upload))
        return tally

    def _folder_of(self, upload: Upload) -> _Sums:
        return self._folders.setdefault(upload.hot_folder or "", _Sums())


def _toll_of(tally: _Tally | None) -> Toll:
    if tally is None:
        return Toll()
    return Toll(resent=tally.resent, retries=tally.retries, reason=tally.reason)


def _counted(sums: _Sums) -> dict[str, int]:
    return {
        "sent_bytes": sums.acknowledged + sums.in_flight + sums.resent,
        "acknowledged_bytes": sums.acknowledged,
        "resent_bytes": sums.resent,
        "chunks_acknowledged": sums.chunks,
        "files_closed": sums.files,
    }
