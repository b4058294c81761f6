"""What a letter about several deliveries looks like, whatever the names in it are."""

from __future__ import annotations

import dataclasses
import re
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given, settings

from masv_watch.delivery import digests, letters
from masv_watch.errors import MailDeferred
from tests.searching import examples
from tests.unit.delivery.test_mail_letters import (
    DELIVERY,
    HEADERS,
    WICKED,
    Markup,
    any_name,
    body,
    read,
)

OTHER = dataclasses.replace(
    DELIVERY,
    package_name="Day 2",
    message="",
    file_count=2450,
    size=600_000_000,
    link_url="https://get.example.com/02DEF?secret=0ther&x=2",
    expiry="",
    files=("B001/a.mov",),
    skipped=(),
    has_password=True,
)


def joint(*deliveries: letters.Delivery, template: str | None = None) -> bytes:
    made = letters.compose_joint(
        deliveries,
        sender="Acme Delivery <delivery@acme.example>",
        to="producer@example.com",
        message_id=letters.joint_message_id("0" * 40),
        date="Tue, 24 Nov 2026 02:12:00 +0000",
        template=template,
    )
    return made.as_bytes()


def test_letter_of_two_deliveries_names_each_with_its_link() -> None:
    """Each is told as fully as it needs: what, how much, where, until when."""
    letter = message_from_bytes(joint(DELIVERY, OTHER), policy=SMTP)

    assert letter["Subject"] == "Delivered: Day 1 and 1 more (2,462 files, 4.0 GB)"
    assert letter["Message-ID"] == f"<{'0' * 40}@masv-watch.local>"
    assert letter.keys() == HEADERS
    text, page = body(letter, "plain"), body(letter, "html")
    for told in ("2 deliveries", "Day 1", "Day 2", "Mind the sound.", "4 December 2026",
                 "ask the sender", "A001/clip 4.mov", "and 7 more", "and 2,449 more",
                 "Left out (1)", "dit@example.com"):  # fmt: skip
        assert told in text, told
        assert told in page, told
    for each in (DELIVERY, OTHER):
        assert f"\n    {each.link_url}\n" in text
        assert f'href="{each.link_url.replace("&", "&amp;")}"' in page
    assert "clip 5.mov" not in text + page


@settings(max_examples=examples(60))
@given(package=any_name, message=any_name, file=any_name, clause=any_name)
def test_letter_of_any_names_never_gains_header_chunk_or_markup(
    package: str, message: str, file: str, clause: str
) -> None:
    """No name makes a header, a tag or an attribute (fault 20); only lines of a message differ."""
    plain = dataclasses.replace(DELIVERY, files=("file",), message="x", skipped=("y",))
    hostile = dataclasses.replace(
        plain, package_name=package, message=f"x{message}", files=(file,), skipped=(clause,)
    )
    raw = joint(hostile, plain)
    letter = message_from_bytes(raw, policy=SMTP)
    page = body(letter, "html")
    expected = body(message_from_bytes(joint(plain, plain), policy=SMTP), "html")

    assert letter.keys() == HEADERS
    assert raw.isascii()
    ours, theirs = Markup(page).seen, Markup(expected).seen
    assert [tag for tag in ours if tag != ("br", ())] == [tag for tag in theirs if tag[0] != "br"]
    for told in (page, body(letter, "plain"), str(letter["Subject"])):
        assert told.encode("utf-8")
        assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", told) is None


def test_longest_letter_of_the_wickedest_names_is_one_that_servers_take() -> None:
    """Names, messages and lists are cut, links never; many servers refuse 10 MB."""
    wicked = dataclasses.replace(
        DELIVERY,
        package_name="".join(WICKED) * 40,
        message="\udcff" * 15_000,
        files=("\U0010ffff" * 255,) * 60,
        skipped=("\u202e" * 255,) * 60,
    )
    many = [
        dataclasses.replace(wicked, link_url=f"https://get.example.com/{number}?secret=s{number}")
        for number in range(digests.MOST)
    ]
    raw = joint(*many)
    text = body(message_from_bytes(raw, policy=SMTP), "plain")

    assert len(raw) < 5_000_000
    assert all(f"    {each.link_url}\n" in text for each in many)


def test_letter_of_as_many_as_it_holds_is_not_cut_off_by_mail_programs() -> None:
    """Some show no more than 102 kB of a page."""
    many = [DELIVERY] * digests.MOST
    letter = message_from_bytes(joint(*many), policy=SMTP)

    assert len(body(letter, "html").encode()) < 102_000


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{% for each in deliveries %}{{ each.link_url }}{% endfor %}", True),
        ("{% include 'rows.html' %}", True),
        ("{{ package_name }} {{ link_url }}", False),
        ("{% set deliveries = [] %}{{ deliveries | length }}", False),
        ("{% include 'none.html' %}", False),
        ("{% for %}", False),
    ],
)
def test_template_tells_of_several_when_it_asks_for_them(
    tmp_path: Path, source: str, says: bool
) -> None:
    """One that cannot be read tells of one: what is wrong is told with that letter."""
    (tmp_path / "rows.html").write_text("{% for each in deliveries %}{{ loop.index }}{% endfor %}")
    path = tmp_path / "ours.html"
    path.write_text(source)

    assert letters.joins(str(path)) is says
    assert not letters.joins(str(tmp_path / "missing.html"))
    assert letters.joins(None)


def test_own_template_of_several_sees_each_with_its_names_and_the_sums(tmp_path: Path) -> None:
    """And it serves a single delivery as well."""
    path = tmp_path / "ours.html"
    path.write_text(
        "{% for d in deliveries %}<p>{{ d.package_name }}{{ d.link_url }}{{ d.count }}"
        "{{ d.files | join }}{{ d.more_files }}{{ d.expiry }}{{ d.password }}</p>{% endfor %}"
        "{{ file_count }}, {{ size }} of {{ sender }} {{ count }} {{ size_bytes }}"
    )
    hostile = dataclasses.replace(DELIVERY, package_name="<b>")
    page = body(message_from_bytes(joint(hostile, OTHER, template=str(path)), policy=SMTP), "html")

    assert page.count("<p>") == 2
    assert "&lt;b&gt;" in page
    assert page.endswith("2,462 files, 4.0 GB of dit@example.com 2462 4000000000\n")
    assert letters.check_template(str(path), joint=True) == []


def test_name_of_a_single_delivery_in_the_form_for_several_is_told_with_its_line(
    tmp_path: Path,
) -> None:
    """`check` fills the template with two where letters are joined, and only there."""
    path = tmp_path / "ours.html"
    path.write_text("{{ deliveries | length }}\n{{ package_name }}")

    assert letters.check_template(str(path)) == []
    (problem,) = letters.check_template(str(path), joint=True)
    assert problem == f"{path}:2: 'package_name' is undefined"
    with pytest.raises(MailDeferred, match="template"):
        joint(DELIVERY, OTHER, template=str(path))


def test_joint_letter_twice_is_the_same_to_the_byte() -> None:
    """A repeat after a crash is the same letter."""
    assert joint(DELIVERY, OTHER) == joint(DELIVERY, OTHER)
    assert read(message_from_bytes(joint(DELIVERY, OTHER), policy=SMTP))["To"]
