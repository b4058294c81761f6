"""The SMTP sink: what it keeps, and its answers per recipient."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest


@pytest.fixture
def send(sandbox):
    """Send one mail and answer what smtplib says."""

    def send(message, to=("client@example.com",), sender="delivery@example.com"):
        with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=60) as smtp:
            return smtp.sendmail(sender, to, bytes(message))

    return send


def letter(text="Hello, Jürgen", html=None, **headers):
    message = EmailMessage()
    message["From"] = "Delivery <delivery@example.com>"
    message["Subject"] = "Day 1: dürfen wir?"
    message["Message-ID"] = headers.get("id", "<1@example.com>")
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_mail_taken_is_shown_decoded(sandbox, send):
    """Both bodies come out decoded, recipients are the envelope's."""
    html = "<p>Hällo</p>"
    send(letter(html=html, id="<both@example.com>"), ["a@example.com", "b@example.com"])
    mail = sandbox.witness("mail")[-1]

    assert mail["message_id"] == "<both@example.com>"
    assert mail["from"] == "delivery@example.com"
    assert mail["to"] == ["a@example.com", "b@example.com"]
    assert mail["subject"] == "Day 1: dürfen wir?"
    assert mail["text"].strip() == "Hello, Jürgen"
    assert mail["html"].strip() == html
    assert mail["received_at"].endswith("Z")


def test_mail_one_recipient_refused_reaches_the_others(sandbox, send):
    """A fault refuses one recipient; the rest get the mail."""
    sandbox.fault("smtp", "gone@", code=550, message="no such user")
    refused = send(letter(), ["ok@example.com", "Gone@example.com"])

    assert refused == {"Gone@example.com": (550, b"no such user")}
    assert sandbox.witness("mail")[-1]["to"] == ["ok@example.com"]
    assert sandbox.witness("faults")[0]["fired"] == 1


def test_mail_deferred_goes_through_the_second_time(sandbox, send):
    """A 450 fires as often as ordered."""
    sandbox.fault("smtp", "client@example.com", code=450)
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(letter())

    assert refused.value.recipients["client@example.com"][0] == 450
    assert send(letter()) == {}


def test_mail_refused_at_data_is_not_kept(sandbox, send):
    """stage data refuses the whole message."""
    before = len(sandbox.witness("mail"))
    sandbox.fault("smtp", "", code=552, stage="data")
    with pytest.raises(smtplib.SMTPDataError):
        send(letter())

    assert len(sandbox.witness("mail")) == before


def test_mail_lost_answer_is_kept(sandbox, send):
    """stage lost takes the mail and loses the answer."""
    before = len(sandbox.witness("mail"))
    sandbox.fault("smtp", "", stage="lost")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(letter())

    assert len(sandbox.witness("mail")) == before + 1


def test_mail_with_login_is_taken(sandbox):
    """Any user may sign in, without TLS."""
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=60) as smtp:
        assert smtp.login("any", "one")[0] == 235


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header at all",
        b"Subject: =?nope?Q?x?=\r\nFrom: <<>\r\nTo: ,;@\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=nope\r\n\r\nh\xe4llo",
        b"Content-Type: multipart/mixed; boundary=\r\n\r\nx",
        b"Message-ID: [\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
    ],
)
def test_mail_malformed_is_taken_all_the_same(sandbox, send, raw):
    """The sink never fails over a mail's form."""
    before = len(sandbox.witness("mail"))

    assert send(raw) == {}
    assert len(sandbox.witness("mail")) == before + 1
