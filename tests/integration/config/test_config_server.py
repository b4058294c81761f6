"""`server:` in real files: every key, and each slip at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from masv_watch import model
from masv_watch.config import load
from masv_watch.errors import ConfigError
from tests.integration.config.serving import FOLDERS, HEAD, LINE, TOKEN, loaded


def server(folder: Path, keys: str, **environ: str) -> model.Server:
    """Load a file that has these lines below `server:`."""
    return loaded(folder, HEAD + keys + FOLDERS, **environ).settings.server


def refused(folder: Path, text: str) -> list[tuple[int, int, str, str]]:
    """Load a wrong file and give its problems as (line, col, path, message)."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    assert all(LINE.fullmatch(problem) for problem in caught.value.problems)
    records: list[Any] = load.as_records(caught.value.problems)
    return [(r["line"], r["col"], r["path"], r["message"]) for r in records]


def warned(folder: Path, text: str) -> list[tuple[int, int, str, str]]:
    """Load a file and give its warnings as (line, col, path, message)."""
    records: list[Any] = load.as_records(loaded(folder, text).warnings)
    return [(r["line"], r["col"], r["path"], r["message"]) for r in records]


def test_server_without_a_key_is_the_documented_one(tmp_path: Path) -> None:
    """One listener on loopback, callers named by the kernel, no roots set."""
    found = loaded(tmp_path, "version: 1\n").settings.server

    assert found == model.Server()
    assert [str(one) for one in found.listen] == ["http://127.0.0.1:8080"]
    assert (found.allowed_roots, found.auth, found.token) == (None, model.Auth.PEER, None)


def test_server_with_every_key_gives_every_value(tmp_path: Path) -> None:
    """Each key arrives in the settings, paths resolved, numbers as text."""
    found = server(
        tmp_path,
        "  listen: [http://localhost:8080, 'https://[::]:8443', unix:///run//api.sock]\n"
        "  allowed_roots: [/srv/media/, /srv/x/../y]\n"
        "  auth: token\n"
        "  token: !env TOKEN\n"
        "  trusted_users: [anna, 1000, '007']\n"
        "  trusted_groups: [media]\n"
        "  hosts: [Masv.Example.com, '[::1]']\n"
        "  tls: {certificate: tls/cert.pem, key: /etc//key.pem}\n"
        "  auto_finalize: true\n",
    )

    assert found == model.Server(
        listen=(
            model.Listen(),
            model.Listen(scheme=model.Scheme.HTTPS, host="::", port=8443),
            model.Listen(scheme=model.Scheme.UNIX, host="", port=0, path="/run/api.sock"),
        ),
        allowed_roots=(b"/srv/media", b"/srv/y"),
        auth=model.Auth.TOKEN,
        token=model.Secret(TOKEN),
        trusted_users=("anna", "1000", "7"),
        trusted_groups=("media",),
        hosts=("masv.example.com", "::1"),
        tls=model.Tls(certificate=f"{tmp_path}/tls/cert.pem", key="/etc/key.pem"),
        auto_finalize=True,
    )


def test_one_listener_may_stand_without_a_list(tmp_path: Path) -> None:
    """Text and a list of one are the same."""
    one = server(tmp_path, "  listen: unix:///run/a.sock\n")

    assert one == server(tmp_path, "  listen: [unix:///run/a.sock]\n")
    assert [str(listen) for listen in one.listen] == ["unix:///run/a.sock"]


def test_roots_that_are_empty_are_not_roots_that_are_unset(tmp_path: Path) -> None:
    """An empty list leaves the hot folders alone; no list leaves the owner any path."""
    assert server(tmp_path, "  allowed_roots: []\n").allowed_roots == ()
    assert server(tmp_path, "  auth: peer\n").allowed_roots is None


def test_tls_elsewhere_is_a_statement_and_no_certificate(tmp_path: Path) -> None:
    """The word, a mapping without keys and no key at all are three different things."""
    elsewhere = server(tmp_path, "  tls: elsewhere\n")
    empty = server(tmp_path, "  tls: {}\n")

    assert (elsewhere.tls_elsewhere, elsewhere.tls) == (True, model.Tls())
    assert (empty.tls_elsewhere, empty.tls) == (False, model.Tls())


def test_api_key_alone_loads_with_a_warning_that_nothing_is_watched(tmp_path: Path) -> None:
    """Callers name their team themselves, so neither team nor hot folder is needed."""
    text = f"version: 1\nmasv: {{api_key: {TOKEN}}}\n"

    found = loaded(tmp_path, text).settings

    assert (found.masv.team, found.hot_folders) == (None, ())
    assert warned(tmp_path, text) == [
        (1, 1, "hot_folders", "there is no hot folder, so nothing is watched")
    ]


FAR = "can be reached from other machines"
NO_TOKEN = "and there is no token - add `token: !file PATH` below `server:`"
CLEAR = (
    "and the token would cross the network in the clear - use https://, or write `tls: elsewhere` "
    "where a reverse proxy or a container's host speaks TLS"
)
WRONG: list[tuple[str, list[tuple[int, int, str, str]]]] = [
    ("  listen: npipe://x\n", [(3, 11, "server.listen", "http://HOST:PORT, https://HOST:PORT or")]),
    ("  listen: 8080\n", [(3, 11, "server.listen", "must be text, not the number 8080")]),
    ("  listen: {a: b}\n", [(3, 11, "server.listen", "must be one address or a list of them")]),
    ("  listen: []\n", [(3, 11, "server.listen", "is empty - write at least one address")]),
    ("  listen:\n", [(3, 3, "server.listen", "is empty")]),
    (
        "  listen: [unix:///a, tcp://b, 7]\n",
        [
            (3, 23, "server.listen[1]", "is not a listener"),
            (3, 32, "server.listen[2]", "must be text"),
        ],
    ),
    (
        f"  listen: unix:///{'x' * 107}\n",
        [(3, 11, "server.listen", "is 108 bytes long - the kernel takes 107")],
    ),
    (
        "  listen: [http://127.0.0.1:1,\n unix:///a,\n https://localhost:1/,\n unix:////a]\n",
        [
            (5, 2, "server.listen[2]", "takes the same address as the listener of line 3"),
            (6, 2, "server.listen[3]", "takes the same address as the listener of line 4"),
        ],
    ),
    (
        "  token: !env TOKEN\n  tls: elsewhere\n  listen: [http://127.0.0.1:1, http://0.0.0.0:1]\n",
        [(5, 32, "server.listen[1]", "takes the same address as the listener of line 5")],
    ),
    (
        f"  listen: [{', '.join(f'unix:///{n}' for n in range(33))}]\n",
        [(3, 11, "server.listen", "names 33 addresses - 32 at most")],
    ),
    (
        "  listen: http://0.0.0.0:80\n",
        [
            (
                3,
                11,
                "server.listen",
                f"`http://0.0.0.0:80` {FAR}, {NO_TOKEN}, and use https:// or say `tls: elsewhere`",
            )
        ],
    ),
    (
        "  listen: https://10.0.0.1:80\n",
        [(3, 11, "server.listen", f"{FAR}, {NO_TOKEN}")],
    ),
    (
        "  tls: elsewhere\n  auth: token\n  listen: [http://127.0.0.1:1, 'http://[::]:80']\n",
        [(5, 32, "server.listen[1]", "and there is no token")],
    ),
    (
        "  listen: http://0.0.0.0:80\n  token: !env TOKEN\n",
        [
            (
                3,
                11,
                "server.listen",
                f"`http://0.0.0.0:80` {FAR}, {CLEAR}",
            )
        ],
    ),
    (
        "  listen: [https://10.0.0.1:1, http://10.0.0.1:2]\n  token: !env TOKEN\n  tls: {}\n",
        [(3, 32, "server.listen[1]", "in the clear - use https://")],
    ),
    (
        "  listen: http://0.0.0.0:80\n  token: !env SHORT\n  tls: elsewere\n",
        [
            (4, 10, "server.token", "the token (env SHORT) is too short - 16 to 4096 characters"),
            (5, 8, "server.tls", "(did you mean `elsewhere`?)"),
        ],
    ),
    (
        "  allowed_roots: [media, ~/x, /a]\n",
        [
            (3, 19, "server.allowed_roots[0]", "`media` is not an absolute path"),
            (3, 26, "server.allowed_roots[1]", "`~` is not expanded"),
        ],
    ),
    (
        "  allowed_roots: /srv\n",
        [
            (
                3,
                18,
                "server.allowed_roots",
                "must be a list, not the text `/srv` - write [/PATH, ...]",
            )
        ],
    ),
    ("  auth: tokn\n", [(3, 9, "server.auth", "`tokn` is not known (did you mean `token`?)")]),
    ("  token: 1234567890123456\n", [(3, 10, "server.token", "put it in quotes")]),
    ("  token: [a]\n", [(3, 10, "server.token", "must be text, not a list")]),
    ("  token:\n", [(3, 3, "server.token", "is empty")]),
    (
        "  trusted_users: [anna, nobody, 65534, -1, root, 0]\n",
        [
            (3, 25, "server.trusted_users[1]", "`nobody` stands for every user"),
            (3, 33, "server.trusted_users[2]", "65534 stands for every user"),
            (3, 40, "server.trusted_users[3]", "-1 is no number of a user"),
        ],
    ),
    (
        "  trusted_users: anna\n",
        [
            (
                3,
                18,
                "server.trusted_users",
                "must be a list, not the text `anna` - write [NAME, ...]",
            )
        ],
    ),
    (
        "  trusted_groups: [nogroup, media]\n",
        [(3, 20, "server.trusted_groups[0]", "`nogroup` stands for every group")],
    ),
    (
        "  hosts: [a.example, 'https://a.example', a.example:80]\n",
        [
            (3, 22, "server.hosts[1]", "write its host alone"),
            (3, 43, "server.hosts[2]", "has a port"),
        ],
    ),
    ("  hosts: a.example\n", [(3, 10, "server.hosts", "must be a list")]),
    ("  tls: none\n", [(3, 8, "server.tls", "`none` is not known - elsewhere or {certificate")]),
    ("  tls: true\n", [(3, 8, "server.tls", "must be elsewhere or {certificate: PATH")]),
    (
        "  tls: {certificate: a}\n",
        [(3, 9, "server.tls.certificate", "`certificate` without `key`")],
    ),
    ("  tls: {key: a}\n", [(3, 9, "server.tls.key", "`key` without `certificate` - give both or")]),
    (
        "  tls: {cert: a, key: ~/k}\n",
        [
            (3, 9, "server.tls", "unknown key `cert` - known here: certificate, key"),
            (3, 18, "server.tls.key", "`key` without `certificate`"),
            (3, 23, "server.tls.key", "`~` is not expanded"),
        ],
    ),
    (
        "  tls: {certificate: '', key: 7}\n",
        [
            (3, 22, "server.tls.certificate", "is empty"),
            (3, 31, "server.tls.key", "must be text, not the number 7"),
        ],
    ),
    ("  auto_finalize: yes\n", [(3, 18, "server.auto_finalize", "must be true or false")]),
    (
        "  host: 0.0.0.0\n  port: 80\n  key: a\n",
        [
            (3, 3, "server", "unknown key `host` - write `listen: http://HOST:PORT`"),
            (4, 3, "server", "unknown key `port` - write `listen: http://HOST:PORT`"),
            (5, 3, "server", "unknown key `key` - it belongs in tls.key"),
        ],
    ),
    (
        "  trusted_user: [a]\ntoken: x\nauth: peer\n",
        [
            (3, 3, "server", "unknown key `trusted_user` - did you mean `trusted_users`?"),
            (4, 1, "top level", "unknown key `token` - it belongs in server.token"),
            (5, 1, "top level", "unknown key `auth` - it belongs in server.auth"),
        ],
    ),
]


@pytest.mark.parametrize(("keys", "expected"), WRONG)
def test_wrong_server_names_each_slip_at_its_place(
    tmp_path: Path, keys: str, expected: list[tuple[int, int, str, str]]
) -> None:
    """One line per slip, with line, column, path, what is allowed and the cure."""
    found = refused(tmp_path, HEAD + keys)

    assert [one[:3] for one in found] == [one[:3] for one in expected]
    for (_, _, _, message), (_, _, _, words) in zip(found, expected, strict=True):
        assert words in message


@pytest.mark.parametrize(
    "keys",
    [
        "  listen: http://0.0.0.0:80\n  token: !env TOKEN\n  tls: elsewhere\n",
        "  listen: https://0.0.0.0:80\n  token: !env TOKEN\n",
        "  listen: ['https://[::]:80', http://127.0.0.1:80]\n  token: !env TOKEN\n  tls: {}\n",
        "  listen: [unix:///run/a.sock, 'http://[::1]:80']\n",
        "  listen: https://127.0.0.1:80\n",
        "  auth: token\n",
        "  listen: [http://127.0.0.1:0, https://127.0.0.1:0]\n",
    ],
)
def test_listener_that_is_secured_loads_without_a_word(tmp_path: Path, keys: str) -> None:
    """Loopback needs nothing; beyond it a token within TLS, ours or the one spoken for."""
    assert loaded(tmp_path, HEAD + keys + FOLDERS).warnings == ()


WARNED: list[tuple[str, list[tuple[int, int, str, str]]]] = [
    (
        "  tls: {certificate: a, key: b}\n",
        [(3, 3, "server.tls", "no listener is https, so the certificate has no use")],
    ),
    (
        "  allowed_roots: [/, /nowhere/state, /nowhere/state/x, /nowhere, /nowhere/statements]\n",
        [
            (3, 19, "server.allowed_roots[0]", "contains the state folder"),
            (3, 22, "server.allowed_roots[1]", "lies in the state folder"),
            (3, 38, "server.allowed_roots[2]", "lies in the state folder"),
            (3, 56, "server.allowed_roots[3]", "contains the state folder"),
        ],
    ),
    (
        "  auth: token\n  trusted_users: [anna]\n",
        [(4, 3, "server.trusted_users", "has no use: `auth: token` asks everybody")],
    ),
]


@pytest.mark.parametrize(("keys", "expected"), WARNED)
def test_server_that_has_no_effect_is_a_warning_at_its_place(
    tmp_path: Path, keys: str, expected: list[tuple[int, int, str, str]]
) -> None:
    """What can be used and will not do what it seems to say is told."""
    found = warned(tmp_path, HEAD + keys + FOLDERS)

    assert [one[:3] for one in found] == [one[:3] for one in expected]
    for (_, _, _, message), (_, _, _, words) in zip(found, expected, strict=True):
        assert words in message


def test_trust_with_nothing_to_send_is_a_warning(tmp_path: Path) -> None:
    """Trusted callers may send hot folders and roots, so one of both must be there."""
    words = "there is nothing that trusted callers may send"
    keys = "  trusted_groups: [media]\n"

    without = warned(tmp_path, HEAD + keys)
    with_roots = warned(tmp_path, HEAD + keys + "  allowed_roots: [/srv]\n")

    assert [(one[0], one[2]) for one in without if words in one[3]] == [
        (3, "server.trusted_groups")
    ]
    assert not [one for one in with_roots if words in one[3]]


def test_root_that_reaches_the_state_by_a_symlink_is_a_warning(tmp_path: Path) -> None:
    """What counts is the folder itself, whatever it is called."""
    (tmp_path / "state").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "state")
    text = f"{HEAD}  allowed_roots: [{tmp_path}/alias]\nstate: {tmp_path}/state\n{FOLDERS}"

    assert [one[2] for one in warned(tmp_path, text)] == ["server.allowed_roots[0]"]


def test_listener_from_the_environment_is_taken_and_never_shown(tmp_path: Path) -> None:
    """A container sets the address by a variable."""
    found = server(tmp_path, "  listen: !env LISTEN\n", LISTEN="http://127.0.0.1:9")
    with pytest.raises(ConfigError) as caught:
        server(tmp_path, "  listen: !env LISTEN\n", LISTEN="http://10.11.12.13:9")

    assert found.listen == (model.Listen(port=9),)
    assert "the value from the environment can be reached from other" in str(caught.value)
    assert "10.11" not in str(caught.value)
