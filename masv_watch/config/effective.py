"""Every value that counts, and where it comes from.

Owns the list of what a configuration comes to: what is written, what `defaults:` says, what nobody
wrote. Never reads a secret and never shows one. Called by `config show`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from masv_watch.config import load as loading
from masv_watch.config import nodes, schema
from masv_watch.config.faults import members, value_at
from masv_watch.config.handover import Effective
from masv_watch.config.likeness import origin_of
from masv_watch.config.origins import Broken, Plain
from masv_watch.config.problems import path_text, printable
from masv_watch.config.secrets import is_secret_place
from masv_watch.config.units import show_duration, show_size
from masv_watch.config.wording import NAMED
from masv_watch.model import Rule, Secret, Settings
from masv_watch.names import shown

Path = tuple[str | int, ...]

#: what stands for a default that is no plain value, or that depends on something else
_TOLD = {
    "settle.quiet": "15s, 60s on a network file system",
    "to.others": "hold",
    "settle.open_check": "auto",
    "early": "where nothing of the rule needs the whole",
    "size.max": "not set",
    "after.duplicate": "as delivered",
    "after.failed": "keep",
    "hardlinks": "allow",
    "incomplete": "hold, warn for bundles",
    "mtime_grain": "auto",
    "sequences.gaps": "as incomplete",
    "transfer.connections": "auto",
    "bandwidth": "unlimited",
    "limits.domains": "any",
    "late": "once, then asked",
    "finalize.idle": "0s, 5m for a batch",
    "finalize.max_open": "any",
    "finalize.max_files": "any",
    "schedule": "always open",
}
_SIZES = {"transfer.chunk_size", "size.min", "limits.per_drop", "limits.per_day"}
_SIZES |= {"finalize.max_size"}
_TB = 10**12
_ALIASES = {"sender_email", "package_name", "package_description"}
_HIDDEN = "***"


def effective(path: str, *, environ: Mapping[str, str]) -> list[Effective]:
    """Give every key of a file with what counts, in the order of the schema.

    Raises:
        ConfigError: as `load`.
    """
    settings = loading.load(path, environ=environ, with_secrets=False).settings
    reading = loading.read(path, environ=environ, with_secrets=False)
    whole = _Whole(tree=reading.tree, values=reading.values, settings=settings, reading=reading)
    return [each for key, inner, is_list in members(schema.Keys)
            for each in whole.of((key,), inner, is_list=is_list)]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    tree: nodes.Tree
    values: Plain
    settings: Settings
    reading: loading.Read

    def place(self, path: Path) -> str:
        """Give the file and the line of what is written at a path."""
        return self.reading.place(path).rpartition(":")[0]

    def _like(self, path: Path) -> str:
        """Say which hot folder a value is taken over from; "" where it is nobody's."""
        origin = origin_of(self.reading.taken, path)
        if origin == path:
            return ""
        return f" (like {_written(value_at(self.values, (*origin[:2], 'name')))})"

    def of(self, path: Path, inner: type[Any] | None, *, is_list: bool) -> Iterator[Effective]:
        """Give what counts at and below a key of the top."""
        if path == ("defaults",):
            # they show where they count: in each hot folder
            return
        if path == ("hot_folders",):
            for at, rule in enumerate(self.settings.hot_folders):
                for key, below, below_is_list in members(schema.HotFolderKeys):
                    here = ("hot_folders", at, key)
                    yield from self._below(here, below, of=rule, is_list=below_is_list)
            return
        yield from self._below(path, inner, of=self.settings, is_list=is_list)

    def _below(
        self, path: Path, inner: type[Any] | None, *, of: Rule | Settings, is_list: bool
    ) -> Iterator[Effective]:
        found = nodes.find(self.tree, path)
        is_section = inner is not None and not is_list
        if is_section and (found is None or isinstance(found, nodes.Mapping)) and inner:
            if found is None and path[-1] in {"mail", "bandwidth", "schedule"}:
                # without it there is nothing to say of what it would hold
                yield from self._leaf(path, of)
                return
            for key, below, below_is_list in members(inner):
                yield from self._below((*path, key), below, of=of, is_list=below_is_list)
            return
        yield from self._leaf(path, of)

    def _leaf(self, path: Path, of: Rule | Settings) -> Iterator[Effective]:
        own = path[2:] if path[0] == "hot_folders" else path
        inherited = ("defaults", *own)
        for place in (path, inherited) if own != path else (path,):
            found = nodes.find(self.tree, place)
            if found is not None:
                value = _HIDDEN if is_secret_place(path) else _written(value_at(self.values, place))
                origin = _origin(found, self.place(place)) + self._like(place)
                yield Effective(key=path_text(path), value=value, origin=origin)
                return
        name = ".".join(str(step) for step in own)
        if name not in _ALIASES:
            yield Effective(key=path_text(path), value=default_text(name, of), origin="default")


def _origin(found: nodes.Tree, place: str) -> str:
    tag = getattr(found, "tag", None)
    if tag is None:
        return place
    name = nodes.find(found, ("name",)) if isinstance(found, nodes.Mapping) else found
    text = name.text if isinstance(name, nodes.Scalar) else ""
    return f"{tag} {printable(text)} at {place}"


def _written(value: Plain) -> str:
    if isinstance(value, str):
        return printable(str(value))
    return json.dumps(_bare(value), ensure_ascii=False)


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {printable(key): _bare(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if isinstance(value, Secret | Broken):
        return _HIDDEN
    return printable(str(value)) if isinstance(value, str) else value


def default_text(name: str, of: Rule | Settings) -> str:
    """Give what counts where a key is not written, as people write it, or in words.

    `name` is the dotted path, of a hot folder's keys below it.
    """
    if name in _TOLD:
        return _TOLD[name]
    at: Any = of
    for step in NAMED.get(name, name).split("."):
        at = getattr(at, step, getattr(at, f"{step}_s", None))
        is_time = at is not None and isinstance(at, float)
    if isinstance(at, Secret):
        return _HIDDEN
    if isinstance(at, int) and not isinstance(at, bool) and name in _SIZES:
        return f"{at // _TB} TB" if at and at % _TB == 0 else show_size(at)
    return show_duration(at) if is_time else _plain(at)


def _plain(value: Any) -> str:
    if value is None or value in ((), ""):
        return "not set"
    if isinstance(value, tuple | frozenset):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, bytes):
        return shown(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.value if isinstance(value, Enum) else value)
