"""The page of the API names every call that is served, the README every example."""

from __future__ import annotations

import re

import pytest

from masv_watch.api.calls import Desk, Route
from masv_watch.api.routes import routes


class _Any:
    """Stands for what the routes would ask: the table alone is looked at."""

    def __getattr__(self, _name):
        return _Any()

    def __call__(self, *_arguments):
        return _Any()


@pytest.fixture(scope="module")
def readme(project):
    return (project / "README.rst").read_text("utf-8")


def words_of(route: Route) -> list[str]:
    """Give the fixed names of a route's path below the API."""
    path = route.path.removeprefix("/api/v1")
    return [word for word in path.split("/") if word and not word.startswith("<")]


@pytest.fixture(scope="module")
def calls(project):
    return (project / "docs" / "rules" / "api.rst").read_text("utf-8")


ROUTES = routes(Desk(**{name: _Any() for name in Desk.__dataclass_fields__}))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_route_is_named_on_the_page_of_the_api(calls, route):
    """Law 13: a call that nobody can find is not there."""
    missing = [word for word in words_of(route) if not re.search(rf"[/`]{word}\b", calls)]

    assert not missing
    assert route.method in calls


def test_examples_of_the_configuration_are_named_in_the_readme(project, readme):
    """An example that nobody is told of helps nobody."""
    names = [path.name for path in (project / "config" / "examples").glob("*.yml")]

    assert len(names) > 3
    assert [name for name in names if name not in readme and name.split(".")[0] not in readme] == []
