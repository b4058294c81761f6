"""Write the letter about what needs a person.

Owns its words. Never reads a row, never sends and never logs. Called by `delivery.alerts`.

Law 1. Names are hostile: each line is escaped, so that nothing of a name begins one (fault 20).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

from masv_watch.delivery.alarms import Telling, untold_since
from masv_watch.delivery.letters import safe, sender_of
from masv_watch.model import Alarm, Notice

#: needs that one letter names; the rest are counted
LISTED = 50


def subject(telling: Telling, *, host: str) -> str:
    """Say in one line what a letter is about; `host` is the machine's name."""
    where = f"masv-watch on {safe(host)}"
    if telling.is_well:
        return f"{where} is well again"
    count = len(telling.new)
    return f"{where}: {count} {'things need' if count != 1 else 'thing needs'} a person"


def text(telling: Telling, *, local: Callable[[float], datetime]) -> str:
    """Say what needs a person, since when, and what helps.

    `local` gives the local time at a second of the store's clock.
    """
    paragraphs = [
        *_section("This needs a person:", telling.new, local),
        *_section("This still does:", telling.lasting, local),
        *_section("This is well again:", telling.over, local, is_over=True),
        "masv-watch status shows how things are now.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def compose(notice: Notice, *, sender: str, date: str) -> EmailMessage:
    """Write a notice as a letter; `date` is the header's text (RFC 5322).

    Raises:
        MailDeferred: `sender` is no address; a person has to correct it.
    """
    letter = EmailMessage(policy=SMTP_POLICY)
    letter["From"] = sender_of(sender)
    letter["To"] = notice.address
    letter["Subject"] = notice.subject
    letter["Date"] = date
    key = f"notice {notice.id} {notice.created_at!r} {notice.address}".encode()
    # the same at every try, so that a repeat after a lost answer folds (fault 70)
    letter["Message-ID"] = f"<{hashlib.sha256(key).hexdigest()[:40]}@masv-watch.local>"
    # keeps out-of-office replies away (RFC 3834)
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(notice.text, cte="quoted-printable")
    return letter


def _section(
    title: str,
    alarms: Iterable[Alarm],
    local: Callable[[float], datetime],
    *,
    is_over: bool = False,
) -> Iterator[str]:
    known = list(alarms)
    if not known:
        return
    yield title
    for alarm in known[:LISTED]:
        need = alarm.need
        since = (None if is_over else untold_since(alarm)) or alarm.since
        lines = [f"* {safe(need.text)}", f"  since {local(since):%d %B %Y, %H:%M}"]
        if need.cure and not is_over:
            lines.append(f"  {safe(need.cure)}")
        yield "\n".join(lines)
    if len(known) > LISTED:
        yield f"and {len(known) - LISTED:,} more"
