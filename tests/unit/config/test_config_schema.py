"""The keys: which are known, and how long a file of nonsense may take."""

from __future__ import annotations

from masv_watch.config import schema


def test_known_keys_are_those_of_the_interfaces() -> None:
    """A key exists from the commit in which it works; until then it is unknown."""
    keys = schema.known_keys()

    assert {"version", "masv.api_url", "mail.from", "mail.smtp.tls", "state"} <= keys
    assert "hot_folders[].settle.quiet" in keys
    assert not {"schedule", "hot_folders[].rules", "transfer.limit"} & keys


def test_value_of_an_unknown_key_is_private_unless_its_name_is_clear() -> None:
    """Nobody knows what stands under an unknown key, so it is not shown."""
    _, faults = schema.check({"version": 1, "zzz": "a", "statr": "b", "masv": {"apikey": "c"}})

    assert {fault.path[-1]: fault.is_private for fault in faults} == {
        "zzz": True,
        "statr": False,
        "apikey": True,
    }


def test_all_faults_are_found_at_once() -> None:
    """One wrong value never hides another (libraries 1.5)."""
    wrong = {
        "version": "1",
        "state": "rel",
        "transfer": {"connections": 0, "verify": 1},
        "hot_folders": [{"name": "a b"}, 7],
    }

    _, faults = schema.check(wrong)

    assert {fault.path for fault in faults} == {
        ("version",),
        ("state",),
        ("transfer", "connections"),
        ("transfer", "verify"),
        ("hot_folders", 0),
        ("hot_folders", 0, "name"),
        ("hot_folders", 1),
    }
