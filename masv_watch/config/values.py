"""Say what one value of the file may be: an address, a number, a path, a template.

Owns the form of single values and the words for wrong ones. Never looks at a second value or at the
disk. Called by the schema for each value, whatever its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from masv_watch import patterns
from masv_watch.config import units
from masv_watch.config.origins import FromEnv
from masv_watch.config.problems import Wrong, listed, nearest, quoted, shown_key
from masv_watch.expressions import BadExpression, Expressions
from masv_watch.globs import why_none
from masv_watch.model import Secret

#: what a placeholder is called
_PLAIN = re.compile(r"[a-z_]{1,24}")
#: placeholders of package.name and package.message
PLACEHOLDERS = (
    "name", "stem", "ext", "date", "time", "hot_folder", "subfolder", "files", "size",
)  # fmt: skip
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,253}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def kind(value: object) -> str:
    """Name what was found, without showing what may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Secret | FromEnv):
        return "a secret" if isinstance(value, Secret) else "text from the environment"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"the number {value}"


def _shown(value: str) -> str:
    return "the value from the environment" if isinstance(value, FromEnv) else quoted(value)


def text(value: object) -> str:
    """Accept text on one line that is not empty."""
    return _text(value)


def prose(value: object) -> str:
    """Accept text, also empty and on several lines."""
    return _text(value, may_be_empty=True, lines=True)


def _text(value: object, *, may_be_empty: bool = False, lines: bool = False) -> str:
    if isinstance(value, Secret):
        raise Wrong(
            "a secret does not belong here - !secret, !file and !credential are for api_key, "
            "password, access_code and token; here use text or !env"
        )
    if isinstance(value, bool | int | float):
        raise Wrong(f"must be text, not {kind(value)} - put it in quotes")
    if not isinstance(value, str):
        raise Wrong(f"must be text, not {kind(value)}")
    plain = str(value)
    if not plain and not may_be_empty:
        raise Wrong("is empty - write a value or remove the key")
    if any(not char.isprintable() and not (lines and char in "\n\t") for char in plain):
        if lines:
            raise Wrong(
                "holds a control character - remove it; line breaks and tabs may stand there"
            )
        raise Wrong("holds a line break or a control character - write it on one line")
    return plain


def secret(value: object) -> Secret:
    """Accept a secret that was already fetched."""
    if isinstance(value, Secret):
        return value
    if value is None:
        raise Wrong("is empty - use !env NAME, !secret NAME, !file PATH or !credential NAME")
    if isinstance(value, list | dict):
        raise Wrong(f"must be text, not {kind(value)}")
    raise Wrong("must be text, not a number or true/false - put it in quotes")


def flag(value: object) -> bool:
    """Accept true or false."""
    if isinstance(value, bool):
        return value
    raise Wrong(f"must be true or false, not {kind(value)}")


def whole(least: int, most: int) -> Callable[[object], int]:
    """Accept a whole number between two, both included."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number from {least} to {most}, not {kind(value)}")
        if not least <= value <= most:
            raise Wrong(f"{value} is out of range - {least} to {most}")
        return value

    return check


def connections(value: object) -> int | None:
    """Accept a number of connections, or `auto`, which is the default."""
    if value == "auto":
        return None
    if isinstance(value, str):
        raise Wrong(f"must be auto or a whole number from 1 to 64, not {kind(value)}")
    return whole(1, 64)(value)


def seconds(least: str, most: str) -> Callable[[object], float]:
    """Accept a duration between two, both included."""

    def check(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise Wrong(units.bare(str(value), f"{value}s or {value}m"))
        given = _text(value)
        amount = units.duration(_unless_env(value, given))
        if not units.duration(least) <= amount <= units.duration(most):
            raise Wrong(f"{shown(value)} is out of range - {least} to {most}")
        return amount

    return check


def quiet(value: object) -> float | str:
    """Accept a quiet time, or `auto`, which learns it."""
    if value == "auto":
        return "auto"
    return seconds("1s", "24h")(value)


def mtime_grain(value: object) -> float | str:
    """Accept the grain of a file system's times, or `auto`, which goes by its kind."""
    if value == "auto":
        return "auto"
    return seconds("0s", "10s")(value)


def beside(example: str, inside: str, *, alone: bool = False) -> Callable[[object], str]:
    """Accept the name of what comes with a drop, beside it or inside of it, as these are written.

    Each drop must have its own, or with `alone` all have one by its plain name.
    """
    both = f"as {example} or {inside}"

    def check(value: object) -> str:
        given = _text(value)
        placeholders(given, ("name", "stem"), hidden=isinstance(value, FromEnv))
        steps = given.split("/")
        if any(step in {"", ".", ".."} for step in steps):
            raise Wrong(f"{shown(value)} is no path below the hot folder - as {example}")
        if alone and len(steps) == 1 and "{" not in given:
            return given
        if not _BRACES.search(steps[0]):
            raise Wrong(
                f"{shown(value)} is the same for every drop - begin with {{name}} or {{stem}},"
                f" {both}"
            )
        if steps[0] in {"{name}", "{stem}"} and (len(steps) == 1 or steps[0] == "{stem}"):
            raise Wrong(f"{shown(value)} is the drop itself - {both}")
        if len(steps) > 1 and steps[0] != "{name}":
            raise Wrong(f"{shown(value)} lies in a folder of its own - {both}")
        return given

    return check


done_marker = beside("{name}.done", "{name}/DONE", alone=True)


def expression(value: object) -> str:
    """Accept a regular expression in the language of RE2."""
    given = _text(value)
    try:
        Expressions([given])
    except BadExpression as error:
        why = "" if isinstance(value, FromEnv) else f": {error}"
        raise Wrong(
            f"{shown(value)} is no regular expression{why} - as RE2 writes them, without"
            " backreferences and lookaround"
        ) from error
    return given


def glob(value: object) -> str:
    """Accept a pattern of names as gitignore writes them."""
    given = _text(value)
    why = why_none(given)
    if why:
        raise Wrong(f"{shown(value)} {why}")
    return given


def bytes_between(least: str, most: str) -> Callable[[object], int]:
    """Accept a size between two, both included."""

    def check(value: object) -> int:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise Wrong(units.bare(str(value), f"{value} MiB"))
        amount = units.size(_unless_env(value, _text(value)))
        if not units.size(least) <= amount <= units.size(most):
            raise Wrong(f"{shown(value)} is out of range - {least} to {most}")
        return amount

    return check


def _unless_env(value: object, given: str) -> str:
    # A value from the environment must not reach a message, so a malformed one stops here.
    if isinstance(value, FromEnv) and not re.fullmatch(r"[0-9.]{1,12} ?[A-Za-z]{1,3}", given):
        raise Wrong("the value from the environment is not a number with a unit")
    return given


def shown(value: object) -> str:
    """Show a value in back quotes, unless it comes from the environment."""
    return _shown(value) if isinstance(value, str) else str(value)


def one_of(*words: str) -> Callable[[object], str]:
    """Accept one word of a closed list."""

    def check(value: object) -> str:
        given = _text(value)
        if given in words:
            return given
        meant = nearest(given, words)
        hint = f" (did you mean `{meant}`?)" if meant and not isinstance(value, FromEnv) else ""
        raise Wrong(f"{shown(value)} is not known{hint} - {listed(words)}")

    return check


def name(value: object) -> str:
    """Accept a hot folder's name: letters, digits and `-_.`, at most 64."""
    given = _text(value)
    if _NAME.fullmatch(given) is None or given in {".", ".."}:
        raise Wrong(f"{shown(value)} is no name - letters, digits and -_. up to 64 of them")
    return given


def address(value: object) -> str:
    """Accept one mail address that can do no harm in a header."""
    given = _text(value)
    domain = given.rpartition("@")[2]
    if (
        _ADDRESS.fullmatch(given) is None
        or domain[0] in ".-"
        or domain[-1] in ".-"
        or ".." in domain
    ):
        raise Wrong(f"{shown(value)} is no mail address - write one as name@example.com")
    return given


def path(value: object) -> str:
    """Accept an absolute path."""
    given = _text(value)
    if not given.startswith("/"):
        home = " (`~` is not expanded)" if given.startswith("~") else ""
        raise Wrong(f"{shown(value)} is not an absolute path{home} - begin it with /")
    return given


def filesystems(value: object) -> tuple[str, ...]:
    """Accept types of file systems, one or a list, as the kernel or people call them."""
    found = []
    for number, one in enumerate(value if isinstance(value, list) else [value]):
        given = _text(one).lower()
        if re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", given, re.ASCII) is None:
            raise Wrong(
                f"{shown(one)} is no type of a file system - as nfs, smb, ext4, xfs, network",
                below=(number,) if isinstance(value, list) else (),
            )
        found.append(given)
    if not found:
        raise Wrong("is empty - name a type of a file system, or remove the key")
    return tuple(dict.fromkeys(found))


def template(value: object) -> str:
    """Accept text on one line with our placeholders."""
    given = _text(value)
    placeholders(given, PLACEHOLDERS, hidden=isinstance(value, FromEnv))
    return given


def message(value: object) -> str:
    """Accept text on any number of lines with our placeholders."""
    given = prose(value)
    placeholders(given, PLACEHOLDERS, hidden=isinstance(value, FromEnv))
    return given


def placeholders(given: str, known: tuple[str, ...], *, hidden: bool) -> None:
    """Refuse placeholders that are not known; what came from the environment is not quoted.

    Raises:
        Wrong: it names one.
    """
    for found in _BRACES.finditer(given):
        allowed = listed([f"{{{word}}}" for word in known])
        if hidden and found[1] not in known:
            raise Wrong(f"a placeholder from the environment is not known - {allowed}")
        if found[1] is None:
            raise Wrong(f"a single `{found[0]}` has no partner - {allowed}", passage=found[0])
        if found[1] not in known:
            meant = nearest(found[1], known)
            hint = f" (did you mean `{{{meant}}}`?)" if meant else ""
            # a word is a name and no secret, also where it is called after one
            word = f"`{found[0]}`" if _PLAIN.fullmatch(found[1]) else quoted(found[0])
            raise Wrong(
                f"the placeholder {word} is not known{hint} - {allowed}",
                passage=found[0],
            )


#: patterns of one key
_MOST_PATTERNS = 64


def one_or_more(value: object) -> list[object]:
    """Give a list of patterns for one or several."""
    if isinstance(value, list):
        if not value:
            raise Wrong("is empty - write at least one pattern, or remove the key")
        if len(value) > _MOST_PATTERNS:
            raise Wrong(f"names {len(value)} patterns - {_MOST_PATTERNS} at most")
        return value
    if isinstance(value, dict):
        raise Wrong("must be one pattern or a list of them, not a mapping")
    return [value]


def pattern(value: object) -> str:
    """Accept a pattern of file names."""
    given = _text(value)
    _unless_hidden(value, given)
    return given


def row_pattern(value: object) -> str:
    """Accept a pattern of file names with a number to count."""
    given = _text(value)
    _unless_hidden(value, given, counts=True)
    return given


def _unless_hidden(value: object, given: str, *, counts: bool = False) -> None:
    try:
        check_pattern(given, counts=counts)
    except Wrong as wrong:
        if isinstance(value, FromEnv):
            raise Wrong("the value from the environment is no pattern of file names") from None
        raise wrong from None


def check_pattern(text: str, *, knows: str | None = None, counts: bool = False) -> None:
    """Refuse a text that is no pattern, or none that fits another.

    With `knows` its placeholders must be those of that pattern; with `counts` it has a number,
    which the other pattern need not have.

    Raises:
        Wrong: as it says; `passage` is the part that is meant.
    """
    try:
        found = patterns.parse(text)
    except patterns.BadPattern as bad:
        example = "text, `*`, {clip} and {number:03d}"
        raise Wrong(f"{quoted(text)} {bad} - {example}", passage=bad.passage) from bad
    if counts and not found.number:
        raise Wrong(f"{quoted(text)} has no number to count - write one as {{frame:04d}}")
    if knows is None:
        return
    other = patterns.parse(knows) if knows else None
    given = {*other.words, other.number} - {""} if other else set()
    wanted = {*found.words, *(() if counts else (found.number,))} - {""}
    strange = sorted(wanted - given)
    if strange:
        there = listed([f"{{{word}}}" for word in sorted(given)], "and") or "none"
        raise Wrong(
            f"the placeholder `{{{strange[0]}}}` is not in what needs this - there: {there}",
            passage=f"{{{strange[0]}",
        )


def delivered(value: object) -> tuple[str, str | None]:
    """Accept what becomes of a source: keep, delete, or a mapping with a move target."""
    allowed = 'keep, delete or {move: "TARGET"}'
    if isinstance(value, dict):
        for key in value:
            if key != "move":
                raise Wrong(f"{shown_key(key)} is not known - {allowed}", below=(key,))
        if not value:
            raise Wrong(f"is empty - {allowed}")
        try:
            return "move", _target(value["move"])
        except Wrong as wrong:
            raise Wrong(wrong.message, passage=wrong.passage, below=("move",)) from wrong
    if isinstance(value, str) and value == "move":
        raise Wrong('move needs a target - {move: "{root}/_sent/{date}/{name}"}')
    if not isinstance(value, str):
        raise Wrong(f"must be {allowed}, not {kind(value)}")
    return one_of("keep", "delete")(value) if value in {"keep", "delete"} else _unknown(value), None


def failed(value: object) -> str:
    """Accept what becomes of the source of a failed drop: it stays, whatever is said of others."""
    if value == "keep":
        return "keep"
    raise Wrong(
        f"must be keep, not {kind(value)} - what was not delivered is never moved or deleted, and"
        " retry needs it"
    )


def _unknown(value: str) -> str:
    meant = nearest(value, ("keep", "delete", "move"))
    hint = f" (did you mean `{meant}`?)" if meant and not isinstance(value, FromEnv) else ""
    raise Wrong(f'{_shown(value)} is not known{hint} - keep, delete or {{move: "TARGET"}}')


def _target(value: object) -> str:
    given = _text(value)
    placeholders(given, (*PLACEHOLDERS, "root"), hidden=isinstance(value, FromEnv))
    if not given.startswith(("/", "{root}/")) or "{root}" in given[1:]:
        raise Wrong(f"{shown(value)} is no target - an absolute path, or one below {{root}}/")
    steps = [step for step in given.split("/")[1:] if step not in {"", "."}]
    if ".." in steps:
        raise Wrong(f"{shown(value)} climbs with `..` - write the path out")
    if given.startswith("{root}"):
        if not steps:
            raise Wrong("is the hot folder itself - name a folder below it, such as {root}/_sent")
        if "{" in steps[0]:
            raise Wrong(
                "the first folder below {root} must be fixed, so that it can be left out of "
                'watching - for example "{root}/_sent/{name}"',
                passage=steps[0],
            )
    return given
