"""A provisioning file of masv-agent as a file of ours.

Owns what each of its keys means here, and the list of what has no place. Never reads or writes a
file and never shows a secret: where one stands, the new file names where it belongs. Called by
`config import` and by the call of that name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from masv_watch.config import nodes
from masv_watch.config.describing import EDITOR_LINE
from masv_watch.config.handover import Imported
from masv_watch.config.problems import Source, printable, rendered
from masv_watch.errors import ConfigError

_LISTS = {"portal_upload_automations": True, "team_upload_automations": False}
_ODD = re.compile(r"[^A-Za-z0-9._-]+")
_PRIORITIES = range(-100, 101)
#: seconds that one of `timeout` may stand for, as a person says
UNITS = {"s": "s", "m": "m"}


def converted(file: str, text: str, *, unit: str | None = None) -> Imported:
    """Write a file of ours for the text of a provisioning file; `file` is its name for people.

    Raises:
        ConfigError: it is no YAML. Its lines hold passwords under names that are none of ours, so
            none is shown.
    """
    source = Source(file, text)
    tree, problems = nodes.read(source, text)
    if tree is None or problems:
        raise ConfigError(rendered(problems, []))
    return imported(tree, unit=unit)


def imported(tree: nodes.Tree, *, unit: str | None = None) -> Imported:
    """Write a file of ours for the hot folders of a provisioning file.

    `unit` is what `timeout` counts, `s` or `m`: masv-agent's documentation does not say.
    """
    made = Imported()
    folders = [
        line
        for is_portal, entry, place in _automations(tree, made)
        for line in _folder(entry, place, _Case(made=made, is_portal=is_portal, unit=unit))
    ]
    head = [EDITOR_LINE, "version: 1"]
    if any(line.lstrip().startswith("recipients:") for line in folders):
        made.secrets.append("masv_api_key")
        made.left.append("team: the file names teams by number, we by their subdomain")
        head += [
            "masv:",
            "  team: NAME # the subdomain of your team",
            "  api_key: !secret masv_api_key",
        ]
    made.text = "\n".join([*head, "hot_folders:" if folders else "hot_folders: []", *folders, ""])
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is known beside one automation."""

    made: Imported
    is_portal: bool
    unit: str | None


def _automations(tree: nodes.Tree, made: Imported) -> Iterator[tuple[bool, dict[str, Any], str]]:
    """Give every automation, wherever its list stands; the rest is noted as left."""
    ahead: list[tuple[str, nodes.Tree]] = [("", tree)]
    while ahead:
        path, at = ahead.pop(0)
        if not isinstance(at, nodes.Mapping):
            continue
        for key, (_, value) in at.entries.items():
            where = f"{path}{key}"
            if key in _LISTS and isinstance(value, nodes.Sequence):
                for number, entry in enumerate(value.elements):
                    yield _LISTS[key], _plain_automation(entry), f"{where}[{number}]"
            elif isinstance(value, nodes.Mapping):
                ahead.append((f"{where}.", value))
            else:
                made.left.append(f"{printable(where)}: has no place here")


def _plain_automation(entry: nodes.Tree) -> dict[str, Any]:
    """Give an automation's keys; older files write `- 1:` above them."""
    found = _plain(entry)
    if isinstance(found, dict) and len(found) == 1:
        (inner,) = found.values()
        found = inner if isinstance(inner, dict) else found
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if value is not None}


def _plain(tree: nodes.Tree) -> Any:
    if isinstance(tree, nodes.Mapping):
        return {key: _plain(value) for key, (_, value) in tree.entries.items()}
    if isinstance(tree, nodes.Sequence):
        return [_plain(one) for one in tree.elements]
    return tree.value


def _folder(entry: dict[str, Any], place: str, case: _Case) -> Iterator[str]:
    given, left = dict(entry), case.made.left
    name = _ODD.sub("-", str(given.pop("name", "")))[:64].strip("-.") or place.replace("_", "-")
    name = _ODD.sub("-", name)
    path = given.pop("path", None)
    if given.pop("enabled", True) is False:
        left.append(f"{place}: {name} is not enabled, and was left out")
        return
    if not isinstance(path, str) or not path.startswith("/"):
        left.append(f"{place}.path: {printable(str(path))} is no absolute path of this system")
        return
    yield f"  - name: {name}"
    yield f"    path: {_text(path)}"
    yield from _destination(given, name, case)
    yield f"    drop: {'each' if given.pop('send_loose_files', False) is True else 'folder'}"
    if given.pop("delete_files_after_upload", False) is True:
        yield "    after: {delivered: delete}"
    yield from _package(given, place, left)
    ignored = given.pop("blacklist", None)
    if isinstance(ignored, list) and ignored:
        yield f"    ignore: [{', '.join(_text(str(each)) for each in ignored)}]"
    priority = given.pop("priority", 0)
    if isinstance(priority, int) and priority in _PRIORITIES and priority:
        yield f"    priority: {priority}"
    timeout = given.pop("timeout", None)
    if timeout is not None and case.unit in UNITS and isinstance(timeout, int) and timeout > 0:
        yield f"    settle: {{quiet: {timeout}{case.unit}}}"
    elif timeout is not None:
        left.append(f"{place}.timeout: {timeout} of what? Say --timeout-unit s or m")
    left += [f"{place}.{printable(key)}: has no place here" for key in given]


def _destination(given: dict[str, Any], name: str, case: _Case) -> Iterator[str]:
    yield "    to:"
    if case.is_portal:
        yield f"      portal: {_text(str(given.pop('portal_subdomain', '')))}"
        yield f"      sender: {_text(str(given.pop('sender_email', '')))}"
        if given.pop("portal_password", None):
            # the value stays where it is: what is printed may be kept in a log
            secret = f"{name}_access_code"
            case.made.secrets.append(secret)
            yield f"      access_code: !secret {secret}"
        return
    given.pop("team_id", None)
    recipients = given.pop("recipient_emails", None)
    listed = recipients if isinstance(recipients, list) else []
    yield f"      recipients: [{', '.join(_text(str(each)) for each in listed)}]"


def _package(given: dict[str, Any], place: str, left: list[str]) -> Iterator[str]:
    said = {
        "name": given.pop("package_name_suffix", None),
        "message": given.pop("message", None),
    }
    lines = []
    for key, value in said.items():
        if not value:
            continue
        text = str(value)
        if "{" in text or "}" in text:
            left.append(f"{place}: the {key} holds a brace, which is a placeholder here")
        else:
            lines.append(f"      {key}: {_text('{name} ' + text if key == 'name' else text)}")
    if lines:
        yield "    package:"
        yield from lines


def _text(value: str) -> str:
    """Write text as YAML reads it back: what JSON quotes, YAML does too."""
    return json.dumps(value, ensure_ascii=False)
