"""What is held, as a person takes it up: by hot folder and reason, with how much and what helps.

Owns the order of the groups and how much of each is listed. Never decides why something is held.
Called by `api.page.overview`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from masv_watch import lifecycle
from masv_watch.api.page import buttons, marks
from masv_watch.logs import escaped
from masv_watch.model import HoldReason, Rule
from masv_watch.uploads import DropView

#: drops that are listed of one group; the first few at once, the others when they are asked for
LISTED, AT_ONCE = 50, 5

Tree = dict[str, Any]


def grouped(
    held: Sequence[DropView], row_of: Callable[[DropView], Tree], rules: Mapping[str, Rule]
) -> list[Tree]:
    """Give the groups of what is held, by hot folder and reason.

    `row_of` writes one drop, `rules` are those of the hot folders by their names.
    """
    groups: dict[tuple[str, HoldReason], list[DropView]] = {}
    for view in held:
        if view.drop.hold is not None:
            groups.setdefault((view.drop.hot_folder, view.drop.hold), []).append(view)
    return [
        _group(*key, sorted(groups[key], key=lambda view: view.drop.path), row_of, rules=rules)
        for key in sorted(groups)
    ]


def _group(
    name: str,
    hold: HoldReason,
    views: Sequence[DropView],
    row_of: Callable[[DropView], Tree],
    *,
    rules: Mapping[str, Rule],
) -> Tree:
    cures = {view.cure for view in views}
    # what helps each by its number stands once, and the numbers stand with the drops
    is_shared = len(cures) == 1
    cure = next(iter(cures)) if is_shared else lifecycle.CURES[hold].replace("NAME", escaped(name))
    rows = [row_of(view) for view in views[:LISTED]]
    return {
        "key": f"held-{name}-{hold}",
        "hot_folder": name,
        "why": marks.HOLDS[hold],
        "cure": cure,
        "has_numbers": not is_shared,
        "total": len(views),
        "rows": rows[:AT_ONCE],
        "folded": rows[AT_ONCE:],
        "unlisted": len(views) - len(rows),
        "buttons": buttons.of_group(rules.get(name), hold, drops=len(views)),
    }
