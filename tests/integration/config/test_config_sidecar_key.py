"""The key `sidecar`: what it becomes, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from masv_watch import model
from tests.integration.config.test_config_load import HEAD, OUT, loaded, refused

NAME = '"{name}.masv.yml"'
INSIDE = "limits: {domains: [a.example]}"


@pytest.mark.parametrize(
    ("own", "sidecar"),
    [
        (f"sidecar: {NAME}", model.Sidecar(name="{name}.masv.yml")),
        (
            f"sidecar: {{name: {NAME}, may_set: [priority, priority], required: false}}",
            model.Sidecar(name="{name}.masv.yml", may_set=("priority",), required=False),
        ),
        (
            f"sidecar: {{name: {NAME}, may_set: [recipients]}}\n    {INSIDE}",
            model.Sidecar(name="{name}.masv.yml", may_set=("recipients",)),
        ),
        (
            'sidecar: "{name}/{stem}.yml"',
            model.Sidecar(name="{name}/{stem}.yml"),
        ),
        ("drop: each", None),
    ],
)
def test_name_alone_stands_for_the_key_and_lets_message_and_priority_be_set(
    tmp_path: Path, own: str, sidecar: model.Sidecar | None
) -> None:
    """Required, and never the recipients, unless somebody wrote so."""
    found = loaded(tmp_path, f"{HEAD}{OUT}    {own}\n").settings.hot_folders[0].sidecar

    assert found == sidecar
    assert model.Sidecar(name="x").may_set == ("message", "priority")
    assert model.Sidecar(name="x").required


@pytest.mark.parametrize(
    ("own", "path", "message"),
    [
        ("sidecar: masv.yml", "", "`masv.yml` is the same for every drop - begin with {name} or"),
        ('sidecar: "{name}"', "", "`{name}` is the drop itself - as {name}.masv.yml or"),
        ('sidecar: "{name}/../x"', "", "is no path below the hot folder - as {name}.masv.yml"),
        ('sidecar: "{date}.yml"', "", "the placeholder `{date}` is not known"),
        ("sidecar: {required: true}", "", "`name` is missing"),
        (
            f"sidecar: {{name: {NAME}, may_set: message}}",
            ".may_set",
            "must be a list, not the text",
        ),
        (
            f"sidecar: {{name: {NAME}, may_set: [mesage]}}",
            ".may_set[0]",
            "`mesage` is not known (did you mean `message`?) - message, priority or recipients",
        ),
        (
            f"sidecar: {{name: {NAME}, may_set: [metadata]}}",
            ".may_set[0]",
            "`metadata` goes nowhere: MASV takes none with a package - message, priority or",
        ),
        (
            f"sidecar: {{name: {NAME}, may_set: [message, recipients]}}",
            ".may_set[1]",
            "`recipients` needs limits.domains: else whoever can write into the folder could",
        ),
        (
            f"drop: batch\n    {INSIDE}\n    sidecar: {{name: {NAME}, may_set: [recipients]}}",
            ".may_set[0]",
            "`recipients` cannot be set: a batch is one package, which cannot go to several",
        ),
        (
            'settle: {done_marker: "{name}.x"}\n    sidecar: "{name}.x"',
            "",
            "is the done marker, too - give each a name of its own",
        ),
    ],
)
def test_mistake_in_the_key_is_told_at_its_place(
    tmp_path: Path, own: str, path: str, message: str
) -> None:
    """What is wrong and what is allowed."""
    told = refused(tmp_path, f"{HEAD}{OUT}    {own}\n")

    assert len(told) == 1
    assert told[0][2] in {f"hot_folders[0].sidecar{path}", f"hot_folders[0].sidecar{path}.name"}
    assert message in told[0][3]


def test_portal_has_recipients_of_its_own_that_no_sidecar_sets(tmp_path: Path) -> None:
    """They could not be had."""
    portal = OUT.replace(
        "to: {recipients: [a@example.com]}", "to: {portal: p, sender: a@b.example}"
    )
    own = f"sidecar: {{name: {NAME}, may_set: [recipients]}}\n    {INSIDE}"
    ((_, _, path, message),) = refused(tmp_path, f"{HEAD}{portal}    {own}\n")

    assert path == "hot_folders[0].sidecar.may_set[0]"
    assert message.startswith("`recipients` cannot be set: a portal has its own")


@pytest.mark.parametrize(
    ("own", "path", "message"),
    [
        ("early: true", "early", "has no effect beside `sidecar`"),
        ("drop: batch", "sidecar", "the sidecar of the drop that begins the package counts"),
        ("drop: folder", "", ""),
    ],
)
def test_key_that_means_less_than_it_says_is_warned_of(
    tmp_path: Path, own: str, path: str, message: str
) -> None:
    """What is written and does nothing is said."""
    warnings = loaded(tmp_path, f"{HEAD}{OUT}    sidecar: {NAME}\n    {own}\n").warnings

    assert len(warnings) == bool(message)
    assert all(f"hot_folders[0].{path}: warning: " in one and message in one for one in warnings)
