"""The manual page and the completion of shells: made from the parser, read by the real programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import date

import pytest

from masv_watch import __date__, __version__
from masv_watch.cli import completion, manual
from masv_watch.cli.grammar import command_of
from masv_watch.cli.table import parser
from tests.integration.cli.terminal import Terminal
from tests.processes import PROJECT

WHOLE = command_of(parser())
COMMANDS = [each for each in WHOLE.walk() if each.path]


def tool(name: str, package: str) -> str:
    """Give the path of a program, or fail: nothing here is skipped quietly."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: install the Debian package `{package}`")
    return found


def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT
    )


def test_grammar_holds_every_command_with_its_help():
    """What is made from it misses none, and a command without words of its own has none."""
    names = {" ".join(each.path) for each in COMMANDS}

    assert {"run", "check", "ledger seed", "service paths", "rules test", "sandbox"} <= names
    assert all(each.help for each in COMMANDS)
    assert all(flag.help for each in COMMANDS for flag in each.flags)


def test_manual_page_is_read_without_a_warning():
    """By both readers of manual pages."""
    page = manual.page(parser())

    linted = run(tool("mandoc", "mandoc"), "-T", "lint", "-W", "warning", text=page)
    formatted = run(tool("groff", "groff-base"), "-man", "-ww", "-Tutf8", text=page)

    assert linted.stdout == ""
    assert (formatted.returncode, formatted.stderr) == (0, "")


def test_manual_page_has_the_day_of_its_version():
    """Not that of its making: a build can be repeated, and a reader sees how old it is."""
    assert date.fromisoformat(__date__).isoformat() == __date__
    assert manual.page(parser()).startswith(f".TH MASV\\-WATCH 1 {__date__} ")
    changes = (PROJECT / "CHANGELOG.rst").read_text()
    released = re.findall(rf"^{re.escape(__version__)}\b.*$", changes, re.MULTILINE)
    assert all(__date__ in title for title in released)


def test_manual_page_names_every_command_flag_and_status():
    """Read as a person reads it, in plain text."""
    plain = run(
        tool("mandoc", "mandoc"), "-T", "ascii", "-O", "width=200", text=manual.page(parser())
    )
    text = "".join(
        sign for at, sign in enumerate(plain.stdout)
        if sign != "\b" and plain.stdout[at + 1 : at + 2] != "\b"
    )  # fmt: skip

    for each in COMMANDS:
        if not each.below:
            assert f"masv-watch {' '.join(each.path)}" in text
        for flag in each.flags:
            assert set(flag.names) <= {"-h", "--help"} or ", ".join(flag.names) in text
    for status in range(6):
        assert f"\n       {status} " in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_the_shell_reads(shell, tmp_path):
    """And the command prints the very script."""
    script = tmp_path / "script"
    script.write_text(completion.script(shell, parser()))

    answer = run(tool(shell, shell), "-n", str(script))
    printed = run(sys.executable, "-m", "masv_watch", "completion", shell)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert printed.stdout == script.read_text()


#: what stands on the line, and all that may follow
LINES = [
    ("masv-watch uplo", {"uploads"}),
    ("masv-watch re", {"release", "resend", "rebind", "receipt", "resume", "retry", "reload"}),
    ("masv-watch ledger ", {"seed", "forget", "export"}),
    ("masv-watch ledger seed --j", {"--json"}),
    ("masv-watch uploads --state comp", {"complete"}),
    ("masv-watch completion z", {"zsh"}),
]


@pytest.mark.parametrize(("line", "offered"), LINES)
def test_bash_completes_commands_flags_and_values(line, offered, tmp_path):
    """As bash itself calls the function."""
    script = tmp_path / "script"
    script.write_text(completion.script("bash", parser()))
    words = line.split(" ")
    call = f'source {script}; COMP_WORDS=({" ".join(f"{w!r}" for w in words)}); \
COMP_CWORD={len(words) - 1}; _masv_watch; printf "%s\\n" "${{COMPREPLY[@]}}"'

    answer = run("bash", "-c", call)

    assert answer.stderr == ""
    assert set(answer.stdout.split()) == offered


@pytest.mark.parametrize(("line", "offered"), LINES)
def test_fish_completes_commands_flags_and_values(line, offered, tmp_path):
    """As fish itself answers."""
    script = tmp_path / "script"
    script.write_text(completion.script("fish", parser()))

    answer = run(tool("fish", "fish"), "-c", f'source {script}; complete -C "{line}"')

    assert {each.split("\t")[0] for each in answer.stdout.splitlines()} == offered


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("masv-watch uplo", "masv-watch uploads"),
        ("masv-watch ledger se", "masv-watch ledger seed"),
        ("masv-watch ledger seed --js", "masv-watch ledger seed --json"),
        ("masv-watch uploads --state comp", "masv-watch uploads --state complete"),
    ],
)
def test_zsh_completes_commands_flags_and_values(line, completed, tmp_path):
    """As a person sees it who presses the tabulator."""
    script = tmp_path / "script"
    script.write_text(completion.script("zsh", parser()))
    start = f"autoload -U compinit; compinit -u -D; source {script}; PS1=; echo re''ady\n"

    with Terminal(program=(tool("zsh", "zsh"), "-f", "-i")) as terminal:
        terminal.type(start)
        terminal.until("ready\n")
        terminal.type(f"{line}\t")
        terminal.until(completed)


def test_bash_completes_names_of_files_with_their_blanks(tmp_path):
    """A folder's name is one word, and a value that nobody can know gets no offer."""
    (tmp_path / "a b").mkdir()
    (tmp_path / "a c").touch()
    script = tmp_path / "script"
    script.write_text(completion.script("bash", parser()))
    offers = {}
    for line in ("service paths --write a", "create a", "uploads --folder a"):
        words = line.split(" ")
        call = f'source {script}; cd {tmp_path}; COMP_WORDS=(masv-watch {line}); \
COMP_CWORD={len(words)}; _masv_watch; printf "%s\\n" "${{COMPREPLY[@]}}"'
        offers[line] = [each for each in run("bash", "-c", call).stdout.splitlines() if each]

    assert offers == {
        "service paths --write a": ["a b"],
        "create a": ["a b", "a c"],
        "uploads --folder a": [],
    }


def test_every_shell_is_offered_every_command():
    """A command that is added is completed without a further word."""
    for shell in ("bash", "zsh", "fish"):
        script = completion.script(shell, parser())
        assert [each.path for each in COMMANDS if each.path[-1] not in script] == []


def test_manual_is_printed_by_its_command():
    """It is what the packages are built with."""
    printed = run(sys.executable, "-m", "masv_watch", "manual")

    assert printed.stdout == manual.page(parser())
