"""The statements of the store by their names.

Owns how `queries.sql` is read. Never carries one out. Called by the engine as it opens.
"""

from __future__ import annotations

import re
from importlib.resources import files as package_files

_NAMED = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_statements() -> dict[str, str]:
    """Read `queries.sql` into statements by name, comments stripped."""
    text = package_files("masv_watch.store").joinpath("queries.sql").read_text(encoding="utf-8")
    found = _NAMED.split(text)
    return {
        name: "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()
        for name, body in zip(found[1::2], found[2::2], strict=True)
    }
