"""One engine after the other under the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch.store.contract import Store
from tests.doubles import FakeClock
from tests.integration.store.benches import Bench, SqliteBench


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that only the test moves."""
    return FakeClock()


@pytest.fixture(params=["sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    """Give an engine; the suite runs once for each."""
    benches = {"sqlite": SqliteBench}
    bench = benches[request.param](tmp_path / "state", clock)
    yield bench
    bench.close()


@pytest.fixture
def store(bench: Bench) -> Store:
    """Give an empty store."""
    return bench.open()


@pytest.fixture
def sqlite_bench(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteBench]:
    """Give SQLite, for what only its engine promises."""
    bench = SqliteBench(tmp_path / "state", clock)
    yield bench
    bench.close()
