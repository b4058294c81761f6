"""Take any mail over SMTP and keep it for the witness.

Owns the sink's listener, its thread and the parsing of what came. Never relays, never refuses
unless a fault says so, and never holds the cloud's own notices. Called by the entry point.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from masv_watch.sandbox import tokens
from masv_watch.sandbox.faults import Fault, Faults
from masv_watch.sandbox.records import Mail, Records


class Mailbox:
    """An SMTP server on its own thread; the socket is bound by the caller, so port 0 works."""

    def __init__(self, listener: socket.socket, records: Records, faults: Faults) -> None:
        self._listener = listener
        self._sink = _Sink(records, faults)
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailbox", daemon=True)
        # The library logs each broken connection with a traceback; breaking them is our trade.
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()
        self._up.wait()

    def stop(self) -> None:
        """End at once; open sessions are cut."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=2)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(
            self._loop.create_server(self._protocol, sock=self._listener, backlog=128)
        )
        self._up.set()
        self._loop.run_forever()
        sessions = asyncio.all_tasks(self._loop)
        for session in sessions:
            session.cancel()
        self._loop.run_until_complete(asyncio.gather(*sessions, return_exceptions=True))

    def _protocol(self) -> SMTP:
        return SMTP(
            self._sink,
            data_size_limit=64 << 20,
            enable_SMTPUTF8=True,
            hostname="sandbox",
            auth_require_tls=False,
            authenticator=_anyone,
            loop=self._loop,
        )


def _anyone(*_: Any) -> AuthResult:
    return AuthResult(success=True)


class _Sink:
    """What aiosmtpd calls per command; the method names are the library's."""

    def __init__(self, records: Records, faults: Faults) -> None:
        self._records = records
        self._faults = faults

    async def handle_RCPT(  # noqa: N802, PLR0917 - the library's name and signature
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless a fault refuses it."""
        del server, session
        fault = self._faults.draw_smtp("rcpt", [address])
        if fault is not None:
            return _reply(fault)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail, unless a fault refuses it."""
        del session
        fault = self._faults.draw_smtp("data", envelope.rcpt_tos)
        if fault is not None:
            return _reply(fault)
        self._records.save(Mail(_shown(envelope)))
        if self._faults.draw_smtp("lost", envelope.rcpt_tos) is not None:
            # Taken, but the sender never learns it.
            if server.transport is not None:
                server.transport.close()
            return "421 lost"
        return "250 OK"


def _reply(fault: Fault) -> str:
    return f"{fault.detail['code']} {fault.detail['message']}"


def _shown(envelope: Envelope) -> dict[str, Any]:
    content = envelope.content or b""
    raw = content if isinstance(content, bytes) else content.encode()
    message = message_from_bytes(raw, policy=policy.default)
    return {
        "message_id": _header(message, "Message-ID"),
        "from": envelope.mail_from or _header(message, "From"),
        "to": list(envelope.rcpt_tos),
        "subject": _header(message, "Subject"),
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "received_at": tokens.iso(time.time()),
        "headers": {name: _header(message, name) for name in ("From", "To", "Cc", "Reply-To")},
    }


def _header(message: EmailMessage, name: str) -> str | None:
    try:
        found = message[name]
    except (ValueError, IndexError, AttributeError, TypeError):
        # The standard library's header parser fails so on some malformed headers.
        return None
    return None if found is None else _clean(str(found).strip())


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    try:
        return _clean(str(part.get_content()).replace("\r\n", "\n"))
    except (LookupError, ValueError):
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else None


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
