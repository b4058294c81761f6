"""Hand a letter to the mail server.

Owns the conversation with the server and the outcome for each recipient. Never writes a letter
(`delivery.letters` does), never decides when to try again, and never logs. Called by `outbox`, and
by the command `check` for `probe`.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import NoReturn

from masv_watch.delivery.letters import WORDS, recipient
from masv_watch.errors import MailDeferred, MailRefused
from masv_watch.logs import escaped
from masv_watch.loops import assert_outside_transaction
from masv_watch.model import Secret, Smtp

#: a server that waits for TLS says nothing to who waits for its greeting
_PORTS = "check mail.smtp.port and mail.smtp.tls: 465 wants implicit, 587 and 25 starttls"
#: seconds that `probe` allows each exchange
PROBE_TIMEOUT_S = 20.0


def send(message: EmailMessage, *, smtp: Smtp, to: str, timeout_s: float) -> str:
    """Hand the letter to the mail server for one recipient and give the server's final words.

    `timeout_s` bounds each exchange, not their sum. A connection that breaks before the final
    answer leaves the outcome unknown; the same Message-ID makes a repeat harmless.

    Raises:
        MailDeferred: not taken now: no connection, no trust, no login, or a 4xx; the fact `what`
            says where it is this letter's fault. Only with the fact `unsure` it may have been taken
            all the same.
        MailRefused: the server refused this recipient or, as the fact `what` says, this letter for
            good (5xx).
    """
    assert_outside_transaction()
    envelope_from = message["From"].addresses[0].addr_spec
    envelope_to = recipient(to).addr_spec
    with _translated(smtp), _connected(smtp, timeout_s) as client:
        international = not f"{envelope_from}{envelope_to}".isascii()
        if international and not client.has_extn("smtputf8"):
            raise MailRefused(
                f"the mail server cannot send to {escaped(to)}: it does not take SMTPUTF8",
                hint="use an address of plain letters, or another mail server",
                recipient=to,
            )
        outcome = _Outcome(smtp, to)
        options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
        outcome.of_sender(*client.mail(envelope_from, options))
        outcome.ofrecipient(*client.rcpt(envelope_to))
        raw = message.as_bytes(policy=SMTP_POLICY.clone(utf8=international))
        with _translated(smtp, unsure=True):
            code, said = _data(client, raw)
        return outcome.of_letter(code, said)


def probe(smtp: Smtp, *, timeout_s: float = PROBE_TIMEOUT_S) -> str:
    """Connect, secure, log in and leave; give one sentence about what works.

    Raises:
        MailDeferred: what does not work, with what to change.
    """
    assert_outside_transaction()
    with _translated(smtp), _connected(smtp, timeout_s) as client:
        version = client.sock.version() if isinstance(client.sock, ssl.SSLSocket) else None
        secured = f"secured by {version}" if version else "not encrypted"
        login = f"logged in as {escaped(smtp.user)}" if smtp.user else "no login"
        return f"{_where(smtp)} answers, {secured}, {login}"


def _where(smtp: Smtp) -> str:
    return f"{escaped(smtp.host)}:{smtp.port}"


@contextmanager
def _connected(smtp: Smtp, timeout_s: float) -> Iterator[smtplib.SMTP]:
    client = _open(smtp, timeout_s)
    with closing(client):
        if smtp.tls == "starttls":
            client.starttls(context=ssl.create_default_context())
        client.ehlo_or_helo_if_needed()
        if smtp.user is not None:
            client.login(smtp.user, smtp.password.reveal() if smtp.password else "")
        yield client
        _leave(client)


def _open(smtp: Smtp, timeout_s: float) -> smtplib.SMTP:
    own = socket.gethostname()
    # smtplib's own default asks the name service, which may hang for long.
    own = own if "." in own and own.isascii() else "[127.0.0.1]"
    if smtp.tls == "implicit":
        trust = ssl.create_default_context()
        return smtplib.SMTP_SSL(
            smtp.host, smtp.port, local_hostname=own, timeout=timeout_s, context=trust
        )
    return smtplib.SMTP(smtp.host, smtp.port, local_hostname=own, timeout=timeout_s)


def _leave(client: smtplib.SMTP) -> None:
    # The letter is the server's already: a lost good-bye must not cause another one.
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        return


def _data(client: smtplib.SMTP, raw: bytes) -> tuple[int, bytes]:
    try:
        return client.data(raw)
    except smtplib.SMTPDataError as error:
        said = error.smtp_error
        return error.smtp_code, said if isinstance(said, bytes) else said.encode()


class _Outcome:
    """Turns the server's answers about one letter into words or into our errors."""

    def __init__(self, smtp: Smtp, to: str) -> None:
        self._smtp = smtp
        self._to = to

    def of_sender(self, code: int, said: bytes) -> None:
        if not _is_taken(code):
            # Never this recipient's fault, so never final for him.
            hint = "" if _is_passing(code) else "check mail.from"
            self._defer(code, said, clause="does not take this sender", hint=hint)

    def ofrecipient(self, code: int, said: bytes) -> None:
        self._judge(code, said, "recipient")

    def of_letter(self, code: int, said: bytes) -> str:
        self._judge(code, said, "letter")
        return f"{code} {_words(said, self._smtp.password)}"

    def _judge(self, code: int, said: bytes, what: str) -> None:
        if _is_taken(code):
            return
        if 500 <= code < 600 and code != 530:
            words = _words(said, self._smtp.password)
            raise MailRefused(
                f"the mail server refused the {what} for {escaped(self._to)}: {code} {words}",
                recipient=self._to,
                smtp_code=code,
                what=what,
            )
        # a server that closes for today, or wants a login, says nothing of what it was given
        fault = what if _is_passing(code) and code != 421 else ""
        clause = f"does not take the {what} for {escaped(self._to)} now"
        self._defer(code, said, clause=clause, what=fault)

    def _defer(
        self, code: int, said: bytes, *, clause: str, what: str = "", hint: str = ""
    ) -> NoReturn:
        hint = "the server wants a login: set mail.smtp.user" if code == 530 else hint
        raise MailDeferred(
            f"{_where(self._smtp)} {clause}: {code} {_words(said, self._smtp.password)}",
            hint=hint,
            recipient=self._to,
            smtp_code=code,
            what=what,
        )


def _is_taken(code: int) -> bool:
    return 200 <= code < 300


def _is_passing(code: int) -> bool:
    return 400 <= code < 500


def _words(said: bytes | str, password: Secret | None) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    if password is not None and password.reveal():
        text = text.replace(password.reveal(), "***")
    text = escaped(" ".join(text.split()))
    return text if len(text) <= WORDS else text[: WORDS - 1] + "\N{HORIZONTAL ELLIPSIS}"


@contextmanager
def _translated(smtp: Smtp, *, unsure: bool = False) -> Iterator[None]:
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        said = f"{error.smtp_code} {_words(error.smtp_error, smtp.password)}"
        raise MailDeferred(
            f"{_where(smtp)} refused the login: {said}",
            hint="check mail.smtp.user and mail.smtp.password",
            smtp_code=error.smtp_code,
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise MailDeferred(
            f"{_where(smtp)} cannot do what is asked: {_words(str(error), smtp.password)}",
            hint="check mail.smtp.tls, mail.smtp.port and mail.smtp.user",
        ) from error
    except smtplib.SMTPResponseException as error:
        said = f"{error.smtp_code} {_words(error.smtp_error, smtp.password)}"
        raise MailDeferred(
            f"{_where(smtp)} does not take letters now: {said}",
            smtp_code=error.smtp_code,
            unsure=unsure,
        ) from error
    except smtplib.SMTPException as error:
        said = _words(str(error), smtp.password)
        raise MailDeferred(
            f"{_where(smtp)} ended the conversation: {said}", hint=_PORTS, unsure=unsure
        ) from error
    except ssl.SSLError as error:
        raise MailDeferred(
            f"no trusted connection to {_where(smtp)}: {_words(_tls_reason(error), smtp.password)}",
            hint="check mail.smtp.tls and mail.smtp.port; SSL_CERT_FILE names further authorities",
            unsure=unsure,
        ) from error
    except (OSError, UnicodeError) as error:
        said = _words(str(error) or type(error).__name__, smtp.password)
        raise MailDeferred(
            f"{_where(smtp)} cannot be reached: {said}",
            hint="check mail.smtp.host and mail.smtp.port",
            unsure=unsure,
        ) from error


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    return str(error.reason or error)
