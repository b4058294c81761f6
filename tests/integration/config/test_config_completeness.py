"""The keys of completeness and card profiles: what they become, and every mistake at its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from masv_watch import model
from masv_watch.config.cards import SHIPPED
from tests.integration.config.test_config_load import HEAD, OUT, loaded, refused

OWN = """\
name: my-card
layouts:
  - title: Mine
    recognised_by: [[CARD.XML, "CLIPS/"], ["CLIPS/{clip}.MOV"]]
    needs:
      - {each: "CLIPS/{clip}.MOV", needs: ["CLIPS/{clip}.XML", [A.TXT, B.TXT]]}
      - {needs: [CARD.XML], advice: true}
    rows: [{files: "CLIPS/{clip}_{piece:03d}.MOV", first: 1}]
    indexes:
      - {file: CARD.XML, elements: [Clip], attribute: path}
      - {file: "CLIPS/{clip}.XML", elements: [A/B], needs: "CLIPS/{clip}{n:02d}.WAV", advice: true}
"""
NEEDS = "layouts[0].needs"
INDEX = "layouts[0].indexes[0]"


def test_own_profile_beside_a_shipped_one_becomes_what_it_says(tmp_path: Path) -> None:
    """Users extend the list by a file of their own."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "mine.yml").write_text(OWN)
    text = (
        f"{HEAD}profiles: [cards/mine.yml]\n{OUT}    bundles: [p2, my-card]\n    incomplete: hold\n"
    )
    whole = loaded(tmp_path, text).settings.hot_folders[0].whole

    assert [card.name for card in whole.cards] == ["p2", "my-card"]
    assert whole.incomplete is model.Incomplete.HOLD
    assert whole.cards[1].layouts == (
        model.CardLayout(
            title="Mine",
            recognised_by=(("CARD.XML", "CLIPS/"), ("CLIPS/{clip}.MOV",)),
            needs=(
                model.CardNeed(
                    each="CLIPS/{clip}.MOV", needs=(("CLIPS/{clip}.XML",), ("A.TXT", "B.TXT"))
                ),
                model.CardNeed(each="", needs=(("CARD.XML",),), advice=True),
            ),
            rows=(model.CardRow(files="CLIPS/{clip}_{piece:03d}.MOV", first=1),),
            indexes=(
                model.CardIndex(file="CARD.XML", elements=("Clip",), attribute="path"),
                model.CardIndex(
                    file="CLIPS/{clip}.XML",
                    elements=("A/B",),
                    needs="CLIPS/{clip}{n:02d}.WAV",
                    advice=True,
                ),
            ),
        ),
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profile_can_be_used_by_its_name_and_from_defaults(
    tmp_path: Path, name: str
) -> None:
    """Off by default; on with one word."""
    plain = loaded(tmp_path, f"{HEAD}{OUT}").settings.hot_folders[0].whole
    text = f"{HEAD}defaults: {{bundles: [{name}]}}\n{OUT}"
    cards = loaded(tmp_path, text).settings.hot_folders[0].whole.cards

    assert plain == model.Wholeness()
    assert [card.name for card in cards] == [name]
    assert all(layout.needs for layout in cards[0].layouts)


def test_shipped_profiles_are_those_that_lie_beside_the_reader() -> None:
    """None ships unnamed, none is named and missing."""
    folder = Path(__file__).parents[3] / "masv_watch" / "config" / "profiles"

    assert sorted(path.stem for path in folder.iterdir()) == sorted(SHIPPED)


def test_keys_of_a_hot_folder_replace_those_of_defaults(tmp_path: Path) -> None:
    """A list replaces a list; one pattern is a list of one."""
    defaults = (
        'defaults: {bundles: [p2], incomplete: send, sequences: {pattern: "{a}.{n:04d}.exr"},'
        ' manifest: {files: "*.mhl", required: false},'
        ' companions: [{each: "{s}.mxf", needs: "{s}.xml"}]}\n'
    )
    own = (
        '    bundles: []\n    incomplete: hold\n    sequences: {pattern: ["{b}_{n:d}.dpx"],'
        " gaps: warn, step: 2}\n    manifest: {files: [a.txt]}\n    companions: []\n"
    )
    inherited = loaded(tmp_path, f"{HEAD}{defaults}{OUT}").settings.hot_folders[0].whole
    replaced = loaded(tmp_path, f"{HEAD}{defaults}{OUT}{own}").settings.hot_folders[0].whole

    assert [card.name for card in inherited.cards] == ["p2"]
    assert inherited.frames == model.Frames(patterns=("{a}.{n:04d}.exr",))
    assert inherited.manifests == model.Manifests(files=("*.mhl",), required=False)
    assert inherited.companions == (model.Companion(each="{s}.mxf", needs=("{s}.xml",)),)
    assert inherited.incomplete is model.Incomplete.SEND
    assert replaced == model.Wholeness(
        frames=model.Frames(patterns=("{b}_{n:d}.dpx",), gaps=model.Incomplete.SEND, step=2),
        manifests=model.Manifests(files=("a.txt",)),
        incomplete=model.Incomplete.HOLD,
    )


@pytest.mark.parametrize(
    ("own", "col", "path", "message"),
    [
        ("bundles: [xdcm]", 15, "bundles[0]", "`xdcm` is no card profile (did you mean `xdcam`?)"),
        ("bundles: [avchd]", 15, "bundles[0]", "`avchd` is no card profile - p2, red or xdcam"),
        ("bundles: p2", 14, "bundles", "must be a list, not the text `p2` - write [p2, ...]"),
        ("incomplete: warn", 17, "incomplete", "`warn` is not known - hold or send"),
        ("sequences: {gaps: hold}", 16, "sequences", "`pattern` is missing"),
        ('sequences: {pattern: "{a}.exr"}', 26, "sequences.pattern", "has no number to count"),
        ('sequences: {pattern: "{a}{b}.{n:04d}"}', 26, "sequences.pattern", "side by side"),
        ('sequences: {pattern: "{n:04d}", gaps: send}', 43, "sequences.gaps", "hold or warn"),
        ('sequences: {pattern: "{n:04d}", step: 0}', 43, "sequences.step", "out of range"),
        ("sequences: {pattern: []}", 26, "sequences.pattern", "is empty"),
        ("manifest: {required: true}", 15, "manifest", "`files` is missing"),
        ("manifest: {files: [/a.mhl]}", 24, "manifest.files[0]", "begins with a slash"),
        ("manifest: {files: a, strict: true}", 26, "manifest", "unknown key `strict`"),
        ('companions: [{each: "{a}.x"}]', 18, "companions[0]", "`needs` is missing"),
        (
            'companions: [{each: "{a}.x", needs: ["{b}.y"]}]', 42, "companions[0].needs[0]",
            "the placeholder `{b}` is not in what needs this - there: {a}",
        ),
        (
            'companions: [{each: "{a}.x", needs: ["{a}*.y"]}]', 42, "companions[0].needs[0]",
            "side by side",
        ),
        (
            'companions: [{each: "{a}.x", needs: ["{a}.*.y"]}]', 42, "companions[0].needs[0]",
            "holds `*`",
        ),
    ],
)  # fmt: skip
def test_wrong_value_is_told_at_its_place(
    tmp_path: Path, own: str, col: int, path: str, message: str
) -> None:
    """Line, column, key, what is wrong and what is allowed."""
    ((line, at, key, told),) = refused(tmp_path, f"{HEAD}{OUT}    {own}\n")

    assert (line, at, key) == (7, col, f"hot_folders[0].{path}")
    assert message in told


@pytest.mark.parametrize(
    ("old", "new", "line", "col", "path", "message"),
    [
        ("name: my-card\n", "", 1, 1, "top level", "`name` is missing"),
        ("name: my-card", "name: p2", 1, 7, "name", "is the name of a profile that ships"),
        ("name: my-card", "name: my card", 1, 7, "name", "is no name"),
        ("name: my-card", "name: 7", 1, 7, "name", "must be text"),
        ("rows:", "row:", 8, 5, "layouts[0]", "unknown key `row` - did you mean `rows`?"),
        ("first: 1", "first: one", 8, 59, "layouts[0].rows[0].first", "a whole number"),
        ("advice: true}\n    rows", "advice: 1}\n    rows", 7, 37, f"{NEEDS}[1].advice", "true or"),
        ("{piece:03d}", "{piece}", 8, 20, "layouts[0].rows[0].files", "has no number to count"),
        ('{clip}.XML", [A', '{reel}.XML", [A', 6, 51, f"{NEEDS}[0].needs[0]", "is not in"),
        ("[A.TXT", "[/A.TXT", 6, 65, f"{NEEDS}[0].needs[1][0]", "begins with a slash"),
        ("{n:02d}", "{x:2d}", 11, 60, "layouts[0].indexes[1].needs", "no placeholder"),
        (", attribute: path", "", 10, 9, "layouts[0].indexes[0]", "give `attribute`"),
        ("elements: [Clip]", "elements: Clip", 10, 36, f"{INDEX}.elements", "must be a list"),
        ("layouts:", "layouts: []\nmore:", 3, 1, "top level", "unknown key `more`"),
        ("  - title: Mine\n    rec", "  - [1]\n  - rec", 3, 5, "layouts[0]", "must be a mapping"),
        ("name:", "name", 2, 8, "syntax", "a `:` too many"),
    ],
)  # fmt: skip
def test_wrong_profile_is_told_at_its_own_place(
    tmp_path: Path, old: str, new: str, line: int, col: int, path: str, message: str
) -> None:
    """A mistake in a profile is one clear error with the profile's file, line and column."""
    assert old in OWN
    (tmp_path / "mine.yml").write_text(OWN.replace(old, new, 1))
    text = f"{HEAD}profiles: [mine.yml]\n{OUT}    bundles: [my-card]\n"
    told = refused(tmp_path, text)

    assert any(
        (at[0], at[2]) == (line, path) and message in at[3] and col == at[1] for at in told
    ), told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "the profile `mine.yml` does not exist"),
        ("", "the profile `mine.yml` is empty - it has a `name` and `layouts`"),
        ("x" * 300_000, "is larger than 256 KiB"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_profile_that_cannot_be_read_is_told_where_it_is_named(
    tmp_path: Path, text: str | bytes | None, message: str
) -> None:
    """The main file's line, and the name of the other file."""
    if text is not None:
        (tmp_path / "mine.yml").write_bytes(text.encode() if isinstance(text, str) else text)
    told = refused(tmp_path, f"{HEAD}profiles: [mine.yml]\n{OUT}    bundles: [my-card]\n")

    assert [(line, col, path) for line, col, path, _ in told] == [(3, 12, "profiles[0]")]
    assert message in told[0][3]


def test_two_profiles_of_one_name_are_refused(tmp_path: Path) -> None:
    """Nobody could say which one is meant."""
    for name in ("one.yml", "two.yml"):
        (tmp_path / name).write_text(OWN)
    ((line, col, path, told),) = refused(
        tmp_path, f"{HEAD}profiles: [one.yml, two.yml]\n{OUT}    bundles: [my-card]\n"
    )

    assert (line, col, path) == (1, 7, "name")
    assert told == "`my-card` is the name of `one.yml` too - choose another"


@pytest.mark.parametrize(
    ("own", "path", "message"),
    [
        ("drop: file\n    bundles: [p2]", "bundles", "has no effect with `drop: file`"),
        ('drop: file\n    sequences: {pattern: "{n:04d}"}', "", ""),
        ("incomplete: hold", "incomplete", "has no effect: nothing is asked of a drop"),
        (
            "early: true\n    bundles: [p2]\n    incomplete: hold", "early",
            "has no effect: bundles can hold a drop once it is whole",
        ),
        ('early: true\n    sequences: {pattern: "{n:04d}"}', "early", "sequences can hold"),
        ("early: true\n    manifest: {files: a}\n    incomplete: send", "", ""),
        ("early: true\n    bundles: [p2]", "", ""),
    ],
)  # fmt: skip
def test_key_without_effect_is_warned_of(tmp_path: Path, own: str, path: str, message: str) -> None:
    """What is written and does nothing is said."""
    warnings = loaded(tmp_path, f"{HEAD}{OUT}    {own}\n").warnings

    assert len(warnings) == bool(message)
    assert all(f"hot_folders[0].{path}: warning: " in one and message in one for one in warnings)


def test_example_of_an_own_profile_can_be_used_from_another_folder(tmp_path: Path) -> None:
    """The file that ships as an example is right, wherever it is copied to."""
    example = Path(__file__).parents[3] / "config" / "examples" / "cards" / "hdcard.yml"
    shutil.copy(example, tmp_path / "own.yml")
    text = f"{HEAD}profiles: [own.yml]\n{OUT}    bundles: [hdcard]\n"

    assert loaded(tmp_path, text).settings.hot_folders[0].whole.cards[0].name == "hdcard"


@pytest.mark.parametrize("verify", ["size", "fast", "strict"])
def test_hashes_of_lists_are_compared_with_verify_strict_alone(tmp_path: Path, verify: str) -> None:
    """It costs a reading of the whole drop."""
    text = f"{HEAD}transfer: {{verify: {verify}}}\n{OUT}    manifest: {{files: a.md5}}\n"
    lists = loaded(tmp_path, text).settings.hot_folders[0].whole.manifests

    assert lists == model.Manifests(files=("a.md5",), is_strict=verify == "strict")
