"""Keys of a hot folder that are built, inherited and refused: what it gives up, keeps and says."""

from __future__ import annotations

import pytest

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
