"""What a running daemon holds while nothing is to do: no library that only work needs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

#: parts of the paths of what is mapped into a process that reads YAML, checks it, seals or sends
FOR_WORK = ("/yaml/", "/pydantic_core/", "/cryptography/", "/pycurl/", "/charset_normalizer/")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory):
    made = Field(tmp_path_factory.mktemp("field"), {"out": ""})
    made.daemon.start().until_ready()
    yield made
    made.close()


def held(field: Field) -> list[str]:
    """Give what a running daemon has mapped of what is for work."""
    assert field.daemon.process is not None
    mapped = Path(f"/proc/{field.daemon.process.pid}/maps").read_text()
    assert "/libsqlite3" in mapped or "_sqlite3" in mapped
    return [word for word in FOR_WORK if word in mapped]


def reload(field: Field, said: str) -> None:
    before = field.daemon.text().count(said)
    field.daemon.signal(signal.SIGHUP)
    eventually(lambda: field.daemon.text().count(said) > before, 15.0)


def test_daemon_that_rests_holds_nothing_for_work_after_start_and_reload(field):
    """Its configuration is read by a process that ends; a person who looks brings nothing in."""
    assert ask(field.daemon.api, "/api/v1/uploads")[0] == 200
    assert ask(field.daemon.api, "/api/v1/hot_folders/out/scan", "POST")[0] == 200
    assert not held(field)

    reload(field, "the configuration was taken over")

    assert not held(field)


def test_reload_that_is_refused_brings_nothing_in_and_says_every_reason(field):
    """The words of the process that reads are those that the log and /readyz show."""
    text = field.config.read_text()
    field.config.write_text(text.replace("version: 1", "version: 1\nnonsense: 1"))
    reload(field, "unknown key")
    field.config.write_text(text)

    assert "nonsense" in ask(field.daemon.api, "/readyz")[1]["concerns"][0]
    assert not held(field)


def test_call_with_a_body_brings_in_what_reads_it(field):
    """A list of words that no daemon ever maps would make the tests above worth nothing."""
    assert ask(field.daemon.api, "/api/v1/uploads", "POST", {"paths": []})[0] == 422

    assert held(field) == ["/pydantic_core/"]
