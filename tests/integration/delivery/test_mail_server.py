"""Letters handed to a real mail server, in all the ways in which it may answer."""

from __future__ import annotations

import asyncio
import email
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from masv_watch import loops
from masv_watch.delivery import letters, mail
from masv_watch.errors import MailDeferred, MailRefused, Remedy
from masv_watch.model import Secret, Smtp

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

PASSWORD = "hunter2-and-more"
TO = "producer@example.com"


@dataclass
class Answers:
    """What the peer says, and what it took; the method names are aiosmtpd's."""

    sender: str = "250 OK"
    recipients: dict[str, str] = field(default_factory=dict)
    letter: str = "250 2.0.0 taken as 4711"
    #: break the connection instead of answering a letter
    breaks: bool = False
    #: break the connection at the good-bye
    leaves: bool = False
    taken: list[tuple[list[str], bytes]] = field(default_factory=list)
    conversations: int = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.conversations += 1
        envelope.mail_from = address
        return self.sender

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self.recipients.get(address, "250 OK")
        if said.startswith("2"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.breaks:
            assert server.transport is not None
            server.transport.abort()
        assert isinstance(envelope.content, bytes)
        if self.letter.startswith("2"):
            self.taken.append((list(envelope.rcpt_tos), envelope.content))
        return self.letter

    async def handle_QUIT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.leaves:
            assert server.transport is not None
            server.transport.abort()
        return "221 bye"


class Peer:
    """A real SMTP server on its own thread."""

    def __init__(self, answers: Answers, *, tls: ssl.SSLContext | None, **options: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()

        def protocol() -> SMTP:
            return SMTP(answers, hostname="peer", loop=self._loop, **options)

        async def serve() -> None:
            await self._loop.create_server(protocol, sock=self._listener, ssl=tls)

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(serve())
            # not within serve: a stop that ended that run would leave the next one without end
            self._up.set()
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert self._up.wait(60)
        self.port: int = self._listener.getsockname()[1]

    def stop(self) -> None:
        async def end_conversations() -> None:
            mine = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not mine]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end_conversations(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


Serve = Callable[..., Smtp]


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def serve(answers: Answers) -> Iterator[Serve]:
    peers: list[Peer] = []

    def start(*, tls: ssl.SSLContext | None = None, **options: Any) -> Smtp:
        peers.append(Peer(answers, tls=tls, **options))
        return Smtp(host="127.0.0.1", port=peers[-1].port, tls="none")

    yield start
    for peer in peers:
        peer.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    crt, key = folder / "peer.crt", folder / "peer.key"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = ["-subj", "/CN=peer", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*made.split(), *names, "-keyout", str(key), "-out", str(crt)],
        check=True,
        capture_output=True,
    )
    return crt, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def letter(to: str = TO) -> EmailMessage:
    delivery = letters.Delivery(
        package_name="Tag 1: Übersicht",
        message="",
        hot_folder="out",
        sender="dit@example.com",
        file_count=1,
        size=10,
        link_url="https://get.example.com/1?secret=x",
        expiry="",
        finalized_at="24 November 2026, 13:14",
        files=("clip.mov",),
    )
    return letters.compose(
        delivery,
        sender="Acme <delivery@example.com>",
        to=to,
        message_id=letters.message_id("upload-1", to),
        date="Tue, 24 Nov 2026 02:12:00 +0000",
        template=None,
    )


def send(smtp: Smtp, to: str = TO) -> str:
    return mail.send(letter(to), smtp=smtp, to=to, timeout_s=5)


def authenticator(server: SMTP, session: Session, *rest: Any) -> AuthResult:
    data = rest[-1]
    assert isinstance(data, LoginPassword)
    good = (data.login, data.password) == (b"delivery", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


def test_letter_to_a_willing_server_arrives_whole(answers: Answers, serve: Serve) -> None:
    """A taken letter arrives as it was composed, and the server's last words are the outcome."""
    said = send(serve())

    assert said == "250 2.0.0 taken as 4711"
    [(envelope, raw)] = answers.taken
    assert envelope == [TO]
    arrived = email.message_from_bytes(raw, policy=SMTP_POLICY)
    assert arrived["Message-ID"] == letters.message_id("upload-1", TO)
    assert "Tag 1: Übersicht" in arrived["Subject"]
    assert raw.rstrip() == letter().as_bytes().rstrip()


def test_letter_to_one_refused_of_three_is_refused_for_that_one_only(
    answers: Answers, serve: Serve
) -> None:
    """One address refused with 550 is refused by name; the two others get theirs (fault 69)."""
    smtp = serve()
    answers.recipients["gone@example.com"] = "550 5.1.1 no such user"
    outcomes = []
    for to in ("a@example.com", "gone@example.com", "b@example.com"):
        try:
            outcomes.append(send(smtp, to)[:3])
        except MailRefused as error:
            outcomes.append(str(error))

    assert outcomes == [
        "250",
        "the mail server refused the recipient for gone@example.com: 550 5.1.1 no such user",
        "250",
    ]
    assert [to for to, _ in answers.taken] == [["a@example.com"], ["b@example.com"]]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sender", "451 4.3.0 later"),
        ("sender", "550 5.7.1 sender not allowed"),
        ("recipient", "450 4.2.0 greylisted"),
        ("recipient", "421 4.3.2 shutting down"),
        ("recipient", "530 5.7.0 log in first"),
        ("letter", "452 4.3.1 no space"),
    ],
)
def test_letter_not_taken_now_is_deferred_with_the_servers_words(
    answers: Answers, serve: Serve, where: str, said: str
) -> None:
    """A 4xx, and a 5xx that is not about the recipient, wait and say why (fault 68)."""
    smtp = serve()
    if where == "sender":
        answers.sender = said
    elif where == "recipient":
        answers.recipients[TO] = said
    else:
        answers.letter = said
    with pytest.raises(MailDeferred) as raised:
        send(smtp)

    assert said in raised.value.message
    assert raised.value.remedy is Remedy.SLOW
    assert answers.taken == []


def test_letter_refused_after_its_bytes_is_refused(answers: Answers, serve: Serve) -> None:
    """A 5xx to the whole letter is as final as one to the recipient, and names him."""
    answers.letter = "554 5.7.1 looks like spam"
    with pytest.raises(MailRefused, match=r"letter for producer@example\.com: 554 5\.7\.1"):
        send(serve())


def test_server_that_wants_a_login_is_told_with_the_key(answers: Answers, serve: Serve) -> None:
    """A 530 means that mail.smtp.user is missing, and the hint says so."""
    answers.recipients[TO] = "530 5.7.0 authentication required"
    with pytest.raises(MailDeferred, match=r"set mail\.smtp\.user"):
        send(serve())


def test_hostile_words_of_a_server_are_cut_and_escaped(answers: Answers, serve: Serve) -> None:
    """What a server says cannot forge a line or flood a row."""
    answers.recipients[TO] = "550 \x1b[2J" + "x" * 400
    with pytest.raises(MailRefused) as raised:
        send(serve())

    assert "\x1b" not in raised.value.message
    assert "\\x1b[2J" in raised.value.message
    assert len(raised.value.message) < 400


def test_connection_broken_before_the_answer_is_deferred(answers: Answers, serve: Serve) -> None:
    """Without a final answer the outcome is unknown: the same letter is tried again (fault 70)."""
    answers.breaks = True
    with pytest.raises(MailDeferred, match="ended the conversation") as raised:
        send(serve())

    assert "465 wants implicit" in raised.value.hint


def test_connection_broken_at_the_good_bye_changes_nothing(answers: Answers, serve: Serve) -> None:
    """A letter once taken is sent, however the conversation ends."""
    answers.leaves = True

    assert send(serve()).startswith("250")


def test_server_that_is_not_there_is_deferred() -> None:
    """A closed port is a deferral with the keys to look at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MailDeferred, match=rf"127\.0\.0\.1:{port} cannot be reached.*smtp\.port"):
        send(Smtp(host="127.0.0.1", port=port, tls="none"))


@pytest.mark.parametrize("host", ["", "no.such.host.invalid", "x" * 70 + ".example", "a\nb"])
def test_host_that_is_no_host_is_deferred(host: str) -> None:
    """A wrong host name is a deferral, never a crash."""
    with pytest.raises(MailDeferred):
        send(Smtp(host=host, port=1, tls="none"))


def test_silent_server_is_given_up_after_the_timeout() -> None:
    """A server that accepts and says nothing holds the room for the timeout only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        smtp = Smtp(host="127.0.0.1", port=listener.getsockname()[1], tls="none")
        began = time.monotonic()
        with pytest.raises(MailDeferred, match=r"cannot be reached|ended the conversation"):
            mail.send(letter(), smtp=smtp, to=TO, timeout_s=0.2)

    assert time.monotonic() - began < 30


@pytest.mark.parametrize("greeting", [b"220 \r\n\xff\x00\r\n", b"garbage\r\n", b"554 no\r\n", b"2"])
def test_peer_that_speaks_no_smtp_is_deferred(greeting: bytes) -> None:
    """A server of another kind is a deferral, never a crash."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            peer, _ = listener.accept()
            peer.sendall(greeting)
            peer.close()

        speaker = threading.Thread(target=speak)
        speaker.start()
        with pytest.raises(MailDeferred):
            send(Smtp(host="127.0.0.1", port=listener.getsockname()[1], tls="none"))
        speaker.join(60)


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_certificate_nobody_vouches_for_gets_no_letter(
    answers: Answers, serve: Serve, tls: ssl.SSLContext, mode: str
) -> None:
    """Without trust nothing is said: no letter and no password."""
    served = serve(tls_context=tls) if mode == "starttls" else serve(tls=tls)
    smtp = replace(served, tls=mode, user="delivery", password=Secret(PASSWORD))
    with pytest.raises(MailDeferred, match="certificate is not accepted") as raised:
        send(smtp)

    assert answers.conversations == 0
    assert PASSWORD not in f"{raised.value} {raised.value.facts}"


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_trusted_certificate_gets_login_and_letter(
    answers: Answers,
    serve: Serve,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    """With an authority that SSL_CERT_FILE names, the login and the letter go encrypted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    options: dict[str, Any] = {"authenticator": authenticator, "auth_required": True}
    if mode == "starttls":
        served = serve(tls_context=tls, require_starttls=True, **options)
    else:
        # aiosmtpd does not know that it is behind TLS.
        served = serve(tls=tls, auth_require_tls=False, **options)
    smtp = replace(served, tls=mode, user="delivery", password=Secret(PASSWORD))

    assert send(smtp).startswith("250")
    assert "secured by TLSv1.3, logged in as delivery" in mail.probe(smtp)
    assert len(answers.taken) == 1


def test_server_without_starttls_gets_no_letter(answers: Answers, serve: Serve) -> None:
    """A wish for encryption is never dropped silently."""
    with pytest.raises(MailDeferred, match=r"check mail\.smtp\.tls"):
        send(replace(serve(), tls="starttls"))

    assert answers.conversations == 0


def test_wrong_password_is_deferred_and_never_told(answers: Answers, serve: Serve) -> None:
    """A refused login waits for a person, names the keys and keeps the password to itself."""
    served = serve(authenticator=authenticator, auth_required=True, auth_require_tls=False)
    smtp = replace(served, user="delivery", password=Secret("wrong-one"))
    for attempt in (lambda: send(smtp), lambda: mail.probe(smtp)):
        with pytest.raises(MailDeferred, match=r"refused the login.*mail\.smtp\.user") as raised:
            attempt()

        assert "wrong-one" not in f"{raised.value} {raised.value.facts} {raised.value!r}"
    assert answers.conversations == 0


def test_login_at_a_server_without_one_is_deferred(serve: Serve) -> None:
    """A user for a server that takes no login is told with the key."""
    with pytest.raises(MailDeferred, match=r"mail\.smtp\.user"):
        send(replace(serve(), user="delivery", password=Secret(PASSWORD)))


def test_international_address_goes_out_where_the_server_can(
    answers: Answers, serve: Serve
) -> None:
    """An address beyond ASCII is sent by SMTPUTF8, as it is."""
    to = "jörg@example.com"
    send(serve(enable_SMTPUTF8=True), to)

    [(envelope, raw)] = answers.taken
    assert envelope == [to]
    assert "To: jörg@example.com".encode() in raw


def test_international_address_is_refused_where_the_server_cannot(
    answers: Answers, serve: Serve
) -> None:
    """Without SMTPUTF8 the letter can never go; the refusal names the address."""
    with pytest.raises(MailRefused, match=r"jörg@example\.com: it does not take SMTPUTF8"):
        send(serve(enable_SMTPUTF8=False), "jörg@example.com")

    assert answers.taken == []


def test_probe_of_a_plain_server_says_what_works(answers: Answers, serve: Serve) -> None:
    """`check` learns in one sentence what works, and no letter is sent."""
    smtp = serve()

    assert mail.probe(smtp) == f"127.0.0.1:{smtp.port} answers, not encrypted, no login"
    assert answers.conversations == 0


def test_send_inside_a_transaction_is_a_mistake_of_ours(serve: Serve) -> None:
    """Nothing is said to the outside world while a store transaction is open."""
    smtp = serve()
    with loops.transaction_flag(), pytest.raises(RuntimeError, match="transaction"):
        send(smtp)
