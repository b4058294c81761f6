"""What `check` says of a configuration whose callers name their team themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from masv_watch import check
from masv_watch.config import load
from masv_watch.errors import ConfigError
from tests.processes import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Give a cloud in a process of its own."""
    cloud = Sandbox(tmp_path_factory.mktemp("cloud"))
    yield cloud
    cloud.end()


def examined(folder: Path, masv: str, server: str = "auth: peer") -> check.Found:
    """Write a file with this cloud and this server, and look at the world."""
    path = folder / "masv-watch.yml"
    path.write_text(
        f"version: 1\nmasv: {{{masv}}}\nstate: {folder}\nserver:\n  {server}\nhot_folders: []\n"
    )
    path.chmod(0o600)
    return check.examine(load.load(str(path), environ={}), file=str(path), probe=True)


def test_check_of_a_key_without_a_team_names_the_teams_it_may_send_for(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """The key is proven; the team comes with each call."""
    found = examined(tmp_path, f"api_url: '{sandbox.api}', api_key: sandbox-key")

    assert found.problems == ()
    assert "ok: masv.api_key: may send for acme" in found.ok


def test_check_of_a_refused_key_without_a_team_is_one_problem(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """A wrong key is found before the first call fails, at its place and not shown."""
    found = examined(tmp_path, f"api_url: '{sandbox.api}', api_key: hunter2")

    assert [one.split(": ")[1] for one in found.problems] == ["masv.api_key"]
    assert "hunter2" not in str(found)


def test_check_of_a_key_for_another_team_stands_at_the_team(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """The key is right and the team is not, so the team is the place."""
    masv = f"api_url: '{sandbox.api}', team: other, api_key: sandbox-key"

    found = examined(tmp_path, masv)

    column = len("masv: {" + masv.partition("other")[0]) + 1
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"{tmp_path}/masv-watch.yml:2:{column}: masv.team: ")


def test_check_gathers_what_the_machine_says_of_the_server(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Problems, warnings and what is in order of `server:` reach the command."""
    masv = f"api_url: '{sandbox.api}'"

    found = examined(tmp_path, masv, "allowed_roots: [/nowhere/x, /usr]")

    assert "ok: server.allowed_roots[1]: /usr is there and can be read" in found.ok
    assert any("server.allowed_roots[0]: warning: /nowhere/x" in one for one in found.warnings)


@pytest.mark.parametrize(
    ("more", "is_told"),
    [
        ("drop: folder, package: {name: '{name} {files}'}", True),
        ("drop: batch, package: {message: '{size}'}", True),
        ("drop: folder", False),
        ("drop: each, package: {message: '{size}'}", False),
        ("drop: folder, early: false, package: {message: '{size}'}", False),
    ],
)
def test_check_says_where_a_name_keeps_files_from_going_early(
    tmp_path: Path, more: str, is_told: bool
) -> None:
    """What the default would do, and does not do here, is said once, and is no warning."""
    path = tmp_path / "masv-watch.yml"
    to = "to: {portal: dailies, sender: a@example.com}"
    path.write_text(
        f"version: 1\nhot_folders:\n  - {{name: out, path: {tmp_path}, {to}, {more}}}\n"
    )
    found = check.examine(load.load(str(path), environ={}), file=str(path), probe=False)

    told = [line for line in found.ok if "before all of it has arrived" in line]
    assert len(told) == is_told
    assert all(line.startswith("ok: hot_folders[0]: ") for line in told)
    assert [one for one in found.warnings if "mail.alerts" not in one] == []


def test_check_warns_while_nobody_is_told_of_trouble(tmp_path):
    """The warning stands where the key belongs, and is gone once somebody is named."""
    path = tmp_path / "masv-watch.yml"
    mail = "mail: {smtp: {host: mail.example.com}, from: a@example.com%s}\n"
    folders = (
        f"hot_folders:\n  - {{name: out, path: {tmp_path},"
        " to: {portal: dailies, sender: a@example.com}}\n"
    )
    warned = []
    for given in ("", mail % "", mail % ", alerts: {to: it@example.com}"):
        path.write_text(f"version: 1\n{given}{folders}")
        found = check.examine(load.load(str(path), environ={}), file=str(path), probe=False)
        warned.append([one for one in found.warnings if "mail.alerts" in one])

    nobody = "mail.alerts: warning: nobody is told when something needs a person - add"
    assert warned[0] == [f"{path}:1:1: {nobody} `mail: {{alerts: {{to: [ADDRESS]}}}}`"]
    assert warned[1] == [f"{path}:2:7: {nobody} `mail: {{alerts: {{to: [ADDRESS]}}}}`"]
    assert warned[2] == []


def test_alerts_with_a_mistake_are_refused_at_their_place(tmp_path):
    """Each mistake is named with what is allowed."""
    path = tmp_path / "masv-watch.yml"
    given = {
        "{to: []}": "3:9: mail.alerts.to: is empty - write at least one address",
        "{to: [nobody]}": "3:10: mail.alerts.to[0]:",
        "{after: 15m}": "`to` is missing",
        "{to: [a@example.com], after: 5s}": "mail.alerts.after:",
        "{to: [a@example.com], at: 5m}": "mail.alerts: unknown key `at`",
    }
    for alerts, words in given.items():
        path.write_text(
            "version: 1\nmail: {smtp: {host: m.example.com}, from: a@example.com, alerts:\n"
            f"   {alerts}}}\nhot_folders: []\n"
        )
        with pytest.raises(ConfigError) as refused:
            load.load(str(path), environ={})
        assert words in str(refused.value), alerts


def test_check_tells_which_templates_keep_deliveries_in_letters_of_their_own(tmp_path):
    """A digest that joins nothing would be a surprise; one that fails with two is a problem."""
    path = tmp_path / "masv-watch.yml"
    (tmp_path / "one.html").write_text("{{ package_name }}")
    (tmp_path / "all.html").write_text("{% for d in deliveries %}{{ d.link_url }}{% endfor %}")
    (tmp_path / "bad.html").write_text("{{ deliveries | length }}{{ package_name }}")
    found = {}
    for digest in ("", ", digest: 10m"):
        path.write_text(
            "version: 1\nmasv: {team: acme, api_key: k}\n"
            f"mail: {{smtp: {{host: mail.example.com}}, from: a@example.com{digest}}}\n"
            "hot_folders:\n"
            + "".join(
                f"  - {{name: {name}, path: {tmp_path}/{name}, to: {{recipients: []}},"
                f" link: {{mail_to: [b@example.com], template: {name}.html}}}}\n"
                for name in ("one", "all", "bad")
            )
        )
        found[digest] = check.examine(load.load(str(path), environ={}), file=str(path), probe=False)

    key = "hot_folders[0].link.template"
    warned = {given: [one for one in seen.warnings if key in one] for given, seen in found.items()}
    assert warned[""] == []
    assert found[""].problems == ()
    (said,) = warned[", digest: 10m"]
    assert said.startswith(f"{path}:5:")
    assert f": {key}: warning: it names no `deliveries`, so each delivery has a letter" in said
    assert "though mail.digest is 10m - loop over `deliveries`" in said
    (problem,) = found[", digest: 10m"].problems
    assert "bad.html:1: 'package_name' is undefined" in problem
    assert not any("hot_folders[1]" in one for one in found[", digest: 10m"].warnings)


@pytest.mark.parametrize("digest", ["0s", "2d", "10"])
def test_check_refuses_a_digest_out_of_its_bounds(tmp_path, digest):
    """From a second to a day, with its unit."""
    path = tmp_path / "masv-watch.yml"
    path.write_text(
        "version: 1\nmail: {smtp: {host: m.example.com}, from: a@example.com,"
        f" digest: {digest}}}\nhot_folders: []\n"
    )
    with pytest.raises(ConfigError, match=r"mail\.digest: "):
        load.load(str(path), environ={})


def test_check_tells_everything_in_the_order_of_the_file(tmp_path: Path) -> None:
    """configuration.md 2.2: whatever found it, so that an editor goes down the file once."""
    path = tmp_path / "masv-watch.yml"
    path.write_text(
        "version: 1\n"
        f"state: {tmp_path}/state\n"
        'masv: {team: acme, api_key: k, api_url: "http://127.0.0.1:1"}\n'
        f"server: {{allowed_roots: [{tmp_path}]}}\n"
        "hot_folders:\n"
        f"  - {{name: one, path: {tmp_path}/missing, to: {{recipients: []}}}}\n"
        f"  - {{name: two, path: {tmp_path}/lost, to: {{recipients: []}}, priority: 1}}\n"
    )
    path.chmod(0o600)

    found = check.examine(load.load(str(path), environ={}), file=str(path), probe=True)

    places = [tuple(map(int, one.split(":", 3)[1:3])) for one in found.warnings]
    assert len({line for line, _ in places}) >= 4
    assert places == sorted(places)
    (unasked,) = [one for one in found.warnings if "not checked" in one]
    assert "- look at this machine's way there" in unasked
    (root,) = [one for one in found.warnings if "contains the state folder" in one]
    assert "- name the folders beside it" in root
