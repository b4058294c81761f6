"""What of a hot folder waits for a person: its root, its events, and the loop of either.

Owns the sentence and what helps. Never looks at anything: what was seen is handed in. Used by
`roster`, `untended` and `concerns`.
"""

from __future__ import annotations

from masv_watch.loops import Loop
from masv_watch.model import Need, Rule

#: of one loop in a row, after which a person is told
CRASHES = 3
#: what helps where a folder does not answer; nothing in it touches that folder
UNANSWERED = (
    "bring back the server or disk that it is mounted from, which `mount` lists, and all goes on by"
    " itself"
)
_CRASHED = (
    "masv-watch doctor packs the log with the traceback: report it; then restart the daemon"
    " (systemctl restart masv-watch)"
)


def of_root(rule: Rule, why: str, *, hangs: bool) -> Need:
    """Say why a hot folder waits for its root, or asks about it."""
    if hangs:
        why = "its folder does not answer; look at the mount"
        cure = f"{UNANSWERED}; masv-watch status {rule.name} says since when"
    elif "masv-watch adopt" in why:
        # the sentence offers both ways
        cure = ""
    else:
        cure = f"once that is done it goes on by itself; masv-watch scan {rule.name} looks at once"
    return Need(key=f"root {rule.name}", text=f"hot folder {rule.name}: {why}", cure=cure)


def of_loop(loop: Loop, what: str) -> Need | None:
    """Say that a loop crashes again and again, `what` it is as a clause begins; else nothing."""
    crashes = loop.crashes_in_row
    if crashes < CRASHES:
        return None
    text = f"{what} crashed {crashes} times in a row; see the log"
    return Need(key=f"loop {loop.name}", text=text, cure=_CRASHED)


def of_events(rule: Rule, why: str) -> Need:
    """Say that events of a hot folder should work and do not; the sweep goes on there."""
    return Need(
        key=f"events {rule.name}",
        text=f"hot folder {rule.name}: events are not relied on: {why}",
        cure="nothing is missed meanwhile, and found some seconds later; masv-watch selftest"
        f" {rule.name} tries which of them come through",
    )
