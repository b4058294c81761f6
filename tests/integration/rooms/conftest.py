"""The rooms that the tests of this folder begin in, over one sandbox for each module."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from masv_watch import files
from tests.integration.rooms.delivered import World
from tests.integration.rooms.sent import Room
from tests.integration.rooms.signing import Desk
from tests.integration.rooms.watched import Room as WatchedRoom
from tests.processes import Sandbox


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give one sandbox for all tests of a module."""
    made = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield made
    made.end()


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """Give the module's sandbox without the faults of an earlier test."""
    yield shared_sandbox
    shared_sandbox.heal()


@pytest.fixture
def _asked_of_the_kernel() -> Iterator[None]:
    """Let the kernel be asked for writers, as the daemon does."""
    before = signal.getsignal(signal.SIGIO)
    files.prepare()
    yield
    signal.signal(signal.SIGIO, before)


@pytest.fixture
def room(tmp_path: Path, sandbox: Sandbox) -> Iterator[Room]:
    """Give a sender's room that is not built yet."""
    made = Room(tmp_path, sandbox)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path, sandbox: Sandbox) -> Iterator[World]:
    """Give an outbox's world with nothing delivered yet."""
    made = World(tmp_path, sandbox)
    yield made
    made.close()


@pytest.fixture
def desk(sandbox: Sandbox) -> Iterator[Desk]:
    """Give a place to sign in at."""
    made = Desk(sandbox)
    yield made
    made.http.close()


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[..., WatchedRoom]]:
    """Give the way to a room over `tmp_path/hot`, which is there unless a test says otherwise."""
    rooms: list[WatchedRoom] = []

    def make(*, there: bool = True, **settings: Any) -> WatchedRoom:
        if there:
            (tmp_path / "hot").mkdir(exist_ok=True)
        rooms.append(WatchedRoom(tmp_path, **settings))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


@pytest.fixture
def make_met_room(make_room: Callable[..., WatchedRoom]) -> Callable[..., WatchedRoom]:
    """Give the way to a room whose hot folder was met before."""

    def make(**settings: Any) -> WatchedRoom:
        room = make_room(**settings)
        room.store.adopt("hot", os.fsencode(room.hot))
        return room

    return make
