"""The sandbox cloud with one difference: its storage takes chunks of any size.

Owns that difference. S3's least chunk of 5 MiB would make each of ten thousand files ten times
larger, and nothing that they show depends on it. Run as a program; `CrumbSandbox` starts it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from masv_watch.sandbox import __main__, cloud, depot, packages
from tests.processes import Sandbox


class CrumbSandbox(Sandbox):
    """A sandbox process whose chunks may be small."""

    program = ("-m", f"tests.faults.{Path(__file__).stem}")


def _take_crumbs() -> None:
    for module in (cloud, depot, packages):
        assert module.MIN_PART > 1
        module.MIN_PART = 1


if __name__ == "__main__":
    _take_crumbs()
    sys.exit(__main__.main(sys.argv[1:]))
