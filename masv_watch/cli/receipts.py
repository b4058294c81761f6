"""The command that prints a receipt, the chain of all of them, or the key that signs them.

Owns which call each takes and how it is printed. Never verifies: `cli.verifying` does. Called by
the table of commands.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from masv_watch.cli import answers
from masv_watch.cli.answers import Json, NotOurs
from masv_watch.cli.caller import place
from masv_watch.cli.desk import Desk, desk_of
from masv_watch.cli.outcomes import OK
from masv_watch.cli.output import say
from masv_watch.store.signing import public_pem, read_public

#: seals of one page of the chain
_PAGE = 1000


def receipt(options: argparse.Namespace) -> int:
    """Print what was asked for, as the daemon gives it."""
    desk = desk_of(options)
    if options.public_key:
        pem, tree = desk.caller.get(place("receipts", "key"), _pem)
        desk.print(tree, *pem.splitlines())
    elif options.chain:
        seals = _chain(desk)
        if desk.wants_json:
            say(json.dumps(list(seals)))
        else:
            for seal in seals:
                say(json.dumps(seal))
    else:
        path = place("uploads", desk.upload_id(options.id), "receipt")
        say(json.dumps(desk.caller.get(path, _document)[1]))
    return OK


def _chain(desk: Desk) -> Iterator[Json]:
    after = 0
    while True:
        query = urlencode({"after": after, "limit": _PAGE})
        numbers, seals = desk.caller.get(f"{place('receipts')}?{query}", _numbers)
        yield from seals
        if len(numbers) < _PAGE:
            return
        after = numbers[-1]


def _pem(tree: Json) -> str:
    try:
        return public_pem(read_public(answers.needed(tree, "public_key").encode()))
    except ValueError as error:
        raise NotOurs("there is no public key") from error


def _document(tree: Json) -> None:
    if not isinstance(tree, dict) or not {"delivery", "seal"} <= tree.keys():
        raise NotOurs("there is no receipt")


def _numbers(tree: Json) -> list[int]:
    if not isinstance(tree, list):
        raise NotOurs("there is no chain")
    return [_number(seal) for seal in tree]


def _number(seal: Any) -> int:
    number = seal.get("number") if isinstance(seal, dict) else None
    if not isinstance(number, int):
        raise NotOurs("a seal has no number")
    return number
