"""Print log records so that no secret and no forged line gets out.

Owns the root handler: its forms, its redaction, its refusal to fail. Never decides what is
worth a line and never reads configuration. `cli` and `daemon` call `set_up` once, before anything
logs; whoever learns a secret later (a package token, a link's secret) calls `register_secrets`.

Law 1. Redaction happens at the handler: message, arguments, traceback, stack and extra fields.
Law 2. One record is one line, whatever stands in a file name or an answer of the cloud.
Law 3. A full disk or a closed stderr loses lines, never the daemon.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO
from urllib.parse import quote, quote_plus

from masv_watch.errors import OUR_FAULT
from masv_watch.model import Secret

Form = Literal["text", "dated", "json", "journal"]

#: what stands where a secret stood
MASK = "***"
#: a shorter value is not searched for: it would blacken every line
SHORTEST_SECRET = 4
#: secrets registered later than the start; the oldest are forgotten beyond this
LATER_SECRETS = 4096

#: newest lines that are kept for a diagnosis, and those of errors beside them: what thousands of
#: deliveries say must not push the one traceback out
RECENT_LINES, RECENT_ERRORS = 400, 100
#: characters of one of them; a longer one loses its middle, for a traceback tells most at its ends
RECENT_LENGTH = 8192

#: fields whose words are all ours: they say who did what, and a caller's password blackens none
_OUR_WORDS = frozenset({"caller", "by", "outcome"})
#: libraries that print whole URLs with their signatures on DEBUG
_TALKATIVE = ("urllib3", "requests", "apscheduler", "watchdog", "waitress")
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: priorities of syslog(3), as journald reads them from the start of a line
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_HEADERS = r"authorization|x-api-key|x-user-token|x-package-token|set-cookie|cookie"
_VALUES = r"x-amz-signature|x-amz-credential|x-amz-security-token|password|access_code"
_SENSITIVE_NAME = re.compile(
    rf"(?:{_HEADERS}|{_VALUES}|secret|token|api_?key)".replace("-", "[-_]"), re.IGNORECASE
)
_PATTERNS = (
    # A header's value may hold blanks and semicolons: it ends with its quote or its line.
    re.compile(rf"((?:{_HEADERS})[\"']?\s*[:=,]\s*)({_QUOTED}|[^\r\n]+)", re.IGNORECASE),
    re.compile(
        rf"((?:(?:{_VALUES})[\"']?\s*(?:=|:|%3D)|\bsecret[\"']?\s*(?:=|%3D)|[\"']secret[\"']\s*:)\s*)"
        rf"({_QUOTED}|(?:(?!%26)[^\s&\"'<>])+)",
        re.IGNORECASE,
    ),
)


class Redactor:
    """Knows the secrets and takes them out of texts; safe from any thread."""

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        """Know the secrets of the configuration; these are never forgotten."""
        self._lock = threading.Lock()
        self._lasting = {spelling for secret in secrets for spelling in _spellings(secret)}
        self._later: dict[str, None] = {}
        self._ordered: tuple[str, ...] = ()
        self._order()

    def add(self, secrets: Iterable[Secret | str], *, lasting: bool = False) -> None:
        """Know further secrets; unless lasting, the newest `LATER_SECRETS` spellings are kept."""
        with self._lock:
            if lasting:
                self._lasting.update(spelling for one in secrets for spelling in _spellings(one))
                self._order()
                return
            for secret in secrets:
                for spelling in _spellings(secret):
                    self._later.pop(spelling, None)
                    self._later[spelling] = None
            while len(self._later) > LATER_SECRETS:
                del self._later[next(iter(self._later))]
            self._order()

    def adopt(self, other: Redactor) -> None:
        """Know what another one knew, so that a second set-up forgets nothing."""
        with other._lock:
            lasting, later = tuple(other._lasting), tuple(other._later)
        self.add(lasting, lasting=True)
        self.add(later)

    def clean(self, text: str) -> str:
        """Give the text with every known secret and every secret-looking value masked."""
        for spelling in self._ordered:
            if spelling in text:
                text = text.replace(spelling, MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{MASK}", text)
        return text

    def cleaned(self, record: logging.LogRecord) -> logging.LogRecord:
        """Give a copy of the record that holds no secret; the original stays as it is."""
        record = copy.copy(record)
        if not _is_our_sentence(record):
            record.msg, record.args = self.clean(_message(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self.clean(record.stack_info)
        for name, value in fields_of(record).items():
            setattr(record, name, self._field(name, value))
        return record

    def _field(self, name: str, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if _SENSITIVE_NAME.search(name):
            return MASK
        if name in _OUR_WORDS:
            return value
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        return self.clean(str(value))

    def _order(self) -> None:
        # Longest first: a secret that holds another must vanish whole.
        self._ordered = tuple(sorted((*self._lasting, *self._later), key=len, reverse=True))


_BY_PATTERNS = Redactor()


def _is_our_sentence(record: logging.LogRecord) -> bool:
    """Say whether a message stands in our source word for word: a secret may be such a word too."""
    return not record.args and record.name.startswith("masv_watch.") and isinstance(record.msg, str)


class RootHandler(logging.StreamHandler[TextIO]):
    """The one handler of the process: redacts, prints one line, never fails."""

    def __init__(self, stream: TextIO | None, redactor: Redactor) -> None:
        """Write to the stream, or to standard error."""
        super().__init__(stream)
        self.redactor = redactor
        #: records that could not be written
        self.lost = 0
        self._recent: deque[tuple[float, str]] = deque(maxlen=RECENT_LINES)
        self._errors: deque[tuple[float, str]] = deque(maxlen=RECENT_ERRORS)

    def format(self, record: logging.LogRecord) -> str:
        """Print a redacted copy of the record, and keep it for who asks later."""
        cleaned = self.redactor.cleaned(record)
        kept = self._errors if record.levelno >= logging.ERROR else self._recent
        kept.append((record.created, _cut(_DATED.format(cleaned))))
        return super().format(cleaned)

    def recent(self) -> list[str]:
        """Give the newest lines, the oldest first; a secret learned since is taken out, too."""
        self.acquire()
        try:
            kept = [*self._recent, *self._errors]
        finally:
            self.release()
        return [self.redactor.clean(line) for _, line in sorted(kept, key=lambda one: one[0])]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Count the lost record; the standard one prints its arguments, secrets and all."""
        self.lost += 1


class TextForm(logging.Formatter):
    """`LEVEL sentence key=value ...`, for people; journald adds the time itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Print one line."""
        return f"{record.levelname} {_sentence(record)}"


class DatedForm(logging.Formatter):
    """The same with its local time in front, for a terminal, a file or a container."""

    def format(self, record: logging.LogRecord) -> str:
        """Print one line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        return f"{at.isoformat(timespec='milliseconds')} {record.levelname} {_sentence(record)}"


class JournalForm(logging.Formatter):
    """The same with the priority of syslog in front, as journald reads it."""

    def format(self, record: logging.LogRecord) -> str:
        """Print one line."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return f"<{priority}>{_sentence(record)}"


_DATED = DatedForm()


def _cut(line: str) -> str:
    if len(line) <= RECENT_LENGTH:
        return line
    half = RECENT_LENGTH // 2
    return f"{line[:half]} ... {line[-half:]}"


class JsonForm(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """Print one line; a field named like one of ours gets an underscore behind its name."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        for name, value in fields_of(record).items():
            line[f"{name}_" if name in line else name] = value
        line.update(_traces(record))
        return json.dumps(line, ensure_ascii=True, allow_nan=True, default=str)


def set_up(
    *,
    secrets: Iterable[Secret | str] = (),
    level: str | int = "INFO",
    form: Form = "text",
    stream: TextIO | None = None,
) -> RootHandler:
    """Make the root logger print through one redacting handler; a second call replaces the first.

    A second call keeps what the first one knew of secrets. Uncaught exceptions of the process and
    of its threads take the same way out, so that they are redacted too.
    """
    root = logging.getLogger()
    handler = RootHandler(stream, Redactor(secrets))
    forms = {"text": TextForm, "dated": DatedForm, "json": JsonForm, "journal": JournalForm}
    handler.setFormatter(forms[form]())
    for before in [known for known in root.handlers if isinstance(known, RootHandler)]:
        handler.redactor.adopt(before.redactor)
        root.removeHandler(before)
    root.addHandler(handler)
    root.setLevel(level.upper() if isinstance(level, str) else level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(root.level, logging.INFO))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash
    return handler


def form_for(wanted: str, environ: Mapping[str, str]) -> Form:
    """Give the form of the daemon's lines: as wanted, or by who reads standard error.

    journald names the stream that it reads; a child whose standard error goes elsewhere inherits
    the name, and no time would be on its lines.
    """
    if wanted == "json":
        return "json"
    if wanted in ("text", "journal"):
        return "dated" if wanted == "text" else "journal"
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return "dated"
    is_read = environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
    return "journal" if is_read else "dated"


def redacted(text: str) -> str:
    """Give a text without the secrets that the handler knows; without `set_up` only by patterns."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RootHandler):
            return handler.redactor.clean(text)
    return _BY_PATTERNS.clean(text)


def recent() -> list[str]:
    """Give the newest lines of the log, the oldest first; without `set_up` none."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RootHandler):
            return handler.recent()
    return []


def register_secrets(*secrets: Secret | str, lasting: bool = False) -> None:
    """Let the handler know secrets that came up after the start; without `set_up` do nothing.

    The lasting ones are never forgotten, the others once very many newer ones came.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RootHandler):
            handler.redactor.add(secrets, lasting=lasting)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """Give the `extra` fields of a record."""
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD_FIELDS and not name.startswith("_")
    }


def escaped(text: str) -> str:
    """Write everything that is not printable as a backslash escape, backslashes doubled."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a name that is not UTF-8
        return f"\\x{number - 0xDC00:02x}"
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    if short:
        return short
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _sentence(record: logging.LogRecord) -> str:
    pairs = [*fields_of(record).items(), *_traces(record)]
    words = [f"{escaped(name)}={_value(value)}" for name, value in pairs]
    return " ".join([escaped(record.getMessage()), *words])


def _value(value: object) -> str:
    text = escaped(str(value))
    if text and not any(character in ' ="' for character in text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _traces(record: logging.LogRecord) -> list[tuple[str, str]]:
    pairs = (("traceback", record.exc_text), ("stack", record.stack_info))
    return [(name, text) for name, text in pairs if text]


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (its arguments do not fit: {record.args!r})"


def _spellings(secret: Secret | str) -> set[str]:
    value = secret.reveal() if isinstance(secret, Secret) else secret
    if len(value) < SHORTEST_SECRET:
        return set()
    return {value, quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1]}


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical(
        "the program crashed", exc_info=(kind, error, trace), extra=OUR_FAULT
    )


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is None or issubclass(crash.exc_type, SystemExit):
        return
    logging.getLogger(__name__).critical(
        "a thread crashed",
        exc_info=(crash.exc_type, crash.exc_value, crash.exc_traceback),
        extra={"name_of_thread": crash.thread.name if crash.thread else "", **OUR_FAULT},
    )
