"""What a diagnosis has of a crash that nobody saw."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch import logs
from masv_watch.inquiries import Inquirer
from masv_watch.loops import Bell, Loop, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import Masv, Settings

LATER = "learned-after-the-crash"


@pytest.fixture(autouse=True)
def own_root() -> Iterator[None]:
    """Take back everything that a set-up changes in the process."""
    root = logging.getLogger()
    before = (root.level, sys.excepthook, threading.excepthook)
    logs.set_up(stream=io.StringIO())
    yield
    level, sys.excepthook, threading.excepthook = before
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, logs.RootHandler)]
    logging.captureWarnings(capture=False)
    root.setLevel(level)


def test_diagnosis_after_a_loop_crashed_has_its_traceback_and_no_secret(tmp_path: Path) -> None:
    """The runbook sends who is called at night for it; what thousands of lines say hides none."""
    bell = Bell()

    def tick() -> float | None:
        loop.ask_to_stop()
        raise RuntimeError(f"the wheel is off, {LATER}")

    loop = Loop("carriage", tick, bell=bell, clock=SystemClock(), metrics=Metrics())
    loop.run()
    for number in range(2 * logs.RECENT_LINES):
        logging.getLogger("masv_watch.probe").info("delivered", extra={"number": number})
    logs.register_secrets(LATER)
    settings = Settings(masv=Masv(), state=str(tmp_path))
    inquirer = Inquirer(
        str(tmp_path / "none.yml"), {}, lambda: settings, denied=frozenset, clock=SystemClock()
    )
    answers = {"health": {"ready": True}, "uploads": [], "drops": []}

    found = inquirer.diagnose(answers, metrics="masv_watch_needs 0\n", probe=False).texts

    (crash,) = [line for line in found["log.txt"].splitlines() if "a tick crashed" in line]
    assert "loop=carriage" in crash
    assert "in tick" in crash
    assert "RuntimeError: the wheel is off, ***" in crash
    assert LATER not in found["log.txt"]
    assert found["log.txt"].splitlines()[-1].endswith(f"number={2 * logs.RECENT_LINES - 1}")
    assert len(found["log.txt"].splitlines()) == logs.RECENT_LINES + 1
    assert found["metrics.txt"] == "masv_watch_needs 0"
