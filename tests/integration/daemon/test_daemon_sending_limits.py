"""What the sending side may cost: memory, processor and calls of a refused key."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from time import monotonic

import pytest

from tests.integration.daemon.dispatch import (
    CHUNK,
    MIB,
    Dispatch,
    digests,
    expected,
    let_pass,
    running,
)
from tests.processes import ask
from tests.waiting import eventually

PORTAL = "to: {portal: vault, sender: dit@example.com, access_code: open-sesame}"


def _load_at_rest(world: Dispatch) -> float:
    """Wait until the daemon uses less than 5 % of a core over three seconds; give the share."""
    shares: list[float] = []

    def is_little() -> bool:
        shares.append(_load(world, 3.0))
        return shares[-1] < 0.05

    eventually(is_little)
    return shares[-1]


def _load(world: Dispatch, seconds: float) -> float:
    """Give the share of one core that the daemon uses over so many seconds."""
    before, began = world.cpu_s(), monotonic()
    let_pass(seconds)
    return (world.cpu_s() - before) / (monotonic() - began)


@pytest.mark.fault(28)
def test_half_a_gibibyte_in_large_chunks_and_thousands_of_files_keep_memory_flat(tmp_path: Path):
    """No chunk is held as bytes and no folder as a list of bodies: under 150 MiB at its peak.

    The large file is four times what the daemon may hold.
    """
    with running(
        tmp_path, transfer="connections: 8, chunk_size: 100 MiB", flags=("--discard",)
    ) as world:
        at_rest = world.peak_mib()
        world.drop("many", {f"d{n % 50}/f{n}": b"%d" % n for n in range(2000)})
        world.drop_hollow("huge.mov", 600 * MIB)
        huge, many = world.until_delivered("huge.mov", "many", within=300)
        peak = world.peak_mib()

    assert [file["size"] for file in huge["files"]] == [600 * MIB]
    assert len(many["files"]) == 2000
    assert {package["finalize_calls"] for package in (huge, many)} == {1}
    print(f"memory: {at_rest:.0f} MiB at rest, {peak:.0f} MiB at the peak")
    assert peak < 150


def test_daemon_that_is_idle_or_waits_for_a_dead_cloud_uses_hardly_any_processor(tmp_path: Path):
    """Waiting costs less than 5 % of a core, whether nothing is due or everything is."""
    with running(tmp_path) as world:
        # the first sweeps and imports are over once a drop went through
        world.drop("first.mov", b"first")
        world.until_delivered("first.mov")
        idle = _load_at_rest(world)
        world.sandbox.fault("status", "PUT /storage/", status=500, times=None)
        for number in range(6):
            world.drop(f"waiting{number}", {f"f{n}": b"x" * 100 for n in range(20)})
        eventually(lambda: len(world.daemon.uploads()) == 7, within=15, every=0.1)
        eventually(lambda: len(world.lines("a step failed")) > 60, within=15, every=0.1)
        world.sandbox.process.send_signal(signal.SIGKILL)
        world.sandbox.process.wait(60)
        # once the first, short back-offs are over
        down = _load_at_rest(world)
        assert world.daemon.answers("/readyz")

        print(f"processor: {idle:.1%} idle, {down:.1%} while the cloud is down")


@pytest.mark.fault(58)
def test_refused_key_is_one_alarm_and_no_storm_and_portals_go_on(tmp_path: Path):
    """A wrong key stops the team's calls, says until when, and goes on after a reload."""
    with running(tmp_path, folders={"portal": PORTAL}, key="wrong-key") as world:
        for number in range(6):
            world.drop(f"team{number}.mov", b"%d" % number)
        world.drop("portal.mov", b"portal", folder="portal")
        (portal,) = world.until_delivered("portal.mov")
        eventually(lambda: len(world.daemon.uploads()) == 7)
        let_pass(4.0)
        waiting = [each["waiting"] for each in world.daemon.uploads() if each["type"] == "team"]
        alarms = world.lines("ERROR")
        refused = [each for each in world.sandbox.witness("requests") if each["status"] == 401]
        ready = ask(world.daemon.api, "/readyz")[0]
        world.configure(key="sandbox-key")
        world.reload()
        packages = world.until_delivered(*(f"team{number}.mov" for number in range(6)))

        assert digests(portal) == expected("portal.mov", b"portal")
        assert {each["reason"] for each in waiting} == {"auth"}
        assert all(each["until"] for each in waiting)
        assert all("masv.api_key" in each["cure"] for each in waiting)
        assert len(alarms) == 1, alarms
        assert "wrong-key" not in world.daemon.text()
        assert len(refused) == 1, refused
        assert ready == 200
        assert {package["finalize_calls"] for package in packages} == {1}


@pytest.mark.fault(58)
def test_key_refused_midway_does_not_stop_packages_that_are_open(tmp_path: Path):
    """A revoked key stops what needs it; chunks go on by the package's own token."""
    with running(tmp_path) as world:
        world.sandbox.fault("stall", "PUT /storage/", seconds=0.7, times=None)
        content = os.urandom(8 * CHUNK)
        world.drop("open.mov", content)
        eventually(lambda: world.upload("open.mov")["progress"], within=20, every=0.05)
        world.sandbox.fault("status", "[A-Z]+ /v1/teams", status=401, times=None)
        world.sandbox.fault("status", "[A-Z]+ /v1.1/teams", status=401, times=None)
        (package,) = world.until_delivered("open.mov")

        assert digests(package) == expected("open.mov", content)
