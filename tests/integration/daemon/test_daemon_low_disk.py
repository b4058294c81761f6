"""A real daemon whose state lies on a small disk that fills up and gets room again."""

from __future__ import annotations

import pytest

from tests.integration.daemon.field import Field
from tests.mounted import Mounts
from tests.processes import ask
from tests.waiting import eventually

UPLOADS = "/api/v1/uploads"


@pytest.fixture
def field(tmp_path):
    mounts = Mounts()
    made = None
    try:
        mounts.tmpfs(tmp_path / "state", "size=64m", "mode=0700")
        made = Field(tmp_path, {"out": ""})
        yield made
    finally:
        if made is not None:
            made.close()
        mounts.end()


@pytest.mark.fault(38)
def test_daemon_with_a_low_disk_takes_in_refuses_and_goes_on_by_itself(field):
    """It says why and what helps, reads on, and sends what was dropped meanwhile (pain 58)."""
    filler = field.state / "filler"
    field.daemon.start().until_ready()
    filler.write_bytes(b"\0" * (52 << 20))
    eventually(lambda: "has" in str(ask(field.daemon.api, "/readyz")[1]["concerns"]))
    (field.top / "out" / "a.mov").write_bytes(b"abc")

    (waiting,) = eventually(
        lambda: [each["waiting"] for each in field.uploads("out") if each["waiting"]]
    )
    wish = {"subdomain": "acme", "paths": [str(field.top / "out" / "a.mov")]}
    refused, body = ask(field.daemon.api, UPLOADS, "POST", wish)
    (concern,) = ask(field.daemon.api, "/readyz")[1]["concerns"]
    upload_id = field.uploads("out")[0]["upload_id"]
    steered = [
        ask(field.daemon.api, f"{UPLOADS}/{upload_id}/{verb}", "POST", {})[0]
        for verb in ("pause", "resume")
    ]
    sent = field.sandbox.packages()
    filler.unlink()
    field.until_delivered("out", 1)

    assert waiting["reason"] == "state_disk_low"
    assert "free space on the disk of the state" in waiting["cure"]
    assert (refused, body["code"]) == (507, 1302)
    assert "MiB free" in body["message"]
    assert str(field.state) in body["hint"]
    assert "nothing new begins" in concern
    assert steered == [200, 200]
    assert sent == []
    assert len(field.lines("the disk of the state is low")) == 1
    assert len(field.lines("the disk of the state has room again")) == 1
