"""The first configuration of somebody who has none.

Owns the text of a file with one hot folder, commented. Never asks, reads or writes. Called by
`config init`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from masv_watch.config.describing import EDITOR_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the first file is to say."""

    #: absolute
    path: str
    name: str = "out"
    team: str | None = None
    recipients: tuple[str, ...] = ()
    portal: str | None = None
    sender: str | None = None
    #: whether the key stands in secrets.yml; else in the environment
    has_key: bool = False


def text_of(wishes: Wishes) -> str:
    """Write the file."""
    lines = [EDITOR_LINE, "# Every other key has a default: see reference.yml, or `config schema`."]
    lines.append("version: 1")
    if wishes.portal is None:
        key = "!secret masv_api_key" if wishes.has_key else "!env MASV_API_KEY"
        where = "secrets.yml beside this file" if wishes.has_key else "the service's environment"
        lines += [
            "",
            "masv:",
            f"  team: {_text(wishes.team or '')} # the subdomain of your team",
            f"  api_key: {key} # stands in {where}",
        ]
    lines += [
        "",
        "hot_folders:",
        f"  - name: {_text(wishes.name)} # yours to choose; commands and messages use it",
        f"    path: {_text(wishes.path)} # what is dropped in here is sent",
        "    drop: each # every file and folder at the top is a package; or file, folder, batch",
        "    # settle: {quiet: 15s} # so long unchanged is whole; default: 15s, 60s on a share",
        "    to:",
        *_to(wishes),
        "    after:",
        '      delivered: keep # or delete, or {move: "{root}/_sent/{name}"}',
        "",
    ]
    return "\n".join(lines)


def _to(wishes: Wishes) -> list[str]:
    if wishes.portal is not None:
        return [
            f"      portal: {_text(wishes.portal)}",
            f"      sender: {_text(wishes.sender or '')} # the portal wants to know who sends",
        ]
    listed = ", ".join(_text(each) for each in wishes.recipients)
    return [f"      recipients: [{listed}] # whom MASV mails; [] mails nobody"]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
