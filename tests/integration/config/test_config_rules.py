"""The keys of hot-folder rules together: filters, addresses, limits, windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from masv_watch import model
from masv_watch.config import load
from tests.integration.config.test_config_load import loaded, refused

HEAD = "version: 1\nmasv: {team: acme, api_key: k}\nstate: /var/lib/masv-watch\nhot_folders:\n"


def rule(keys: str) -> str:
    """Write a file with one rule of these keys."""
    return f"{HEAD}  - {{name: out, path: /nowhere/out, {keys}}}\n"


def built(folder: Path, keys: str) -> model.Rule:
    """Load a file with one rule and give it."""
    return loaded(folder, rule(keys)).settings.hot_folders[0]


def warned(folder: Path, keys: str) -> list[str]:
    """Load a file with one rule and give its warnings."""
    found: load.Loaded = loaded(folder, rule(keys))
    return [warning.partition(": warning: ")[2] for warning in found.warnings]


BY = "to: {by_subfolder: {a: [x@a.example], b: []}%s}"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("to: {by_subfolder: {}}", "names no folder - {studio-a: [anna@example.com]}, or"),
        ("to: {by_subfolder: [a]}", "must be a mapping, not a list"),
        ("to: {by_subfolder: {a/b: []}}", "`a/b` is no folder right below the hot folder"),
        ("to: {by_subfolder: {..: []}}", "`..` is no folder right below the hot folder"),
        ("to: {by_subfolder: {a: x@a.example}}", "must be a list, not the text"),
        ("to: {by_subfolder: {a: [x]}}", "`x` is no mail address"),
        ("to: {others: send, recipients: []}", "`others` without `by_subfolder`"),
        (BY % ", others: send", "`send` needs `recipients`"),
        (BY % ", others: sent", "did you mean `send`?"),
        (BY % ", portal: p, sender: a@b.example", "`by_subfolder` names recipients"),
        (BY % "" + ", drop: batch", "a batch is one package, which cannot go to several"),
        ('to: {recipients: []}, package: {name: "{subfolder}"}', "known only beside to.by_sub"),
        ('to: {recipients: []}, package: {name: "{subfoldr}"}', "did you mean `{subfolder}`?"),
        ("to: {recipients: []}, only: []", "is empty, so that no file would be sent"),
        ("to: {recipients: []}, only: a", "must be a list, not the text `a` - write"),
        ("to: {recipients: []}, ignore: ['[']", "`[` matches no name: a [ needs its ]"),
        ("to: {recipients: []}, ignore: ['*.xmp', '!']", "`!` is no pattern as gitignore"),
        ("to: {recipients: []}, only: ['[z-a]']", "`[z-a]` is no pattern as gitignore"),
        ("to: {recipients: []}, only: ['#take*']", "`#take*` is a comment in gitignore's"),
        (
            "to: {recipients: []}, package: {name: '{secret}'}",
            "the placeholder `{secret}` is not known - {name}, ",
        ),
        ("to: {recipients: []}, only_regex: ['(a']", "`(a` is no regular expression: missing )"),
        (
            "to: {recipients: []}, ignore_regex: ['(a)(?!b)']",
            "without backreferences and look",
        ),
        ("to: {recipients: []}, ignore_regex: a", "must be a list, not the text `a` - write"),
        ("to: {recipients: []}, size: {min: 2 MB, max: 1 MB}", "is above `max`"),
        ("to: {recipients: []}, size: {min: 2}", "2 has no unit"),
        ("to: {recipients: []}, age: {min: 2d, max: 1d}", "is above `max`"),
        ("to: {recipients: []}, schedule: {}", "neither `open` nor `deliver` is given - name"),
        ("to: {recipients: []}, schedule: {tz: UTC}", "neither `open` nor `deliver` is given"),
        ("to: {recipients: []}, schedule: {deliver: sum}", "names a day that is not known"),
        ("to: {recipients: []}, schedule: {open: mon 1-2}", "is no span of hours"),
        (
            "to: {recipients: []}, schedule: {open: mon, late_drops: urgen}",
            "did you mean `urgent`?",
        ),
        ("to: {recipients: []}, redrop: replac", "did you mean `replace`?"),
        ("to: {recipients: []}, redrop: replace, drop: batch", "a batch's package holds other"),
        ("to: {recipients: []}, dedupe: link", "did you mean `relink`?"),
        ("to: {recipients: []}, dedupe: relink, drop: batch", "a batch's package holds other"),
        (
            "to: {portal: p, sender: a@b.example}, dedupe: relink",
            "a portal's package has no further links",
        ),
        ("to: {recipients: []}, after: {failed: delete}", "must be keep, not the text `delete`"),
        ("to: {recipients: []}, after: {duplicate: drop}", 'keep, delete or {move: "TARGET"}'),
        (
            "to: {recipients: []}, after: {duplicate: {move: /nowhere/out}}",
            "moves into the hot folder itself",
        ),
        (
            "to: {recipients: []}, removable: true, after: {duplicate: delete}",
            "nothing is moved or deleted on a removable volume",
        ),
        (
            "to: {recipients: []}, finalize: {max_files: 2}",
            "only a batch takes further drops - write `drop: batch`",
        ),
        ("to: {recipients: []}, drop: batch, finalize: {max_files: 0}", "0 is out of range"),
        ("to: {recipients: []}, drop: batch, finalize: {max_open: 5}", "5 has no unit"),
        ("to: {recipients: []}, drop: batch, finalize: {max_size: 16 TB}", "1 B to 15 TB"),
        ("to: {recipients: []}, limits: {per_day: 8}", "8 has no unit"),
        ("to: {recipients: []}, limits: {files: 0}", "0 is out of range"),
        ("to: {recipients: []}, limits: {domains: asks}", "must be ask or a list of domains"),
        ("to: {recipients: []}, limits: {domains: [a b]}", "`a b` is no domain - write it as"),
        ("to: {recipients: []}, limits: {per_dropp: 1 GB}", "did you mean `per_drop`?"),
        ("to: {recipients: []}, deadline: 25:00", "is no time of the day"),
        ("to: {recipients: []}, drop: file, depth: all", "`all` is not known - top or any"),
        ("to: {recipients: []}, depth: any", "only files are looked for in folders - write"),
        (BY % "" + ", drop: folder, depth: any", "only files are looked for in folders"),
    ],
)
def test_mistake_in_a_rule_is_answered_at_its_place(tmp_path, keys, message):
    """One clear error: what is wrong, and what to do."""
    found = refused(tmp_path, rule(keys))

    assert any(message in text for _, _, _, text in found), found


def test_addresses_are_built_with_their_recipients_once_each(tmp_path):
    """A repeated address is one; the order of the file stays."""
    keys = 'to: {by_subfolder: {"ä b": [x@a.example, X@a.example], b: []}}'

    assert built(tmp_path, keys).to == model.To(
        by_subfolder=(("ä b".encode(), ("x@a.example",)), (b"b", ())),
    )


@pytest.mark.parametrize(
    ("keys", "depth"),
    [("drop: file", "top"), ("drop: file, depth: top", "top"), ("drop: file, depth: any", "any")],
)
def test_depth_of_files_is_taken_over_and_is_the_top_by_default(tmp_path, keys, depth):
    """With any depth the folder of a file has a name, which a text may hold."""
    text = f"to: {{recipients: []}}, {keys}"
    found = built(tmp_path, text)

    assert (found.depth.value, found.is_deep) == (depth, depth == "any")
    named = text + ", package: {name: '{subfolder} {name}'}"
    if depth == "any":
        assert built(tmp_path, named).package.name == "{subfolder} {name}"
    else:
        assert "known only beside" in refused(tmp_path, rule(named))[0][3]


def test_followed_links_beside_files_at_any_depth_are_warned_of(tmp_path):
    """A link is followed only in a folder that is a drop, and there is none."""
    found = warned(tmp_path, "to: {recipients: []}, drop: file, depth: any, follow: inside")

    assert ["has no effect beside `depth: any`" in one for one in found] == [True]


@pytest.mark.parametrize("where", ["own", "defaults"])
@pytest.mark.parametrize(("drop", "is_taken"), [("batch", True), ("each", False), (None, False)])
def test_plain_marker_ends_a_batch_and_is_refused_where_there_is_none(
    tmp_path, where, drop, is_taken
):
    """One file for all drops says nothing of any of them."""
    said = "settle: {done_marker: all.done}"
    keys = "to: {recipients: []}" + (f", drop: {drop}" if drop else "")
    text = rule(keys + (f", {said}" if where == "own" else ""))
    if where == "defaults":
        text = text.replace("hot_folders:", f"defaults: {{{said}}}\nhot_folders:")
    if is_taken:
        (found,) = loaded(tmp_path, text).settings.hot_folders
        assert (found.batch_marker, found.drop_marker) == ("all.done", None)
        return
    ((_, _, at, message),) = refused(tmp_path, text)
    assert at.endswith("settle.done_marker")
    assert "`all.done` is the same for every drop - begin with {name}" in message
    assert "a plain name ends a batch (`drop: batch`)" in message


def test_rule_of_addresses_needs_the_team(tmp_path):
    """Recipients are recipients wherever they are named."""
    text = rule(BY % "").replace("masv: {team: acme, api_key: k}\n", "")

    assert "needs masv.team and masv.api_key" in refused(tmp_path, text)[0][3]


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ("to: {recipients: [a@b.example]}, limits: {domains: [c.example]}", "every drop is held"),
        (BY % ", recipients: [e@x.example]", "get nothing: what lies outside of the folders"),
        ("to: {recipients: []}, age: {min: 1m}, early: true", "has no effect beside `age`"),
        (
            "to: {recipients: []}, schedule: {deliver: mon, late_drops: wait}",
            "has no effect without `open`",
        ),
    ],
)
def test_wish_that_cannot_be_had_is_warned_of(tmp_path, keys, warning):
    """The file is used all the same."""
    assert any(warning in text for text in warned(tmp_path, keys))


def test_schedule_takes_its_zone_from_bandwidth_where_it_names_none(tmp_path):
    """One zone for all times of a file, unless a rule says otherwise."""
    zone = "bandwidth: {tz: Europe/Berlin, rules: [{limit: unlimited}]}\nhot_folders:\n"
    keys = 'to: {recipients: []}, deadline: "06:30", schedule: {open: "sat,sun"%s}'
    text = rule(keys % "").replace("hot_folders:\n", zone)
    other = rule(keys % ", tz: Asia/Tokyo").replace("hot_folders:\n", zone)

    found = loaded(tmp_path, text).settings.hot_folders[0].schedule
    assert (found.tz, found.deadline) == ("Europe/Berlin", 390)
    assert found.windows == (model.Span(days=frozenset({5, 6})),)
    assert loaded(tmp_path, other).settings.hot_folders[0].schedule.tz == "Asia/Tokyo"


def test_schedule_may_name_a_window_of_delivery_alone(tmp_path):
    """Then its bytes leave at any time."""
    text = rule('to: {recipients: []}, schedule: {deliver: "mon-fri 09:00-18:00"}')

    found = loaded(tmp_path, text).settings.hot_folders[0].schedule

    days = frozenset(range(5))
    assert found.windows == ()
    assert found.deliver == (model.Span(days=days, start=9 * 60, end=18 * 60),)


def test_limits_of_a_rule_stand_beside_the_common_ones(tmp_path):
    """Key by key; numbers that only the whole shows keep a drop whole first."""
    defaults = "defaults: {limits: {per_day: 8 TB, unusual: false}}\nhot_folders:\n"
    keys = "to: {recipients: []}, limits: {per_drop: 1 GB, domains: [B.example, '@c.example']}"
    text = rule(keys).replace("hot_folders:\n", defaults)

    assert loaded(tmp_path, text).settings.hot_folders[0].limits == model.Limits(
        size=10**9,
        per_day=8 * 10**12,
        domains=("b.example", "c.example"),
        unusual=False,
        is_own=True,
    )
    asking = built(tmp_path, "to: {recipients: []}, limits: {domains: ask}").limits
    assert asking == model.Limits(asks_new_domains=True)
    assert built(tmp_path, "to: {recipients: []}").limits == model.Limits()


def test_what_comes_again_is_dealt_with_as_defaults_and_hot_folder_say(tmp_path):
    """Each key of the hot folder comes before that of `defaults`."""
    again = "defaults: {redrop: replace, dedupe: relink, after: {delivered: delete}}\n"
    text = rule("to: {recipients: []}").replace("hot_folders:", f"{again}hot_folders:")
    first = loaded(tmp_path, text).settings.hot_folders[0]
    keys = (
        "redrop: ask, dedupe: skip, after: {delivered: keep, duplicate: {move: '{root}/_d/{name}'}}"
    )
    text = rule(f"to: {{recipients: []}}, {keys}").replace("hot_folders:", f"{again}hot_folders:")
    second = loaded(tmp_path, text).settings.hot_folders[0]
    plain = built(tmp_path, "to: {recipients: []}, after: {failed: keep}")

    delete, keep = model.After(delivered="delete"), model.After()
    assert (first.redrop, first.dedupe) == (model.Redrop.REPLACE, model.Dedupe.RELINK)
    assert first.afters == (delete, delete)
    assert (second.redrop, second.dedupe) == (model.Redrop.ASK, model.Dedupe.SKIP)
    assert second.afters == (keep, model.After(delivered="move", move_to="{root}/_d/{name}"))
    assert (plain.redrop, plain.dedupe) == (model.Redrop.SEND, model.Dedupe.SEND)
    assert plain.afters == (keep, keep)


def test_ends_of_a_batch_are_built_and_those_of_defaults_stand_where_it_says_nothing(tmp_path):
    """In defaults they do nothing to a folder that makes no batch."""
    text = rule("to: {recipients: []}, drop: batch, finalize: {max_open: 12h, max_size: 2 TB}")
    text = text.replace("hot_folders:", "defaults: {finalize: {max_files: 7}}\nhot_folders:")

    found = loaded(tmp_path, text).settings.hot_folders[0].finalize

    assert found == model.Finalize(max_open_s=43200.0, max_files=7, max_size=2 * 10**12)
    assert model.Finalize().max_size == 15 * 10**12


@pytest.mark.parametrize(("key", "value"), [("redrop", "replace"), ("dedupe", "relink")])
def test_default_that_a_batch_cannot_have_is_refused_at_the_batch(tmp_path, key, value):
    """The hot folder's own line is what can be mended without touching the others."""
    text = rule("to: {recipients: []}, drop: batch")
    text = text.replace("hot_folders:", f"defaults: {{{key}: {value}}}\nhot_folders:")
    (problem,) = refused(tmp_path, text)

    assert problem[2] == "hot_folders[0].drop"


def test_early_start_beside_dedupe_is_warned_of(tmp_path):
    """Only whole drops are compared."""
    found = warned(tmp_path, "to: {recipients: []}, early: true, dedupe: skip")

    assert ["only whole drops are compared" in one for one in found] == [True]


def test_schedule_that_heeds_marks_is_taken_over(tmp_path):
    """`urgent` is one of three words."""
    keys = "to: {recipients: []}, schedule: {open: mon, late_drops: urgent}"

    assert built(tmp_path, keys).schedule.heeds_marks
    assert not built(tmp_path, keys.replace("urgent", "send_next")).schedule.heeds_marks


@pytest.mark.parametrize(
    ("keys", "is_told"),
    [
        ('settle: {done_marker: "{name}/DONE"}', True),
        ('settle: {done_marker: "{name}/DONE"}, drop: file', True),
        ('settle: {done_marker: "{name}/DONE"}, drop: folder', False),
        ('settle: {done_marker: "{name}/DONE"}, drop: batch', True),
        ('settle: {done_marker: "DONE"}, drop: batch', False),
        ('settle: {done_marker: "{name}.done"}', False),
        ('sidecar: {name: "{name}/s.yml"}', True),
        ('sidecar: "{name}/s.yml"', True),
        ('sidecar: {name: "{name}/s.yml", required: false}', False),
    ],
)
def test_marker_or_sidecar_that_no_loose_file_can_have_is_warned_of(tmp_path, keys, is_told):
    """Each loose file would be held for ever, by a hold whose cure is impossible."""
    told = [one for one in warned(tmp_path, f"to: {{recipients: []}}, {keys}") if "for ever" in one]

    assert len(told) == is_told
    assert all("can never have it" in one for one in told)


def test_patterns_of_names_that_look_odd_are_taken(tmp_path: Path) -> None:
    """Whatever gitignore's language can match is a pattern."""
    keys = r"to: {recipients: []}, ignore: ['[ab]*', '\#a', '!*.mov', 'a/**/b', '\[x']"

    assert built(tmp_path, keys).ignore == ("[ab]*", r"\#a", "!*.mov", "a/**/b", r"\[x")
