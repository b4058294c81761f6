"""What is asked about the configuration, folders and the daemon: who may, and what is answered."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from masv_watch.config.effective import effective
from masv_watch.model import DropEvent, HoldReason, Rule, Settle, To
from tests.integration.api.calling import Short, said
from tests.integration.api.conftest import Caller
from tests.integration.api.listening import JSON, STRANGER, curl
from tests.waiting import eventually

CHECK, CONFIG, DOCTOR = "/api/v1/check", "/api/v1/config", "/api/v1/doctor"
SELFTEST, IMPORT = "/api/v1/selftest", "/api/v1/config/import"
CANARY = "canary-key-7Hq2"
TEXT = """\
version: 1
masv: {{team: acme, api_key: {key}}}
state: {top}/state
hot_folders:
  - {{name: out, path: {top}/hot, to: {{recipients: []}}}}
"""


@pytest.fixture
def desk(caller, tmp_path):
    (tmp_path / "hot" / "sub").mkdir(parents=True)
    caller.file.write_text(TEXT.format(key=CANARY, top=tmp_path))
    caller.file.chmod(0o600)
    rule = Rule(
        name="out", path=os.fsencode(tmp_path / "hot"), to=To(recipients=()),
        settle=Settle(quiet_s=2.0),
    )  # fmt: skip
    caller.settings = replace(caller.settings, hot_folders=(rule,))
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


@pytest.fixture
def prepared():
    """Ignore the signal of a broken lease, as a daemon does from its start."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGIO, before)


def contents(folder):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_check_reads_the_file_as_it_stands_now(desk):
    """What the running configuration is does not matter: the next start reads the file."""
    good = desk.ask(CHECK, "POST", {"network": False})
    desk.file.write_text(desk.file.read_text().replace("masv: {team", "masv: {taem"))
    wrong = desk.ask(CHECK, "POST", {"probe": False})

    assert (good.status, wrong.status) == (200, 200)
    assert good.tree["problems"] == []
    assert any("is there and can be read" in line for line in good.tree["ok"])
    (problem, *_) = wrong.tree["problems"]
    assert (problem["file"], problem["line"]) == (str(desk.file), 2)
    assert "unknown key `taem`" in problem["message"]
    assert wrong.tree["ok"] == []


def test_check_quotes_no_secret_that_the_file_holds(desk, tmp_path):
    """P7: a line about a path is told, the secret in that path is not."""
    text = TEXT.format(key=CANARY, top=tmp_path).replace("/hot,", f"/{CANARY}/missing,")
    desk.file.write_text(text)

    answer = desk.ask(CHECK, "POST", {"network": False})

    assert answer.status == 200
    assert "***/missing is missing" in answer.body.decode()
    assert CANARY not in answer.body.decode()


def test_values_of_the_file_are_those_of_the_command_and_hide_secrets(desk):
    """Each key with what counts and where it comes from."""
    answer = desk.ask(CONFIG)

    values = effective(str(desk.file), environ=os.environ)
    assert answer.tree == [asdict(each) for each in values]
    (key,) = [each for each in answer.tree if each["key"] == "masv.api_key"]
    assert key["value"] == "***"
    assert key["origin"].endswith("masv-watch.yml:2")
    assert CANARY not in answer.body.decode()


def test_values_of_a_file_that_is_wrong_are_refused_with_its_place(desk):
    """One sentence, and what lists the others."""
    desk.file.write_text("version: 2\n")

    answer = desk.ask(CONFIG)

    assert answer.status == 422
    assert said(answer)[1].startswith(f"{desk.file}:1:10: version: must be the number 1")
    assert answer.tree["hint"] == "masv-watch check lists every mistake"


def test_hot_folder_is_tried_out_by_the_rule_that_runs_and_left_as_it_was(desk, prepared, tmp_path):
    """The probes are made by a thread that answers calls, leases too; nothing stays."""
    answer = desk.ask(SELFTEST, "POST", {"hot_folder": "out"})
    below = desk.ask(SELFTEST, "POST", {"path": f"{tmp_path}/hot/sub/"})

    assert (answer.status, below.status) == (200, 200)
    assert contents(tmp_path / "hot") == ["sub"]
    tree = answer.tree
    assert (tree["folder"], tree["path"]) == ("out", str(tmp_path / "hot"))
    assert {each["state"] for each in tree["probes"]} == {"ok"}
    assert tree["settings"] == {
        "detect": "events", "sweep_s": 300.0, "quiet_s": 2.0, "samples": 3,
        "open_check": True, "mtime_grain_ns": 1,
    }  # fmt: skip
    assert (below.tree["folder"], below.tree["path"]) == ("out", str(tmp_path / "hot" / "sub"))


def test_lease_is_not_tried_where_its_signal_would_end_the_daemon(desk):
    """Behaviour 3.5: no signal is touched off the main thread, so none is risked either."""
    before = signal.signal(signal.SIGIO, signal.SIG_DFL)
    try:
        answer = desk.ask(SELFTEST, "POST", {"hot_folder": "out"})
    finally:
        signal.signal(signal.SIGIO, before)

    (lease,) = [each for each in answer.tree["probes"] if each["test"] == "lease"]
    assert lease["state"] == "note"
    assert "the signal of a broken lease would end this process" in lease["result"]
    assert answer.tree["settings"]["open_check"] is False


def test_folder_beyond_the_allowed_roots_is_not_tried_out(desk, tmp_path):
    """P8: with allowed roots nobody has anything outside of them and of hot folders read."""
    for name in ("allowed", "other"):
        (tmp_path / name).mkdir()
    free = desk.ask(SELFTEST, "POST", {"path": str(tmp_path / "other")})
    server = replace(desk.settings.server, allowed_roots=(os.fsencode(tmp_path / "allowed"),))
    desk.settings = replace(desk.settings, server=server)

    within = desk.ask(SELFTEST, "POST", {"path": str(tmp_path / "allowed")})
    outside = desk.ask(SELFTEST, "POST", {"path": str(tmp_path / "other")})

    assert (free.status, within.status, outside.status) == (200, 200, 404)
    assert "lies outside of the hot folders" in said(outside)[1]
    assert contents(tmp_path / "other") == []


def test_folder_of_the_daemon_s_own_is_never_tried_out(desk, tmp_path):
    """Nothing is written into the state, whoever asks."""
    (tmp_path / "own").mkdir()
    mark = (tmp_path / "own").stat()
    desk.inquirer._denied = lambda: frozenset({(mark.st_dev, mark.st_ino)})

    answer = desk.ask(SELFTEST, "POST", {"path": str(tmp_path / "own")})

    assert answer.status == 404
    assert "masv-watch's own" in said(answer)[1]
    assert contents(tmp_path / "own") == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "`hot_folder` and `path` are both missing"),
        ({"hot_folder": "out", "path": "/srv"}, 422, "`hot_folder` and `path` are both given"),
        ({"hot_folder": "none"}, 404, "there is no hot folder 'none'"),
        ({"path": "srv"}, 422, "must be an absolute path"),
        ({"path": "/srv/../etc"}, 422, "is no absolute path"),
        ({"path": "/nowhere/at/all"}, 409, "is not there"),
    ],
)
def test_folder_that_is_none_is_refused_with_what_is_wrong(desk, body, status, words):
    """One sentence for each."""
    answer = desk.ask(SELFTEST, "POST", body)

    assert answer.status == status
    assert words in said(answer)[1]


def test_look_at_a_mount_that_hangs_takes_one_place_and_all_else_is_answered(desk):
    """However many ask for one; what others look at has its places still."""
    is_back, answers = threading.Event(), []

    def hangs(*_asked):
        is_back.wait(60)
        raise KeyError("the mount is gone")

    desk.inquiries = replace(desk.inquiries, try_out=hangs)
    call = lambda: answers.append(desk.ask(SELFTEST, "POST", {"hot_folder": "out"}))  # noqa: E731
    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(answers) == 3, within=60)
    busy = list(answers)
    others = [
        desk.ask(path).status for path in ("/healthz", "/api/v1/uploads", "/api/v1/explain?path=/x")
    ]
    is_back.set()
    for thread in threads:
        thread.join()

    assert [(each.status, each.tree["code"]) for each in busy] == [(503, 1510)] * 3
    assert others == [200] * 3
    assert answers[-1].status == 500


def test_diagnosis_begins_with_what_is_wrong_and_holds_no_secret(desk):
    """What is held comes before what the file is warned of, as the command says it."""
    held = desk.store.see_drop("out", b"loose.mov")
    desk.store.advance_drop(held.id, DropEvent.BLOCK, hold=HoldReason.LOOSE_FILE)

    answer = desk.ask(DOCTOR, "POST", {"probe": False})

    assert answer.status == 200
    assert "is held (loose_file)" in answer.tree["wrong"][0]
    assert "nobody is told when something needs a person" in answer.tree["wrong"][1]
    assert {
        "README.txt", "check.txt", "config.txt", "machine.txt", "health.json", "drops.json",
        "uploads.json", "hot_folders.json", "stats.json", "log.txt", "metrics.txt",
    } == set(answer.tree["files"])  # fmt: skip
    assert "masv.api_key: ***" in answer.tree["files"]["config.txt"]
    assert CANARY not in answer.body.decode()


def test_diagnosis_of_a_daemon_whose_file_broke_meanwhile_says_so(desk):
    """The running one goes on, and the next start would fail: both are told."""
    desk.file.write_text("hot_folders: {}\n")

    answer = desk.ask(DOCTOR, "POST", {"probe": False})

    assert answer.status == 200
    assert any("`version` is missing" in line for line in answer.tree["wrong"])
    assert "`version` is missing" in answer.tree["files"]["check.txt"]


def test_provisioning_file_is_answered_as_one_of_ours(desk):
    """As the command prints it; a slip in it is named without its line."""
    good = "team_upload_automations:\n  - {name: a, path: /srv/a, timeout: 5, priority: 3}\n"

    answer = desk.ask(IMPORT, "POST", {"text": good, "timeout_unit": "m"})
    broken = desk.ask(IMPORT, "POST", {"text": f"portal_password: [{CANARY}\n"})

    assert answer.status == 200
    assert 'path: "/srv/a"' in answer.tree["text"]
    assert "quiet: 5m" in answer.tree["text"]
    assert answer.tree["secrets"] == ["masv_api_key"]
    assert broken.status == 422
    assert said(broken)[1].startswith("`text` cannot be read: ")
    assert CANARY not in broken.body.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="a second user needs root")
def test_second_user_who_is_trusted_may_ask_nothing_of_it():
    """P8: he would see and write with the rights of the daemon."""
    folder = Path(tempfile.mkdtemp(prefix="masv-watch-"))
    folder.chmod(0o755)
    caller = Caller(folder / "daemon", trusted_users=(str(STRANGER),))
    asked = [("POST", CHECK), ("POST", SELFTEST), ("POST", DOCTOR)]
    asked += [("GET", CONFIG), ("GET", "/api/v1/log")]
    answers = [
        curl("-X", method, "-H", JSON, "-d", "{}", f"{caller.url}{path}", uid=STRANGER)
        for method, path in asked
    ]

    assert [(status, tree["code"]) for status, tree in answers] == [(403, 1503)] * 5
    assert all("root and the daemon's own user" in tree["message"] for _, tree in answers)
    caller.close()
    shutil.rmtree(folder)
