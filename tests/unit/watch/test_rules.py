"""What a rule makes of names."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.model import After, DropMode, HoldReason, Identity, Package, Rule, To
from masv_watch.watch.amounts import human_size
from masv_watch.watch.gathering import gather
from masv_watch.watch.rules import (
    BUILTIN,
    Fate,
    Matcher,
    Standing,
    match,
    package_name,
    role,
    starts_early,
)

ID = Identity(size=5, mtime_ns=7, ctime_ns=8, inode=9, device=10)
SEGMENT = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
LISTED = (
    "*.part *.partial *.tmp *.filepart *.crdownload *.aspx ~$* ._* .DS_Store .Spotlight-V100/ "
    ".Trashes/ .fseventsd/ .TemporaryItems/ .apdisk desktop.ini Thumbs.db .fcpcache @eaDir/ "
    "#recycle/ $RECYCLE.BIN/ .snapshot/ ~snapshot/ .zfs/ lost+found/"
)


def rule(**changes: object) -> Rule:
    """Make a rule with a recipient, changed as wanted."""
    plain: dict[str, object] = {"name": "out", "path": b"/srv/out", "to": To(recipients=("a@b.c",))}
    return Rule(**{**plain, **changes})  # type: ignore[arg-type]


def test_builtin_list_is_the_one_of_the_interface() -> None:
    """The built-in list is fixed: a pattern more or less would send or hide what it should not."""
    listed = {*LISTED.split(), "System Volume Information/"}

    assert {pattern.removeprefix("\\") for pattern in BUILTIN} == listed


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"clip.mov.part", "file"),
        (b"a/b/clip.tmp", "file"),
        (b"x.partial", "file"),
        (b"x.filepart", "file"),
        (b"x.crdownload", "file"),
        (b"x.aspx", "file"),
        (b"~$report.docx", "file"),
        (b"CARD/._clip.mov", "file"),
        (b".DS_Store", "file"),
        (b"@eaDir", "folder"),
        (b"#recycle", "folder"),
        (b"CARD/$RECYCLE.BIN", "folder"),
        (b"System Volume Information", "folder"),
        (b"lost+found", "folder"),
        (b".zfs", "folder"),
        (b"~snapshot", "folder"),
        (b"Thumbs.db", "file"),
        (b"\xff\xfe.tmp", "file"),
        (b"a\nb.tmp", "file"),
        (b"a\nb/c.tmp", "file"),
    ],
)
def test_match_of_builtin_names_skips_unless_switched_off(path: bytes, kind: str) -> None:
    """Temporary and system names stay out at any level, whatever bytes surround them (fault 19)."""
    skipped = match(path, kind, rule())
    sent = match(path, kind, rule(ignore_builtin=False))

    assert skipped.fate is Fate.SKIP
    assert "built-in list" in skipped.reason
    assert sent.fate is Fate.KEEP


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"clip.mov", "file"),
        (b".hidden", "file"),
        (b"@eaDir", "file"),
        (b"part", "file"),
        (b"a.tmp\n", "file"),
        (b"recycle", "folder"),
        (b"a.partial.mov", "file"),
        (b"!important", "file"),
        (b"#1", "file"),
        (b"\xff", "folder"),
        (b"lost+found", "file"),
    ],
)
def test_match_of_other_names_keeps(path: bytes, kind: str) -> None:
    """Hidden names are sent, a folder pattern leaves files, a line end does not end a pattern."""
    assert match(path, kind, rule()).fate is Fate.KEEP


@pytest.mark.parametrize("builtin", [True, False])
@pytest.mark.parametrize(
    ("path", "kind"),
    [(b".masv-watch", "file"), (b".masv-trash", "folder"), (b"_sent/CARD.masv-part", "folder")],
)
def test_match_of_what_is_ours_always_skips(path: bytes, kind: str, builtin: bool) -> None:
    """Our marker, trash and copies under way are never sent, and no pattern takes them back."""
    ours = rule(ignore_builtin=builtin, ignore=("!.masv-watch", "!.masv-trash/", "!*.masv-part"))

    assert match(path, kind, ours).fate is Fate.SKIP


@pytest.mark.parametrize(
    ("move_to", "path", "fate"),
    [
        ("{root}/_sent/{date}/{name}", b"_sent", Fate.SKIP),
        ("/srv/out/_sent/{name}", b"_sent", Fate.SKIP),
        ("{root}/_sent/{date}/{name}", b"_sent2", Fate.KEEP),
        ("{root}/_sent/{date}/{name}", b"CARD/_sent", Fate.KEEP),
        ("{root}/{date}/{name}", b"2026-11-23", Fate.SKIP),
        ("{root}/{date}/{name}", b"CARD", Fate.KEEP),
        ("{root}/{hot_folder} done/{name}", b"out done", Fate.SKIP),
        ("{root}/{name}_sent", b"CARD_sent", Fate.SKIP),
        ("{root}/{name}_sent", b"CARD", Fate.KEEP),
        ("/srv/outer/{name}", b"er", Fate.KEEP),
    ],
)
def test_match_of_a_move_target_below_the_root_skips(move_to: str, path: bytes, fate: Fate) -> None:
    """What `after` moves to below the root is never sent again, whatever the list (pain 24)."""
    moving = rule(ignore_builtin=False, after=After(delivered="move", move_to=move_to))

    assert match(path, "folder", moving).fate is fate


def test_matcher_of_a_target_that_can_be_any_name_is_refused() -> None:
    """Sources moved to any name in the root would be sent for ever."""
    endless = rule(after=After(delivered="move", move_to="{root}/{name}"))

    with pytest.raises(ValueError, match="folder of their own"):
        Matcher(endless)


def test_match_of_the_rules_own_patterns_names_pattern_and_place() -> None:
    """A rule's pattern is named with its line, and `!` takes back a built-in one."""
    own = rule(ignore=("*.xmp", "/proxies/", "!keep.tmp"), at="masv_watch.yml:7")
    skipped = match(b"a/b.xmp", "file", own)

    assert skipped.reason == "matches `*.xmp` of the rule"
    assert skipped.findings[-1].rule_at == "masv_watch.yml:7"
    assert match(b"proxies", "folder", own).fate is Fate.SKIP
    assert match(b"CARD/proxies", "folder", own).fate is Fate.KEEP
    assert match(b"keep.tmp", "file", own).fate is Fate.KEEP


def test_match_tells_temporary_names_from_other_ones() -> None:
    """A growing `.part` keeps its folder from being quiet, a `.DS_Store` does not."""
    assert match(b"CARD/a.mov.part", "file", rule()).temporary
    assert not match(b"CARD/.DS_Store", "file", rule()).temporary
    assert not match(b"CARD/a.part", "folder", rule()).temporary


@pytest.mark.parametrize("kind", ["link", "other"])
def test_match_of_links_and_devices_skips_with_the_kind(kind: str) -> None:
    """A link or a FIFO is left out with its reason and never stops the rest (pain 28)."""
    found = Matcher(rule()).match(b"x", kind, "a FIFO")

    assert found.fate is Fate.SKIP
    assert found.reason == "is a FIFO"


@given(st.lists(SEGMENT, min_size=1, max_size=5), st.sampled_from(["file", "folder", "link"]))
def test_match_of_any_bytes_gives_a_verdict_with_findings(names: list[bytes], kind: str) -> None:
    """No name breaks a pattern, and every verdict says why."""
    found = match(b"/".join(names), kind, rule(ignore=("*.xmp", "a/**/b", "[!x]y")))

    assert found.findings
    assert bool(found.reason) == (found.fate is Fate.SKIP)


@pytest.mark.parametrize(
    ("kind", "mode", "part", "hold"),
    [
        ("file", DropMode.EACH, Standing.TAKEN, None),
        ("folder", DropMode.EACH, Standing.TAKEN, None),
        ("file", DropMode.FILE, Standing.TAKEN, None),
        ("folder", DropMode.FILE, Standing.SKIPPED, None),
        ("file", DropMode.FOLDER, Standing.HELD, HoldReason.LOOSE_FILE),
        ("folder", DropMode.FOLDER, Standing.TAKEN, None),
        ("file", DropMode.BATCH, Standing.TAKEN, None),
        ("folder", DropMode.BATCH, Standing.TAKEN, None),
        ("link", DropMode.EACH, Standing.SKIPPED, None),
    ],
)
def test_role_follows_the_drop_setting(
    kind: str, mode: DropMode, part: Standing, hold: HoldReason | None
) -> None:
    """`drop:` decides which top-level entries become packages."""
    found = role(kind, mode)

    assert (found.standing, found.hold) == (part, hold)
    assert found.findings[0].passed == (part is Standing.TAKEN)


def test_gather_of_a_file_has_no_folder() -> None:
    """A dropped file has the path "" inside its package."""
    (draft,) = gather(b"100%.mov", [(b"100%.mov", ID)])

    assert (draft.package_path, draft.name, draft.path) == ("", "100%25.mov", b"100%.mov")
    assert draft.identity == ID


def test_gather_of_a_folder_starts_every_path_with_its_name() -> None:
    """Below a dropped folder every path starts with its name, escaped name by name."""
    files = [(b"CARD\n/sub/b", ID), (b"CARD\n/a\xff", ID)]
    drafts = gather(b"CARD\n", files)

    assert [(each.package_path, each.name) for each in drafts] == [
        ("CARD%0A", "a%FF"),
        ("CARD%0A/sub", "b"),
    ]


def test_gather_of_a_foreign_file_is_refused() -> None:
    """A neighbour whose name begins alike is not part of the drop."""
    with pytest.raises(ValueError, match="another drop"):
        gather(b"CARD", [(b"CARD2/a", ID)])


@pytest.mark.parametrize(
    ("template", "top", "kind", "name"),
    [
        ("{name}", b"Day 1.mov", "file", "Day 1.mov"),
        ("{stem}-{ext}", b"Day.1.mov", "file", "Day.1-mov"),
        ("{stem}|{ext}", b"CARD.001", "folder", "CARD.001|"),
        ("{stem}|{ext}", b".hidden", "file", ".hidden|"),
        ("{hot_folder} {date} {time}", b"x", "file", "out 2026-11-23 18-30-05"),
        ("{files} files, {size}", b"x", "file", "3 files, 1.5 GB"),
        ("{unknown} {name} {}", b"x", "file", "{unknown} x {}"),
        ("{name}", b"a\nb\xff", "file", "a\\nb\\xff"),
        ("{name}", b"{size}", "file", "{size}"),
    ],
)
def test_package_name_fills_the_closed_list(
    template: str, top: bytes, kind: str, name: str
) -> None:
    """Placeholders come from a closed list, and a name can bring none of its own."""
    filled = package_name(
        template,
        top,
        kind=kind,
        hot_folder="out",
        local=datetime(2026, 11, 23, 18, 30, 5, tzinfo=UTC),
        files=3,
        size=1_500_000_000,
    )

    assert filled == name


@given(st.integers(0, 10**18))
def test_human_size_is_short_for_any_number(size: int) -> None:
    """At most four signs and a unit, never 1000 of one unit below the last."""
    assert re.fullmatch(r"\d{1,4}(\.\d)? (B|kB|MB|GB|TB|PB)", human_size(size))
    assert not human_size(min(size, 10**15)).startswith("1000")


@pytest.mark.parametrize(
    ("drop", "early", "expected"),
    [
        (DropMode.FOLDER, None, True),
        (DropMode.BATCH, None, True),
        (DropMode.EACH, None, False),
        (DropMode.FILE, None, False),
        (DropMode.FOLDER, False, False),
        (DropMode.BATCH, False, False),
        (DropMode.EACH, True, True),
    ],
)
def test_rule_starts_early_by_its_drop_or_by_its_word(
    drop: DropMode, early: bool | None, expected: bool
) -> None:
    """Folders and batches go up as they arrive; a word of the rule beats that."""
    start = starts_early(rule(drop=drop, early=early))

    assert start.is_early is expected
    assert bool(start.reason) is not expected


@pytest.mark.parametrize("text", ["{files}", "{name} of {size}", "{files} files, {size}"])
@pytest.mark.parametrize("key", ["name", "message"])
@pytest.mark.parametrize("early", [None, True])
def test_rule_that_names_the_whole_never_starts_early(
    key: str, text: str, early: bool | None
) -> None:
    """A package is named before it has its first file, and nobody knows then how many follow."""
    start = starts_early(rule(drop=DropMode.FOLDER, early=early, package=Package(**{key: text})))

    assert not start.is_early
    assert "is of the whole drop" in start.reason
    assert [each.test for each in start.findings if not each.passed] == ["names"]
