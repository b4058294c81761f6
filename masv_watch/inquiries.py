"""What is asked of a running daemon about its configuration, its folders and itself as a whole.

Owns which file is meant, how far a self-test may reach, and that no secret leaves with an answer.
Never judges: `check`, `fitness` and `doctoring` do, and are brought in only when somebody asks.
Handed to the API by `daemon` as callables; any thread.

Law 1. What is read is the file as it stands now, in a process of its own; the running one goes on.
Law 2. A folder is tried out where an upload of the daemon's owner might read, and nowhere else: in
       hot folders and below server.allowed_roots, or anywhere while that is not set (P8).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from masv_watch import logs
from masv_watch.api.calls import Inquiries
from masv_watch.config import apart
from masv_watch.config.handover import Effective, Loaded
from masv_watch.errors import Busy, ConfigError, NotFound, SourceForbidden, Unprocessable
from masv_watch.files import Places, Reach
from masv_watch.logs import Redactor
from masv_watch.loops import Clock
from masv_watch.model import Diagnosis, Fitness, Inspection, Rule, Settings
from masv_watch.names import shown


class Inquirer:
    """Answers about one daemon."""

    def __init__(
        self,
        path: str,
        environ: Mapping[str, str],
        settings: Callable[[], Settings],
        *,
        denied: Callable[[], frozenset[tuple[int, int]]],
        clock: Clock,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Answer about the file at this path; what is `denied` is never tried out."""
        self._path = path
        self._environ = environ
        self._settings = settings
        self._denied = denied
        self._clock = clock
        self._stop = stop

    @property
    def callables(self) -> Inquiries:
        """Give what the API asks."""
        return Inquiries(
            check=self.check,
            values=self.values,
            json_schema=lambda: apart.json_schema(environ=self._environ),
            converted=lambda text, unit: apart.converted(text, unit=unit, environ=self._environ),
            diagnose=self.diagnose,
            log=logs.recent,
            try_out=self.try_out,
        )

    def check(self, *, probe: bool, network: bool) -> Inspection:
        """Look for mistakes in the file, and with `probe` in the world that it names."""
        from masv_watch.check import examine  # noqa: PLC0415 - only once somebody asks

        try:
            loaded = apart.load(self._path, environ=self._environ)
        except ConfigError as error:
            return Inspection(problems=error.problems)
        found = examine(
            loaded, file=self._path, probe=probe, network=network, environ=self._environ
        )
        clean = _cleaner(loaded)
        return Inspection(
            problems=tuple(map(clean, found.problems)),
            warnings=tuple(map(clean, found.warnings)),
            ok=tuple(map(clean, found.ok)),
        )

    def values(self) -> list[Effective]:
        """Give every value of the file that counts; secrets are not read.

        Raises:
            Unprocessable: the file cannot be used.
        """
        try:
            return apart.effective(self._path, environ=self._environ)
        except ConfigError as error:
            raise Unprocessable(
                error.problems[0].partition("\n")[0], hint="masv-watch check lists every mistake"
            ) from error

    def diagnose(self, answers: Mapping[str, Any], *, metrics: str, probe: bool) -> Diagnosis:
        """Say what is wrong; `answers` and `metrics` are the daemon's own, as for the command."""
        from masv_watch.doctoring import Collection  # noqa: PLC0415 - only once somebody asks

        redactor = Redactor()
        collection = Collection(clean=lambda text: redactor.clean(logs.redacted(text)))
        try:
            loaded = apart.load(self._path, environ=self._environ)
            redactor.add(loaded.secrets, lasting=True)
            values = apart.effective(self._path, environ=self._environ)
            collection.configuration(self._path, loaded, values, probe=probe, environ=self._environ)
        except ConfigError as error:
            collection.refused(error.problems)
        collection.daemon(answers)
        collection.records(log=logs.recent(), metrics=metrics)
        collection.machine(self._settings().hot_folders)
        return collection.diagnosis()

    def try_out(self, hot_folder: str | None, path: bytes | None) -> Fitness:
        """Try out a hot folder's mount, or that of a folder by its path.

        Raises:
            NotFound: no hot folder has that name.
            SourceForbidden: the folder is none that may be tried out.
            SourceUnreadable: it is not there, or cannot be listed.
            Busy: the daemon is about to stop; nothing of the probes stays.
        """
        from masv_watch.fitness import try_out  # noqa: PLC0415 - only once somebody asks

        folder, rule = self._named(hot_folder) if path is None else self._placed(path)
        reach = Reach(roots=None, uid=None, gids=frozenset(), denied=self._denied())
        return try_out(folder, rule, clock=self._clock, proceed=self._proceed, reach=reach)

    def _named(self, hot_folder: str | None) -> tuple[bytes, Rule]:
        for rule in self._settings().hot_folders:
            if rule.name == hot_folder:
                return rule.path, rule
        raise NotFound(
            f"there is no hot folder {shown(os.fsencode((hot_folder or '')[:64]))!r}",
            hint="GET /api/v1/hot_folders lists them",
        )

    def _placed(self, path: bytes) -> tuple[bytes, Rule | None]:
        """Give a path as the hot folder that it lies in names it, with that one's rule."""
        rules, allowed = self._settings().hot_folders, self._settings().server.allowed_roots
        if b"." in (names := path.split(b"/")) or b".." in names:
            raise Unprocessable(
                f"`{shown(path)}` is no absolute path",
                hint="give absolute paths without the names . and ..",
                field="path",
            )
        for rule in rules:
            place = Places((rule.path,)).find(path.rstrip(b"/"))
            root = Places((rule.path,)).find(rule.path)
            if place is not None and root is not None:
                below = place[len(root) :].strip(b"/")
                return os.path.join(rule.path, below).rstrip(b"/"), rule
        if allowed is not None and Places(allowed).find(path.rstrip(b"/")) is None:
            raise SourceForbidden(
                f"{shown(path)} lies outside of the hot folders and of server.allowed_roots",
                hint="add the folder there",
                path=path,
            )
        return path, None

    def _proceed(self) -> None:
        if self._stop():
            raise Busy("the daemon is about to stop", hint="ask the next one", retry_after_s=5)


def _cleaner(loaded: Loaded) -> Callable[[str], str]:
    """Give what takes the secrets of a file out of a line that quotes one, and leaves others."""
    redactor = Redactor(loaded.secrets)
    values = [secret.reveal() for secret in loaded.secrets if secret.reveal()]
    return lambda line: redactor.clean(line) if any(each in line for each in values) else line
