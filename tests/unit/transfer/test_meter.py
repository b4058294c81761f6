"""What is handed over is acknowledged, in flight or in vain, whatever interleaves."""

from __future__ import annotations

import contextlib
import random
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.errors import CloudThrottled, CloudUnreachable, StoreFull
from masv_watch.metrics import HELP, Metrics
from masv_watch.model import NO_TOLL, Toll
from masv_watch.transfer.meter import Meter
from tests.doubles import FakeClock
from tests.searching import examples
from tests.unit.test_uploads import MOVING

ONE, TWO = replace(MOVING, id="u1"), replace(MOVING, id="u2", hot_folder=None)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def meter(clock):
    return Meter(monotonic=clock.monotonic)


class Ledger:
    """What a person with pen and paper would write down of the same events."""

    def __init__(self):
        self.handed = self.acknowledged = self.resent = 0

    @property
    def in_flight(self):
        return self.handed - self.acknowledged - self.resent


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["began", "note", "note", "note", "rewind", "acknowledged", "failed", "later"]
        ),
        st.integers(0, 3),
        st.integers(0, 5_000_000),
    ),
    min_size=15,
    max_size=80,
)


@settings(max_examples=examples(200))
@given(EVENTS)
def test_meter_over_any_interleaving_accounts_for_every_byte(events):
    """Acknowledged, in flight and in vain sum up to what was handed over; none is ever negative."""
    clock = FakeClock()
    meter, books, open_ = Meter(monotonic=clock.monotonic), {"u1": Ledger(), "u2": Ledger()}, []
    for event, which, size in events:
        if event == "began":
            upload = (ONE, TWO)[which % 2]
            open_.append([meter.began(upload), books[upload.id], 0])
        elif event == "later":
            clock.advance(which)
        elif open_:
            each = open_[which % len(open_)]
            sent, book, handed = each
            if event == "note":
                sent.note(size)
                each[2] += size
                book.handed += size
            elif event == "rewind":
                sent.note(-handed)
                book.resent += handed
                each[2] = 0
            else:
                getattr(sent, event)()
                name = "acknowledged" if event == "acknowledged" else "resent"
                setattr(book, name, getattr(book, name) + handed)
                open_.remove(each)
        agree(meter, books, open_)


def agree(meter, books, open_):
    traffic, flow = meter.traffic(), meter.flow()
    for upload_id, seen in traffic.items():
        book = books[upload_id]
        assert (seen.acknowledged, seen.in_flight, seen.toll.resent) == (
            book.acknowledged, book.in_flight, book.resent,
        )  # fmt: skip
        assert min(seen.acknowledged, seen.in_flight, seen.toll.resent, seen.rate) >= 0
    assert flow.acknowledged + flow.in_flight + flow.resent == sum(
        book.handed for book in books.values()
    )
    assert flow.busy == sum(1 for _, _, handed in open_ if handed)
    assert flow.rate >= 0


def test_meter_that_many_threads_note_loses_nothing(meter):
    """Any worker may note at any time, and anybody may look meanwhile."""
    done = threading.Event()

    def work(seed):
        rng = random.Random(seed)
        for _ in range(300):
            with meter.began((ONE, TWO)[seed % 2]) as sent:
                for _ in range(4):
                    sent.note(1000)
                if rng.random() < 0.7:
                    sent.acknowledged()

    def look():
        while not done.is_set():
            flow = meter.flow()
            assert flow.busy <= 8
            assert flow.in_flight <= 8 * 4000

    looker = threading.Thread(target=look)
    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in (looker, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    looker.join()

    flow = meter.flow()
    assert flow.acknowledged + flow.resent == 8 * 300 * 4000
    assert (flow.in_flight, flow.busy) == (0, 0)


def test_chunk_that_nobody_acknowledged_was_in_vain(meter):
    """Whatever ends it: only a stored etag makes its bytes count."""
    with contextlib.suppress(CloudUnreachable), meter.began(ONE) as sent:
        sent.note(700)
        raise CloudUnreachable("reset")
    with meter.began(ONE) as sent:
        sent.note(300)
        sent.acknowledged()
        # an error after the acknowledgement changes nothing
        sent.failed()

    seen = meter.traffic()[ONE.id]
    assert (seen.acknowledged, seen.in_flight, seen.toll.resent) == (300, 0, 700)


def test_chunk_without_bytes_is_acknowledged_all_the_same(meter):
    """An empty file is one chunk."""
    with meter.began(ONE) as sent:
        sent.acknowledged()
    metrics = Metrics()
    meter.report(metrics)

    assert metrics.value("chunks_acknowledged", hot_folder="out") == 1
    assert meter.flow().busy == 0


def test_toll_is_owed_until_it_was_stored(meter):
    """A write that fails leaves it for the next one; what comes meanwhile is not lost."""
    with meter.began(ONE) as sent:
        sent.note(500)
    meter.retried(ONE, "send_chunk", CloudThrottled("slow down"))
    with contextlib.suppress(StoreFull), meter.owed(ONE.id):
        raise StoreFull("the disk is full")
    with meter.owed(ONE.id) as toll, meter.began(ONE) as sent:
        sent.note(30)

    assert toll == Toll(resent=500, retries=1, reason=str(CloudThrottled("slow down")))
    assert meter.traffic()[ONE.id].toll == Toll(resent=30)
    with meter.owed("unheard of") as nothing:
        assert nothing == NO_TOLL


def test_reason_of_a_retry_holds_no_secret(meter):
    """It goes to the API as it stands here, before any row is written."""
    meter.retried(
        ONE, "send_chunk", CloudUnreachable("https://x/?X-Amz-Signature=0123very-secret4567")
    )

    assert "very-secret" not in meter.traffic()[ONE.id].toll.reason
    assert "very-secret" not in meter.flow().reason
    assert "https://x/" in meter.flow().reason


def test_meter_forgets_uploads_that_are_not_in_hand(meter):
    """Ten thousand uploads a day leave nothing behind; what is still out of one counts for all."""
    sent = meter.began(ONE)
    sent.note(100)
    meter.began(TWO)

    meter.keep({TWO.id})
    sent.note(50)

    assert set(meter.traffic()) == {TWO.id}
    assert meter.flow().in_flight == 150
    sent.acknowledged()
    assert (meter.flow().in_flight, meter.flow().acknowledged) == (0, 150)


def test_meter_tells_the_rate_of_each_upload_and_of_all(meter, clock):
    """Bytes that left by seconds; an upload that stands still falls to nothing."""
    one, two = meter.began(ONE), meter.began(TWO)
    for _ in range(120):
        clock.advance(0.1)
        one.note(2_000_000)
        two.note(1_000_000)
    traffic = meter.traffic()

    assert traffic[ONE.id].rate == pytest.approx(20_000_000, rel=0.02)
    assert traffic[TWO.id].rate == pytest.approx(10_000_000, rel=0.02)
    assert meter.flow().rate == pytest.approx(30_000_000, rel=0.02)
    assert meter.flow().busy == 2
    clock.advance(11)
    assert (meter.traffic()[ONE.id].rate, meter.flow().rate) == (0.0, 0.0)


def test_report_brings_counters_up_to_date_and_counts_nothing_twice(meter):
    """However often somebody reads them; by hot folder, the callers' ones under none."""
    metrics = Metrics()
    with meter.began(ONE) as sent:
        sent.note(100)
        sent.acknowledged()
    with meter.began(TWO) as lost:
        lost.note(40)
    meter.retried(ONE, "send_chunk", CloudThrottled("slow down"))
    meter.file_closed(ONE)
    running = meter.began(ONE)
    running.note(7)
    for _ in range(2):
        meter.report(metrics)

    assert metrics.value("sent_bytes", hot_folder="out") == 107
    assert metrics.value("acknowledged_bytes", hot_folder="out") == 100
    assert metrics.value("resent_bytes", hot_folder="") == 40
    assert metrics.value("files_closed", hot_folder="out") == 1
    assert metrics.value("retries", step="send_chunk", code=1202) == 1
    assert metrics.value("in_flight_bytes") == 7
    assert metrics.value("connections_busy") == 1
    running.failed()
    meter.report(metrics)
    assert metrics.value("resent_bytes", hot_folder="out") == 7
    assert metrics.value("sent_bytes", hot_folder="out") == 107


def test_report_prints_help_for_every_number(meter):
    """Who looks at the page finds what each line means."""
    with meter.began(ONE) as sent:
        sent.acknowledged()
    meter.retried(ONE, "send_chunk", CloudThrottled("slow down"))
    metrics = Metrics()
    meter.report(metrics)
    text = metrics.text()

    named = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(named) == 9
    assert [name for name in named if f"# HELP {name} " not in text] == []
    assert {name.removeprefix("masv_watch_").removesuffix("_total") for name in named} <= set(HELP)
