"""The default of every key that has one, as the file would say it.

Owns which defaults are values and which only words can say. Never holds a default of its own: the
model does, and `effective` reads it. Called by `describing`.
"""

from __future__ import annotations

import re
from typing import Any

from masv_watch.config import effective, schema
from masv_watch.config import settings as builder
from masv_watch.config.cards import read_all
from masv_watch.config.faults import members

#: what cannot be left out beside any other key, so that each has its place
_SEQUENCES = {"pattern": "{stem}.{frame:04d}.exr"}
_SPECIMEN: dict[str, Any] = {
    "version": 1,
    "mail": {
        "smtp": {"host": "localhost"}, "from": "a@example.com", "alerts": {"to": "a@example.com"},
    },
    "bandwidth": {"rules": []},
    "backup": {"to": "/srv/backup"},
    "hot_folders": [
        {
            "name": "out", "path": "/srv/out", "to": {"recipients": []},
            "sequences": _SEQUENCES, "manifest": {"files": "*.mhl"},
            "companions": [{"each": "{stem}.mxf", "needs": "{stem}.xml"}],
            "sidecar": {"name": "{name}.masv.yml"}, "schedule": {"open": "mon-sun 00:00-24:00"},
        }
    ],
}  # fmt: skip
_NOT_SET = ("not set", "any")
#: where the state is without the key depends on the machine
_ELSEWHERE = frozenset({"state"})
_WHOLE = re.compile(r"-?[0-9]+")


def defaults() -> dict[str, Any]:
    """Give the default of each key by its dotted path, lists as `[]`.

    What is not set, or depends on something else, has none here.
    """
    keys, faults = schema.check(_SPECIMEN)
    assert keys is not None, faults  # noqa: S101 - a specimen that does not fit is ours to mend
    found = builder.settings(
        keys,
        state="/var/lib/masv-watch",
        beside="/",
        lines=["masv-watch.yml:1"],
        cards=read_all(_SPECIMEN, beside="/"),
    )
    (rule,) = found.hot_folders
    told: dict[str, Any] = {}
    for path in sorted(_leaves(schema.Keys) - _ELSEWHERE):
        bare = path.removeprefix("hot_folders[].").removeprefix("defaults.")
        text = effective.default_text(bare, found if bare == path else rule)
        if text not in _NOT_SET and _is_value(path, _typed(text)):
            told[path] = _typed(text)
    return told


def _leaves(of: type[Any], prefix: str = "") -> set[str]:
    """List the keys that hold values and may be left out, but for those of entries of lists."""
    optional = {each.name for each in of.__dataclass_fields__.values() if each.default is None}
    found = set()
    for key, inner, is_list in members(of):
        path = f"{prefix}{key}"
        if inner is None or path.endswith(("tls", "bandwidth")):
            found |= {path} if key in optional else set()
        if inner is not None and (not is_list or path == "hot_folders"):
            found |= _leaves(inner, f"{path}[]." if is_list else f"{path}.")
    return found


def _typed(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if _WHOLE.fullmatch(text) else text


def _is_value(path: str, value: Any) -> bool:
    """Say whether what stands for a default can be written in its place."""
    tree = value
    for step in reversed(path.split(".")):
        tree = {step[:-2]: [tree]} if step.endswith("[]") else {step: tree}
    _, faults = schema.check(tree)
    return not any(_dotted(fault.path).startswith(path) for fault in faults)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join("[]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
