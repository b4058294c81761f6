"""One record is one line without a secret, whatever happens."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import logs
from masv_watch.logs import (
    Redactor,
    RootHandler,
    escaped,
    form_for,
    register_secrets,
    set_up,
)
from masv_watch.model import Secret

CANARY = "c4n4ry/+secret value"
log = logging.getLogger("masv_watch.probe")
#: a library's sentences may hold anything, ours stand in the source
library = logging.getLogger("a.library")


@pytest.fixture(autouse=True)
def own_root() -> Iterator[None]:
    """Take back everything that a set-up changes in the process."""
    root = logging.getLogger()
    before = (root.level, sys.excepthook, threading.excepthook)
    yield
    level, sys.excepthook, threading.excepthook = before
    root.handlers[:] = [known for known in root.handlers if not isinstance(known, RootHandler)]
    logging.captureWarnings(capture=False)
    for name in logs._TALKATIVE:
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(level)


def printed(form: str = "text", **settings: object) -> io.StringIO:
    """Set the log up to print into the answer."""
    stream = io.StringIO()
    set_up(
        **{"secrets": [Secret(CANARY)], "level": "DEBUG", "form": form, "stream": stream} | settings
    )
    return stream


def test_text_form_prints_level_sentence_and_fields():
    """A line reads as a sentence with facts behind it."""
    stream = printed()

    log.info("upload finalized", extra={"upload": "u1", "files": 3})

    assert stream.getvalue() == "INFO upload finalized upload=u1 files=3\n"


def test_text_form_quotes_values_that_could_be_read_two_ways():
    """Blank, equals sign, quote and nothing stand in quotes."""
    stream = printed()

    log.info("seen", extra={"a": "x y", "b": "k=v", "c": 'q"', "d": "", "e": "\\"})

    assert stream.getvalue() == 'INFO seen a="x y" b="k=v" c="q\\"" d="" e=\\\\\n'


def test_dated_form_is_the_text_form_with_its_time_in_front():
    """On a terminal, in a file and in a container nobody else says when it was."""
    stream = printed("dated")

    log.info("seen", extra={"drop": 7})

    time, rest = stream.getvalue().split(" ", 1)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert rest == "INFO seen drop=7\n"


def test_form_is_the_journals_only_where_the_journal_reads_standard_error(tmp_path, monkeypatch):
    """A child whose lines go to a file inherits the name of a stream that is not its own."""
    with (tmp_path / "log").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        status = os.fstat(stream.fileno())
        read = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        forms = [form_for("auto", each) for each in (read, {"JOURNAL_STREAM": "1:2"}, {})]
        wanted = [form_for(each, read) for each in ("text", "json", "journal")]
        monkeypatch.setattr(sys, "stderr", None)

        assert forms == ["journal", "dated", "dated"]
        assert wanted == ["dated", "json", "journal"]
        assert form_for("auto", read) == "dated"


@pytest.mark.parametrize(
    ("level", "priority"), [(10, 7), (20, 6), (30, 4), (40, 3), (50, 2), (35, 4)]
)
def test_journal_form_starts_with_the_priority_of_syslog(level, priority):
    """Journald reads the level from the line."""
    stream = printed("journal")

    log.log(level, "seen", extra={"drop": 7})

    assert stream.getvalue() == f"<{priority}>seen drop=7\n"


def test_json_form_is_one_object_with_typed_fields():
    """Machines get numbers as numbers and nothing of theirs is overwritten."""
    stream = printed("json")

    log.info("seen", extra={"size": 5, "whole": True, "level": "mine", "path": b"a\xff"})

    line = json.loads(stream.getvalue())
    assert (line["size"], line["whole"], line["level"], line["level_"]) == (5, True, "INFO", "mine")
    assert line["message"] == "seen"
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("form", ["text", "journal", "json"])
@pytest.mark.parametrize(
    "hostile",
    [
        "a\nERROR forged line",
        "a\r\nINFO forged",
        "\x1b[2J\x1b[31m",
        "\u202egpj.exe",
        "\u2028\u2029\x85\x0b\x0c",
        "name\udcff\ud800",
    ],
    ids=["newline", "return", "terminal", "right to left", "separators", "not utf-8"],
)
def test_hostile_name_in_any_form_stays_one_printable_line(form, hostile):
    """Newlines, escapes, right-to-left marks and odd bytes cannot forge or hide anything."""
    stream = printed(form)

    log.warning(
        "skipped %s",
        hostile,
        extra={"path": hostile, "raw": hostile.encode("utf-8", "surrogatepass")},
    )

    text = stream.getvalue()
    text.encode("utf-8")
    assert text.endswith("\n")
    assert text[:-1].isprintable()


def test_bytes_field_that_is_not_utf8_shows_its_bytes():
    """A path is printed so that its bytes can be read off."""
    stream = printed()

    log.info("seen", extra={"path": b"caf\xe9/\xc3\xa9"})

    assert stream.getvalue() == "INFO seen path=caf\\xe9/é\n"


@given(text=st.text(alphabet=st.characters(categories=None)))
def test_escaped_is_printable_and_distinct_from_what_it_escapes(text):
    """Escaping is total, printable and loses nothing."""
    result = escaped(text)

    assert result.isprintable()
    assert "\\" not in re.sub(r"\\(\\|n|r|t|x[0-9a-f]{2}|u[0-9a-f]{4,6})", "", result)


def spill(error: str) -> None:
    raise ValueError(error)


@pytest.mark.parametrize("form", ["text", "journal", "json"])
def test_registered_secret_never_appears_wherever_it_stands(form):
    """Message, arguments, traceback, stack and fields are all cleaned."""
    stream = printed(form)
    later = "p4ck4ge-t0ken"
    register_secrets(Secret(later), "l1nk-s3cret")

    for secret in (CANARY, later, "l1nk-s3cret"):
        library.info("plain " + secret)
        log.info("argument %s and %r", secret, [secret])
        log.info("dict %(a)s", {"a": secret})
        log.info("field", extra={"note": secret, "listed": [secret], "raw": secret.encode()})
        log.info("stack", stack_info=True, extra={"note": "x"})
        try:
            spill(f"could not use {secret}")
        except ValueError:
            log.exception("failed")

    for secret in (CANARY, later, "l1nk-s3cret"):
        assert secret not in stream.getvalue()
        assert json.dumps(secret)[1:-1] not in stream.getvalue()
    assert logs.MASK in stream.getvalue()
    assert "Traceback" in stream.getvalue()


def test_secret_in_its_url_spelling_is_masked():
    """A value with odd characters is found percent-encoded as well."""
    stream = printed()

    library.info("GET /x?code=c4n4ry%2F%2Bsecret%20value&again=c4n4ry%2F%2Bsecret+value")

    assert "c4n4ry" not in stream.getvalue()


@pytest.mark.parametrize(
    "leak",
    [
        "https://s/b?X-Amz-Credential=AKIALEAK%2F2026&X-Amz-Date=1&X-Amz-Signature=LEAKff",
        "next=https%3A%2F%2Fs%3FX-Amz-Signature%3DLEAK%26x%3D1",
        "https://get/1?secret=LEAK&x=1",
        '{"secret": "LEAK", "password": "LEAK\\" LEAK"}',
        "{'password': 'LEAK LEAK', 'X-API-KEY': 'LEAK'}",
        "password=LEAK other=fine",
        "Authorization: Bearer LEAK",
        "authorization: Basic LEAK==",
        "X-Api-Key: LEAK",
        "X-Package-Token: LEAK",
        "Set-Cookie: sid=LEAK; Path=/; HttpOnly",
        "[('X-API-KEY', 'LEAK'), ('Accept', 'x')]",
        "b'GET / HTTP/1.1\\r\\nX-Package-Token: LEAK\\r\\n'",
        "access_code=LEAK",
    ],
)
def test_secret_looking_value_is_masked_without_being_registered(leak):
    """The known shapes of the protocol are cleaned even when nobody registered the value."""
    stream = printed()

    log.info("request failed: %s", leak, extra={"detail": leak})

    assert "LEAK" not in stream.getvalue()


def test_field_with_a_sensitive_name_is_masked_whole():
    """A field that is called a secret is one."""
    stream = printed()

    log.info("seen", extra={"package_token": "zz", "password": "zz", "api_key": Secret("zz")})

    assert "zz" not in stream.getvalue()


def test_harmless_text_passes_unchanged():
    """Redaction leaves the rest of a line alone."""
    text = "PUT https://s/b?partNumber=3&X-Amz-Date=20260101 -> 200, secretary, passwords"

    assert Redactor(["long-enough"]).clean(text) == text


def test_secret_shorter_than_four_characters_is_not_searched_for():
    """One-letter secrets would blacken every line."""
    assert Redactor(["a"]).clean("banana") == "banana"


def test_secret_that_begins_another_does_not_leave_its_rest():
    """The longest is taken out first."""
    redactor = Redactor(["abcd", "abcdefgh", "abcdef"])

    assert redactor.clean("abcdefgh abcdef abcd") == "*** *** ***"


def test_redactor_forgets_the_oldest_later_secrets_and_never_the_first(monkeypatch):
    """A year of package tokens does not fill the memory."""
    monkeypatch.setattr(logs, "LATER_SECRETS", 3)
    redactor = Redactor(["configured"])

    redactor.add(f"token{number}" for number in range(10))

    assert redactor.clean("configured token9 token0") == "*** *** token0"


def test_redaction_of_a_record_leaves_other_handlers_their_record():
    """Only our printed copy is cleaned; tests that look at records still see them."""
    record = logging.makeLogRecord({"msg": "x %s", "args": (CANARY,), "note": CANARY})

    Redactor([CANARY]).cleaned(record)

    assert (record.args, record.note) == ((CANARY,), CANARY)


def test_second_set_up_replaces_the_first_and_remembers_its_secrets():
    """A reload changes form and level, prints once, and forgets no secret."""
    first = printed()
    register_secrets("t0ken-of-before")

    second = printed("json", secrets=[])
    log.info("seen %s %s", CANARY, "t0ken-of-before")

    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1
    assert CANARY not in second.getvalue()
    assert "t0ken" not in second.getvalue()


def test_talkative_library_on_debug_is_not_heard():
    """urllib3 prints whole signed URLs on DEBUG: never below INFO."""
    stream = printed()

    for name in ("urllib3.connectionpool", "requests", "apscheduler.scheduler"):
        logging.getLogger(name).debug("GET /?x=1")
        logging.getLogger(name).info("kept")

    assert stream.getvalue() == "INFO kept\n" * 3


class Broken(io.StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.fault(45)
def test_log_on_a_full_disk_or_closed_stream_raises_nothing_and_counts(capsys):
    """Lines are lost, the daemon is not, and nothing unredacted lands on stderr."""
    closed = io.StringIO()
    closed.close()
    for stream in (Broken(), closed):
        handler = set_up(secrets=[CANARY], stream=stream)

        log.error("seen %s", CANARY)

        assert handler.lost == 1
    assert capsys.readouterr().err == ""


class Unprintable:
    """An argument whose own text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_log_with_arguments_that_do_not_fit_is_still_a_line():
    """A mistake in a log call costs its form, not the line."""
    stream = printed()
    root = logging.getLogger()
    # pytest's own handlers raise on a mistake in a log call
    root.handlers[:] = [known for known in root.handlers if isinstance(known, RootHandler)]

    log.info("two %s %s", "x")  # noqa: PLE1206 - the mistake under test
    log.info("kept %s", "y")
    log.info("lost %s", Unprintable())

    first, second = stream.getvalue().splitlines()
    assert "do not fit" in first
    assert second == "INFO kept y"


def test_uncaught_exception_is_printed_redacted():
    """A crash report holds no secret either, from the main thread or another."""
    stream = printed()

    def crash() -> None:
        spill(f"token is {CANARY}")

    thread = threading.Thread(target=crash, name="probe")
    thread.start()
    thread.join(60)
    try:
        crash()
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)

    lines = stream.getvalue().splitlines()
    assert [line.split(" crashed")[0] for line in lines] == [
        "CRITICAL a thread",
        "CRITICAL the program",
    ]
    assert CANARY not in stream.getvalue()


def test_exception_with_a_cause_is_one_line_with_both():
    """Chained tracebacks stay on the record's one line."""
    stream = printed()

    try:
        try:
            spill("first")
        except ValueError as error:
            raise OSError("second") from error
    except OSError:
        log.exception("failed")

    (line,) = stream.getvalue().splitlines()
    assert "first" in line
    assert "second" in line


def test_basic_credentials_of_the_mail_server_are_masked():
    """Base64 of user and password hides behind its header."""
    token = base64.b64encode(b"user:hunter22").decode()

    assert token not in Redactor().clean(f"Proxy-Authorization: Basic {token}")


def test_secret_that_is_a_plain_word_blackens_no_sentence_of_ours():
    """A caller who chooses a word of the log as his password hides nothing that he does."""
    stream = printed()
    register_secrets("delivered", "user 1000 (ann)", "done")

    log.info("an upload was delivered", extra={"caller": "user 1000 (ann)", "outcome": "done"})
    log.info("it said %s", "delivered", extra={"reason": "delivered"})

    first, second = stream.getvalue().splitlines()
    assert first == 'INFO an upload was delivered caller="user 1000 (ann)" outcome=done'
    assert second == "INFO it said *** reason=***"


def test_lasting_secret_is_not_forgotten_for_newer_ones():
    """The token of the API outlives the tokens of any number of packages."""
    stream = printed()
    register_secrets("t0ken-of-the-api", lasting=True)
    register_secrets("t0ken-of-a-package")
    register_secrets(*(f"newer-{number:06}" for number in range(logs.LATER_SECRETS)))

    log.info("they are %s and %s", "t0ken-of-the-api", "t0ken-of-a-package")

    assert stream.getvalue() == "INFO they are *** and t0ken-of-a-package\n"
