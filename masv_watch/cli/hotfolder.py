"""The look at one hot folder: how it is, what of it is on its way, and what waits and why.

Owns which calls it needs and how they read together. Never changes anything at the daemon. Called
by `views`, for `status FOLDER`; alone, because the other looks are at everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from masv_watch.cli import answers, lines
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk
from masv_watch.cli.outcomes import Ended
from masv_watch.cli.seen import Drop, HotFolder, Upload

#: uploads of a state of which nothing more is to be expected
_OVER = frozenset({"complete"})


def show(desk: Desk, name: str) -> None:
    """Print how one hot folder is, with each drop of it that settles or is held.

    Raises:
        Ended: the daemon has none of that name.
    """
    folders, trees = desk.caller.get(place("hot_folders"), answers.hot_folders)
    at = next((at for at, folder in enumerate(folders) if folder.name == name), None)
    if at is None:
        known = ", ".join(folder.name for folder in folders) or "none"
        raise Ended(f"there is no hot folder {name!r} - known: {known}")
    query = urlencode({"hot_folder": name})
    drops, held = desk.caller.get(f"{place('drops')}?{query}", answers.drops)
    uploads, listed = desk.caller.get(f"{place('uploads')}?{query}", answers.uploads)
    tree = {"hot_folder": trees[at], "drops": held, "uploads": listed}
    desk.print(tree, *_lines(folders[at], drops, uploads))


def _lines(folder: HotFolder, drops: Sequence[Drop], uploads: Sequence[Upload]) -> Iterator[str]:
    # what it takes has a line of its own here
    yield lines.hot_folder_line(replace(folder, takes=""))
    yield f"{folder.path}, to {folder.to or 'nobody'}"
    if folder.takes:
        yield f"takes {folder.takes} (drop: {folder.drop}, depth: {folder.depth})"
    if folder.everything_at:
        yield f"everything in it was looked at {folder.everything_at}, else its folders alone"
    if folder.quiet:
        yield f"quiet once nothing changed for {folder.quiet}"
    if folder.writers:
        yield f"programs that still write: {folder.writers}"
    if folder.told_by:
        yield f"a change is told {folder.told_by}"
    for key, value in folder.rule:
        yield f"  {key}: {value}"
    told = [upload for upload in uploads if upload.state not in _OVER or lines.wants_a_look(upload)]
    over = len(uploads) - len(told)
    yield f"uploads: {len(told)} on their way or to be looked at, {over} delivered"
    yield from map(lines.upload_line, told)
    yield f"drops that settle or are held: {len(drops) or 'none'}"
    yield from map(lines.drop_line, drops)
