"""One command's view of the daemon: whom it calls, and which upload is meant.

Owns the way from what a person typed to one upload, and what `--json` prints. Never forms a line.
Called by every command that speaks of uploads.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from masv_watch.cli import answers
from masv_watch.cli.answers import Json
from masv_watch.cli.caller import Caller, place
from masv_watch.cli.outcomes import Ended, WrongUsage
from masv_watch.cli.output import complain, say
from masv_watch.cli.whereabouts import Whereabouts, seek, shown_word

_WHOLE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: characters of a wrong id that are shown, and ids that an ambiguous one could mean
_SHOWN, _LISTED = 64, 4
#: said once a command calls a daemon though the file as it stands cannot be used
_GOES_ON = "masv-watch: the file cannot be used, the daemon that runs by an earlier one is asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The daemon as one command uses it."""

    caller: Caller
    where: Whereabouts
    #: whether answers are printed as they came
    wants_json: bool

    def upload_id(self, typed: str) -> str:
        """Give the whole id of the upload whose id begins like this.

        Raises:
            WrongUsage: nothing was typed; it would mean any upload.
            Ended: no upload or more than one is meant.
            DaemonUnreachable, Refused
        """
        if _WHOLE_ID.fullmatch(typed):
            return typed
        if not typed.strip():
            raise WrongUsage("the ID is empty - masv-watch uploads lists them")
        listed, _ = self.caller.get(place("uploads"), answers.uploads)
        return meant(typed, [one.id for one in listed])

    def print(self, tree: Json, *lines: str) -> None:
        """Print the answer as it came, or these lines instead of it."""
        if self.wants_json:
            say(json.dumps(tree))
        else:
            say(*lines)


def desk_of(options: argparse.Namespace, *, is_told: bool = True) -> Desk:
    """Find the daemon for a command; unless the command does, tell of a file with a mistake.

    Raises:
        ConfigError, WrongUsage
    """
    where = seek(options, os.environ)
    if is_told and where.problems:
        complain(*where.problems, _GOES_ON)
    return Desk(caller=Caller(where), where=where, wants_json=options.json)


def meant(typed: str, ids: Iterable[str]) -> str:
    """Give the one id that is typed or begins with what is typed.

    Raises:
        Ended: there is none, or there are several.
    """
    known = sorted(set(ids))
    if typed in known:
        return typed
    found = [one for one in known if one.startswith(typed)]
    if not found:
        shown = typed if len(typed) <= _SHOWN else f"{typed[:_SHOWN]}..."
        raise Ended(f"there is no upload {shown_word(shown)} - masv-watch uploads lists them")
    if len(found) > 1:
        more = ", ..." if len(found) > _LISTED else ""
        raise Ended(
            f"{len(found)} uploads begin with {shown_word(typed)} - write more of the id:"
            f" {', '.join(found[:_LISTED])}{more}"
        )
    return found[0]
