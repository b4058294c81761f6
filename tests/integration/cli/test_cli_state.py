"""What is said of a copy of the state that is damaged."""

from __future__ import annotations

import pytest

STATE = 3


@pytest.mark.parametrize("name", ["copy.db", "masv-watch.db"])
def test_check_of_a_damaged_copy_does_not_ask_to_stop_a_healthy_daemon(carry_out, tmp_path, name):
    """Only the file that is the state itself, by its name, has the cure of the state."""
    (tmp_path / name).write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)

    status, _, err = carry_out("state", "check", str(tmp_path / name))

    assert status == STATE
    assert "is damaged" in err
    assert ("use another copy" in err) is (name == "copy.db")
    assert ("stop the daemon" in err) is (name != "copy.db")
