"""What is said of a path that nobody watches: it lies in no hot folder, or in a disabled one.

Owns these answers. Never looks at a disk or at the ledger. Called by `roster`.
"""

from __future__ import annotations

from masv_watch.model import Explanation, Finding, Prospect, Rule
from masv_watch.names import shown


def not_watched(path: bytes, hot_folders: int) -> Explanation:
    """Say that no hot folder has a path."""
    why = f"{shown(path)} lies in none of the {hot_folders} hot folders"
    return Explanation(
        path=path,
        prospect=Prospect.NOT_WATCHED,
        why=why,
        cure="put it into a hot folder, or send it with masv-watch create",
        findings=(Finding(test="hot_folder", passed=False, detail=why),),
    )


def disabled(path: bytes, rule: Rule) -> Explanation:
    """Say that the hot folder that has a path is not watched."""
    why = f"hot folder {rule.name} has it, and is disabled"
    return Explanation(
        path=path,
        prospect=Prospect.NOT_WATCHED,
        why=why,
        cure="set `enabled: true` for it, then masv-watch reload",
        hot_folder=rule.name,
        findings=(Finding(test="enabled", passed=False, detail=why),),
    )
