"""What completes the command in bash, zsh and fish, made from its own parser.

Owns the three scripts. Never kept as files, so that they cannot differ from the program, and never
asks the daemon: a shell must not wait for one. Called by the command `completion`, which the
packages are built with.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from masv_watch.cli.grammar import Command, Flag, command_of
from masv_watch.cli.outcomes import OK
from masv_watch.cli.output import say

#: values that are files or folders, by the word that stands for them
_FILES = frozenset({"FILE", "PATH", "LISTING"})
_FOLDERS = frozenset({"DIR"})


def completion(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Print the script for one shell."""
    say(script(options.shell, parser).rstrip("\n"))
    return OK


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Write the script for `bash`, `zsh` or `fish`."""
    whole = command_of(parser)
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](whole)


def _bash(whole: Command) -> str:
    cases = "".join(_bash_case(command) for command in whole.walk())
    verbs = " ".join(" ".join(c.path) for c in whole.below if c.below)
    return f"""\
# bash completion of masv-watch, made by `masv-watch completion bash`
_masv_watch() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path="" word
    local words="" flags="" values="" files="" folders="" silent="" at=1
    while [ "$at" -lt "$COMP_CWORD" ] && [ "$at" -le 2 ]; do
        word=${{COMP_WORDS[at]}}
        case $word in -*) break ;; esac
        [ -z "$path" ] || case " {verbs} " in *" $path "*) ;; *) break ;; esac
        path="${{path:+$path }}$word"
        at=$((at + 1))
    done
    case $path in
{cases}    esac
    local IFS=$' \\t\\n'
    COMPREPLY=()
    if [ -n "$values" ]; then
        COMPREPLY=($(compgen -W "$values" -- "$cur"))
    elif [ -n "$silent" ]; then
        return
    elif [ "${{cur#-}}" != "$cur" ]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    elif [ -n "$folders$files" ]; then
        compopt -o filenames 2>/dev/null
        [ -n "$folders" ] && files=-d || files=-f
        local IFS=$'\\n'
        COMPREPLY=($(compgen $files -- "$cur"))
    else
        COMPREPLY=($(compgen -W "${{words:-$flags}}" -- "$cur"))
    fi
}}
complete -F _masv_watch masv-watch
"""


def _bash_case(command: Command) -> str:
    lines = [f"        {shlex.quote(' '.join(command.path))})"]
    offered = [each.path[-1] for each in command.below]
    offered += [choice for word in command.words for choice in word.choices]
    names = [name for flag in command.flags for name in flag.names]
    lines.append(f"            words={shlex.quote(' '.join(offered))}")
    lines.append(f"            flags={shlex.quote(' '.join(names))}")
    if any(word.name in _FILES for word in command.words):
        lines.append("            files=1")
    told = [flag for flag in command.flags if flag.value]
    if told:
        lines.append("            case $prev in")
        lines += [
            f"                {'|'.join(flag.names)}) {_bash_value(flag)} ;;" for flag in told
        ]
        lines.append("            esac")
    return "\n".join([*lines, "            ;;"]) + "\n"


def _bash_value(flag: Flag) -> str:
    if flag.choices:
        return f"values={shlex.quote(' '.join(flag.choices))}"
    if flag.value in _FOLDERS:
        return "folders=1"
    return "files=1" if flag.value in _FILES else "silent=1"


def _zsh(whole: Command) -> str:
    return f"""\
#compdef masv-watch
# zsh completion of masv-watch, made by `masv-watch completion zsh`
{_zsh_function(whole)}
if [ "$funcstack[1]" = "_masv_watch" ]; then
    _masv_watch "$@"
else
    compdef _masv_watch masv-watch
fi
"""


def _zsh_function(command: Command) -> str:
    name = "_".join(("_masv_watch", *command.path)).replace("-", "_")
    specs = [_zsh_flag(flag) for flag in command.flags]
    if not command.below:
        specs += [_zsh_word(word.name, word.choices, word.is_repeated) for word in command.words]
        body = " \\\n        ".join(["    _arguments -s -S", *specs])
        return f"{name}() {{\n{body}\n}}\n"
    body = " \\\n        ".join(
        ["    _arguments -C -A '-*'", *specs, "'1:command:->command'", "'*::word:->rest'"]
    )
    offers = "\n".join(
        f"            {shlex.quote(each.path[-1] + ':' + _spelled(each.help))}"
        for each in command.below
    )
    arms = "\n".join(
        f"            {shlex.quote(each.path[-1])}) {'_'.join((name, each.path[-1]))} ;;"
        for each in command.below
    )
    inner = "".join(_zsh_function(each) for each in command.below)
    return f"""\
{inner}{name}() {{
    local state line curcontext="$curcontext"
    local -a offers
{body}
    case $state in
        command)
            offers=(
{offers}
            )
            _describe -t commands command offers ;;
        rest)
            case $line[1] in
{arms}
            esac ;;
    esac
}}
"""


def _zsh_flag(flag: Flag) -> str:
    others = "" if flag.is_repeated or len(flag.names) == 1 else f"({' '.join(flag.names)})"
    before = "*" if flag.is_repeated else others
    value = f":{flag.value}:{_zsh_value(flag.value, flag.choices)}" if flag.value else ""
    told = f"[{_spelled(flag.help)}]{value}"
    if len(flag.names) == 1:
        return shlex.quote(f"{before}{flag.names[0]}{told}")
    return f"{shlex.quote(before)}{{{','.join(flag.names)}}}{shlex.quote(told)}"


def _zsh_word(name: str, choices: tuple[str, ...], is_repeated: bool) -> str:
    before = "*" if is_repeated else ""
    return shlex.quote(f"{before}:{_spelled(name)}:{_zsh_value(name, choices)}")


def _zsh_value(name: str, choices: tuple[str, ...]) -> str:
    if choices:
        return f"({' '.join(choices)})"
    if name in _FOLDERS:
        return "_files -/"
    # nothing to offer; a mere message would keep options from being completed beside it
    return "_files" if name in _FILES else "()"


def _spelled(text: str) -> str:
    """Write a text in which zsh finds neither the end of a description nor of its bracket."""
    for sign in ("\\", "[", "]", ":", "`", "$"):
        text = text.replace(sign, f"\\{sign}")
    return text


def _fish(whole: Command) -> str:
    lines = [
        "# fish completion of masv-watch, made by `masv-watch completion fish`",
        "complete -c masv-watch -f",
    ]
    for command in whole.walk():
        lines += _fish_command(command)
    return "\n".join(lines) + "\n"


def _fish_command(command: Command) -> Iterator[str]:
    names = " ".join(each.path[-1] for each in command.below)
    seen = " ".join(command.path[-1:])
    within = f"__fish_seen_subcommand_from {seen}" if seen else "__fish_use_subcommand"
    if len(command.path) == 2:
        within = f"__fish_seen_subcommand_from {command.path[0]}; and {within}"
    alone = f"; and not __fish_seen_subcommand_from {names}" if names and seen else ""
    first = f"{within}{alone}"
    for each in command.below:
        yield _fish_line(first, "-a", each.path[-1], each.help)
    for word in command.words:
        if word.choices:
            yield _fish_line(within, "-a", " ".join(word.choices), word.help)
        elif word.name in _FILES:
            yield _fish_line(within, "-F")
    for flag in command.flags:
        yield _fish_flag(within, flag)


def _fish_flag(within: str, flag: Flag) -> str:
    given = []
    for name in flag.names:
        given += ["-l", name[2:]] if name.startswith("--") else ["-s", name[1:]]
    if flag.choices:
        given += ["-x", "-a", shlex.quote(" ".join(flag.choices))]
    elif flag.value:
        given += ["-r", "-F"] if flag.value in _FILES | _FOLDERS else ["-x"]
    return f"complete -c masv-watch -n {_fished(within)} {' '.join(given)} -d {_fished(flag.help)}"


def _fish_line(within: str, key: str, value: str = "", help_: str = "") -> str:
    told = f" {_fished(value)}" if value else ""
    told += f" -d {_fished(help_)}" if help_ else ""
    return f"complete -c masv-watch -n {_fished(within)} {key}{told}"


def _fished(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
