"""A state copied beside its daemon and restored: what it does not know is asked about, not sent."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually


@pytest.fixture
def field(tmp_path):
    made = Field(tmp_path, {"out": "", "quiet": ""})
    yield made
    made.close()


def test_restored_state_sends_nothing_that_may_be_delivered_before_a_person_says_so(field):
    """Delivered after the copy, new or changed, it looks new: it is held with both answers (P3)."""
    hot, copy = field.top / "out", field.top / "copies" / "state.db"
    copy.parent.mkdir()
    field.daemon.start().until_ready()
    (hot / "same.mov").write_bytes(b"same")
    (hot / "changed.mov").write_bytes(b"first")
    field.until_delivered("out", 2)
    made = field.command("state", "backup", str(copy))
    (hot / "changed.mov").write_bytes(b"second, longer")
    (hot / "later.mov").write_bytes(b"later")
    field.until_delivered("out", 4)
    refused = field.command("state", "restore", str(copy), "--yes")
    field.daemon.stop()
    unasked = field.command("state", "restore", str(copy))
    other = field.command("state", "restore", str(field.config), "--yes")
    whole = field.command("state", "check")
    restored = field.command("state", "restore", str(copy), "--yes")
    field.daemon.start().until_ready()
    held = eventually(lambda: [row for row in field.drops("out") if row[1] == "held"])
    (hot / "new.mov").write_bytes(b"new")
    eventually(lambda: len(field.sandbox.packages()) == 5)
    status = field.command("status").stdout
    seeded = field.command("ledger", "seed", "out")
    (hot / "newest.mov").write_bytes(b"newest")
    eventually(lambda: len(field.sandbox.packages()) == 6)

    assert made.returncode == 0, made.stderr
    assert {each.stat().st_mode & 0o777 for each in copy.parent.iterdir()} == {0o600}
    assert f"{copy}.key" in made.stdout
    assert (refused.returncode, unasked.returncode) == (3, 2)
    assert "held by another masv-watch, process" in refused.stderr
    assert (other.returncode, other.stderr.count("is damaged or no copy")) == (3, 1)
    assert (whole.returncode, restored.returncode) == (0, 0), restored.stderr
    assert "masv-watch ledger seed out" in restored.stdout
    assert "masv-watch release --folder out" in restored.stdout
    assert sorted(held) == [
        (b"changed.mov", "held", "initial_ask"),
        (b"later.mov", "held", "initial_ask"),
    ]
    assert "masv-watch release --folder out" in status
    assert seeded.returncode == 0
    (beside,) = field.state.glob("before-restore-*")
    assert {"masv-watch.db", "seal.key"} <= {each.name for each in beside.iterdir()}
    names = sorted(package["name"] for package in field.sandbox.packages())
    assert names.count("same.mov") == names.count("later.mov") == 1
    assert len(field.lines("the state was restored; what it does not know")) == 1


def test_upload_on_its_way_in_the_copy_is_paused_and_resumed_by_a_person(field):
    """It may have been delivered since, by a package that the copy does not know."""
    copy = field.top / "copy.db"
    field.sandbox.fault("status", "POST /v1/teams/[^/]*/packages", status=503, times=None)
    field.daemon.start().until_ready()
    (field.top / "out" / "a.mov").write_bytes(b"abc")
    eventually(lambda: field.uploads("out"))
    made = field.command("state", "backup", str(copy))
    field.sandbox.heal()
    field.until_delivered("out", 1)
    field.daemon.stop()
    restored = field.command("state", "restore", str(copy), "--yes", "--json")
    field.daemon.start().until_ready()
    (upload,) = eventually(lambda: field.uploads("out"))
    sent = field.sandbox.packages()
    _, _ = ask(field.daemon.api, f"/api/v1/uploads/{upload['upload_id']}/resume", "POST", {})
    eventually(lambda: len(field.sandbox.packages()) == 2)

    assert made.returncode == 0, made.stderr
    told = json.loads(restored.stdout)
    assert told["paused"] == 1
    assert told["before"].startswith(str(field.state))
    assert upload["state"] == "paused"
    assert len(sent) == 1


def test_state_that_was_moved_with_its_folders_sends_nothing_again_and_goes_on(field):
    """As docs/howto/upgrade.rst has it: other inodes and owners of the same files are nothing."""
    hot = field.top / "out"
    field.daemon.start().until_ready()
    (hot / "known.mov").write_bytes(b"known")
    field.until_delivered("out", 1)
    field.sandbox.fault("status", "POST /v1/teams/[^/]*/packages", status=503, times=None)
    (hot / "on-its-way.mov").write_bytes(b"on its way")
    eventually(lambda: len(field.uploads("out")) == 2)
    field.daemon.stop()
    field.sandbox.heal()
    for folder in (hot, field.state):
        there = folder.with_name(f"{folder.name}.moved")
        shutil.copytree(folder, there)
        shutil.rmtree(folder)
        there.rename(folder)
        folder.chmod(0o700)

    field.daemon.start().until_ready()
    field.until_delivered("out", 2)
    (hot / "new.mov").write_bytes(b"new")
    field.until_delivered("out", 3)

    names = sorted(package["name"] for package in field.sandbox.packages())
    assert names == ["known.mov", "new.mov", "on-its-way.mov"]
    assert [row for row in field.drops("out") if row[1] == "held"] == []
