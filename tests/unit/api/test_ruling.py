"""What the API tells of a hot folder's rule: every setting that a person would ask for."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, get_type_hints

import pytest

from masv_watch.api.ruling import rule_body, span_text, takes
from masv_watch.model import (
    After,
    Age,
    Depth,
    DropMode,
    Expect,
    Frames,
    Hook,
    HookKind,
    Incomplete,
    Limits,
    LinkWish,
    Package,
    Retry,
    Rule,
    Schedule,
    Secret,
    Settle,
    Sidecar,
    Sizes,
    Span,
    To,
    Told,
    Wholeness,
)

PLAIN = Rule(name="out", path=b"/srv/out", to=To(recipients=("a@example.com",)))

#: each field of a rule with another value than `PLAIN` has
OTHERWISE: dict[str, Any] = {
    "to": To(portal="dailies"),
    "drop": DropMode.FOLDER,
    "depth": Depth.ANY,
    "settle": Settle(quiet_s=2.0),
    "recall_s": 60.0,
    "package": Package(name="{name} {date}"),
    "link": LinkWish(mail_to=("p@example.com",)),
    "after": After(delivered="move", move_to="{root}/_sent/{name}"),
    "after_duplicate": After(delivered="delete"),
    "trash_for_s": 60.0,
    "ignore": ("*.xmp",),
    "ignore_builtin": False,
    "only": ("*.mov",),
    "only_regex": (r".*\.mov",),
    "ignore_regex": (r".*\.xmp",),
    "size": Sizes(least=1, most=10),
    "skips_hardlinks": True,
    "age": Age(min_s=5.0),
    "retry": Retry(give_up_after_s=60.0),
    "early": True,
    "whole": Wholeness(frames=Frames(patterns=("x",), gaps=Incomplete.HOLD)),
    "sidecar": Sidecar(name="{name}.yml"),
    "expect": Expect(filesystems=("nfs",)),
    "removable": True,
    "mtime_grain_s": 2.0,
    "priority": 7,
    "chunk_size": 5,
    "schedule": Schedule(windows=(Span(start=1140, end=420),)),
    "limits": Limits(per_day=8),
    "notify": (Hook(kind=HookKind.SLACK, url=Secret("https://hook"), events=(Told.HELD,)),),
}
#: shown in a place of its own, or nothing that a rule asks for
ELSEWHERE = {
    "name",
    "path",
    "tags",
    "was",
    "at",
    "is_enabled",
    "keeps_priority",
    "keeps_recipients",
    # by GET /settings/upload_rate_limit, with what holds now
    "bandwidth",
    # of it `rule.idle_s` is told
    "finalize",
}


@pytest.mark.parametrize("name", sorted({each.name for each in fields(Rule)} - ELSEWHERE))
def test_rule_is_told_with_every_setting_that_it_has(name: str) -> None:
    """A new key cannot be forgotten here: what changes it changes what is told."""
    kind = get_type_hints(Rule)[name]
    if name not in OTHERWISE and isinstance(kind, type) and issubclass(kind, StrEnum):
        OTHERWISE[name] = next(each for each in kind if each is not getattr(PLAIN, name))

    rule = replace(PLAIN, **{name: OTHERWISE[name]})

    # `drop` and `depth` stand beside it, and in its own words
    assert rule_body(rule) != rule_body(PLAIN)
    json.dumps(rule_body(rule))


def test_rule_is_told_without_any_secret() -> None:
    """That there is one, and never which."""
    rule = replace(
        PLAIN,
        to=To(portal="vault", access_code=Secret("open-sesame")),
        package=Package(password=Secret("swordfish")),
        notify=(Hook(kind=HookKind.SLACK, url=Secret("https://hooks.example/T0")),),
    )

    told = json.dumps(rule_body(rule))

    assert rule_body(rule)["has_password"]
    assert rule_body(rule)["notify"] == [
        {"kind": "slack", "events": ["delivered", "failed", "held"]}
    ]
    for secret in ("open-sesame", "swordfish", "hooks.example"):
        assert secret not in told
    assert not [each for each in rule_body(rule).values() if is_dataclass(each)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "each file and each folder at its top"),
        ({"drop": DropMode.FILE}, "each file at its top"),
        ({"drop": DropMode.FILE, "depth": Depth.ANY}, "each file, however deep it lies"),
        ({"drop": DropMode.BATCH}, "all that settles, as one batch"),
        (
            {"drop": DropMode.FOLDER, "to": To(by_subfolder=((b"lab", ()),))},
            "each folder at its top, and in each address",
        ),
    ],
)
def test_what_a_rule_takes_is_told_in_a_clause(settings: dict[str, Any], words: str) -> None:
    """For people who do not know the keys."""
    assert takes(replace(PLAIN, **settings)) == words


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(), "mon-sun 00:00-24:00"),
        (Span(days=frozenset(range(5)), start=1140, end=420), "mon-fri 19:00-07:00"),
        (Span(days=frozenset((0, 2, 3, 6)), start=5, end=65), "mon,wed-thu,sun 00:05-01:05"),
    ],
)
def test_span_is_written_as_the_configuration_has_it(span: Span, text: str) -> None:
    """Days in a row with one dash."""
    assert span_text(span) == text
