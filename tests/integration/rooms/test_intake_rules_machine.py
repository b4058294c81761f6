"""The intake in any order, under rules that leave out, ask and are reloaded while it goes on."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from masv_watch.model import Age, Drop, DropMode, DropState, Redrop
from tests.integration.rooms.test_intake_machine import NAMES, IntakeMachine
from tests.searching import examples

#: seconds: what was written in 2001 is older, what is written now is not
MAX_AGE_S = 10.0**8
OLD_NS, NEW_NS = 10**18, 17 * 10**17
#: patterns of a loose file, and of a file inside the folder
PATTERNS = ((), ("b.mov",), ("y",))
CHOICES = {
    "left_out": st.sampled_from(PATTERNS),
    "redrop": st.sampled_from(list(Redrop)),
    "max_s": st.sampled_from([None, MAX_AGE_S]),
}


class RulesMachine(IntakeMachine):
    """The same people, and somebody who edits the rule."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch_ns = NEW_NS
        #: every choice that the rule made so far
        self.redrops: set[Redrop] = set()
        self.ages: set[float | None] = set()
        #: names of which anything was taken
        self.known: set[str] = set()

    @initialize(
        drop=st.sampled_from([DropMode.EACH, DropMode.FOLDER, DropMode.FILE]),
        marked=st.booleans(),
        **CHOICES,
    )
    def first(
        self,
        drop: DropMode,
        marked: bool,
        left_out: tuple[str, ...] = (),
        redrop: Redrop = Redrop.SEND,
        max_s: float | None = None,
    ) -> None:
        """Start over an empty hot folder, under one of the rules."""
        super().first(drop, marked)
        self.reload(left_out, redrop, max_s)

    @rule(**CHOICES)
    def reload(self, left_out: tuple[str, ...], redrop: Redrop, max_s: float | None) -> None:
        """Somebody edits the rule, and the daemon takes it over."""
        self.left_out = left_out
        self.redrops.add(redrop)
        self.ages.add(max_s)
        age = Age(max_s=max_s)
        self.room.rule = replace(self.room.rule, ignore=left_out, redrop=redrop, age=age)
        self.room.begin()

    @rule(name=st.sampled_from(NAMES), seconds=st.integers(6, 40))
    def arrive_old(self, name: str, seconds: int) -> None:
        """Somebody drops something from an archive, with the time that it had there."""
        self.epoch_ns = OLD_NS
        self.arrive(name, 3, seconds)
        self.epoch_ns = NEW_NS

    @rule(name=st.sampled_from(["a.mov", "b.mov"]))
    def arrive_again(self, name: str) -> None:
        """Somebody drops a file, and a longer one of its name once that was delivered."""
        for size in (1, 2):
            self.arrive(name, size, 30)
            self.deliver()

    def may_ask(self, name: str) -> bool:
        """Say whether a person may be asked: about new content of a known name, too."""
        return super().may_ask(name) or (Redrop.ASK in self.redrops and name in self.known)

    def is_excused(self, name: str) -> bool:
        """Say whether it was too old, or is new content of a known name that the rule skips."""
        drop = self.room.drop(name)
        if drop is None or drop.state is not DropState.IGNORED:
            return drop is None and MAX_AGE_S in self.ages and self.is_old(name)
        was_skipped = Redrop.SKIP in self.redrops and name in self.known
        return was_skipped or (MAX_AGE_S in self.ages and self.is_old(name))

    def is_old(self, name: str) -> bool:
        """Say whether nothing in it is new."""
        files = [self.room.hot / os.fsdecode(path) for path, _ in self.contents(name)]
        return all(path.stat().st_mtime_ns < NEW_NS for path in files)

    def counted(self, drop: Drop) -> tuple[bytes, str]:
        """Give what may be taken once: under other patterns a folder is another content."""
        return drop.path, f"{drop.signature} {self.left_out}"

    @invariant()
    def nothing_unsettled_goes_and_nothing_goes_twice(self) -> None:
        """Nor does a file of the patterns, what was too old when it was met first, or new content
        of a delivered name where the rule does not send it."""
        before = set(self.seen)
        super().nothing_unsettled_goes_and_nothing_goes_twice()
        for upload in self.room.taken():
            (drop,) = self.room.store.drops_of(upload.id)
            if (upload.id, drop.generation) not in self.seen - before:
                continue
            name = os.fsdecode(drop.path)
            names = {os.fsdecode(path).rpartition("/")[2] for path in self.loads[upload.id]}
            assert not names & set(self.left_out), drop
            is_met_first = name not in self.known and self.room.rule.age.max_s is not None
            assert not is_met_first or not self.is_old(name), drop
            stays = name != "CARD" and self.room.rule.redrop in (Redrop.SKIP, Redrop.ASK)
            assert not stays or drop.path not in self.delivered, drop
            self.known.add(name)


class LongRulesMachine(RulesMachine):
    """The same, for as long as `make test-faults` takes."""


for machine, number in ((RulesMachine, examples(12)), (LongRulesMachine, 800)):
    machine.TestCase.settings = settings(
        max_examples=number,
        stateful_step_count=40,
        deadline=None,
        # the short one goes as its profile says; the long one always looks for other ways
        derandomize=machine is RulesMachine and settings.default.derandomize,
        suppress_health_check=[HealthCheck.too_slow],
    )
TestIntakeUnderRulesInAnyOrder = pytest.mark.timeout(1800)(RulesMachine.TestCase)
TestIntakeUnderRulesInAnyOrderAtLength = pytest.mark.long(
    pytest.mark.timeout(3600)(LongRulesMachine.TestCase)
)
