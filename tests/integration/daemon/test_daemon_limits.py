"""Limits of bandwidth in the whole program, measured at the receiver's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.daemon.dispatch import MIB
from tests.integration.daemon.throttled import SLOW, WHERE, Throttled, throttled
from tests.processes import ask
from tests.waiting import at_best, eventually

KIB = 1024
#: seconds over which a limit is exact, and how exact
SPAN_S, EXACT = 10.0, 0.05


@pytest.mark.serial
@pytest.mark.parametrize("verify", ["size", pytest.param("fast", marks=pytest.mark.long)])
@at_best
def test_limit_of_large_files_is_exact_within_5_percent_over_10_seconds(tmp_path: Path, verify):
    """Poured block by block, or sent by the kernel: what arrives is what the limit says."""
    transfer = f"connections: 8, chunk_size: 5 MiB, verify: {verify}"
    with throttled(tmp_path, bandwidth="8 Mbit/s", transfer=transfer) as world:
        world.drop_hollow("big.mov", 400 * MIB)
        world.until_flowing()
        rate = world.gauge.rate(SPAN_S)

    print(f"{rate * 8 / 1e6:.3f} Mbit/s of 8")
    assert rate == pytest.approx(SLOW, rel=EXACT)


@pytest.mark.serial
@pytest.mark.long
def test_limit_of_small_files_is_exact_within_5_percent_over_10_seconds(tmp_path: Path):
    """Each goes in one go by a worker of its own: together they keep the limit all the same."""
    with throttled(tmp_path, bandwidth="16 Mbit/s") as world:
        world.drop("card", {f"f{number}": bytes(250 * KIB) for number in range(200)})
        world.until_flowing()
        rate = world.gauge.rate(SPAN_S)

    print(f"{rate * 8 / 1e6:.3f} Mbit/s of 16")
    # what is asked and answered about each file, 1 to 2 %, is no byte of it
    assert rate == pytest.approx(2 * SLOW, rel=EXACT)


@pytest.mark.serial
@at_best
def test_limit_that_the_api_changes_holds_within_a_second_for_what_is_on_its_way(tmp_path: Path):
    """Up, down and off, without a restart and without a chunk that begins anew (pain 45)."""
    with throttled(tmp_path, bandwidth="8 Mbit/s", transfer="connections: 4") as world:
        world.drop_hollow("big.mov", 8000 * MIB)
        world.until_flowing()
        before = world.gauge.rate(2)
        world.limit(10 * SLOW)
        world.gauge.rate(1)
        raised = world.gauge.rate(2)
        tree = world.limit(None)
        free = world.gauge.rate(1)
        world.limit(2 * SLOW)
        world.gauge.rate(1)
        # the kernel's buffers are empty again
        world.gauge.rate(2)
        lowered = world.gauge.rate(3)
        status, back = ask(world.daemon.api, WHERE, "DELETE")
        world.gauge.rate(1)
        configured = world.gauge.rate(3)
        attempts = set(world.puts().values())

    assert before == pytest.approx(SLOW, rel=0.1)
    assert raised == pytest.approx(10 * SLOW, rel=0.1)
    assert (tree["source"], tree["now"]["rate_limit_bps"]) == ("api", None)
    assert free > 20 * SLOW
    assert lowered == pytest.approx(2 * SLOW, rel=0.1)
    assert (status, back["source"], back["now"]["rate_limit_bps"]) == (200, "config", 8 * SLOW)
    assert configured == pytest.approx(SLOW, rel=0.15)
    assert attempts <= {1}


@pytest.mark.serial
@pytest.mark.long
def test_limit_that_a_reload_changes_holds_for_what_is_on_its_way(tmp_path: Path):
    """SIGHUP: the new limit counts at once, and the hot folder goes on undisturbed."""
    with throttled(tmp_path, bandwidth="8 Mbit/s") as world:
        world.drop_hollow("big.mov", 2000 * MIB)
        world.until_flowing()
        upload = world.upload("big.mov")["upload_id"]
        world.bandwidth = "{rules: [{limit: 40 Mbit/s}]}"
        world.configure(out="to: {recipients: []}, priority: 7")
        world.reload()
        eventually(lambda: world.metric("limit_bytes_per_second") == 5 * SLOW)
        world.gauge.rate(1)
        rate = world.gauge.rate(4)
        again = world.upload("big.mov")
        sweeps = world.lines("hot folder", "again")

    assert rate == pytest.approx(5 * SLOW, rel=0.1)
    assert (again["upload_id"], again["priority"]) == (upload, 7)
    assert sweeps == []


def test_limit_that_was_posted_outlives_reload_and_restart(tmp_path: Path):
    """One rule: what was posted counts until it is posted anew or deleted."""
    with throttled(tmp_path, bandwidth="8 Mbit/s") as world:
        world.limit(3 * SLOW)
        world.reload()
        eventually(lambda: world.lines("goes on instead of `bandwidth`"), within=10)
        reloaded = world.metric("limit_bytes_per_second")
        world.daemon.kill()
        world.daemon.start().until_ready()
        restarted = world.metric("limit_bytes_per_second")
        said = world.command("limit").stdout
        world.command("limit", "config")
        handed_back = world.metric("limit_bytes_per_second")

    assert (reloaded, restarted, handed_back) == (3 * SLOW, 3 * SLOW, SLOW)
    assert said == "all uploads: at most 24 Mbit/s, as set by `masv-watch limit` or the API\n"


@pytest.mark.serial
@pytest.mark.long
def test_limit_of_a_hot_folder_holds_beside_the_one_for_all(tmp_path: Path):
    """The slow one keeps to its own, the other has the rest, together they are exact."""
    folders = {"slow": "to: {recipients: []}, bandwidth: 4 Mbit/s"}
    with throttled(tmp_path, bandwidth="16 Mbit/s", folders=folders) as world:
        small = {f"f{number}": bytes(125_000) for number in range(100)}
        world.drop("slow", small, folder="slow")
        world.drop_hollow("big.mov", 2000 * MIB)
        world.until_flowing()
        eventually(lambda: _bytes_of(world, "slow") > 0 and world.upload("big.mov"), within=15)
        first, total = _bytes_of(world, "slow"), world.gauge.rate(SPAN_S)
        slow = (_bytes_of(world, "slow") - first) / SPAN_S
        waited = [world.metric("limit_wait_seconds_total", f'{{hot_folder="{name}"}}')
                  for name in ("slow", "out")]  # fmt: skip

    print(f"{slow * 8 / 1e6:.2f} Mbit/s of 4, {total * 8 / 1e6:.2f} of 16")
    # counted by whole files of an eighth of a second's worth each
    assert slow == pytest.approx(SLOW / 2, rel=EXACT, abs=125_000 / SPAN_S)
    assert total == pytest.approx(2 * SLOW, rel=EXACT)
    assert all(waited)


def _bytes_of(world: Throttled, name: str) -> int:
    """Count the bytes of files that the storage has of a package."""
    (package,) = world.packages(name) or [None]
    if package is None:
        return 0
    done = {file["id"] for file in package["files"] if file["completed"]}
    return 125_000 * len(done)


def test_pause_during_a_wait_for_the_limit_stops_within_2_seconds(tmp_path: Path):
    """At 64 kbit/s a block waits long: nobody waits with it, and nothing more is sent."""
    with throttled(tmp_path, bandwidth="64 kbit/s") as world:
        world.drop_hollow("big.mov", 50 * MIB)
        eventually(lambda: world.metric("storage_answers_total") or world.in_hand() == 1)
        world.gauge.rate(2)
        upload = world.upload("big.mov")["upload_id"]
        status, paused = ask(world.daemon.api, f"/api/v1/uploads/{upload}/pause", "POST", {})
        eventually(lambda: world.in_hand() == 0, within=2)
        after = world.gauge.rate(2)

    assert (status, paused["state"]) == (200, "paused")
    assert after == 0


@pytest.mark.serial
@pytest.mark.long
def test_sigterm_during_a_wait_for_the_limit_ends_in_time(tmp_path: Path):
    """The grace of a stop is not eaten by blocks that wait."""
    with throttled(tmp_path, bandwidth="64 kbit/s") as world:
        world.drop_hollow("big.mov", 50 * MIB)
        eventually(lambda: world.in_hand() == 1, within=20)
        world.gauge.rate(1)

        assert world.daemon.stop(within=20) == 0


@pytest.mark.serial
@pytest.mark.fault(28)
@pytest.mark.parametrize("size", [6 * MIB, pytest.param(MIB, marks=pytest.mark.long)])
@at_best
def test_small_upload_is_done_beside_one_of_two_terabytes(tmp_path: Path, size: int):
    """No starvation: at a limit that lets the large one take weeks the small one takes seconds.

    One chunk of the large one alone takes minutes, so it waits for none of them to end.
    """
    transfer = "connections: 4, chunk_size: 5 MiB"
    with throttled(tmp_path, bandwidth="40 Mbit/s", transfer=transfer) as world:
        world.drop_hollow("tape.tar", 2 * 10**12)
        world.until_flowing()
        world.gauge.rate(1)
        world.drop("note.txt", bytes(size))
        note = world.until_state("note.txt", "complete", within=40)
        # a file that went in one call is paid for while the others wait
        world.gauge.rate(1)
        rate = world.gauge.rate(5)
        tape = world.upload("tape.tar")

    assert note["size"] == size
    assert (tape["state"], tape["progress"]) == ("transferring", 0)
    assert rate == pytest.approx(5 * SLOW, rel=0.1)


@pytest.mark.serial
@pytest.mark.long
def test_upload_of_higher_priority_takes_the_only_place(tmp_path: Path):
    """Higher finishes first: the lower one yields between two chunks and goes on afterwards."""
    folders = {"urgent": "to: {recipients: []}, priority: 5"}
    with throttled(
        tmp_path, bandwidth="80 Mbit/s", folders=folders,
        transfer="connections: 4, chunk_size: 5 MiB, active_uploads: 1",
    ) as world:  # fmt: skip
        world.drop_hollow("big.mov", 300 * MIB)
        world.until_flowing()
        world.drop("urgent.mov", bytes(20 * MIB), folder="urgent")
        urgent = world.until_state("urgent.mov", "complete", within=30)
        big = world.upload("big.mov")
        world.limit(None)
        world.until_delivered("big.mov", within=60)
        attempts = set(world.puts().values())

    assert urgent["priority"] == 5
    assert big["state"] == "transferring"
    assert 0 < big["progress"] < big["size"]
    # nothing that was sent before it yielded is sent again
    assert attempts == {1}


@pytest.mark.serial
@pytest.mark.long
@pytest.mark.parametrize("connections", [1, 8, 64])
@pytest.mark.parametrize("mbit", [2, 80, 400])
def test_limit_is_exact_whatever_the_number_of_connections(tmp_path: Path, connections, mbit):
    """Six windows of 10 s, each within 5 %."""
    transfer = f"connections: {connections}, chunk_size: 100 MiB"
    with throttled(tmp_path, bandwidth=f"{mbit} Mbit/s", transfer=transfer) as world:
        world.drop_hollow("big.mov", 10_000 * MIB)
        world.until_flowing()
        world.gauge.rate(2)
        rates = [world.gauge.rate(SPAN_S) for _ in range(6)]

    print(f"{connections} connections:", [f"{rate * 8 / 1e6:.3f}" for rate in rates], "of", mbit)
    assert rates == pytest.approx([mbit * 125_000] * 6, rel=EXACT)


@pytest.mark.serial
@pytest.mark.long
def test_limit_below_the_least_rate_of_a_link_fails_no_chunk(tmp_path: Path):
    """Ours is not the link's slowness: a chunk that takes minutes by the limit is not given up."""
    with throttled(tmp_path, bandwidth="256 kbit/s", transfer="connections: 1") as world:
        world.drop_hollow("big.mov", 6 * MIB)
        done = world.until_state("big.mov", "complete", within=260)
        retries = world.lines("tried again")

    assert done["progress"] == 6 * MIB
    assert retries == []
