"""What a letter looks like, whatever the names in it are."""

from __future__ import annotations

import dataclasses
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.delivery import letters
from masv_watch.errors import MailDeferred, MailRefused
from tests.searching import examples

DELIVERY = letters.Delivery(
    package_name="Day 1",
    message="First day.\nMind the sound.",
    hot_folder="dailies",
    sender="dit@example.com",
    file_count=12,
    size=3_400_000_000,
    link_url="https://get.example.com/01ABC?secret=s3cr&x=1",
    expiry="4 December 2026, 13:14 UTC",
    finalized_at="24 November 2026, 13:14",
    files=tuple(f"A001/clip {number}.mov" for number in range(12)),
    skipped=("A001/.DS_Store: always ignored",),
)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
#: pieces that break headers, parts, markup or terminals, where they can
WICKED = (
    "\r\nBcc: x@example.com\r\n\r\n",
    "\n\n--boundary\n",
    "=?utf-8?q?x=0d=0aBcc:_x@example.com?=",
    "=?utf-8?b?DQpCY2M6IHhAZXhhbXBsZS5jb20=?=",
    "<script>alert(1)</script>",
    '" onmouseover="x',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[2J",
    "\u202egpj.exe",
    "\u2028",
    "\x00",
    "\udcff\udc80",
    "\ud800",
    "é" * 60,
    "x" * 300,
    "\\",
    "&amp;",
    " \t ",
)

names = st.lists(st.sampled_from(WICKED) | st.text(max_size=12), max_size=6).map("".join)
raw_names = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
any_name = names | raw_names


def written(delivery: letters.Delivery, template: str | None = None, **over: str) -> EmailMessage:
    return letters.compose(
        delivery,
        sender=over.get("sender", "Acme Delivery <delivery@acme.example>"),
        to=over.get("to", "producer@example.com"),
        message_id=letters.message_id("upload-1", "producer@example.com"),
        date="Tue, 24 Nov 2026 02:12:00 +0000",
        template=template,
    )


def read(letter: EmailMessage) -> EmailMessage:
    found = message_from_bytes(letter.as_bytes(), policy=SMTP)
    assert isinstance(found, EmailMessage)
    return found


def body(letter: EmailMessage, kind: str) -> str:
    part = letter.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


class Markup(HTMLParser):
    """Keeps the tags and attributes of a page, without what they say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


def test_letter_of_a_delivery_names_package_counts_and_link() -> None:
    """A letter says what came, how much it is, how long it is there, and where to get it."""
    letter = read(written(DELIVERY))

    assert letter["Subject"] == "Delivered: Day 1 (12 files, 3.4 GB)"
    assert letter["From"] == "Acme Delivery <delivery@acme.example>"
    assert letter["To"] == "producer@example.com"
    assert letter["Message-ID"] == letters.message_id("upload-1", "producer@example.com")
    text, page = body(letter, "plain"), body(letter, "html")
    assert "    https://get.example.com/01ABC?secret=s3cr&x=1\n" in text
    assert page.count('href="https://get.example.com/01ABC?secret=s3cr&amp;x=1"') == 2
    for told in ("First day.", "Mind the sound.", "dit@example.com", "dailies", "clip 11.mov"):
        assert told in text
        assert told in page
    assert "Left out (1)" in text
    assert "always ignored" in page


def test_letter_without_optional_facts_has_no_empty_lines_for_them() -> None:
    """What is not known is not mentioned."""
    bare = dataclasses.replace(
        DELIVERY, message="", hot_folder="", sender="", expiry="", skipped=(), files=("a",)
    )
    letter = read(written(bare))

    for kind in ("plain", "html"):
        for label in ("Left out", "Link ends", "Sender", "Hot folder"):
            assert label not in body(letter, kind)


def test_letter_of_many_files_lists_fifty_and_counts_the_rest() -> None:
    """A letter stays short: 50 names and the number of the others, of files and of left-outs."""
    many = dataclasses.replace(
        DELIVERY,
        file_count=2450,
        files=tuple(f"f{number}." for number in range(60)),
        skipped=tuple(f"left-{number}." for number in range(25)),
    )
    letter = read(written(many))

    for kind in ("plain", "html"):
        told = body(letter, kind)
        assert "f49." in told
        assert "f50." not in told
        assert "and 2,400 more" in told
        assert "Left out (25)" in told
        assert "left-20." not in told
        assert "and 5 more" in told
    assert "2,450 files" in letter["Subject"]


def test_letter_twice_is_the_same_to_the_byte() -> None:
    """A repeat after a crash is the same letter."""
    assert written(DELIVERY).as_bytes() == written(DELIVERY).as_bytes()


@settings(max_examples=examples(200))
@given(package=any_name, message=any_name, file=any_name, clause=any_name)
def test_letter_of_any_names_never_gains_header_part_or_markup(
    package: str, message: str, file: str, clause: str
) -> None:
    """No name makes a header, a part, a tag or an attribute; everything is valid UTF-8 (fault 20).

    The one thing that may differ is the number of lines of the message.
    """
    plain = dataclasses.replace(DELIVERY, files=("file",), message="x", skipped=("y",))
    hostile = dataclasses.replace(
        plain, package_name=package, message=f"x{message}", files=(file,), skipped=(clause,)
    )
    raw = written(hostile).as_bytes()
    letter = message_from_bytes(raw, policy=SMTP)
    page, expected = body(letter, "html"), body(read(written(plain)), "html")

    assert letter.keys() == HEADERS
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert [part.get_content_type() for part in letter.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    ours, theirs = Markup(page).seen, Markup(expected).seen
    assert [tag for tag in ours if tag != ("br", ())] == [tag for tag in theirs if tag[0] != "br"]
    for told in (page, body(letter, "plain"), str(letter["Subject"])):
        assert told.encode("utf-8")
        assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", told) is None


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcffb", "a\\xffb"),
        ("=?utf-8?q?=0a?=", "=\\x3futf-8?q?=0a?="),
        ("Über Tag 1", "Über Tag 1"),
    ],
)
def test_subject_of_a_hostile_name_shows_it_escaped(name: str, shown: str) -> None:
    """A subject shows what a name really holds, on one line."""
    letter = read(written(dataclasses.replace(DELIVERY, package_name=name)))

    assert letter["Subject"] == f"Delivered: {shown} (12 files, 3.4 GB)"


def test_subject_of_a_long_name_keeps_the_counts() -> None:
    """A name of 255 bytes is cut, the counts behind it stay."""
    letter = read(written(dataclasses.replace(DELIVERY, package_name="n" * 255)))

    assert letter["Subject"].endswith("n… (12 files, 3.4 GB)")
    assert len(letter["Subject"]) < 160


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (1_073_741_824, "1.1 GB"),
        (15 * 10**12, "15.0 TB"),
        (10**22, "10000.0 EB"),
    ],
)
def test_size_at_the_border_of_a_unit_is_said_in_the_next(size: int, told: str) -> None:
    """Sizes are decimal with one digit; 999.95 of a unit is the next one."""
    assert letters.size_text(size) == told


@pytest.mark.parametrize(
    ("written_as", "told"),
    [
        ("2026-12-04T13:14:01.038Z", "4 December 2026, 13:14 UTC"),
        ("2026-12-04T13:14:01.038", "4 December 2026, 13:14 UTC"),
        ("2026-12-04T13:14:01+02:00", "4 December 2026, 11:14 UTC"),
        ("0001-01-01T00:00:00Z", ""),
        ("0001-01-01T00:00:00+05:00", ""),
        ("", ""),
        ("next\nweek", "next\\nweek"),
    ],
)
def test_expiry_of_the_cloud_is_said_for_people(written_as: str, told: str) -> None:
    """An expiry is said in UTC; the cloud's "no time" is said as nothing."""
    assert letters.expiry_text(written_as) == told


def test_message_id_of_one_address_never_changes() -> None:
    """Upload and address make the id, the address in any case; another one makes another id."""
    ours = letters.message_id("upload-1", "Producer@Example.com")

    assert ours == letters.message_id("upload-1", "producer@example.com")
    assert ours != letters.message_id("upload-2", "producer@example.com")
    assert ours != letters.message_id("upload-1", "client@example.com")
    assert re.fullmatch(r"<[0-9a-f]{40}@masv-watch\.local>", ours)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b\r\nBcc: c@d",
        "a\u202eb@example.com",
        "a@example.com\x1b[2J",
        "a b@example.com",
        "a@example.com, b@example.com",
        "a@x>,<b@example.com",
        "=?utf-8?q?a?=@example.com",
        "a@" + "x" * 80 + "ü.com",
    ],
)
def test_letter_to_no_address_is_refused_by_name(address: str) -> None:
    """What is not one address never becomes a header or an envelope."""
    with pytest.raises(MailRefused, match="is not an address"):
        written(DELIVERY, to=address)


def test_letter_from_no_address_waits_for_a_person() -> None:
    """A wrong mail.from is nobody's refusal: the letter waits, the hint names the key."""
    with pytest.raises(MailDeferred, match=r"mail\.from"):
        written(DELIVERY, sender="Acme\r\nBcc: x@example.com")


def test_sender_with_a_wicked_name_stays_one_header() -> None:
    """The name in mail.from is quoted or encoded, and adds nothing."""
    letter = read(written(DELIVERY, sender="Acme, =?utf-8?q?=0a?= Jörg\n <a@example.com>"))

    assert letter.keys() == HEADERS
    assert [address.addr_spec for address in letter["From"].addresses] == ["a@example.com"]


def test_international_domain_is_written_plainly() -> None:
    """A domain has a plain spelling that every server takes."""
    assert read(written(DELIVERY, to="a@exämple.com"))["To"] == "a@xn--exmple-cua.com"


def test_own_template_takes_the_place_of_the_html(tmp_path: Path) -> None:
    """A user's template replaces the HTML, escaped like ours, and leaves the text alone."""
    path = tmp_path / "ours.html"
    path.write_text("<p>{{ package_name }}: {{ file_count }}, {{ size }} {{ link_url }}</p>")
    named = dataclasses.replace(DELIVERY, package_name="<b>")
    letter = read(written(named, str(path)))

    assert body(letter, "html").startswith("<p>&lt;b&gt;: 12 files, 3.4 GB https://get.example")
    assert "<b> has been delivered" in body(letter, "plain")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<p>\n{{ package_name }\n</p>", ":2: unexpected '}'"),
        ("<p>\n\n{{ pakage_name }}</p>", ":3: 'pakage_name' is undefined"),
        ("{{ 1 / 0 }}", ":1: division by zero"),
        ("x\n{{ files.__class__.__mro__ }}", ":2: access to attribute '__class__'"),
        ("{% include 'other.html' %}", ":1: there is no template other.html"),
    ],
)
def test_wrong_template_is_told_with_its_line(tmp_path: Path, source: str, said: str) -> None:
    """A template's mistake is found by `check`, with file and line, and never loses a letter."""
    path = tmp_path / "ours.html"
    path.write_text(source)

    [problem] = letters.check_template(str(path))
    assert problem.startswith(f"{path}{said}")
    with pytest.raises(MailDeferred, match="template"):
        written(DELIVERY, str(path))


def test_missing_or_binary_template_is_told_without_a_traceback(tmp_path: Path) -> None:
    """A template that is not there, or is no text, is one sentence."""
    binary = tmp_path / "binary.html"
    binary.write_bytes(b"\xff\xfe\x00")

    assert "there is no template" in letters.check_template(str(tmp_path / "none.html"))[0]
    assert len(letters.check_template(str(binary))) == 1


def test_good_template_has_no_problem(tmp_path: Path) -> None:
    """Every documented name can be used."""
    path = tmp_path / "ours.html"
    path.write_text(
        "{{ package_name }}{{ message }}{{ hot_folder }}{{ sender }}{{ file_count }}{{ count }}"
        "{{ size }}{{ size_bytes }}{{ link_url }}{{ expiry }}{{ finalized_at }}{{ files | join }}"
        "{{ more_files }}{{ skipped | join }}{{ skipped_count }}{{ more_skipped }}"
    )

    assert letters.check_template(str(path)) == []
