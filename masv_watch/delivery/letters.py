"""Write the letter about one delivery, or about several.

Owns the letter's form and its stable Message-ID. Never reads a row, never sends and never logs.
Called by `outbox` for every letter, and by the command `check` for `check_template`.

Law 1. Names are hostile: nothing from a name becomes a header, a part or markup (fault 20).
Law 2. One letter has one recipient, so an outcome always belongs to one address (fault 69).
Law 3. The same upload and address give the same Message-ID, so a repeat folds (fault 70); that of
a letter about several is made of all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

from masv_watch.errors import MailDeferred, MailRefused
from masv_watch.figures import counted
from masv_watch.logs import escaped

#: names that a letter shows before it says "and N more"
LISTED = 50
#: clauses about what was left out that a letter shows
LEFT_OUT_LISTED = 20
#: characters of a package name that a subject shows
SUBJECT_NAME = 120
#: of each of several deliveries: names of files, clauses about what was left out, and characters of
#: a name and of a message that a letter shows
JOINT_FILES, JOINT_LEFT_OUT, JOINT_NAME, JOINT_MESSAGE = 5, 3, 200, 500
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


def joint_message_id(letter: str) -> str:
    """Give the Message-ID of a letter about several deliveries, the same at every try."""
    return f"<{letter}@masv-watch.local>"


def compose(
    delivery: Delivery, *, sender: str, to: str, message_id: str, date: str, template: str | None
) -> EmailMessage:
    """Write the letter to one recipient, as plain text and HTML.

    `date` is the header's text (RFC 5322). `template` is the path of a Jinja2 file that takes the
    place of the HTML; it sees the names of `Delivery`, with `size` and `file_count` in words
    (`size_bytes` and `count` are the numbers), `files` and `skipped` cut, and `more_files` and
    `more_skipped` for the rest; and all that as the one member of `deliveries`.

    Raises:
        MailRefused: `to` is no address.
        MailDeferred: `sender` is no address, or the template fails; a person has to correct it.
    """
    letter = _headed(_subject(delivery), sender=sender, to=to, message_id=message_id, date=date)
    _fill(letter, _single(delivery), form="delivered", template=template)
    return letter


def compose_joint(
    deliveries: Sequence[Delivery],
    *,
    sender: str,
    to: str,
    message_id: str,
    date: str,
    template: str | None,
) -> EmailMessage:
    """Write one letter about several deliveries; `joins` says of a template whether it can.

    It sees `deliveries`, each with the names of a single one, and `sender`, `file_count`, `count`,
    `size` and `size_bytes` of all together.

    Raises:
        MailRefused: `to` is no address.
        MailDeferred: `sender` is no address, or the template fails; a person has to correct it.
    """
    subject = _joint_subject(deliveries)
    letter = _headed(subject, sender=sender, to=to, message_id=message_id, date=date)
    _fill(letter, _joint(deliveries), form="digest", template=template)
    return letter


def joins(template: str | None) -> bool:
    """Say whether a letter of this template can tell of several deliveries: ours can."""
    from masv_watch.delivery import templates  # noqa: PLC0415 - only where a letter is written

    return template is None or "deliveries" in templates.names_in(template)


def check_template(path: str, *, joint: bool = False) -> list[str]:
    """List what is wrong with a user's template, each as `path:line: sentence`; empty when good.

    It is compiled and rendered with example values, so an unknown name is found too: for one
    delivery, and where it names `deliveries` and letters are to be `joint` for several.
    """
    from masv_watch.delivery import templates  # noqa: PLC0415 - only where a template is tried

    found = templates.faults(path, _single(_EXAMPLE))
    if not found and joint and joins(path):
        found = templates.faults(path, _joint((_EXAMPLE, _EXAMPLE)))
    return found


def _headed(subject: str, *, sender: str, to: str, message_id: str, date: str) -> EmailMessage:
    letter = EmailMessage(policy=SMTP_POLICY)
    letter["From"] = sender_of(sender)
    letter["To"] = recipient(to)
    letter["Subject"] = subject
    letter["Date"] = date
    letter["Message-ID"] = message_id
    # Keeps out-of-office replies away (RFC 3834).
    letter["Auto-Submitted"] = "auto-generated"
    return letter


def _fill(
    letter: EmailMessage, known: Mapping[str, object], *, form: str, template: str | None
) -> None:
    from masv_watch.delivery import templates  # noqa: PLC0415 - only where a letter is written

    letter.set_content(templates.shipped(f"{form}.txt", known), cte="quoted-printable")
    if template is None:
        page = templates.shipped(f"{form}.html", known, html=True)
    else:
        page = templates.own(template, known)
    letter.add_alternative(page, subtype="html", cte="quoted-printable")
    # Quoted-printable never holds "=_" (RFC 2045), so no text can end a part.
    letter.set_boundary(f"=_{hashlib.sha256(letter['Message-ID'].encode()).hexdigest()[:40]}")


def safe(text: str) -> str:
    """Escape what would begin a line, a header or a command of a terminal."""
    # names come escaped already (`names.shown`); their backslashes are not doubled once more
    return text if text.isprintable() else escaped(text)


def _single(delivery: Delivery) -> dict[str, object]:
    known = _context(delivery, LISTED, LEFT_OUT_LISTED)
    return {**known, "deliveries": [known]}


def _joint(deliveries: Sequence[Delivery]) -> dict[str, object]:
    count, size = (sum(numbers) for numbers in zip(*map(_numbers, deliveries), strict=True))
    return {
        "deliveries": [_briefly(each) for each in deliveries],
        "sender": safe(deliveries[0].sender),
        "file_count": counted(count, "file"),
        "count": count,
        "size": size_text(size),
        "size_bytes": size,
    }


def _numbers(delivery: Delivery) -> tuple[int, int]:
    return delivery.file_count, delivery.size


def _briefly(delivery: Delivery) -> dict[str, object]:
    known = _context(delivery, JOINT_FILES, JOINT_LEFT_OUT)
    return {
        **known,
        "package_name": _cut(str(known["package_name"]), JOINT_NAME),
        "message": _cut(str(known["message"]), JOINT_MESSAGE),
        "files": [_cut(safe(name), JOINT_NAME) for name in delivery.files[:JOINT_FILES]],
        "skipped": [_cut(safe(one), JOINT_NAME) for one in delivery.skipped[:JOINT_LEFT_OUT]],
    }


def _context(delivery: Delivery, listed: int, left_out: int) -> dict[str, object]:
    files = [safe(name) for name in delivery.files[:listed]]
    skipped = [safe(clause) for clause in delivery.skipped[:left_out]]
    return {
        "package_name": safe(delivery.package_name),
        "message": _lines(delivery.message),
        "hot_folder": safe(delivery.hot_folder),
        "sender": safe(delivery.sender),
        "file_count": counted(delivery.file_count, "file"),
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


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _joint_subject(deliveries: Sequence[Delivery]) -> str:
    known = _joint(deliveries)
    name = _cut(safe(deliveries[0].package_name), SUBJECT_NAME)
    counts = f"{known['file_count']}, {known['size']}"
    return _literal(f"Delivered: {name} and {len(deliveries) - 1:,} more ({counts})")


def _subject(delivery: Delivery) -> str:
    name = _cut(safe(delivery.package_name), SUBJECT_NAME)
    counts = f"{counted(delivery.file_count, 'file')}, {size_text(delivery.size)}"
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
