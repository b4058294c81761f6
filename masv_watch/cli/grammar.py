"""The command line as data: what the parser knows, for what is made from it.

Owns the walk through argparse's own tables, the one place that reads them. Never parses. Called by
the manual page and by the completion of shells, so that neither can say what the parser does not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

#: what argparse adds to every command
_HELP = argparse._HelpAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """An option of a command."""

    #: as they are written, the short one first
    names: tuple[str, ...]
    help: str
    #: what stands behind it, as `FILE`; "" when nothing does
    value: str = ""
    choices: tuple[str, ...] = ()
    #: it may stand several times
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of a command that is no option."""

    name: str
    help: str
    choices: tuple[str, ...] = ()
    #: it may be left out
    is_optional: bool = False
    #: several may follow each other
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command with what may follow it."""

    #: without the program's own name; empty for the program itself
    path: tuple[str, ...]
    #: one line, as the list of commands has it
    help: str
    flags: tuple[Flag, ...] = ()
    words: tuple[Word, ...] = ()
    below: tuple[Command, ...] = ()

    def walk(self) -> Iterator[Command]:
        """Give this command and all below it, each before its own."""
        yield self
        for command in self.below:
            yield from command.walk()


def command_of(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = (), help_: str = ""
) -> Command:
    """Read a parser with all that hangs below it."""
    flags, words, below = [], [], []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._SubParsersAction):
            helps = {each.dest: each.help or "" for each in action._choices_actions}
            below += [
                command_of(each, (*path, name), helps.get(name, ""))
                for name, each in action.choices.items()
            ]
        elif action.option_strings:
            flags.append(_flag(action))
        else:
            words.append(_word(action))
    return Command(
        path=path, help=help_, flags=tuple(flags), words=tuple(words), below=tuple(below)
    )


def _flag(action: argparse.Action) -> Flag:
    takes = action.nargs != 0
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Flag(
        names=tuple(sorted(action.option_strings, key=len)),
        help=_help_of(action),
        value=name if takes else "",
        choices=_choices_of(action),
        is_repeated=isinstance(action, argparse._AppendAction),
    )


def _word(action: argparse.Action) -> Word:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Word(
        name=name,
        help=_help_of(action),
        choices=_choices_of(action),
        is_optional=action.nargs in {"?", "*"},
        is_repeated=action.nargs in {"*", "+"},
    )


def _help_of(action: argparse.Action) -> str:
    if isinstance(action, _HELP):
        return "say how the command is used, then end"
    if action.nargs == 0 and action.dest == "version":
        return "say which version this is, then end"
    return action.help or ""


def _choices_of(action: argparse.Action) -> tuple[str, ...]:
    # a long list has a metavar and says in its help what may stand there
    return tuple(str(each) for each in action.choices or ())
