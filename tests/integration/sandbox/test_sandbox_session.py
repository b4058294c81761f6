"""Sign-in, user tokens and passwords of the sandbox; each test cites the mark of its fact."""

from __future__ import annotations

import re

import pytest

LIMITS = {
    "custom_expiry_default",
    "custom_expiry_enabled",
    "download_limit_default",
    "download_limit_enabled",
    "max_email_recipients",
}
NAMED = {"id", "name", "subdomain"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def user(sandbox):
    """Give the header of a signed-in user."""
    body = {"email": "me@example.com", "password": "sandbox"}
    answer = sandbox.call("POST", "/v1/auth", json=body)
    assert answer.status_code == 200, answer.text
    return {"X-User-Token": answer.json()["token"]}


def test_auth_answers_exactly_the_documented_shape(sandbox):
    """Token, teams with three keys each, and a user with seven [docs-tokens]."""
    body = {"email": "ME@example.com", "password": "sandbox"}

    shown = sandbox.call("POST", "/v1/auth", json=body).json()

    assert set(shown) == {"token", "teams", "user"}
    assert [set(team) for team in shown["teams"]] == [NAMED]
    assert set(shown["user"]) == {
        *("email", "id", "level", "name", "preferred_team_id", "primary_team_id", "time_zone")
    }


@pytest.mark.parametrize(
    "body",
    [
        {"email": "me@example.com", "password": "Sandbox"},
        {"email": "me@example.com", "password": "sandbox "},
        {"email": "you@example.com", "password": "sandbox"},
    ],
)
def test_auth_with_anything_but_the_right_words_is_401(sandbox, body):
    """And it does not say which of the two is wrong [docs-tokens]."""
    answer = sandbox.call("POST", "/v1/auth", json=body)

    assert answer.status_code == 401
    assert answer.json()["message"] == "email or password is wrong"


@pytest.mark.parametrize(
    "body", [{"email": 1, "password": "sandbox"}, {"email": "me@example.com", "password": ["x"]}]
)
def test_auth_with_wrong_types_is_400(sandbox, body):
    """Both are texts [docs-tokens]."""
    assert sandbox.call("POST", "/v1/auth", json=body).status_code == 400


def test_teams_show_what_the_agents_session_object_repeats(sandbox, user):
    """The agent has its limits from somewhere: the list of teams [inferred]."""
    (by_token,) = sandbox.call("GET", "/v1/teams", headers=user).json()
    (by_key,) = sandbox.call("GET", "/v1/teams", key="sandbox-key").json()

    assert by_token == by_key
    assert set(by_key) == NAMED | LIMITS
    assert (by_key["subdomain"], by_key["custom_expiry_enabled"]) == ("acme", True)


def test_user_token_opens_every_team_call_that_a_key_opens(sandbox, user):
    """`X-User-Token` is accepted on the same calls [docs-tokens]."""
    team = sandbox.team
    made = sandbox.call("POST", f"/v1/teams/{team}/packages", headers=user, json={"name": "n"})
    package = made.json()["id"]
    read = [
        sandbox.call("GET", path, headers=user).status_code
        for path in (
            f"/v1.1/teams/{team}/packages",
            f"/v1.1/teams/{team}/packages/{package}",
            f"/v1.1/teams/{team}/inbox",
            f"/v1/teams/{team}/packages",
        )
    ]

    assert made.status_code == 201
    assert read == [200, 200, 200, 200]


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_user_token_that_is_none_opens_nothing(sandbox, token):
    """No session is 401, with the code that the vendor's agent passes on."""
    path = f"/v1/teams/{sandbox.team}/packages"

    answer = sandbox.call("POST", path, headers={"X-User-Token": token}, json={"name": "n"})

    assert (answer.status_code, answer.json()["code"]) == (401, 262146)


def test_tokens_do_not_stand_in_for_each_other(sandbox, user, package):
    """A user's token opens no package, a package's no team [docs-tokens]."""
    of_package = sandbox.call("GET", "/v1/teams", headers={"X-User-Token": package.token})
    of_user = package.call("DELETE", token=user["X-User-Token"])

    assert (of_package.status_code, of_user.status_code) == (401, 401)
    assert package.seen()["state"] == "new"


def test_package_password_is_told_only_as_being_there(sandbox):
    """The witness says whether there is one, nobody says which [3p-mistika]."""
    locked = sandbox.package(password="canary word")
    plain = sandbox.package(password="")
    shown = sandbox.call(
        "GET", f"/v1.1/teams/{sandbox.team}/packages/{locked.id}", key="sandbox-key"
    )

    assert (locked.seen()["has_password"], plain.seen()["has_password"]) == (True, False)
    assert sandbox.package().seen()["has_password"] is False
    assert "canary" not in shown.text + str(locked.seen())


@pytest.mark.parametrize("password", [7, ["x"], True])
def test_package_password_that_is_no_text_is_400(sandbox, password):
    """It is a string [docs curl]."""
    path = f"/v1/teams/{sandbox.team}/packages"

    answer = sandbox.call("POST", path, key="sandbox-key", json={"name": "n", "password": password})

    assert answer.status_code == 400


def test_package_password_guards_every_link_of_it(sandbox):
    """The links of its recipients and the ones made later ask for it [docs-dl]."""
    package = sandbox.package(password="open me", recipients=["a@example.com"])
    package.send()
    package.finalize()
    link = package.link()
    urls = [row["url"] for row in package.seen()["links"]]

    assert link["password"] == "****"
    assert [sandbox.session.get(url).status_code for url in urls] == [403, 403]
    opened = [sandbox.session.get(url, params={"password": "open me"}) for url in urls]
    assert [answer.status_code for answer in opened] == [200, 200]


def test_link_shows_limit_and_expiry_of_its_package(sandbox):
    """In the form of the page: milliseconds and Z [docs-links]."""
    package = sandbox.package(access_limit=3)
    package.send()
    package.finalize()
    link = package.link()
    shown = sandbox.call(
        "GET", f"/v1.1/teams/{sandbox.team}/packages/{package.id}", key="sandbox-key"
    ).json()

    assert (link["access_limit"], link["access_limit_enabled"], link["active"]) == (3, True, True)
    assert TIME.fullmatch(link["expiry"])
    assert link["expiry"] == shown["expiry"]
    assert shown["links"] == [link]


def test_package_finalized_is_deleted_with_its_links(sandbox):
    """Deleting answers 204 in any state; nothing leads to it any more [mcp packages.ts:327]."""
    package = sandbox.package()
    package.send()
    package.finalize()
    package.link()
    (url,) = [row["url"] for row in package.seen()["links"]]

    assert package.call("DELETE", token="a.b.c").status_code == 401
    assert package.call("DELETE").status_code == 204
    assert package.seen()["state"] == "archived"
    assert sandbox.session.get(url).status_code == 404
