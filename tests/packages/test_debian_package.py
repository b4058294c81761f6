"""The Debian package on a clean system: installed, run within the unit's limits, upgraded, gone."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packages.ground import Ground, ran, tool
from tests.processes import Sandbox, free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]

_CONFIG = """\
version: 1
masv:
  api_url: "{api}"
  team: acme
  api_key: !credential api_key
  link_url: "{api}/get/{{id}}?secret={{secret}}"
server: {{listen: "http://127.0.0.1:{port}"}}
mail: {{smtp: {{host: 127.0.0.1, port: {smtp}, tls: none}}, from: delivery@example.com}}
hot_folders:
  - name: out
    path: /srv/out
    settle: {{quiet: 1s}}
    bundles: [p2]
    to: {{recipients: [client@example.com]}}
    link: {{mail_to: [producer@example.com]}}
    after: {{delivered: delete}}
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "cloud")
    yield made
    made.end()


def prepare(ground: Ground, sandbox: Sandbox) -> Path:
    """Do what an administrator does after the installation; give the hot folder."""
    key = ground.path("/etc/credstore/masv-watch.api_key")
    key.write_text("sandbox-key\n")
    key.chmod(0o600)
    text = _CONFIG.format(api=sandbox.api, port=free_port(), smtp=sandbox.smtp_port)
    ground.configure(text)
    return ground.hot_folder("/srv/out")


def opened(ground: Ground) -> None:
    done = ground.run(
        "masv-watch", "service", "paths", "--write", "/etc/systemd/system/masv-watch.service.d"
    )
    assert done.returncode == 0, done.stderr


def drop(folder: Path, name: str, uid: int) -> None:
    (folder / name).write_bytes(os.urandom(100_000))
    os.chown(folder / name, uid, uid)


def test_installation_makes_the_user_and_leaves_the_service_off(installed):
    """Nothing runs and nothing is enabled before somebody said what to watch."""
    told = installed.run("stat", "-c", "%a %U %G", "/etc/masv-watch", "/etc/credstore").stdout
    version = installed.run("masv-watch", "--version")
    wanted = list(installed.path("/etc/systemd/system").rglob("masv-watch*"))

    assert told.splitlines() == ["750 root masv-watch", "700 root root"]
    assert (version.returncode, version.stderr) == (0, "")
    assert installed.uid() > 0
    assert wanted == []
    assert not installed.path("/var/lib/masv-watch").exists()


def test_installed_files_are_the_package_s_and_no_one_else_may_write_them(installed):
    """All belongs to root, and what was built elsewhere names no folder of there."""
    listed = installed.run("dpkg", "-L", "masv-watch").stdout.split("\n")
    files = [installed.path(each) for each in listed if each and each != "/."]
    ours = [each for each in files if each.is_file() and "masv_watch-" in str(each)]

    open_to_others = [
        each for each in files
        if not each.is_symlink() and each.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]  # fmt: skip
    assert open_to_others == []
    assert {each.lstat().st_uid for each in files if "etc/masv-watch" not in str(each)} == {0}
    assert ours
    assert [each for each in ours if b"file:///" in each.read_bytes()] == []
    assert installed.run("dpkg", "--verify", "masv-watch").stdout == ""


def test_installed_manual_and_completions_are_those_of_the_program(installed):
    """They are made when the package is, by the program that is in it."""
    share = installed.path("/usr/share")
    files = {
        "bash": share / "bash-completion/completions/masv-watch",
        "zsh": share / "zsh/vendor-completions/_masv-watch",
        "fish": share / "fish/vendor_completions.d/masv-watch.fish",
    }
    printed = {each: installed.run("masv-watch", "completion", each).stdout for each in files}
    page = ran("gzip", "-dc", share / "man/man1/masv-watch.1.gz").stdout

    assert {each: file.read_text() for each, file in files.items()} == printed
    assert page == installed.run("masv-watch", "manual").stdout


def test_package_has_no_error_that_debian_knows_of(deb):
    """What is done on purpose is overridden in the package, with its reason."""
    answer = ran(tool("lintian", "lintian"), "--allow-root", "--fail-on", "error", deb)

    assert "E: " not in answer.stdout


def test_example_checks_and_names_what_a_newcomer_must_do_first(installed):
    """As it was installed: the folder is missing, the key is the service's, each said once."""
    done = installed.run("masv-watch", "check", "--no-network")
    paths = installed.run("masv-watch", "service", "paths")

    assert done.returncode == 0
    for told in ("/srv/out is missing", "the credential api_key was not looked up", "mail.alerts"):
        assert [told in line for line in done.stderr.splitlines()].count(True) == 1, done.stderr
    assert len(done.stderr.splitlines()) == 3, done.stderr
    assert paths.returncode == 0
    assert "ReadWritePaths=-/srv/out" in paths.stdout


def test_check_before_the_start_names_the_line_and_is_silent_with_it(ground, sandbox):
    """Within the unit's limits the hot folder is read-only until the drop-in opens it."""
    prepare(ground, sandbox)

    before = ground.checked()
    opened(ground)
    after = ground.checked()

    assert "write under [Service]: ReadWritePaths=-/srv/out" in before
    assert "systemctl" not in after
    assert "ok: hot_folders[0].after.delivered: delivered sources can be deleted" in after


def test_documents_are_there_for_whoever_reaches_nothing_but_this_machine(installed):
    """As text, with what is made from the code; the unit names the one for the night."""
    docs = "/usr/share/doc/masv-watch/docs"
    runbook = installed.run("cat", f"{docs}/runbook.txt").stdout
    keys = installed.run("cat", f"{docs}/reference/configuration.txt").stdout
    unit = installed.run("cat", "/lib/systemd/system/masv-watch.service").stdout

    assert "Somebody called you. Start here." in runbook
    assert "settle.done_marker" in keys
    assert f"Documentation=file://{docs}/runbook.txt" in unit


def test_alerts_and_dashboard_come_with_the_package(installed, project):
    """Where the page about monitoring says; whoever has the package has no source tree."""
    examples = "/usr/share/doc/masv-watch/examples"
    rules = installed.run("cat", f"{examples}/masv-watch.rules.yml").stdout
    board = installed.run("cat", f"{examples}/masv-watch.grafana.json").stdout

    assert rules == (project / "contrib/prometheus/masv-watch.rules.yml").read_text()
    assert json.loads(board)["panels"]


@pytest.mark.parametrize("name", ["masv-watch-failed.service", "drop-ins/onfailure.conf"])
def test_what_tells_that_the_service_stays_down_comes_with_the_package(installed, project, name):
    """Where the page about the service says; what it runs is for the site to write."""
    shipped = installed.run("cat", f"/usr/share/doc/masv-watch/examples/{name}").stdout

    assert shipped == (project / "contrib/systemd" / name).read_text()


def test_service_within_its_limits_delivers_and_lives_on_through_an_upgrade(
    ground, sandbox, deb, tmp_path
):
    """Sent, mailed and deleted as the service's user; the next version knows it and goes on."""
    folder, uid = prepare(ground, sandbox), ground.uid()
    opened(ground)
    drop(folder, "first.mov", uid)

    ground.start()
    eventually(sandbox.packages, within=60)
    eventually(lambda: sandbox.witness("mail"), within=30)
    eventually(lambda: not (folder / "first.mov").exists(), within=30)
    confined = Path(f"/proc/{ground.process.pid}/status").read_text()
    status = ground.stop()
    ground.install(repacked(deb, "0.1.0+next", tmp_path))
    config = ground.path("/etc/masv-watch/masv-watch.yml").read_text()
    drop(folder, "second.mov", uid)
    ground.start()
    eventually(lambda: len(sandbox.packages()) == 2, within=60)
    known = ground.run("masv-watch", "ledger", "export", "--json").stdout
    second = ground.stop()

    assert (status, second) == (0, 0), ground.log()
    assert f"Uid:\t{uid}\t{uid}" in confined
    assert "CapBnd:\t0000000000000000" in confined
    assert "Seccomp:\t2" in confined
    assert "NoNewPrivs:\t1" in confined
    assert any("READY=1\nSTATUS=watching 1 hot folder" in each for each in ground.letters)
    assert "team: acme" in config
    paths = [json.loads(line)["path"] for line in known.splitlines()]
    assert sorted(path.rpartition("/")[2] for path in paths) == ["first.mov", "second.mov"]
    assert len(sandbox.packages()) == 2
    private = ground.path("/var/lib/masv-watch").stat()
    assert (private.st_uid, stat.S_IMODE(private.st_mode)) == (uid, 0o700)


def test_removal_keeps_what_a_purge_takes_and_neither_takes_what_is_not_ours(ground, sandbox):
    """The state and an edited configuration survive a removal; sources and the key survive both."""
    folder = prepare(ground, sandbox)
    opened(ground)
    drop(folder, "ours.mov", ground.uid())
    beside = ground.path("/etc/masv-watch/secrets.yml")
    beside.write_text("key: value\n")
    ground.start()
    ground.stop()
    folder.joinpath("kept.mov").touch()

    removed = ground.run("dpkg", "--remove", "masv-watch")
    after_removal = kept(ground)
    purged = ground.run("dpkg", "--purge", "masv-watch")
    after_purge = kept(ground)

    assert (removed.returncode, purged.returncode) == (0, 0), removed.stderr + purged.stderr
    assert not ground.path("/usr/lib/masv-watch").exists()
    assert after_removal == {"state", "configuration", "drop-in", "beside", "source", "key"}
    assert after_purge == {"beside", "source", "key"}


def kept(ground: Ground) -> set[str]:
    places = {
        "state": "/var/lib/masv-watch",
        "configuration": "/etc/masv-watch/masv-watch.yml",
        "drop-in": "/etc/systemd/system/masv-watch.service.d/paths.conf",
        "beside": "/etc/masv-watch/secrets.yml",
        "source": "/srv/out/kept.mov",
        "key": "/etc/credstore/masv-watch.api_key",
    }
    return {name for name, path in places.items() if ground.path(path).exists()}


def repacked(deb: Path, version: str, folder: Path) -> Path:
    """Make the next version of a package: the same files under a higher number."""
    tree = folder / "tree"
    ran("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN" / "control"
    lines = control.read_text().splitlines()
    lines = [f"Version: {version}" if each.startswith("Version: ") else each for each in lines]
    control.write_text("\n".join(lines) + "\n")
    target = folder / "next.deb"
    ran("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, target)
    return target
