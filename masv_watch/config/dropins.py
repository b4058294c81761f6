"""Say which paths a configuration needs of the unit that runs it, and write the drop-in.

Owns the lines that open a hardened unit: mounts to wait for, folders to write in, folders that a
private /tmp hides. Never looks at the disk: the configuration alone decides. Called by
`masv-watch service paths`, and by `confinement` for its cures.

Law 1. Nothing is opened that no key names.
Law 2. A path stands in the drop-in as it is or not at all: what a unit file cannot hold is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from masv_watch.model import Rule, Scheme, Settings
from masv_watch.names import shown

#: what the unit gives the service by itself
GIVEN = (b"/var/lib/masv-watch", b"/run/masv-watch")
#: folders of which a unit with PrivateTmp= has its own
PRIVATE = (b"/tmp", b"/var/tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Absolute paths, each once, in order."""

    #: hot folders whose mounts come before the service
    mounts: tuple[bytes, ...] = ()
    #: folders that it writes in, below the root file system
    written: tuple[bytes, ...] = ()
    #: folders that it finds only when they are bound into its private /tmp
    bound: tuple[bytes, ...] = ()


def needs_of(settings: Settings) -> Needs:
    """Say what a unit must open for a configuration."""
    mounts = {rule.path for rule in settings.hot_folders if not rule.removable}
    wanted = {path for rule in settings.hot_folders for path in written_by(rule)}
    wanted |= {os.fsencode(settings.state), *_sockets(settings)}
    if settings.backup is not None:
        wanted.add(os.fsencode(settings.backup.to))
    read = {rule.path for rule in settings.hot_folders} | set(settings.server.allowed_roots or ())
    bound = {path for path in wanted | read if is_below(path, PRIVATE)}
    written = {path for path in wanted - bound if not is_below(path, GIVEN)}
    return Needs(mounts=_widest(mounts), written=_widest(written), bound=_widest(bound))


def written_by(rule: Rule) -> tuple[bytes, ...]:
    """Give the folders that a rule writes in: its own, for the marker, and the target of `after`.

    On a removable volume nothing is ever written.
    """
    if rule.removable:
        return ()
    target = target_of(rule)
    return (rule.path,) if target is None else (rule.path, target)


def target_of(rule: Rule) -> bytes | None:
    """Give the folder outside of the hot folder below which a rule moves; None when there is none.

    It ends before the first name with a placeholder.
    """
    template = rule.after.move_to
    if template is None or template.startswith("{root}"):
        return None
    return os.fsencode(template.split("{", 1)[0]).rpartition(b"/")[0] or b"/"


def is_below(path: bytes, places: Iterable[bytes]) -> bool:
    """Say whether a path is one of the places or lies in one."""
    return any(path == place or path.startswith(place.rstrip(b"/") + b"/") for place in places)


def dropin(needs: Needs, *, source: str, guarded: Mapping[bytes, bytes] | None = None) -> str:
    """Write the drop-in; `source` is the configuration that it was made from.

    A folder that is missing does not keep the service from starting: it waits for it. `guarded` are
    hot folders that are told from a bare mount point, each with the point of its mount.
    """
    lines = [
        f"# Written by `masv-watch service paths` from {shown(os.fsencode(source))}.",
        "# Write it anew when a path there changes, then: systemctl daemon-reload",
    ]
    lines += _mounted([path for path in needs.mounts if fits(path)], guarded or {})
    written = [path for path in needs.written if fits(path)]
    bound = [path for path in needs.bound if fits(path)]
    if written or bound:
        lines += ["", "[Service]"]
    if written:
        lines += ["# For the marker of a hot folder, what `after` moves or deletes, the state."]
        lines += [line_for("ReadWritePaths", path) for path in written]
    if bound:
        lines += ["# The service has a /tmp of its own; these are brought into it."]
        lines += [line_for("BindPaths", path) for path in bound]
    return "\n".join(lines) + "\n"


def _mounted(paths: list[bytes], guarded: Mapping[bytes, bytes]) -> list[str]:
    """Write what comes before the service, and whether it goes without."""
    waited = [path for path in paths if path in guarded]
    needed = [path for path in paths if path not in guarded]
    lines = ["", "[Unit]"] if paths else []
    if waited:
        lines += [
            "# Started once these mounts were tried, whatever came of it: what lies there is known",
            "# by its marker or by `expect`, and waits while the other hot folders go on. With its",
            "# line of RequiresMountsFor= the whole service would stay down while the mount fails.",
        ]
        for unit in dict.fromkeys(mount_unit(guarded[path]) for path in waited):
            lines += [f"Wants={unit}", f"After={unit}"]
        lines += [f"#RequiresMountsFor={quoted(path)}" for path in waited]
    if needed:
        lines += [
            "# Started after these are mounted, stopped before they go; nothing tells them from a",
            "# bare mount point yet. The whole service stays down while such a mount fails: write",
            "# this file anew once the service has run with it, or take the line out.",
        ]
        lines += [f"RequiresMountsFor={quoted(path)}" for path in needed]
    return lines


def mount_unit(point: bytes) -> str:
    """Give the name of the unit that mounts a file system there (systemd.unit(5))."""
    name = point.strip(b"/")
    if not name:
        return "-.mount"
    kept = _PLAIN.sub(lambda found: b"\\x%02x" % found[0][0], name).replace(b"/", b"-")
    if kept.startswith(b"."):
        kept = b"\\x2e" + kept[1:]
    return f"{kept.decode()}.mount"


_PLAIN = re.compile(rb"[^A-Za-z0-9:_./]")


def unfit(needs: Needs) -> tuple[bytes, ...]:
    """Give the paths that no unit file can hold."""
    every = {*needs.mounts, *needs.written, *needs.bound}
    return tuple(sorted(path for path in every if not fits(path)))


def line_for(key: str, path: bytes) -> str:
    """Write one line of a unit that names a path and does without it when it is missing."""
    return f"{key}={quoted(path, before='-')}"


def fits(path: bytes) -> bool:
    """Say whether a unit file can hold a path: UTF-8 without control characters."""
    try:
        return path.decode().isprintable()
    except UnicodeDecodeError:
        return False


def quoted(path: bytes, *, before: str = "") -> str:
    """Write a path as one word of a unit, with what stands `before` it in the same word."""
    text = before + path.decode().replace("%", "%%")
    if not set(text) & set(" \t\"'\\;"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _sockets(settings: Settings) -> set[bytes]:
    return {
        os.fsencode(os.path.dirname(listen.path))
        for listen in settings.server.listen
        if listen.scheme is Scheme.UNIX
    }


def _widest(paths: Iterable[bytes]) -> tuple[bytes, ...]:
    """Leave out what lies in another one of them."""
    kept: list[bytes] = []
    for path in sorted(paths):
        if not is_below(path, kept):
            kept.append(path)
    return tuple(kept)
