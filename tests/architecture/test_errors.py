"""Every error has a meaning that never changes."""

from __future__ import annotations

import pytest

from masv_watch import errors
from masv_watch.errors import MasvWatchError, Remedy

#: published codes: add below, never change and never remove a line
PUBLISHED = {
    0: "MasvWatchError",
    1000: "ConfigError",
    1100: "SourceError",
    1101: "SourceChanged",
    1102: "SourceVanished",
    1103: "SourceUnreadable",
    1106: "SourceBusy",
    1104: "SourceForbidden",
    1105: "CannotJudge",
    1200: "CloudError",
    1201: "CloudUnreachable",
    1202: "CloudThrottled",
    1203: "CloudGarbled",
    1204: "EtagMismatch",
    1205: "CloudRefused",
    1206: "UrlExpired",
    1207: "PackageGone",
    1208: "TokenExpired",
    1209: "NetworkDown",
    1210: "CloudUnpaid",
    262146: "NoSession",
    1300: "StoreError",
    1301: "StoreBusy",
    1302: "StoreFull",
    1303: "FenceLost",
    1304: "StoreUnusable",
    1400: "MailError",
    1401: "MailDeferred",
    1402: "MailRefused",
    1410: "HookError",
    1411: "HookDeferred",
    1412: "HookRefused",
    1500: "RequestError",
    1501: "BadRequest",
    1502: "Unauthenticated",
    1503: "Denied",
    1504: "NotFound",
    1505: "MethodNotAllowed",
    1506: "IllegalTransition",
    1507: "TooLarge",
    1508: "NotJson",
    1509: "Unprocessable",
    1510: "Busy",
    1511: "ReloadRefused",
    1600: "CannotListen",
    1700: "CannotMove",
    1701: "ArchiveAway",
    1702: "CannotDrop",
}


def kin(parent: type[MasvWatchError]) -> list[type[MasvWatchError]]:
    return [parent, *(grandchild for child in parent.__subclasses__() for grandchild in kin(child))]


ERRORS = [error for error in kin(MasvWatchError) if error.__module__ == errors.__name__]


def test_error_codes_are_those_that_were_published():
    """A script that knows a code may rely on it for ever; equal codes would show here too."""
    assert [(error.code, error.__name__) for error in ERRORS] == list(PUBLISHED.items())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_error_says_what_helps_and_how_the_api_answers(error):
    """Each has a code and a docstring of its own, a remedy and an HTTP status."""
    assert "code" in vars(error)
    assert error.__doc__ != error.__mro__[1].__doc__
    assert error.__doc__.strip().endswith(".")
    assert isinstance(error.remedy, Remedy)
    assert 400 <= error.status <= 599


def test_errors_are_all_defined_in_their_module():
    """A room that makes up its own error keeps it from the table above."""
    foreign = [
        error.__qualname__
        for error in kin(MasvWatchError)
        if error.__module__.startswith("masv_watch") and error not in ERRORS
    ]

    assert not foreign


def test_error_text_is_the_sentence_and_then_the_hint():
    """What people read says what is wrong, then what to do."""
    error = errors.StoreFull("the disk is full", hint="free some space", path="/x")

    assert str(error) == "the disk is full - free some space"
    assert error.facts == {"path": "/x"}
