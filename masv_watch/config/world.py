"""Compare a configuration with the machine it is to run on.

Owns what `check` says about folders, rights, certificates and the users who may call. Never talks
to the network and changes nothing on disk. Called by `check` without --no-probe.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from masv_watch.config.problems import printable
from masv_watch.files import Intended, filesystem_kind
from masv_watch.model import After, Rule, Scheme, Server, Settings

_EFFECTIVE = os.access in os.supports_effective_ids


@dataclass(slots=True, kw_only=True)
class Findings:
    """What the machine says about a configuration."""

    #: what `run` cannot work with; each `file:line:col: path: sentence`
    problems: list[str] = field(default_factory=list)
    #: what `run` copes with; each `file:line:col: path: warning: sentence`
    warnings: list[str] = field(default_factory=list)
    #: what was looked at and is in order; each `ok: path: sentence`
    ok: list[str] = field(default_factory=list)


def probe(
    settings: Settings,
    *,
    places: Mapping[str, str] | None = None,
    file: str = "configuration",
    bare: Mapping[bytes, Intended] | None = None,
) -> Findings:
    """Look at every path and user that a configuration names; `places` come from `Loaded`.

    `bare` are the hot folders that run will wait for, because something is to be mounted first.
    """
    findings = Findings()
    known = places or {}
    for number, rule in enumerate(settings.hot_folders):
        path = f"hot_folders[{number}].path"
        place = known.get(path, f"{rule.at or file}:1")
        _root(findings, rule, path, place, lacks=(bare or {}).get(rule.path))
        for key, after in (("delivered", rule.after), ("duplicate", rule.after_duplicate)):
            path = f"hot_folders[{number}].after.{key}"
            if after is not None:
                place = known.get(path, f"{rule.at or file}:1")
                _After(rule, after, _SOURCES[key]).look(findings, path, place)
    _same_roots(findings, settings.hot_folders, known)
    _Api(findings, settings.server, known, file).look()
    _folder_of_ours(findings, "state", settings.state, known.get("state", f"{file}:1:1"))
    if settings.backup is not None:
        place = known.get("backup.to", f"{file}:1:1")
        _folder_of_ours(findings, "backup.to", settings.backup.to, place)
    return findings


#: what helps where something is to be mounted first
_MOUNT = (
    "mount it before the service starts, which the drop-in that `masv-watch service paths` writes"
    " sees to"
)


def _root(findings: Findings, rule: Rule, path: str, place: str, *, lacks: Intended | None) -> None:
    shown = printable(os.fsdecode(rule.path))
    try:
        found = os.stat(rule.path)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            # what cannot be seen is said
            more = ", whose name ends with a blank," if shown.endswith(" ") else ""
            message = f"{shown}{more} is missing: run will wait for it - mount it or make it"
            if lacks is not None:
                message = f"{shown} is missing: {lacks.lack}: run will wait for it - {_MOUNT}"
        else:
            message = f"{shown} cannot be looked at ({_why(error)}): run will wait for it"
        findings.warnings.append(f"{place}: {path}: warning: {message}")
        return
    if not stat.S_ISDIR(found.st_mode):
        message = f"{shown} is not a folder - name a folder"
        findings.problems.append(f"{place}: {path}: {message}")
    elif not _may(rule.path, os.R_OK | os.X_OK):
        message = (
            f"{shown} cannot be read by this user: nothing of it will be sent - give it to a group"
            " of this user and run chmod g+rx on it"
        )
        findings.warnings.append(f"{place}: {path}: warning: {message}")
    elif lacks is not None:
        message = (
            f"{shown} lies on a bare mount point: {lacks.lack}: run will wait for it - {_MOUNT}"
        )
        findings.warnings.append(f"{place}: {path}: warning: {message}")
    else:
        findings.ok.append(f"ok: {path}: {shown} is there and can be read")


def _same_roots(findings: Findings, rules: tuple[Rule, ...], known: Mapping[str, str]) -> None:
    """Refuse one folder under two paths: a bind mount, which no comparison of paths shows."""
    seen: dict[tuple[int, int], Rule] = {}
    for number, rule in enumerate(rules):
        try:
            found = os.stat(rule.path)
        except OSError:
            continue
        first = seen.setdefault((found.st_dev, found.st_ino), rule)
        if first is not rule:
            path = f"hot_folders[{number}].path"
            message = f"is the same folder as that of {first.name!r}, mounted twice - keep one"
            findings.problems.append(f"{known.get(path, f'{rule.at}:1')}: {path}: {message}")


_SOURCES = {"delivered": "delivered sources", "duplicate": "duplicates"}


@dataclass(frozen=True, slots=True)
class _After:
    """Whether what a rule says of some sources can be done."""

    rule: Rule
    after: After
    #: what they are, for people
    sources: str

    def look(self, findings: Findings, path: str, place: str) -> None:
        root = self.rule.path
        if self.after.delivered == "keep" or not os.path.isdir(root):
            return
        if not _may(root, os.W_OK | os.X_OK):
            what = "moved" if self.after.delivered == "move" else "deleted"
            message = (
                f"no right to write in the hot folder: {self.sources} cannot be {what} - give this"
                " user the right, or let `after` keep them"
            )
            findings.warnings.append(f"{place}: {path}: warning: {message}")
            return
        if _is_sticky(root):
            what = "moved" if self.after.delivered == "move" else "deleted"
            message = (
                f"the hot folder is sticky and belongs to another user: sources of others cannot be"
                f" {what} - run chmod -t on it, or give it to this user"
            )
            findings.warnings.append(f"{place}: {path}: warning: {message}")
            return
        if self.after.move_to is None:
            findings.ok.append(f"ok: {path}: {self.sources} can be deleted")
            return
        self._target(findings, path, place)

    def _target(self, findings: Findings, path: str, place: str) -> None:
        root, move_to = self.rule.path, self.after.move_to or ""
        target = os.fsencode(move_to.split("{", 2)[0]).rpartition(b"/")[0]
        if move_to.startswith("{root}"):
            target = root
        existing = _existing(target or b"/")
        if not _may(existing, os.W_OK | os.X_OK):
            shown = printable(os.fsdecode(existing))
            message = (
                f"no right to write in {shown}: {self.sources} cannot be moved - give this user the"
                " right, or name another folder"
            )
            findings.warnings.append(f"{place}: {path}: warning: {message}")
            return
        try:
            same = os.stat(existing).st_dev == os.stat(root).st_dev
        except OSError:
            same = False
        how = "by a rename" if same else "to another file system: copied, compared, then removed"
        findings.ok.append(f"ok: {path}: {self.sources} are moved {how}")


def _is_sticky(path: bytes) -> bool:
    """Say whether only the owner of a file, or the folder's, may remove it there."""
    found = os.stat(path)
    return bool(found.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, found.st_uid)


def _folder_of_ours(findings: Findings, key: str, given: str, place: str) -> None:
    folder = os.fsencode(given)
    shown = printable(given)
    existing = _existing(folder)
    if not os.path.isdir(existing):
        findings.problems.append(f"{place}: {key}: {shown} is not a folder - name a folder")
    elif not _may(existing, os.R_OK | os.W_OK | os.X_OK):
        where = "it" if existing == folder else printable(os.fsdecode(existing))
        message = f"{shown} cannot be used - this user needs the right to write in {where}"
        findings.problems.append(f"{place}: {key}: {message}")
    elif key == "state" and filesystem_kind(existing) == "network":
        message = f"{shown} lies on a network file system, whose locks are not to be relied on"
        findings.warnings.append(f"{place}: {key}: warning: {message} - name a local folder")
    else:
        made = "is there" if existing == folder else "will be made"
        findings.ok.append(f"ok: {key}: {shown} {made}")


@dataclass(frozen=True, slots=True)
class _Api:
    """What the machine says about `server:`."""

    findings: Findings
    server: Server
    places: Mapping[str, str]
    file: str

    def look(self) -> None:
        for at, listen in enumerate(self.server.listen):
            path = f"server.listen[{at}]"
            path = path if path in self.places else "server.listen"
            if listen.scheme is Scheme.UNIX:
                self._socket(path, listen.path)
            elif not _may_listen(listen.port):
                message = (
                    f"this user may not listen on port {listen.port} - name one from 1024 on, and"
                    " let a reverse proxy have this one"
                )
                self._warning(path, message)
        for at, root in enumerate(self.server.allowed_roots or ()):
            self._root(f"server.allowed_roots[{at}]", root)
        for at, name in enumerate(self.server.trusted_users):
            self._trusted(f"server.trusted_users[{at}]", name, "user")
        for at, name in enumerate(self.server.trusted_groups):
            self._trusted(f"server.trusted_groups[{at}]", name, "group")
        self._tls()

    def _place(self, path: str) -> str:
        return self.places.get(path, f"{self.file}:1:1")

    def _problem(self, path: str, message: str) -> None:
        self.findings.problems.append(f"{self._place(path)}: {path}: {message}")

    def _warning(self, path: str, message: str) -> None:
        self.findings.warnings.append(f"{self._place(path)}: {path}: warning: {message}")

    def _socket(self, path: str, file: str) -> None:
        folder, shown = os.path.dirname(file), printable(file)
        try:
            is_socket = stat.S_ISSOCK(os.lstat(file).st_mode)
        except OSError:
            is_socket = True
        if not is_socket:
            self._problem(path, f"{shown} is there and no socket - name another path")
        elif not os.path.isdir(folder):
            message = (
                f"the folder {printable(folder)} is missing: run cannot listen in it - make it"
            )
            self._warning(path, message)
        elif not _may(os.fsencode(folder), os.W_OK | os.X_OK):
            message = f"no right to write in {printable(folder)}: run cannot listen in it"
            self._warning(path, f"{message} - give this user the right, or name another path")
        else:
            self.findings.ok.append(f"ok: {path}: {shown} can be made")

    def _root(self, path: str, root: bytes) -> None:
        shown = printable(os.fsdecode(root))
        try:
            found = os.stat(root)
        except OSError as error:
            self._warning(
                path, f"{shown} cannot be looked at ({_why(error)}): nothing of it is sent"
            )
            return
        if not stat.S_ISDIR(found.st_mode):
            self._warning(path, f"{shown} is not a folder: nothing lies below it")
        elif not _may(root, os.R_OK | os.X_OK):
            self._warning(path, f"{shown} cannot be read by this user: nothing of it is sent")
        else:
            self.findings.ok.append(f"ok: {path}: {shown} is there and can be read")

    def _trusted(self, path: str, name: str, what: str) -> None:
        number = int(name) if name.isdigit() else _number(name, what)
        if number is None:
            shown = printable(name)
            message = f"this machine knows no {what} {shown}: nobody is trusted by that name"
            self._warning(path, message)
        elif number == _UNNAMED:
            message = f"{printable(name)} is number {number}, which the kernel shows for whoever"
            self._problem(path, f"{message} it cannot name - trust another {what}")
        else:
            self.findings.ok.append(f"ok: {path}: {printable(name)} is {what} {number}")

    def _tls(self) -> None:
        certificate, key = self.server.tls.certificate, self.server.tls.key
        if certificate is None or key is None:
            return
        modes = (
            self._mode("server.tls.certificate", certificate),
            self._mode("server.tls.key", key),
        )
        if None in modes:
            return
        if (modes[1] or 0) & stat.S_IROTH:
            message = f"{printable(key)} can be read by every user - run chmod 600 on it"
            self._problem("server.tls.key", message)
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # without a callback of ours a locked key would be asked for at the terminal
            context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            self._problem("server.tls.key", _unfit(error))
        else:
            message = f"{printable(certificate)} and its key can be used"
            self.findings.ok.append(f"ok: server.tls: {message}")

    def _mode(self, path: str, file: str) -> int | None:
        """Give the mode of a file that can be read, None when that is a problem."""
        shown = printable(file)
        try:
            mode = os.stat(file).st_mode
        except OSError as error:
            self._problem(path, f"{shown} cannot be looked at ({_why(error)}) - name a file")
            return None
        if not stat.S_ISREG(mode):
            self._problem(path, f"{shown} is not a file - name a file in PEM form")
        elif not _may(os.fsencode(file), os.R_OK):
            self._problem(path, f"{shown} cannot be read - this user needs the right to read it")
        else:
            return mode
        return None


def _may_listen(port: int) -> bool:
    """Say whether the kernel lets this user have a port; where it does not tell, it does."""
    try:
        with open(_PORTS_OF_ALL) as told:
            first = int(told.read())
        with open("/proc/self/status") as rows:
            (held,) = (row.split()[1] for row in rows if row.startswith("CapEff:"))
    except (OSError, ValueError):
        return True
    return port == 0 or port >= first or bool(int(held, 16) >> _NET_BIND_SERVICE & 1)


#: where the kernel keeps the first port that anybody may have
_PORTS_OF_ALL = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#: the right to listen on a port below it, as the kernel numbers rights
_NET_BIND_SERVICE = 10
#: the number that the kernel shows for users and groups it cannot name
_UNNAMED = 65534


def _number(name: str, what: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid if what == "user" else grp.getgrnam(name).gr_gid
    except (KeyError, OSError):
        return None


def _no_password() -> str:
    raise ValueError("the key is locked")


def _unfit(error: OSError | ValueError) -> str:
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return "is locked with a password - store the key without one, readable by its owner alone"
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "does not belong to the certificate - give the two that were made together"
    return (
        "certificate and key cannot be used - two files in PEM form, the whole chain in the first"
    )


def _existing(path: bytes) -> bytes:
    """Give the nearest folder above that is there."""
    while not os.path.lexists(path) and path not in {b"/", b""}:
        path = os.path.dirname(path)
    return path or b"/"


def _may(path: bytes, mode: int) -> bool:
    # The effective user is the one whose rights a daemon has.
    return os.access(path, mode, effective_ids=_EFFECTIVE)


def _why(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
