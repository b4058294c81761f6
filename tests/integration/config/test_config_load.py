"""Loading real files: the examples, every rule with its place, secrets, hostile bytes."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch import model
from masv_watch.config import load, nodes, problems, schema
from masv_watch.errors import ConfigError
from tests.searching import examples

SHIPPED = Path(__file__).parents[3] / "config"
ENVIRON = {
    "MASV_API_KEY": "key-value-from-env",
    "PORTAL_CODE": "code-value-from-env",
    "PACKAGE_PASSWORD": "package-value-from-env",
    "PROXY_PASSWORD": "proxy-value-from-env",
    "SLACK_HOOK": "https://hooks.example/slack-value-from-env",
    "WEBHOOK": "https://hooks.example/plain-value-from-env",
    "SMTP_PASSWORD": "password-from-env",
    "MASV_WATCH_TOKEN": "token-value-from-env",
    "STATE_DIRECTORY": "/nowhere/state",
}
LINE = re.compile(r"[^\n]*?:[1-9]\d*:[1-9]\d*: [^:\n]+: [^\n]+(\n {4}[^\n]*\n {4} *\^)?")
HEAD = "version: 1\nmasv: {team: acme, api_key: !env MASV_API_KEY}\n"
OUT = "hot_folders:\n  - name: out\n    path: /nowhere/out\n    to: {recipients: [a@example.com]}\n"
INTERFACES = """\
version: 1
masv: {api_url: http://127.0.0.1:8081, team: acme, api_key: sandbox-key, link_url: "http://127.0.0.1:8081/get/{id}?secret={secret}"}
server: {listen: http://127.0.0.1:8080, allowed_roots: [/srv/media]}   # a comment
state: /var/lib/masv-watch                                             # a comment
mail: {smtp: {host: 127.0.0.1, port: 8025, tls: none}, from: delivery@example.com}
transfer: {connections: 8, chunk_size: 100 MiB, active_uploads: 4}
hot_folders:
  - {name: out, path: /srv/out, drop: folder, settle: {quiet: 2s}, to: {recipients: [client@example.com]}, link: {mail_to: [producer@example.com]}}
  - {name: dailies, path: /srv/dailies, drop: batch, finalize: {idle: 5s}, to: {portal: dailies, sender: dit@example.com, access_code: !env PORTAL_CODE}}
"""  # noqa: E501 - the documented example, as it stands


def loaded(folder: Path, text: str | bytes, mode: int = 0o600, **environ: str) -> load.Loaded:
    """Write a file and load it."""
    path = folder / "masv-watch.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return load.load(str(path), environ={**ENVIRON, **environ})


def refused(folder: Path, text: str | bytes, **environ: str) -> list[tuple[int, int, str, str]]:
    """Load a wrong file and give its problems as (line, col, path, message)."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environ)
    assert all(LINE.fullmatch(problem) for problem in caught.value.problems)
    records: list[Any] = load.as_records(caught.value.problems)
    return [(r["line"], r["col"], r["path"], r["message"]) for r in records]


def outcome(path: Path) -> load.Loaded | ConfigError:
    """Load a file that may be wrong and give whichever came of it."""
    try:
        return load.load(str(path), environ=ENVIRON)
    except ConfigError as error:
        return error


@pytest.mark.parametrize(
    "path",
    sorted(path for path in SHIPPED.rglob("*.yml") if path.parent.name != "cards"),
    ids=lambda path: path.name,
)
def test_shipped_file_loads_without_a_warning(path: Path, tmp_path: Path) -> None:
    """Every YAML file below config/ is right as it stands."""
    assert load.load(str(path), environ=ENVIRON).warnings == ()


def test_reference_names_every_key_of_the_schema_and_no_other() -> None:
    """reference.yml and the schema list the same keys (law 13)."""
    text = (SHIPPED / "reference.yml").read_text()
    tree, _ = nodes.read(problems.Source("reference.yml", text), text)

    def keys(at: nodes.Tree | None, prefix: str) -> set[str]:
        if isinstance(at, nodes.Sequence):
            return set().union(*(keys(one, f"{prefix}[]") for one in at.elements))
        if not isinstance(at, nodes.Mapping) or at.tag:
            return set()
        below = [keys(value, f"{prefix}.{key}") for key, (_, value) in at.entries.items()]
        return {f"{prefix}.{key}" for key in at.entries}.union(*below)

    found = {key.removeprefix(".") for key in keys(tree, "")}
    # names of folders, not keys
    named = {f"hot_folders[].to.by_subfolder.studio-{letter}" for letter in "ab"}
    assert found - {"hot_folders[].after.delivered.move"} - named == schema.known_keys()


def test_reference_has_a_comment_on_every_first_mention_of_a_key() -> None:
    """Each key's first line says in a few words what it does, or opens a block that does."""
    seen: set[str] = set()
    silent = []
    for line in (SHIPPED / "reference.yml").read_text().splitlines():
        key = re.match(r"\s*(?:- )?(\w+):(.*)", line)
        if key and key[1] not in seen:
            seen.add(key[1])
            if key[2].strip() and "#" not in line:
                silent.append(line)

    assert silent == []


def test_reference_defaults_are_the_models(tmp_path: Path) -> None:
    """What reference.yml calls a default is what a file without the key gets."""
    plain = loaded(tmp_path, HEAD).settings
    reference = load.load(str(SHIPPED / "reference.yml"), environ=ENVIRON).settings

    default = plain.server
    # shown with a value because the default is that there is none
    shown = {"token": None, "allowed_roots": None, "tls": default.tls}
    only_first = reference.server.listen[:1]
    assert replace(reference.masv, proxy=None) == plain.masv
    assert replace(reference.server, listen=only_first, **shown) == default
    assert reference.transfer == plain.transfer


def test_documented_example_loads_verbatim(tmp_path: Path) -> None:
    """The example of the interfaces gives the values that it says."""
    found = loaded(tmp_path, INTERFACES).settings

    out, dailies = found.hot_folders
    assert found.masv.api_key == model.Secret("sandbox-key")
    assert found.mail == model.Mail(
        smtp=model.Smtp(host="127.0.0.1", port=8025, tls="none"), sender="delivery@example.com"
    )
    assert found.state == "/var/lib/masv-watch"
    assert found.server.allowed_roots == (b"/srv/media",)
    assert out.settle.quiet_s == 2
    assert out.link.mail_to == ("producer@example.com",)
    assert out.at == f"{tmp_path}/masv-watch.yml:8"
    assert dailies.drop is model.DropMode.BATCH
    assert dailies.idle_s == 5
    assert dailies.to.access_code == model.Secret("code-value-from-env")
    assert dailies.to.recipients is None


def test_smallest_file_has_every_default(tmp_path: Path) -> None:
    """Five keys are enough."""
    text = (SHIPPED / "masv_watch.yml").read_text()

    found = loaded(tmp_path, text).settings

    assert found == model.Settings(
        masv=model.Masv(team="acme", api_key=model.Secret("key-value-from-env")),
        state="/nowhere/state",
        hot_folders=(
            model.Rule(
                name="out",
                path=b"/srv/out",
                to=model.To(recipients=("client@example.com",)),
                at=f"{tmp_path}/masv-watch.yml:6",
            ),
        ),
    )


WRONG: list[tuple[str, list[tuple[int, int, str, str]]]] = [
    (
        HEAD + OUT + "    pth: /x\n",
        [(7, 5, "hot_folders[0]", "unknown key `pth` - did you mean `path`?")],
    ),
    (
        HEAD + OUT + "    settle: {quiet: 15}\n",
        [(7, 21, "hot_folders[0].settle.quiet", "has no unit")],
    ),
    (
        HEAD + OUT + "    settle: {quiet: 25h}\n",
        [(7, 21, "hot_folders[0].settle.quiet", "1s to 24h")],
    ),
    (
        HEAD + OUT + "    settle: {samples: 1}\n",
        [(7, 23, "hot_folders[0].settle.samples", "2 to 20")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: DONE}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "is the same for every drop")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: '{name}'}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "is the drop itself")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: '{stem}/DONE'}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "is the drop itself")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: 'done/{name}'}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "is the same for every drop")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: 'x{name}/../y'}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "is no path below the hot folder")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: 'x{name}/y'}\n",
        [(7, 27, "hot_folders[0].settle.done_marker", "lies in a folder of its own")],
    ),
    (
        HEAD + OUT + "    settle: {done_marker: '{nmae}.done'}\n",
        [(7, 28, "hot_folders[0].settle.done_marker", "did you mean `{name}`?")],
    ),
    (
        HEAD + OUT + "    settle: {open_check: yes}\n",
        [(7, 26, "hot_folders[0].settle.open_check", "auto")],
    ),
    (
        HEAD + OUT + "    settle: {warn_after: 1s}\n",
        [(7, 26, "hot_folders[0].settle.warn_after", "1m to 30d")],
    ),
    (HEAD + OUT + "    settle:\n", [(7, 5, "hot_folders[0].settle", "is empty")]),
    (HEAD + OUT + "    quiet: 5s\n", [(7, 5, "hot_folders[0]", "it belongs in settle.quiet")]),
    (
        HEAD + OUT + "    drop: 5\n",
        [(7, 11, "hot_folders[0].drop", "must be text, not the number 5")],
    ),
    (HEAD + OUT + "    ignore: '*.x'\n", [(7, 13, "hot_folders[0].ignore", "must be a list")]),
    (
        HEAD + OUT + "    ignore_builtin: no\n",
        [(7, 21, "hot_folders[0].ignore_builtin", "must be true or false")],
    ),
    (
        HEAD + OUT + "    package: {name: '{nmae}'}\n",
        [(7, 22, "hot_folders[0].package.name", "did you mean `{name}`")],
    ),
    (
        HEAD + OUT + "    package: {name: '{name} {root}'}\n",
        [(7, 29, "hot_folders[0].package.name", "`{root}` is not known")],
    ),
    (
        HEAD + OUT + "    package: {name: a}\n    package_name: b\n",
        [(8, 5, "hot_folders[0].package_name", "keep one")],
    ),
    (
        HEAD + OUT + "    link: {mail_to: [p@example.com]}\n",
        [(7, 12, "hot_folders[0].link.mail_to", "need a mail server")],
    ),
    (
        HEAD + OUT + "    link: {template: no.html}\n",
        [(7, 22, "hot_folders[0].link.template", "does not exist")],
    ),
    (
        HEAD + OUT + "    after: {delivered: {move: sent}}\n",
        [(7, 31, "hot_folders[0].after.delivered.move", "is no target")],
    ),
    (
        HEAD + OUT + "    after: {delivered: {move: '{root}/'}}\n",
        [(7, 31, "hot_folders[0].after.delivered.move", "the hot folder itself")],
    ),
    (
        HEAD + OUT + "    after: {delivered: {move: /nowhere/out}}\n",
        [(7, 31, "hot_folders[0].after.delivered.move", "the hot folder itself")],
    ),
    (
        HEAD + OUT + "    after: {delivered: {move: '/nowhere/out/{name}'}}\n",
        [(7, 31, "hot_folders[0].after.delivered.move", "the hot folder itself")],
    ),
    (
        HEAD + OUT + "    after: {delivered: {move: '{root}/../x'}}\n",
        [(7, 31, "hot_folders[0].after.delivered.move", "climbs")],
    ),
    (
        HEAD + OUT + "    after: {delivered: burn}\n",
        [(7, 24, "hot_folders[0].after.delivered", "keep, delete or")],
    ),
    (
        HEAD + OUT + "  - {name: out, path: /b, to: {recipients: []}}\n",
        [(7, 12, "hot_folders[1].name", "is taken (line 4)")],
    ),
    (
        HEAD + OUT + "  - {name: b, path: /nowhere/out/, to: {recipients: []}}\n",
        [(7, 21, "hot_folders[1].path", "the same folder as the one at line 5")],
    ),
    (
        HEAD + OUT + "  - {name: b, path: /nowhere/x/../out/in, to: {recipients: []}}\n",
        [(7, 21, "hot_folders[1].path", "lies inside `out` (line 5)")],
    ),
    (
        HEAD
        + OUT
        + "  - {name: b, path: /b, to: {recipients: []}, "
        + "after: {delivered: {move: '/nowhere/out/x/{name}'}}}\n",
        [(7, 73, "hot_folders[1].after.delivered.move", "delivered again")],
    ),
    (
        HEAD + OUT + "state: /nowhere/out/state\n",
        [(7, 8, "state", "lies inside the hot folder of line 5")],
    ),
    (
        HEAD + OUT + "backup: {to: /nowhere/out/copies}\n",
        [(7, 14, "backup.to", "lies inside the hot folder of line 5")],
    ),
    (HEAD + "backup: {keep: 3}\n", [(3, 9, "backup", "`to` is missing")]),
    (HEAD + "history: {drops: 1h}\n", [(3, 18, "history.drops", "is out of range - 1d")]),
    (HEAD + "state: postgresql://x/y\n", [(3, 8, "state", "not available yet")]),
    (
        HEAD + "hot_folders:\n  - {}\n",
        [
            (4, 5, "hot_folders[0]", "`name` is missing"),
            (4, 5, "hot_folders[0]", "`path` is missing"),
            (4, 5, "hot_folders[0]", "`to` is missing"),
        ],
    ),
    (
        HEAD + "hot_folders:\n  - {name: a b, path: ~/x, to: {}}\n",
        [
            (4, 12, "hot_folders[0].name", "is no name"),
            (4, 23, "hot_folders[0].path", "not an absolute path"),
            (4, 32, "hot_folders[0].to", "neither"),
        ],
    ),
    (
        "version: 1\n" + OUT,
        [(5, 10, "hot_folders[0].to.recipients", "needs masv.team and masv.api_key")],
    ),
    (
        "version: 1\nhot_folders:\n  - {name: a, path: /a, to: {recipients: [], portal: p}}\n",
        [(3, 46, "hot_folders[0].to.portal", "give one")],
    ),
    (
        "version: 1\nhot_folders:\n  - {name: a, path: /a, to: {portal: p}, link: {}}\n",
        [
            (3, 30, "hot_folders[0].to.portal", "needs a `sender`"),
            (3, 42, "hot_folders[0].link", "remove `link`"),
        ],
    ),
    ("version: 2\n", [(1, 10, "version", "must be the number 1")]),
    ("masv: {}\n", [(1, 1, "top level", "`version` is missing")]),
    ("", [(1, 1, "top level", "is empty")]),
    ("- a\n", [(1, 1, "top level", "must be a mapping, not a list")]),
    (HEAD + "send-to: x\n", [(3, 1, "top level", "unknown key `send-to`")]),
    (HEAD + '"a\\nb": x\n', [(3, 1, "top level", "unknown key `a\\nb`")]),
    (
        "version: 1\nmasv: {link_url: 'http://x/{id}'}\n",
        [(2, 18, "masv.link_url", "must contain {secret}")],
    ),
    (
        "version: 1\nmasv: {api_url: 'https://x/v1'}\n",
        [(2, 17, "masv.api_url", "must not end in a version")],
    ),
    (
        "version: 1\nmail: {smtp: {host: h, user: u}}\n",
        [
            (2, 7, "mail", "`from` is missing"),
            (2, 24, "mail.smtp.user", "`user` without `password`"),
        ],
    ),
]


@pytest.mark.fault(32)
@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_wrong_file_names_each_slip_at_its_place(
    tmp_path: Path, text: str, expected: list[tuple[int, int, str, str]]
) -> None:
    """One line per slip, with line, column, path and words that help (pains 49, 50, 51, 52, 53)."""
    found = refused(tmp_path, text)

    assert [one[:3] for one in found] == [one[:3] for one in expected]
    for (_, _, _, message), (_, _, _, words) in zip(found, expected, strict=True):
        assert words in message


@pytest.mark.parametrize(
    "address",
    [
        "a b@c.d",
        "a@b@c",
        "a",
        "'@b'",
        "a@",
        "'a@b\\n'",
        '"a@b\\nBcc: x@y"',
        "a@b..c",
        "<a@b>",
        "'a@b,c@d'",
        '"a\\u202e@b"',
        "a@.b",
    ],
)
def test_address_that_could_harm_a_header_is_refused(tmp_path: Path, address: str) -> None:
    """Neither spaces nor line breaks nor a second address pass."""
    text = HEAD + f"hot_folders:\n  - {{name: a, path: /a, to: {{recipients: [{address}]}}}}\n"

    assert [one[2] for one in refused(tmp_path, text)] == ["hot_folders[0].to.recipients[0]"]


def test_address_in_both_lists_is_a_warning(tmp_path: Path) -> None:
    """Ours is not sent to whom MASV mails; the comparison ignores case."""
    mail = "mail: {smtp: {host: h}, from: Me <me@example.com>}\n"

    found = loaded(tmp_path, HEAD + mail + OUT + "    link: {mail_to: [A@Example.com]}\n")

    place = f"{tmp_path}/masv-watch.yml:8:22: hot_folders[0].link.mail_to[0]"
    words = "`A@Example.com` is a recipient too: MASV mails it, our letter is not sent"
    assert found.warnings == (f"{place}: warning: {words}",)


def test_address_written_twice_is_one_recipient(tmp_path: Path) -> None:
    """The documented example repeats one."""
    text = HEAD + OUT.replace("a@example.com", "a@example.com, A@EXAMPLE.com, b@example.com")

    rule = loaded(tmp_path, text).settings.hot_folders[0]

    assert rule.to.recipients == ("a@example.com", "b@example.com")


def test_defaults_fill_key_by_key_and_lists_replace(tmp_path: Path) -> None:
    """A hot folder's own key wins; what it does not say comes from `defaults`."""
    common = (
        "defaults: {settle: {quiet: 9s, samples: 7}, finalize: {idle: 4s}, ignore: [a, b], "
        "ignore_builtin: false, after: {delivered: delete}, initial: ask, early: true}\n"
    )
    text = HEAD + common + OUT + "    settle: {quiet: 2s}\n    ignore: []\n    initial: send\n"

    rule = loaded(tmp_path, text).settings.hot_folders[0]

    assert rule.settle == model.Settle(quiet_s=2, samples=7)
    assert (rule.idle_s, rule.ignore, rule.ignore_builtin) == (4, (), False)
    assert (rule.after, rule.initial) == (model.After(delivered="delete"), model.Initial.SEND)
    assert rule.early is True
    own = loaded(tmp_path, text + "    early: false\n").settings.hot_folders[0]
    assert own.early is False


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "package: {message: '{files} files, {size}'}",
            "has no effect: `package.message` names {files} and {size}, known only when",
        ),
        ("package_name: '{size}'", "has no effect: `package_name` names {size}, known only when"),
        ("drop: file", "has no effect with `drop: file`: only folders arrive file by file"),
    ],
)
def test_early_start_that_cannot_be_had_is_a_warning(tmp_path: Path, more: str, words: str) -> None:
    """What was asked for and does not happen is said at its place, and only there."""
    text = f"{HEAD}{OUT}    early: true\n    {more}\n"

    (told,) = loaded(tmp_path, text).warnings

    assert told.startswith(
        f"{tmp_path}/masv-watch.yml:7:12: hot_folders[0].early: warning: {words}"
    )
    assert loaded(tmp_path, text.replace("early: true", "early: false")).warnings == ()
    assert loaded(tmp_path, text.replace("    early: true\n", "")).warnings == ()


@pytest.mark.parametrize("value", ["maybe", "1", "[]", "'true'"])
def test_early_start_is_true_or_false_and_nothing_else(tmp_path: Path, value: str) -> None:
    """A word that is none is refused at its place."""
    (problem,) = refused(tmp_path, f"{HEAD}{OUT}    early: {value}\n")

    assert problem[:3] == (7, 12, "hot_folders[0].early")


def test_aliases_are_the_full_forms(tmp_path: Path) -> None:
    """The names of MASV's own tools mean the same keys."""
    rule = load.load(str(SHIPPED / "reference.yml"), environ=ENVIRON).settings.hot_folders[2]

    assert rule.to == model.To(portal="vault", sender="dit@example.com")
    assert rule.package == model.Package(name="{stem}", message="from the set")


def test_hot_folders_that_meet_through_a_symlink_are_refused(tmp_path: Path) -> None:
    """Two names of one folder would send everything twice."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    rules = "".join(
        f"  - {{name: {name}, path: {tmp_path}/{name}, to: {{recipients: []}}}}\n"
        for name in ("real", "alias")
    )

    found = refused(tmp_path, f"{HEAD}hot_folders:\n{rules}")

    assert [(one[0], "the same folder" in one[3]) for one in found] == [(5, True)]


def test_secret_is_found_beside_the_file_then_above(tmp_path: Path) -> None:
    """The nearest secrets.yml that has the name wins, and each value knows its origin."""
    below = tmp_path / "below"
    below.mkdir()
    for folder, text in ((tmp_path, "key: upper\ncode: 0042\n"), (below, "key: lower\n")):
        (folder / "secrets.yml").write_text(text)
        (folder / "secrets.yml").chmod(0o600)
    text = (
        "version: 1\nmasv: {api_key: !secret key}\nhot_folders:\n"
        "  - {name: a, path: /a, to: {portal: p, sender: a@b, access_code: !secret code}}\n"
    )

    found = loaded(below, text, mode=0o644)

    key, code = found.settings.masv.api_key, found.settings.hot_folders[0].to.access_code
    assert key is not None
    assert code is not None
    assert (key.reveal(), key.origin) == ("lower", f"{below}/secrets.yml:1")
    assert (code.reveal(), code.origin) == ("0042", f"{tmp_path}/secrets.yml:2")
    assert set(found.secrets) == {key, code}
    assert found.warnings[1:] == ()


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("!env NOT_SET", "the environment variable NOT_SET is not set"),
        ("!env EMPTY", "is empty"),
        ("!env BROKEN_LINE", "holds a line break"),
        ("!env 'a b'", "takes the name of a variable"),
        ("!env {nam: X}", "knows the keys name and default"),
        ("!env {default: x}", "needs a name"),
        ("!env ''", "takes a name"),
        ("!secret nowhere", "no secret `nowhere` - looked in"),
        ("!file missing", "/missing does not exist"),
        ("!file .", "is a folder"),
        ("!file fifo", "is not a regular file"),
        ("!file open", "can be read by every user - run chmod 600"),
        ("!file empty", "is empty"),
        ("!file binary", "is not UTF-8"),
        ("!credential key", "$CREDENTIALS_DIRECTORY is not set"),
        ("!credential ../key", "no slashes"),
    ],
)
def test_secret_that_cannot_be_had_is_one_problem_at_its_place(
    tmp_path: Path, tag: str, words: str
) -> None:
    """The variable or the file is named, never a value; nothing blocks."""
    os.mkfifo(tmp_path / "fifo")
    for name, content in (("open", b"x"), ("empty", b""), ("binary", b"\xff")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    environ = {"EMPTY": "", "BROKEN_LINE": "one\ntwo"}

    found = refused(tmp_path, f"version: 1\nmasv: {{team: t, api_key: {tag}}}\n", **environ)

    assert [one[2] for one in found] == ["masv.api_key"]
    assert words in found[0][3]


def test_secrets_file_open_to_all_is_refused(tmp_path: Path) -> None:
    """A secrets.yml that every user can read is a problem of that file."""
    (tmp_path / "secrets.yml").write_text("key: hunter2\n")
    (tmp_path / "secrets.yml").chmod(0o644)

    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "version: 1\nmasv: {api_key: !secret key}\n")
    assert f"{tmp_path}/secrets.yml:1:1: file: the file can be read by every user" in str(
        caught.value
    )
    assert "hunter2" not in str(caught.value)


def test_credential_and_file_are_read_without_their_line_end(tmp_path: Path) -> None:
    """One line end at the end belongs to the file, not to the secret."""
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "key").write_text("from-systemd\n")
    (tmp_path / "pw").write_text("from-file\r\n")
    (tmp_path / "pw").chmod(0o640)
    text = (
        "version: 1\nmasv: {api_key: !credential key}\n"
        "mail: {smtp: {host: h, user: u, password: !file pw}, from: a@b}\n"
    )

    found = loaded(tmp_path, text, CREDENTIALS_DIRECTORY=str(tmp_path / "creds"))

    assert {one.reveal() for one in found.secrets} == {"from-systemd", "from-file"}


@pytest.mark.parametrize(("mode", "count"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o644, 1)])
def test_secret_in_the_file_warns_unless_only_its_owner_reads_it(
    tmp_path: Path, mode: int, count: int
) -> None:
    """A plain string is taken, with a warning unless the file is 0600 or stricter."""
    found = loaded(tmp_path, "version: 1\nmasv: {api_key: hunter2}\nhot_folders: []\n", mode=mode)

    told = [one for one in found.warnings if "masv.api_key: warning: a secret" in one]
    assert len(told) == count
    assert "hunter2" not in repr(found)


def test_text_from_the_environment_is_taken_anywhere_and_never_shown(tmp_path: Path) -> None:
    """`!env` serves every text; a wrong value from there is not quoted."""
    text = HEAD + OUT.replace("/nowhere/out", "!env WHERE").replace("name: out", "name: !env NAME")

    rule = loaded(tmp_path, text, WHERE="/x", NAME="n").settings.hot_folders[0]
    found = refused(tmp_path, text, WHERE="hunter2", NAME="hunter2 ")

    assert (rule.path, rule.name, type(rule.name)) == (b"/x", "n", str)
    assert [one[:3] for one in found] == [
        (4, 11, "hot_folders[0].name"),
        (5, 11, "hot_folders[0].path"),
    ]
    assert "hunter2" not in str(found)


def test_secret_where_text_belongs_is_refused(tmp_path: Path) -> None:
    """`!secret`, `!file` and `!credential` are for secrets alone."""
    (tmp_path / "pw").write_text("x")
    (tmp_path / "pw").chmod(0o600)

    found = refused(tmp_path, "version: 1\nmasv: {team: !file pw}\n")

    assert found[0][:3] == (2, 14, "masv.team")
    assert "a secret does not belong here" in found[0][3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfea\x00", "UTF-16"),
        (b"version: 1\nx: \xff\n", "0xFF is not UTF-8"),
        (b"a: \x00\n", "U+0000"),
        (b"#" * (1024 * 1024 + 1), "larger than 1024 KiB"),
    ],
)
def test_file_of_odd_bytes_is_refused_with_a_place(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """Bytes that are no configuration are named."""
    assert words in refused(tmp_path, content)[0][3]


def test_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """A file saved by a Windows editor loads, and its places are right."""
    loaded(tmp_path, b"\xef\xbb\xbfversion: 1\r\nhot_folders: []\r\n")

    assert refused(tmp_path, b"\xef\xbb\xbfversion: 1\r\nx: 1\r\n")[0][:2] == (2, 1)


def test_missing_file_folder_and_fifo_are_problems(tmp_path: Path) -> None:
    """What cannot be read as a file ends in one line, and never blocks."""
    os.mkfifo(tmp_path / "fifo")
    for name, words in (
        ("none", "does not exist"),
        (".", "is a folder"),
        ("fifo", "regular"),
        ("a\0b", ""),
    ):
        with pytest.raises(ConfigError) as caught:
            load.load(f"{tmp_path}/{name}", environ={})
        assert LINE.fullmatch(caught.value.problems[0])
        assert words in caught.value.problems[0]


def test_find_takes_the_first_place_that_has_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-c, then the environment, then the folder one stands in; otherwise all places are named."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"\$MASV_WATCH_CONFIG, ./masv-watch.yml"):
        load.find(None, {})
    (tmp_path / "masv-watch.yml").touch()
    assert load.find(None, {}) == "./masv-watch.yml"
    assert load.find(None, {"MASV_WATCH_CONFIG": "/e"}) == "/e"
    assert load.find("/x", {"MASV_WATCH_CONFIG": "/e"}) == "/x"


def test_default_state_prefers_what_systemd_made() -> None:
    """$STATE_DIRECTORY wins, its first folder if there are several."""
    assert load.default_state({"STATE_DIRECTORY": "/s/a:/s/b"}) == "/s/a"


MUTABLE = (HEAD + OUT + "    settle: {quiet: 5s}\n    package: {name: '{name}'}\n").replace(
    "!env MASV_API_KEY", "S3CR3TS3CR3T"
)


@pytest.mark.parametrize("first", list("!*&#,%@`|>{}[]'\"-?:"))
def test_secret_that_yaml_misreads_is_never_shown(tmp_path: Path, first: str) -> None:
    """A password may begin with any sign, quoted or not; what YAML makes of it stays hidden."""
    for text in (
        f"version: 1\nmasv: {{api_key: {first}hunter2}}\nx: 1\n",
        f"version: 1\nmasv:\n  api_key: {first}hunter2\nx: 1\n",
        f"version: 1\nmasv:\n  api_key:\n {first}hunter2\nx: 1\n",
    ):
        path = tmp_path / "masv-watch.yml"
        path.write_text(text)

        assert "hunter2" not in f"{outcome(path)!s}"


@given(st.integers(0, len(MUTABLE) - 1), st.characters(max_codepoint=0x2030), st.booleans())
@settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
def test_file_with_one_wrong_letter_loads_or_says_where_and_never_shows_the_secret(
    tmp_path_factory: pytest.TempPathFactory, at: int, letter: str, replaces: bool
) -> None:
    """Any single slip ends in settings or well-formed lines; the secret shows in neither."""
    text = MUTABLE[:at] + letter + MUTABLE[at + replaces :]
    path = _scratch(tmp_path_factory) / "masv-watch.yml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    found = outcome(path)

    told = found.problems if isinstance(found, ConfigError) else found.warnings
    assert all(LINE.fullmatch(line) for line in told)
    assert "3CR3TS3" not in f"{found!s}{found!r}"


@given(
    st.binary(max_size=300) | st.text("-:?[]{}!&*'\"|>%@ \n\ta1#,~<", max_size=80).map(str.encode)
)
@settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
def test_file_of_garbage_ends_in_well_formed_lines(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever the bytes, the outcome is settings or a ConfigError, never a traceback (pain 50)."""
    path = _scratch(tmp_path_factory) / "masv-watch.yml"
    path.write_bytes(content)

    found = outcome(path)

    told = found.problems if isinstance(found, ConfigError) else found.warnings
    assert told or isinstance(found, load.Loaded)
    assert all(LINE.fullmatch(line) for line in told)


_SCRATCH: list[Path] = []


def _scratch(factory: pytest.TempPathFactory) -> Path:
    if not _SCRATCH:
        _SCRATCH.append(factory.mktemp("garbage"))
    return _SCRATCH[0]


def test_shipped_letter_stands_beside_its_examples(tmp_path: Path) -> None:
    """A copied config folder loads wherever it lands: templates begin at the file's folder."""
    shutil.copytree(SHIPPED, tmp_path / "copy")

    found = load.load(str(tmp_path / "copy" / "examples" / "team.yml"), environ=ENVIRON)

    assert found.settings.hot_folders[0].link.template == f"{tmp_path}/copy/examples/letter.html"


def test_load_without_secrets_needs_no_variable_and_keeps_every_other_check(tmp_path):
    """A command beside the daemon reads its file where the service's secrets are not."""
    path = tmp_path / "masv-watch.yml"
    path.write_text(
        "version: 1\n"
        "masv: {team: acme, api_key: !env NOWHERE}\n"
        "hot_folders:\n"
        "  - {name: out, path: /srv/out, to: {portal: p, sender: a@b.example,"
        " access_code: !credential code}}\n"
    )

    loaded = load.load(str(path), environ={}, with_secrets=False)

    assert loaded.settings.hot_folders[0].name == "out"
    assert loaded.secrets == ()
    with pytest.raises(ConfigError):
        load.load(str(path), environ={})


@pytest.mark.parametrize(
    ("more", "line", "column", "where", "words"),
    [
        ("after: {delivered: delete}", 8, 24, "after.delivered", "nothing is moved"),
        ("after: {delivered: {move: '{root}/_sent/{name}'}}", 8, 24, "after.delivered",
         "nothing is moved"),
        ("drop: batch", 8, 11, "drop", "a batch would mix volumes"),
    ],
)  # fmt: skip
def test_removable_beside_what_would_write_or_mix_is_refused(
    tmp_path: Path, more: str, line: int, column: int, where: str, words: str
) -> None:
    """Nothing is ever written on a card, so nothing may ask for it."""
    (problem,) = refused(tmp_path, f"{HEAD}{OUT}    removable: true\n    {more}\n")

    assert problem[:3] == (line, column, f"hot_folders[0].{where}")
    assert problem[3].startswith(words)


def test_removable_of_a_hot_folder_is_taken_over(tmp_path: Path) -> None:
    """Off unless said; a default that deletes is refused at the folder's own line."""
    plain = loaded(tmp_path, f"{HEAD}{OUT}").settings.hot_folders[0]
    card = loaded(tmp_path, f"{HEAD}{OUT}    removable: true\n").settings.hot_folders[0]
    default = "defaults: {after: {delivered: delete}}\n"
    (problem,) = refused(tmp_path, f"{HEAD}{default}{OUT}    removable: true\n")

    assert (plain.removable, card.removable) == (False, True)
    assert problem[0] == 8
    assert problem[2] == "hot_folders[0].removable"
