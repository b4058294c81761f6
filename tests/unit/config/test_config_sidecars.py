"""What a stranger's sidecar may say, and how each mistake in it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import sidecars
from masv_watch.config.sidecars import MOST_VALUES
from masv_watch.model import SETTABLE, Limits, Override, Sidecar

ALL = Sidecar(name="{name}.masv.yml", may_set=SETTABLE)
PLAIN = Sidecar(name="{name}.masv.yml")
INSIDE = Limits(domains=("a.example", "b.example"))
NAME = "a.mov.masv.yml"
_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="{}", categories=["L", "N"]))


def read(text: str | bytes, wants: Sidecar = ALL, limits: Limits = INSIDE):
    content = text.encode() if isinstance(text, str) else text
    return sidecars.read(content, NAME, wants, limits)


def problem(text: str | bytes, wants: Sidecar = ALL) -> str:
    """Give the one reason for which a sidecar cannot be used."""
    override, problems = read(text, wants)
    assert (override, len(problems)) == (Override(), 1)
    return problems[0]


def test_sidecar_sets_what_the_rule_lists_of_message_priority_and_recipients() -> None:
    """Each value as the configuration would take it; an address counts once."""
    text = "message: 'reel {name}'\npriority: -5\nrecipients: [x@A.example, X@a.example]\n"

    assert read(text) == (
        Override(message="reel {name}", priority=-5, recipients=("x@A.example",)),
        (),
    )
    assert read("\ufeff{}") == (Override(), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: top level: the file is empty - it holds lines with message, priority or"),
        ("- a", "1:1: top level: the file is no mapping - it holds lines with message,"),
        ("hello", "1:1: top level: the file is no mapping"),
        ("mesage: x", "1:1: top level: unknown key `mesage` (did you mean `message`?) - message,"),
        ("api_key: x", "1:1: top level: unknown key `api_key` - message, priority or recipients"),
        ("metadata: {a: b}", "1:1: top level: `metadata` goes nowhere: MASV takes none with a"),
        ("message:\n", "1:1: message: is empty - write a value or remove the key"),
        ('message: "a\\0b"', "1:10: message: holds a control character - remove it; line breaks"),
        ("message: 5", "1:10: message: must be text, not the number 5 - put it in quotes"),
        ("message: '{nmae}'", "1:11: message: the placeholder `{nmae}` is not known"),
        ("message: " + "x" * 10_001, "1:10: message: holds 10001 characters - 10000 at most"),
        ("priority: 101", "1:11: priority: 101 is out of range - -100 to 100"),
        ("priority: high", "1:11: priority: must be a whole number from -100 to 100, not the"),
        ("recipients: x@a.example", "1:13: recipients: must be a list, not the text"),
        ("recipients: []", "1:13: recipients: names 0 - 1 to 100 addresses"),
        (f"recipients: [{'x@a.example,' * 101}]", "recipients: names 101 - 1 to 100 addresses"),
        ("recipients: [x@a.example, nobody]", "1:27: recipients[1]: `nobody` is no mail address"),
        ("recipients: [{}]", "1:14: recipients[0]: must be text, not a mapping"),
        (
            "recipients: [x@a.example, X@A.example, y@c.example]",
            "1:40: recipients[2]: `y@c.example` is not of limits.domains - a.example or b.example",
        ),
        ("message: a\nmessage: b", "2:1: top level: `message` is written twice (first at line 1)"),
        ("message: !env HOME", "1:10: message: tags are not available here"),
        ("message: !file /etc/passwd", "1:10: message: tags are not available here"),
        ("message: !secret x", "1:10: message: tags are not available here"),
        ("recipients: !include a.yml", "1:13: recipients: tags are not available here"),
        ("message: !!python/object:os.system x", "message: tags are not available here"),
        ("message: &a x", "1:10: message: anchors and aliases are not available"),
        ("a: [b", "1:4: syntax: "),
        ("message: a\n--- b", "2:1: top level: a second document begins here"),
        (b"message: \xff", "1:10: syntax: the byte 0xFF is not UTF-8"),
        (b"\xff\xfem", "1:1: syntax: the byte 0xFF is not UTF-8"),
        ("message: a\0", "1:11: syntax: the character U+0000 is not allowed in YAML"),
    ],
)
def test_sidecar_that_cannot_be_used_says_where_what_and_what_is_allowed(
    text: str | bytes, told: str
) -> None:
    """As the configuration does, with the sidecar's own name."""
    said = problem(text)

    assert said.startswith(f"{NAME}:")
    assert told in said


def test_sidecar_may_not_set_what_the_rule_does_not_list() -> None:
    """Recipients are listed by nobody who did not think of it."""
    said = problem("recipients: [x@a.example]", PLAIN)

    assert said == (
        f"{NAME}:1:1: top level: `recipients` may not be set here: the rule's sidecar.may_set does"
        " not list it - message or priority"
    )


def test_recipients_without_domains_are_refused_and_with_ask_left_to_the_limits() -> None:
    """No domain that is allowed: nobody; `ask` holds the first delivery to a new one."""
    text = "recipients: [x@c.example]"

    assert read(text, ALL, Limits())[1]
    assert read(text, ALL, Limits(asks_new_domains=True)) == (
        Override(recipients=("x@c.example",)),
        (),
    )


def test_sidecar_with_one_mistake_sets_nothing_and_tells_the_first_ones() -> None:
    """Never half of what somebody wrote."""
    override, problems = read("message: ok\n" + "".join(f"k{n}: 1\n" for n in range(9)))

    assert override == Override()
    assert (len(problems), problems[-1]) == (4, "and 6 more")


@pytest.mark.parametrize(
    "text",
    [
        "message: [" + "*x," * 300_000 + "]",
        "message: " + "[" * 300_000,
        "".join(f"k{number}: 1\n" for number in range(90_000)),
        "recipients: [" + "1," * 400_000 + "]",
    ],
)
def test_hostile_sidecar_is_given_up_after_as_many_values_as_an_honest_one_has(text: str) -> None:
    """A bomb of aliases, of brackets or of keys costs a thousand values, not a million."""
    override, problems = read(text)
    more = int(problems[3].split()[1]) if len(problems) > 3 else 0

    assert override == Override()
    assert 1 <= len(problems) + more <= MOST_VALUES


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_a_sidecar_raise_or_set_more_than_allowed(content: bytes) -> None:
    """Whatever stands in it: something that may be set, or a reason."""
    override, problems = read(content, PLAIN)

    assert override.recipients is None
    assert not problems or override == Override()
    assert all(line.startswith((NAME, "and ")) and line.isprintable() for line in problems)


@given(_WORDS, st.integers(-300, 300), st.lists(st.sampled_from("abcd"), max_size=5))
def test_recipients_of_a_sidecar_never_leave_the_domains_of_its_rule(
    message: str, priority: int, domains: list[str]
) -> None:
    """Whatever else it says."""
    addresses = ", ".join(f"x@{domain}.example" for domain in domains)
    override, _ = read(f'message: "{message}"\npriority: {priority}\nrecipients: [{addresses}]')
    is_inside = bool(domains) and set(domains) <= {"a", "b"}

    assert (override.recipients is not None) is (is_inside and -100 <= priority <= 100)
    assert {one.rpartition("@")[2] for one in override.recipients or ()} <= set(INSIDE.domains)
