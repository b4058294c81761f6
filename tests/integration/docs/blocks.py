"""The code blocks of README.rst and docs/, with the page and the line where each stands.

Owns how a block and its marks are read. A comment `.. not run: REASON` marks the next block as one
that no test can carry out. Used by the tests of this folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent.parent
PAGES = (PROJECT / "README.rst", *sorted((PROJECT / "docs").rglob("*.rst")))

_DIRECTIVE = re.compile(r"(\s*)\.\. code-block:: (\S+)\s*$")
_MARK = re.compile(r"\.\. not run: (.+)$")
_OPTION = re.compile(r"\s+:(\w+): (.+)$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block of code."""

    page: Path
    #: of the first line of its text, from 1
    line: int
    #: what it is written in; "" for a literal block, which holds commands
    language: str
    text: str
    #: the file that its caption names, or ""
    caption: str = ""
    #: why no test can carry it out, or ""
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a session, and what the page shows of its output."""

    command: str
    shown: tuple[str, ...] = ()


def blocks_of(page: Path) -> Iterator[Block]:
    """Read every block of a page, in order."""
    lines = page.read_text("utf-8").splitlines()
    number, reason = 0, ""
    while number < len(lines):
        line = lines[number]
        if mark := _MARK.match(line):
            reason = mark[1]
            while number + 1 < len(lines) and re.match(r"   +\S", lines[number + 1]):
                number += 1
                reason += f" {lines[number].strip()}"
        head = _DIRECTIVE.match(line)
        is_literal = line.endswith("::") and not line.lstrip().startswith("..")
        number += 1
        if head or is_literal:
            block, number = _read(page, lines, number, head=head, reason=reason)
            yield block
            reason = ""


def _read(
    page: Path, lines: list[str], number: int, *, head: re.Match[str] | None, reason: str
) -> tuple[Block, int]:
    caption = ""
    while number < len(lines) and (option := _OPTION.match(lines[number])):
        caption = option[2] if option[1] == "caption" else caption
        number += 1
    while not lines[number].strip():
        number += 1
    first, indent = number, len(lines[number]) - len(lines[number].lstrip())
    assert indent, f"{page}:{number + 1}: a block without text"
    while number < len(lines) and (not lines[number].strip() or lines[number][:indent].isspace()):
        number += 1
    text = "\n".join(line[indent:] for line in lines[first:number]).rstrip() + "\n"
    language = head[2] if head else ""
    block = Block(
        page=page, line=first + 1, language=language, text=text, caption=caption, reason=reason
    )
    return block, number


def every_block() -> list[Block]:
    """Give the blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(page)]


def steps_of(block: Block) -> list[Step]:
    """Part a session into its commands; a line that ends with a backslash goes on."""
    steps: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(command=line[2:]))
        elif line.startswith("> "):
            steps[-1] = Step(command=f"{steps[-1].command}\n{line[2:]}")
        elif steps and not steps[-1].shown and steps[-1].command.endswith("\\"):
            steps[-1] = Step(command=f"{steps[-1].command}\n{line}")
        else:
            assert steps, f"{block.name}: a session begins with `$ `"
            steps[-1] = Step(command=steps[-1].command, shown=(*steps[-1].shown, line))
    return steps


def commands_of(block: Block) -> list[str]:
    """Part a literal block into its commands, without comments; an open quote goes on."""
    commands: list[str] = []
    for line in block.text.splitlines():
        if commands and commands[-1].count("'") % 2:
            commands[-1] += f"\n{line}"
        elif line.strip():
            commands.append(re.sub(r"\s{2,}# .*", "", line))
    return commands
