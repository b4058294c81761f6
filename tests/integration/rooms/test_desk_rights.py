"""Who may share an upload or take it back: those whose bytes it holds, and the owners."""

from __future__ import annotations

import pytest

from masv_watch.errors import Denied, NotFound
from masv_watch.model import TOKEN_HOLDER, Caller
from tests.integration.rooms.sent import Room

ANN, BEN = 1001, 1002
OWNER = Caller(uid=0, is_owner=True)
BY_TOKEN = Caller(uid=None, is_owner=False)


def user(uid: int) -> Caller:
    """Give somebody who is trusted and owns nothing."""
    return Caller(uid=uid, is_owner=False)


def may(room: Room, upload_id: str, caller: Caller) -> bool:
    """Say whether the desk lets him share it."""
    try:
        room.desk.demand_his(upload_id, caller, to="share")
    except Denied:
        return False
    return True


def test_upload_is_shared_by_who_named_every_file_and_by_the_owners(room: Room):
    """What Ann may read Ben may not, so he gets no link to it either."""
    anns = room.call(room.source("a", b"1"), reader=ANN)
    daemons = room.call(room.source("b", b"2"))
    from_afar = room.call(room.source("c", b"3"), reader=TOKEN_HOLDER)

    asked = {
        name: [may(room, upload_id, each) for each in (OWNER, user(ANN), user(BEN), BY_TOKEN)]
        for name, upload_id in {"ann": anns, "daemon": daemons, "afar": from_afar}.items()
    }

    assert asked == {
        "ann": [True, True, False, False],
        "daemon": [True, False, False, False],
        "afar": [True, False, False, True],
    }


def test_upload_to_which_another_added_a_file_is_no_longer_ones_own(room: Room):
    """One foreign file is enough."""
    upload_id = room.call(room.source("a", b"1"), reader=ANN)
    room.store.add_files(upload_id, room.named(room.source("b", b"2")), (), reader=BEN)

    assert not may(room, upload_id, user(ANN))
    assert not may(room, upload_id, user(BEN))
    assert may(room, upload_id, OWNER)


def test_upload_of_a_hot_folder_is_shared_by_the_token_and_by_no_mere_user(room: Room):
    """The token stands for the whole house; a user only for what he named."""
    upload_id = room.drop("card", 10)

    assert may(room, upload_id, BY_TOKEN)
    assert not may(room, upload_id, user(ANN))


def test_upload_that_is_not_there_is_not_found_for_anybody(room: Room):
    """Whether it exists is said first, and alike to all."""
    for caller in (OWNER, user(ANN), BY_TOKEN):
        with pytest.raises(NotFound):
            room.desk.demand_his("none", caller, to="share")
