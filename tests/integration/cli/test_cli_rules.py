"""Rules that are tried out on listings and folders, and that do what was said of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.processes import PROJECT, Daemon, Sandbox, free_port

OK, FAILED, USAGE = range(3)

CONFIG = """\
version: 1
masv: {{api_url: "{api}", team: acme, api_key: sandbox-key}}
server: {{listen: "http://127.0.0.1:{port}"}}
state: {top}/state
defaults: {{settle: {{quiet: 1s}}}}
hot_folders:
  - name: out
    path: {top}/out
    ignore: ["*.xmp", "!*.aspx"]
    to: {{recipients: [client@example.com]}}
    package: {{name: "{{name}} for you", message: "{{files}} files, {{size}}"}}
  - name: cards
    path: {top}/cards
    drop: folder
    to: {{portal: dailies, sender: dit@example.com}}
"""

FILES = (
    "clip.mov", "clip.xmp", "page.aspx", ".DS_Store", "half.mov.part", "CARD/a.mov", "CARD/b.xmp",
    "CARD/sub/c.mov", "CARD/sub/Thumbs.db", "CARD/%odd\\name", "EMPTY/x.tmp",
)  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Give a folder with a configuration and two hot folders of equal content."""
    for name in ("out", "cards"):
        for file in FILES:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.encode())
        (tmp_path / name / "link").symlink_to("clip.mov")
        (tmp_path / name / os.fsdecode(b"b\xff.mov")).write_bytes(b"bytes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configured(place, api="http://127.0.0.1:1"):
    config = place / "masv-watch.yml"
    config.write_text(CONFIG.format(top=place, api=api, port=free_port()))
    config.chmod(0o600)
    return config


def fates(out):
    (folder,) = json.loads(out)["hot_folders"]
    return {entry["path"]: entry for entry in folder["entries"]}


def test_listing_is_answered_line_by_line_without_any_daemon(carry_out, place):
    """Each entry with its fate, the rule's line, its names inside, and whom it goes to."""
    configured(place)
    (place / "list").write_text(
        "clip.mov\t3200000000\nclip.xmp\nCARD/a.mov\t5\nCARD/b.tmp\nE/b.tmp\n"
    )
    status, out, err = carry_out("rules", "test", "list", "--folder", "out")

    assert (status, err) == (OK, "")
    assert out.splitlines() == [
        "out (./masv-watch.yml:7), drop: each",
        "  clip.mov: sent (./masv-watch.yml:7), 1 file, 3.2 GB",
        "      package    clip.mov for you",
        "      message    1 files, 3.2 GB",
        "      to         client@example.com",
        "      clip.mov -> clip.mov",
        "  clip.xmp: left out: matches `*.xmp` of the rule (./masv-watch.yml:7)",
        "  CARD/: sent (./masv-watch.yml:7), 1 file, 5 B",
        "      package    CARD for you",
        "      message    1 files, 5 B",
        "      to         client@example.com",
        "      CARD/a.mov -> CARD/a.mov",
        "      CARD/b.tmp: left out: matches `*.tmp` of the built-in list",
        "  E/: held (empty): E holds no file that is sent (./masv-watch.yml:7)",
        "      E/b.tmp: left out: matches `*.tmp` of the built-in list",
    ]


def test_listing_with_nul_is_read_from_standard_input_for_every_rule(place):
    """`find -print0 | masv-watch rules test -0 -` needs no quoting."""
    configured(place)
    done = subprocess.run(
        [sys.executable, "-m", "masv_watch", "rules", "test", "-0", "-", "--json"],
        input=b"a\nb.mov\0CARD/x.mov\0", capture_output=True, cwd=place, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip

    folders = {one["name"]: one["entries"] for one in json.loads(done.stdout)["hot_folders"]}
    assert done.returncode == OK
    assert [entry["path"] for entry in folders["out"]] == ["a\\nb.mov", "CARD"]
    assert [(entry["verdict"], entry["hold"]) for entry in folders["cards"]] == [
        ("held", "loose_file"), ("goes", None),
    ]  # fmt: skip
    assert folders["cards"][1]["to"]["portal"] == "dailies"
    assert folders["cards"][1]["package"]["name"] == "CARD"


def test_what_lacks_something_is_held_with_its_name(carry_out, place):
    """The tests of wholeness are made too; of a listing no list can be read, and that is said."""
    config = configured(place)
    config.write_text(
        config.read_text()
        + f"""\
  - name: frames
    path: {place}/frames
    sequences: {{pattern: "{{stem}}.{{frame:04d}}.exr"}}
    manifest: {{files: ["*.md5"]}}
    to: {{recipients: []}}
"""
    )
    names = ("S/a.0001.exr", "S/a.0003.exr", "S/x.md5", "T/b.0001.exr", "T/y.md5", "l.0007.exr",
             "l.0009.exr")  # fmt: skip
    (place / "list").write_text("".join(f"{name}\t32\n" for name in names))
    for name in names:
        (place / "frames" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "frames" / name).write_bytes(b"b.0001.exr" if name == "T/y.md5" else b"x")

    listed = fates(carry_out("rules", "test", "list", "--folder", "frames", "--json")[1])
    real = fates(carry_out("rules", "test", "--path", "frames", "--json")[1])

    assert {name: one["hold"] for name, one in listed.items()} == {
        "S": "incomplete", "T": "incomplete", "l.0007.exr": "incomplete",
        "l.0009.exr": "incomplete",
    }  # fmt: skip
    assert "a.0002.exr" in listed["S"]["why"]
    assert "l.0008.exr" in listed["l.0007.exr"]["why"]
    assert "y.md5 is only listed" in listed["T"]["why"]
    assert (real["S"]["hold"], real["T"]["verdict"]) == ("incomplete", "goes")


def test_links_of_a_folder_are_followed_as_far_as_the_rule_says(carry_out, place):
    """As intake would; one at the top never is."""
    config = configured(place)
    config.write_text(config.read_text() + "    follow: inside\n")
    (place / "cards" / "EMPTY" / "real").write_bytes(b"real")
    (place / "cards" / "CARD" / "link").symlink_to("../EMPTY/real")
    told = {
        name: fates(carry_out("rules", "test", "--path", name, "--json")[1])
        for name in ("out", "cards")
    }

    assert "is a symbolic link" in told["out"]["link"]["why"]
    assert "is a symbolic link" in told["cards"]["link"]["why"]
    sent = {file["path"]: file["size"] for file in told["cards"]["CARD"]["files"]}
    assert (len(sent), sent["CARD/link"]) == (5, 4)


def test_writers_are_not_asked_about(carry_out, place):
    """A lease can disturb a writer: what is only tried out takes none."""
    configured(place)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with (place / "out" / "clip.mov").open("ab"):
            told = fates(carry_out("rules", "test", "--path", "out", "--json")[1])
    finally:
        signal.signal(signal.SIGIO, before)

    assert told["clip.mov"]["verdict"] == "goes"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], USAGE, "name a LISTING, - for standard input, or --path DIR"),
        (["list", "--path", "out"], USAGE, "name a LISTING"),
        (["list", "--folder", "ut"], USAGE, "there is no hot folder 'ut' - known: out, cards"),
        (["nowhere"], FAILED, "the listing 'nowhere'"),
        (["out"], FAILED, "is a folder"),
        (["--path", "nowhere"], FAILED, "is not there"),
    ],
)
def test_command_that_means_nothing_is_refused(carry_out, place, words, status, said):
    """One line, and nothing printed."""
    configured(place)
    found, out, err = carry_out("rules", "test", *words)

    assert (found, out) == (status, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["out", "cards"])
def test_daemon_sends_exactly_what_the_rules_said(carry_out, place, name):
    """The same folder, first tried out and then delivered: packages, names and what is held."""
    sandbox = Sandbox(place / "cloud")
    config = configured(place, sandbox.api)
    try:
        status, out, _ = carry_out("rules", "test", "--path", name, "--json")
        assert status == OK
        before = sorted(os.listdir(place / name))
        daemon = Daemon(config, 0, place / "daemon.log").start("--once")
        daemon.process.wait(60)
        told = fates(out)
        portal = "dailies" if name == "cards" else None
        packages = [one for one in sandbox.packages() if one["portal"] == portal]
    finally:
        sandbox.end()

    sent = [entry for entry in told.values() if entry["verdict"] == "goes"]
    assert sorted(set(os.listdir(place / name)) - {".masv-watch"}) == before
    assert len(sent) == (4 if name == "out" else 1)
    assert {one["name"]: inside(one) for one in packages} == {
        entry["package"]["name"]: {(file["package_path"], file["name"]) for file in entry["files"]}
        for entry in sent
    }
    assert {one["description"] for one in packages} == {
        entry["package"]["message"] for entry in sent
    }
    assert {tuple(one["recipients"] or ()) for one in packages} == {
        tuple(entry["to"]["recipients"]) for entry in sent
    }


def inside(package):
    return {(file["path"], file["name"]) for file in package["files"]}
