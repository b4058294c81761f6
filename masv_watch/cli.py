"""The commands: words for people in front of the daemon, the configuration and the sandbox.

Owns the command line, what is printed and the exit status. Never decides and never moves a byte.
Called by the console script `masv-watch` and by `python -m masv_watch`.

Exit status: 0 done · 1 what was asked for failed · 2 usage or configuration · 3 the state is
unusable or held · 4 the daemon cannot be reached · 5 it cannot listen.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from masv_watch import __version__, logs
from masv_watch.check import examine
from masv_watch.config.load import Loaded, as_records, find, load
from masv_watch.daemon import Daemon
from masv_watch.delivery.letters import size_text
from masv_watch.errors import (
    CannotListen,
    ConfigError,
    MasvWatchError,
    NotFound,
    StoreError,
)
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.sandbox import __main__ as sandbox
from masv_watch.store.sqlite import open_guest
from masv_watch.uploads import Uploads

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)

#: seconds that the daemon may take to answer a command
_ANSWER_S = 30.0
#: drops that `status` lists one by one
_LISTED = 50
_STATUSES = """\
exit status:
  0  done, or stopped cleanly
  1  what was asked for failed
  2  wrong usage or configuration
  3  the state cannot be used, or another masv-watch holds it
  4  the daemon cannot be reached
  5  the daemon cannot listen at its address"""


class DaemonUnreachable(Exception):
    """No daemon answers at the configured address; the text says where it was looked for."""


class WrongUsage(Exception):
    """The command line or its environment cannot be used as given; the text says why."""


_STATUS_OF: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, USAGE),
    (WrongUsage, USAGE),
    (DaemonUnreachable, UNREACHABLE),
    (StoreError, STATE),
    (CannotListen, NO_LISTEN),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and give its exit status; never a traceback for what was foreseen."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # a name that the terminal cannot show must not end a command
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if words[:1] == ["sandbox"]:
        # the sandbox is a program of its own, with its own flags
        return sandbox.main(words[1:])
    options = _parser().parse_args(words)
    try:
        return int(options.command(options))
    except (MasvWatchError, DaemonUnreachable, WrongUsage) as error:
        lines = error.problems if isinstance(error, ConfigError) else (f"masv-watch: {error}",)
        _complain(*lines)
        return _status_of(error)
    except KeyboardInterrupt:
        return FAILED


def _status_of(error: Exception) -> int:
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return status
    return FAILED


def _complain(*lines: str) -> None:
    with contextlib.suppress(OSError):
        for line in lines:
            print(line, file=sys.stderr)


def _say(*lines: str) -> None:
    """Print lines; when nobody can take them any more, end the command without a traceback."""
    if not lines:
        return
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        # closed here, for the interpreter would try once more at its end, and complain
        with contextlib.suppress(OSError):
            sys.stdout.close()
        if not isinstance(error, BrokenPipeError):
            _complain(f"masv-watch: the output cannot be written: {error.strerror}")
        raise SystemExit(FAILED) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="masv-watch",
        description="Hot folders for MASV: what settles in a folder is delivered exactly once.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"masv-watch {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "run the daemon in the foreground")
    run.add_argument(
        "--once", action="store_true", help="deliver what is there, then end (1 if anything stays)"
    )
    check = _command(commands, "check", _check, "look for mistakes in the configuration")
    check.add_argument("--no-probe", action="store_true", help="leave out disk paths and network")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    for name, does, help_ in (
        ("status", _status, "say how the daemon is, what is held and why"),
        ("uploads", _uploads, "list the uploads, oldest first"),
        ("show", _show, "show one upload with its files"),
    ):
        command = _command(commands, name, does, help_)
        command.add_argument(
            "--url",
            metavar="URL",
            help="the daemon's address; default: $MASV_WATCH_URL, else server.listen",
        )
        command.add_argument("--json", action="store_true", help="print the API's answer as JSON")
        if name == "show":
            command.add_argument("id", metavar="ID", help="as `masv-watch uploads` lists it")
    resume = _command(commands, "resume", _resume, "let a failed or paused upload go on")
    resume.add_argument("id", metavar="ID", help="as `masv-watch uploads` lists it")
    release = _command(commands, "release", _release, "send what a hot folder's first start held")
    release.add_argument("--folder", required=True, metavar="NAME", help="the hot folder")
    _ledger(commands)
    commands.add_parser("sandbox", help="run a MASV cloud for trying out, on this machine")
    return parser


def _ledger(commands: Any) -> None:
    ledger = commands.add_parser(
        "ledger",
        help="steer the record of what was seen and sent",
        description="Steer the record of what was seen and sent.",
    )
    verbs = ledger.add_subparsers(title="verbs", metavar="VERB", required=True)
    seed = _command(
        verbs, "seed", _seed, "record what a hot folder's first start held as seen, never sent"
    )
    seed.add_argument("folder", metavar="NAME", help="the hot folder")


def _command(
    commands: Any, name: str, does: Callable[[argparse.Namespace], int], help_: str
) -> argparse.ArgumentParser:
    words = f"{help_[0].upper()}{help_[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=words)
    parser.set_defaults(command=does)
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="default: $MASV_WATCH_CONFIG, ./masv-watch.yml, /etc/masv-watch/masv-watch.yml",
    )
    return parser


def _loaded(options: argparse.Namespace, *, with_secrets: bool = True) -> tuple[str, Loaded]:
    path = find(options.config, os.environ)
    return path, load(path, environ=os.environ, with_secrets=with_secrets)


def _run(options: argparse.Namespace) -> int:
    path, loaded = _loaded(options)
    in_journal = "JOURNAL_STREAM" in os.environ
    logs.set_up(secrets=loaded.secrets, form="journal" if in_journal else "text")
    _complain(*loaded.warnings)
    # a lease of another program must never end this one
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    # a reload asked for before the start is through changes nothing
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon = Daemon(loaded, path=path, environ=os.environ)
    return daemon.run_once() if options.once else daemon.run()


def _check(options: argparse.Namespace) -> int:
    try:
        path, loaded = _loaded(options)
    except ConfigError as error:
        if not options.json:
            raise
        _say(json.dumps({"problems": as_records(error.problems), "warnings": [], "ok": []}))
        return USAGE
    found = examine(loaded, file=path, probe=not options.no_probe)
    if options.json:
        warnings, problems = as_records(found.warnings), as_records(found.problems)
        _say(json.dumps({"problems": problems, "warnings": warnings, "ok": list(found.ok)}))
    else:
        _complain(*found.problems, *found.warnings)
        _say(*found.ok)
    return USAGE if found.problems else OK


def _status(options: argparse.Namespace) -> int:
    ask = _asker(options)
    ready = ask("/readyz", 200, 503)
    uploads, drops = ask("/api/v1/uploads"), ask("/api/v1/drops")
    if options.json:
        _say(json.dumps({**ready, "uploads": uploads, "drops": drops}))
        return OK
    _say("ready" if ready["ready"] else f"not ready: {ready['why']}")
    _say(*(f"look at: {_printable(concern)}" for concern in ready.get("concerns", ())))
    counts = Counter(upload["state"] for upload in uploads)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _say(f"uploads: {said or 'none yet'}")
    _say(*(_upload_line(upload) for upload in uploads if _wants_a_look(upload)))
    owed = sum(1 for upload in uploads if upload["state"] == "complete" and upload["open_tasks"])
    if owed:
        _say(f"delivered, but still to be mailed or moved: {_counted(owed, 'upload')}")
    _say(*(_drop_line(drop) for drop in drops[:_LISTED]))
    if len(drops) > _LISTED:
        _say(f"and {len(drops) - _LISTED} more that settle or are held; --json lists all")
    return OK


def _wants_a_look(upload: dict[str, Any]) -> bool:
    """Say whether something went wrong, or waits for more than its turn."""
    waiting = upload.get("waiting")
    stuck = waiting is not None and waiting["reason"] not in {"queued", "finalizing"}
    return upload["state"] == "error" or stuck or bool(upload.get("refused_tasks"))


def _drop_line(drop: dict[str, Any]) -> str:
    line = f"{drop['state']}: {drop['hot_folder']}/{_printable(drop['path'])}"
    if not drop["reason"]:
        return line
    said = ": ".join(word for word in (drop["reason"], _printable(drop["note"])) if word)
    return f"{line} ({said}) - {drop['cure']}"


def _uploads(options: argparse.Namespace) -> int:
    uploads = _asker(options)("/api/v1/uploads")
    if options.json:
        _say(json.dumps(uploads))
        return OK
    if sys.stdout is not None and sys.stdout.isatty():
        names = f"{'ID':<36}  {'STATE':<12}  {'SENT':>5}  {'SIZE':>9}  PACKAGE"
        _say(names if uploads else "no uploads yet")
    _say(*(_upload_line(upload) for upload in uploads))
    return OK


def _upload_line(upload: dict[str, Any]) -> str:
    line = (
        f"{upload['upload_id']}  {upload['state']:<12}  {_share(upload):>5}  "
        f"{size_text(upload['size']):>9}  {_printable(upload['package_name'])}"
    )
    return "  ".join([line, *(f"({clause})" for clause in _clauses(upload))])


def _share(upload: dict[str, Any]) -> str:
    size = upload["size"]
    if not size:
        return "100 %" if upload["state"] == "complete" else "0 %"
    return f"{upload['progress'] * 100 // size} %"


def _clauses(upload: dict[str, Any]) -> Iterator[str]:
    """Say what keeps an upload from moving or from being done."""
    waiting, error = upload.get("waiting"), upload.get("error")
    if waiting:
        ahead = f", {_counted(waiting['ahead'], 'upload')} first" if waiting["ahead"] else ""
        until = f" until {waiting['until']}" if waiting["until"] else ""
        cure = f": {_printable(waiting['cure'])}" if waiting["cure"] else ""
        yield f"waits, {waiting['reason']}{until}{ahead}{cure}"
    if error:
        yield f"{_printable(error['message'])} - {error['cure']}"
    if upload["state"] == "complete" and upload["open_tasks"]:
        yield f"{_counted(upload['open_tasks'], 'task')} open"
    if upload.get("refused_tasks"):
        refused = _counted(upload["refused_tasks"], "task")
        yield f"{refused} refused: masv-watch show {upload['upload_id']}"


def _show(options: argparse.Namespace) -> int:
    upload = _asker(options)(f"/api/v1/uploads/{quote(os.fsencode(options.id), safe='')}")
    if options.json:
        _say(json.dumps(upload))
        return OK
    _say(_upload_line(upload))
    for file in upload["files"]:
        reason = f"  ({_printable(file['reason'])})" if file.get("reason") else ""
        line = f"  {file['state']:<12} {size_text(file['size']):>9}  {_printable(file['path'])}"
        _say(line + reason)
    for left_out in upload["skipped"]:
        _say(f"  left out: {_printable(left_out)}")
    for task in upload["tasks"]:
        note = f"  {_printable(task['note'])}" if task["note"] else ""
        _say(f"  {_task_name(task)}: {task['state']}{note}")
    return OK


def _task_name(task: dict[str, Any]) -> str:
    if task["kind"] == "letter":
        return f"letter to {_printable(task['key'])}"
    return "share link" if task["kind"] == "link" else "source"


def _resume(options: argparse.Namespace) -> int:
    def resume(desk: Uploads) -> str:
        desk.resume(options.id)
        return f"upload {options.id} goes on"

    return _at_desk(options, resume)


def _release(options: argparse.Namespace) -> int:
    def release(desk: Uploads) -> str:
        count = desk.release(options.folder)
        return f"released {_counted(count, 'drop')}: sent once quiet"

    return _at_desk(options, release)


def _seed(options: argparse.Namespace) -> int:
    def seed(desk: Uploads) -> str:
        return f"recorded {_counted(desk.seed(options.folder), 'drop')} as seen: never sent"

    return _at_desk(options, seed)


def _at_desk(options: argparse.Namespace, verb: Callable[[Uploads], str]) -> int:
    """Use the front desk beside the daemon; its rows are the same, and it looks every second."""
    _, loaded = _loaded(options, with_secrets=False)
    folder = getattr(options, "folder", None)
    names = [rule.name for rule in loaded.settings.hot_folders]
    if folder is not None and folder not in names:
        raise NotFound(
            f"there is no hot folder {folder!r}", hint=f"known: {', '.join(names) or 'none'}"
        )
    store = open_guest(loaded.settings.state, clock=SystemClock(), metrics=Metrics())
    try:
        said = verb(Uploads(store, auth_until=lambda: None))
    finally:
        store.close()
    _say(said)
    return OK


def _asker(options: argparse.Namespace) -> Callable[..., Any]:
    """Give what asks the daemon for a path, with the statuses that count as an answer.

    It raises DaemonUnreachable when no masv-watch answers, and MasvWatchError with the daemon's
    own words when it refuses.
    """
    url = _url(options)
    host, port = _place_of(url)

    def ask(path: str, *good: int) -> Any:
        connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DaemonUnreachable(
                f"no masv-watch answers at {url}: {reason.lower()}"
                " - start it with `masv-watch run -c FILE`, or name another address by --url"
            ) from error
        finally:
            connection.close()
        return _answer(url, text, is_good=response.status in (good or (200,)))

    return ask


def _answer(url: str, text: bytes, *, is_good: bool) -> Any:
    try:
        tree = json.loads(text)
        if is_good:
            return tree
        refused = NotFound(str(tree["message"]), hint=str(tree.get("hint", "")))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise DaemonUnreachable(
            f"what answers at {url} is not masv-watch - name its address by --url"
        ) from error
    raise refused


def _url(options: argparse.Namespace) -> str:
    url = options.url or os.environ.get("MASV_WATCH_URL")
    if url:
        return str(url)
    _, loaded = _loaded(options, with_secrets=False)
    server = loaded.settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def _place_of(url: str) -> tuple[str, int]:
    try:
        address = urlsplit(url)
        host, port = address.hostname, address.port
    except ValueError:
        host, port, address = None, None, urlsplit("")
    bare = address.path.rstrip("/") in {"", "/api/v1"} and not address.query
    if address.scheme != "http" or not host or not bare:
        raise WrongUsage(f"{url!r} is no daemon's address - write http://HOST:PORT")
    return host, port or 80


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _printable(text: str) -> str:
    # the daemon escapes names already; their backslashes are not doubled once more
    return text if text.isprintable() else logs.escaped(text)
