"""The statements themselves: each prepares, each is used, and none walks a whole table."""

from __future__ import annotations

import ast
import re
import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from masv_watch.store.sqlite import SCHEMA
from masv_watch.store.statements import load_statements

STATEMENTS = load_statements()
#: what runs at every tick, or once for each file that is sent
PER_TICK = (
    "next_files",
    "next_retry",
    "claimable",
    "claimable_without_slot",
    "files_to_settle",
    "next_look",
    "claim_upload",
    "renew",
    "fenced",
    "finalize_due",
    "due_tasks",
    "open_tasks",
    "all_sent",
    "unready_drops",
    "open_batch",
    "latest_drop",
    "living_drops",
    "drops_of",
    "files_of_drop",
    "delivered_before",
    "chunks",
    "chunk",
    "kept_chunk",
    "remove_kept_chunk",
    "add_chunk",
    "note_file_sent",
    "package_is_ours",
    "clear_file_retries",
    "unfound_drops",
    "root",
    "disposal",
    "delivered_above",
    "delivered_below",
    "disposed",
    "disposed_any",
    "two_drops",
)


@pytest.fixture(scope="module")
def newest() -> bytes:
    """Give the newest schema, empty, as a database that can be opened again and again."""
    connection = sqlite3.connect(":memory:")
    for number in range(1, SCHEMA + 1):
        script = files("masv_watch.store").joinpath(f"migrations/{number:04}.sql")
        connection.executescript(script.read_text(encoding="utf-8"))
    return connection.serialize()


@pytest.fixture
def database(newest: bytes) -> sqlite3.Connection:
    """Give the newest schema, empty, in memory."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(newest)
    return connection


def explain(database: sqlite3.Connection, name: str) -> list[str]:
    """Give the steps of a statement's plan."""
    values = dict.fromkeys(re.findall(r":(\w+)", STATEMENTS[name]))
    plan = database.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", values)
    return [row[3] for row in plan]


@pytest.mark.parametrize("name", list(STATEMENTS))
def test_statement_prepares_on_the_schema(database: sqlite3.Connection, name: str) -> None:
    """Every statement is one statement that the newest schema understands."""
    explain(database, name)

    assert STATEMENTS[name].endswith(";")
    assert STATEMENTS[name].count(";") == 1
    assert "--" not in STATEMENTS[name]


def used_names(project: Path) -> set[str]:
    """Give every text that stands in the store's code."""
    return {
        node.value
        for module in (project / "masv_watch" / "store").glob("*.py")
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_statements_are_all_used(project: Path) -> None:
    """No statement lies about that no verb runs."""
    assert set(STATEMENTS) - used_names(project) == set()


def test_statements_that_set_a_state_are_named_advance() -> None:
    """Only a statement named so moves a state, and it compares the old one."""
    setting = {
        name: text
        for name, text in STATEMENTS.items()
        if re.search(r"\bSET\b[^;]*?(?<![\w.])state\s*=", text.split("WHERE")[0])
    }

    # of a state that no daemon runs
    assert "WHERE state = 'transferring'" in setting.pop("advance_restored_uploads")
    assert set(setting) == {"advance_upload", "advance_drop", "advance_task"}
    assert all("state = :before" in text for text in setting.values())


@pytest.mark.parametrize(
    ("name", "bounds"), [("name_behind", "name>?"), ("files_named", "name>? AND name<?")]
)
def test_search_for_a_files_name_reads_one_index_and_no_row(
    database: sqlite3.Connection, name: str, bounds: str
) -> None:
    """Of a million files it reads the names, from where it stopped on, and fetches none."""
    walks = [step for step in explain(database, name) if " files" in step]

    assert walks == [f"SEARCH files USING COVERING INDEX files_by_name ({bounds})"]


def test_list_of_the_page_comes_out_of_its_index_in_order(database: sqlite3.Connection) -> None:
    """It ends with its page, however long the history is: nothing of it is sorted."""
    steps = explain(database, "uploads_latest")

    assert "SCAN uploads USING INDEX uploads_by_age" in steps
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_search_for_equal_content_on_its_way_goes_by_content(database: sqlite3.Connection) -> None:
    """Each drop asks it, and a hot folder's history holds a hundred thousand."""
    (step, *_) = explain(database, "ongoing_drops")

    assert step == (
        "SEARCH drops USING INDEX drops_by_content (hot_folder=? AND file_count=? AND size=?)"
    )


@pytest.mark.parametrize("name", PER_TICK)
def test_statement_of_a_tick_walks_no_whole_table(database: sqlite3.Connection, name: str) -> None:
    """What runs all the time finds its rows by an index, however long the history grows."""
    steps = explain(database, name)
    walks = [step for step in steps if step.startswith("SCAN")]

    # an index that holds the living rows only may be walked: it does not grow with history
    partial = ("tasks_due", "tasks_open")
    assert not [step for step in walks if not step.endswith(partial) and "CONSTANT" not in step]


@pytest.mark.parametrize("name", ["next_files", "due_tasks", "due_bulletin"])
def test_statement_of_a_queue_sorts_nothing(database: sqlite3.Connection, name: str) -> None:
    """The queues come out of their index in order: the first row costs one step."""
    assert not [step for step in explain(database, name) if "TEMP B-TREE" in step]


def test_bulletin_that_is_due_costs_the_same_however_many_are_owed(
    database: sqlite3.Connection,
) -> None:
    """A hook that was away for a day is told a hundred thousand things, one after the other."""
    steps = []
    database.set_progress_handler(lambda: steps.append(1), 1)
    taken = []
    for count in (10, 1000):
        database.executemany(
            "INSERT INTO bulletins (hot_folder, hook, whose, told, noun, noun_id, name, detail, at,"
            " created_at) VALUES ('hot', 0, 'mark', 'held', 'drop', ?, '', '', 0, 0)",
            [(f"{count}/{number}",) for number in range(count)],
        )
        steps.clear()
        assert len(database.execute(STATEMENTS["due_bulletin"], {"now": 1.0}).fetchall()) == 1
        taken.append(len(steps))

    assert taken[0] == taken[1], taken


@pytest.mark.parametrize(
    "name",
    [
        "living_drops",
        "living_paths",
        "unsettled_paths",
        "unfound_drops",
        "given_up",
        "forgotten_paths",
    ],
)
def test_question_of_every_sweep_walks_over_no_history(
    database: sqlite3.Connection, name: str
) -> None:
    """Its price is that of its answer, however many drops ended or were recorded as seen."""
    steps = []
    database.set_progress_handler(lambda: steps.append(1), 1)
    taken = []
    for count in (10, 1000):
        database.executemany(
            "INSERT INTO drops (hot_folder, path, generation, state, signature, size, file_count,"
            " seen_at) VALUES ('hot', ?, 1, 'ignored', 'x', 0, 1, 0)",
            [(b"%d/%d" % (count, number),) for number in range(count)],
        )
        steps.clear()
        assert database.execute(STATEMENTS[name], {"hot_folder": "hot"}).fetchall() == []
        taken.append(len(steps))

    assert taken[0] == taken[1], taken
