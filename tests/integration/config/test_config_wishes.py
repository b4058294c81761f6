"""Keys of a hot folder that are built, inherited and refused: what it gives up, keeps and says."""

from __future__ import annotations

import pytest

from masv_watch.config import effective, handover
from tests.integration.config.test_config_load import loaded, refused
from tests.integration.config.test_config_rules import built, rule, warned

TO = "to: {recipients: []}"


def test_retry_and_trash_of_a_hot_folder_come_before_those_of_defaults(tmp_path):
    """And what neither says is a day."""
    common = "defaults: {retry: {give_up_after: 2h}, after: {delivered: delete, trash_for: 7d}}\n"
    text = rule(TO).replace("hot_folders:", f"{common}hot_folders:")
    inherited = loaded(tmp_path, text).settings.hot_folders[0]
    text = rule(f"{TO}, retry: {{give_up_after: 30m}}, after: {{trash_for: 0s}}")
    own = loaded(tmp_path, text.replace("hot_folders:", f"{common}hot_folders:"))
    own = own.settings.hot_folders[0]
    plain = built(tmp_path, TO)

    assert (inherited.retry.give_up_after_s, inherited.trash_for_s) == (7200.0, 604800.0)
    assert (own.retry.give_up_after_s, own.trash_for_s) == (1800.0, 0.0)
    assert own.after.delivered == "delete"
    assert (plain.retry.give_up_after_s, plain.trash_for_s) == (86400.0, 86400.0)


@pytest.mark.parametrize(
    ("keys", "warning"),
    [(f"{TO}, after: {{trash_for: 7d}}", "only `delete` puts a source into the trash")],
)
def test_wish_without_an_effect_is_warned_of(tmp_path, keys, warning):
    """The file is used all the same."""
    assert any(warning in text for text in warned(tmp_path, keys))


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ('ignore: ["*.xmp", "*"]', "leaves everything out"),
        ('ignore: ["*", "!*.mov"]', ""),
        ('only: ["*.mov"], ignore: ["*.mov", "*.xmp"]', "is all in `ignore`"),
        ('only: ["*.mov", "*.wav"], ignore: ["*.mov"]', ""),
        ('only: ["*.mov"], settle: {done_marker: "{stem}.mov"}', "names every file that `only`"),
        ('only: ["*.mxf"], settle: {done_marker: "{stem}.mov"}', ""),
        ('only: ["*.yml"], sidecar: "{name}.yml"', "names every file that `only`"),
        ('limits: {domains: ["*.example.com"]}', "is no pattern: `*` stands for itself"),
        ("limits: {domains: [example.com]}", ""),
    ],
)
def test_filter_that_lets_nothing_through_is_warned_of(tmp_path, keys, warning):
    """Else a hot folder watches for months and sends nothing."""
    said = warned(tmp_path, f"{TO}, {keys}")

    assert any(warning in text for text in said) if warning else not said


def test_recall_of_a_hot_folder_comes_before_that_of_defaults_and_may_be_none(tmp_path):
    """And what neither says is none."""
    common = "defaults: {recall: 10m}\n"
    inherited = loaded(tmp_path, rule(TO).replace("hot_folders:", f"{common}hot_folders:"))
    text = rule(f"{TO}, recall: 0s").replace("hot_folders:", f"{common}hot_folders:")
    own = loaded(tmp_path, text)

    assert inherited.settings.hot_folders[0].recall_s == 600.0
    assert own.settings.hot_folders[0].recall_s == 0.0
    assert built(tmp_path, TO).recall_s == 0.0


@pytest.mark.parametrize("value", ["61m", "-1s", "10", "true"])
def test_recall_of_no_duration_or_over_an_hour_is_refused(tmp_path, value):
    """An hour is the longest time for which recipients wait for what is up."""
    told = refused(tmp_path, rule(f"{TO}, recall: {value}"))

    assert [path.rpartition(".")[2] for _, _, path, _ in told] == ["recall"]


NIGHT = 'deadline: "06:30", schedule: {{open: "{open}"}}, recall: {recall}'


@pytest.mark.parametrize(
    ("spans", "recall", "is_told"),
    [
        ("06:00-06:30", "30m", True),
        ("mon-fri 05:45-06:15", "45m", True),
        ("06:00-06:30", "29m", False),
        ("06:00-06:31", "30m", False),
        ("06:30-07:00", "1h", False),
        ("00:00-24:00", "1h", False),
        ("22:00-06:30", "1h", False),
        ("06:00-06:30", "0s", False),
    ],
)
def test_deadline_that_no_window_can_meet_beside_recall_is_warned_of(
    tmp_path, spans, recall, is_told
):
    """All that is sent then could be told of only behind it."""
    told = warned(tmp_path, f"{TO}, {NIGHT.format(open=spans, recall=recall)}")

    assert any("nothing that is sent in `schedule.open`" in text for text in told) is is_told


def test_package_keys_are_built_and_its_password_is_shown_nowhere(tmp_path):
    """What the cloud is told of a package stands with its name."""
    keys = "package: {password: opens-4711, expires: 10d, downloads: 20}"
    package = built(tmp_path, f"{TO}, {keys}").package

    assert (package.expires_s, package.downloads) == (864000.0, 20)
    assert package.password.reveal() == "opens-4711"
    assert "opens-4711" not in repr(package)


@pytest.mark.parametrize("key", ["password: x", "expires: 1d", "downloads: 1"])
def test_package_key_that_a_portal_sets_itself_is_refused(tmp_path, key):
    """The portal's own would count, and nobody would know."""
    to = "to: {portal: dailies, sender: a@b.example}"
    told = refused(tmp_path, rule(f"{to}, package: {{{key}}}"))

    assert "a portal sets its own" in told[0][3]


HOT = "hot_folders:\n"
FIRST = """
  - name: first
    path: /srv/first
    to: {recipients: [a@b.example]}
    settle: {quiet: 60s, samples: 5}
    package_name: "{stem}"
    tags: [night]
    priority: 7
"""


def many(*folders: str, head: str = "") -> str:
    """Give a file with these hot folders."""
    return f"version: 1\nmasv: {{team: acme, api_key: k}}\n{head}{HOT}{''.join(folders)}"


def test_hot_folder_that_is_like_another_has_what_it_says_unless_it_says_it_itself(tmp_path):
    """Sections as `settle` by their keys, the rest as a whole; its name and path are its own."""
    second = """
  - {name: second, path: /srv/second, like: first, settle: {quiet: 5s}, package: {name: "two"}}
"""
    off = "  - {name: off, path: /srv/off, like: second, enabled: false, tags: []}\n"
    rules = loaded(tmp_path, many(FIRST, second, off)).settings.hot_folders
    first, like, disabled = rules

    assert (like.name, like.path, like.at.rpartition(":")[2]) == ("second", b"/srv/second", "13")
    assert (like.to, like.priority, like.tags) == (first.to, 7, ("night",))
    assert (like.settle.quiet_s, like.settle.samples) == (5.0, 5)
    assert (first.package.name, like.package.name) == ("{stem}", "two")
    assert (disabled.settle, disabled.package) == (like.settle, like.package)
    assert (first.is_enabled, disabled.is_enabled, disabled.tags) == (True, False, ())


def test_hot_folder_is_like_one_of_another_file_and_shows_where_it_stands(tmp_path):
    """Its values come with the lines, and the secrets beside them, of the file that they are in."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "one.yml").write_text(f"{HOT}{FIRST}")
    path = tmp_path / "w.yml"
    path.write_text(many("  - {name: second, path: /srv/second, like: first}\n"))
    path.chmod(0o600)
    found = {each.key: each for each in effective.effective(str(path), environ={})}
    one = found["hot_folders[0].settle.quiet"]

    assert one.value == "60s"
    assert one.origin == f"{tmp_path}/conf.d/one.yml:6 (like first)"
    assert found["hot_folders[1].settle.quiet"].origin == f"{tmp_path}/conf.d/one.yml:6"
    assert found["hot_folders[0].path"].origin == f"{path}:4"


@pytest.mark.parametrize(
    ("folders", "line", "message"),
    [
        (
            ["like: frist, to: {recipients: []}"],
            12,
            "no hot folder `frist` (did you mean `first`?)",
        ),
        (["like: x1, to: {recipients: []}"], 12, "each other in a circle: x1 -> x1"),
        (["like: x2, to: {recipients: []}", "like: x1"], 13, "in a circle: x1 -> x2 -> x1"),
    ],
)
def test_hot_folder_that_is_like_nothing_or_like_itself_is_refused(
    tmp_path, folders, line, message
):
    """At the word that says so, once."""
    given = [
        f"  - {{name: x{number}, path: /srv/x{number}, {keys}}}\n"
        for number, keys in enumerate(folders, 1)
    ]
    told = refused(tmp_path, many(FIRST, *given))

    assert [one for one in told if message in one[3]]
    assert [one[0] for one in told if "like" in one[2]] == [line]


def test_mistake_that_a_hot_folder_takes_over_is_told_once_where_it_stands(tmp_path):
    """Ten folders like a wrong one have one mistake."""
    wrong = FIRST.replace("60s", "60")
    copies = [f"  - {{name: c{n}, path: /srv/c{n}, like: first}}\n" for n in range(3)]
    told = refused(tmp_path, many(wrong, *copies))

    assert [(one[0], one[2]) for one in told] == [(8, "hot_folders[0].settle.quiet")]


def test_warning_that_a_hot_folder_takes_over_is_told_once_where_it_stands(tmp_path):
    """And so are warnings."""
    odd = FIRST + "    after: {trash_for: 7d}\n"
    found = loaded(tmp_path, many(odd, "  - {name: c, path: /srv/c, like: first}\n"))
    told = [one for one in found.warnings if "into the trash" in one]

    assert len(told) == 1
    assert "hot_folders[0].after.trash_for" in told[0]


def test_hooks_are_built_in_their_order_and_their_addresses_are_shown_nowhere(tmp_path):
    """Whoever knows the address of a hook can write there."""
    keys = (
        "notify: [{slack: !env SLACK_HOOK, events: [held, failed, held]},"
        " {webhook: 'http://127.0.0.1:9/told'}]"
    )
    text = rule(f"{TO}, {keys}")
    found = loaded(tmp_path, text, SLACK_HOOK="https://hooks.example/T0K3N")
    slack, plain = found.settings.hot_folders[0].notify
    path = str(tmp_path / "masv-watch.yml")
    shown = [each.value for each in effective.effective(path, environ={})]

    assert (slack.kind, slack.events) == ("slack", ("held", "failed"))
    assert (plain.kind, plain.events) == ("webhook", ("delivered", "failed", "held"))
    assert slack.url.reveal() == "https://hooks.example/T0K3N"
    assert {"https://hooks.example/T0K3N"} <= {each.reveal() for each in found.secrets}
    assert "T0K3N" not in repr(found.settings)
    assert '[{"slack": "***", "events": ["held", "failed", "held"]}, {"webhook": "***"}]' in shown
    assert handover.unpacked(handover.packed(found)).settings == found.settings


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{slack: 'http://hooks.example/T0K3N'}", "is no https address"),
        ("{webhook: 'http://127.0.0.1.example/T0K3N'}", "is no https address"),
        ("{webhook: 'ftp://hooks.example/T0K3N'}", "is no https address"),
        ("{webhook: 'https://user:T0K3N@hooks.example/'}", "names a user or a fragment"),
        ("{webhook: 'https:///T0K3N'}", "is no web address"),
        ("{webhook: 'https://hooks.example:99999/T0K3N'}", "is no web address"),
        ("{events: [held]}", "must name one of `slack` and `webhook`"),
        ("{slack: 'https://a/T0K3N', webhook: 'https://b/'}", "must name one of"),
        ("{slack: 'https://a/T0K3N', events: []}", "is empty"),
        ("{slack: 'https://a/T0K3N', events: [helt]}", "did you mean `held`"),
    ],
)
def test_hook_that_cannot_be_told_is_refused_without_its_address(tmp_path, entry, message):
    """In the clear only to this machine; and no message holds what it is about."""
    told = refused(tmp_path, rule(f"{TO}, notify: [{entry}]"))

    assert [one for one in told if message in one[3]]
    assert not [one for one in told if "T0K3N" in one[3]]
