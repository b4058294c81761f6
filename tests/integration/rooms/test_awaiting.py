"""A copy that waits for the first: compared with it once, and again whatever moves."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from masv_watch.files import Root
from masv_watch.model import Dedupe, Redrop, UploadEvent
from masv_watch.watch.awaiting import USED_S, Awaiting
from masv_watch.watch.redrops import Kind
from masv_watch.watch.scan import one

from .test_intake_ongoing import two_of


class Looks:
    """Looks at a copy that waits, each through a root of its own."""

    def __init__(self, room):
        """Wait for the first, which the sender has."""
        self.room, self.rule, self.compared, self.now = room, room.rule, [], 0.0
        self.waits = two_of(room)
        (self.first,) = room.taken()
        self.awaiting = Awaiting(room.store, self._compare)

    def _compare(self, rule, root, tree, drop):
        found = self.room.intake.entries.assessor.histories.compare(rule, root, tree, drop)
        self.compared.append(found.kind)
        return found

    def look(self):
        """Ask what it is to all others."""
        self.awaiting.begin_look(self.now)
        top = os.fsencode(self.waits)
        with Root.open(os.fsencode(self.room.hot)) as root:
            tree = one(root, top, self.room.intake.matcher)
            return self.awaiting.compare(self.rule, root, tree, self.room.drop(self.waits))


@pytest.fixture
def looks(make_room):
    """Give a copy that was compared once and waits."""
    made = Looks(make_room(dedupe=Dedupe.SKIP))
    assert made.look().kind is Kind.ONGOING
    return made


def rewrite(looks, name):
    """Give a file another time."""
    os.utime(looks.room.hot / name, ns=(10**18, 10**18))


MOVES = {
    "the first is delivered": lambda looks: (
        looks.room.store.start_over(), looks.room.deliver(looks.first)
    ),
    "the first is paused": lambda looks: looks.room.store.advance_upload(
        looks.first.id, UploadEvent.PAUSE
    ),
    "the first is written anew": lambda looks: rewrite(looks, looks.first.name),
    "the first is gone": lambda looks: (looks.room.hot / looks.first.name).unlink(),
    "it is written anew": lambda looks: rewrite(looks, looks.waits),
    "its row moves": lambda looks: looks.room.store.note_awaited(
        looks.room.drop(looks.waits).id, "another note"
    ),
    "the rule is another": lambda looks: setattr(
        looks, "rule", replace(looks.rule, redrop=Redrop.SKIP)
    ),
    "time passes": lambda looks: setattr(looks, "now", USED_S),
}  # fmt: skip


def test_copy_that_waits_is_compared_once_while_nothing_moves(looks):
    """However often it is looked at: a thousand of them would keep a core busy."""
    before = looks.look()
    for _ in range(5):
        looks.now += 15.0
        assert looks.look() == before

    assert looks.compared == [Kind.ONGOING]


@pytest.mark.parametrize("moves", MOVES)
def test_copy_that_waits_is_compared_anew_once_anything_moves(looks, moves):
    """What the answer was made of is not as it was."""
    looks.look()
    assert len(looks.compared) == 1

    MOVES[moves](looks)
    looks.look()

    assert len(looks.compared) == 2


def test_copy_whose_first_moves_before_anybody_looks_again_waits_for_the_comparison(looks):
    """An answer that was out of date when it came is not used again."""
    compare = looks.awaiting._compare

    def moved_meanwhile(*asked):
        found = compare(*asked)
        MOVES["the first is paused"](looks)
        return found

    fresh = Awaiting(looks.room.store, moved_meanwhile)
    looks.awaiting = fresh
    assert looks.look().kind is Kind.ONGOING
    fresh._compare = compare

    assert looks.look().kind is Kind.FIRST
