"""How connections are shared among uploads: by rule alone, with no worker near."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

from masv_watch.transfer.claims import Claim, FileInHand, Key, Step, guests, share
from masv_watch.transfer.grip import put_back
from tests.unit.test_uploads import MOVING


def claim(name: str, *, chunks_out: int = 0, to_send: int = 0, stopped: bool = False) -> Claim:
    """Give a claim with so many chunks out, and a large file with so many to send."""
    made = Claim(upload=replace(MOVING, id=name), renewed_at=0.0, chunks_out=chunks_out)
    if to_send:
        file = SimpleNamespace(to_send=list(range(to_send)), stopped=stopped)
        made.large[1] = cast(FileInHand, file)
    return made


def test_upload_alone_may_have_one_chunk_more_than_there_are_workers():
    """No worker waits for the sender."""
    one = claim("one", to_send=9)

    assert share(one, [one], workers=4, now=0.0) == 5


def test_upload_among_others_leaves_a_worker_to_each_of_them():
    """And always has one itself; what rests for now counts for nothing."""
    one, *others = claims = [claim(str(number)) for number in range(3)]
    crowd = [one, *(claim(str(number)) for number in range(9))]
    others[0].rest_until = 5.0

    assert share(one, claims, workers=8, now=0.0) == 7
    assert share(one, claims, workers=8, now=5.0) == 6
    assert share(one, crowd, workers=4, now=9.0) == 1


def test_guest_is_who_has_chunks_to_send_while_others_hold_every_connection():
    """It gets a connection of its own until one of theirs is free."""
    host, guest = claim("host", chunks_out=4, to_send=90), claim("guest", to_send=2)

    assert guests([host], connections=4) == 0
    assert guests([host, guest], connections=4) == 1
    guest.chunks_out = 1
    assert guests([host, guest], connections=4) == 1
    host.chunks_out = 3
    assert guests([host, guest], connections=4) == 0


def test_guest_is_nobody_who_has_no_chunk_to_send():
    """Small files have a lane of their own, and what was stopped or ends sends nothing."""
    host, ending = claim("host", chunks_out=4), claim("ending", to_send=2)
    ending.ending = True
    idle, stopped = claim("idle"), claim("stopped", to_send=2, stopped=True)

    assert guests([host, idle, stopped, ending], connections=4) == 0


def test_guests_are_counted_each():
    """Two small uploads behind a large one wait for neither it nor each other."""
    host = claim("host", chunks_out=4, to_send=90)

    assert guests([host, claim("a", to_send=1), claim("b", to_send=1)], connections=4) == 2


def test_guests_are_never_all():
    """Three uploads with two chunks out each, of which some wait: one of them is the host."""
    claims = [claim(str(number), chunks_out=2, to_send=5) for number in range(3)]

    assert guests(claims, connections=4) == 2
    assert guests([claim("alone", chunks_out=5, to_send=5)], connections=4) == 0


def test_renewal_of_a_token_that_nobody_began_is_not_waited_for():
    """It was taken back: the next refusal asks for another one."""
    made = claim("refused")
    made.renewing = True

    put_back(Key(claim=made, step=Step.RENEW_TOKEN))

    assert not made.renewing
