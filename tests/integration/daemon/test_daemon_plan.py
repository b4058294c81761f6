"""An edit of the configuration that is looked at first, and then does what was said."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.daemon.field import Field, write_tree
from tests.processes import ask
from tests.waiting import eventually

OK, FAILED, USAGE, STATE, UNREACHABLE = range(5)


@pytest.fixture
def field(tmp_path):
    field = Field(tmp_path, {"out": 'ignore: ["*.xmp"]', "slow": "", "gone": ""})
    edited(field, "name: slow", "name: slow, priority: 3")
    for name in ("slow", "gone"):
        quiet = f"{name}, settle: {{quiet: 1s}}"
        edited(field, quiet, quiet.replace("1s", "1h"))
    write_tree(field.top / "out" / "CARD", {"a.mov": b"a", "a.xmp": b"x"})
    (field.top / "out" / "clip.mov").write_bytes(b"clip")
    (field.top / "slow" / "s.mov").write_bytes(b"slow")
    (field.top / "gone" / "g.mov").write_bytes(b"gone")
    field.daemon.start().until_ready()
    yield field
    field.daemon.stop()
    field.sandbox.end()


def edited(field, old, new):
    text = field.config.read_text()
    assert old in text
    field.config.write_text(text.replace(old, new))


def drops(field):
    return {each["path"]: each["state"] for each in ask(field.daemon.api, "/api/v1/drops")[1]}


def planned(field):
    done = field.command("plan", "--json")
    assert (done.returncode, done.stderr) == (OK, "")
    return {folder["name"]: folder for folder in json.loads(done.stdout)["hot_folders"]}


def test_plan_says_what_the_reload_then_does(field):
    """Nothing is touched by the plan; the reload sends, stops and keeps what was said."""
    field.until_delivered("out", 2)
    eventually(lambda: drops(field) == {"s.mov": "settling", "g.mov": "settling"})
    fresh = field.top / "fresh"
    fresh.mkdir()
    (fresh / "new.mov").write_bytes(b"new")

    unchanged = field.command("plan")
    edited(field, ', ignore: ["*.xmp"]', "")
    edited(field, "priority: 3,", "priority: 8,")
    edited(field, "name: gone", f"name: fresh, path: {fresh}, settle: {{quiet: 1s}}, to: "
           "{recipients: [a@example.com]}}\n  - {name: gone")  # fmt: skip
    text = field.config.read_text()
    field.config.write_text("".join(
        line for line in text.splitlines(keepends=True) if "name: gone" not in line
    ))  # fmt: skip
    before = drops(field), len(field.daemon.uploads())
    told, lines = planned(field), field.command("plan").stdout
    after = drops(field), len(field.daemon.uploads())

    assert (unchanged.returncode, unchanged.stdout) == (OK, "nothing changes\n")
    assert before == after
    kinds = {
        name: [(each["kind"], each["path"]) for each in folder["effects"]]
        for name, folder in told.items()
    }
    assert kinds == {
        "out": [("send", "CARD")],
        "slow": [("alter", "s.mov")],
        "fresh": [("send", "new.mov")],
        "gone": [("stop", "g.mov")],
    }
    assert told["slow"]["effects"][0]["changes"] == [
        {"key": "priority", "before": "3", "after": "8"}
    ]
    assert (
        "hot folder out changes\n  ignore: *.xmp -> none\n  + CARD would be sent to nobody: only"
        in lines
    )
    assert "sandbox-key" not in lines + json.dumps(told)

    field.daemon.signal(signal.SIGHUP)
    field.until_delivered("out", 3)
    field.until_delivered("fresh", 1)

    assert [file["name"] for file in field.packages("out")[2]["files"]] == ["a.xmp"]
    assert field.packages("out")[2]["name"] == "CARD (added)"
    assert drops(field) == {"s.mov": "settling"}
    assert field.command("plan").stdout == "nothing changes\n"


def test_plan_of_a_file_with_a_mistake_says_it_and_asks_nobody(field):
    """2, as `check` does; the daemon goes on as it was."""
    edited(field, "name: out,", "nam: out,")
    done = field.command("plan")

    assert (done.returncode, done.stdout) == (USAGE, "")
    assert "unknown key `nam`" in done.stderr


def test_plan_tells_of_a_renamed_hot_folder_and_of_one_that_cannot_be_looked_at(field):
    """What was delivered under the old name goes anew; a missing folder is no empty one."""
    field.until_delivered("out", 2)
    edited(field, "name: out,", "name: outbox, initial: send,")
    edited(field, f"path: {field.top / 'slow'}", f"path: {field.top / 'nowhere'}")
    eventually(lambda: "g.mov" in drops(field))
    (field.top / "gone").rename(field.top / "away")
    text = field.config.read_text()
    field.config.write_text("".join(
        line for line in text.splitlines(keepends=True) if "name: gone" not in line
    ))  # fmt: skip
    told = planned(field)

    assert (told["outbox"]["change"], told["outbox"]["was"]) == ("renamed", "out")
    assert {each["kind"] for each in told["outbox"]["effects"]} == {"send_anew"}
    assert "is not there" in told["slow"]["notes"][0]
    for name, path in (("slow", "s.mov"), ("gone", "g.mov")):
        assert [(each["kind"], each["path"]) for each in told[name]["effects"]] == [("stop", path)]


def test_plan_of_a_hot_folder_that_is_disabled_or_enabled_says_so(field):
    """It is neither removed nor new: its rule stays where it is, and its ledger with it."""
    eventually(lambda: "g.mov" in drops(field))
    edited(field, "name: gone,", "name: gone, enabled: false,")
    off = field.command("plan").stdout
    field.daemon.signal(signal.SIGHUP)
    eventually(lambda: "g.mov" not in drops(field))
    edited(field, "name: gone, enabled: false,", "name: gone,")
    on = field.command("plan").stdout

    assert off.startswith(
        "hot folder gone is disabled: what is on its way goes on\n  - g.mov would"
    )
    assert on.startswith("hot folder gone is enabled\n")
    assert "g.mov would be sent" in on


def test_plan_without_a_daemon_says_where_it_was_looked_for(field):
    """4: only the daemon knows its rules and its ledger."""
    field.daemon.stop()
    done = field.command("plan")

    assert done.returncode == UNREACHABLE
    assert "masv-watch" in done.stderr
