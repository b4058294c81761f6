"""The commands that make and describe a configuration: init, schema, import, show.

Owns what is asked, where files are written and that nothing is overwritten. Never decides what is
right: what was written is loaded as every other file, and goes away again when that fails. Called
by the table of commands.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex

from masv_watch.api.reports import values_body
from masv_watch.cli import output
from masv_watch.cli.outcomes import FAILED, OK, Ended, WrongUsage
from masv_watch.cli.output import complain, say
from masv_watch.config.beginning import Wishes, text_of
from masv_watch.config.describing import json_schema
from masv_watch.config.effective import effective
from masv_watch.config.guarded import check_mode, read_text
from masv_watch.config.importing import converted
from masv_watch.config.load import find, load
from masv_watch.config.problems import Wrong, printable
from masv_watch.config.writing import Drafts

#: bytes of a provisioning file and of a key
_LARGEST, _LARGEST_KEY = 1024 * 1024, 4096
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of the file."""
    say(json.dumps(json_schema(), indent=None if options.json else 2))
    return OK


def init(options: argparse.Namespace) -> int:
    """Write a first configuration; what no flag says is asked at a terminal."""
    target = os.path.abspath(options.config or "masv-watch.yml")
    beside = os.path.dirname(target)
    book = os.path.join(beside, "secrets.yml")
    key = None if options.key_file is None else _key(options.key_file)
    try:
        # nobody answers four questions to be told that
        for path in (target, *([] if key is None else [book])):
            Drafts.demand_free(path)
        wishes = _wishes(options, has_key=key is not None)
        with Drafts() as drafts:
            drafts.make_folder(beside)
            drafts.write(target, text_of(wishes))
            if key is not None:
                drafts.write(book, f"masv_api_key: {json.dumps(key)}\n")
            load(target, environ=os.environ, with_secrets=key is not None)
            _describe(beside, drafts)
    except Wrong as wrong:
        raise Ended(wrong.message) from wrong
    if not os.path.isdir(wishes.path):
        shown = printable(wishes.path)
        complain(f"{shown} is missing - mkdir -p {shlex.quote(shown)}; it is taken up once there")
    made = drafts.paths
    if options.json:
        say(json.dumps({"written": made}))
        return OK
    say(*(f"{path} is written" for path in made))
    if wishes.portal is None and key is None:
        say("set MASV_API_KEY to the key of your team, then run masv-watch check")
    else:
        say("now run masv-watch check")
    return OK


def _describe(beside: str, drafts: Drafts) -> None:
    """Write the schema for editors beside the file, unless one is there."""
    path = os.path.join(beside, "masv-watch.schema.json")
    if not os.path.lexists(path):
        drafts.write(path, json.dumps(json_schema(), indent=2) + "\n")


def _wishes(options: argparse.Namespace, *, has_key: bool) -> Wishes:
    # of an answer no shell makes the folder that `~` stands for
    path = options.path or os.path.expanduser(_asked("Which folder is to be watched?", "--path"))
    path = os.path.abspath(path)
    name = options.name or _ODD.sub("-", os.path.basename(path)).strip("-.") or "out"
    if options.portal:
        sender = options.sender or _asked("Whose address is the sender?", "--sender")
        return Wishes(path=path, name=name, portal=options.portal, sender=sender)
    team = options.team or _asked("Which team sends (its subdomain)?", "--team")
    recipients = options.recipient
    if recipients is None:
        answer = _asked("Who is to be mailed (addresses, or nothing)?", "--recipient", least=0)
        recipients = answer.replace(",", " ").split()
    return Wishes(path=path, name=name, team=team, recipients=tuple(recipients), has_key=has_key)


def _asked(question: str, flag: str, least: int = 1) -> str:
    if not output.is_asked():
        raise WrongUsage(f"nobody can be asked here - say {flag}")
    answer = output.answer(question).strip()
    if len(answer) < least:
        raise WrongUsage(f"nothing was answered - say {flag}")
    return answer


def _key(path: str) -> str:
    try:
        content, mode = read_text(path, _LARGEST_KEY)
        check_mode(mode)
        return content.decode("utf-8-sig").strip()
    except (Wrong, UnicodeDecodeError) as error:
        why = error.message if isinstance(error, Wrong) else "is not UTF-8 text"
        raise WrongUsage(f"the key's file {path} {why}") from error


def show(options: argparse.Namespace) -> int:
    """Print every value that counts, and with --origin where each comes from."""
    path = find(options.config, os.environ)
    found = effective(path, environ=os.environ)
    if options.json:
        say(json.dumps(values_body(found)))
    elif options.origin:
        say(*(f"{each.key}: {each.value}  <- {each.origin}" for each in found))
    else:
        say(*(f"{each.key}: {each.value}" for each in found))
    return OK


def import_(options: argparse.Namespace) -> int:
    """Print a provisioning file of masv-agent as one of ours, and what it could not carry over."""
    try:
        content, _ = read_text(options.file, _LARGEST)
        text = content.decode("utf-8-sig")
    except (Wrong, UnicodeDecodeError) as error:
        why = error.message if isinstance(error, Wrong) else "is not UTF-8 text"
        raise WrongUsage(f"{options.file} {why}") from error
    found = converted(options.file, text, unit=options.unit)
    if options.json:
        say(json.dumps({"text": found.text, "left": found.left, "secrets": found.secrets}))
    else:
        say(found.text.rstrip("\n"))
        complain(*(f"not carried over: {each}" for each in found.left))
        complain(*(f"to be put into secrets.yml: {name}" for name in found.secrets))
    return OK if "path:" in found.text else FAILED
