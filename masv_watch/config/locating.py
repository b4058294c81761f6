"""Read out of a configuration that cannot be used where its daemon listens.

Owns which lines say that, and when they are not to be trusted. Never judges the rest of the file.
Called by the commands that call the daemon, once `load` has refused the file.

Law 1. Nothing is guessed: where what is written may name another address than the one that is read,
it is refused, for at a guess a command could reach the daemon of somebody else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from masv_watch.config import including, nodes, schema, secrets
from masv_watch.config import settings as builder
from masv_watch.config.cards import Cards
from masv_watch.config.load import opened, state_of
from masv_watch.config.origins import Plain
from masv_watch.config.problems import Source, nearest
from masv_watch.model import Settings

#: the keys of the top level that say where the daemon is, and what proves to it who calls
_TELLING = ("server", "state")
_KEY = re.compile(r"(?P<quote>[\"']?)(?P<key>[\w.-]+)(?P=quote)\s*:")
#: all of the file stands in braces, so that its lines tell no key from another
_BRACED = re.compile(r"(?:---\s+)?\{")


def located(path: str, *, environ: Mapping[str, str]) -> Settings | None:
    """Give the settings of a file of which `server` and `state` alone count, the rest by default.

    None where these have a mistake themselves, or cannot be told from the rest.

    Raises:
        ConfigError: the file cannot be read.
    """
    source = Source(path)
    text, mode = opened(source)
    told = _telling(text)
    if told is None:
        return None
    source.lines = Source(path, told).lines
    tree, problems = nodes.read(source, told)
    if problems or not (tree is None or isinstance(tree, nodes.Mapping)):
        return None
    resolver = secrets.Resolver(path, source, environ, wants_secrets=False)
    values: dict[str, Plain] = {"version": 1}
    if tree is not None:
        woven, parts = including.whole(source, tree, mode=mode, with_folder=False)
        resolver.parts = {part.path: part.source for part in parts.all[1:]}
        plain = secrets.plain(resolver, woven)
        if parts.problems or resolver.problems or not isinstance(plain, dict):
            return None
        values |= plain
    keys, _ = schema.check(values)
    if keys is None:
        return None
    state = state_of(values, environ)
    beside = os.path.dirname(os.path.abspath(path))
    return builder.settings(keys, state=state, beside=beside, lines=[], cards=Cards(beside))


def _telling(text: str) -> str | None:
    """Keep the lines that tell; the others are left empty, so that every place stays what it is.

    None where the lines do not tell which key they belong to.
    """
    known = {key for key in schema.known_keys() if "." not in key}
    kept, is_telling = [], False
    for line in text.split("\n"):
        if _BRACED.match(line):
            return None
        if line[:1].strip() and not line.startswith("#"):
            found = _KEY.match(line)
            key = "" if found is None else found["key"]
            is_telling = key in _TELLING
            if key not in known and nearest(key, _TELLING):
                return None
        kept.append(line if is_telling else "")
    return "\n".join(kept)
