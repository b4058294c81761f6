"""A whole daemon whose cloud is out of reach: who looks is told, until something gets through."""

from __future__ import annotations

from pathlib import Path

from tests.integration.daemon.field import Field
from tests.processes import ask
from tests.waiting import eventually

#: runs the command in a world in which no failure is short
_AT_ONCE = """
import sys
from masv_watch.transfer import silence
silence.SILENCE_S = 0.0
from masv_watch.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_cloud_out_of_reach_is_looked_at_while_something_is_to_be_sent(tmp_path: Path):
    """It is ready all the same, and says nothing of it once the drop got through."""
    field = Field(tmp_path, {"out": ""})
    field.daemon.program = ("-c", _AT_ONCE)
    field.daemon.start().until_ready()
    try:
        field.sandbox.fault("status", "/v1", status=502, times=None)
        (tmp_path / "out" / "late.mov").write_bytes(b"a film")
        told = eventually(lambda: concerns(field))
        shown = field.status("look at: nothing gets through to the cloud", "502")
        is_ready = ask(field.daemon.api, "/readyz")[0]
        field.sandbox.heal()
        field.until_delivered("out", 1)
        after = concerns(field)
    finally:
        field.close()

    assert ["nothing gets through to the cloud" in each for each in told] == [True]
    assert len(shown) == 1
    assert (is_ready, after) == (200, [])


def concerns(field: Field) -> list[str]:
    """Give what a person should look at."""
    return list(ask(field.daemon.api, "/readyz")[1]["concerns"])
