"""A configuration in several files: what is spliced in where, and whose line a message names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from masv_watch.config import effective, load
from masv_watch.errors import ConfigError
from masv_watch.model import Secret

HEAD = "version: 1\nmasv: {team: acme, api_key: !env KEY}\n"
ENVIRON = {"KEY": "canary-key"}


def put(folder: Path, **files: str) -> str:
    """Write files: `__` in a name stands for a folder; give the path of the main one."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        path.chmod(0o600)
    return str(folder / "main.yml")


def loaded(path: str) -> load.Loaded:
    return load.load(path, environ=ENVIRON)


def problems(path: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        loaded(path)
    return [each.replace(os.path.dirname(path) + "/", "") for each in raised.value.problems]


def folder(name: str, to: str = "{recipients: []}", more: str = "") -> str:
    return f"  - {{name: {name}, path: /srv/{name}, to: {to}{more}}}\n"


def test_part_is_spliced_in_and_parts_may_have_parts(tmp_path: Path) -> None:
    """A list, a section, one value: whatever a file holds, relative to the file that names it."""
    path = put(
        tmp_path,
        main=HEAD
        + "defaults: !include parts/defaults.yml\nhot_folders:\n"
        + folder("a", "{by_subfolder: {x: !include parts/x.yml}}"),
        parts__defaults="settle: !include settle.yml\n",
        parts__settle="quiet: 33s\n",
        parts__x="- anna@example.com\n- ben@example.com\n",
    )

    (rule,) = loaded(path).settings.hot_folders

    assert rule.settle.quiet_s == 33.0
    assert rule.to.by_subfolder == ((b"x", ("anna@example.com", "ben@example.com")),)


def test_files_of_conf_d_add_hot_folders_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Each team has a file of its own; what is hidden or another kind of file is none."""
    path = put(
        tmp_path,
        main=HEAD + "hot_folders:\n" + folder("main"),
        conf__d="",
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20-b.yml").write_text("hot_folders:\n" + folder("b") + folder("b2"))
    (tmp_path / "conf.d" / "10-a.yaml").write_text("version: 1\nhot_folders:\n" + folder("a"))
    (tmp_path / "conf.d" / ".hidden.yml").write_text("nonsense: [")
    (tmp_path / "conf.d" / "README").write_text("nonsense: [")

    rules = loaded(path).settings.hot_folders

    assert [rule.name for rule in rules] == ["main", "a", "b", "b2"]
    assert [rule.at.rpartition("/")[2] for rule in rules] == [
        "main.yml:4", "10-a.yaml:3", "20-b.yml:2", "20-b.yml:3",
    ]  # fmt: skip


def test_same_hot_folder_in_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    """A clash is never an override."""
    path = put(tmp_path, main=HEAD + "hot_folders:\n" + folder("a"))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.yml").write_text("\nhot_folders:\n" + folder("a"))

    found = problems(path)

    assert any(
        each.startswith("conf.d/x.yml:3:12: hot_folders[1].name: `a` is taken (line 4 of main.yml)")
        for each in found
    ), found


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("- [a", "parts/x.yml:1", "syntax"),
        ("- a@example.com\n- nobody\n", "parts/x.yml:2:3", "hot_folders[0].to.recipients[1]"),
        ("a: 1\na: 2\n", "parts/x.yml:2:1", "written twice"),
        ("", "main.yml:4:46", "is empty"),
        ("- !env NOWHERE\n", "parts/x.yml:1:3", "NOWHERE is not set"),
        ("- !include x.yml\n", "parts/x.yml:1:3", "includes itself"),
    ],
)
def test_mistake_in_a_part_names_the_line_of_that_part(
    tmp_path: Path, text: str, place: str, said: str
) -> None:
    """Pains 50 and 52: file, line and column of the right file, never a traceback."""
    path = put(
        tmp_path,
        main=HEAD + "hot_folders:\n" + folder("a", "{recipients: !include parts/x.yml}"),
        parts__x=text,
    )

    (first,) = [each for each in problems(path) if said in each]

    assert first.startswith(place)
    # the line that is shown with it is that file's, too
    line = text.splitlines()[int(first.split(":")[1]) - 1] if place.startswith("parts") else ""
    assert line.strip() in first


def test_unknown_key_of_an_included_section_stands_in_its_file(tmp_path: Path) -> None:
    """Pain 51, in a part."""
    path = put(
        tmp_path,
        main=HEAD + "defaults: !include d.yml\nhot_folders:\n" + folder("a"),
        d="settle:\n  queit: 5s\n",
    )

    assert [each.split("\n")[0] for each in problems(path)] == [
        "d.yml:2:3: defaults.settle: unknown key `queit` - did you mean `quiet`?"
    ]


def test_key_whose_value_is_included_stands_in_the_including_file(tmp_path: Path) -> None:
    """What is wrong with the key itself is no matter of the part."""
    to = "{portal: p, sender: a@example.com}"
    path = put(
        tmp_path,
        main=HEAD + "hot_folders:\n" + folder("a", to, ", link: !include link.yml"),
        link="mail_to: [a@example.com]\n",
    )

    (found,) = problems(path)

    assert found.startswith("main.yml:4:69: hot_folders[0].link: a portal tells its own")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../outside.yml", "lies outside of"),
        ("/etc/passwd", "lies outside of"),
        ("link.yml", "lies outside of"),
        ("https://example.com/x.yml", "nothing is fetched from elsewhere"),
        ("nowhere.yml", "does not exist"),
        ("folder", "is a folder"),
        ("main.yml", "includes itself"),
        ('""', "takes a path"),
    ],
)
def test_part_that_may_not_be_one_is_refused_where_it_is_named(
    tmp_path: Path, name: str, said: str
) -> None:
    """Configuration 2.8: only below the main file's folder, links resolved, nothing remote."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outside.yml").write_text("quiet: 5s\n")
    (home / "link.yml").symlink_to(tmp_path / "outside.yml")
    (home / "folder").mkdir()
    path = put(
        home, main=HEAD + f"defaults: {{settle: !include {name}}}\nhot_folders:\n" + folder("a")
    )

    (found,) = problems(path)

    assert found.startswith("main.yml:3:20: defaults.settle: ")
    assert said in found


def test_parts_are_bounded_in_depth_and_number(tmp_path: Path) -> None:
    """A chain of files ends with a message, and so does a fan of them."""
    chain = {f"p{number}": f"settle: !include p{number + 1}.yml\n" for number in range(12)}
    deep = put(tmp_path, main=HEAD + "defaults: !include p0.yml\nhot_folders: []\n", **chain)
    assert any("more than 8 deep" in each for each in problems(deep))

    many = "\n".join(f"  - !include one.yml #{number}" for number in range(300))
    wide = put(tmp_path, main=f"{HEAD}hot_folders:\n{many}\n", one="name: x\n")
    assert any("more than 200 files" in each for each in problems(wide))


def test_secret_in_a_part_is_one_and_is_never_shown(tmp_path: Path) -> None:
    """It is guarded by its own file's mode, and looked up beside its own file (P7)."""
    path = put(
        tmp_path,
        main="version: 1\nmasv: !include m/masv.yml\nmail: {smtp: {host: h, user: u,"
        " password: !include m/pw.yml}, from: a@example.com}\nhot_folders:\n" + folder("a"),
        m__masv="team: acme\napi_key: !secret k\n",
        m__secrets="k: canary-secret\n",
        m__pw="canary-inline\n",
    )
    (tmp_path / "m" / "pw.yml").chmod(0o644)

    found = loaded(path)

    assert {each.reveal() for each in found.secrets} == {"canary-secret", "canary-inline"}
    assert isinstance(found.settings.masv.api_key, Secret)
    assert [each.split(" ")[0].replace(f"{tmp_path}/", "") for each in found.warnings] == [
        "m/pw.yml:1:1:"
    ]
    assert {os.path.basename(each) for each in found.private} == {
        "secrets.yml", "masv.yml", "pw.yml",
    }  # fmt: skip
    (tmp_path / "m" / "pw.yml").write_text("[canary-inline, canary-more]\n")
    assert "canary" not in "".join(problems(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("masv: {team: b}\n", "holds `hot_folders` and nothing else"),
        ("hot_folders: 3\n", "must be a list"),
        ("- 1\n", "holds `hot_folders` and nothing else"),
        ("hot_folders: [\n", "syntax"),
        ("", "is empty"),
    ],
)
def test_file_of_conf_d_of_another_form_is_refused_in_its_lines(
    tmp_path: Path, text: str, said: str
) -> None:
    """The one thing that such a file may add is hot folders."""
    path = put(tmp_path, main=HEAD + "hot_folders:\n" + folder("a"))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.yml").write_text(text)

    found = problems(path)

    assert len(found) == 1
    assert "conf.d" in found[0]
    assert said in found[0]


def test_origin_of_a_value_in_a_part_is_that_part(tmp_path: Path) -> None:
    """Pain 11, with parts."""
    path = put(
        tmp_path,
        main=HEAD + "defaults: !include d.yml\nhot_folders:\n" + folder("a"),
        d="\nsettle: {quiet: 5s}\n",
    )

    found = {each.key: each.origin for each in effective.effective(path, environ=ENVIRON)}

    assert found["hot_folders[0].settle.quiet"] == f"{tmp_path}/d.yml:2"
    assert found["hot_folders[0].name"] == f"{tmp_path}/main.yml:5"
