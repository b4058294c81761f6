"""The part of the table of commands that makes and describes configurations.

Owns the words and flags of `config`. Never does what a command does. Called by the table, which is
at the length that a module may have.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Command = Callable[..., argparse.ArgumentParser]
Does = Callable[[str], Callable[[argparse.Namespace], int]]


def describe(commands: Any, command: Command, does: Does) -> None:
    """Add `config` with its verbs; `command` adds one, `does` gives what does it by its word."""
    config = commands.add_parser(
        "config", help="make and describe a configuration",
        description="Make and describe a configuration.",
    )  # fmt: skip
    verbs_ = config.add_subparsers(title="verbs", metavar="VERB", required=True)
    init = command(verbs_, "init", does("init"), "write a first file; asks for what no flag says")
    init.add_argument("--path", metavar="DIR", help="the folder to watch")
    init.add_argument("--name", metavar="NAME", help="the hot folder's name; default: of its path")
    target = init.add_mutually_exclusive_group()
    target.add_argument("--team", metavar="NAME", help="the team that sends")
    target.add_argument("--portal", metavar="NAME", help="the portal that it goes to")
    init.add_argument("--sender", metavar="ADDRESS", help="who sends; a portal wants to know")
    init.add_argument(
        "--recipient", metavar="ADDRESS", action="append", help="who is mailed; may be repeated"
    )
    init.add_argument(
        "--api-key-file", dest="key_file", metavar="FILE",
        help="holds the team's key, for secrets.yml; default: $MASV_API_KEY at each start",
    )  # fmt: skip
    init.add_argument("--json", action="store_true", help="print one JSON object")
    _described(verbs_, command, does)


def _described(verbs_: Any, command: Command, does: Does) -> None:
    schema = command(verbs_, "schema", does("schema"), "print the file's JSON Schema, for editors")
    schema.add_argument("--json", action="store_true", help="print it on one line")
    show = command(verbs_, "show", does("show"), "print every value that counts; secrets as ***")
    show.add_argument("--origin", action="store_true", help="say where each comes from")
    show.add_argument("--json", action="store_true", help="print one JSON array, with origins")
    imports = command(
        verbs_, "import", does("import_"), "print a masv-agent provisioning file as ours"
    )
    imports.add_argument("file", metavar="FILE", help="the provisioning file")
    imports.add_argument(
        "--timeout-unit", dest="unit", choices=("s", "m"),
        help="what its `timeout` counts: seconds or minutes; masv-agent does not say",
    )  # fmt: skip
    imports.add_argument("--json", action="store_true", help="print one JSON object")
