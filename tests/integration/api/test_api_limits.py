"""The limit of all uploads, as MASV's agent asks for it: what counts, what is kept, what is odd."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masv_watch.model import Rule, Timetable, TimetableLine, To
from tests.integration.api.calling import Short, said
from tests.integration.api.conftest import Caller

WHERE = "/api/v1/settings/upload_rate_limit"
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS = {"enabled": True, "start": "00:00", "end": "24:00"}
NEVER = {**ALWAYS, "enabled": False}


def table(limit: int | None, **rest) -> Timetable:
    """Give a timetable of one line, in bytes a second."""
    return Timetable(lines=(TimetableLine(limit=limit, **rest),))


@pytest.fixture
def desk(caller):
    """Give an API whose configuration limits nothing."""
    caller.short = Short(caller.app)
    yield caller
    caller.short.close()


def configure(desk, bandwidth: Timetable, *rules: Rule) -> None:
    """Take over another configuration, as a reload does."""
    desk.settings = replace(desk.settings, bandwidth=bandwidth, hot_folders=rules)
    desk.limits.adopt()


def test_limit_without_any_says_so(desk):
    """Nothing posted, nothing configured: no limit, and nobody who says one."""
    answer = desk.short.ask(WHERE)

    assert answer.status == 200
    assert answer.tree == {
        "enabled": False,
        "rate_limit_bps": 0,
        "schedule_enabled": False,
        "schedule": dict.fromkeys(DAYS, NEVER),
        "source": "none",
        "now": {"rate_limit_bps": None, "until": None},
        "hot_folders": [],
    }


def test_limit_of_the_configuration_is_shown_in_bits_a_second(desk):
    """What holds now stands in the agent's own keys; hot folders with a limit beside it."""
    slow = Rule(name="slow", path=b"/s", to=To(recipients=()), bandwidth=table(1_000_000))
    plain = Rule(name="plain", path=b"/p", to=To(recipients=()))
    configure(desk, table(25_000_000), slow, plain)

    tree = desk.short.ask(WHERE).tree

    assert (tree["enabled"], tree["rate_limit_bps"]) == (True, 200_000_000)
    assert tree["source"] == "config"
    assert tree["now"] == {"rate_limit_bps": 200_000_000, "until": None}
    assert tree["hot_folders"] == [{"name": "slow", "rate_limit_bps": 8_000_000, "until": None}]


def test_limit_with_hours_says_until_when_it_holds(desk):
    """A configured limit that holds for a part of the day ends or begins at a named time."""
    configure(desk, table(1_000_000, start=0, end=12 * 60))

    now = desk.short.ask(WHERE).tree["now"]

    assert now["until"].endswith(":00.000Z")
    assert now["rate_limit_bps"] in {None, 8_000_000}


def test_posted_limit_counts_instead_of_the_configurations(desk):
    """At once, and after a reload as well (law 1 of the keeper)."""
    configure(desk, table(25_000_000))
    posted = desk.short.ask(WHERE, "POST", {"enabled": True, "rate_limit_bps": 8_000_000})
    configure(desk, table(50_000_000))
    after = desk.short.ask(WHERE)

    assert posted.status == 200
    assert posted.tree == after.tree
    assert (after.tree["source"], after.tree["now"]["rate_limit_bps"]) == ("api", 8_000_000)
    assert (after.tree["enabled"], after.tree["rate_limit_bps"]) == (True, 8_000_000)


def test_posted_limit_is_kept_over_a_restart(tmp_path):
    """The store remembers it, whatever the configuration says then."""
    first = Caller(tmp_path)
    short = Short(first.app)
    body = {
        "enabled": True, "rate_limit_bps": 640_000, "schedule_enabled": True,
        "schedule": dict.fromkeys(DAYS, ALWAYS),
    }  # fmt: skip
    posted = short.ask(WHERE, "POST", body).tree
    short.close()
    first.close()
    again = Caller(tmp_path)
    short = Short(again.app)

    assert short.ask(WHERE).tree == posted
    assert posted["now"]["rate_limit_bps"] == 640_000
    short.close()
    again.close()


def test_posted_no_limit_lifts_the_configurations(desk):
    """`enabled: false` is a word of its own: nothing is limited, until it is deleted."""
    configure(desk, table(25_000_000))
    lifted = desk.short.ask(WHERE, "POST", {"enabled": False, "rate_limit_bps": 0}).tree
    back = desk.short.ask(WHERE, "DELETE").tree

    assert (lifted["source"], lifted["now"]) == ("api", {"rate_limit_bps": None, "until": None})
    assert (back["source"], back["now"]["rate_limit_bps"]) == ("config", 200_000_000)


def test_posted_schedule_comes_back_as_it_was_said(desk):
    """Days that are left out have no limit; hours may end on the next day."""
    night = {"enabled": True, "start": "22:00", "end": "6:00"}
    body = {
        "enabled": True, "rate_limit_bps": 8_000_000, "schedule_enabled": True,
        "schedule": {"fri": night, "sat": {"enabled": False}},
    }  # fmt: skip
    tree = desk.short.ask(WHERE, "POST", body).tree

    assert tree["schedule"] == {
        **dict.fromkeys(DAYS, NEVER), "fri": {**night, "end": "06:00"},
    }  # fmt: skip
    again = {key: tree[key] for key in body}
    assert desk.short.ask(WHERE, "POST", again).tree == tree


def test_delete_without_anything_posted_changes_nothing(desk):
    """It can be asked as often as anybody likes."""
    assert desk.short.ask(WHERE, "DELETE").tree == desk.short.ask(WHERE).tree


def test_limit_of_a_hot_folder_is_not_lifted_by_what_is_posted(desk):
    """A posted limit is of all uploads together."""
    rule = Rule(name="slow", path=b"/s", to=To(recipients=()), bandwidth=table(1_000_000))
    configure(desk, Timetable(), rule)

    tree = desk.short.ask(WHERE, "POST", {"enabled": False}).tree

    assert tree["hot_folders"] == [{"name": "slow", "rate_limit_bps": 8_000_000, "until": None}]


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "enabled", "`enabled` is missing"),
        ({"enabled": True}, "rate_limit_bps", "`rate_limit_bps` is missing"),
        ({"enabled": True, "rate_limit_bps": 0}, "rate_limit_bps", "below 64000"),
        ({"enabled": True, "rate_limit_bps": 63_999}, "rate_limit_bps", "below 64000"),
        ({"enabled": True, "rate_limit_bps": -1}, "rate_limit_bps", "greater than or equal to 0"),
        ({"enabled": True, "rate_limit_bps": 10**13}, "rate_limit_bps", "less than or equal to"),
        ({"enabled": True, "rate_limit_bps": "8M"}, "rate_limit_bps", "must be a whole number"),
        ({"enabled": True, "rate_limit_bps": 64000.5}, "rate_limit_bps", "must be a whole number"),
        ({"enabled": "yes"}, "enabled", "must be true or false"),
        ({"enabled": 1}, "enabled", "must be true or false"),
        ({"enabled": False, "schedule_enabled": True}, "schedule", "`schedule` is missing"),
        ({"enabled": False, "schedule": []}, "schedule", "must be an object"),
        ({"enabled": False, "schedule": {"mon": True}}, "schedule.mon", "must be an object"),
        ({"enabled": False, "schedule": {"mon": {}}}, "schedule.mon.enabled", "is missing"),
        ({"enabled": False, "schedule": {"monday": None}}, "schedule.monday", "unknown field"),
        ({"enabled": False, "schedule": {"mon": {"enabled": True, "start": "24:00"}}},
         "schedule.mon.start", "must be a time such as 08:00"),
        ({"enabled": False, "schedule": {"mon": {"enabled": True, "end": "8"}}},
         "schedule.mon.end", "must be a time such as 08:00"),
        ({"enabled": False, "rate": 5}, "rate", "unknown field `rate`"),
    ],
)  # fmt: skip
def test_limit_with_a_mistake_is_refused_and_changes_nothing(desk, body, field, words):
    """422 with the field and with what is allowed."""
    before = desk.short.ask(WHERE).tree
    answer = desk.short.ask(WHERE, "POST", body)

    assert answer.status == 422
    assert words in said(answer)[1]
    assert answer.tree["field"] == field
    assert desk.short.ask(WHERE).tree == before


def test_unknown_day_is_answered_with_the_days_and_not_with_other_keys(desk):
    """The advice is of the object in which the mistake stands."""
    body = {"enabled": False, "schedule": {"monday": {"enabled": True}}}

    assert "mon" in desk.short.ask(WHERE, "POST", body).tree["hint"]


def test_limit_that_holds_now_is_in_the_metrics(desk):
    """A gauge for all and one for each hot folder with a limit; none where there is none."""
    rule = Rule(name="slow", path=b"/s", to=To(recipients=()), bandwidth=table(1_000_000))
    configure(desk, table(25_000_000), rule)
    limited = desk.short.ask("/metrics").body.decode()
    desk.short.ask(WHERE, "POST", {"enabled": False})
    lifted = desk.short.ask("/metrics").body.decode()

    assert "masv_watch_limit_bytes_per_second 25000000" in limited
    assert 'masv_watch_limit_bytes_per_second{hot_folder="slow"} 1000000' in limited
    assert "masv_watch_limit_bytes_per_second 25000000" not in lifted
    assert 'masv_watch_limit_bytes_per_second{hot_folder="slow"} 1000000' in lifted


def test_who_may_not_call_may_not_limit(caller):
    """As every other call that changes something."""
    wrong = f"Authorization: Bearer {'wrong' * 8}"

    assert caller.ask(WHERE, "POST", {"enabled": False}, headers=(wrong,)).status == 401
    assert caller.ask(WHERE).tree["source"] == "none"
