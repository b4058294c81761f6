"""What an edit would change: every effect by its own, and none of an edit that says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cli.listings import read
from masv_watch.model import (
    After,
    DeliveredFile,
    Drop,
    DropMode,
    DropState,
    EffectKind,
    FolderChange,
    FolderPlan,
    HoldReason,
    Initial,
    Limits,
    LinkWish,
    Masv,
    Package,
    Rule,
    Schedule,
    Secret,
    Settings,
    Settle,
    Span,
    To,
)
from masv_watch.preview import Look, changes, folder_plan, pairs, turned
from masv_watch.watch.outlooks import Outlooks
from masv_watch.watch.rules import Matcher
from masv_watch.watch.scan import one, sweep
from tests.doubles import FakeClock

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
RULE = Rule(name="out", path=b"/srv/out", to=To(recipients=("a@x.example",)), at="m.yml:4")


def row(path, state, *, content=None, rule=RULE, **said):
    """Give a ledger row; `content` is the tree whose signature it holds."""
    known = {
        "id": 7, "hot_folder": rule.name, "path": path, "generation": 1, "state": state,
        "hold": None, "note": "", "whole": state is DropState.TAKEN, "upload_id": None,
        "signature": content.seen().signature if content else "", "size": 5, "file_count": 1,
        "seen_at": 0.0, "settled_at": 1.0,
    }  # fmt: skip
    return Drop(**{**known, **said})


def tree_of(rule, listing, top):
    return one(read(listing, b"/srv/out", by_nul=False), top, Matcher(rule))


class Ledger:
    """What the ledger says of one delivered tree, or of none."""

    def __init__(self, content=None):
        self.content = content

    def delivered_files(self, _hot_folder, _path):
        known = self.content.files if self.content else ()
        return {
            path: DeliveredFile(
                size=seen.size, mtime_ns=seen.mtime_ns, inode=0, hash="", chunk_size=1
            )
            for path, seen in known
        }

    def upload(self, _upload_id):
        return None

    def recorded_before(self, _hot_folder, _path):
        return None

    def delivered_before(self, _hot_folder, _path):
        return 1 if self.content else 0

    def late_drops(self, _hot_folder, _path):
        return 0

    def like_drops(self, _hot_folder, _path, **_alike):
        return []

    def delivered_within(self, _hot_folder, _path, _folders):
        return {}

    def same_inodes(self, _hot_folder, wanted, **_alike):
        return [[] for _ in wanted]

    def same_sizes(self, _hot_folder, _wanted, **_alike):
        return []

    def was_delivered(self, _hot_folder, _path):
        return bool(self.content)

    def changes_of(self, _drop_id):
        return 0

    def now(self):
        return 0.0

    def taken_since(self, _hot_folder, _since, *, but):
        return 0

    def delivered_sizes(self, _hot_folder, _most):
        return ()

    def delivered_to(self, _hot_folder, _domain):
        return True


def foreseen(rule, known, top, ledger, drop):
    return Outlooks(rule, clock=FakeClock(), store=ledger).outlook(
        known, one(known, top, Matcher(rule)), local=NOON, row=drop
    )


def looks(old, new, listing, rows=None, ledger=None):
    """Give each entry of a listing as both rules see it; `rows` are by path."""
    known = read(listing, b"/srv/out", by_nul=False)
    for tree in sweep(known, Matcher(RULE)):
        drop = (rows or {}).get(tree.top)
        found = [
            None if rule is None else foreseen(rule, known, tree.top, ledger or Ledger(), drop)
            for rule in (old, new)
        ]
        is_renamed = old and new and old.name != new.name
        yield Look(
            path=tree.top, before=found[0], after=found[1], row_before=drop,
            row_after=None if is_renamed else drop,
        )  # fmt: skip


def plan(new, listing, rows=None, *, old=RULE, is_first=False, ledger=None):
    return folder_plan((old, new), looks(old, new, listing, rows, ledger), is_first=is_first)


def effect(new, listing, rows=None, **said):
    (one_,) = plan(new, listing, rows, **said).effects
    return one_


def told(effect_):
    return {change.key: (change.before, change.after) for change in effect_.changes}


def test_drop_that_was_not_taken_goes_to_the_new_recipient():
    """The leak that a preview is for: the name of who would get it, both before and after."""
    found = effect(replace(RULE, to=To(recipients=("b@x.example",))), b"clip.mov\t5")

    assert (found.kind, found.path, found.files, found.size) == (
        EffectKind.ALTER, b"clip.mov", 1, 5,
    )  # fmt: skip
    assert told(found) == {"to": ("a@x.example", "b@x.example")}


@pytest.mark.parametrize(
    ("said", "key", "after"),
    [
        ({"package": Package(name="{name} v2")}, "name", "clip.mov v2"),
        ({"package": Package(name="{name}", message="hello")}, "message", "hello"),
        ({"priority": 9}, "priority", "9"),
        ({"recall_s": 600.0}, "recall", "10m"),
        ({"link": LinkWish(mail_to=("c@x.example",))}, "letters", "c@x.example"),
        ({"after": After(delivered="delete")}, "after", "delete"),
        ({"to": To(portal="dailies", sender="s@x.example")}, "to", "portal dailies"),
    ],
)
def test_every_value_that_an_upload_would_freeze_is_told(said, key, after):
    """Name, message, priority, letters, what happens after, and where it goes."""
    assert told(effect(replace(RULE, **said), b"clip.mov"))[key][1] == after


def test_what_is_on_its_way_keeps_all_but_its_priority_and_its_recall():
    """Behaviour 7: a taken drop froze its rule; these two are live."""
    content = tree_of(RULE, b"clip.mov\t5", b"clip.mov")
    rows = {b"clip.mov": row(b"clip.mov", DropState.TAKEN, content=content, upload_id="u")}
    kept = plan(replace(RULE, to=To(recipients=())), b"clip.mov\t5", rows)
    other = replace(RULE, to=To(recipients=()), priority=3, recall_s=90.0)
    found = effect(other, b"clip.mov\t5", rows)

    assert (kept.effects, kept.frozen) == ((), 1)
    assert told(found) == {"priority": ("0", "3"), "recall": ("0s", "90s")}
    assert (found.why, found.upload_id) == ("on its way", "u")


def test_entry_that_the_edit_leaves_out_stops():
    """With the pattern that would do it."""
    found = effect(replace(RULE, ignore=("*.mov",)), b"clip.mov")

    assert (found.kind, found.why) == (EffectKind.STOP, "matches `*.mov` of the rule")


def test_entry_that_the_edit_no_longer_leaves_out_is_sent():
    """The other way round, with what left it out until now."""
    old = replace(RULE, ignore=("*.mov",))
    found = effect(RULE, b"clip.mov", old=old)

    assert found.kind is EffectKind.SEND
    assert found.why == "until now left out: matches `*.mov` of the rule"


def test_late_files_that_an_edit_lets_in_go_alone():
    """An `ignore` that is taken back sends what it kept out, and nothing twice (behaviour 11)."""
    listing = b"CARD/a.mov\t5\nCARD/a.xmp\t1"
    old = replace(RULE, ignore=("*.xmp",))
    content = tree_of(old, listing, b"CARD")
    rows = {b"CARD": row(b"CARD", DropState.DONE, content=content)}
    found = effect(RULE, listing, rows, old=old, ledger=Ledger(content))
    none = plan(old, listing, rows, old=replace(old, chunk_size=1), ledger=Ledger(content))

    assert (found.kind, found.files, found.size) == (EffectKind.SEND, 1, 1)
    assert found.why == "only what was not delivered with the rest of it"
    assert none.effects == ()


def test_file_less_of_what_was_delivered_sends_nothing():
    """The other way round: all that still counts was delivered as it is."""
    listing = b"CARD/a.mov\t5\nCARD/a.xmp\t1"
    content = tree_of(RULE, listing, b"CARD")
    rows = {b"CARD": row(b"CARD", DropState.DONE, content=content)}
    found = plan(replace(RULE, ignore=("*.xmp",)), listing, rows, ledger=Ledger(content))

    assert found.effects == ()


def test_drop_on_its_way_whose_files_count_otherwise_settles_anew():
    """Intake sees a change of what was taken; that is said before."""
    listing = b"CARD/a.mov\t5\nCARD/a.xmp\t1"
    content = tree_of(RULE, listing, b"CARD")
    rows = {b"CARD": row(b"CARD", DropState.TAKEN, content=content, upload_id="u")}
    found = effect(replace(RULE, ignore=("*.xmp",)), listing, rows)

    assert (found.kind, found.upload_id) == (EffectKind.ALTER, "u")
    assert "other files of it count now" in found.why


def test_loose_file_is_held_and_a_folder_stops_by_another_drop_mode():
    """`drop:` decides what is a drop at all."""
    held = effect(replace(RULE, drop=DropMode.FOLDER), b"clip.mov")
    stopped = effect(replace(RULE, drop=DropMode.FILE), b"CARD/a.mov")

    assert held.kind is EffectKind.HOLD
    assert "is a loose file" in held.why
    assert (stopped.kind, "is a folder" in stopped.why) == (EffectKind.STOP, True)


@pytest.mark.parametrize(
    ("to", "whom"),
    [
        (To(recipients=("b@x.example", "c@x.example")), "b@x.example, c@x.example"),
        (To(recipients=()), "nobody"),
        (To(portal="dailies", sender="s@x.example"), "portal dailies"),
    ],
)
def test_effect_that_sends_or_holds_says_to_whom(to, whom):
    """The leak that a preview is for; what stops goes to nobody."""
    new = replace(RULE, to=to)
    sent = effect(new, b"clip.mov", old=replace(RULE, ignore=("*.mov",)))
    held = effect(replace(MARKED, to=to), b"clip.mov")
    stopped = effect(replace(new, ignore=("*.mov",)), b"clip.mov")

    assert (sent.kind, sent.to) == (EffectKind.SEND, whom)
    assert (held.kind, held.to) == (EffectKind.HOLD, whom)
    assert (stopped.kind, stopped.to) == (EffectKind.STOP, "")


MARKED = replace(RULE, settle=Settle(done_marker="{name}.done"))


def test_drop_that_waits_for_its_done_marker_is_sent_by_an_edit_that_asks_for_none():
    """A reload would send all that waits: that is what a preview is for."""
    rows = {b"clip.mov": row(b"clip.mov", DropState.HELD, hold=HoldReason.MARKER_MISSING)}
    found = effect(RULE, b"clip.mov\t5", rows, old=MARKED)

    assert (found.kind, found.path) == (EffectKind.SEND, b"clip.mov")
    assert found.why == "until now held: clip.mov.done is not there"


def test_drop_without_the_done_marker_that_an_edit_asks_for_is_held():
    """The other way round, and by another marker than the one that it waits for."""
    held = effect(MARKED, b"clip.mov\t5")
    stem = replace(RULE, settle=Settle(done_marker="{stem}.ok"))
    moved = effect(stem, b"clip.mov\t5", old=MARKED)

    assert (held.kind, held.why) == (EffectKind.HOLD, "clip.mov.done is not there")
    assert (moved.kind, moved.why) == (EffectKind.HOLD, "clip.ok is not there")


def test_drop_whose_done_marker_stands_is_kept_by_no_edit_about_markers():
    """It goes on both sides."""
    listing = b"clip.mov\t5\nclip.mov.done\t0"
    kinds = [
        each.kind for each in plan(RULE, listing, old=MARKED).effects if each.path == b"clip.mov"
    ]

    assert kinds == []


def test_drop_that_its_writer_keeps_is_sent_by_an_edit_that_asks_for_none():
    """Only its row knows of the writer: the kernel is not asked for a preview."""
    said = {"hold": HoldReason.OPEN_BY_WRITER, "note": "clip.mov is open for writing"}
    rows = {b"clip.mov": row(b"clip.mov", DropState.HELD, **said)}
    unasked = replace(RULE, settle=Settle(asks_for_writers=False))
    found = effect(unasked, b"clip.mov\t5", rows)

    assert (found.kind, found.why) == (
        EffectKind.SEND, "until now held: clip.mov is open for writing",
    )  # fmt: skip
    assert plan(replace(RULE, chunk_size=1), b"clip.mov\t5", rows).effects == ()


def test_removed_hot_folder_lets_go_what_waits_and_keeps_what_is_on_its_way():
    """Behaviour 7.4; what still arrives could never become whole and ends too."""
    content = tree_of(RULE, b"a.mov\t5", b"a.mov")
    rows = {
        b"a.mov": row(b"a.mov", DropState.TAKEN, content=content, upload_id="u"),
        b"b.mov": row(b"b.mov", DropState.SETTLING),
        b"c": row(b"c", DropState.TAKEN, whole=False, settled_at=None, upload_id="v"),
    }
    found = plan(None, b"a.mov\t5\nb.mov\t5\nc/x\t1", rows)

    assert (found.change, found.frozen) == (FolderChange.REMOVED, 1)
    assert {each.path: each.kind for each in found.effects} == {
        b"b.mov": EffectKind.STOP, b"c": EffectKind.STOP,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "before", "after", "told"),
    [
        (FolderChange.NEW, set(), {"out"}, FolderChange.NEW),
        (FolderChange.NEW, {"out"}, {"out"}, FolderChange.ENABLED),
        (FolderChange.REMOVED, {"out"}, set(), FolderChange.REMOVED),
        (FolderChange.REMOVED, {"out"}, {"out"}, FolderChange.DISABLED),
        (FolderChange.CHANGED, {"out"}, {"out"}, FolderChange.CHANGED),
    ],
)
def test_hot_folder_that_stays_in_the_file_is_enabled_or_disabled(change, before, after, told):
    """Who reads that it is removed looks for it in the file, where it still is."""
    plan = FolderPlan(
        name="out", change=change, was="", keys=(), effects=(), more=0, frozen=0, notes=()
    )

    assert turned(plan, before, after) is told


def test_folder_that_cannot_be_looked_at_is_told_by_its_rows():
    """A removed hot folder whose disk is away still lets go of its drops."""
    held = row(b"x", DropState.HELD, hold=HoldReason.PAUSED, note="the hot folder is paused")
    look = Look(path=b"x", before=None, after=None, row_before=held, row_after=held)
    found = folder_plan((RULE, None), [look], is_first=False)

    assert [(each.kind, each.files) for each in found.effects] == [(EffectKind.STOP, 1)]


def test_renamed_hot_folder_sends_anew_what_the_old_name_delivered():
    """The ledger is kept by name: a new one knows nothing, and that is said."""
    new = replace(RULE, name="outbox")
    rows = {b"a.mov": row(b"a.mov", DropState.DONE, content=tree_of(RULE, b"a.mov\t5", b"a.mov"))}
    found = plan(new, b"a.mov\t5", rows, is_first=True)

    assert (found.change, found.was) == (FolderChange.RENAMED, "out")
    assert [each.kind for each in found.effects] == [EffectKind.SEND_ANEW]
    assert "the ledger stays under out" in found.notes[0]
    assert found.notes[0].endswith("`was: out` keeps it")


def test_renamed_hot_folder_that_keeps_its_ledger_needs_no_note():
    """`was:` says whose it is."""
    found = plan(replace(RULE, name="outbox", was="out"), b"a.mov\t5", {}, is_first=False)

    assert (found.change, found.notes) == (FolderChange.RENAMED, ())


def test_renamed_hot_folder_holds_what_was_held_for_another_reason():
    """A hold of a person goes with the old name; the first start asks under the new one."""
    new = replace(RULE, name="outbox", initial=Initial.ASK)
    rows = {b"a.mov": row(b"a.mov", DropState.HELD, hold=HoldReason.PAUSED, note="paused")}
    (found,) = plan(new, b"a.mov\t5", rows, is_first=True).effects

    assert (found.kind, found.why) == (EffectKind.HOLD, "initial: ask")


def test_drop_that_is_on_its_way_under_the_new_name_is_not_said_to_stop():
    """A name that is taken up again finds its own rows."""
    old, new = replace(RULE, name="b"), RULE
    content = tree_of(RULE, b"a.mov\t5", b"a.mov")
    taken = row(b"a.mov", DropState.TAKEN, content=content, upload_id="u")
    (look,) = looks(old, new, b"a.mov\t5")
    found = folder_plan((old, new), [replace(look, row_after=taken)], is_first=False)

    assert (found.effects, found.frozen) == ((), 1)


@pytest.mark.parametrize("is_delivered", [True, False])
def test_only_what_is_not_delivered_yet_counts_as_on_the_way(is_delivered):
    """What owes a letter or its source's end is taken still, and has arrived."""
    content = tree_of(RULE, b"a.mov\t5", b"a.mov")
    taken = row(b"a.mov", DropState.TAKEN, content=content, upload_id="u")
    (look,) = looks(RULE, RULE, b"a.mov\t5")
    look = replace(look, row_before=taken, row_after=taken, is_delivered=is_delivered)
    new = replace(RULE, to=To(recipients=()))
    found = folder_plan((RULE, new), [look], is_first=False)

    assert (found.effects, found.frozen) == ((), 0 if is_delivered else 1)


def test_one_drop_that_is_there_already_is_told_as_one():
    """Numbers read as a sentence does."""
    found = plan(replace(RULE, initial=Initial.ASK), b"a.mov\t5", old=None, is_first=True)

    assert found.notes[0].startswith("1 drop that is there already is held until you release or")


@pytest.mark.parametrize(
    ("initial", "kind", "said"),
    [
        (Initial.AUTO, EffectKind.HOLD, "21 drops that are there already are held"),
        (Initial.ASK, EffectKind.HOLD, "masv-watch release --folder out"),
        (Initial.IGNORE, None, "are recorded as seen, not sent"),
        (Initial.SEND, EffectKind.SEND, ""),
    ],
)
def test_new_hot_folder_is_met_as_its_initial_says(initial, kind, said):
    """What lies there is held, recorded or sent by the numbers of the adoption."""
    listing = b"\n".join(b"%d.mov\t5" % number for number in range(21))
    found = plan(replace(RULE, initial=initial), listing, old=None, is_first=True)

    assert found.change is FolderChange.NEW
    assert {each.kind for each in found.effects} == ({kind} if kind else set())
    assert said in "".join(found.notes)


def test_few_files_of_a_new_hot_folder_are_sent():
    """Below the numbers of `initial: auto`, as at a real first start."""
    found = plan(RULE, b"a.mov\nb.mov", old=None, is_first=True)

    assert [each.kind for each in found.effects] == [EffectKind.SEND] * 2


def test_rules_are_paired_by_name_and_then_by_path():
    """A renamed hot folder is no removed and no new one."""
    moved, other = replace(RULE, path=b"/srv/b"), replace(RULE, name="b", path=b"/srv/x")
    renamed = replace(RULE, name="outbox")

    assert list(pairs([RULE], [moved])) == [(RULE, moved)]
    assert list(pairs([RULE], [renamed])) == [(RULE, renamed)]
    assert list(pairs([RULE], [other])) == [(None, other), (RULE, None)]


def test_keys_are_told_with_both_values_and_without_secrets():
    """As people write them; a secret is no value to compare."""
    old = Settings(masv=Masv(team="acme", api_key=Secret("a")), state="/s")
    new = Settings(masv=Masv(team="other", api_key=Secret("b")), state="/s")
    rule = replace(RULE, settle=Settle(quiet_s=30.0), ignore=("*.a", "*.b"), at="m.yml:9")

    assert [tuple(vars_(each)) for each in changes(old, new)] == [("masv.team", "acme", "other")]
    assert [tuple(vars_(each)) for each in changes(RULE, rule)] == [
        ("settle.quiet", "not set", "30 s"), ("ignore", "none", "*.a, *.b"),
    ]  # fmt: skip


def test_keys_are_told_as_the_file_has_them():
    """Whoever reads a plan looks for its words in the file."""
    windows = (Span(days=frozenset({0, 1}), start=60, end=61),)
    to = To(recipients=(), by_subfolder=((b"a", ("a@x.example",)), (b"b", ("b@x.example",))))
    limits = Limits(size=1000, is_own=True)
    rule = replace(
        RULE, was="old", limits=limits, schedule=Schedule(windows=windows),
        to=replace(RULE.to, by_subfolder=to.by_subfolder), chunk_size=8 * 1024**2,
        settle=Settle(asks_for_writers=False),
    )  # fmt: skip

    assert {each.key: (each.before, each.after) for each in changes(RULE, rule)} == {
        "to.by_subfolder": ("none", "a: a@x.example; b: b@x.example"),
        "settle.open_check": ("auto", "never"),
        "schedule.open": ("none", "mon-tue 01:00-01:01"),
        "limits.per_drop": ("15 TB", "1 kB"),
        "chunk_size": ("not set", "8 MiB"),
    }


def vars_(change):
    return change.key, change.before, change.after


NAMES = st.sampled_from(["a.mov", "b.tmp", "CARD/x.mov", "CARD/y.xmp", "CARD/z/", "E/", "l.xmp"])
LISTINGS = st.lists(NAMES, unique=True, min_size=1).map(
    lambda names: "\n".join(f"{name}\t5" for name in names).encode()
)
RULES = st.builds(
    lambda **said: replace(RULE, **said),
    drop=st.sampled_from(DropMode),
    ignore=st.sampled_from([(), ("*.xmp",), ("CARD/",)]),
    initial=st.sampled_from(Initial),
    priority=st.integers(0, 2),
)
STATES = st.sampled_from([None, *DropState])


@given(RULES, LISTINGS, STATES, st.booleans(), st.booleans())
def test_empty_edit_has_no_effect(rule, listing, state, whole, is_first):
    """Whatever lies there, whatever the ledger says of it, and wherever the rule now stands."""
    rows = {}
    for tree in sweep(read(listing, b"/srv/out", by_nul=False), Matcher(rule)):
        if state is not None:
            hold = HoldReason.INITIAL_ASK if state is DropState.HELD else None
            rows[tree.top] = row(tree.top, state, content=tree, whole=whole, hold=hold)
    same = replace(rule, at="elsewhere.yml:99")

    assert folder_plan((rule, same), looks(rule, same, listing, rows), is_first=is_first) is None
    # even looked at entry by entry: only the keys would be missing
    moved = replace(same, chunk_size=1)
    found = folder_plan((rule, moved), looks(rule, moved, listing, rows), is_first=False)
    assert found.effects == ()
