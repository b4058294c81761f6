"""The calls on the configuration file, on folders as such, and on the daemon as a whole.

Owns their routes, who may ask, and what each takes. Never looks at anything: `inquiries` does.
Mounted by `api.routes`.

Law 1. Whoever asks here sees what the daemon's own user sees: what reads something of this machine
       is for him and for root alone (P8).
Law 2. However many ask, one of them looks at a time: a mount that hangs takes one of the places for
       such looks, and no second thread.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from masv_watch.api import bodies, outlines, reports
from masv_watch.api import commands as asked
from masv_watch.api.calls import BASE, Desk, Route, body_of_call, caller_of_call
from masv_watch.api.places import Places
from masv_watch.api.telling import drop_told
from masv_watch.errors import ConfigError, Denied, Unprocessable


def inquiring(desk: Desk) -> list[Route]:
    """Give the table of its calls."""
    return [*_of_file(desk), *_of_looks(desk), *_of_log(desk)]


def _of_looks(desk: Desk) -> list[Route]:
    one = Places(1, doing="look at the daemon's machine")

    @contextmanager
    def look() -> Iterator[None]:
        with one, desk.walks:
            yield

    def check() -> outlines.InspectionBody:
        _demand_owner("a check looks at every path that the configuration names")
        wanted = body_of_call(asked.CheckAsked)
        with look():
            found = desk.inquiries.check(probe=wanted.probe, network=wanted.network)
        return reports.inspection_body(found)

    def selftest() -> outlines.FitnessBody:
        _demand_owner("a self-test writes into the folder with the daemon's rights")
        hot_folder, path = body_of_call(asked.SelfTestAsked).target()
        with look():
            return reports.fitness_body(desk.inquiries.try_out(hot_folder, path))

    def doctor() -> outlines.DiagnosisBody:
        _demand_owner("a diagnosis names everything that this daemon knows")
        probe = body_of_call(asked.DoctorAsked).probe
        with look():
            found = desk.inquiries.diagnose(_answers(desk), metrics=desk.metrics(), probe=probe)
        return reports.diagnosis_body(found)

    return [
        Route(method="POST", path=f"{BASE}/check", answer=check, takes=asked.CheckAsked,
              gives=outlines.InspectionBody, refuses=(422, 503),
              summary="Look for mistakes in the configuration file as it stands now, and in the"
              " world that it names, changing nothing."),
        Route(method="POST", path=f"{BASE}/selftest", answer=selftest, takes=asked.SelfTestAsked,
              gives=outlines.FitnessBody, refuses=(404, 409, 422, 503),
              summary="Try out what a folder's mount can do, in a private folder that goes again."),
        Route(method="POST", path=f"{BASE}/doctor", answer=doctor, takes=asked.DoctorAsked,
              gives=outlines.DiagnosisBody, refuses=(422, 503),
              summary="Say what is wrong, the worst first, with all that a helper needs."),
    ]  # fmt: skip


def _of_log(desk: Desk) -> list[Route]:
    def log() -> list[str]:
        _demand_owner("the log names folders, files and addresses")
        return desk.inquiries.log()

    return [
        Route(method="GET", path=f"{BASE}/log", answer=log, gives=list[str],
              summary="Give the newest lines of the log, the oldest first; secrets as ***."),
    ]  # fmt: skip


def _of_file(desk: Desk) -> list[Route]:
    reads = Places(1, doing="read a configuration")

    def values() -> list[outlines.ValueBody]:
        _demand_owner("the configuration names folders, addresses and users")
        with reads:
            return reports.values_body(desk.inquiries.values())

    @functools.cache
    def json_schema() -> dict[str, Any]:
        return desk.inquiries.json_schema()

    def imported() -> outlines.ImportedBody:
        wanted = body_of_call(asked.ImportAsked)
        try:
            with reads:
                made = desk.inquiries.converted(wanted.text, wanted.timeout_unit)
        except ConfigError as error:
            first = error.problems[0].partition("\n")[0] if error.problems else "it is empty"
            raise Unprocessable(
                f"`text` cannot be read: {first}", hint="send the whole file", field="text"
            ) from error
        return {"text": made.text, "left": made.left, "secrets": made.secrets}

    return [
        Route(method="GET", path=f"{BASE}/config", answer=values, gives=list[outlines.ValueBody],
              refuses=(422, 503),
              summary="List every value of the configuration file that counts, with its origin;"
              " secrets as ***."),
        Route(method="GET", path=f"{BASE}/config/schema", answer=json_schema, gives=dict[str, Any],
              summary="Give the JSON Schema of the configuration file."),
        Route(method="POST", path=f"{BASE}/config/import", answer=imported,
              takes=asked.ImportAsked, gives=outlines.ImportedBody, refuses=(422, 503),
              summary="Give a masv-agent provisioning file as a configuration of ours."),
    ]  # fmt: skip


def _answers(desk: Desk) -> dict[str, Any]:
    """Give what the daemon says of itself, in the words of its calls."""
    health = desk.health()
    return {
        "health": {
            "ready": health.ready,
            "why": health.why,
            "concerns": list(health.concerns),
        },
        "hot_folders": [bodies.folder_body(view) for view in desk.folders.list()],
        "drops": [drop_told(view) for view in desk.folders.drops(None)],
        "uploads": [bodies.upload_body(view) for view in desk.uploads.list()],
        "stats": bodies.stats_body(desk.uploads.sending(desk.flow()), desk.counted_since),
    }


def _demand_owner(why: str) -> None:
    if not caller_of_call().is_owner:
        raise Denied(
            f"{why}, so it is for root and the daemon's own user",
            hint="ask on the daemon's machine as one of them",
        )
