"""What hooks are told, over a change of the schema."""

from __future__ import annotations

import sqlite3
from importlib.resources import files as package_files
from pathlib import Path

from masv_watch.metrics import Metrics
from masv_watch.model import Hook, HookKind, Secret
from masv_watch.store.sqlite import open_store
from tests.doubles import FakeClock
from tests.integration.store.making import FOLDER


def test_what_an_earlier_version_noted_goes_only_to_the_place_of_who_took_nothing(
    tmp_path: Path,
) -> None:
    """By its place alone nobody knows whether the one that took something still stands there."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    database = sqlite3.connect(folder / "masv-watch.db")
    for number in range(1, 6):
        script = package_files("masv_watch.store").joinpath(f"migrations/{number:04}.sql")
        database.executescript(script.read_text(encoding="utf-8"))
    database.executemany(
        "INSERT INTO bulletins (hot_folder, hook, told, noun, noun_id, name, detail, at,"
        " created_at, ended, attempts) VALUES (?, ?, 'held', 'drop', ?, ?, '', 1, 1, ?, 1)",
        [
            (FOLDER, 0, "1", "told.mov", 1),
            (FOLDER, 0, "2", "secret.mov", 0),
            (FOLDER, 1, "2", "secret.mov", 0),
        ],
    )
    database.execute("PRAGMA user_version = 5")
    database.commit()
    database.close()

    store = open_store(str(folder), clock=FakeClock(), metrics=Metrics())
    hooks = [Hook(kind=HookKind.WEBHOOK, url=Secret(f"https://{name}/")) for name in "ab"]
    store.inherit_bulletins({FOLDER: hooks})
    due = []
    while bulletin := store.due_bulletin():
        due.append((bulletin.id, bulletin.name, bulletin.whose, bulletin.attempts))
        store.end_bulletin(bulletin, "200", taken=True)
    store.close()

    assert due == [(3, "secret.mov", store.mark_of(hooks[1]), 1)]
