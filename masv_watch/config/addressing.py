"""Say which subfolders may be addresses, and what `depth` and `to.by_subfolder` mean beside others.

Owns the form of these keys and the words for wrong ones. Never reads a disk. Called by the schema
for the value and by `relations` for the rest, in whose manner it passes over what has the wrong
form.
"""

from __future__ import annotations

from masv_watch.config.origins import FromEnv
from masv_watch.config.problems import Wrong, shown_key
from masv_watch.config.reading import Path, Reading
from masv_watch.config.values import address, kind, shown, text

_EXAMPLE = "{studio-a: [anna@example.com]}"
_TEXTS = (
    ("package", "name"),
    ("package", "message"),
    ("package_name",),
    ("package_description",),
    ("after", "delivered", "move"),
    ("after", "duplicate", "move"),
)


def by_subfolder(value: object) -> dict[str, list[str]]:
    """Accept names of folders below the hot folder, each with its recipients."""
    if not isinstance(value, dict):
        raise Wrong(f"must be a mapping, not {kind(value)} - {_EXAMPLE}")
    if not value:
        raise Wrong(f"names no folder - {_EXAMPLE}, or leave it out")
    return {_folder(name): _recipients(name, found) for name, found in value.items()}


def _folder(name: object) -> str:
    given = name if isinstance(name, str) else ""
    is_bad = not given or "/" in given or not given.isprintable() or given in {".", ".."}
    if is_bad or given.startswith(".masv-") or given != given.strip():
        raise Wrong(
            f"{shown_key(str(name))} is no folder right below the hot folder - one name, without /",
            below=(str(name),),
        )
    return given


def _recipients(name: str, value: object) -> list[str]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {kind(value)} - write [ADDRESS, ...]", below=(name,))
    found = []
    for number, one in enumerate(value):
        try:
            found.append(address(one))
        except Wrong as wrong:
            raise Wrong(
                wrong.message, passage=wrong.passage, below=(name, number, *wrong.below)
            ) from wrong
    return found


def domains(value: object) -> tuple[str, ...] | str:
    """Accept the domains that recipients may have, or `ask`, which lets every new one wait."""
    if value == "ask":
        return "ask"
    if not isinstance(value, list):
        raise Wrong(f"must be ask or a list of domains, not {kind(value)} - write [example.com]")
    return tuple(_domain(number, one) for number, one in enumerate(value))


def _domain(number: int, value: object) -> str:
    try:
        given = text(value).removeprefix("@")
        address(FromEnv(f"a@{given}") if isinstance(value, FromEnv) else f"a@{given}")
    except Wrong as wrong:
        raise Wrong(
            f"{shown(value)} is no domain - write it as example.com", below=(number,)
        ) from wrong
    return given.casefold()


def check(reading: Reading, at: Path) -> None:
    """Note the faults and warnings of where one hot folder's drops lie, and for whom."""
    here = (*at, "to")
    _depth(reading, at)
    if not reading.has(*here, "by_subfolder"):
        if reading.has(*here, "others"):
            message = "`others` without `by_subfolder` - name folders, or remove it"
            reading.fault((*here, "others"), message, at_key=True)
        _placeholder(reading, at)
        return
    if reading.has(*here, "portal"):
        message = "`by_subfolder` names recipients, and a portal has its own - give one"
        reading.fault((*here, "by_subfolder"), message, at_key=True)
    if reading.get(*at, "drop") == "batch":
        message = "a batch is one package, which cannot go to several - use another `drop`"
        reading.fault((*here, "by_subfolder"), message, at_key=True)
    sends_others = reading.get(*here, "others") == "send"
    if sends_others and not reading.has(*here, "recipients"):
        message = "`send` needs `recipients`, who get what lies outside of the folders"
        reading.fault((*here, "others"), message)
    if reading.has(*here, "recipients") and not sends_others:
        message = "get nothing: what lies outside of the folders is held - add `others: send`"
        reading.warn((*here, "recipients"), message)


def _depth(reading: Reading, at: Path) -> None:
    if reading.get(*at, "depth") != "any":
        return
    if reading.get(*at, "drop") != "file":
        message = "only files are looked for in folders - write `drop: file`, or leave it out"
        reading.fault((*at, "depth"), message, at_key=True)
    elif reading.get(*at, "follow") == "inside":
        message = "has no effect beside `depth: any`: a link is followed only in a folder of a drop"
        reading.warn((*at, "follow"), message)


def _placeholder(reading: Reading, at: Path) -> None:
    if reading.get(*at, "drop") == "file" and reading.get(*at, "depth") == "any":
        return
    for key in _TEXTS:
        text = reading.get(*at, *key)
        if isinstance(text, str) and "{subfolder}" in text:
            message = "`{subfolder}` is known only beside to.by_subfolder and `depth: any`"
            reading.fault((*at, *key), message)
