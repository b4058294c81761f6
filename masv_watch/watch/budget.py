"""How many notifications the kernel must grant, and the line that has it grant them.

Owns that arithmetic and the folders that no limit helps, for the daemon that met the limit, for the
self-test and for the check before a start. Never counts and never listens. Called by all three.
"""

from __future__ import annotations

from masv_watch import figures
from masv_watch.files.notifications import Counted, Held
from masv_watch.watch.ground import LONGEST_PATH

#: watches that are asked for beyond the need: a fifth of it, and never fewer than these
_LEAST_MARGIN = 1024
#: instances that are asked for beyond those that are held: each daemon needs one
_MARGIN_OF_INSTANCES = 128
#: what every machine may be raised to where nobody knows what is held
MANY_INSTANCES = 512


def enough_watches(needed: int) -> int:
    """Give a limit that holds so many with a margin for what comes."""
    return needed + max(needed // 5, _LEAST_MARGIN)


def watches_line(needed: int) -> str:
    """Give the command that raises the limit of watches far enough."""
    return f"sysctl fs.inotify.max_user_watches={enough_watches(needed)}"


def instances_line(held: int | None = None) -> str:
    """Give the command that raises the limit of instances far enough."""
    wanted = MANY_INSTANCES if held is None else max(held + _MARGIN_OF_INSTANCES, MANY_INSTANCES)
    return f"sysctl fs.inotify.max_user_instances={wanted}"


def shortages(counted: Counted, held: Held) -> list[str]:
    """Say what the kernel will refuse of what is needed, each with the command that helps."""
    found = []
    need = counted.folders + held.watches
    if held.most_watches is not None and need > held.most_watches:
        found.append(
            f"{told(counted)} need a watch each and other programs of this user hold"
            f" {held.watches}, but the kernel allows {held.most_watches}: run"
            f" {watches_line(need)}{_at_least(counted)}"
        )
    if held.most_instances is not None and held.instances >= held.most_instances:
        found.append(
            f"other programs of this user hold {held.instances} of {held.most_instances} instances"
            f" of notifications, so that none is left: run {instances_line(held.instances)}"
        )
    return found


def told(counted: Counted) -> str:
    """Give the number of folders in words."""
    number = figures.counted(counted.folders, "folder")
    return f"at least {number}" if counted.is_cut else number


def _at_least(counted: Counted) -> str:
    return " or more, as the counting was given up" if counted.is_cut else ""


def beyond(too_deep: int) -> str:
    """Say that folders lie too deep to be watched; "" when none does."""
    if not too_deep:
        return ""
    folders = "a folder" if too_deep == 1 else f"{too_deep} folders"
    return (
        f"{folders} with a path longer than {LONGEST_PATH:,} bytes cannot be watched, whatever the"
        " kernel's limit: put what lies so deep higher up"
    )
