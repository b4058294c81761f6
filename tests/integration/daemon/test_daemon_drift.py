"""A daemon whose hot folder lies on a share that makes something up at every look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from masv_watch import files
from masv_watch.config.load import load
from masv_watch.daemon import Daemon
from masv_watch.watch.drift import LEAST_S, STEPS
from tests.integration.daemon.field import Field


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    """Give a sandbox and a configuration; the daemon is built in this process."""
    made = Field(tmp_path, {"share": ""})
    yield made
    made.close()


def test_callers_changed_file_is_looked_at_without_what_its_share_does_not_keep(field: Field):
    """Else no quiet time would ever end for it."""
    film = field.top / "film.mov"
    film.write_bytes(b"abc")
    path = os.fsencode(film)[1:]
    with files.Root.open(b"/") as root:
        seen = root.identify(path)
    daemon = Daemon(load(str(field.config), environ={}), path=str(field.config), environ={})
    (watched,) = daemon._roster._all()
    for number in range(STEPS + 1):
        marker = replace(seen, ctime_ns=number)
        watched.intake.gate._drift.note(marker, number * LEAST_S)
    looked_at = daemon._departure._settling._look(path, None)
    daemon.store.close()

    assert looked_at == files.without(seen, frozenset({"ctime_ns"}))
