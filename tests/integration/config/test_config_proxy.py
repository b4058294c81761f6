"""The key `masv.proxy`: its forms, its slips, and that no password of it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from masv_watch.config import apart
from masv_watch.config.effective import effective
from masv_watch.config.handover import Loaded
from masv_watch.config.load import load
from masv_watch.errors import ConfigError
from masv_watch.model import Proxy, Secret

ENVIRON = {"PROXY_PASSWORD": "canary-word"}


def loaded(folder: Path, proxy: str) -> Loaded:
    return load(str(written(folder, proxy)), environ=ENVIRON)


def written(folder: Path, proxy: str) -> Path:
    path = folder / "masv-watch.yml"
    path.write_text(
        f"version: 1\nmasv: {{team: t, api_key: k, proxy: {proxy}}}\nhot_folders:"
        " [{name: a, path: /a, to: {recipients: []}}]\n"
    )
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"http://proxy:3128"', Proxy(url="http://proxy:3128")),
        ('"http://[::1]:3128/"', Proxy(url="http://[::1]:3128")),
        ("env", Proxy(url="env")),
        ('{url: "http://p:1", user: u}', Proxy(url="http://p:1", user="u")),
        (
            '{url: "http://p:1", user: u, password: !env PROXY_PASSWORD}',
            Proxy(url="http://p:1", user="u", password=Secret("canary-word")),
        ),
    ],
)
def test_proxy_is_an_address_or_has_who_we_are_beside_it(
    tmp_path: Path, text: str, found: Proxy
) -> None:
    """Without the key the cloud is reached straight."""
    there = loaded(tmp_path, text)

    assert there.settings.masv.proxy == found
    assert (found.password in there.secrets) == (found.password is not None)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('"https://p:1"', "masv.proxy.url", "is no proxy - http://HOST:PORT, or env"),
        ('"http://p"', "masv.proxy.url", "is no proxy"),
        ('"http://p:99999"', "masv.proxy.url", "is no proxy"),
        ('"http://p:1/x"', "masv.proxy.url", "is no proxy"),
        ("{user: u}", "masv.proxy", "`url` is missing"),
        ('{url: "http://p:1", password: canary-word}', "masv.proxy.password", "without `user`"),
        ("{url: env, user: u}", "masv.proxy.user", "they name their own"),
        ('"http://u:canary-word@p:1"', "masv.proxy", "must hold no user and no password"),
        ('{url: "http://u:canary-word@p:1"}', "masv.proxy.url", "must hold no user"),
        ("5", "masv.proxy", "must be"),
    ],
)
def test_slip_of_a_proxy_is_told_at_its_place_without_a_password(
    tmp_path: Path, text: str, path: str, words: str
) -> None:
    """One sentence; where a password may stand, its line is not shown."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)

    (problem,) = caught.value.problems
    assert f": {path}: " in problem or f": {path.removesuffix('.url')}: " in problem
    assert words in problem
    assert "canary" not in problem


def test_password_of_a_proxy_is_never_among_the_values(tmp_path: Path) -> None:
    """It reaches the daemon, and nobody who asks what counts."""
    file = written(tmp_path, '{url: "http://p:1", user: u, password: !env PROXY_PASSWORD}')

    values = {each.key: each.value for each in effective(str(file), environ=ENVIRON)}
    assert values["masv.proxy.url"] == "http://p:1"
    assert values["masv.proxy.password"] == "***"
    found = apart.load(str(file), environ=ENVIRON).settings.masv.proxy
    assert found is not None
    assert found.password == Secret("canary-word")
