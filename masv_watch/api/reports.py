"""Write what was found out about the configuration and folders, for the API and the commands.

Owns the JSON of a check, of values, of a self-test and of a diagnosis, so that a command prints
what its call answers. Never finds anything out. Called by `api.inquiring` and by the commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from masv_watch.api.outlines import (
    DiagnosisBody,
    FitnessBody,
    InspectionBody,
    RemarkBody,
    ValueBody,
)
from masv_watch.config.handover import Effective
from masv_watch.config.problems import as_records
from masv_watch.model import Diagnosis, Fitness, Inspection
from masv_watch.names import shown


def inspection_body(found: Inspection) -> InspectionBody:
    """Give what is said of a configuration; lines of its files are left out."""
    return {
        "problems": _remarks(found.problems),
        "warnings": _remarks(found.warnings),
        "ok": list(found.ok),
    }


def _remarks(lines: Iterable[str]) -> list[RemarkBody]:
    return cast(list[RemarkBody], as_records(lines))


def values_body(values: Iterable[Effective]) -> list[ValueBody]:
    """Give every value that counts, with where it comes from."""
    return [{"key": each.key, "value": each.value, "origin": each.origin} for each in values]


def fitness_body(found: Fitness) -> FitnessBody:
    """Give what a folder's mount is fit for."""
    treatment = found.treatment
    return {
        "folder": found.hot_folder or None,
        "path": shown(found.path),
        "user": found.user,
        "probes": [
            {"test": each.test, "state": each.state, "result": each.result, "use": each.use}
            for each in found.probes
        ],
        "settings": {
            "detect": "events" if treatment.is_announced else "sweep",
            "sweep_s": treatment.sweep_s,
            "quiet_s": treatment.quiet_s,
            "samples": treatment.samples,
            "open_check": treatment.asks_for_writers,
            "mtime_grain_ns": treatment.mtime_grain_ns,
        },
    }


def diagnosis_body(found: Diagnosis) -> DiagnosisBody:
    """Give what is wrong and what belongs to it."""
    return {"wrong": list(found.wrong), "files": dict(found.texts)}
