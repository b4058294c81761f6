"""Who we are to the cloud by a key: its teams, the session, and the one alarm when refused."""

from __future__ import annotations

import logging

import pytest

from masv_watch.errors import CloudRefused, CloudUnreachable, NoSession
from masv_watch.loops import start_thread
from masv_watch.model import Secret
from tests.integration.rooms.signing import KEY, MINUTE_S, OTHER, refusal
from tests.waiting import eventually


@pytest.mark.parametrize("wanted", [None, "acme", "AcMe"])
def test_team_is_found_by_its_subdomain_with_one_ask(wanted, desk):
    """Case does not matter in a name of the network; the configured one is the default."""
    login = desk.open(api_key=KEY)

    found = [login.team_id(wanted), login.team_id(wanted), login.team_id()]

    assert found == [desk.sandbox.team] * 3
    assert desk.asked == 1


def test_team_is_found_by_its_id_and_all_teams_at_once(desk):
    """One ask tells every team of the key."""
    desk.teams("other")
    login = desk.open(api_key=KEY)

    found = [login.team_id("other"), login.team_id(OTHER), login.team_id(desk.sandbox.team)]

    assert found == [OTHER, OTHER, desk.sandbox.team]
    assert desk.asked == 1


def test_team_that_nobody_named_is_the_only_one(desk):
    """A key with one team leaves no choice."""
    assert desk.open(team=None, api_key=KEY).team_id() == desk.sandbox.team


def test_team_that_nobody_named_among_several_is_refused_with_their_names(desk):
    """We never guess where files go."""
    desk.teams("other")

    with pytest.raises(CloudRefused, match="belongs to 2 teams") as caught:
        desk.open(team=None, api_key=KEY).team_id()

    assert "acme, other" in caught.value.hint


def test_unknown_team_is_refused_with_ours_and_asked_for_once_a_minute(desk):
    """A caller who guesses names does not make us a nuisance to the cloud."""
    login = desk.open(api_key=KEY)
    for _ in range(3):
        with pytest.raises(CloudRefused, match=r"does not belong to team 'no\\nbody'.*acme"):
            login.team_id("no\nbody")
    before = desk.asked

    desk.clock.advance(MINUTE_S)
    desk.teams("joined")

    assert before == 1
    assert login.team_id("joined") == OTHER
    assert desk.asked == 2


def test_configured_team_that_is_unknown_names_the_key_to_correct(desk):
    """Who only configures is told what to write."""
    with pytest.raises(CloudRefused, match=r"set masv\.team to one of its teams \(acme\)"):
        desk.open(team="nobody", api_key=KEY).team_id()


def test_reload_asks_for_the_teams_again(desk):
    """A new key has teams of its own."""
    login = desk.open(api_key=KEY)
    login.team_id()

    login.adopt(desk.masv(api_key=KEY))

    assert login.known_teams() is None
    assert login.team_id() == desk.sandbox.team
    assert desk.asked == 2


def test_teams_are_asked_for_once_by_many_at_the_same_time(desk):
    """Whoever waited takes what the other was told."""
    login = desk.open(api_key=KEY)
    found = []
    threads = [
        start_thread(f"asks {number}", lambda: found.append(login.team_id()))
        for number in range(12)
    ]

    for thread in threads:
        thread.join(60)

    assert found == [desk.sandbox.team] * 12
    assert desk.asked == 1


def test_what_is_known_is_told_while_somebody_waits_for_the_cloud(desk):
    """A create looks at the known teams, and readiness at the pause, without waiting."""
    desk.fault("stall", seconds=60, when="before")
    login = desk.open(api_key=KEY)
    found, told = [], []
    waiting = start_thread("waits", lambda: found.append(login.team_id()))
    eventually(desk.has_fired)

    asks = start_thread("asks", lambda: told.append((login.known_teams(), login.pause_s())))
    asks.join(30)

    assert told == [(None, None)]
    assert waiting.is_alive()
    desk.sandbox.heal()
    waiting.join(60)
    assert found == [desk.sandbox.team]
    assert [team.subdomain for team in login.known_teams()] == ["acme"]


def test_late_answer_to_an_older_key_is_not_kept(desk):
    """Its teams may be none of the new key's."""
    desk.fault("stall", seconds=60, when="before")
    login = desk.open(api_key=KEY)
    asks = start_thread("asks", login.team_id)
    eventually(desk.has_fired)

    login.adopt(desk.masv(api_key=Secret("new-key")))
    desk.sandbox.heal()
    asks.join(30)

    assert login.known_teams() is None


def test_session_of_a_key_names_its_teams_and_nobody(desk):
    """The cloud does not say whose key it is; the teams carry their limits."""
    session = desk.open(api_key=KEY).session()

    assert (session.user.id, session.user.email, session.user.name) == ("", "", "")
    assert [(team.subdomain, team.max_email_recipients) for team in session.teams] == [("acme", 30)]


def test_session_is_asked_for_once_a_minute(desk):
    """A status page that looks every second costs one call a minute."""
    login = desk.open(api_key=KEY)
    for _ in range(3):
        login.session()
    before = desk.asked

    desk.clock.advance(MINUTE_S)
    login.session()

    assert (before, desk.asked) == (1, 2)


def test_session_without_key_and_sign_in_is_nil(desk):
    """Code and words of the agent, with what to do, and no call."""
    login = desk.open()

    for asked in (login.session, login.key, login.team_id):
        with pytest.raises(NoSession, match="session is nil") as caught:
            asked()

        assert (caught.value.code, caught.value.status) == (262146, 401)
        assert "masv.api_key" in caught.value.hint
    assert desk.asked == 0


def test_session_that_could_not_be_asked_for_fails_for_a_minute_without_asking(desk):
    """A cloud that is down is not asked by every look at the session."""
    desk.fault("status", status=502, times=1)
    login = desk.open(api_key=KEY)
    for _ in range(3):
        with pytest.raises(CloudUnreachable, match="502"):
            login.session()
    before = desk.asked

    desk.clock.advance(MINUTE_S)

    assert before == 1
    assert [team.subdomain for team in login.session().teams] == ["acme"]


def test_team_of_an_unreachable_cloud_is_asked_for_at_the_next_try(desk):
    """The sender owns its retries: no failure of ours holds it back."""
    desk.fault("status", status=502, times=1)
    login = desk.open(api_key=KEY)
    with pytest.raises(CloudUnreachable):
        login.team_id()

    assert login.team_id() == desk.sandbox.team


@pytest.mark.fault(58)
def test_refused_key_pauses_with_one_alarm_and_gets_its_trial(desk, caplog):
    """One call and one line for each pause, also when the session is asked for."""
    desk.fault("status", status=401, body={"message": "no"}, times=1)
    login = desk.open(api_key=KEY)
    with pytest.raises(NoSession):
        login.team_id()
    for asked in (login.team_id, login.session, login.key):
        with pytest.raises(NoSession, match="refused the API key"):
            asked()
    login.refused()
    alarms = [record for record in caplog.records if record.levelno == logging.ERROR]
    first_s = login.pause_s()

    desk.clock.advance(MINUTE_S)
    login.team_id()

    assert (first_s, login.pause_s()) == (60.0, None)
    assert len(alarms) == 1
    assert desk.asked == 2


def test_refused_key_is_no_session_although_its_teams_are_known(desk):
    """What the cloud said before the refusal is not shown as a session."""
    login = desk.open(api_key=KEY)
    login.session()

    login.refused()

    with pytest.raises(NoSession, match="refused the API key"):
        login.session()
    assert login.team_id() == desk.sandbox.team


def test_late_refusal_of_an_ask_does_not_end_what_began_meanwhile(desk):
    """The key was corrected while the cloud still thought about the old one."""
    desk.fault("stall", seconds=60, when="before")
    login = desk.open(api_key=Secret("old-key"))
    errors = []
    asks = start_thread("asks", lambda: errors.append(refusal(login.team_id)))
    eventually(desk.has_fired)

    login.adopt(desk.masv(api_key=KEY))
    desk.sandbox.heal()
    asks.join(30)

    assert [type(error) for error in errors] == [NoSession]
    assert (login.pause_s(), login.key()) == (None, KEY)
