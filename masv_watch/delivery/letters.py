"""Write the letter about one delivery.

Owns the letter's form and its stable Message-ID. Never reads a row, never sends and never logs.
Called by `outbox` for every letter, and by the command `check` for `check_template`.

Law 1. Names are hostile: nothing from a name becomes a header, a part or markup (fault 20).
Law 2. One letter has one recipient, so an outcome always belongs to one address (fault 69).
Law 3. The same upload and address give the same Message-ID, so a repeat folds (fault 70).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

from masv_watch.errors import MailDeferred, MailRefused
from masv_watch.logs import escaped

#: names that a letter shows before it says "and N more"
LISTED = 50
#: clauses about what was left out that a letter shows
LEFT_OUT_LISTED = 20
#: characters of a package name that a subject shows
SUBJECT_NAME = 120
#: characters of a server's words that are kept
WORDS = 300

_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
_ADDRESS = re.compile(r'([^\s<>(),;:"\\\[\]@]+)@([^\s<>(),;:"\\\[\]@]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one letter tells; texts as they are, `compose` makes them safe to show."""

    package_name: str
    #: the package's description, possibly several lines; empty when there is none
    message: str
    #: empty for an upload made through the API
    hot_folder: str
    #: who sends, as people know him; empty when there is nobody to name
    sender: str
    file_count: int
    #: bytes
    size: int
    link_url: str
    #: when the link ends, for people (`expiry_text`); empty when it does not
    expiry: str
    #: when the cloud took the package, local time, for people
    finalized_at: str
    #: paths inside the package; the first `LISTED` are enough
    files: tuple[str, ...]
    #: what was left out and why, one clause each
    skipped: tuple[str, ...] = ()
    #: whether the link asks for a password
    has_password: bool = False


#: what a letter says of a password; which one it is travels another way
_ASK_SENDER = "needed; ask the sender for it"

_EXAMPLE = Delivery(
    package_name="Day 1",
    message="First day.\nPlease check the sound.",
    hot_folder="dailies",
    sender="dit@example.com",
    file_count=2,
    size=3_400_000_000,
    link_url="https://get.massive.app/01EKX32ZSAPSCFC97W5Z423QKY?secret=example",
    expiry="4 December 2026, 13:14 UTC",
    finalized_at="24 November 2026, 13:14",
    files=("A001/clip.mov", "A001/clip.wav"),
    skipped=("A001/.DS_Store: always ignored",),
)


def message_id(upload_id: str, address: str) -> str:
    """Give the Message-ID of an upload's letter to an address, the same at every try."""
    key = f"{upload_id}\0{address.casefold()}".encode("utf-8", "surrogateescape")
    return f"<{hashlib.sha256(key).hexdigest()[:40]}@masv-watch.local>"


def size_text(size: int) -> str:
    """Say a number of bytes in decimal units."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in _UNITS:
        value /= 1000
        if value < 999.95 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"


def count_text(count: int) -> str:
    """Say a number of files."""
    return "1 file" if count == 1 else f"{count:,} files"


def expiry_text(expiry: str) -> str:
    """Say a link's expiry, as the cloud wrote it, for people; empty for the year 1 and for none."""
    try:
        at = datetime.fromisoformat(expiry)
    except ValueError:
        return escaped(expiry)
    if at.year <= 1:
        return ""
    # Agents print the time without a zone letter and mean UTC (agent-api.md).
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def compose(
    delivery: Delivery, *, sender: str, to: str, message_id: str, date: str, template: str | None
) -> EmailMessage:
    """Write the letter to one recipient, as plain text and HTML.

    `date` is the header's text (RFC 5322). `template` is the path of a Jinja2 file that takes the
    place of the HTML; it sees the names of `Delivery`, with `size` and `file_count` in words
    (`size_bytes` and `count` are the numbers), `files` and `skipped` cut, and `more_files` and
    `more_skipped` for the rest.

    Raises:
        MailRefused: `to` is no address.
        MailDeferred: `sender` is no address, or the template fails; a person has to correct it.
    """
    from masv_watch.delivery import templates  # noqa: PLC0415 - only where a letter is written

    known = _context(delivery)
    letter = EmailMessage(policy=SMTP_POLICY)
    letter["From"] = sender_of(sender)
    letter["To"] = recipient(to)
    letter["Subject"] = _subject(delivery)
    letter["Date"] = date
    letter["Message-ID"] = message_id
    # Keeps out-of-office replies away (RFC 3834).
    letter["Auto-Submitted"] = "auto-generated"
    text = templates.shipped("delivered.txt", known)
    letter.set_content(text, cte="quoted-printable")
    if template is None:
        page = templates.shipped("delivered.html", known, html=True)
    else:
        page = templates.own(template, known)
    letter.add_alternative(page, subtype="html", cte="quoted-printable")
    # Quoted-printable never holds "=_" (RFC 2045), so no text can end a part.
    letter.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:40]}")
    return letter


def check_template(path: str) -> list[str]:
    """List what is wrong with a user's template, each as `path:line: sentence`; empty when good.

    It is compiled and rendered once with example values, so an unknown name is found too.
    """
    from masv_watch.delivery import templates  # noqa: PLC0415 - only where a template is tried

    return templates.faults(path, _context(_EXAMPLE))


def safe(text: str) -> str:
    """Escape what would begin a line, a header or a command of a terminal."""
    # names come escaped already (`names.shown`); their backslashes are not doubled once more
    return text if text.isprintable() else escaped(text)


def _context(delivery: Delivery) -> dict[str, object]:
    files = [safe(name) for name in delivery.files[:LISTED]]
    skipped = [safe(clause) for clause in delivery.skipped[:LEFT_OUT_LISTED]]
    return {
        "package_name": safe(delivery.package_name),
        "message": _lines(delivery.message),
        "hot_folder": safe(delivery.hot_folder),
        "sender": safe(delivery.sender),
        "file_count": count_text(delivery.file_count),
        "count": delivery.file_count,
        "size": size_text(delivery.size),
        "size_bytes": delivery.size,
        "link_url": safe(delivery.link_url),
        "expiry": safe(delivery.expiry),
        "password": _ASK_SENDER if delivery.has_password else "",
        "finalized_at": safe(delivery.finalized_at),
        "files": files,
        "more_files": max(delivery.file_count - len(files), 0),
        "skipped": skipped,
        "skipped_count": len(delivery.skipped),
        "more_skipped": len(delivery.skipped) - len(skipped),
    }


def _lines(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\t", "    ").strip("\n")
    return "\n".join(safe(line) for line in plain.split("\n"))


def _subject(delivery: Delivery) -> str:
    name = safe(delivery.package_name)
    if len(name) > SUBJECT_NAME:
        name = name[: SUBJECT_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    counts = f"{count_text(delivery.file_count)}, {size_text(delivery.size)}"
    return _literal(f"Delivered: {name} ({counts})")


def _literal(text: str) -> str:
    # The header parser decodes an encoded word that stands in a name, line ends and all, and the
    # generator then prints a header of the name's making (CPython before 3.11.10).
    return text.replace("=?", "=\\x3f")


def sender_of(text: str) -> Address:
    """Read the sender of our letters.

    Raises:
        MailDeferred: it is no address; a person has to correct it.
    """
    try:
        return _address(text)
    except ValueError as error:
        raise MailDeferred(
            f"the letter has no usable sender: {escaped(text)[:WORDS]}",
            hint="set mail.from to an address, or a name with an address in <>",
        ) from error


def recipient(text: str) -> Address:
    """Read the address of one recipient.

    Raises:
        MailRefused: it is none.
    """
    try:
        return _address(text)
    except ValueError as error:
        raise MailRefused(
            f"{escaped(text)[:WORDS]} is not an address",
            hint="correct link.mail_to",
            recipient=text,
        ) from error


def _address(text: str) -> Address:
    name, spec = "", text.strip()
    if spec.endswith(">"):
        name, _, spec = spec[:-1].rpartition("<")
    found = _ADDRESS.fullmatch(spec)
    if found is None or not spec.isprintable() or "=?" in spec:
        raise ValueError(spec)
    # A domain has a plain spelling, so only the part before it may need SMTPUTF8.
    domain = found[2] if found[2].isascii() else found[2].encode("idna").decode("ascii")
    return Address(_literal(escaped(name.strip(' "'))), username=found[1], domain=domain)
