"""Settings that are handed on: all of them but the secrets, and nothing that is not one."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import portable
from masv_watch.config.load import load
from masv_watch.model import (
    After,
    Masv,
    Rule,
    Secret,
    Settings,
    Settle,
    Timetable,
    TimetableLine,
    To,
)

RULE = Rule(
    name="out",
    path=b"/srv/\xff",
    to=To(portal="dailies", sender="a@x.example", access_code=Secret("open-sesame")),
    settle=Settle(quiet_s=2.5),
    ignore=("*.xmp", "!*.part"),
    after=After(delivered="move", move_to="{root}/_sent"),
    bandwidth=Timetable(lines=(TimetableLine(limit=None, days=frozenset({0, 3})),)),
    at="m.yml:4",
)
SETTINGS = Settings(
    masv=Masv(team="acme", api_key=Secret("sandbox-key")), state="/s", hot_folders=(RULE,)
)


def test_settings_arrive_as_they_are_without_any_secret():
    """Law 1: what is written holds no secret, and all else comes back with its types."""
    text = json.dumps(portable.write(SETTINGS))
    found = portable.read(Settings, json.loads(text))

    assert "sandbox-key" not in text
    assert "open-sesame" not in text
    assert found == portable.bare(SETTINGS)
    assert found.masv.api_key is None
    assert found.hot_folders[0].to.access_code is None
    assert found.hot_folders[0].path == RULE.path
    assert found.hot_folders[0].bandwidth == RULE.bandwidth
    assert found.hot_folders[0].settle == RULE.settle


def test_every_example_of_the_project_can_be_handed_on(project):
    """A key whose type cannot be handed on would make `plan` blind or broken."""
    examples = sorted((project / "config" / "examples").glob("*.yml"))
    for path in (*examples, project / "config" / "reference.yml"):
        settings = load(str(path), environ={"HOME": "/h"}, with_secrets=False).settings
        found = portable.read(Settings, json.loads(json.dumps(portable.write(settings))))

        assert found == portable.bare(settings), path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: [], "it is no object"),
        (lambda tree: {**tree, "stat": 1}, "stat is not known here"),
        (lambda tree: {key: tree[key] for key in tree if key != "masv"}, "masv is missing"),
        (lambda tree: {**tree, "state": 7}, "state has another type"),
        (lambda tree: {**tree, "hot_folders": {}}, "hot_folders is no list"),
        (lambda tree: {**tree, "hot_folders": [1]}, "hot_folders[0] is no object"),
        (lambda tree: rule(tree, drop="none"), "hot_folders[0].drop is none of its words"),
        (lambda tree: rule(tree, path="\ud800"), "hot_folders[0].path holds half a character"),
        (lambda tree: rule(tree, priority=True), "hot_folders[0].priority has another type"),
        (lambda tree: rule(tree, ignore=[1]), "hot_folders[0].ignore[0] has another type"),
        (
            lambda tree: rule(tree, settle={"quiet_s": 10**400}),
            "hot_folders[0].settle.quiet_s is too large a number",
        ),
        (
            lambda tree: rule(tree, to={"access_code": "open-sesame"}),
            "hot_folders[0].to.access_code has another type",
        ),
    ],
)
def test_what_is_no_settings_is_refused_with_its_place(change, said):
    """Law 2: whoever may call cannot bring a value of another type in."""
    tree = json.loads(json.dumps(portable.write(SETTINGS)))

    with pytest.raises(portable.NotPortable) as caught:
        portable.read(Settings, change(tree))

    assert str(caught.value) == said


def rule(tree, **changed):
    (one,) = tree["hot_folders"]
    return {**tree, "hot_folders": [{**one, **changed}]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["masv", "state", "hot_folders", "team"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_read_or_refused(tree):
    """Nothing but the one error comes out."""
    with suppress(portable.NotPortable):
        assert isinstance(portable.read(Settings, tree), Settings)
