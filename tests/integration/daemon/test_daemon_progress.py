"""What a person sees of an upload on its way: API, commands and metrics of the real daemon."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.integration.daemon.dispatch import CHUNK, MIB, Dispatch, running
from tests.processes import ask
from tests.waiting import at_best, eventually

PUT = "PUT /storage/"
#: seconds that the slowed storage takes for each chunk, and the connections that send
TURN_S, CONNECTIONS = 0.5, 4
#: bytes a second that the slowed storage takes at most
LINK = CONNECTIONS * CHUNK / TURN_S
TRANSFER = f"connections: {CONNECTIONS}, chunk_size: 5 MiB"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Dispatch]:
    """Give a ready daemon with few connections."""
    with running(tmp_path, transfer=TRANSFER) as made:
        yield made


def slow_down(world: Dispatch, times: int | None = None) -> None:
    """Let each chunk take a while, for ever or so many times."""
    world.sandbox.fault("stall", PUT, seconds=TURN_S, when="before", times=times)


def metrics(world: Dispatch) -> dict[str, float]:
    """Give the numbers of the metrics page by their names with labels."""
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines:
        name = re.split(r"[{ ]", line)[0]
        assert f"# HELP {name} " in text, name
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def stats(world: Dispatch) -> dict[str, Any]:
    return ask(world.daemon.api, "/api/v1/stats")[1]


# whether a time left comes true is a question to a machine that does nothing else
@pytest.mark.serial
@at_best
def test_slowed_upload_shows_its_way_until_it_is_done(tmp_path: Path):
    """In flight, a rate that the link can carry, and a time left that falls and comes true."""
    seen: list[tuple[float, dict[str, Any], dict[str, Any]]] = []
    with running(tmp_path, transfer=TRANSFER) as world:
        slow_down(world)
        world.drop_hollow("take.mov", 320 * MIB)

        def done() -> bool:
            upload = world.upload("take.mov")
            seen.append((monotonic(), upload, stats(world)))
            return upload["state"] == "complete"

        eventually(done, within=60, every=0.1)
        after = stats(world)
    ended = seen[-1][0]
    known = [(at, upload) for at, upload, _ in seen if upload["eta_s"] is not None]
    steady = [(at, upload) for at, upload in known if at - known[0][0] > 2.0]

    assert len(steady) > 5
    for at, upload in steady:
        assert 0.4 * LINK < upload["rate_bytes_per_s"] < 1.5 * LINK
        # chunks are stored in steps, so that the end is known to within a turn or two
        assert abs(at + upload["eta_s"] - ended) < 2.0 + 0.5 * (ended - at)
    etas = [upload["eta_s"] for _, upload in known]
    assert etas[-1] <= 1 < etas[0]
    # a turn of the storage before its answer may round one way or the other
    assert all(later <= earlier + 2 for earlier, later in pairwise(etas))
    moving = [upload for _, upload, _ in seen if upload["bytes_in_flight"]]
    assert moving
    assert max(upload["bytes_in_flight"] for upload in moving) <= CONNECTIONS * CHUNK
    assert all(up["progress"] + up["bytes_in_flight"] <= up["size"] for _, up, _ in seen)
    busy = [one["connections_busy"] for _, _, one in seen]
    assert max(busy) == CONNECTIONS
    last = seen[-1][1]
    assert (last["progress"], last["bytes_in_flight"], last["eta_s"]) == (320 * MIB, 0, None)
    assert (after["bytes_acknowledged"], after["bytes_in_flight"]) == (320 * MIB, 0)
    assert (after["bytes_left"], after["bytes_resent"], after["connections_busy"]) == (0, 0, 0)


def test_stalled_upload_shows_no_rate_and_no_time_left(world: Dispatch):
    """What stands still is seen within ten seconds, with its bytes still in flight."""
    slow_down(world, times=24)
    world.sandbox.fault("stall", PUT, seconds=60, when="before", times=None)
    world.drop_hollow("take.mov", 300 * MIB)
    moves = eventually(lambda: world.upload("take.mov")["rate_bytes_per_s"], within=20)

    def stands() -> dict[str, Any]:
        upload = world.upload("take.mov")
        assert upload["state"] == "transferring"
        assert upload["bytes_in_flight"] > 0
        assert (upload["rate_bytes_per_s"], upload["eta_s"]) == (0, None)
        return upload

    assert moves > 0
    eventually(stands, within=25)
    assert stats(world)["connections_busy"] == CONNECTIONS
    eventually(lambda: stats(world)["rate_bytes_per_s"] == 0, within=5)
    (line,) = [line for line in world.command("status").stdout.splitlines() if "sending" in line]
    assert re.fullmatch(r"sending: \d+\.\d MB on its way over 4 connections", line)


@pytest.mark.fault(55)
def test_refused_chunks_are_told_with_reason_and_cost_everywhere(world: Dispatch):
    """API, commands, metrics and the storage's own record agree; a restart changes no sum."""
    world.sandbox.fault("status", PUT, status=503, times=3)
    slow_down(world)
    world.drop_hollow("take.mov", 120 * MIB)

    def told() -> dict[str, Any]:
        upload = world.upload("take.mov")
        assert upload["retries"]["count"] == 3
        assert upload["progress"] > 0
        return upload

    upload = eventually(told, within=30)
    refused = [put for put in world.requests("chunk PUT") if put["status"] == 503]
    shown = world.command("show", upload["upload_id"]).stdout
    page = metrics(world)

    assert upload["bytes_resent"] == sum(put["bytes"] for put in refused) == 3 * CHUNK
    assert "503" in upload["retries"]["last_reason"]
    assert "tried again 3 times, 15.7 MB sent again; last reason: " in shown
    assert "503" in shown
    assert page['masv_watch_retries_total{code="1202",step="send_chunk"}'] == 3
    assert page['masv_watch_resent_bytes_total{hot_folder="out"}'] == 3 * CHUNK
    # with the next thing that is written anyway
    eventually(lambda: world.rows("SELECT retries FROM uploads") == [(3,)], within=15, every=0.1)
    world.daemon.kill()
    world.daemon.start().until_ready()
    again = world.upload("take.mov")
    assert again["retries"] == upload["retries"]
    assert again["bytes_resent"] >= 3 * CHUNK
    world.sandbox.heal()
    world.until_delivered("take.mov", within=60)
    assert world.upload("take.mov")["retries"] == upload["retries"]
    # the sums of the process began anew with it
    assert stats(world)["retries"] == {"count": 0, "last_reason": ""}


@pytest.mark.fault(56)
def test_reset_in_the_middle_of_a_chunk_is_told_by_its_bytes(world: Dispatch):
    """No less than the storage had read of it, no more than the chunk."""
    world.sandbox.fault("reset", PUT, bytes=2 * MIB, times=2)
    world.drop_hollow("take.mov", 30 * MIB)
    world.until_delivered("take.mov", within=60)
    upload = world.upload("take.mov")
    lost = [put for put in world.requests("chunk PUT") if put["status"] is None]
    page = metrics(world)

    assert len(lost) == 2
    assert 2 * 2 * MIB <= upload["bytes_resent"] <= sum(put["bytes"] for put in lost)
    assert upload["retries"]["count"] == 2
    sent, acknowledged, resent = (
        page[f'masv_watch_{name}_bytes_total{{hot_folder="out"}}']
        for name in ("sent", "acknowledged", "resent")
    )
    assert sent == acknowledged + resent
    assert (acknowledged, resent) == (30 * MIB, upload["bytes_resent"])
    assert page['masv_watch_chunks_acknowledged_total{hot_folder="out"}'] == 6
    assert page['masv_watch_files_closed_total{hot_folder="out"}'] == 1
