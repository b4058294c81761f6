"""The manual page, made from the command line's own parser.

Owns the page's form and the sections that no parser knows: files, environment, statuses. Never kept
as a file, so that it cannot differ from the program. Called by the command `manual`, which the
packages are built with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from masv_watch import __date__, __version__
from masv_watch.cli.grammar import Command, Flag, Word, command_of
from masv_watch.cli.outcomes import OK, STATUSES
from masv_watch.cli.output import say

_SUMMARY = "hot folders that deliver dropped media through MASV, exactly once"
_FILES = (
    ("./masv-watch.yml, /etc/masv-watch/masv-watch.yml", "the configuration, the first found"),
    ("/var/lib/masv-watch", "the state: what was seen, sent and promised; keep it private"),
    ("/etc/credstore/masv-watch.api_key", "the API key, for `api_key: !credential api_key`"),
    ("/etc/systemd/system/masv-watch.service.d/", "what this site adds to the service"),
)
_ENVIRONMENT = (
    ("MASV_WATCH_CONFIG", "the configuration when -c names none"),
    ("MASV_WATCH_URL", "the daemon's address when --url names none"),
    ("MASV_WATCH_TOKEN", "the token that is shown to it when --token-file names none"),
    ("MASV_WATCH_CACERT", "authorities for https when --cacert names none"),
    ("STATE_DIRECTORY, CREDENTIALS_DIRECTORY", "set by systemd: where state and secrets are"),
)


def manual(parser: argparse.ArgumentParser) -> int:
    """Print the page in the language of man(7)."""
    say(page(parser).rstrip("\n"))
    return OK


def page(parser: argparse.ArgumentParser) -> str:
    """Write the page for a command line."""
    whole = command_of(parser)
    lines = [
        # no day of its making, so that a build can be repeated
        f'.TH MASV\\-WATCH 1 {__date__} "masv\\-watch {_plain(__version__)}" "User Commands"',
        ".SH NAME",
        f"masv\\-watch \\- {_plain(_SUMMARY)}",
        ".SH SYNOPSIS",
        ".B masv\\-watch",
        ".I COMMAND",
        "[\\fIoptions\\fR]",
        ".SH DESCRIPTION",
        _plain(parser.description or ""),
        ".PP",
        _plain("The daemon is `masv-watch run`; nearly all other commands speak to it."),
        ".SH OPTIONS",
        *(line for flag in whole.flags for line in _flag(flag)),
        ".SH COMMANDS",
    ]
    for command in whole.walk():
        if command.path and not command.below:
            lines += _command(command)
    lines += _pairs("FILES", _FILES) + _pairs("ENVIRONMENT", _ENVIRONMENT)
    lines += [".SH EXIT STATUS", *_statuses()]
    lines += [".SH SEE ALSO", ".BR systemctl (1),", ".BR systemd.exec (5)"]
    return "\n".join(lines) + "\n"


def _command(command: Command) -> Iterator[str]:
    words = " ".join(_word(word) for word in command.words)
    yield f".SS \\fBmasv\\-watch {_plain(' '.join(command.path))}\\fR {words}".rstrip()
    yield _plain(f"{command.help[:1].upper()}{command.help[1:]}.")
    for word in command.words:
        if word.help:
            yield from (".TP", f"\\fI{_plain(word.name)}\\fR", _plain(word.help))
    for flag in command.flags:
        if "--help" not in flag.names:
            yield from _flag(flag)


def _word(word: Word) -> str:
    written = f"\\fI{_plain(word.name)}\\fR" + ("..." if word.is_repeated else "")
    return f"[{written}]" if word.is_optional else written


def _flag(flag: Flag) -> Iterator[str]:
    names = ", ".join(f"\\fB{_plain(name)}\\fR" for name in flag.names)
    value = "|".join(flag.choices) if _is_short(flag.choices) else flag.value
    yield ".TP"
    yield f"{names} \\fI{_plain(value)}\\fR" if value else names
    yield _plain(f"{flag.help} (may be repeated)" if _is_untold(flag) else flag.help)


def _is_untold(flag: Flag) -> bool:
    return flag.is_repeated and "repeated" not in flag.help


def _is_short(choices: tuple[str, ...]) -> bool:
    return 0 < len(choices) < 6


def _statuses() -> Iterator[str]:
    for line in STATUSES.splitlines()[1:]:
        number, _, meaning = line.strip().partition("  ")
        yield from (".TP", f"\\fB{number}\\fR", _plain(meaning))


def _pairs(title: str, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    lines = [f".SH {title}"]
    for name, meaning in pairs:
        lines += [".TP", f"\\fB{_plain(name)}\\fR", _plain(meaning)]
    return lines


def _plain(text: str) -> str:
    """Write text that man(7) takes for nothing but text, on one line."""
    line = " ".join(text.replace("\\", "\\e").replace("-", "\\-").split())
    return f"\\&{line}" if line.startswith((".", "'")) else line
