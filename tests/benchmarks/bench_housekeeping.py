"""How long a transfer's write waits while housekeeping works on a state with a long history.

Owns one run: a real store with many delivered files, writes of acknowledged chunks one after the
other as a transfer makes them, alone and beside each of housekeeping's works. The work is the real
one, in a thread of its own as in the daemon.

    .venv/bin/python tests/benchmarks/bench_housekeeping.py [--rounds N] [--uploads N] [--files N]
        [--json FILE]
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from masv_watch.housekeeping import Housekeeping  # noqa: E402
from masv_watch.loops import SystemClock  # noqa: E402
from masv_watch.metrics import Metrics  # noqa: E402
from masv_watch.model import Backup, Chunk, History, UploadEvent  # noqa: E402
from masv_watch.store.sqlite import SqliteStore, open_store  # noqa: E402
from tests.benchmarks.figures import Figures, main, parser  # noqa: E402
from tests.benchmarks.sink import work_folder  # noqa: E402
from tests.integration.store.making import (  # noqa: E402
    FOLDER,
    claim,
    create,
    file_draft,
    finalize,
    open_package,
    send_files,
)

ALONE = "nothing else"
#: writes of one measure at the least, and seconds of it
WRITES, LEAST_S = 300, 0.5


def deliver(store: SqliteStore, number: int, files: int) -> None:
    """Deliver one drop of so many files."""
    top = b"card%d" % number
    drafts = [file_draft(b"%b/%d" % (top, each)) for each in range(files)]
    upload_id, _ = create(store, top, files=drafts)
    claimed = claim(store, upload_id)
    open_package(store, claimed)
    send_files(store, claimed)
    store.advance_all_sent(upload_id, claimed.fence)
    store.advance_upload(upload_id, UploadEvent.FINALIZE)
    finalize(store, upload_id)


def measure(figures: Figures, name: str, store: SqliteStore, work: Callable[[], None]) -> None:
    """Time a transfer's writes for as long as a work lasts, and note the work's seconds."""
    upload_id, _ = create(store, b"moving %s %d" % (name.encode(), time.monotonic_ns()))
    claimed = claim(store, upload_id)
    open_package(store, claimed)
    (file,) = store.files(upload_id)
    store.note_files_asked(upload_id, claimed.fence, [file.id])
    store.note_file_opened(
        file, claimed.fence, cloud_id=f"c{file.id}", multipart_id="m", chunk_size=1
    )
    file = store.file(file.id) or file
    took: list[float] = []
    began = time.monotonic()

    def run() -> None:
        work()
        took.append(time.monotonic() - began)

    working = threading.Thread(target=run)
    working.start()
    number = 0
    while working.is_alive() or number < WRITES or time.monotonic() - began < LEAST_S:
        number += 1
        at = time.perf_counter()
        store.note_etag(
            file,
            claimed.fence,
            Chunk(number=number % 9 + 1, size=1, etag="e", hash="h"),
            last=False,
        )
        # a work that ended during the first write was beside it all the same
        if number == 1 or working.is_alive() or name == ALONE:
            figures.add(name, ms=(time.perf_counter() - at) * 1e3)
    working.join()
    figures.add(name, seconds=took[0])
    store.advance_upload(upload_id, UploadEvent.DELETE)


def run() -> None:
    """Fill, measure and tell."""
    line = parser(__doc__ or "", rounds=1)
    line.add_argument("--uploads", type=int, default=300)
    line.add_argument("--files", type=int, default=300)
    options = line.parse_args()
    title = f"housekeeping over {options.uploads * options.files:,} delivered files"
    figures = Figures(title, options.rounds)
    for _ in range(options.rounds):
        with work_folder() as top:
            clock, metrics = SystemClock(), Metrics()
            store = open_store(str(top / "state"), clock=clock, metrics=metrics)
            settings = SimpleNamespace(
                state="", history=History(drops_s=0.0, events_s=0.0),
                backup=Backup(to=str(top / "copies")),
            )  # fmt: skip
            keeping = Housekeeping(
                store, settings=lambda settings=settings: settings, tidy=lambda _: None,
                clock=clock, metrics=metrics,
            )  # fmt: skip
            for number in range(options.uploads):
                deliver(store, number, options.files)
            ids = [drop.id for drop in store.ended_drops(FOLDER, after=0, limit=10**6)]
            store.note_missed(gone=ids, over=ids)
            measure(figures, ALONE, store, lambda: None)
            measure(figures, "the copy", store, keeping.back_up)
            measure(figures, "the look for damage", store, keeping.check)
            measure(figures, "the forgetting of all of it", store, keeping.forget)
            store.close()
    figures.tell(
        [
            figures.tail("ms", "Milliseconds of a transfer's write, durable, beside"),
            figures.table("seconds", "Seconds of the work"),
        ],
        options.json,
    )


if __name__ == "__main__":
    sys.exit(main(run))
