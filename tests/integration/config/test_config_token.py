"""The token of our own API in real files: where it comes from, and that no message shows it."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masv_watch import model
from masv_watch.config import load
from masv_watch.errors import ConfigError
from tests.integration.config.serving import ENVIRON, FOLDERS, HEAD, LINE, TOKEN, loaded
from tests.searching import examples


@pytest.mark.parametrize("tag", ["!env TOKEN", "!file token", "!secret token", "!credential token"])
def test_token_comes_from_everywhere_that_secrets_come_from(tmp_path: Path, tag: str) -> None:
    """Each of the four tags serves, and the log learns what to leave out."""
    (tmp_path / "secrets.yml").write_text(f"token: {TOKEN}\n")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    for name in ("secrets.yml", "token"):
        (tmp_path / name).chmod(0o600)

    found = loaded(
        tmp_path, f"{HEAD}  token: {tag}\n{FOLDERS}", CREDENTIALS_DIRECTORY=str(tmp_path)
    )

    assert found.settings.server.token == model.Secret(TOKEN)
    assert found.secrets == (model.Secret(TOKEN),)
    assert found.warnings == ()


def test_token_in_a_file_that_others_read_is_a_warning(tmp_path: Path) -> None:
    """The token is as secret as the key of the cloud."""
    path = tmp_path / "masv-watch.yml"
    path.write_text(f"{HEAD}  token: {TOKEN}\n{FOLDERS}")
    path.chmod(0o644)

    found = load.load(str(path), environ=ENVIRON)

    assert len(found.warnings) == 1
    assert ":3:10: server.token: warning: a secret stands in a file" in found.warnings[0]
    assert TOKEN not in repr(found)


def test_command_reads_the_token_where_it_may_and_goes_on_where_not(tmp_path: Path) -> None:
    """A command beside the daemon needs no secret but, where it can be had, the token."""
    path = tmp_path / "masv-watch.yml"
    (tmp_path / "secrets.yml").write_text(f"token: {TOKEN}\n")
    (tmp_path / "secrets.yml").chmod(0o644)
    listen = "  listen: https://0.0.0.0:1\n"

    def token_of(tag: str, **environ: str) -> load.Loaded:
        path.write_text(f"{HEAD}{listen}  token: {tag}\nmasv: {{api_key: !env KEY}}\n{FOLDERS}")
        return load.load(str(path), environ=environ, with_secrets=False)

    known = token_of("!env TOKEN", TOKEN=TOKEN, KEY="k")
    assert known.settings.server.token == model.Secret(TOKEN)
    assert known.secrets == (model.Secret(TOKEN),)
    for tag in ("!env TOKEN", "!file nowhere", "!credential token", "!secret token"):
        found = token_of(tag)
        assert (found.settings.server.token, found.secrets) == (None, ())


def test_token_and_key_file_that_are_refused_are_hidden_in_the_excerpt(tmp_path: Path) -> None:
    """Neither a token that is too short nor its default nor a key in the path's place shows."""
    for keys in (
        "  token: hunter2\n",
        "  token: 'hunter2 hunter2 hunter2'\n",
        "  token: |\n    hunter2\n    hunter2\n",
        "  token: [hunter2]\n",
        "  token: {hunter2: hunter2}\n",
        "  token: {hunter2: a, hunter2: b}\n",
        "  token: {hunter2: *x}\n",
        "  token: {x: {y: {hunter2: &z hunter2}}}\n",
        "  token: {x: ,*hunter2}\n",
        "  token: &hunter2 [x]\n",
        '  token: ""#hunter2"\n',
        "  token: !env {name: N, default: 0{hunter2}\n",
        "  {token: !hunter\n",
        "  token: !env {name: NOWHERE, default: hunter2}\n",
        "  token: !env {name: NOWHERE, defalut: hunter2hunter2hunter2}\n",
        "  token: !file {hunter2: x}\n",
        "  token: !env SHORT\n",
        "  token: !hunter2 x\n",
        "  tokn: hunter2\n",
        "  token hunter2\n",
        "  token:hunter2\n",
        "  auth: peer\n   token: hunter2\n",
        "  auth: peer\n   token hunter2\n",
        "  auth: token hunter2\n",
        "  tls: {certificate: a, key: '-----BEGIN hunter2'}\n",
        "  tls: {certificate: a, kye: hunter2}\n",
        "  key: hunter2\n",
        "token: hunter2\n",
    ):
        with pytest.raises(ConfigError) as caught:
            loaded(tmp_path, HEAD + keys)
        assert "hunter" not in f"{caught.value!s}{caught.value!r}", keys


#: signs that a line of YAML may hold, `\\` and `'` aside
_SIGNS = "".join(sorted(set(string.printable) - set("\n\r\x0b\x0c'\\")))
_SCRATCH: list[Path] = []


@given(
    before=st.text(_SIGNS, max_size=30),
    after=st.text(_SIGNS, max_size=30),
    quote=st.sampled_from(["'", '"', ""]),
    shape=st.sampled_from(
        [
            *("{}", "[{}]", "{{x: {}}}", "{{{}: x}}", "!env {{name: N, default: {}}}"),
            *("!{}", "!{} [x]", "&{} [x]", "*{}"),
        ]
    ),
    tail=st.sampled_from(["\n", "\n  tls: nowhere\n", "\n  listen: http://0.0.0.0:1\n", "\n x\n"]),
)
@settings(max_examples=examples(200), suppress_health_check=list(HealthCheck))
def test_token_of_any_signs_never_shows_in_what_is_said(
    tmp_path_factory: pytest.TempPathFactory,
    before: str,
    after: str,
    quote: str,
    shape: str,
    tail: str,
) -> None:
    """Taken or refused, quoted or misread by YAML: no message holds a piece of the token."""
    if not _SCRATCH:
        _SCRATCH.append(tmp_path_factory.mktemp("token"))
    path = _SCRATCH[0] / "masv-watch.yml"
    value = shape.format(f"{quote}{before}Q7Z9{after}{quote}")
    path.write_text(f"{HEAD}  token: {value}{tail}")
    path.chmod(0o600)

    try:
        said = load.load(str(path), environ=ENVIRON)
        lines = said.warnings
    except ConfigError as error:
        said, lines = error, error.problems

    assert all(LINE.fullmatch(line) for line in lines)
    assert "Q7Z9" not in f"{said!s}{said!r}"
