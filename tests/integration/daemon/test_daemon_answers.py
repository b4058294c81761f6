"""What a person answers to a hold or an end: resend, forget, rebind, export, and `send`."""

from __future__ import annotations

import json

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

FOLDERS = {"out": "", "asking": "redrop: ask", "cards": "drop: folder", "slow": "", "own": ""}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory):
    made = Field(tmp_path_factory.mktemp("field"), FOLDERS)
    made.daemon.start().until_ready()
    yield made
    made.close()


def drop_of(field: Field, path) -> dict:
    """Give the newest row of a path, as `explain` shows it."""
    done = field.command("explain", str(path), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["drop"]


def test_resend_of_a_delivered_drop_sends_it_once_more(field):
    """Nothing has to be touched for it (pain 39)."""
    path = field.top / "out" / "again.mov"
    path.write_bytes(b"abc")
    field.until_delivered("out", 1)
    drop = drop_of(field, path)
    # it is on its way for as long as it is asked for once more
    field.sandbox.fault("stall", "PUT /storage/", seconds=60, times=None)
    done = field.command("resend", str(drop["id"]))
    again = field.command("resend", str(drop["id"]))
    field.sandbox.heal()
    packages = field.until_delivered("out", 2)

    assert done.returncode == 0, done.stderr
    assert (again.returncode, "allowed" in again.stderr or "is" in again.stderr) == (1, True)
    assert [package["name"] for package in packages] == ["again.mov", "again.mov (2)"]


def test_resend_of_a_drop_whose_source_is_gone_is_refused(field):
    """It could only lose what the ledger knows of the delivery."""
    path = field.top / "out" / "gone.mov"
    path.write_bytes(b"gone")
    before = len(field.sandbox.packages())
    drop = eventually(lambda: drop_of(field, path), within=30, every=0.1)
    eventually(lambda: len(field.sandbox.packages()) > before, within=30, every=0.1)
    eventually(lambda: drop_of(field, path)["state"] in ("done", "delivered"), within=30, every=0.1)
    path.unlink()
    done = field.command("resend", str(drop["id"]))

    assert done.returncode == 1
    assert f"the source of drop {drop['id']} is not at gone.mov in out any more" in done.stderr
    assert f"put it back there, then masv-watch resend {drop['id']}" in done.stderr


def test_forget_lets_a_delivered_path_be_new(field):
    """The record can be steered (pain 48)."""
    path = field.top / "own" / "forgotten.mov"
    path.write_bytes(b"abc")
    field.until_delivered("own", 1)
    none = field.command("ledger", "forget", str(field.top / "elsewhere.mov"))
    done = field.command("ledger", "forget", str(path))
    field.until_delivered("own", 2)

    assert none.returncode == 1
    assert "nothing was forgotten" in none.stderr
    assert done.stdout == "forgot 1 drop: what stands there is new\n"


def test_send_of_a_path_does_what_its_state_needs_after_a_question(field):
    """One command, whatever the hold is; without a person to ask it wants --yes."""
    path = field.top / "asking" / "cut.mov"
    path.write_bytes(b"first")
    field.until_delivered("asking", 1)
    path.write_bytes(b"second, longer")
    eventually(lambda: drop_of(field, path)["reason"] == "redrop_ask")
    unasked = field.command("send", str(path))
    done = field.command("send", str(path), "--yes")
    packages = field.until_delivered("asking", 2)

    assert unasked.returncode == 2
    assert "say --yes" in unasked.stderr
    assert f"{path} to nobody: released from its hold" in done.stderr
    assert [package["name"] for package in packages] == ["cut.mov", "cut.mov (2)"]


def test_send_of_what_goes_by_itself_or_never_says_so(field):
    """Neither a settling file nor a temporary name can be hurried."""
    part = field.top / "slow" / "a.part"
    part.write_bytes(b"abc")
    for path, word in ((part, "left out"), (field.top / "no.mov", "none of the")):
        done = field.command("send", str(path), "--yes")
        assert done.returncode == 1, done.stdout
        assert word in done.stderr


def test_export_prints_every_drop_page_by_page(field):
    """Those that ended too, one JSON object a line."""
    lines = field.command("ledger", "export", "--folder", "out").stdout.splitlines()
    first = ask(field.daemon.api, "/api/v1/ledger?limit=1")[1]
    behind = ask(field.daemon.api, f"/api/v1/ledger?after={first[0]['id']}")[1]

    assert {json.loads(line)["hot_folder"] for line in lines} == {"out"}
    assert first[0]["id"] not in {drop["id"] for drop in behind}
    done = [drop for drop in map(json.loads, lines) if drop["state"] == "done"]
    assert done
    assert all(drop["files"] == drop["files_up"] > 0 for drop in done)
    assert ask(field.daemon.api, f"/api/v1/drops/{first[0]['id']}")[1] == first[0]
    assert ask(field.daemon.api, "/api/v1/drops/999999")[0] == 404
    assert ask(field.daemon.api, "/api/v1/ledger?limit=0")[0] == 422


def test_rebind_of_a_drop_whose_package_is_made_names_what_helps(field):
    """Whom a package goes to is said at the cloud when it is made."""
    path = field.top / "cards" / "CARD"
    path.mkdir()
    (path / "a.mov").write_bytes(b"abc")
    field.until_delivered("cards", 1)
    drop = drop_of(field, path)
    done = field.command("rebind", str(drop["id"]))

    assert done.returncode == 1
    assert "is not on its way" in done.stderr
