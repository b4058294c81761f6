"""What every test may ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually as _eventually


@pytest.fixture(scope="session")
def project() -> Path:
    """Give the checkout's top folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Give the function that waits for a condition: `eventually(condition, within=5)`."""
    return _eventually
