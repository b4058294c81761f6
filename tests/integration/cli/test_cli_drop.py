"""The command that copies into a hot folder, with real files and a real daemon."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.cli.town import delivered
from tests.processes import PROJECT, ask
from tests.waiting import eventually

OK, FAILED, USAGE = range(3)

CONFIG = """\
version: 1
masv: {{team: acme, api_key: !env NOT_SET_HERE}}
server: {{listen: "unix://{top}/nobody.sock"}}
hot_folders:
  - {{name: out, path: {top}/out, to: {{recipients: []}}, ignore: ["*.xmp"]}}
  - {{name: cards, path: {top}/cards, drop: folder, to: {{recipients: []}}}}
  - {{name: off, path: {top}/off, enabled: false, to: {{recipients: []}}}}
"""
#: what is said of a file whose done marker lies in it
INSIDE = "would have to lie in it, and it is a file - drop it in a folder"
#: what is said of a drop that nobody is named for
OUTSIDE = "lies outside of the folders that to.by_subfolder names"
MARKED = "settle: {done_marker: '{name}.ok'}"
#: a further key of the same rule
DEEP = ", drop: file, depth: any"
BY = "to: {by_subfolder: {below: [a@example.com]}, others: hold}"
#: what is told where neither a daemon nor a marker says that the folder is the one that it was
UNASKED = (
    "masv-watch: warning: no daemon could be asked whether {top}/out is the folder that it was, and"
    " it carries no marker of out: a bare mount point looks the same\n"
)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Give a place with a configuration, two hot folders and a source."""
    (tmp_path / "masv-watch.yml").write_text(CONFIG.format(top=tmp_path))
    for name in ("out", "cards", "off", "out/below"):
        (tmp_path / name).mkdir()
    (tmp_path / "clip.mov").write_bytes(b"clip")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def state_of(town):
    """Give the word that the daemon has for the hot folder `out`."""
    return next(
        each["state"]
        for each in ask(town.daemon.api, "/api/v1/hot_folders")[1]
        if each["name"] == "out"
    )


def test_file_is_dropped_by_the_hot_folder_s_name_without_any_daemon(carry_out, folders):
    """No secret is needed either: the variable of the key is not set here."""
    status, out, err = carry_out("drop", "clip.mov", "--to", "out")

    assert (status, err) == (OK, UNASKED.format(top=folders))
    assert out == f"{folders}/out/clip.mov is dropped (1 file, 4 B)\n"
    assert (folders / "out" / "clip.mov").read_bytes() == b"clip"


def test_file_is_dropped_by_a_path_without_any_configuration(carry_out, folders):
    """A path is enough; another name is given with --as."""
    (folders / "masv-watch.yml").unlink()
    status, out, _ = carry_out("drop", "clip.mov", "--to", "./out", "--as", "new.mov", "--json")

    assert status == OK
    assert json.loads(out) == {
        "dropped": [
            {
                "source": f"{folders}/clip.mov", "path": f"{folders}/out/new.mov", "files": 1,
                "size": 4, "left_out": [],
            }
        ]
    }  # fmt: skip


def test_name_that_is_there_is_refused_and_stays_as_it_is(carry_out, folders):
    """1, and a sentence that says what to do; of several nothing is copied."""
    (folders / "out" / "clip.mov").write_bytes(b"earlier")
    (folders / "b.mov").write_bytes(b"b")
    status, out, err = carry_out("drop", "b.mov", "clip.mov", "--to", "out")

    assert (status, out) == (FAILED, "")
    assert err == (
        f"masv-watch: clip.mov is already in {folders}/out - give another name with --as, or take"
        " that one away first\n"
    )
    assert sorted(os.listdir(folders / "out")) == ["below", "clip.mov"]
    assert (folders / "out" / "clip.mov").read_bytes() == b"earlier"


def test_drop_into_a_folder_with_done_markers_says_which_one_it_waits_for(carry_out, folders):
    """A copy that is whole goes no sooner for it: the rule asks for a marker."""
    config = folders / "masv-watch.yml"
    config.write_text(config.read_text().replace(
        'ignore: ["*.xmp"]', 'settle: {done_marker: "{stem}.done"}'
    ))  # fmt: skip
    status, _, err = carry_out("drop", "clip.mov", "--to", "out")

    waits = f"masv-watch: it goes once {folders}/out/clip.done is there\n"
    assert (status, err) == (OK, waits + UNASKED.format(top=folders))


@pytest.mark.parametrize(
    ("more", "by", "to", "said"),
    [
        (
            "sidecar: {name: '{name}.yml'}",
            "",
            "out",
            "it goes once {top}/out/clip.mov.yml is there",
        ),
        ("sidecar: {name: '{name}.yml', required: false}", "", "out", ""),
        ("settle: {done_marker: '{name}/DONE'}", "", "out", f"it is held: clip.mov/DONE {INSIDE}"),
        (MARKED, BY, "out", f"it is held: clip.mov {OUTSIDE}, and nobody else is named"),
        (MARKED, BY, "./out/below", "it goes once {top}/out/below/clip.mov.ok is there"),
        (MARKED, "", "./out/below", ""),
        (f"{MARKED}{DEEP}", "", "./out/below", "it goes once {top}/out/below/clip.mov.ok is there"),
    ],
)
def test_drop_says_what_it_waits_for_and_promises_nothing_else(
    carry_out, folders, more, by, to, said
):
    """Whoever reads that it goes looks no further; what is held for ever is told as held."""
    text = CONFIG.format(top=folders).replace('ignore: ["*.xmp"]', more)
    if by:
        text = text.replace("to: {recipients: []}", by, 1)
    (folders / "masv-watch.yml").write_text(text)
    (folders / "out" / ".masv-watch").write_text(json.dumps({"state": "s", "hot_folder": "out"}))
    status, _, err = carry_out("drop", "clip.mov", "--to", to)

    assert (status, err) == (OK, f"masv-watch: {said.format(top=folders)}\n" if said else "")


def test_folder_dropped_where_files_at_any_depth_go_is_taken_and_waits_for_nothing(
    carry_out, folders
):
    """Each of its files is a drop; the folder itself needs no marker."""
    text = CONFIG.format(top=folders).replace('ignore: ["*.xmp"]', MARKED + DEEP)
    (folders / "masv-watch.yml").write_text(text)
    (folders / "out" / ".masv-watch").write_text(json.dumps({"state": "s", "hot_folder": "out"}))
    (folders / "day1").mkdir()
    (folders / "day1" / "a.mov").write_bytes(b"a")
    status, _, err = carry_out("drop", "day1", "--to", "out")

    assert (status, err) == (OK, "")
    assert (folders / "out" / "day1" / "a.mov").read_bytes() == b"a"


@pytest.mark.parametrize(("named", "is_known"), [("out", True), ("cards", False)])
def test_drop_without_a_daemon_goes_by_the_marker_alone(carry_out, folders, named, is_known):
    """The marker of this hot folder says enough; that of another one is none of it."""
    (folders / "out" / ".masv-watch").write_text(json.dumps({"state": "s", "hot_folder": named}))
    status, _, err = carry_out("drop", "clip.mov", "--to", "out")

    assert (status, err) == (OK, "" if is_known else UNASKED.format(top=folders))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--to", "out", "--as", "a.tmp"],
            "matches `*.tmp` of the built-in list - give another name with --as, or drop it in",
        ),
        (["--to", "out", "--as", "a.xmp"], "matches `*.xmp` of the rule"),
        (["--to", "out/below", "--as", "a.xmp"], "matches `*.xmp` of the rule"),
        (["--to", "cards"], "folders are sent (drop: folder) - drop it in a folder"),
        (["--to", "off"], "is disabled - set `enabled: true` for it, then masv-watch reload"),
    ],
)
def test_drop_that_its_rule_would_never_send_is_refused(carry_out, folders, words, said):
    """The rule is asked before a byte is copied, by the test that the intake asks."""
    status, out, err = carry_out("drop", "clip.mov", *words)

    assert (status, out) == (FAILED, "")
    assert said in err
    assert os.listdir(folders / "cards") == []
    assert os.listdir(folders / "out") == ["below"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clip.mov", "--to", "ut"], "there is no hot folder 'ut' - known: out, cards, off"),
        (["clip.mov", "--to", "out", "--as", "a/b"], "takes one name without a slash"),
        (["clip.mov", "clip.mov", "--to", "out", "--as", "a"], "--as names one drop"),
        (["clip.mov", "clip.mov", "--to", "out"], "'clip.mov' is given twice"),
        ([".", "--to", "out"], "a folder cannot hold its own copy"),
    ],
)
def test_command_that_means_nothing_is_wrong_usage(carry_out, folders, words, said):
    """2, and nothing is copied."""
    status, out, err = carry_out("drop", *words)

    assert (status, out) == (USAGE, "")
    assert said in err
    assert os.listdir(folders / "out") == ["below"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_copy_that_is_interrupted_leaves_nothing(folders, number):
    """1; neither the final name nor the copy stays (pain 59)."""
    with (folders / "large.mov").open("wb") as large:
        large.truncate(2 << 30)
    with subprocess.Popen(
        [sys.executable, "-m", "masv_watch", "drop", "large.mov", "--to", "out"],
        cwd=folders, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ) as process:  # fmt: skip
        eventually(lambda: len(os.listdir(folders / "out")) == 2, within=20, every=0.001)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (FAILED, "")
    assert f"ended by {number.name} - nothing of large.mov stays" in err
    assert os.listdir(folders / "out") == ["below"]


def test_progress_is_shown_on_a_terminal(folders):
    """A person sees how far it is, and the line goes away."""
    with (folders / "large.mov").open("wb") as large:
        large.truncate(128 << 20)
    config = str(folders / "masv-watch.yml")
    with Terminal("drop", str(folders / "large.mov"), "--to", "out", "-c", config) as terminal:
        terminal.until("of 134.2 MB", within=60)
        assert terminal.end(within=60) == OK

    assert "large.mov is dropped (1 file, 134.2 MB)" in terminal.text


def test_dropped_folder_is_delivered_by_the_daemon_as_one_whole_package(say, town):
    """What the daemon sweeps meanwhile is ignored; it sends the folder once, with all files."""
    card = town.top / "A001"
    (card / "sub").mkdir(parents=True)
    for number in range(40):
        (card / "sub" / f"{number:02}.mov").write_bytes(os.urandom(200_000))
    status, out, _ = say("drop", str(card), "--to", "out")

    assert status == OK
    assert "40 files" in out

    def delivered():
        found = [each for each in town.daemon.uploads() if each["package_name"] == "A001"]
        return found and found[0]["state"] == "complete"

    eventually(delivered, within=30, every=0.1)
    (package,) = [each for each in town.sandbox.packages() if each["name"].startswith("A001")]
    assert len(package["files"]) == 40
    assert {file["path"] for file in package["files"]} == {"A001/sub"}


def test_drop_into_the_bare_place_of_a_root_that_is_away_is_refused_by_the_daemon(say, town):
    """Where a mount is gone another folder stands: what is dropped there is never sent (fault 8).

    First the daemon may not have looked yet and its marker tells, then it holds the root as away.
    """
    source = town.top / "late.mov"
    source.write_bytes(b"late")
    out, away = town.top / "out", town.top / "away"
    delivered(town, "first.mov")
    eventually((out / ".masv-watch").exists, every=0.1)
    out.rename(away)
    out.mkdir()
    (out / ".masv-watch").write_text(json.dumps({"state": "another", "hot_folder": "old"}))
    try:
        first = say("drop", str(source), "--to", "out")
        say("scan", "out")
        eventually(lambda: state_of(town) == "waiting", every=0.1)
        later = say("drop", str(source), "--to", "out")
        assert os.listdir(out) == [".masv-watch"]
    finally:
        shutil.rmtree(out)
        away.rename(out)
    eventually(lambda: state_of(town) == "watching", every=0.1)
    back = say("drop", str(source), "--to", "out")

    for status, told, err in (first, later):
        assert (status, told) == (FAILED, "")
        assert "nothing is dropped: " in err
        assert "masv-watch adopt out" in err
    assert back[0] == OK
