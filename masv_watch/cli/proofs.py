"""The piece of the table of commands about receipts.

Owns the words and flags of what proves a delivery. Never does what a command does. Called by the
table, which is at the length that a module may have.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

Does = Callable[[argparse.Namespace], int]


Call = Callable[[Any, str, Does, str], argparse.ArgumentParser]


def describe(commands: Any, call: Call, *, receipt: Does, verify: Does) -> None:
    """Add the commands about receipts; `call` adds one that asks the daemon, the rest does them."""
    paper = call(commands, "receipt", receipt, "print the signed proof of a delivery")
    which = paper.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "id", metavar="ID", nargs="?",
        help="an upload's id as `masv-watch uploads` lists it, or its beginning",
    )  # fmt: skip
    which.add_argument(
        "--public-key", action="store_true", help="the key instead that verifies receipts, as PEM"
    )
    which.add_argument(
        "--chain", action="store_true",
        help="the seals of all receipts instead, one JSON object a line",
    )  # fmt: skip
    _verifying(commands, verify)


def _verifying(commands: Any, verify: Does) -> None:
    words = "Compare a folder with the receipt of its delivery."
    proof = commands.add_parser(
        "verify", help=f"{words[0].lower()}{words[1:-1]}", description=words
    )
    proof.set_defaults(command=verify, is_endless=False)
    proof.add_argument(
        "receipt", metavar="RECEIPT", help="the file that masv-watch receipt printed"
    )
    proof.add_argument(
        "folder", metavar="DIR", help="the folder in which the package lies, and nothing else"
    )
    proof.add_argument(
        "--key", metavar="FILE",
        help="the sender's public key, as masv-watch receipt --public-key prints it",
    )  # fmt: skip
    proof.add_argument(
        "--chain", metavar="FILE",
        help="the sender's receipts in their order, as masv-watch receipt --chain prints them",
    )  # fmt: skip
    proof.add_argument("--json", action="store_true", help="print one JSON object")
