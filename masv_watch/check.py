"""What `masv-watch check` says of a configuration beyond its form.

Owns the look at the world: folders, templates, the mail server, the cloud and the key. Never
changes anything. Called by the command, and for the API by `inquiries`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from masv_watch import files
from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.cloud.proxies import Proxies
from masv_watch.cloud.timekeeping import TimedLine, disagreement
from masv_watch.config import confinement, world
from masv_watch.config.handover import Loaded
from masv_watch.config.origins import NOT_READ
from masv_watch.config.problems import as_records, listed, printable
from masv_watch.config.units import show_duration
from masv_watch.delivery import letters, mail
from masv_watch.errors import CloudRefused, MasvWatchError, NoSession, SourceError
from masv_watch.figures import counted
from masv_watch.files import Counted
from masv_watch.login import Login
from masv_watch.loops import Clock, SystemClock
from masv_watch.metrics import Metrics
from masv_watch.model import DropMode, Inspection, Rule, Secret
from masv_watch.names import shown
from masv_watch.store.peeking import known_id, known_roots
from masv_watch.watch.budget import shortages, told
from masv_watch.watch.gaps import quiet_time
from masv_watch.watch.hints import Sight
from masv_watch.watch.intake import PERIOD_S
from masv_watch.watch.rules import starts_early
from masv_watch.watch.sameness import heeds_mounts, is_expected
from masv_watch.watch.spared import spared_of

#: folders that are counted for the need of notifications, and seconds after which that ends: a
#: start that checks first must not wait for a count
MOST_FOLDERS = 2_000_000
COUNTING_S = 10.0
#: what helps when the cloud knows no such portal
_PORTAL = " - of vault.portal.massive.app the name is vault: look at the portal's address"
#: what helps where it could not be asked and the failure itself names nothing
_UNCHECKED = (
    " - look at this machine's way there (name, route, proxy), then check again; --no-network"
    " leaves it out"
)

#: problems, warnings and ok lines while they are gathered
_Lists = tuple[list[str], list[str], list[str]]


def examine(
    loaded: Loaded,
    *,
    file: str,
    probe: bool,
    network: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Inspection:
    """Look at the templates and, with `probe`, at disk paths, mail server and cloud.

    Without `network` the last two are left alone. `environ` tells whether a unit confines us.
    """
    problems = [*_templates(loaded)]
    warnings = [*loaded.warnings, *_unwatched(loaded, file), *_renamed(loaded), *_apart(loaded)]
    count = len(loaded.settings.hot_folders)
    ok = [f"ok: {file}: {counted(count, 'hot folder')}", *_waiting(loaded)]
    if probe:
        bare = _bare(loaded)
        seen = world.probe(loaded.settings, places=loaded.places, file=file, bare=bare)
        problems += seen.problems
        warnings += seen.warnings
        ok += seen.ok
        warnings += _marked_by_others(loaded)
        if confinement.is_confined(environ or {}):
            warnings += confinement.probe(loaded.settings, places=loaded.places, file=file)
        _probe_expected(loaded, file, warnings, ok)
        _probe_detection(loaded, file, warnings, ok)
    if probe and network:
        _probe_mail(loaded, file, warnings, ok)
        proxies = Proxies(loaded.settings.masv.proxy, environ)
        _probe_cloud(loaded, file, (problems, warnings, ok), proxies)
    return Inspection(
        problems=_in_order(problems, file), warnings=_in_order(warnings, file), ok=tuple(ok)
    )


def _in_order(lines: Iterable[str], file: str) -> tuple[str, ...]:
    """Give lines in the order of the file, whatever found them; those of its parts behind it."""

    def place(line: str) -> tuple[bool, str, int, int]:
        (found,) = as_records((line,))
        name = str(found["file"])
        return name != printable(file), name, int(found["line"]), int(found["col"])

    return tuple(sorted(lines, key=place))


def _templates(loaded: Loaded) -> list[str]:
    problems, is_joint = [], _digest_s(loaded) is not None
    for index, rule in enumerate(loaded.settings.hot_folders):
        key = f"hot_folders[{index}].link.template"
        if rule.link.template is None:
            continue
        place = _place(loaded, key, "configuration", at=rule.at)
        problems += [
            f"{place}: {key}: {sentence} - a Jinja2 file for one letter"
            for sentence in letters.check_template(rule.link.template, joint=is_joint)
        ]
    return problems


def _digest_s(loaded: Loaded) -> float | None:
    return None if loaded.settings.mail is None else loaded.settings.mail.digest_s


def _apart(loaded: Loaded) -> list[str]:
    """Warn of templates whose letters tell of one delivery each, whatever `mail.digest` says."""
    digest_s, warnings = _digest_s(loaded), []
    for index, rule in enumerate(loaded.settings.hot_folders):
        if digest_s is None or letters.joins(rule.link.template):
            continue
        key = f"hot_folders[{index}].link.template"
        warnings.append(
            f"{_place(loaded, key, 'configuration', at=rule.at)}: {key}: warning: it names no"
            " `deliveries`, so each delivery has a letter of its own though mail.digest is"
            f" {show_duration(digest_s)} - loop over `deliveries`, as docs/howto/mail.rst shows"
        )
    return warnings


def _renamed(loaded: Loaded) -> list[str]:
    """Warn of a hot folder that was renamed: what it sent is known by the name that it had."""
    rules = loaded.settings.hot_folders
    names = {rule.name for rule in rules}
    known = known_roots(loaded.settings.state)
    warnings = []
    for index, rule in enumerate(rules):
        if rule.was or rule.name in known:
            continue
        had = [name for name, path in known.items() if path == rule.path and name not in names]
        if had:
            key = f"hot_folders[{index}].name"
            place = _place(loaded, key, "configuration", at=rule.at)
            warnings.append(
                f"{place}: {key}: warning: what was delivered from its path is known as {had[0]},"
                f" and nothing of it will match - add `was: {had[0]}` to keep its ledger"
            )
    return warnings


def _marked_by_others(loaded: Loaded) -> list[str]:
    """Warn of roots that carry the marker of another state: two daemons would send all twice."""
    own, warnings = known_id(loaded.settings.state), []
    for index, rule in enumerate(loaded.settings.hot_folders):
        if rule.removable:
            continue
        try:
            with files.Root.open(rule.path) as root:
                marker = files.read_marker(root)
        except SourceError:
            # the look at the world has its line already
            continue
        if marker is None or marker.state == own:
            continue
        key = f"hot_folders[{index}].path"
        warnings.append(
            f"{_place(loaded, key, 'configuration', at=rule.at)}: {key}: warning:"
            f" {printable(os.fsdecode(rule.path))} carries the marker of another masv-watch, or of"
            " a state that was lost: two that watch it send all of it twice - let one watch it;"
            f" where the other is gone, masv-watch adopt {rule.name}"
        )
    return warnings


def _bare(loaded: Loaded) -> dict[bytes, files.Intended]:
    """Give the hot folders that lie on a bare mount point, as far as the gate will think so."""
    known, found = known_roots(loaded.settings.state), {}
    for rule in loaded.settings.hot_folders:
        is_known = known.get(rule.name) == rule.path or _carries_marker(rule)
        if is_known or not heeds_mounts(rule):
            continue
        lacks = files.bare_point(rule.path)
        if lacks is not None:
            found[rule.path] = lacks
    return found


def _carries_marker(rule: Rule) -> bool:
    try:
        with files.Root.open(rule.path) as root:
            return files.read_marker(root) is not None
    except SourceError:
        return False


def _waiting(loaded: Loaded) -> list[str]:
    """Say which rules send nothing of a folder before it is whole though nobody asked for that."""
    notes = []
    for index, rule in enumerate(loaded.settings.hot_folders):
        start = starts_early(rule)
        if rule.early is None and rule.drop in (DropMode.FOLDER, DropMode.BATCH) and start.reason:
            notes.append(
                f"ok: hot_folders[{index}]: nothing of a folder goes up before all of it has"
                f" arrived: {start.reason}"
            )
    return notes


def _unwatched(loaded: Loaded, file: str) -> list[str]:
    """Warn where nobody would learn that something needs a person."""
    mails = loaded.settings.mail
    if not loaded.settings.hot_folders or (mails is not None and mails.alerts is not None):
        return []
    place = loaded.places.get("mail", f"{file}:1:1")
    advice = "add `mail: {alerts: {to: [ADDRESS]}}`"
    words = f"warning: nobody is told when something needs a person - {advice}"
    return [f"{place}: mail.alerts: {words}"]


def _probe_expected(loaded: Loaded, file: str, warnings: list[str], ok: list[str]) -> None:
    """Say where a hot folder lies on another file system than its rule expects."""
    for index, rule in enumerate(loaded.settings.hot_folders):
        wanted = rule.expect.filesystems
        if not wanted:
            continue
        try:
            with files.Root.open(rule.path) as root:
                volume = files.volume_of(root)
        except SourceError:
            # what is not there, or not ours to read, has its own line already
            continue
        key = f"hot_folders[{index}].expect.filesystem"
        place, path = _place(loaded, key, file, at=rule.at), printable(shown(rule.path))
        kind = printable(volume.kind) or "an unknown file system"
        if is_expected(wanted, volume.kind, is_network=volume.is_network):
            ok.append(f"ok: {key}: {path} lies on {kind}")
            continue
        warnings.append(
            f"{place}: {key}: warning: {path} lies on {kind} and not on {' or '.join(wanted)}:"
            " nothing of it will be sent - mount what belongs there"
        )


def _probe_detection(loaded: Loaded, file: str, warnings: list[str], ok: list[str]) -> None:
    """Say how changes are found in each hot folder, and what the kernel will refuse of that."""
    announced, mounts = [], files.mounts()
    for index, rule in enumerate(loaded.settings.hot_folders):
        if not os.path.isdir(rule.path):
            # it has its line already
            continue
        below = files.network_below(files.resolved(rule.path), mounts)
        kind = files.filesystem_kind(rule.path)
        if kind != "network" and not below:
            announced.append(rule)
        words = _detection(rule, kind, [each.point for each in below])
        ok.append(f"ok: hot_folders[{index}].path: {words}")
    place = loaded.places.get("hot_folders", f"{file}:1:1")
    counted = count_all(announced, clock=SystemClock())
    held = files.held_notifications([rule.path for rule in announced])
    short = shortages(counted, held) if announced else []
    without = f"without that a sweep every {show_duration(PERIOD_S[Sight.DEGRADED])} decides"
    warnings += [f"{place}: hot_folders: warning: {each}; {without}" for each in short]
    if announced and not short:
        ok.append(f"ok: hot_folders: {told(counted)} to be watched, and the kernel allows it")


def _detection(rule: Rule, kind: str, network_below: list[bytes]) -> str:
    quiet = show_duration(quiet_time(rule.settle, kind).seconds)
    if kind == "network":
        period = show_duration(PERIOD_S[Sight.BLIND])
        return f"on a network file system: swept every {period}, quiet after {quiet}"
    if network_below:
        period, point = show_duration(PERIOD_S[Sight.BLIND]), shown(network_below[0])
        return f"local, but {point} below it is on a network: swept every {period}"
    return f"on a local file system: changes are announced, quiet after {quiet}"


def count_all(rules: Sequence[Rule], *, clock: Clock) -> Counted:
    """Count the folders of all these hot folders, within one allowance of time."""
    until, all_of_them = clock.monotonic() + COUNTING_S, Counted(folders=0, is_cut=False)
    for rule in rules:
        try:
            with files.Root.open(rule.path) as root:
                found = files.count_folders(
                    root,
                    most=MOST_FOLDERS - all_of_them.folders,
                    until=until,
                    monotonic=clock.monotonic,
                    spares=spared_of(rule).has,
                )
        except SourceError:
            # what is not there, or not ours to read, has its own line already
            continue
        all_of_them = replace(
            all_of_them,
            folders=all_of_them.folders + found.folders,
            is_cut=all_of_them.is_cut or found.is_cut,
        )
    return all_of_them


def _probe_mail(loaded: Loaded, file: str, warnings: list[str], ok: list[str]) -> None:
    settings = loaded.settings
    if settings.mail is None or _is_unread(settings.mail.smtp.password):
        return
    try:
        words = mail.probe(settings.mail.smtp)
    except MasvWatchError as error:
        place = loaded.places.get("mail.smtp", f"{file}:1:1")
        warnings.append(f"{place}: mail.smtp: warning: {error}")
    else:
        ok.append(f"ok: mail.smtp: {words}")


def _is_unread(secret: Secret | None) -> bool:
    """Say whether nothing can be proven with a secret, because it was not looked up."""
    return secret is not None and secret.origin == NOT_READ


def _probe_cloud(loaded: Loaded, file: str, lists: _Lists, proxies: Proxies) -> None:
    """Prove the key, the team and each portal; what cannot be reached is only a warning."""
    http = TimedLine(Http(clock=SystemClock(), metrics=Metrics(), connections=1, proxies=proxies))
    cloud = CloudClient(http, api_url=loaded.settings.masv.api_url)
    try:
        api_key = loaded.settings.masv.api_key
        if api_key is not None and not _is_unread(api_key):
            with _judged(lists, _place(loaded, "masv.api_key", file), "masv.api_key"):
                _probe_key(cloud, loaded, file, lists)
        for index, rule in enumerate(loaded.settings.hot_folders):
            if rule.to.portal is None:
                continue
            key = f"hot_folders[{index}].to.portal"
            with _judged(lists, _place(loaded, key, file, at=rule.at), key, cure=_PORTAL):
                cloud.portal(rule.to.portal)
                lists[2].append(f"ok: {key}: {rule.to.portal} is there")
    finally:
        http.close()
    wrong = disagreement(http.ahead_s)
    if wrong:
        lists[1].append(f"{file}:1:1: clock: warning: {wrong}")


def _probe_key(cloud: CloudClient, loaded: Loaded, file: str, lists: _Lists) -> None:
    """Say whom the key may send for; without a team of the file each call names its own.

    Raises:
        MasvWatchError: the key is refused, or the cloud cannot be asked.
    """
    masv = loaded.settings.masv
    if masv.api_key is None:
        return
    teams = [printable(team.subdomain) for team in cloud.teams(masv.api_key)]
    if masv.team is None:
        lists[2].append(f"ok: masv.api_key: may send for {listed(teams, 'and') or 'no team'}")
        return
    with _judged(lists, _place(loaded, "masv.team", file), "masv.team"):
        Login(cloud, masv, clock=SystemClock(), metrics=Metrics()).team_id()
        lists[2].append(f"ok: masv.api_key: belongs to team {masv.team}")


@contextmanager
def _judged(lists: _Lists, place: str, key: str, *, cure: str = "") -> Iterator[None]:
    problems, warnings, _ = lists
    try:
        yield
    except (NoSession, CloudRefused) as error:
        problems.append(f"{place}: {key}: {error}{'' if error.hint else cure}")
    except MasvWatchError as error:
        helps = "" if error.hint else _UNCHECKED
        warnings.append(f"{place}: {key}: warning: not checked: {error}{helps}")


def _place(loaded: Loaded, key: str, file: str, *, at: str = "") -> str:
    return loaded.places.get(key) or (f"{at}:1" if at else f"{file}:1:1")
