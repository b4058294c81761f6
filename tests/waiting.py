"""Wait for a condition with a deadline, instead of sleeping; and measure time at its best.

Owns the one polling loop of the test-suite, and how often a measurement is made. Never part of the
product. Used by every test that watches a real thread or a real process.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")

#: seconds that every condition is given at the least. A deadline is no assertion of speed: a busy
#: machine takes long, and a green test waits for none of it
LEAST_S = 60.0
#: seconds between two looks: a tenth of what was waited, as a look costs the one who is looked at
SOONEST_S, LATEST_S = 0.01, 0.1


def eventually(
    condition: Callable[[], Answer], within: float = LEAST_S, *, every: float | None = None
) -> Answer:
    """Call the condition until it answers something true, and give that answer.

    An AssertionError or LookupError of the condition counts as "not yet". After `within` seconds,
    and never before a minute, the test fails with the last answer or the last error. `every` is for
    what must be seen while it passes: without it, who waited long looks more rarely.
    """
    within = max(within, LEAST_S)
    began = time.monotonic()
    last: object = None
    while True:
        try:
            answer = condition()
        except (AssertionError, LookupError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        waited = time.monotonic() - began
        if waited >= within:
            raise AssertionError(f"not within {within} s; the last answer was {last!r}")
        time.sleep(every or min(max(waited / 10, SOONEST_S), LATEST_S))


#: times that a measurement is made before it counts
MEASURED = 3


def at_best(test: Callable[..., None]) -> Callable[..., None]:
    """Have a test of real seconds pass if it holds once of three times, each from the beginning.

    What is too slow or too quick by our doing is so each time; what a busy machine does is not.
    """

    @functools.wraps(test)
    def measured(*, tmp_path: Path, **more: Any) -> None:
        for number in range(1, MEASURED + 1):
            (place := tmp_path / f"time{number}").mkdir()
            try:
                return test(tmp_path=place, **more)
            except AssertionError as error:
                if number == MEASURED:
                    raise
                print(f"measured again: {error}")
        raise AssertionError("it was never measured")

    return measured
