"""Who we are to the cloud by a sign-in: its token, its survival, and its end."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch.cloud import wire
from masv_watch.errors import NoSession, StoreFull
from masv_watch.login import Login
from masv_watch.model import Secret
from tests.integration.rooms.signing import EMAIL, KEY, MINUTE_S, PASSWORD, refusal


def test_sign_in_without_a_key_opens_the_team(desk):
    """Its token goes where the key would go, and the session names the user."""
    login = desk.open()

    told = login.sign_in(EMAIL, PASSWORD)

    assert isinstance(login.key(), wire.UserToken)
    assert desk.creates(login.key())
    assert login.team_id() == desk.sandbox.team
    assert login.session() == told
    assert (told.user.email, told.teams[0].max_email_recipients) == (EMAIL, 30)
    assert desk.asked == 1


def test_sign_in_ends_the_pause_of_those_who_waited_for_it(desk):
    """What waited for a session goes on."""
    login = desk.open()
    login.refused()
    waited_s = login.pause_s()

    login.sign_in(EMAIL, PASSWORD)

    assert (waited_s, login.pause_s()) == (60.0, None)


def test_sign_in_beside_a_key_only_checks_the_words(desk):
    """Uploads go on with the key, nothing is remembered, and the answer is the session object."""
    login = desk.open(api_key=KEY)

    told = login.sign_in(EMAIL, PASSWORD)

    assert told.user.email == EMAIL
    assert login.key() is KEY
    assert desk.remembered is None
    assert login.session().user.email == ""


def test_sign_in_with_wrong_words_leaves_the_session_as_it_was(desk):
    """A stranger's typing error does not end a session."""
    login = desk.open()
    login.sign_in(EMAIL, PASSWORD)
    held = desk.remembered

    with pytest.raises(NoSession, match="email or password is wrong"):
        login.sign_in(EMAIL, Secret("wrong"))

    assert desk.remembered == held
    assert (login.session().user.email, login.pause_s()) == (EMAIL, None)


def test_sign_in_whose_teams_cannot_be_listed_has_those_of_the_sign_in(desk):
    """The words were right; the limits follow with the next look."""
    desk.fault("status", status=502, times=1)
    login = desk.open()

    told = login.sign_in(EMAIL, PASSWORD)

    assert [(team.subdomain, team.max_email_recipients) for team in told.teams] == [("acme", None)]
    assert [team.max_email_recipients for team in login.session().teams] == [30]


def test_sign_in_that_cannot_be_remembered_is_none(desk):
    """A session that a restart would lose without a word is not begun."""

    def full(_text):
        raise StoreFull("the state's disk is full")

    login = Login(desk.cloud, desk.masv(), clock=desk.clock, metrics=desk.metrics, remember=full)
    with pytest.raises(StoreFull):
        login.sign_in(EMAIL, PASSWORD)

    with pytest.raises(NoSession, match="session is nil"):
        login.key()


def test_sign_in_survives_a_restart(desk):
    """Token, user and teams are there before the cloud was asked."""
    desk.open().sign_in(EMAIL, PASSWORD)
    before = desk.asked

    login = desk.open()
    known = [team.subdomain for team in login.known_teams()]

    assert known == ["acme"]
    assert login.team_id() == desk.sandbox.team
    assert desk.asked == before
    assert desk.creates(login.key())
    assert login.session().user.email == EMAIL


def test_sign_in_at_another_cloud_is_not_shown_to_this_one(desk):
    """A token goes nowhere but where it was made."""
    desk.open().sign_in(EMAIL, PASSWORD)

    login = desk.open(api_url="https://api.example.com")

    assert login.known_teams() is None
    with pytest.raises(NoSession, match="session is nil"):
        login.key()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.text(max_size=40)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["user", "teams", "token", "api_url", "id"]), inner, max_size=5
            )
        ),
    ).map(json.dumps)
)
def test_remembered_text_of_any_kind_never_keeps_the_daemon_from_starting(desk, text):
    """What cannot be read is nobody's sign-in."""
    desk.remembered = text

    assert desk.open().known_teams() is None


def test_key_that_is_configured_later_speaks_instead_of_the_sign_in(desk):
    """And the sign-in comes back when the key is taken away."""
    login = desk.open()
    login.sign_in(EMAIL, PASSWORD)
    token = login.key()

    login.adopt(desk.masv(api_key=KEY))
    known, by_key, user = login.known_teams(), login.key(), login.session().user
    login.adopt(desk.masv())

    # the user's teams are not the key's
    assert (known, by_key, user.email) == (None, KEY, "")
    assert (login.key(), login.session().user.email) == (token, EMAIL)
    assert [team.subdomain for team in login.known_teams()] == ["acme"]


def test_user_token_that_the_cloud_refuses_is_forgotten(desk, caplog):
    """The next look asks, and the session is over: here, and after a restart."""
    login = desk.open()
    login.sign_in(EMAIL, PASSWORD)
    desk.fault("status", status=401, body={"message": "expired"}, times=1)

    login.refused()
    with pytest.raises(NoSession, match="refused the user token"):
        login.session()

    assert desk.remembered is None
    assert login.known_teams() is None
    for asked in (login.session, login.key, desk.open().key):
        with pytest.raises(NoSession, match="session is nil"):
            asked()
    assert login.pause_s() == 60.0
    assert "the cloud refuses the user token" in caplog.text


def test_user_token_that_the_cloud_refuses_is_forgotten_at_the_next_trial_of_the_sender(desk):
    """Nobody has to look at the session for it."""
    login = desk.open()
    login.sign_in(EMAIL, PASSWORD)
    desk.fault("status", status=401, body={"message": "expired"}, times=1)
    login.refused()
    with pytest.raises(NoSession, match="refused the user token"):
        login.team_id()
    before = desk.asked

    desk.clock.advance(MINUTE_S)
    with pytest.raises(NoSession, match="refused the user token"):
        login.team_id()

    assert (before, desk.asked) == (1, 2)
    assert desk.remembered is None
    assert login.pause_s() == 300.0


def test_late_refusal_of_an_older_token_does_not_end_the_new_session(desk):
    """Its call went out before the sign-in; the cloud is asked before anything is forgotten."""
    login = desk.open()
    login.sign_in(EMAIL, PASSWORD)
    login.sign_in(EMAIL, PASSWORD)
    held = desk.remembered

    login.refused()
    session = login.session()

    assert session.user.email == EMAIL
    assert desk.remembered == held
    assert (login.pause_s(), isinstance(login.key(), wire.UserToken)) == (None, True)


@pytest.mark.parametrize(
    ("key", "signed_in", "cure"),
    [
        (KEY, False, "correct masv.api_key, then masv-watch reload"),
        (Secret("sandbox-key", "credential api_key"), False, "systemctl restart masv-watch"),
        (
            None,
            True,
            "sign in again (POST /api/v1/login); or set masv.api_key, then masv-watch reload",
        ),
        (None, False, "set masv.api_key, then masv-watch reload"),
    ],
)
def test_alarm_names_the_cure_that_fits(key, signed_in, cure, desk, caplog):
    """Nobody is told to correct a key that he does not have."""
    login = desk.open(api_key=key)
    if signed_in:
        login.sign_in(EMAIL, PASSWORD)

    login.refused()

    (alarm,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert cure in alarm.cure
    assert cure in login.cure()


def test_sign_in_at_debug_level_shows_neither_password_nor_token(desk, caplog):
    """Nor does the refusal that ends it, nor an object of ours."""
    caplog.set_level(logging.DEBUG)
    login = desk.open()
    told = login.sign_in(EMAIL, PASSWORD)
    token = login.key().reveal()
    desk.fault("status", status=401, body={"message": f"no: {token}"}, times=1)
    login.refused()

    error = refusal(login.session)

    said = caplog.text + repr(error) + str(error) + repr(error.facts) + repr((told, vars(login)))
    assert token not in said
    assert PASSWORD.reveal() not in caplog.text
