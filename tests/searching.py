"""How hypothesis looks for a counter-example: the same slice each time, or at random for longer.

Owns the profiles. Never part of the product. Loaded by the conftest of all tests; `make test` takes
the slice, so that it fails for nobody by luck, and `make test-faults` takes the search. A
counter-example of the slice is told as it was found; `--hypothesis-profile=small` finds the same
one and makes it small.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

#: examples of a test that names no number of its own
SLICE = 100
#: how many times more the search takes
FURTHER = 10

# a deadline for one example measures the machine, and a database carries one run into the next
_ALWAYS = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def register() -> None:
    """Name the profiles, and load the one of `make test`."""
    settings.register_profile(
        "slice",
        _ALWAYS,
        max_examples=SLICE,
        derandomize=True,
        # to make a counter-example small takes minutes where an example is a daemon's day
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )
    settings.register_profile("small", _ALWAYS, max_examples=SLICE, derandomize=True)
    settings.register_profile("search", _ALWAYS, max_examples=SLICE * FURTHER, derandomize=False)
    settings.load_profile("slice")


def examples(number: int) -> int:
    """Give so many examples for the slice, and as many times more as the search takes."""
    return number * settings.default.max_examples // SLICE
