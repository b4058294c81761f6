"""Whether a drop goes, by all tests together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import Finding, HoldReason, Objection, Settle
from masv_watch.watch.decision import Step, decide
from masv_watch.watch.markers import Marker
from masv_watch.watch.settle import Seen, State, Verdict, judge

NONE = Objection(findings=(Finding(test="none", passed=True, detail="nothing against it"),))


def _objection(hold: HoldReason | None, *, is_early: bool = False) -> Objection:
    found = Finding(test=str(hold), passed=hold is None, detail=f"says {hold}")
    return Objection(hold=hold, note=f"says {hold}", is_early=is_early, findings=(found,))


def _verdict(*, quiet: bool) -> Verdict:
    seen = Seen(kind="file", signature="s", fence="f", files=1, size=1)
    wants, known = Settle(samples=2), None
    for now in (0.0, 5.0, 10.0) if quiet else (0.0,):
        verdict = judge(known, seen, now, wants, quiet_s=10)
        known = verdict.entry
    assert (verdict.state is State.QUIET) == quiet
    return verdict


QUIET, GROWING = _verdict(quiet=True), _verdict(quiet=False)
_OBJECTIONS = st.lists(
    st.builds(_objection, st.sampled_from([None, *HoldReason]), is_early=st.booleans()), max_size=5
)


@given(st.booleans(), _OBJECTIONS, st.none() | st.builds(_objection, st.just(None)))
def test_decide_goes_exactly_when_it_is_quiet_unopposed_and_no_writer_was_found(
    quiet: bool, objections: list[Objection], writers: Objection | None
) -> None:
    """Nothing goes against an objection, and nothing waits without a reason that is named."""
    verdict = QUIET if quiet else GROWING
    outcome = decide(verdict, objections, writers=writers)
    opposed = any(each.hold for each in objections)

    assert (outcome.step is Step.GO) == (quiet and not opposed and writers is not None)
    assert (outcome.step is Step.ASK) == (quiet and not opposed and writers is None)
    if outcome.step in (Step.GO, Step.ASK):
        assert outcome.hold is None
    else:
        assert outcome.hold is not None
        assert outcome.note
    shown = {found.test for found in outcome.findings}
    assert {each.findings[0].test for each in objections} <= shown


def test_decide_of_a_first_sample_without_its_marker_says_which_is_missing() -> None:
    """After a reload all is seen anew: "changed or first seen now" would be read as the reason."""
    seen = Seen(kind="file", signature="s", fence="f", files=1, size=1)
    marker = Marker(path=b"a.done", identity=None)
    outcome = decide(judge(None, seen, 0.0, Settle(), quiet_s=10, marker=marker))

    assert outcome.hold is HoldReason.MARKER_MISSING
    assert outcome.note.startswith("a.done is not there")


def test_decide_lets_the_first_objection_count_and_only_an_early_one_before_it_settled() -> None:
    """A limit is told of while the drop still arrives; what is missing only once it is quiet."""
    early = _objection(HoldReason.LIMIT_EXCEEDED, is_early=True)
    late = _objection(HoldReason.INCOMPLETE)

    assert decide(QUIET, (late, early)).hold is HoldReason.INCOMPLETE
    assert decide(GROWING, (late, early)).hold is HoldReason.LIMIT_EXCEEDED
    assert decide(GROWING, (late,)).hold is HoldReason.GROWING


def test_decide_with_a_writer_found_holds_until_he_is_asked_about_again() -> None:
    """A program that writes the file is a reason to wait, not an error (pain 6)."""
    busy = Objection(
        hold=HoldReason.OPEN_BY_WRITER,
        note="a.mov is open for writing",
        retry_at=99.0,
        findings=(Finding(test="writer", passed=False, detail="a.mov is open for writing"),),
    )
    outcome = decide(QUIET, (NONE,), writers=busy)

    assert (outcome.step, outcome.hold) == (Step.HOLD, HoldReason.OPEN_BY_WRITER)
    assert outcome.retry_at == 99.0
