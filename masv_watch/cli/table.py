"""The table of commands: every word, every flag, and the way in.

Owns the command line. Never does what a command does. Called by the console script and by
`python -m masv_watch`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from masv_watch import __version__
from masv_watch.cli import configs, output, proofs
from masv_watch.cli.outcomes import FAILED, OK, STATUSES, Ended, lines_of, status_of
from masv_watch.cli.rooms import creation, explaining, overseeing, records, verbs, views
from masv_watch.errors import MasvWatchError

Does = Callable[[argparse.Namespace], int]

_ID = "an upload's id as `masv-watch uploads` lists it, or its beginning"
_SORTS = [
    f"{sign}{key}" for key in ("created_at", "priority", "name", "size") for sign in ("", "-")
]


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and give its exit status; never a traceback for what was foreseen."""
    words = list(sys.argv[1:] if argv is None else argv)
    output.prepare()
    if words[:1] == ["sandbox"]:
        return _sandbox(words[1:])
    options = parser().parse_args(words)
    try:
        return int(options.command(options))
    except (MasvWatchError, Ended) as error:
        output.complain(*lines_of(error))
        return status_of(error)
    except KeyboardInterrupt:
        # to be interrupted is how a watching command ends
        return OK if options.is_endless or getattr(options, "watch", False) else FAILED


# What only the programs need is brought in by them: it would more than double the time that a
# command beside the daemon takes to begin.


def _sandbox(words: Sequence[str]) -> int:
    """Be the sandbox, a program of its own with its own flags."""
    from masv_watch.sandbox import __main__ as sandbox  # noqa: PLC0415

    return sandbox.main(words)


def _run(options: argparse.Namespace) -> int:
    from masv_watch.cli import foreground  # noqa: PLC0415

    return foreground.run(options)


def _check(options: argparse.Namespace) -> int:
    from masv_watch.cli import checking  # noqa: PLC0415

    return checking.check(options)


def _drop(options: argparse.Namespace) -> int:
    from masv_watch.cli import dropping  # noqa: PLC0415

    return dropping.drop(options)


def _selftest(options: argparse.Namespace) -> int:
    from masv_watch.cli import selftesting  # noqa: PLC0415

    return selftesting.selftest(options)


def _receipt(options: argparse.Namespace) -> int:
    from masv_watch.cli import receipts  # noqa: PLC0415

    return receipts.receipt(options)


def _verify(options: argparse.Namespace) -> int:
    from masv_watch.cli import verifying  # noqa: PLC0415

    return verifying.verify(options)


def _plan(options: argparse.Namespace) -> int:
    from masv_watch.cli import planning  # noqa: PLC0415

    return planning.plan(options)


def _reload(options: argparse.Namespace) -> int:
    from masv_watch.cli import planning  # noqa: PLC0415

    return planning.reload(options)


def _doctor(options: argparse.Namespace) -> int:
    from masv_watch.cli import doctoring  # noqa: PLC0415

    return doctoring.doctor(options)


def _configuring(word: str) -> Does:
    def does(options: argparse.Namespace) -> int:
        from masv_watch.cli import configuring  # noqa: PLC0415

        return int(getattr(configuring, word)(options))

    return does


def _rules_test(options: argparse.Namespace) -> int:
    from masv_watch.cli import rehearsing  # noqa: PLC0415

    return rehearsing.rehearse(options)


def _service_paths(options: argparse.Namespace) -> int:
    from masv_watch.cli import unit  # noqa: PLC0415

    return unit.paths(options)


def _state_backup(options: argparse.Namespace) -> int:
    from masv_watch.cli import keeping  # noqa: PLC0415

    return keeping.back_up(options)


def _state_check(options: argparse.Namespace) -> int:
    from masv_watch.cli import keeping  # noqa: PLC0415

    return keeping.check(options)


def _state_restore(options: argparse.Namespace) -> int:
    from masv_watch.cli import keeping  # noqa: PLC0415

    return keeping.restore(options)


def _completion(options: argparse.Namespace) -> int:
    from masv_watch.cli import completion  # noqa: PLC0415

    return completion.completion(options, parser())


def _manual(_options: argparse.Namespace) -> int:
    from masv_watch.cli import manual  # noqa: PLC0415

    return manual.manual(parser())


def parser() -> argparse.ArgumentParser:
    """Build the whole command line; what completes and describes it is made from this."""
    whole = argparse.ArgumentParser(
        prog="masv-watch",
        description="Hot folders for MASV: what settles in a folder is delivered exactly once.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"masv-watch {__version__}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "run the daemon in the foreground")
    run.add_argument(
        "--once", action="store_true", help="deliver what is there, then end (1 if anything stays)"
    )
    run.add_argument(
        "--log", choices=("auto", "text", "json", "journal"), default="auto",
        help="how lines of the log look; auto: for the journal where it reads them, else text with"
        " the time",
    )  # fmt: skip
    check = _command(commands, "check", _check, "look for mistakes in the configuration")
    check.add_argument("--no-probe", action="store_true", help="leave out disk paths and network")
    check.add_argument(
        "--no-network", action="store_true", help="leave out the mail server and the cloud"
    )
    check.add_argument("--json", action="store_true", help="print one JSON object")
    _looking(commands)
    _creating(commands)
    configs.describe(commands, _command, _configuring)
    _steering(commands)
    _folders(commands)
    _tools(commands)
    proofs.describe(commands, _call, receipt=_receipt, verify=_verify)
    _keeping(commands)
    _installing(commands)
    commands.add_parser("sandbox", help="run a MASV cloud for trying out, on this machine")
    return whole


def _looking(commands: Any) -> None:
    status = _call(commands, "status", views.status, "say how the daemon is, what is held and why")
    of = status.add_mutually_exclusive_group()
    of.add_argument("folder", metavar="NAME", nargs="?", help="only this hot folder, in full")
    of.add_argument("--tag", help="only of hot folders with this tag")
    words = "show everything as it changes, until q or Ctrl-C"
    top = _call(commands, "top", overseeing.top, words)
    # into a pipe it says what `status` does
    top.set_defaults(is_endless=True, folder=None, tag=None)
    uploads = _call(commands, "uploads", views.uploads, "list the uploads, oldest first")
    uploads.add_argument(
        "--state", choices=("transferring", "paused", "idle", "complete", "error"),
        help="only those in this state",
    )  # fmt: skip
    uploads.add_argument("--type", choices=("team", "portal"), help="only those of this type")
    uploads.add_argument("--folder", metavar="NAME", help="only those of this hot folder")
    uploads.add_argument("--waiting", action="store_true", help="only those that wait")
    uploads.add_argument(
        "--sort", choices=_SORTS, metavar="KEY",
        help=f"one of {', '.join(_SORTS)}; write --sort=-KEY",
    )  # fmt: skip
    uploads.add_argument("--limit", type=_count, metavar="N", help="at most this many")
    _watched(uploads, "go on until Ctrl-C, with progress, rate and time left")
    show = _call(commands, "show", views.show, "show one upload with its files")
    show.add_argument("id", metavar="ID", help=_ID)
    _watched(show, "go on until it is complete or fails, or Ctrl-C")
    why = _call(commands, "explain", explaining.explain, "say why a path is sent or not")
    why.add_argument("path", metavar="PATH", help="a file or folder in a hot folder")
    events = _call(commands, "events", views.events, "print what happens, as it happens")
    events.add_argument("--after", metavar="EVENT", help="begin behind this event's id")
    events.set_defaults(is_endless=True)


def _creating(commands: Any) -> None:
    create = _call(commands, "create", creation.create, "make an upload of files and folders")
    target = create.add_mutually_exclusive_group()
    target.add_argument("--team", metavar="NAME", help="the team that sends; default: masv.team")
    target.add_argument("--portal", metavar="NAME", help="the portal that it goes to")
    create.add_argument("--sender", metavar="ADDRESS", help="who sends; a portal wants to know")
    create.add_argument(
        "--recipient", metavar="ADDRESS", action="append", help="who is mailed; may be repeated"
    )
    create.add_argument("--name", help="the package's name")
    create.add_argument("--message", help="the package's description")
    create.add_argument(
        "--password-file", dest="password", metavar="FILE",
        help="holds what recipients must type; - reads it from standard input",
    )  # fmt: skip
    create.add_argument(
        "--access-code-file", dest="code", metavar="FILE",
        help="holds the portal's access code; - reads it from standard input",
    )  # fmt: skip
    create.add_argument("--chunk-size", metavar="SIZE", help='bytes of one chunk, as "100 MiB"')
    create.add_argument("--priority", type=int, metavar="N", help="higher goes first; default 0")
    create.add_argument(
        "--wait", action="store_true", help="show progress until all is sent; 1 when it fails"
    )
    create.add_argument(
        "--finalize", action="store_true", help="wait, then finalize and wait for the delivery"
    )
    create.add_argument("paths", metavar="PATH", nargs="+", help="a file or a folder")
    files = _call(commands, "files", creation.files, "add files and folders to an upload")
    files.add_argument("id", metavar="ID", help=_ID)
    files.add_argument("paths", metavar="PATH", nargs="+", help="a file or a folder")


def _steering(commands: Any) -> None:
    for name, does, help_ in (
        ("pause", verbs.pause, "stop sending until resumed"),
        ("resume", verbs.resume, "let a failed or paused upload go on"),
        ("finalize", verbs.finalize, "deliver an idle upload"),
    ):
        which = _call(commands, name, does, help_).add_mutually_exclusive_group(required=True)
        which.add_argument("id", metavar="ID", nargs="?", help=_ID)
        which.add_argument("--folder", metavar="NAME", help="this hot folder instead")
        which.add_argument("--tag", help="every hot folder with this tag instead")
        if name != "finalize":
            which.add_argument("--all", action="store_true", help="every upload that can")
    delete = _call(commands, "delete", verbs.delete, "delete an upload; source files stay")
    delete.add_argument("id", metavar="ID", help=_ID)
    delete.add_argument(
        "--package", action="store_true", help="delete a delivered package at MASV as well"
    )
    delete.add_argument("--yes", action="store_true", help="do not ask")
    link = _call(commands, "link", verbs.link, "print a share link of a delivered upload")
    link.add_argument("id", metavar="ID", help=_ID)
    start = _call(commands, "start", verbs.start, "let an upload go before its turn")
    start.add_argument("id", metavar="ID", help=_ID)
    priority = _call(commands, "priority", verbs.priority, "set what goes first among the waiting")
    priority.add_argument("id", metavar="ID", help=_ID)
    priority.add_argument("priority", type=int, metavar="N", help="higher goes first; default 0")

    limit = _call(commands, "limit", verbs.limit, "show or set how fast all uploads may go")
    limit.add_argument(
        "rate", metavar="RATE", nargs="*",
        help="as 50 Mbit/s; off: no limit; config: as the configuration says again; left out: show"
        " what holds now",
    )  # fmt: skip


def _folders(commands: Any) -> None:
    scan = _call(commands, "scan", verbs.scan, "sweep a hot folder now")
    where = scan.add_mutually_exclusive_group(required=True)
    where.add_argument("folder", metavar="NAME", nargs="?", help="the hot folder")
    where.add_argument("--tag", help="every hot folder with this tag instead")
    adopt = _call(
        commands, "adopt", verbs.adopt, "take what stands at a hot folder's path for its root"
    )
    adopt.add_argument("folder", metavar="NAME", help="the hot folder")
    adopt.add_argument(
        "--archive", action="store_true",
        help="not its root: what stands where its delivered sources are moved to",
    )  # fmt: skip
    release = _call(commands, "release", verbs.release, "send what is held until a person says so")
    which = release.add_mutually_exclusive_group(required=True)
    which.add_argument("drop", metavar="DROP", nargs="?", help="its number, as `status` names it")
    which.add_argument("--folder", metavar="NAME", help="what this hot folder's first start held")
    hold = _call(commands, "hold", records.hold, "hold what is not on its way until it is released")
    hold.add_argument("what", metavar="DROP|PATH", help="a drop, or the path that it has")
    ledger = commands.add_parser(
        "ledger",
        help="steer the record of what was seen and sent",
        description="Steer the record of what was seen and sent.",
    )
    seeding = ledger.add_subparsers(title="verbs", metavar="VERB", required=True)
    seed = _call(seeding, "seed", verbs.seed, "record what a hot folder's first start held as seen")
    seed.add_argument("folder", metavar="NAME", help="the hot folder")
    forget = _call(seeding, "forget", records.forget, "let a path be new, as if never seen")
    forget.add_argument("path", metavar="PATH", help="a file or folder in a hot folder")
    export = _call(seeding, "export", records.export, "print every drop, one JSON object a line")
    export.add_argument("--folder", metavar="NAME", help="only those of this hot folder")
    _answering(commands)


def _answering(commands: Any) -> None:
    for name, does, help_ in (
        ("resend", records.resend, "send what ended once more, whatever was delivered"),
        ("rebind", records.rebind, "let what is on its way go to whom its rule names now"),
    ):
        answer = _call(commands, name, does, help_)
        answer.add_argument("drop", metavar="DROP", help="its number, as `status` names it")
    cancel = _call(commands, "cancel", records.cancel, "end what has not gone yet, for good")
    cancel.add_argument("drop", metavar="DROP", help="its number, as `status` names it")
    cancel.add_argument("--yes", action="store_true", help="do not ask")
    retry = _call(commands, "retry", records.retry, "let a failed upload go on now")
    retry.add_argument("id", metavar="ID", help=_ID)
    send = _call(commands, "send", records.send, "do what lets something be sent, and ask first")
    send.add_argument("what", metavar="ID|DROP|PATH", help="an upload, a drop, or a path")
    send.add_argument("--yes", action="store_true", help="do not ask")


def _tools(commands: Any) -> None:
    drop = _command(commands, "drop", _drop, "copy files and folders into a hot folder safely")
    drop.add_argument("files", metavar="FILE", nargs="+", help="a file or a folder; it stays")
    drop.add_argument(
        "--to", metavar="FOLDER", required=True,
        help="a hot folder's name, or a path with a slash in it",
    )  # fmt: skip
    drop.add_argument("--as", dest="name", metavar="NAME", help="the one drop's name there")
    drop.add_argument("--json", action="store_true", help="print one JSON object")

    selftest = _command(commands, "selftest", _selftest, "try out what a folder's mount can do")
    selftest.add_argument(
        "folder", metavar="FOLDER", help="a hot folder's name, or a path with a slash in it"
    )
    selftest.add_argument("--json", action="store_true", help="print one JSON object")

    doctor = _call(
        commands, "doctor", _doctor, "say what is wrong, and write a bundle without secrets"
    )
    doctor.add_argument("-o", "--output", metavar="FILE", help="the bundle, a new .tar.gz")
    doctor.add_argument("--no-probe", action="store_true", help="leave out disk paths and network")
    _call(commands, "plan", _plan, "show what an edit of the configuration would do")
    _call(commands, "reload", _reload, "take over the configuration file as it stands now")
    rules = commands.add_parser(
        "rules", help="try rules out", description="Try rules out, without touching anything."
    )
    verbs_ = rules.add_subparsers(title="verbs", metavar="VERB", required=True)
    test = _command(verbs_, "test", _rules_test, "say what the rules make of a list of paths")
    test.add_argument(
        "listing", metavar="LISTING", nargs="?",
        help="a path on each line, below the hot folder; behind tabs its size in bytes and its time"
        " in seconds since 1970; a folder ends with a slash; - reads standard input",
    )  # fmt: skip
    test.add_argument("--path", metavar="DIR", help="look at this folder instead, reading only")
    test.add_argument("--folder", metavar="NAME", help="only this hot folder's rule")
    test.add_argument(
        "-0", dest="by_nul", action="store_true", help="the paths are ended by NUL characters"
    )
    test.add_argument("--json", action="store_true", help="print one JSON object")


def _keeping(commands: Any) -> None:
    state = commands.add_parser(
        "state", help="copy, examine or restore the state as a whole",
        description="Copy, examine or restore the state as a whole.",
    )  # fmt: skip
    verbs_ = state.add_subparsers(title="verbs", metavar="VERB", required=True)
    copy = _command(verbs_, "backup", _state_backup, "copy the state, also while the daemon runs")
    copy.add_argument("to", metavar="TO", help="the file of the copy; its key goes to TO.key")
    copy.add_argument(
        "--no-key", action="store_true", help="leave out the key of the state's secrets"
    )
    examine = _command(verbs_, "check", _state_check, "look for damage in the state or in a copy")
    examine.add_argument("copy", metavar="FILE", nargs="?", help="a copy; default: the state")
    restore = _command(
        verbs_, "restore", _state_restore, "put a copy in the place of the state; asks before"
    )
    restore.add_argument("copy", metavar="FROM", help="a file that state backup wrote")
    restore.add_argument("--yes", action="store_true", help="do not ask")
    for parser in (copy, examine, restore):
        parser.add_argument("--json", action="store_true", help="print one JSON object")


def _installing(commands: Any) -> None:
    service = commands.add_parser(
        "service", help="fit the service to this machine",
        description="Fit the service to this machine.",
    )  # fmt: skip
    verbs_ = service.add_subparsers(title="verbs", metavar="VERB", required=True)
    paths = _command(
        verbs_, "paths", _service_paths, "print the drop-in that opens the configuration's paths"
    )
    paths.add_argument(
        "--write", metavar="DIR",
        help="write it there as paths.conf instead, as /etc/systemd/system/masv-watch.service.d",
    )  # fmt: skip
    paths.add_argument("--json", action="store_true", help="print one JSON object")
    completion = commands.add_parser(
        "completion", help="print what completes this command in a shell",
        description="Print what completes this command in a shell.",
    )  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")
    completion.set_defaults(command=_completion, is_endless=False)
    page = commands.add_parser(
        "manual", help="print the manual page", description="Print the manual page, for man(1)."
    )
    page.set_defaults(command=_manual, is_endless=False)


def _command(commands: Any, name: str, does: Does, help_: str) -> argparse.ArgumentParser:
    words = f"{help_[0].upper()}{help_[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help_, description=words)
    parser.set_defaults(command=does, is_endless=False)
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="default: $MASV_WATCH_CONFIG, ./masv-watch.yml, /etc/masv-watch/masv-watch.yml",
    )
    return parser


def _call(commands: Any, name: str, does: Does, help_: str) -> argparse.ArgumentParser:
    """Add a command that calls the daemon."""
    parser = _command(commands, name, does, help_)
    parser.add_argument(
        "--url",
        metavar="URL",
        help="the daemon's address; default: $MASV_WATCH_URL, else server.listen",
    )
    parser.add_argument(
        "--token-file", metavar="FILE",
        help="holds the API's token; default: $MASV_WATCH_TOKEN, else the configuration's",
    )  # fmt: skip
    parser.add_argument(
        "--cacert", metavar="FILE",
        help="authorities for https, PEM; default: $MASV_WATCH_CACERT, else the machine's",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the API's answer as JSON")
    return parser


def _watched(parser: argparse.ArgumentParser, help_: str) -> None:
    parser.add_argument("--watch", action="store_true", help=help_)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text[:9]):
        raise argparse.ArgumentTypeError(f"{text!r} is no count - write 1 or more")
    return int(text[:9])
