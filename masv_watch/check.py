"""What `masv-watch check` says of a configuration beyond its form.

Owns the look at the world: folders, templates, the mail server, the cloud and the key. Never
changes anything. Called by `cli`.
"""

from __future__ import annotations

from dataclasses import dataclass

from masv_watch.cloud.client import CloudClient
from masv_watch.cloud.http import Http
from masv_watch.config import world
from masv_watch.config.load import Loaded
from masv_watch.delivery import mail
from masv_watch.errors import CloudRefused, MasvWatchError, NoSession
from masv_watch.login import Login
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check found; each line is whole."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    ok: tuple[str, ...]


def examine(loaded: Loaded, *, file: str, probe: bool) -> Found:
    """Look at the templates and, with `probe`, at disk paths, mail server and cloud."""
    problems = [*_templates(loaded)]
    warnings = [*loaded.warnings]
    ok = [f"ok: {file}: {len(loaded.settings.hot_folders)} hot folders"]
    if probe:
        seen = world.probe(loaded.settings, places=loaded.places, file=file)
        problems += seen.problems
        warnings += seen.warnings
        ok += seen.ok
        _probe_mail(loaded, file, warnings, ok)
        _probe_cloud(loaded, file, (problems, warnings, ok))
    return Found(problems=tuple(problems), warnings=tuple(warnings), ok=tuple(ok))


def _templates(loaded: Loaded) -> list[str]:
    problems = []
    for index, rule in enumerate(loaded.settings.hot_folders):
        key = f"hot_folders[{index}].link.template"
        if rule.link.template is None:
            continue
        place = loaded.places.get(key, rule.at or "configuration:1:1")
        problems += [
            f"{place}: {key}: {sentence} - a Jinja2 file for one letter"
            for sentence in mail.check_template(rule.link.template)
        ]
    return problems


def _probe_mail(loaded: Loaded, file: str, warnings: list[str], ok: list[str]) -> None:
    settings = loaded.settings
    if settings.mail is None:
        return
    try:
        words = mail.probe(settings.mail.smtp)
    except MasvWatchError as error:
        place = loaded.places.get("mail.smtp", f"{file}:1:1")
        warnings.append(f"{place}: mail.smtp: warning: {error}")
    else:
        ok.append(f"ok: mail.smtp: {words}")


def _probe_cloud(loaded: Loaded, file: str, lists: tuple[list[str], list[str], list[str]]) -> None:
    """Prove the key, the team and the portals; what cannot be reached is only a warning."""
    problems, warnings, ok = lists
    clock, metrics, settings = SystemClock(), Metrics(), loaded.settings
    http = Http(clock=clock, metrics=metrics, connections=1)
    cloud = CloudClient(http, api_url=settings.masv.api_url)
    place = loaded.places.get("masv.api_key", f"{file}:1:1")
    try:
        if settings.masv.api_key is not None:
            Login(cloud, settings.masv, clock=clock, metrics=metrics).team_id()
            ok.append(f"ok: masv.api_key: belongs to team {settings.masv.team}")
        for index, rule in enumerate(settings.hot_folders):
            place = loaded.places.get(f"hot_folders[{index}].to.portal", rule.at)
            if rule.to.portal is not None:
                cloud.portal(rule.to.portal)
                ok.append(f"ok: hot_folders[{index}].to.portal: {rule.to.portal} is there")
    except (NoSession, CloudRefused) as error:
        problems.append(f"{place}: masv: {error}")
    except MasvWatchError as error:
        warnings.append(f"{place}: masv: warning: {error}; not checked")
    finally:
        http.close()
