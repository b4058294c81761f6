"""The command that shows everything at once, again and again: top.

Owns which calls one look needs. Never changes anything at the daemon, and never draws: `screens`
does. Called by the table of commands.
"""

from __future__ import annotations

import argparse
from urllib.parse import urlencode

from masv_watch.cli import answers, output, views
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.outcomes import OK
from masv_watch.cli.seen import Overview, Upload

#: uploads of one state that a look asks for: more fit on no screen
MOST = 60
#: what is under way first, and a few of what ended last
_LISTS: tuple[dict[str, str | int], ...] = (
    *({"state": state, "limit": MOST} for state in ("transferring", "error", "idle", "paused")),
    {"state": "complete", "sort": "-created_at", "limit": 5},
)


def top(options: argparse.Namespace) -> int:
    """Show hot folders, uploads and what is held as they change, until q or Ctrl-C.

    Into a pipe goes what `status` says, once.
    """
    screen = output.screen()
    if screen is None or options.json:
        return views.status(options)
    desk = desk_of(options)
    with output.keys() as pressed, screen.live() as live:
        for seen, remark in views.looks(lambda: _look(desk)):
            with output.taken():
                live.overview(seen, remark)
            if "q" in pressed():
                break
    return OK


def _look(desk: Desk) -> Overview:
    uploads: list[Upload] = []
    for wanted in _LISTS:
        uploads += desk.caller.get(f"{place('uploads')}?{urlencode(wanted)}", answers.uploads)[0]
    return Overview(
        health=desk.caller.get("/readyz", answers.health, 200, 503)[0],
        uploads=tuple(uploads),
        drops=tuple(desk.caller.get(place("drops"), answers.drops)[0]),
        folders=tuple(desk.caller.get(place("hot_folders"), answers.hot_folders)[0]),
        stats=desk.caller.get(place("stats"), answers.stats, 200, 404)[0],
    )
