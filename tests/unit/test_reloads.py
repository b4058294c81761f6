"""What of a new configuration a reload leaves for a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import History, Listen, Masv, Proxy, Server, Settings
from masv_watch.reloads import waits_for_restart, with_cloud_of

START = Settings(masv=Masv(team="acme"), state="/srv/state")


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({"state": "/srv/other"}, ["state"]),
        ({"server": Server(listen=(Listen(port=8090),))}, ["server.listen"]),
        ({"masv": Masv(team="acme", api_url="https://other.example")}, ["masv.api_url"]),
        ({"masv": Masv(team="acme", proxy=Proxy(url="http://p:1"))}, ["masv.proxy"]),
        ({"masv": Masv(team="acme", link_url="https://l.example/{id}?secret={secret}")}, []),
        ({"server": Server(trusted_users=("anna",)), "history": History()}, []),
        ({"state": "/x", "masv": Masv(api_url="https://other.example")}, ["state", "masv.api_url"]),
    ],
)
def test_changed_key_waits_for_a_restart_only_where_it_is_read_at_the_start_alone(changed, waits):
    """All else counts with the reload, and the answer names what does not."""
    assert waits_for_restart(START, replace(START, **changed)) == waits


def test_settings_of_another_cloud_are_kept_from_it():
    """The key of one cloud must not be shown to another one."""
    other = replace(START, masv=Masv(team="beta", api_url="https://other.example"))
    same = replace(START, masv=Masv(team="beta"))

    assert with_cloud_of(START, START, other).masv == START.masv
    assert with_cloud_of(START, START, same).masv == same.masv
