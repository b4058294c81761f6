"""A real daemon whose archive lies on a share that goes away."""

from __future__ import annotations

import urllib.request

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually


@pytest.fixture
def field(tmp_path, mounts):
    mounts.tmpfs(tmp_path / "nas")
    made = Field(
        tmp_path, {"out": f'after: {{delivered: {{move: "{tmp_path}/nas/sent/{{name}}"}}}}'}
    )
    yield made
    made.close()


def metrics(field):
    """Give the numbers of the metrics page by their names with labels."""
    with urllib.request.urlopen(f"{field.daemon.api}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def test_archive_that_is_away_shows_everywhere_and_what_it_says_takes_the_next_one(field, mounts):
    """Status, readiness and metrics have it; the command of the sentence moves what is owed."""
    field.daemon.start().until_ready()
    (field.top / "out" / "first.mov").write_bytes(b"abc")
    eventually((field.top / "nas" / "sent" / "first.mov").exists)
    mounts.leave(field.top / "nas")
    (field.top / "out" / "second.mov").write_bytes(b"abcd")
    (concern,) = eventually(lambda: ask(field.daemon.api, "/readyz")[1]["concerns"])
    (line,) = field.status("look at", "delivered sources stay")
    owed = sum(each["open_tasks"] for each in field.uploads("out"))
    refused = {name: value for name, value in metrics(field).items() if "1701" in name}
    cure = concern.partition("say masv-watch ")[2].partition(" if ")[0]
    said = field.command(*cure.split())
    eventually((field.top / "nas" / "sent" / "second.mov").exists)

    assert f"the archive {field.top}/nas/sent would be on the file system of /" in concern
    assert cure in line
    assert owed == 1
    assert refused == {'masv_watch_task_failures_total{code="1701",kind="dispose"}': 1.0}
    assert cure == "adopt out --archive"
    assert said.returncode == 0, said.stderr
    assert eventually(lambda: ask(field.daemon.api, "/readyz")[1]["concerns"] == [])
