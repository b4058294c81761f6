"""The error codes that the documentation lists are those that the house raises."""

from __future__ import annotations

import re

import pytest

from masv_watch import errors
from masv_watch.errors import MasvWatchError

HEADING = "Error codes"
_ROW = re.compile(r"^(\d+) +(\d{3}|) +(\S.*)$")


def kin(parent):
    return [parent, *(grandchild for child in parent.__subclasses__() for grandchild in kin(child))]


ERRORS = {error.code: error for error in kin(MasvWatchError) if error.__module__ == errors.__name__}


@pytest.fixture(scope="module")
def section(project):
    """Give the lines below the heading, up to the next one."""
    lines = (project / "docs" / "reference" / "errors.rst").read_text("utf-8").splitlines()
    places = [number for number, line in enumerate(lines) if line == HEADING]
    assert len(places) == 1, f"errors.rst needs one section {HEADING!r} with the table of all codes"
    rest = lines[places[0] + 2 :]
    ends = [number for number, line in enumerate(rest) if re.fullmatch(r"[-=~^]{4,}", line)]
    return rest[: ends[0] - 1] if ends else rest


@pytest.fixture(scope="module")
def listed(section):
    """Give status and meaning of each listed code."""
    rows = [found for line in section if (found := _ROW.match(line))]
    assert len({int(row[1]) for row in rows}) == len(rows), "a code is listed twice"
    return {int(row[1]): (row[2], row[3]) for row in rows}


def test_every_code_is_documented_and_no_other(listed):
    """Whoever meets a code finds it; a code that nobody raises is not promised."""
    assert sorted(listed) == sorted(ERRORS)


def test_documented_status_is_the_one_that_is_answered(listed):
    """A client that acts on the status reads it there; one without it never reaches a caller."""
    wrong = {
        code: (said, ERRORS[code].status)
        for code, (said, _) in listed.items()
        if said and int(said) != ERRORS[code].status
    }

    assert not wrong


def test_code_that_every_caller_can_meet_has_its_status_documented(listed):
    """What is wrong with a request, with the session or with a source is answered by a status."""
    silent = {code for code, (said, _) in listed.items() if not said}

    assert not {code for code in silent if 1500 <= code < 1600 or code == 262146}
