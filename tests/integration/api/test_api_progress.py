"""What the API tells of the way: in flight, rate, time left, sent again, retries and why."""

from __future__ import annotations

import pytest

from masv_watch.model import (
    Chunk,
    Flow,
    Toll,
    Traffic,
    UploadEvent,
)
from tests.integration.store.making import (
    claim,
    create,
    file_draft,
    must,
    open_package,
)

UPLOADS, STATS = "/api/v1/uploads", "/api/v1/stats"
REST = ("bytes_in_flight", "bytes_resent", "rate_bytes_per_s", "eta_s", "retries")
NOTHING = {
    "bytes_in_flight": 0,
    "bytes_resent": 0,
    "rate_bytes_per_s": 0,
    "eta_s": None,
    "retries": {"count": 0, "last_reason": ""},
}


def sending(store, size=1000, sent=400):
    """Give a claimed upload of one file, of which so many bytes are acknowledged."""
    files = [file_draft(b"a.mov", size)]
    upload = claim(store, create(store, b"a.mov", files=files)[0])
    open_package(store, upload)
    (file,) = store.files(upload.id)
    store.note_files_asked(upload.id, upload.fence, [file.id])
    store.note_file_opened(file, upload.fence, cloud_id="c", multipart_id="m", chunk_size=sent)
    chunk = Chunk(number=1, size=sent, etag="e", hash="h")
    store.note_etag(store.files(upload.id)[0], upload.fence, chunk, last=False)
    return must(store.upload(upload.id))


def told(caller, upload_id):
    """Give what the list says of the way of an upload; details and single answers say the same."""
    (listed,) = [one for one in caller.call(UPLOADS).tree if one["upload_id"] == upload_id]
    shown = caller.call(f"{UPLOADS}/{upload_id}").tree
    assert {key: shown[key] for key in REST} == {key: listed[key] for key in REST}
    return {key: listed[key] for key in REST}


def test_upload_that_nobody_sends_has_nothing_on_its_way(caller):
    """Zeros and null, never a key that is missing."""
    upload_id, _ = create(caller.store, b"a.mov")

    assert told(caller, upload_id) == NOTHING


def test_upload_on_its_way_tells_what_left_and_when_the_rest_has(caller):
    """600 bytes are missing, 200 of them have left: 400 more at 150 a second."""
    upload = sending(caller.store)
    caller.traffic = {upload.id: Traffic(in_flight=200, rate=149.6)}

    assert told(caller, upload.id) == NOTHING | {
        "bytes_in_flight": 200, "rate_bytes_per_s": 150, "eta_s": 3,
    }  # fmt: skip


def test_chunk_that_was_stored_a_moment_ago_is_not_counted_twice(caller):
    """What is acknowledged and in flight is never more than there is."""
    upload = sending(caller.store, size=500, sent=400)
    caller.traffic = {upload.id: Traffic(in_flight=400, rate=10.0)}

    found = told(caller, upload.id)
    assert (found["bytes_in_flight"], found["eta_s"]) == (100, 0)


@pytest.mark.parametrize("event", [UploadEvent.PAUSE, UploadEvent.FAIL])
def test_upload_that_is_not_sending_has_no_time_left(caller, event):
    """A number that does not fall is none."""
    upload = sending(caller.store)
    caller.traffic = {upload.id: Traffic(in_flight=0, rate=150.0)}
    caller.store.advance_upload(upload.id, event)

    assert told(caller, upload.id)["eta_s"] is None


def test_upload_that_waits_or_stands_still_has_no_time_left(caller):
    """Neither one whose key is refused nor one whose link is down."""
    upload = sending(caller.store)
    caller.traffic = {upload.id: Traffic(in_flight=100, rate=0.0)}
    still = told(caller, upload.id)
    caller.traffic = {upload.id: Traffic(in_flight=100, rate=150.0)}
    caller.auth_until = caller.store.now() + 60
    waiting = told(caller, upload.id)

    assert (still["eta_s"], still["rate_bytes_per_s"]) == (None, 0)
    assert waiting["eta_s"] is None


def test_cost_of_failures_is_the_rows_and_what_is_not_stored_yet(caller):
    """One sum for people, wherever its bytes stand; the newest reason counts."""
    upload = sending(caller.store)
    caller.store.let_go(upload.id, upload.fence, toll=Toll(resent=100, retries=1, reason="a reset"))
    stored = told(caller, upload.id)
    caller.traffic = {upload.id: Traffic(toll=Toll(resent=20, retries=2, reason="a 503"))}
    both = told(caller, upload.id)

    assert stored["bytes_resent"] == 100
    assert stored["retries"] == {"count": 1, "last_reason": "a reset"}
    assert both["bytes_resent"] == 120
    assert both["retries"] == {"count": 3, "last_reason": "a 503"}


def test_file_that_waits_says_how_often_it_failed_and_when_it_is_tried(caller):
    """Attempts, the next try, and why."""
    upload = sending(caller.store)
    (file,) = caller.store.files(upload.id)
    at = caller.store.now() + 30
    caller.store.note_file_retry(
        file, upload.fence, attempts=2, retry_at=at, error="the storage broke off"
    )
    (waits,) = caller.call(f"{UPLOADS}/{upload.id}").tree["files"]
    caller.store.hurry()
    (goes_on,) = caller.call(f"{UPLOADS}/{upload.id}").tree["files"]

    assert (waits["state"], waits["attempts"], waits["reason"]) == (
        "retrying", 2, "the storage broke off",
    )  # fmt: skip
    assert waits["next_try"].startswith("20")
    assert (goes_on["next_try"], goes_on["attempts"]) == (None, 2)


def test_stats_tell_how_the_sending_of_all_goes(caller):
    """The rate of all, and the time for all that is to be sent, waiting ones too."""
    idle = caller.call(STATS).tree
    sending(caller.store, size=1000, sent=400)
    create(caller.store, b"waits", files=[file_draft(b"waits", 900)])
    caller.flow = Flow(
        acknowledged=4000, in_flight=200, resent=50, retries=3, reason="a 503", rate=100.4, busy=2
    )

    assert idle == NOTHING | {
        "since": idle["since"], "bytes_acknowledged": 0, "bytes_left": 0, "connections_busy": 0,
    }  # fmt: skip
    assert caller.call(STATS).tree == {
        "since": idle["since"],
        "bytes_acknowledged": 4000,
        "bytes_in_flight": 200,
        "bytes_resent": 50,
        "bytes_left": 1500,
        "rate_bytes_per_s": 100,
        "eta_s": 13,
        "connections_busy": 2,
        "retries": {"count": 3, "last_reason": "a 503"},
    }


def test_description_names_the_units_of_what_is_on_its_way(caller):
    """A client need not guess whether bits or bytes are meant."""
    shapes = caller.call("/api/v1/openapi.json").tree["components"]["schemas"]
    upload, stats, file = (shapes[name] for name in ("UploadBody", "StatsBody", "FileBody"))

    for shape in (upload, stats):
        assert {"rate_bytes_per_s", "eta_s", "bytes_in_flight", "retries"} <= set(shape["required"])
        assert "seconds" in shape["description"]
        assert "bytes" in shape["description"]
    assert file["properties"]["next_try"]["anyOf"][0] == {"type": "string", "format": "date-time"}
