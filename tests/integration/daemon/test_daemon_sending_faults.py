"""A cloud that fails, through the real daemon to the real sandbox: refusals, resets, lies."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.integration.daemon.dispatch import (
    CALLS,
    CHUNK,
    PORTAL,
    Dispatch,
    card,
    digests,
    expected,
    let_pass,
    running,
)
from tests.waiting import eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dispatch]:
    """Give a ready daemon that compares MD5 with every ETag."""
    with running(
        tmp_path_factory.mktemp("faults"),
        folders={"portal": PORTAL},
        transfer="connections: 4, chunk_size: 5 MiB, verify: strict",
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def _healed(world: Dispatch) -> Iterator[None]:
    yield
    world.sandbox.heal()


@pytest.mark.fault(52)
@pytest.mark.fault(55)
@pytest.mark.fault(56)
@pytest.mark.fault(61)
def test_drop_of_sixty_files_is_complete_though_a_third_of_all_calls_fails(world: Dispatch):
    """Refusals, resets, captive portals and cut answers at random cost time and nothing else."""
    rng = random.Random(30)
    files = {f"f{number:02}.bin": rng.randbytes(rng.randrange(50_000)) for number in range(59)}
    files["big.mov"] = rng.randbytes(4 * CHUNK + 3)
    kinds = [
        ("status", {"status": 500}), ("status", {"status": 502}), ("status", {"status": 503}),
        ("reset", {}), ("html", {}), ("html", {"status": 502}), ("truncate", {}),
        ("status", {"status": 429, "headers": {"Retry-After": "0"}}),
    ]  # fmt: skip
    # one request in about three, spread over the first 300: each fires once after its own skip
    for place in sorted(rng.sample(range(300), 90)):
        name, rest = rng.choice(kinds)
        world.sandbox.fault(name, r"[A-Z]* ?/(v1|v1\.1|storage)/", skip=place, **rest)
    world.drop("third", files)
    (package,) = world.until_delivered("third", within=60, impatient=True)

    assert digests(package) == expected("third", files)
    assert len(package["files"]) == 60
    fired = sum(fault["fired"] for fault in world.sandbox.witness("faults"))
    assert fired > 50


@pytest.mark.fault(55)
def test_retry_after_is_a_pause_for_all(world: Dispatch):
    """A cloud that asks to slow down is left alone so long, by every worker."""
    world.sandbox.fault(
        "status", CALLS["file create"], status=429, headers={"Retry-After": "6"}, times=1
    )
    world.drop("slow", {f"f{number}": b"x" * 100 for number in range(40)})
    (package,) = world.until_delivered("slow")

    calls = [each for each in world.sandbox.witness("requests") if each["package"] == package["id"]]
    assert sum(each["status"] == 429 for each in calls) == 1
    times = sorted(_seconds(each["at"]) for each in calls)
    pauses = [later - at for at, later in pairwise(times)]
    behind = times[pauses.index(max(pauses)) + 1 :]
    assert max(pauses) > 3.0
    # what was out already may end, and the cloud may list it late; all else waits
    assert len(behind) > len(times) / 2
    assert len(package["files"]) == 40


def _seconds(at: str) -> float:
    hours, minutes, seconds = at[11:-1].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@pytest.mark.fault(60)
@pytest.mark.parametrize(
    ("name", "fault", "rest"),
    [("lying.mov", "corrupt_etag", {}), ("silent.mov", "status", {"status": 200, "body": ""})],
)
def test_etag_that_is_wrong_or_missing_for_ever_ends_in_an_error_after_few_tries(
    world: Dispatch, name: str, fault: str, rest: dict[str, object]
):
    """With `verify: strict` neither another MD5 nor silence counts; after five tries it ends."""
    world.sandbox.fault(fault, "PUT /storage/", times=None, **rest)
    world.drop(name, b"truth" * 1000)
    failed = _impatiently(world, lambda: world.until_state(name, "error", within=40))

    package = world.package(name)
    puts = world.requests("chunk PUT", package=package["id"])
    assert package["state"] == "new"
    assert package["finalize_calls"] == 0
    assert len(puts) == 5
    assert failed["error"]["code"] == 1204
    assert "resume" in failed["error"]["cure"]
    world.sandbox.heal()
    assert world.command("resume", failed["upload_id"]).returncode == 0
    (package,) = world.until_delivered(name)
    assert digests(package) == expected(name, b"truth" * 1000)


def _impatiently(world: Dispatch, condition: Callable[[], Any]) -> Any:
    """Reload again and again while a condition is waited for, so that no back-off is."""
    done = threading.Event()

    def hurry() -> None:
        while not done.wait(1.0):
            world.reload()

    thread = threading.Thread(target=hurry)
    thread.start()
    try:
        return condition()
    finally:
        done.set()
        thread.join()


@pytest.mark.fault(60)
def test_etag_that_lies_once_costs_one_chunk(world: Dispatch):
    """A single wrong acknowledgement is found and the chunk goes again."""
    world.sandbox.fault("corrupt_etag", "PUT /storage/", part=2)
    content = os.urandom(3 * CHUNK)
    world.drop("once.mov", content)
    (package,) = world.until_delivered("once.mov", impatient=True)

    assert digests(package) == expected("once.mov", content)
    file = package["files"][0]["id"]
    counts = {number: count for (owner, number), count in world.puts().items() if owner == file}
    assert counts == {1: 1, 2: 2, 3: 1}


class _Trap:
    """A listener that notes whatever reaches it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self.caught: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.caught.append(connection.recv(65536))
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.mark.fault(64)
def test_redirect_is_not_followed_and_no_secret_leaves(world: Dispatch):
    """Another host never sees a call, let alone the key, a token or a source's bytes."""
    trap = _Trap()
    for call in CALLS.values():
        for status in (301, 307):
            world.sandbox.fault("redirect", call, location=trap.url, status=status, times=1)
    world.drop("astray", card(9))
    (package,) = world.until_delivered("astray", within=60, impatient=True)
    trap.close()

    assert trap.caught == []
    assert digests(package) == expected("astray", card(9))
    assert "sandbox-key" not in world.daemon.text()


def test_package_token_refused_for_ever_is_no_storm(world: Dispatch):
    """A token that is refused though it is fresh is tried again with a back-off, not at once."""
    world.sandbox.fault("status", CALLS["file create"], status=401, times=None)
    world.drop("refused", {f"f{number}": b"x" for number in range(8)})
    eventually(lambda: world.upload("refused")["package_id"])
    package_id = world.upload("refused")["package_id"]
    eventually(lambda: world.requests("file create", package=package_id))
    before = len(world.sandbox.witness("requests"))
    let_pass(3.0)
    asked = len(world.sandbox.witness("requests")) - before
    world.sandbox.heal()
    world.until_delivered("refused", impatient=True)

    assert asked < 60


def test_package_token_that_expires_is_renewed_for_the_team_and_named_for_a_portal(
    tmp_path: Path,
):
    """A team's token is read afresh; a portal's cannot be, which the error says with its cure."""
    world = Dispatch(
        tmp_path, folders={"portal": PORTAL}, flags=("--token-lifetime", "6"),
        transfer="connections: 2, chunk_size: 5 MiB",
    )  # fmt: skip
    try:
        world.daemon.start().until_ready()
        world.sandbox.fault("stall", "PUT /storage/", seconds=3.0, times=None)
        content = os.urandom(6 * CHUNK)
        world.drop("team.mov", content)
        world.drop("portal.mov", content, folder="portal")
        (package,) = world.until_delivered("team.mov", within=60)
        failed = world.until_state("portal.mov", "error", within=60)
    finally:
        world.close()

    assert digests(package) == expected("team.mov", content)
    assert package["finalize_calls"] == 1
    assert failed["error"]["message"] == (
        "the portal's package token has expired and cannot be renewed"
        " - drop the files once more under another name"
    )
