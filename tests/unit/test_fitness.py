"""What each answer of the self-test means: the watch's own numbers, and what helps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.files.probing import Lease, Mount, Naming, Need, Renaming, Room
from masv_watch.fitness import fitness_of, probes_of, sight_of
from masv_watch.model import After, Rule, Settle, To
from masv_watch.selftest import Heard, Sounding
from masv_watch.watch.hints import Sight

LOCAL = Mount(
    filesystem="ext4", source="/dev/sda1", is_network=False, is_read_only=False, is_removable=False
)
NETWORK = replace(LOCAL, filesystem="cifs", source="//nas/hot", is_network=True)
GOOD = Sounding(
    path=b"/srv/out",
    mount=LOCAL,
    room=Room(free=10**12, total=2 * 10**12),
    need=Need(folders=60, is_cut=False, used=10, limit=8192),
    is_sticky=False,
    unwritable="",
    heard=Heard(is_heard=True),
    mtime_grain_ns=1,
    keeps_inode=True,
    keeps_ctime=True,
    renaming=Renaming(keeps_file=True, is_exclusive=True, has_hard_links=True),
    naming=Naming(folds_case=False, folds_accents=False, takes_bytes=True),
    lease=Lease(sees_writers=True, of_every_user=True),
    skew_s=0.0,
)
READ_ONLY = replace(
    GOOD, unwritable="Permission denied", heard=None, mtime_grain_ns=None, keeps_inode=None,
    keeps_ctime=None, renaming=None, naming=None, lease=None, skew_s=None,
)  # fmt: skip
RULE = Rule(name="out", path=b"/srv/out", to=To(recipients=()), at="m.yml:4")
MOVING = replace(RULE, after=After(delivered="move", move_to="{root}/_sent/{name}"))


def line(found, test, rule=None):
    (one,) = [each for each in probes_of(found, rule) if each.test == test]
    return one


def rest(probe):
    """Give state, result and use of a probe."""
    return probe.state, probe.result, probe.use


def test_good_local_folder_is_ok_in_every_line():
    """Nothing is noted where nothing is odd."""
    assert {each.state for each in probes_of(GOOD, RULE)} == {"ok"}
    assert "every 5m" in line(GOOD, "events").use
    assert line(GOOD, "quiet").result == "15s without a change, 3 samples"


def test_network_share_is_swept_with_the_longer_quiet_time():
    """Notifications are not relied on there, whatever was heard (pains 7, 8)."""
    share = replace(GOOD, mount=NETWORK, heard=Heard(is_heard=None, why="not announced there"))

    assert sight_of(share) is Sight.BLIND
    assert rest(line(share, "events")) == ("ok", "not announced there", "a sweep every 30s")
    assert line(share, "quiet").result == "1m without a change, 3 samples"
    assert line(share, "watches").use == "no notification is needed for them"


def test_quiet_time_of_the_rule_wins():
    """The rule's number is what the watch uses."""
    rule = replace(RULE, settle=Settle(quiet_s=2.0, samples=5))

    assert rest(line(GOOD, "quiet", rule))[1:] == (
        "2s without a change, 5 samples", "as the rule says",
    )  # fmt: skip


def test_writers_are_asked_about_as_the_rule_and_the_file_system_allow():
    """The line tells what the last test before a drop goes will do (pain 6)."""
    never = replace(RULE, settle=Settle(asks_for_writers=False))
    share = replace(GOOD, mount=NETWORK)
    leaseless = replace(GOOD, lease=Lease(sees_writers=False, why_not="no"))

    assert line(GOOD, "lease").use == "the kernel is asked for them before a drop goes"
    assert line(GOOD, "lease", never).use == "not asked: the rule says open_check: never"
    for found in (share, leaseless):
        assert line(found, "lease").use.startswith("only programs that the daemon can see count")
        assert line(found, "lease", never).use == "not asked: the rule says open_check: never"
    assert "other machines" in line(share, "lease").use
    assert "the quiet time alone" in line(leaseless, "lease").use


def test_change_that_is_not_announced_makes_sweeps_decide():
    """A mount that tells nothing is found out, not believed (pain 14)."""
    deaf = replace(GOOD, heard=Heard(is_heard=False, why="a change was not announced within 2 s"))

    assert rest(line(deaf, "events")) == (
        "note", "a change was not announced within 2 s", "a sweep every 15s",
    )  # fmt: skip


def test_share_that_keeps_neither_inode_nor_change_time_is_told_to_be_read_twice():
    """Drops go there all the same; on a local disk, and without a marker, nothing would."""
    share = replace(GOOD, mount=replace(GOOD.mount, is_network=True), keeps_ctime=False)

    assert line(share, "identity").state == "note"
    assert "read twice" in line(share, "identity").use
    for rule in (None, replace(RULE, removable=True)):
        told = line(share, "identity", rule)
        assert told.state == ("note" if rule is None else "bad")


def test_need_of_notifications_beyond_the_limit_names_the_exact_command():
    """The number that is needed and the line that sets it (pain 32)."""
    many = replace(GOOD, need=Need(folders=8000, is_cut=False, used=500, limit=8192))

    assert line(many, "watches").state == "note"
    assert line(many, "watches").result == "8,000 folders, 500 of 8192 watches of this user in use"
    assert line(many, "watches").use.endswith("run sysctl fs.inotify.max_user_watches=10200")


@pytest.mark.parametrize(
    ("changed", "test", "state", "words"),
    [
        ({"mtime_grain_ns": 2 * 10**9}, "mtime", "ok", "times are kept to 2 s"),
        ({"mtime_grain_ns": None}, "mtime", "note", "is not kept"),
        ({"keeps_inode": False}, "identity", "bad", "inode of an untouched file"),
        ({"keeps_ctime": False}, "identity", "bad", "change time of an untouched file"),
        ({"lease": Lease(sees_writers=False, why_not="no")}, "lease", "note", "not seen: no"),
        ({"skew_s": -75.0}, "clock", "note", "75 s behind this machine's"),
        ({"skew_s": 90.0}, "clock", "note", "90 s ahead of this machine's"),
        (
            {"naming": Naming(folds_case=True, folds_accents=True, takes_bytes=False)},
            "names", "note", "case and accents do not tell names apart, UTF-8 only",
        ),
        (
            {"renaming": Renaming(keeps_file=False, is_exclusive=False, has_hard_links=False)},
            "rename", "note", "makes another file",
        ),
        ({"stays": "/srv/out/x cannot be removed: no"}, "delete", "bad", "cannot be removed: no"),
        ({"failed": ("skew_s: Input/output error",)}, "skew_s", "note", "Input/output error"),
    ],
)  # fmt: skip
def test_oddity_is_told_with_what_follows(changed, test, state, words):
    """Each by its own line, and bad only where drops would not be delivered as the rule says."""
    told = line(replace(GOOD, **changed), test)

    assert told.state == state
    assert words in told.result


def test_learned_quiet_time_is_said_to_stand_in_the_status_of_the_hot_folder():
    """What was learned is not known here, and is not said to be nothing."""
    rule = replace(RULE, settle=Settle(is_learned=True))

    assert "known; masv-watch status NAME shows" in line(GOOD, "quiet", rule).use
    assert "drops known" not in line(GOOD, "quiet", rule).use


def test_grain_coarser_than_the_quiet_time_is_bad():
    """A rewrite of the same size within one tick looks like no change (pain 19)."""
    coarse = replace(GOOD, mtime_grain_ns=2 * 10**9)
    rule = replace(RULE, settle=Settle(quiet_s=1.0))

    assert line(coarse, "mtime", rule).state == "bad"
    assert "settle.quiet to more than 2 s" in line(coarse, "mtime", rule).use


def test_read_only_folder_is_said_to_be_one_and_is_bad_only_for_a_rule_that_removes():
    """The missing right is known before the first delivery (pain 40)."""
    assert "nothing can be made here: Permission denied" in line(READ_ONLY, "write").result
    assert line(READ_ONLY, "events").result == "could not be tried"
    assert line(READ_ONLY, "delete", RULE).state == "ok"
    assert rest(line(READ_ONLY, "delete", MOVING)) == (
        "bad", "no right to remove anything here",
        "the rule wants delivered sources moved, which fails",
    )  # fmt: skip


def test_sticky_folder_is_noted_for_a_rule_that_removes():
    """Own files can be removed there, those of whoever drops cannot."""
    sticky = replace(GOOD, is_sticky=True)

    assert line(sticky, "delete", MOVING).state == "note"
    assert line(sticky, "delete", RULE).state == "ok"


def test_folder_is_treated_as_its_probes_say():
    """What a program reads is what the lines say to people."""
    rule = replace(RULE, settle=Settle(quiet_s=2.0, samples=5, asks_for_writers=False))
    deaf = replace(GOOD, heard=Heard(is_heard=False, why="nothing was announced"))

    found, other = fitness_of(GOOD, rule), fitness_of(deaf, None)

    assert (found.hot_folder, found.path, found.is_bad) == ("out", b"/srv/out", False)
    assert (found.treatment.is_announced, found.treatment.sweep_s) == (True, 300.0)
    assert (found.treatment.quiet_s, found.treatment.samples) == (2.0, 5)
    assert found.treatment.asks_for_writers is False
    assert (other.hot_folder, other.treatment.is_announced, other.treatment.sweep_s) == (
        "", False, 15.0,
    )  # fmt: skip
    assert fitness_of(replace(GOOD, keeps_inode=False), None).is_bad
