"""`run --once` with a card of which something cannot be read: the rest is sent, and it ends."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.config.load import load
from masv_watch.daemon import Daemon
from tests.integration.daemon.field import Field, write_tree


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """Give a sandbox and a configuration; the daemon runs in this process."""
    caught = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in caught}
    thresholds = gc.get_threshold()
    made = Field(tmp_path, {"cards": "drop: folder"})
    yield made
    made.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_once_ends_with_one_when_a_card_that_began_cannot_be_read_to_its_end(
    field: Field, monkeypatch: pytest.MonkeyPatch
):
    """What settled is up, nothing is finalized, and the command does not wait for ever."""
    write_tree(field.top / "cards", {"CARD/a.mov": b"a", "CARD/secret.mov": b"b", "OTHER/c": b"c"})
    (field.top / "cards" / "CARD" / "secret.mov").chmod(0o600)
    # the tests may run as root, who may read everything
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    loaded = load(str(field.config), environ={})
    status = Daemon(loaded, path=str(field.config), environ={}).run_once()

    assert status == 1
    drops = {path: (state, hold) for path, state, hold in field.drops("cards")}
    assert drops == {b"CARD": ("taken", "unreadable"), b"OTHER": ("done", None)}
    packages = {package["name"]: package for package in field.sandbox.witness("packages")}
    assert [file["name"] for file in packages["CARD"]["files"] if file["completed"]] == ["a.mov"]
    assert packages["CARD"]["finalize_calls"] == 0
    assert packages["OTHER"]["finalize_calls"] == 1
