"""The key `expect`: what it becomes, and every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from masv_watch import model
from tests.integration.config.test_config_load import HEAD, OUT, loaded, refused


@pytest.mark.parametrize(
    ("own", "filesystems"),
    [
        ("expect: {filesystem: nfs}", ("nfs",)),
        ("expect: {filesystem: [NFS, cifs, nfs]}", ("nfs", "cifs")),
        ("expect: {}", ()),
        ("drop: each", ()),
    ],
)
def test_expected_file_systems_are_one_or_a_list(
    tmp_path: Path, own: str, filesystems: tuple[str, ...]
) -> None:
    """In any case, each once."""
    found = loaded(tmp_path, f"{HEAD}{OUT}    {own}\n").settings.hot_folders[0].expect

    assert found == model.Expect(filesystems=filesystems)


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ("[]", "", "is empty - name a type of a file system, or remove the key"),
        ("a b", "", "`a b` is no type of a file system - as nfs, smb, ext4, xfs, network"),
        ("[nfs, ../x]", "[1]", "`../x` is no type of a file system"),
        ("5", "", "must be text, not the number 5"),
        ("{nfs: 4}", "", "must be text, not a mapping"),
    ],
)
def test_mistake_in_an_expected_file_system_is_told_at_its_place(
    tmp_path: Path, value: str, path: str, message: str
) -> None:
    """What is wrong and what is allowed."""
    ((_, _, at, told),) = refused(tmp_path, f"{HEAD}{OUT}    expect: {{filesystem: {value}}}\n")

    assert at == f"hot_folders[0].expect.filesystem{path}"
    assert message in told


@pytest.mark.parametrize(("value", "skips"), [("allow", False), ("skip", True)])
def test_hard_links_are_allowed_unless_they_are_skipped(
    tmp_path: Path, value: str, skips: bool
) -> None:
    """One of two words; nothing by default."""
    one = loaded(tmp_path, f"{HEAD}{OUT}    hardlinks: {value}\n").settings.hot_folders[0]
    ((_, _, at, told),) = refused(tmp_path, f"{HEAD}{OUT}    hardlinks: 5\n")

    assert one.skips_hardlinks is skips
    assert not loaded(tmp_path, f"{HEAD}{OUT}").settings.hot_folders[0].skips_hardlinks
    assert (at, told) == (
        "hot_folders[0].hardlinks",
        "must be text, not the number 5 - put it in quotes",
    )


@pytest.mark.parametrize(("value", "follow"), [("none", "none"), ("inside", "inside")])
def test_links_are_followed_inside_only_where_the_rule_says_so(
    tmp_path: Path, value: str, follow: str
) -> None:
    """One of two words; none by default."""
    one = loaded(tmp_path, f"{HEAD}{OUT}    follow: {value}\n").settings.hot_folders[0]
    ((_, _, at, _),) = refused(tmp_path, f"{HEAD}{OUT}    follow: all\n")

    assert one.follow == follow
    assert loaded(tmp_path, f"{HEAD}{OUT}").settings.hot_folders[0].follow == "none"
    assert at == "hot_folders[0].follow"


@pytest.mark.parametrize("kept", ["delivered", "duplicate"])
@pytest.mark.parametrize("where", ["own", "defaults"])
def test_links_are_not_followed_where_sources_are_moved_or_deleted(
    tmp_path: Path, kept: str, where: str
) -> None:
    """Wherever that is said; a hot folder that keeps what the defaults delete is free to."""
    said = f"after: {{{kept}: delete}}\n"
    links = f"{OUT}    follow: inside\n"
    text = (
        f"{HEAD}{links}    {said}"
        if where == "own"
        else f"defaults: {{{said[:-1]}}}\n{HEAD}{links}"
    )
    ((_, _, at, told),) = refused(tmp_path, text)
    free = (
        f"defaults: {{{said[:-1]}}}\n{HEAD}{links}    after: {{delivered: keep, duplicate: keep}}\n"
    )

    assert at == "hot_folders[0].follow"
    assert f"needs `after.{kept}: keep`" in told
    assert loaded(tmp_path, free).settings.hot_folders[0].follow == "inside"


def test_expected_time_is_a_minute_of_the_day_with_and_without_a_schedule(tmp_path: Path) -> None:
    """In the zone of the schedule; a time that no clock shows is told."""
    plain = f'{HEAD}{OUT}    expect_by: "05:30"\n'
    with_windows = f'{plain}    schedule: {{open: "19:00-07:00"}}\n'
    for text in (plain, with_windows):
        assert loaded(tmp_path, text).settings.hot_folders[0].schedule.expect_by == 330
    ((_, _, at, told),) = refused(tmp_path, f'{HEAD}{OUT}    expect_by: "25:00"\n')

    assert at == "hot_folders[0].expect_by"
    assert "is no time of the day" in told
