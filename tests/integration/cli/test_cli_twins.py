"""Each command has its calls, and each prints JSON: two tables over the whole command line."""

from __future__ import annotations

import json

import pytest

from masv_watch.api.calls import BASE, Desk
from masv_watch.api.routes import routes
from masv_watch.cli.grammar import command_of
from masv_watch.cli.table import parser
from masv_watch.loops import SystemClock
from masv_watch.metrics import Metrics
from masv_watch.store.sqlite import open_store
from tests.integration.cli.receipted import receipt_of
from tests.processes import free_port

ONE = "3f2a91bc-0000-4000-8000-000000000001"
#: command -> the calls that do the same; what it does beside them is to show and to ask
TWINS = {
    "check": ("POST check",),
    "status": ("GET uploads", "GET drops", "GET hot_folders", "GET stats"),
    "top": ("GET uploads", "GET drops", "GET hot_folders", "GET stats"),
    "uploads": ("GET uploads",),
    "show": ("GET uploads/<upload_id>",),
    "explain": ("GET explain",),
    "events": ("GET events",),
    "receipt": ("GET uploads/<upload_id>/receipt", "GET receipts", "GET receipts/key"),
    "create": ("POST uploads", "POST portals/uploads"),
    "files": ("POST uploads/<upload_id>/files",),
    "config show": ("GET config",),
    "config schema": ("GET config/schema",),
    "config import": ("POST config/import",),
    "pause": ("POST uploads/<upload_id>/pause", "POST uploads/pause",
              "POST hot_folders/<hot_folder>/pause"),
    "resume": ("POST uploads/<upload_id>/resume", "POST uploads/resume",
               "POST hot_folders/<hot_folder>/resume"),
    "finalize": ("POST uploads/<upload_id>/finalize", "POST hot_folders/<hot_folder>/finalize"),
    "delete": ("DELETE uploads/<upload_id>",),
    "link": ("POST uploads/<upload_id>/link",),
    "start": ("POST uploads/<upload_id>/start",),
    "priority": ("PATCH uploads/<upload_id>",),
    "limit": ("GET settings/upload_rate_limit", "POST settings/upload_rate_limit",
              "DELETE settings/upload_rate_limit"),
    "scan": ("POST hot_folders/<hot_folder>/scan",),
    "adopt": ("POST hot_folders/<hot_folder>/adopt",),
    "release": ("POST drops/<drop_id>/release", "POST hot_folders/<hot_folder>/release"),
    "hold": ("POST drops/<drop_id>/hold",),
    "ledger seed": ("POST hot_folders/<hot_folder>/seed",),
    "ledger forget": ("POST hot_folders/<hot_folder>/forget",),
    "ledger export": ("GET ledger",),
    "resend": ("POST drops/<drop_id>/resend",),
    "cancel": ("POST drops/<drop_id>/cancel",),
    "rebind": ("POST drops/<drop_id>/rebind",),
    "retry": ("POST uploads/<upload_id>/resume", "POST uploads/<upload_id>/retry"),
    "send": ("GET explain", "POST drops/<drop_id>/release", "POST drops/<drop_id>/resend",
             "POST uploads/<upload_id>/resume", "POST hot_folders/<hot_folder>/resume",
             "POST hot_folders/<hot_folder>/adopt"),
    "selftest": ("POST selftest",),
    "doctor": ("POST doctor", "GET log"),
    "plan": ("POST plan",),
    "reload": ("POST reload",),
}  # fmt: skip
#: command -> why nobody can have it done by a daemon
LOCAL = {
    "run": "it is the daemon",
    "config init": "it writes the file without which no daemon runs",
    "drop": "it copies what the person at this machine may read",
    "rules test": "it reads a listing or a folder of whoever asks, with his rights",
    "verify": "it is for whoever received something and has no daemon",
    "state backup": "it is for a disk of whoever asks; `backup:` is the daemon's own copy",
    "state check": "it is for when no daemon can run; the daemon looks for damage by itself",
    "state restore": "no daemon may run meanwhile",
    "service paths": "it prints what the service manager reads before the daemon",
    "completion": "it is for a shell of this machine",
    "manual": "it is for man(1) of this machine",
    "sandbox": "it is another program",
}
#: command -> why it prints no JSON at all
NO_JSON = {
    "run": "it prints a log, whose form is `--log json`",
    "completion": "what it prints is a program of the shell",
    "manual": "what it prints is a page for man(1)",
    "sandbox": "it is another program, with a ready line that scripts know",
}
#: command -> why what it prints with --json is more than one value
MANY_VALUES = {
    "events": "one JSON object a line, as things move",
    "ledger export": "one JSON object a line, for a ledger of any size",
}
#: what is said to a daemon that stands in, and to a real one
TOLD = {
    "status": "status", "top": "top", "uploads": "uploads", "show": f"show {ONE}",
    "explain": "explain /srv/out/a", "create": "create --team acme /x", "files": f"files {ONE} /x",
    "pause": f"pause {ONE}", "resume": f"resume {ONE}", "finalize": f"finalize {ONE}",
    "delete": f"delete {ONE} --yes", "link": f"link {ONE}", "receipt": f"receipt {ONE}",
    "start": f"start {ONE}",
    "priority": f"priority {ONE} 3", "limit": "limit", "scan": "scan out", "adopt": "adopt out",
    "release": "release 7", "hold": "hold 7", "ledger seed": "ledger seed out",
    "ledger forget": "ledger forget /srv/out/a", "resend": "resend 7", "rebind": "rebind 7",
    "cancel": "cancel 7 --yes",
    "retry": f"retry {ONE}", "send": f"send {ONE} --yes",
}  # fmt: skip
SAID = {"plan": "plan", "reload": "reload", "doctor": "doctor --no-probe -o {here}/b.tar.gz"}
#: what needs no daemon, in the order in which it is done
ALONE = {
    "check": "check --no-probe", "config show": "config show", "config schema": "config schema",
    "config import": "config import {here}/agent.yml",
    "config init": "config init -c {here}/new.yml --path {here}/out --team acme --recipient a@b.de",
    "selftest": "selftest {here}/out/", "drop": "drop {here}/clip.mov --to {here}/out",
    "rules test": "rules test --path {here}/out", "service paths": "service paths",
    "verify": "verify {here}/receipt.json {here}/received",
    "state backup": "state backup {here}/copy.db", "state check": "state check {here}/copy.db",
    "state restore": "state restore {here}/copy.db --yes",
}  # fmt: skip


class _Any:
    """Stands for what the routes would ask: the table alone is looked at."""

    def __getattr__(self, _name):
        return _Any()


def commands():
    """Give every command with its flags."""
    return {
        " ".join(each.path): {name for flag in each.flags for name in flag.names}
        for each in command_of(parser()).walk()
        if not each.below
    }


def one_value(out):
    """Read what was printed as one JSON value, and nothing beside it."""
    assert out.endswith("\n")
    assert out.count("\n") == 1
    return json.loads(out)


def test_every_command_has_its_calls_or_a_reason_why_none_can_do_it():
    """configuration.md 5: each has a REST twin."""
    assert set(TWINS) | set(LOCAL) == set(commands())
    assert not set(TWINS) & set(LOCAL)


def test_calls_that_do_what_commands_do_are_served():
    """A twin that only this table knows would be none."""
    served = {
        f"{route.method} {route.path.removeprefix(BASE).strip('/')}"
        for route in routes(Desk(**{name: _Any() for name in Desk.__dataclass_fields__}))
    }

    assert {call for calls in TWINS.values() for call in calls} <= served


def test_every_command_takes_json_or_has_a_reason():
    """configuration.md 5: each prints `--json`."""
    assert {name for name, flags in commands().items() if "--json" not in flags} == set(NO_JSON)


def test_what_every_command_prints_as_json_is_tried_here():
    """A command that only takes the flag would be missed by the tests below."""
    assert {*TOLD, *SAID, *ALONE} == set(commands()) - set(NO_JSON) - set(MANY_VALUES)


@pytest.mark.parametrize("command", TOLD)
def test_command_on_a_daemon_prints_one_json_value(tell, standin, command):
    """Whatever the daemon answered, and nothing beside it."""
    standin.wire.add(ONE, state="idle" if command in {"pause", "finalize"} else "paused")
    standin.wire.details[ONE] = {"to": []}
    standin.wire.explained = {
        "hot_folder": "out", "top": "a", "verdict": "held", "why": "x", "cure": "y",
        "retry_in_s": None, "to": [], "findings": [], "drop": None,
    }  # fmt: skip

    status, out, _ = tell(*TOLD[command].split(), "--json")

    assert status == 0
    assert isinstance(one_value(out), dict | list)


@pytest.mark.parametrize("command", SAID)
def test_command_that_reads_the_configuration_too_prints_one_json_value(say, tmp_path, command):
    """The daemon is a real one: it compares, takes over and says what is wrong."""
    status, out, _ = say(*SAID[command].format(here=tmp_path).split(), "--json")

    assert status == 0
    assert isinstance(one_value(out), dict)


def test_commands_without_a_daemon_print_one_json_value_each(carry_out, tmp_path, monkeypatch):
    """They do what they are for; nothing of it is printed but the value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "clip.mov").write_bytes(b"clip")
    (tmp_path / "received").mkdir()
    (tmp_path / "receipt.json").write_bytes(receipt_of({}))
    (tmp_path / "agent.yml").write_text("team_upload_automations:\n  - {name: a, path: /srv/a}\n")
    (tmp_path / "masv-watch.yml").write_text(
        f"version: 1\nmasv: {{team: acme, api_key: k}}\nstate: {tmp_path}/state\n"
        # nobody is asked there, whatever else runs on this machine
        f'server: {{listen: "http://127.0.0.1:{free_port()}"}}\n'
        f"hot_folders: [{{name: out, path: {tmp_path}/out, to: {{recipients: []}}}}]\n"
    )
    open_store(str(tmp_path / "state"), clock=SystemClock(), metrics=Metrics()).close()

    printed = {
        command: carry_out(*words.format(here=tmp_path).split(), "--json")
        for command, words in ALONE.items()
    }

    assert {command: status for command, (status, _, _) in printed.items()} == dict.fromkeys(
        ALONE, 0
    )
    for command, (_, out, _) in printed.items():
        assert isinstance(one_value(out), dict | list), command
