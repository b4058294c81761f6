"""`masv-watch explain` against a running daemon: each fate of a path, in words that help."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.parse

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

FOLDERS = {
    "out": "ignore: ['*.xmp']",
    "slow": "",
    "cards": "drop: folder",
    "marked": "",
}


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory):
    made = Field(tmp_path_factory.mktemp("field"), FOLDERS)
    text = made.config.read_text()
    text = text.replace(
        f"path: {made.top / 'slow'}, settle: {{quiet: 1s}}",
        f"path: {made.top / 'slow'}, settle: {{quiet: 10m}}",
    ).replace(
        f"path: {made.top / 'marked'}, settle: {{quiet: 1s}}",
        f"path: {made.top / 'marked'}, settle: {{quiet: 1s, done_marker: '{{name}}.done'}}",
    )
    made.config.write_text(text)
    made.daemon.start().until_ready()
    yield made
    made.close()


def explained(field: Field, path: os.PathLike[str] | str | bytes) -> dict:
    """Ask by the command, as JSON."""
    done = field.command("explain", os.fsdecode(path), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_explain_of_a_settling_file_names_the_clock_and_the_rule(field):
    """The most asked question: why is it not sent yet (pains 11, 22)."""
    path = field.top / "slow" / "a.mov"
    path.write_bytes(b"abc")
    said = eventually(lambda: (e := explained(field, path))["drop"] and e)
    lines = field.command("explain", str(path)).stdout.splitlines()

    assert said["verdict"] == "settling"
    assert 0 < said["retry_in_s"] <= 600
    (quiet,) = [each for each in said["findings"] if each["test"] == "quiet"]
    assert not quiet["passed"]
    assert "of 600 s unchanged" in quiet["detail"]
    assert lines[0] == f"{path} settles"
    assert any("hot folder slow, to nobody" in line for line in lines)
    assert any(line.startswith("  NO   quiet") and "left" in line for line in lines)
    assert any("drop " in line and "generation 1, settling" in line for line in lines)


def test_explain_of_a_delivered_file_names_its_row(field):
    """What is there and was delivered is known, not forgotten."""
    path = field.top / "out" / "a.mov"
    path.write_bytes(b"abc")
    field.until_delivered("out", 1)
    said = eventually(lambda: (e := explained(field, path))["verdict"] == "known" and e)

    assert "has this content already" in said["why"]
    assert said["drop"]["state"] in ("taken", "done")
    assert (said["drop"]["files"], said["drop"]["files_up"]) == (1, 1)
    assert f"masv-watch resend {said['drop']['id']}" in said["cure"]


def test_explain_of_what_a_pattern_leaves_out_names_the_line_of_the_rule(field):
    """The pattern, and where it stands (pain 22)."""
    path = field.top / "out" / "a.xmp"
    path.write_bytes(b"abc")
    said = explained(field, path)

    assert said["verdict"] == "left_out"
    (ignore,) = [each for each in said["findings"] if each["test"] == "ignore"]
    assert "`*.xmp`" in ignore["detail"]
    assert ignore["rule_at"].endswith("masv-watch.yml:8")


@pytest.mark.parametrize(
    ("folder", "name", "verdict", "word"),
    [
        ("cards", "loose.mov", "held", "drop: each"),
        ("marked", "b.mov", "held", "b.mov.done"),
        ("out", "x.part", "left_out", ""),
    ],
)
def test_explain_of_what_waits_says_what_helps(field, folder, name, verdict, word):
    """Every hold comes with its cure (pain 16)."""
    path = field.top / folder / name
    path.write_bytes(b"abc")
    said = eventually(
        lambda: (e := explained(field, path))["verdict"] in (verdict, "settling") and e
    )

    assert said["verdict"] == verdict or said["drop"]["reason"] == "marker_missing"
    assert word in said["cure"]


def test_explain_of_what_waits_for_its_done_marker_gives_the_command_that_writes_it(field):
    """The answer names the marker and never itself; what its row says can be pasted, too."""
    path = field.top / "marked" / "it's c.mov"
    path.write_bytes(b"abc")
    said = eventually(
        lambda: (
            (e := explained(field, path))["drop"]
            and e["drop"]["reason"] == "marker_missing"
            and e["verdict"] == "held"
            and e
        )
    )

    quoted = shlex.quote(str(path))
    assert said["cure"] == f"once all of it is there: touch {shlex.quote(f'{path}.done')}"
    assert f"masv-watch explain {quoted} gives the command" in said["drop"]["cure"]
    assert "PATH" not in str(said)
    subprocess.run(said["cure"].partition(": ")[2], shell=True, check=True)
    field.until_delivered("marked", 1)


def test_explain_of_a_name_that_is_not_utf_8_is_answered(field):
    """Names are bytes; the answer shows them escaped."""
    path = os.fsencode(field.top / "slow") + b"/\xff\n.mov"
    with open(path, "wb") as file:
        file.write(b"abc")

    said = explained(field, path)
    assert said["verdict"] == "settling"
    assert "\n" not in said["path"]


def test_explain_of_what_is_not_watched_or_not_there_says_so(field):
    """Neither is an error of the daemon."""
    other = explained(field, field.top / "elsewhere.mov")
    gone = field.command("explain", str(field.top / "out" / "no-such.mov"))

    assert other["verdict"] == "not_watched"
    assert gone.returncode == 1
    assert "is not there" in gone.stderr


def test_explain_of_a_query_that_is_none_names_the_parameter(field):
    """A relative path, a second parameter, no parameter: one clear error each."""
    for query in (
        "path=a.mov",
        "",
        "path=/a&x=1",
        "path=/a&path=/b",
        f"path={urllib.parse.quote('/a')}%00",
    ):
        status, body = ask(field.daemon.api, f"/api/v1/explain?{query}")
        assert status == 422, (query, body)
        assert body["field"] in ("path", "x")


def test_explain_of_a_path_that_leads_into_a_hot_folder_by_a_link_answers_for_what_is_there(field):
    """Nobody sees from a path that it is another one: it says so, and what holds there."""
    (field.top / "out" / "there.xmp").write_bytes(b"abc")
    (field.top / "way").symlink_to(field.top / "out")
    said = explained(field, field.top / "way" / "there.xmp")

    assert said["verdict"] == "left_out"
    assert f"leads to {field.top / 'out' / 'there.xmp'}; " in said["why"]
    assert said["hot_folder"] == "out"
