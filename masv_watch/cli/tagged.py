"""Which hot folders a tag chooses.

Owns the way from a tag to the hot folders of the running configuration that have it. Never asks for
anything else. Called by the commands that take `--tag`.

It stands alone because looking and steering commands both choose by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from masv_watch.cli import answers
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk
from masv_watch.cli.outcomes import WrongUsage
from masv_watch.cli.seen import HotFolder
from masv_watch.cli.whereabouts import shown_word


def chosen(tag: str, folders: Iterable[HotFolder]) -> list[HotFolder]:
    """Give the hot folders that have a tag, in the order of the configuration.

    Raises:
        WrongUsage: none has it.
    """
    known = list(folders)
    found = [folder for folder in known if tag in folder.tags]
    if not found:
        tags = sorted({each for folder in known for each in folder.tags})
        words = ", ".join(tags) or "none"
        raise WrongUsage(f"no hot folder has the tag {shown_word(tag)} - known: {words}")
    return found


def names_of(desk: Desk, tag: str) -> list[str]:
    """Ask which hot folders have a tag.

    Raises:
        WrongUsage: none has it.
        DaemonUnreachable, Refused
    """
    folders, _ = desk.caller.get(place("hot_folders"), answers.hot_folders)
    return [folder.name for folder in chosen(tag, folders)]
