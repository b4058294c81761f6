"""A configuration from one process of ours to another: all, or a reason that shows nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import handover
from masv_watch.config.handover import Loaded, NotOurs, packed, refused, unpacked
from masv_watch.config.load import load
from masv_watch.errors import ConfigError
from masv_watch.model import Mail, Masv, Rule, Secret, Server, Settings, Smtp, To

SECRETS = {name: f"canary-{name}-\ud800\u2028" for name in ("key", "token", "code", "other")}


def loaded() -> Loaded:
    """Give a configuration with a secret wherever one can stand."""
    rules = tuple(
        Rule(
            name=name, path=b"/srv/\xff", to=To(portal="p", sender="a@x.example", access_code=code)
        )
        for name, code in (("out", None), ("in", Secret(SECRETS["code"], "m.yml:9")))
    )
    settings = Settings(
        masv=Masv(team="acme", api_key=Secret(SECRETS["key"], "env KEY")),
        server=Server(token=Secret(SECRETS["token"])),
        mail=Mail(
            smtp=Smtp(host="mail", user="u", password=Secret(SECRETS["other"])),
            sender="a@x.example",
        ),
        state="/s/\udcff",
        hot_folders=rules,
    )
    return Loaded(
        settings=settings,
        warnings=("m.yml:1:1: x: warning: y",),
        secrets=tuple(map(Secret, SECRETS.values())),
        private=("/etc/k",),
        places={"state": "m.yml:2:3"},
    )


def test_configuration_that_is_handed_over_arrives_with_its_secrets_in_their_places():
    """What the other process read is what we go on with, origins included."""
    found = unpacked(packed(loaded()))

    assert found == loaded()
    assert found.settings.masv.api_key.origin == "env KEY"
    assert found.settings.hot_folders[1].to.access_code.origin == "m.yml:9"
    assert found.settings.hot_folders[0].to.access_code is None


def test_every_example_of_the_project_is_handed_over_whole(project):
    """A key that got lost on the way would be a setting that nobody obeys."""
    examples = sorted((project / "config" / "examples").glob("*.yml"))
    assert examples
    for path in (*examples, project / "config" / "reference.yml"):
        found = load(str(path), environ={"HOME": "/h"}, with_secrets=False)

        assert unpacked(packed(found)) == found, path


def test_problems_that_are_handed_over_are_raised_as_they_were_found():
    """Every reason arrives, in its order."""
    with pytest.raises(ConfigError) as caught:
        unpacked(refused(["a.yml:1:2: x: y", "a.yml:3:4: z: \udcff"]))

    assert caught.value.problems == ("a.yml:1:2: x: y", "a.yml:3:4: z: \udcff")


def test_configuration_of_another_version_is_not_taken_over(monkeypatch):
    """What a new version means by a key may be something else."""
    with monkeypatch.context() as other:
        other.setattr(handover, "__version__", "0.0.other")
        content = packed(loaded())

    with pytest.raises(NotOurs, match="of another version"):
        unpacked(content)


def test_damaged_configuration_is_refused_without_showing_what_was_in_it():
    """Law 2: neither the message nor what it was raised from holds a secret."""
    tree = json.loads(packed(loaded()))
    tree["settings"]["masv"]["team"] = {"hidden": SECRETS["key"]}

    with pytest.raises(NotOurs) as caught:
        unpacked(json.dumps(tree).encode())

    assert SECRETS["key"] not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


CONTENT = packed(loaded())


@given(st.binary(max_size=200) | st.integers(0, len(CONTENT) - 1).map(lambda at: CONTENT[:at]))
def test_what_is_no_configuration_is_refused_as_that(content):
    """No content makes it raise anything else."""
    with pytest.raises(NotOurs):
        unpacked(content)
