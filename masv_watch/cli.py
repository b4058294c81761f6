"""The commands: words for people in front of the daemon, the configuration and the sandbox.

Owns the command line, what is printed and the exit status. Never decides and never moves a byte.
Called by the console script `masv-watch` and by `python -m masv_watch`.

Exit status: 0 done · 1 what was asked for failed · 2 usage or configuration · 3 the state is
unusable or held · 4 the daemon cannot be reached · 5 it cannot listen.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from masv_watch import __version__, lifecycle, logs
from masv_watch.check import examine
from masv_watch.config.load import Loaded, as_records, find, load
from masv_watch.daemon import Daemon
from masv_watch.errors import (
    CannotListen,
    ConfigError,
    MasvWatchError,
    NotFound,
    StoreError,
)
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import DropState
from masv_watch.names import shown
from masv_watch.sandbox import __main__ as sandbox
from masv_watch.store.sqlite import open_guest
from masv_watch.uploads import Uploads

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)

#: seconds that the daemon may take to answer a command
_ANSWER_S = 30.0
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class DaemonUnreachable(Exception):
    """No daemon answers at the configured address; the text says where it was looked for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and give its exit status; never a traceback for what was foreseen."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["sandbox"]:
        # the sandbox is a program of its own, with its own flags
        return sandbox.main(words[1:])
    options = _parser().parse_args(words)
    try:
        return int(options.command(options))
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return USAGE
    except DaemonUnreachable as error:
        _complain(f"masv-watch: {error}")
        return UNREACHABLE
    except MasvWatchError as error:
        _complain(f"masv-watch: {error}")
        return _status_of(error)
    except BrokenPipeError:
        # the reader of our output went away; nothing is left to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _status_of(error: MasvWatchError) -> int:
    if isinstance(error, StoreError):
        return STATE
    return NO_LISTEN if isinstance(error, CannotListen) else FAILED


def _complain(line: str) -> None:
    print(line, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="masv-watch",
        description="Hot folders for MASV: what settles in a folder is delivered exactly once.",
    )
    parser.add_argument("--version", action="version", version=f"masv-watch {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "the daemon in the foreground")
    run.add_argument("--once", action="store_true", help="deliver what is there, then end")
    check = _command(commands, "check", _check, "look for mistakes in the configuration")
    check.add_argument("--no-probe", action="store_true", help="leave out disk paths and network")
    check.add_argument("--json", action="store_true", help="machine-readable output")
    for name, does, help_ in (
        ("status", _status, "how the daemon is, and what is held and why"),
        ("uploads", _uploads, "list the uploads"),
    ):
        command = _command(commands, name, does, help_)
        command.add_argument("--url", help="the daemon's address, instead of server.listen")
        command.add_argument("--json", action="store_true", help="machine-readable output")
    show = _command(commands, "show", _show, "one upload with its files")
    show.add_argument("id", metavar="ID")
    show.add_argument("--url", help="the daemon's address, instead of server.listen")
    show.add_argument("--json", action="store_true", help="machine-readable output")
    resume = _command(commands, "resume", _resume, "let a failed or paused upload go on")
    resume.add_argument("id", metavar="ID")
    release = _command(commands, "release", _release, "send what the first start held")
    release.add_argument("--folder", required=True, metavar="NAME")
    _ledger(commands)
    commands.add_parser("sandbox", help="a MASV cloud for trying out, on this machine")
    return parser


def _ledger(commands: Any) -> None:
    ledger = commands.add_parser("ledger", help="what was seen and sent")
    verbs = ledger.add_subparsers(title="verbs", metavar="VERB", required=True)
    seed = _command(verbs, "seed", _seed, "record what the first start held as seen, never sent")
    seed.add_argument("folder", metavar="NAME")


def _command(
    commands: Any, name: str, does: Callable[[argparse.Namespace], int], help_: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=help_)
    parser.set_defaults(command=does)
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="default: $MASV_WATCH_CONFIG, ./masv-watch.yml, /etc/masv-watch/masv-watch.yml",
    )
    return parser


def _loaded(options: argparse.Namespace) -> tuple[str, Loaded]:
    path = find(options.config, os.environ)
    return path, load(path, environ=os.environ)


def _run(options: argparse.Namespace) -> int:
    path, loaded = _loaded(options)
    in_journal = "JOURNAL_STREAM" in os.environ
    logs.set_up(secrets=loaded.secrets, form="journal" if in_journal else "text")
    for line in loaded.warnings:
        _complain(line)
    # a lease of another program must never end this one
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    daemon = Daemon(loaded, path=path, environ=os.environ)
    return daemon.run_once() if options.once else daemon.run()


def _check(options: argparse.Namespace) -> int:
    try:
        path, loaded = _loaded(options)
    except ConfigError as error:
        if not options.json:
            raise
        print(json.dumps({"problems": as_records(error.problems), "warnings": [], "ok": []}))
        return USAGE
    found = examine(loaded, file=path, probe=not options.no_probe)
    if options.json:
        warnings, problems = as_records(found.warnings), as_records(found.problems)
        tree = {"problems": problems, "warnings": warnings, "ok": list(found.ok)}
        print(json.dumps(tree))
    else:
        for line in (*found.problems, *found.warnings):
            _complain(line)
        for line in found.ok:
            print(line)
    return USAGE if found.problems else OK


def _status(options: argparse.Namespace) -> int:
    ready = _get(options, "/readyz", good=(200, 503))
    uploads = _get(options, "/api/v1/uploads")
    _, loaded = _loaded(options)
    store = open_guest(loaded.settings.state, clock=SystemClock(), metrics=Metrics())
    try:
        drops = store.drops(living=True)
    finally:
        store.close()
    held = [
        {
            "hot_folder": drop.hot_folder,
            "path": shown(drop.path),
            "state": drop.state,
            "reason": drop.hold,
            "note": drop.note,
            "cure": lifecycle.CURES[drop.hold].replace("NAME", drop.hot_folder)
            if drop.hold
            else "",
        }
        for drop in drops
        if drop.state is not DropState.TAKEN or drop.hold
    ]
    if options.json:
        print(json.dumps({**ready, "uploads": uploads, "drops": held}))
        return OK
    print("ready" if ready["ready"] else f"not ready: {ready['why']}")
    for state in sorted({upload["state"] for upload in uploads}):
        print(f"{sum(upload['state'] == state for upload in uploads):6} uploads {state}")
    for drop in held[:_LISTED]:
        print(_drop_line(drop))
    if len(held) > _LISTED:
        print(f"       and {len(held) - _LISTED} more that settle or are held")
    return OK


#: drops that `status` lists one by one
_LISTED = 50


def _drop_line(drop: dict[str, Any]) -> str:
    why = f" ({drop['reason']}): {drop['cure']}" if drop["reason"] else ""
    return f"{drop['state']:>9} {drop['hot_folder']}/{drop['path']}{why}"


def _uploads(options: argparse.Namespace) -> int:
    uploads = _get(options, "/api/v1/uploads")
    if options.json:
        print(json.dumps(uploads))
        return OK
    for upload in uploads:
        print(_upload_line(upload))
    return OK


def _upload_line(upload: dict[str, Any]) -> str:
    share = 100 if not upload["size"] else upload["progress"] * 100 // upload["size"]
    waiting = upload.get("waiting")
    why = f"  waits: {waiting['reason']}" if waiting else ""
    error = f"  {upload['error']['message']}" if upload.get("error") else ""
    return (
        f"{upload['upload_id']}  {upload['state']:<12} {share:>3} %  {_size(upload['size']):>9}  "
        f"{_printable(upload['package_name'])}{why}{error}"
    )


def _show(options: argparse.Namespace) -> int:
    upload = _get(options, f"/api/v1/uploads/{quote(options.id, safe='')}")
    if options.json:
        print(json.dumps(upload))
        return OK
    print(_upload_line(upload))
    for file in upload["files"]:
        reason = f"  {file['reason']}" if file.get("reason") else ""
        print(f"  {file['state']:<12} {_size(file['size']):>9}  {_printable(file['path'])}{reason}")
    for left_out in upload["skipped"]:
        print(f"  left out: {_printable(left_out)}")
    for task in upload["tasks"]:
        print(f"  {task['kind']} {task['key']}: {task['state']}  {_printable(task['note'])}")
    return OK


def _resume(options: argparse.Namespace) -> int:
    return _with_desk(options, lambda desk: desk.resume(options.id), f"resumed {options.id}")


def _release(options: argparse.Namespace) -> int:
    return _with_desk(
        options, lambda desk: desk.release(options.folder), "released; they settle and are sent"
    )


def _seed(options: argparse.Namespace) -> int:
    return _with_desk(
        options, lambda desk: desk.seed(options.folder), "recorded as seen; they are not sent"
    )


def _with_desk(
    options: argparse.Namespace, verb: Callable[[Uploads], int | None], said: str
) -> int:
    """Use the front desk beside the daemon; its rows are the same, and it looks every second."""
    _, loaded = _loaded(options)
    folder = getattr(options, "folder", None)
    names = [rule.name for rule in loaded.settings.hot_folders]
    if folder is not None and folder not in names:
        raise NotFound(
            f"there is no hot folder {folder!r}", hint=f"known: {', '.join(names) or 'none'}"
        )
    store = open_guest(loaded.settings.state, clock=SystemClock(), metrics=Metrics())
    try:
        count = verb(Uploads(store, auth_until=lambda: None))
    finally:
        store.close()
    print(said if count is None else f"{count} drops {said}")
    return OK


def _get(options: argparse.Namespace, path: str, good: tuple[int, ...] = (200,)) -> Any:
    """Ask the daemon and give its answer.

    Raises:
        DaemonUnreachable: nothing answers there.
        MasvWatchError: the daemon's own no, in its words.
    """
    url = _url(options)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=_ANSWER_S
    )
    try:
        connection.request("GET", path, headers={"Accept": "application/json"})
        response = connection.getresponse()
        tree = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DaemonUnreachable(
            f"no masv-watch answers at {url} ({type(error).__name__})"
            " - start it with: masv-watch run -c FILE"
        ) from error
    finally:
        connection.close()
    if response.status not in good:
        raise NotFound(str(tree.get("message", response.status)), hint=str(tree.get("hint", "")))
    return tree


def _url(options: argparse.Namespace) -> str:
    url = options.url or os.environ.get("MASV_WATCH_URL")
    if url:
        return str(url)
    _, loaded = _loaded(options)
    server = loaded.settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _size(size: int) -> str:
    number = float(size)
    for unit in _UNITS:
        if number < 1000 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return ""


def _printable(text: str) -> str:
    return logs.escaped(text)
