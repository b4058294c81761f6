"""The commands against the real daemon and the sandbox cloud, from a path to a link."""

from __future__ import annotations

import contextlib
import json
import os
import shutil

import pytest

from tests.integration.cli.terminal import Terminal
from tests.processes import ask

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)


@pytest.fixture
def media(town):
    """Give a folder with two files, one of them with a byte that is no UTF-8 in its name."""
    folder = town.top / "media"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_bytes(b"aa")
    (folder / os.fsdecode(b"b\xff.txt")).write_bytes(b"bbb")
    return folder


def made(say, *words):
    status, out, err = say("create", *words)
    assert (status, err) == (OK, "")
    return out.split("\n", 1)[0]


def test_upload_goes_from_create_to_link_and_delete_by_commands_alone(say, town, media):
    """Each step does at the daemon and in the cloud what it says."""
    upload_id = made(say, "--wait", "--name", "By hand", str(media / "a.txt"))
    added = say("files", upload_id, str(media / os.fsdecode(b"b\xff.txt")))
    ranked = say("priority", upload_id, "5")
    delivered = say("create", "--finalize", "--name", "At once", str(media))
    finalized = say("finalize", upload_id[:13])
    with Terminal("show", upload_id, "--watch", "-c", str(town.config)) as terminal:
        assert terminal.end() == OK
    link = say("link", upload_id)
    as_json = json.loads(say("link", upload_id, "--json")[1])
    deleted = say("delete", upload_id)

    assert [one[0] for one in (added, ranked, delivered, finalized, link, deleted)] == [OK] * 6
    assert added[1] == f"upload {upload_id} has 2 files\n"
    assert ranked[1] == f"upload {upload_id} has priority 5\n"
    assert "complete      100 %" in delivered[1]
    assert link[1].startswith(f"{town.sandbox.api}/get/")
    assert set(as_json) == {"email", "expiry", "locked", "id", "secret"}
    (package,) = [one for one in town.sandbox.packages() if one["name"] == "By hand"]
    assert {file["name"] for file in package["files"]} == {"a.txt", "b%FF.txt"}
    assert upload_id not in {one["upload_id"] for one in town.daemon.uploads()}
    assert (media / "a.txt").exists()


def test_create_of_what_is_not_there_prints_the_daemon_s_words(say, town):
    """1, and one line."""
    status, out, err = say("create", str(town.top / "nowhere"))

    assert (status, out) == (FAILED, "")
    assert "nowhere" in err
    assert len(err.splitlines()) == 1


def test_hot_folder_is_paused_swept_and_resumed_by_commands(say, town):
    """Status says so while it is."""
    paused, status, swept, resumed, after = (
        say("pause", "--folder", "out"), say("status"), say("scan", "out"),
        say("resume", "--folder", "out"), say("status"),
    )  # fmt: skip

    assert paused[0] == swept[0] == resumed[0] == OK
    assert "hot folder out: paused" in status[1]
    assert "hot folder out" not in after[1]


def test_hot_folders_are_chosen_by_their_tag(say, town):
    """Each of them is steered; status names no other, and what lies in no other."""
    paused, swept, status, as_json, resumed = (
        say("pause", "--tag", "night"), say("scan", "--tag", "late"),
        say("status", "--tag", "night"), say("status", "--tag", "late", "--json"),
        say("resume", "--tag", "night"),
    )  # fmt: skip
    unknown = say("scan", "--tag", "nigth")
    both = say("scan", "old", "--tag", "night")
    tree = json.loads(as_json[1])

    assert [one[0] for one in (paused, swept, status, as_json, resumed)] == [OK] * 5
    assert paused[1].count("is paused") == 2
    assert "hot folder older is swept now" in swept[1]
    assert "hot folder old: paused" in status[1]
    assert "hot folder older: paused" in status[1]
    assert "out" not in {drop["hot_folder"] for drop in tree["drops"]}
    assert [folder["name"] for folder in tree["hot_folders"]] == ["older"]
    assert {drop["hot_folder"] for drop in tree["drops"]} == {"older"}
    assert not [each for each in tree["uploads"] if each["hot_folder"] != "older"]
    assert resumed[1].count("is watched again") == 2
    assert unknown[0] == both[0] == USAGE
    assert "known: late, night" in unknown[2]


def test_list_is_filtered_sorted_and_cut_by_the_daemon(say, town, media):
    """The flags reach the daemon in its own words."""
    first = made(say, "--wait", "--name", "sorted-a", str(media / "a.txt"))
    second = made(say, "--wait", "--name", "sorted-b", "--priority", "3", str(media / "a.txt"))

    newest = say("uploads", "--state", "idle", "--sort=-created_at", "--limit", "1")
    ranked = say("uploads", "--type", "team", "--sort=-priority", "--limit", "1", "--json")
    named = say("uploads", "--folder", "old")

    assert newest[1].startswith(second)
    assert json.loads(ranked[1])[0]["upload_id"] == second
    assert first not in named[1]


def test_events_come_as_they_happen_until_interrupted(say, town, media):
    """A clean end, and each line names its upload."""
    with Terminal("events", "--after", "0", "-c", str(town.config), width=200) as terminal:
        upload_id = made(say, "--wait", str(media / "a.txt"))
        terminal.until(f"upload {upload_id}  all_sent transferring -> idle")
        terminal.interrupt()
        status = terminal.end()

    assert status == OK
    assert "Traceback" not in terminal.text


def test_health_that_status_prints_is_the_one_that_the_daemon_answers(say, town):
    """No word of it is invented here."""
    ready = ask(town.daemon.api, "/readyz")[1]

    tree = json.loads(say("status", "--json")[1])

    assert {key: tree[key] for key in ready} == ready


def open_files(pid):
    """Give the name of each file that a process has open, with the path of its descriptor."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        # it may have been closed meanwhile
        with contextlib.suppress(FileNotFoundError):
            yield os.path.basename(os.readlink(path)), path


def test_state_whose_file_lost_its_name_is_told_and_can_be_had_from_the_process(say, town):
    """Moved away it would be lost with the process; the open file has all of it (the runbook)."""
    state, held = town.top / "state", town.top / "held"
    held.mkdir()
    names = ("masv-watch.db", "masv-watch.db-wal")
    for name in names:
        (state / name).rename(held / name)
    try:
        told = say("status")[1]
        for name, path in open_files(town.daemon.process.pid):
            if name in names:
                shutil.copy(path, town.top / name.replace("masv-watch", "rescued"))
        shutil.copy(state / "seal.key", town.top / "rescued.db.key")
        rescued = say("state", "check", str(town.top / "rescued.db"))
    finally:
        for name in names:
            (held / name).rename(state / name)

    assert "was moved, removed or replaced while it is in use" in told
    assert rescued[0] == OK, rescued
    assert "while it is in use" not in say("status")[1]
