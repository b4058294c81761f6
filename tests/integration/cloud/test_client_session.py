"""Who we are to the cloud, and what only some callers ask of it: over real HTTP."""

from __future__ import annotations

import logging
import traceback

import pytest

from masv_watch.cloud import wire
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudThrottled,
    CloudUnreachable,
    NoSession,
    PackageGone,
    TokenExpired,
)
from masv_watch.model import Secret
from tests.integration.cloud.conftest import KEY
from tests.integration.cloud.test_client_sandbox import Sending, status_of

EMAIL = "me@example.com"
PASSWORD = Secret("sandbox")
CANARY = Secret('Canary "päss" <word>')


@pytest.fixture
def token(cloud):
    """Give the token of a fresh sign-in."""
    return cloud.sign_in(EMAIL, PASSWORD).token


def create(cloud, sandbox, key=KEY, **rest):
    asked = {"name": "Day 1", "description": "", "recipients": [], **rest}
    return cloud.create_team_package(key, team_id=sandbox.team, **asked)


def delivered(cloud, sandbox, **rest):
    package = create(cloud, sandbox, **rest)
    Sending(cloud, package).send(b"x")
    cloud.finalize_package(package.id, package.token)
    return package


def everything(error):
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.facts) + error.hint


def test_sign_in_gives_user_and_teams_and_a_token_that_opens_the_team(cloud, sandbox):
    """The token does all that a key does, in its own header."""
    signed = cloud.sign_in(EMAIL, PASSWORD)

    package = create(cloud, sandbox, signed.token, name="by token")
    seen = cloud.team_package(signed.token, team_id=sandbox.team, package_id=package.id)
    found = cloud.new_team_packages(signed.token, team_id=sandbox.team, name="by token")

    assert (signed.user.email, signed.user.name) == (EMAIL, "Me")
    assert [team.id for team in signed.teams] == [sandbox.team]
    assert [(team.id, team.subdomain) for team in cloud.teams(signed.token)] == [
        (sandbox.team, "acme")
    ]
    assert (seen.name, seen.state) == ("by token", "new")
    assert package.id in {entry.id for entry in found}


def test_teams_carry_what_the_session_object_shows(cloud):
    """Both proofs are told the same limits."""
    (team,) = cloud.teams(KEY)

    assert (team.name, team.max_email_recipients) == ("Acme", 30)
    assert (team.custom_expiry_enabled, team.download_limit_enabled) == (True, True)
    assert (team.custom_expiry_default, team.download_limit_default) == (10, 5)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_sign_in_with_wrong_words_is_no_session_without_showing_them(email, cloud):
    """Our own API answers it with 401 and the agent's code."""
    with pytest.raises(NoSession, match="email or password is wrong") as caught:
        cloud.sign_in(email, CANARY)

    assert (caught.value.code, caught.value.status) == (262146, 401)
    assert "Canary" not in everything(caught.value)
    assert email not in everything(caught.value)


@pytest.mark.fault(58)
def test_user_token_that_is_over_is_no_session_without_showing_it(cloud, sandbox):
    """A token that the cloud does not take any more is told from a refused key."""
    over = wire.UserToken("eyJ.canary-0123456789.x")
    for asked in (
        lambda: cloud.teams(over),
        lambda: create(cloud, sandbox, over),
        lambda: cloud.team_package(over, team_id=sandbox.team, package_id="x"),
    ):
        with pytest.raises(NoSession, match="refused the user token") as caught:
            asked()

        assert "canary" not in everything(caught.value)


def test_user_token_in_the_header_of_a_key_opens_nothing(cloud, token):
    """The type of the proof decides its header, not its value."""
    with pytest.raises(NoSession, match="API key"):
        cloud.teams(Secret(token.reveal()))


QUOTED = '<p>you sent "%s" and "%s"</p>'


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"name": "status", "status": 400, "body": QUOTED}, CloudRefused),
        ({"name": "status", "status": 422, "body": {"message": QUOTED}}, CloudRefused),
        ({"name": "status", "status": 401, "body": {"message": QUOTED}}, NoSession),
        ({"name": "status", "status": 500, "body": {"message": QUOTED}}, CloudUnreachable),
        ({"name": "status", "status": 429, "body": {"message": QUOTED}}, CloudThrottled),
        ({"name": "html", "body": QUOTED}, CloudGarbled),
        ({"name": "reset"}, CloudUnreachable),
        ({"name": "after"}, CloudUnreachable),
        ({"name": "redirect", "location": "http://other.example/?password=Canary"}, CloudGarbled),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else value.__name__,
)
@pytest.mark.parametrize("call", ["sign_in", "create"])
def test_fault_that_quotes_our_secrets_does_not_publish_them(
    fault, kind, call, cloud, sandbox, token, caplog
):
    """Password and token are in no text of the error and in no log line, whatever came back."""
    caplog.set_level(logging.DEBUG)
    filled = json_of(fault, CANARY.reveal(), token.reveal())
    path = "/v1/auth" if call == "sign_in" else f"/v1/teams/{sandbox.team}/packages"
    sandbox.fault(filled.pop("name"), f"POST {path}", **filled)

    asked = {
        "sign_in": lambda: cloud.sign_in(EMAIL, CANARY),
        "create": lambda: create(cloud, sandbox, token, password=CANARY),
    }

    with pytest.raises(CloudError) as caught:
        asked[call]()

    assert type(caught.value) is kind
    said = everything(caught.value) + caplog.text
    assert "Canary" not in said
    assert token.reveal() not in said


def test_sign_in_whose_answer_was_cut_shows_nothing_of_its_token(cloud, sandbox):
    """Half a token is half a secret."""
    sandbox.fault("truncate", "POST /v1/auth")

    with pytest.raises(CloudGarbled, match="not JSON") as caught:
        cloud.sign_in(EMAIL, PASSWORD)

    assert "eyJ" not in everything(caught.value)


def json_of(value, *secrets):
    """Fill the secrets into every text of a fault."""
    if isinstance(value, dict):
        return {key: json_of(entry, *secrets) for key, entry in value.items()}
    return value % secrets if isinstance(value, str) and value.count("%s") == 2 else value


def test_package_with_a_password_asks_for_it_and_one_without_does_not(cloud, sandbox):
    """The key is sent only when there is one."""
    locked = delivered(cloud, sandbox, password=Secret("open me"))
    plain = delivered(cloud, sandbox)
    links = [cloud.create_link(package.id, package.token) for package in (locked, plain)]

    opened = [
        status_of(
            wire.link_url(f"{sandbox.api}/get/{{id}}?secret={{secret}}", link.id, link.secret)
        )
        for link in links
    ]

    assert opened == [403, 200]
    assert sandbox.package(locked.id)["has_password"] is True
    assert sandbox.package(plain.id)["has_password"] is False
    assert "open me" not in repr(sandbox.package(locked.id))


def test_link_of_a_complete_package_names_the_uploader_and_is_open(cloud, sandbox):
    """What the documented answer of our own API is made of."""
    package = delivered(cloud, sandbox)

    link = cloud.create_link(package.id, package.token)

    assert (link.email, link.locked) == (EMAIL, False)
    seen = cloud.team_package(KEY, team_id=sandbox.team, package_id=package.id)
    assert [(entry.id, entry.expiry) for entry in seen.links] == [(link.id, link.expiry)]
    assert link.expiry.endswith("Z")


def test_link_of_a_package_on_the_way_and_one_switched_off_are_locked(cloud, sandbox):
    """Both open nothing now."""
    asleep = create(cloud, sandbox)
    early = cloud.create_link(asleep.id, asleep.token)
    package = delivered(cloud, sandbox)
    link = cloud.create_link(package.id, package.token)

    cloud.delete_link(package.id, package.token, link_id=link.id)
    seen = cloud.team_package(KEY, team_id=sandbox.team, package_id=package.id)

    assert early.locked
    assert [entry.locked for entry in seen.links] == [True]


@pytest.mark.parametrize("finalized", [False, True])
def test_package_is_deleted_before_and_after_it_was_finalized(finalized, cloud, sandbox):
    """Afterwards it is gone for everybody, its links with it."""
    package = delivered(cloud, sandbox) if finalized else create(cloud, sandbox)
    link = cloud.create_link(package.id, package.token)

    cloud.delete_package(package.id, package.token)

    assert sandbox.package(package.id)["state"] == "archived"
    with pytest.raises(PackageGone):
        cloud.delete_package(package.id, package.token)
    with pytest.raises(CloudRefused):
        cloud.read_link(link.id, link.secret)


def test_package_is_not_deleted_by_anothers_token(cloud, sandbox):
    """A token opens its own package only."""
    package, other = create(cloud, sandbox), create(cloud, sandbox)

    with pytest.raises(TokenExpired):
        cloud.delete_package(package.id, other.token)

    assert sandbox.package(package.id)["state"] == "new"


def test_session_and_password_at_debug_level_are_in_no_log_line(cloud, sandbox, caplog):
    """Not even in a library's line of its own."""
    caplog.set_level(logging.DEBUG)
    signed = cloud.sign_in(EMAIL, PASSWORD)
    create(cloud, sandbox, signed.token, password=CANARY)

    said = caplog.text + repr(signed)
    assert signed.token.reveal() not in said
    assert "Canary" not in said
