"""Say what values mean together: duplicates, nesting, what one key needs from another.

Owns every rule that reads two places of the file. Never assumes that the file is right: it reads
plain values and passes over what has the wrong form, so that all problems show at once. Called by
`load` after the schema.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from masv_watch.config import (
    addressing,
    completeness,
    exposure,
    filtering,
    scheduling,
    sidecars,
    slips,
)
from masv_watch.config.faults import Fault
from masv_watch.config.origins import FromEnv, Plain
from masv_watch.config.problems import listed, printable, quoted
from masv_watch.config.reading import Path, Reading, above, is_path, real_path
from masv_watch.config.values import shown
from masv_watch.model import Package


def check(tree: Plain, *, beside: str, state: str, line_of: Any) -> tuple[list[Fault], list[Fault]]:
    """Give the faults and the warnings that come from values taken together."""
    reading = Reading(tree, beside, line_of)
    _names(reading)
    _was(reading)
    _paths(reading, state)
    _needs_team(reading)
    _smtp(reading)
    _proxy(reading)
    slips.check(reading)
    exposure.check(reading, state)
    if not list(reading.folders()) and not reading.get("hot_folders"):
        reading.warn(("hot_folders",), "there is no hot folder, so nothing is watched")
    _timetable(reading, ("bandwidth",))
    for at in reading.folders():
        _timetable(reading, (*at, "bandwidth"))
        _destination(reading, at)
        _aliases(reading, at)
        scheduling.check(reading, at)
        _link(reading, at)
        _letters(reading, at)
        _early(reading, at)
        _again(reading, at)
        _follow(reading, at)
        _finalize(reading, at)
        _batch_marker(reading, at)
        _trash(reading, at)
        _package(reading, at)
        _notify(reading, at)
        filtering.check(reading, at)
        addressing.check(reading, at)
        completeness.check(reading, at)
        sidecars.check(reading, at)
        _inside(reading, at)
        _removable(reading, at)
    completeness.check(reading, ("defaults",))
    return reading.faults, reading.warnings


def _timetable(reading: Reading, at: Path) -> None:
    """Warn of lines that can never hold: the first one without days and hours always does."""
    lines = reading.get(*at, "rules")
    always = None
    for number, line in enumerate(lines if isinstance(lines, list) else []):
        if not isinstance(line, dict):
            continue
        if always is not None:
            where = reading.line_of((*at, "rules", always))
            message = f"never holds: the first that fits counts, and line {where} always fits"
            reading.warn((*at, "rules", number), message)
        elif not {"days", "hours"} & line.keys():
            always = number


def _names(reading: Reading) -> None:
    seen: dict[str, Path] = {}
    for at in reading.folders():
        name = reading.get(*at, "name")
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, at)
        if first is not at:
            where = reading.line_of((*first, "name"))
            message = f"{shown(name)} is taken (line {where}) - names must differ"
            reading.fault((*at, "name"), message)


def _was(reading: Reading) -> None:
    """Refuse an earlier name that is in use, or that two hot folders say they had."""
    names = {reading.get(*at, "name"): at for at in reading.folders()}
    had: dict[str, Path] = {}
    for at in reading.folders():
        was = reading.get(*at, "was")
        if not isinstance(was, str):
            continue
        taken, twice = names.get(was), had.setdefault(was, at)
        if taken is not None:
            line = reading.line_of((*taken, "name"))
            message = f"{shown(was)} is still a hot folder (line {line}) - its ledger stays its own"
            reading.fault((*at, "was"), message)
        elif twice is not at:
            line = reading.line_of((*twice, "was"))
            message = f"{shown(was)} is named at line {line}, too - one ledger has one heir"
            reading.fault((*at, "was"), message)


def _paths(reading: Reading, state: str) -> None:
    """Refuse hot folders that are the same or lie within each other, and the state in one."""
    where: dict[str, Path] = {}
    for at in reading.folders():
        path = reading.get(*at, "path")
        if not is_path(path):
            continue
        real = real_path(path)
        if real in where:
            line = reading.line_of((*where[real], "path"))
            message = f"is the same folder as the one at line {line} - each may be named once"
            reading.fault((*at, "path"), message)
        else:
            where[real] = at
    for real, at in where.items():
        for outside in above(real):
            if outside in where:
                line = reading.line_of((*where[outside], "path"))
                outer = quoted(str(reading.get(*where[outside], "name")))
                if isinstance(reading.get(*where[outside], "name"), FromEnv):
                    outer = "the hot folder"
                message = f"lies inside {outer} (line {line}) - hot folders must not be nested"
                reading.fault((*at, "path"), message)
                break
    _state(reading, state, where)
    _backup(reading, where)
    _targets(reading, where)


def _state(reading: Reading, state: str, where: dict[str, Path]) -> None:
    given = reading.get("state")
    if given is not None and not (isinstance(given, str) and given.startswith("/")):
        return
    real = real_path(state)
    for folder in (real, *above(real)):
        if folder in where:
            line = reading.line_of((*where[folder], "path"))
            at: Path = ("state",) if given is not None else (*where[folder], "path")
            message = f"the state folder lies inside the hot folder of line {line} - move it out"
            reading.fault(at, message)
            return
    for path, at in where.items():
        if real in above(path):
            reading.fault((*at, "path"), "lies inside the state folder - watch another folder")


def _backup(reading: Reading, where: dict[str, Path]) -> None:
    """Refuse copies of the state in a hot folder: they would be delivered."""
    to = reading.get("backup", "to")
    if not is_path(to):
        return
    real = real_path(to)
    for folder in (real, *above(real)):
        if folder in where:
            line = reading.line_of((*where[folder], "path"))
            message = f"lies inside the hot folder of line {line} - name a folder outside of it"
            reading.fault(("backup", "to"), message)
            return


def _targets(reading: Reading, where: dict[str, Path]) -> None:
    """Refuse a move into a hot folder: what arrives there would be delivered again."""
    places: list[tuple[Path, str]] = [
        (at, key) for at in (("defaults",), *where.values()) for key in ("delivered", "duplicate")
    ]
    for at, key in places:
        target = reading.get(*at, "after", key, "move")
        if not isinstance(target, str) or not target.startswith("/"):
            continue
        fixed = real_path(target.split("{", 1)[0].rpartition("/")[0] or "/")
        own = real_path(str(reading.get(*at, "path"))) if reading.has(*at, "path") else None
        whole = None if "{" in target else real_path(target)
        place = (*at, "after", key, "move")
        if own is not None and own in {fixed if "{" in target else None, whole}:
            reading.fault(place, "moves into the hot folder itself - name a folder below it")
            continue
        inside = [path for path in (fixed, *above(fixed)) if path in where and path != own]
        if inside:
            line = reading.line_of((*where[inside[0]], "path"))
            message = f"moves into the hot folder of line {line} - it would be delivered again"
            reading.fault(place, message)


def _needs_team(reading: Reading) -> None:
    lacking = [key for key in ("team", "api_key") if not reading.has("masv", key)]
    needing = [
        at
        for at in reading.folders()
        if any(reading.has(*at, "to", key) for key in ("recipients", "by_subfolder"))
        and not reading.has(*at, "to", "portal")
    ]
    if not lacking or not needing:
        return
    what = listed([f"masv.{key}" for key in lacking], "and")
    example = {"team": "team: NAME", "api_key": "api_key: !env MASV_API_KEY"}
    add = ", ".join(example[key] for key in lacking)
    more = f" ({len(needing) - 1} more below need it too)" if len(needing) > 1 else ""
    message = f"sending to recipients needs {what}{more} - add `masv: {{{add}}}`"
    named = next(
        key for key in ("recipients", "by_subfolder") if reading.has(*needing[0], "to", key)
    )
    reading.fault((*needing[0], "to", named), message, at_key=True)


def _smtp(reading: Reading) -> None:
    user, password = (reading.has("mail", "smtp", key) for key in ("user", "password"))
    if user != password:
        given, other = ("user", "password") if user else ("password", "user")
        message = f"`{given}` without `{other}` - give both or neither"
        reading.fault(("mail", "smtp", given), message, at_key=True)
    if password and reading.get("mail", "smtp", "tls") == "none":
        message = "the password goes out unencrypted - use starttls or implicit"
        reading.warn(("mail", "smtp", "tls"), message)


def _proxy(reading: Reading) -> None:
    at: Path = ("masv", "proxy")
    found = reading.get(*at)
    at = (*at, "url") if isinstance(found, dict) else at
    url = reading.get(*at)
    if isinstance(url, str) and "@" in url:
        message = (
            "must hold no user and no password - write {url: http://HOST:PORT, user: NAME,"
            " password: !secret NAME}"
        )
        reading.faults.append(Fault(path=at, at_key=False, message=message, is_private=True))
    user, password = (reading.has("masv", "proxy", key) for key in ("user", "password"))
    if password and not user:
        message = "`password` without `user` - give both"
        reading.fault(("masv", "proxy", "password"), message, at_key=True)
    if user and url == "env":
        message = "`user` beside the environment's proxies - they name their own, or give a url"
        reading.fault(("masv", "proxy", "user"), message, at_key=True)


def _destination(reading: Reading, at: Path) -> None:
    to = reading.get(*at, "to")
    if not isinstance(to, dict):
        return
    here = (*at, "to")
    both = {"recipients", "portal"} & set(to)
    if len(both) == 2:
        reading.fault((*here, "portal"), "`portal` beside `recipients` - give one", at_key=True)
        return
    if not both and "by_subfolder" not in to:
        message = "neither `recipients` nor `portal` is given - give one; [] mails nobody"
        reading.fault(here, message)
        return
    is_portal = "portal" in to
    if is_portal and "sender" not in to and not reading.has(*at, "sender_email"):
        message = "a portal needs a `sender` - add `sender: ADDRESS`"
        reading.fault((*here, "portal"), message, at_key=True)
    if not is_portal and "access_code" in to:
        message = "`access_code` is for a portal - remove it, or send to a portal"
        reading.fault((*here, "access_code"), message, at_key=True)


_ALIASES = {
    "sender_email": ("to", "sender"),
    "package_name": ("package", "name"),
    "package_description": ("package", "message"),
}


def _aliases(reading: Reading, at: Path) -> None:
    for alias, full in _ALIASES.items():
        if reading.has(*at, alias) and reading.has(*at, *full):
            message = f"`{alias}` is the same as `{'.'.join(full)}`, and both are given - keep one"
            reading.fault((*at, alias), message, at_key=True)


def _link(reading: Reading, at: Path) -> None:
    link = reading.get(*at, "link")
    if link is None:
        return
    if reading.has(*at, "to", "portal"):
        message = "a portal tells its own recipients, there is no link to mail - remove `link`"
        reading.fault((*at, "link"), message, at_key=True)
        return
    if reading.has(*at, "link", "mail_to") and not reading.has("mail", "smtp"):
        message = "our letters need a mail server - add `mail: {smtp: {host: ...}, from: ADDRESS}`"
        reading.fault((*at, "link", "mail_to"), message, at_key=True)
    template = reading.get(*at, "link", "template")
    if isinstance(template, str) and template.isprintable():
        path = os.path.join(reading.beside, template)
        if not os.path.isfile(path):
            shown = printable(path) if not isinstance(template, FromEnv) else "the template"
            what = "is not a file" if os.path.lexists(path) else "does not exist"
            message = f"{shown} {what} - name a file; paths begin at this configuration's folder"
            reading.fault((*at, "link", "template"), message)


def _letters(reading: Reading, at: Path) -> None:
    recipients = reading.get(*at, "to", "recipients")
    mail_to = reading.get(*at, "link", "mail_to")
    if not isinstance(recipients, list) or not isinstance(mail_to, list):
        return
    told = {one.lower() for one in recipients if isinstance(one, str)}
    for number, one in enumerate(mail_to):
        if isinstance(one, str) and one.lower() in told:
            message = f"{shown(one)} is a recipient too: MASV mails it, our letter is not sent"
            reading.warn((*at, "link", "mail_to", number), message)


_TEXTS = (
    ("package", "name"),
    ("package", "message"),
    ("package_name",),
    ("package_description",),
)


def _early(reading: Reading, at: Path) -> None:
    """Say where an early start that was asked for cannot be had."""
    if reading.get(*at, "early") is not True:
        return
    if reading.get(*at, "drop") == "file":
        message = "has no effect with `drop: file`: only folders arrive file by file"
        reading.warn((*at, "early"), message)
    if reading.get(*at, "dedupe") not in (None, "send"):
        message = "has no effect beside `dedupe`: only whole drops are compared"
        reading.warn((*at, "early"), message)
    for key in _TEXTS:
        text = reading.get(*at, *key)
        named = Package(name=text).of_the_whole if isinstance(text, str) else ()
        if named:
            message = (
                f"has no effect: `{'.'.join(key)}` names {listed(list(named), 'and')}, known only"
                " when a drop is whole"
            )
            reading.warn((*at, "early"), message)
            return


def _follow(reading: Reading, at: Path) -> None:
    """Refuse to move or delete a drop whose links are sent as what they point to."""
    if reading.get(*at, "follow") != "inside":
        return
    for key in ("delivered", "duplicate"):
        own = reading.get(*at, "after", key)
        inherited = reading.get("defaults", "after", key)
        if (own or inherited or "keep") != "keep":
            message = (
                f"`follow: inside` needs `after.{key}: keep` - a link that is moved or deleted"
                " leaves behind what it points to"
            )
            reading.fault((*at, "follow"), message)


def _inside(reading: Reading, at: Path) -> None:
    """Say where loose files wait for ever: what they wait for would have to lie in them."""
    if _said(reading, at, "drop") not in (None, "each", "file", "batch"):
        return
    for path, what in _besides(reading, at):
        if str(reading.get(*path)).startswith("{name}/"):
            message = (
                f"a loose file is no folder and can never have it: it waits for ever - use a {what}"
                " beside it, or `drop: folder`"
            )
            reading.warn(path, message)


def _besides(reading: Reading, at: Path) -> Iterator[tuple[Path, str]]:
    for place in (at, ("defaults",)):
        if reading.has(*place, "settle", "done_marker"):
            yield (*place, "settle", "done_marker"), "marker"
            break
    said = reading.get(*at, "sidecar")
    if isinstance(said, dict) and said.get("required") is not False and "name" in said:
        yield (*at, "sidecar", "name"), "sidecar"
    elif isinstance(said, str):
        yield (*at, "sidecar"), "sidecar"


def _again(reading: Reading, at: Path) -> None:
    """Refuse what one drop's package cannot do where it serves others, or belongs to a portal."""
    is_batch = reading.get(*at, "drop") == "batch"
    if _said(reading, at, "dedupe") == "relink" and reading.has(*at, "to", "portal"):
        message = "a portal's package has no further links - use send or skip with a portal"
        own = reading.has(*at, "dedupe")
        reading.fault((*at, "dedupe") if own else (*at, "to", "portal"), message)
    elif _said(reading, at, "dedupe") == "relink" and is_batch:
        message = "a batch's package holds other drops too - use send or skip with a batch"
        reading.fault((*at, "dedupe" if reading.has(*at, "dedupe") else "drop"), message)
    if _said(reading, at, "redrop") == "replace" and is_batch:
        message = "a batch's package holds other drops too - use send, skip or ask with a batch"
        reading.fault((*at, "redrop" if reading.has(*at, "redrop") else "drop"), message)


def _package(reading: Reading, at: Path) -> None:
    """Refuse what a portal sets for every package that comes through it."""
    if not reading.has(*at, "to", "portal"):
        return
    for key in ("password", "expires", "downloads"):
        if reading.has(*at, "package", key):
            message = f"a portal sets its own `{key}` - remove it, and set it at the portal"
            reading.fault((*at, "package", key), message, at_key=True)


def _notify(reading: Reading, at: Path) -> None:
    """Refuse a hook that is none or two, and one that is told nothing."""
    said = reading.get(*at, "notify")
    for number, one in enumerate(said if isinstance(said, list) else []):
        here = (*at, "notify", number)
        if not isinstance(one, dict):
            continue
        if len({"slack", "webhook"} & one.keys()) != 1:
            message = "must name one of `slack` and `webhook` - {slack: !secret slack_hook}"
            reading.fault(here, message)
        if one.get("events") == []:
            message = "is empty - name what is told, or leave it out: all of it is"
            reading.fault((*here, "events"), message)


def _trash(reading: Reading, at: Path) -> None:
    """Say where nothing ever comes into the trash."""
    if not reading.has(*at, "after", "trash_for"):
        return
    said = [reading.get(*place, "after", key) for place in (at, ("defaults",))
            for key in ("delivered", "duplicate")]  # fmt: skip
    if "delete" not in said:
        message = "has no effect: only `delete` puts a source into the trash"
        reading.warn((*at, "after", "trash_for"), message)


def _batch_marker(reading: Reading, at: Path) -> None:
    """Refuse a marker that is the same for every drop where no batch is there to end with it."""
    for place in (at, ("defaults",)):
        here = (*place, "settle", "done_marker")
        if not reading.has(*here):
            continue
        said = reading.get(*here)
        if isinstance(said, str) and "{" not in said and reading.get(*at, "drop") != "batch":
            message = (
                f"{shown(said)} is the same for every drop - begin with {{name}} or {{stem}}, as"
                " {name}.done or {name}/DONE; a plain name ends a batch (`drop: batch`)"
            )
            reading.fault(here, message)
        return


def _finalize(reading: Reading, at: Path) -> None:
    """Refuse the ends of a batch where there is none."""
    for key in ("max_open", "max_files", "max_size"):
        place = (*at, "finalize", key)
        if reading.has(*place) and reading.get(*at, "drop") != "batch":
            message = "only a batch takes further drops - write `drop: batch`, or leave it out"
            reading.fault(place, message)


def _said(reading: Reading, at: Path, key: str) -> object:
    """Give what a hot folder says of a key, or `defaults` where it says nothing."""
    return reading.get(*(at if reading.has(*at, key) else ("defaults",)), key)


def _removable(reading: Reading, at: Path) -> None:
    """Refuse what would write on a volume that is never written to, or would mix volumes."""
    if reading.get(*at, "removable") is not True:
        return
    for key in ("delivered", "duplicate"):
        own = (*at, "after", key)
        said = reading.get(*own) if reading.has(*own) else reading.get("defaults", "after", key)
        if said not in (None, "keep"):
            place = own if reading.has(*own) else (*at, "removable")
            message = (
                f"nothing is moved or deleted on a removable volume - use `after: {{{key}: keep}}`"
            )
            reading.fault(place, message)
    if reading.get(*at, "drop") == "batch":
        message = "a batch would mix volumes of `removable` - use each, file or folder"
        reading.fault((*at, "drop"), message)
