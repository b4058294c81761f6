"""What each status means, by what the call proved itself with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.cloud.refusals import (
    Answer,
    Door,
    judge,
    retry_after_s,
    says_finalized,
    says_unfinished,
    words_of,
)
from masv_watch.errors import (
    CloudError,
    CloudGarbled,
    CloudRefused,
    CloudThrottled,
    CloudUnpaid,
    CloudUnreachable,
    NoSession,
    PackageGone,
    TokenExpired,
    UrlExpired,
)
from masv_watch.model import Secret

NOON = 1_700_000_000.0
NOON_DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=named, body=body, at=NOON)


@pytest.mark.parametrize(
    ("status", "door", "kind"),
    [
        (101, Door.KEY, CloudGarbled),
        (103, Door.STORAGE, CloudGarbled),
        (301, Door.KEY, CloudGarbled),
        (307, Door.STORAGE, CloudGarbled),
        (400, Door.KEY, CloudRefused),
        (401, Door.KEY, NoSession),
        (401, Door.USER, NoSession),
        (401, Door.SIGN_IN, NoSession),
        (401, Door.PACKAGE, TokenExpired),
        (401, Door.PUBLIC, CloudRefused),
        (401, Door.STORAGE, UrlExpired),
        (402, Door.KEY, CloudUnpaid),
        (402, Door.PUBLIC, CloudUnpaid),
        (402, Door.PACKAGE, CloudUnpaid),
        (402, Door.STORAGE, CloudRefused),
        (403, Door.KEY, CloudRefused),
        (403, Door.USER, CloudRefused),
        (403, Door.SIGN_IN, CloudRefused),
        (403, Door.PACKAGE, CloudRefused),
        (403, Door.STORAGE, UrlExpired),
        (404, Door.KEY, CloudRefused),
        (404, Door.PACKAGE, PackageGone),
        (404, Door.STORAGE, CloudRefused),
        (408, Door.PACKAGE, CloudUnreachable),
        (409, Door.PACKAGE, CloudRefused),
        (410, Door.PACKAGE, PackageGone),
        (429, Door.STORAGE, CloudThrottled),
        (500, Door.KEY, CloudUnreachable),
        (502, Door.PACKAGE, CloudUnreachable),
        (503, Door.STORAGE, CloudThrottled),
        (599, Door.PUBLIC, CloudUnreachable),
    ],
)
def test_status_at_a_door_means_one_kind_of_error(status, door, kind):
    """The table of the protocol page, row by row."""
    with pytest.raises(CloudError) as caught:
        judge(answer(status), doing="testing", door=door)

    assert type(caught.value) is kind
    assert caught.value.facts["status"] == status
    assert str(caught.value).startswith("while testing, ")


@pytest.mark.parametrize(
    ("door", "sentence", "cure"),
    [
        (Door.KEY, "refused the API key", "correct masv.api_key"),
        (Door.USER, "refused the user token", "sign in again"),
        (Door.SIGN_IN, "email or password is wrong", "second factor"),
    ],
)
def test_no_session_names_what_was_refused_and_its_own_cure(door, sentence, cure):
    """The code is the agent's own; nobody is told to correct a key that he does not have."""
    with pytest.raises(NoSession, match=f"{sentence}.*401") as caught:
        judge(answer(401, b'{"message":"session is nil"}'), doing="testing", door=door)

    assert (caught.value.code, caught.value.status) == (262146, 401)
    assert cure in caught.value.hint


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_status_of_success_passes(status):
    """A success is no error, whatever its body says."""
    judge(answer(status, b"<html>"), doing="testing", door=Door.KEY)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RequestTimeout", CloudUnreachable),
        ("ExpiredToken", UrlExpired),
        ("BadDigest", CloudRefused),
    ],
)
def test_storage_code_that_means_more_than_its_status_is_heard(code, kind):
    """S3 says with 400 what others say with 408 and 403."""
    body = f"<Error><Code>{code}</Code><Message>words</Message></Error>".encode()

    with pytest.raises(CloudError, match=f"400.*: {code}: words") as caught:
        judge(answer(400, body), doing="sending", door=Door.STORAGE)

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"code":262146,"message":"session is nil"}', ("262146", "session is nil")),
        (b'{"code":0,"message":"no","errors":[{"msg":"x"}]}', ("", "no")),
        (b'{"code":7,"errors":[{"code":"a","msg":"name is required"}]}', ("7", "name is required")),
        (b'{"error":"locked"}', ("", "locked")),
        (b'{"message":{"a":1}}', ("", "")),
        (b"[]", ("", "")),
        (b"", ("", "")),
        (b"<html><body>502</body></html>", ("", "")),
        (b"<Error><Code>SlowDown</Code><Message>m</Message></Error>", ("SlowDown", "m")),
    ],
)
def test_words_of_a_refusal_are_found_in_every_form(body, words):
    """That shape, any other JSON, HTML, and an empty body."""
    assert words_of(body) == words


PAGES = [
    b"<!doctype html><title>Sign in</title>",
    b"\xef\xbb\xbf\r\n<!DOCTYPE  HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
    b'<?xml version="1.0"?>\n<!DOCTYPE html><html lang="en">',
    b"<HTML><body>blocked</body></HTML>",
    b"<!-- a filter --><html>",
    b"<head><title>404 Not Found</title></head>",
]


@pytest.mark.fault(61)
@pytest.mark.parametrize("door", [door for door in Door if door is not Door.STORAGE])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 451])
@pytest.mark.parametrize("page", PAGES)
def test_page_with_the_status_of_a_refusal_is_nothing_that_the_cloud_said(page, status, door):
    """A proxy, a filter or a sign-in page between us: it is tried again."""
    with pytest.raises(CloudGarbled) as caught:
        judge(answer(status, page), doing="testing", door=door)

    assert caught.value.facts["status"] == status
    assert caught.value.message.startswith("while testing, a web page came")
    assert "a proxy, a filter" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind"), [(408, CloudUnreachable), (429, CloudThrottled), (502, CloudUnreachable)]
)
def test_page_with_a_status_that_asks_to_wait_is_heard_by_its_status(status, kind):
    """A gateway writes pages as well, and knows when to come again."""
    with pytest.raises(kind):
        judge(answer(status, PAGES[0]), doing="testing", door=Door.PACKAGE)


def _refused(status: int, body: bytes) -> CloudRefused:
    with pytest.raises(CloudRefused) as caught:
        judge(answer(status, body), doing="finalizing the package", door=Door.PACKAGE)
    return caught.value


@pytest.mark.parametrize(
    "words",
    [
        "package is not new: finalized",
        "package is not new: expired",
        "Package is not in state new",
        "the package is no longer new",
        "package already finalized",
        "Package has already been finalised.",
        "package was finalized",
        "package is locked",
        "package state is finalized",
        "locked",
    ],
)
@pytest.mark.parametrize("shape", [b'{"code":0,"message":"%s"}', b'{"error":"%s"}'])
def test_refusal_that_says_the_package_is_finalized_is_read_so(words, shape):
    """The words of the protocol page in every form that a client must survive."""
    assert says_finalized(_refused(409, shape % words.encode()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"package is not new: finalized",
        b"<Error><Message>package is locked</Message></Error>",
        b'{"message":"your account is suspended, payment is due"}',
        b'{"message":"your account is locked"}',
        b'{"message":"package is locked until the invoice is paid"}',
        b'{"message":"package is not new: archived"}',
        b'{"message":"package cannot be finalized"}',
        b'{"message":"package is not finalized"}',
        b'{"message":"a fault of the sandbox"}',
        b'{"message":"package must have at least 1 file"}',
    ],
)
def test_refusal_for_another_reason_is_never_taken_for_finalized(body):
    """A source is disposed of by what this says."""
    assert not says_finalized(_refused(403, body))


def test_refusal_because_of_missing_files_is_read_so():
    """The one refusal that a real client saw, and the sandbox's own."""
    for words in (b"package must have at least 1 file", b"package has unfinished files"):
        assert says_unfinished(_refused(400, b'{"message":"%s"}' % words))

    assert not says_unfinished(_refused(400, b'{"message":"your account is suspended"}'))


def test_refusal_that_repeats_our_secrets_is_shown_without_them():
    """A cloud that quotes what it refuses does not publish it."""
    body = b'{"message":"code open-sesame is wrong for https://a/b?secret=canary"}'

    with pytest.raises(CloudRefused) as caught:
        judge(answer(400, body), doing="testing", door=Door.PUBLIC, secrets=[Secret("open-sesame")])

    assert "sesame" not in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "code *** is wrong for https://a/b?***" in str(caught.value)


def test_refusal_with_hostile_words_is_one_short_printable_line():
    """The cloud's words reach terminals and logs."""
    body = b'{"message":"\\u001b[2J\\nforged line\\u202e %s"}' % (b"x " * 5000)

    with pytest.raises(CloudRefused) as caught:
        judge(answer(400, body), doing="testing", door=Door.PUBLIC)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.fault(55)
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": " 0 "}, 0.0),
        ({"Retry_After": "9" * 5000}, 3600.0),
        ({"Retry_After": "86400"}, 3600.0),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "٣"}, None),
        ({"Retry_After": ""}, None),
        ({}, None),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:50 GMT", "Date": NOON_DATE}, 30.0),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:50 -0000", "Date": NOON_DATE}, 30.0),
        ({"Retry_After": "Tue, 14 Nov 2023 21:00:00 GMT", "Date": NOON_DATE}, 0.0),
        ({"Retry_After": "Wed, 14 Nov 2063 22:13:50 GMT", "Date": NOON_DATE}, 3600.0),
        ({"Retry_After": "Tue, 99 Nov 2023 22:13:50 GMT", "Date": NOON_DATE}, None),
    ],
)
def test_retry_after_in_every_form_is_honoured_and_capped(headers, wait_s):
    """Seconds, a date by the cloud's own clock, absurd, missing."""
    assert retry_after_s(answer(429, **headers)) == wait_s


@given(st.text(max_size=40), st.text(max_size=40))
def test_retry_after_of_any_text_is_none_or_within_the_cap(text, date):
    """A header never breaks the retry."""
    found = retry_after_s(answer(503, Retry_After=text, Date=date))

    assert found is None or 0.0 <= found <= 3600.0


def test_throttle_carries_the_seconds_as_a_fact():
    """`retry.decide` reads facts, not messages."""
    with pytest.raises(CloudThrottled) as caught:
        judge(answer(503, Retry_After="12"), doing="testing", door=Door.PACKAGE)

    assert caught.value.facts["retry_after_s"] == 12.0


@pytest.mark.fault(67)
def test_expired_url_under_a_skewed_clock_names_the_difference():
    """A clock that is an hour off looks like an expired URL for ever."""
    with pytest.raises(UrlExpired) as caught:
        judge(answer(403, Date="Tue, 14 Nov 2023 23:13:20 GMT"), doing="sending", door=Door.STORAGE)

    assert "+3600 s" in caught.value.hint
    assert caught.value.facts["limit"] == 5
    assert caught.value.facts["after_limit"] == "never"


def test_redirect_names_the_host_it_points_to_and_nothing_more():
    """Enough to find a wrong address, without path, query or user."""
    where = "https://me:canary@other.example/canary?secret=canary"

    with pytest.raises(CloudGarbled) as caught:
        judge(answer(307, Location=where), doing="testing", door=Door.KEY)

    assert "other.example" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_refusal_for_want_of_money_or_room_says_where_to_look():
    """Only somebody at MASV mends it, and the cloud's own words do not say so (fault 66)."""
    with pytest.raises(CloudUnpaid) as caught:
        judge(answer(402, b'{"error": "quota exceeded"}'), doing="making a package", door=Door.KEY)

    assert "quota exceeded" in caught.value.message
    assert caught.value.hint.endswith("the quota and the payment at MASV")
