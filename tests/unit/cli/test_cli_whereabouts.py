"""Where a command looks for the daemon, and which token it shows there."""

from __future__ import annotations

import argparse

import pytest

from masv_watch.api import private, tls
from masv_watch.cli import whereabouts
from masv_watch.cli.outcomes import WrongUsage
from masv_watch.cli.whereabouts import address, seek
from masv_watch.errors import ConfigError
from masv_watch.model import Listen, Scheme

TOKEN, OTHER = "token-of-the-file-0123", "token-of-the-shell-456"
CONFIG = """\
version: 1
masv: {{team: acme, api_key: !env VARIABLE_THAT_IS_NOT_SET, link_url: "https://x/{{id}}/{{secret}}"}}
server: {{listen: {listen}{more}}}
state: {state}
hot_folders:
  - {{name: out, path: /srv/out, to: {{recipients: []}}}}
"""


def write(folder, listen, more=""):
    path = folder / "masv-watch.yml"
    path.write_text(CONFIG.format(listen=listen, more=more, state=folder / "state"))
    path.chmod(0o600)
    return str(path)


def options(**given):
    known = {"config": None, "url": None, "token_file": None, "cacert": None}
    return argparse.Namespace(**{**known, **given})


def shown(where):
    return [str(listen) for listen in where.addresses]


def revealed(where):
    return None if where.token is None else where.token.reveal()


@pytest.mark.parametrize(
    ("listen", "reached"),
    [
        ("http://127.0.0.1:8123", ["http://127.0.0.1:8123"]),
        ("unix:///run/x.sock", ["unix:///run/x.sock"]),
        ("[https://0.0.0.0:8443, unix:///run/x.sock, 'http://[::1]:81']",
         ["http://[::1]:81", "unix:///run/x.sock", "https://127.0.0.1:8443"]),
        ("['https://[::]:8443', unix:///run/x.sock]",
         ["unix:///run/x.sock", "https://[::1]:8443"]),
    ],
)  # fmt: skip
def test_addresses_of_the_file_are_those_of_this_machine_best_first(tmp_path, listen, reached):
    """Loopback, then a socket, then TLS; a wildcard is reached as loopback."""
    config = write(tmp_path, listen, f", token: {TOKEN}")

    assert shown(seek(options(config=config), {})) == reached


def test_socket_comes_first_behind_a_proxy(tmp_path):
    """Every call by TCP has the rights of the token alone there, root's own too."""
    listen = "['http://127.0.0.1:81', unix:///run/x.sock]"
    config = write(tmp_path, listen, f", tls: elsewhere, token: {TOKEN}")

    found = seek(options(config=config), {})

    assert shown(found) == ["unix:///run/x.sock", "http://127.0.0.1:81"]


def test_address_of_the_flag_comes_before_the_environment_and_that_before_the_file(tmp_path):
    """And the file need not be there then."""
    config = write(tmp_path, "http://127.0.0.1:8123")
    environ = {"MASV_WATCH_URL": "http://127.0.0.1:2", "MASV_WATCH_CONFIG": config}

    assert shown(seek(options(url="http://127.0.0.1:1"), environ)) == ["http://127.0.0.1:1"]
    assert shown(seek(options(), environ)) == ["http://127.0.0.1:2"]
    assert shown(seek(options(), {"MASV_WATCH_CONFIG": config})) == ["http://127.0.0.1:8123"]
    assert shown(seek(options(config="/nowhere.yml"), environ)) == ["http://127.0.0.1:2"]


def test_address_without_any_file_is_the_default_listener(tmp_path, monkeypatch):
    """A first try needs no configuration; what was not found is said later."""
    monkeypatch.chdir(tmp_path)

    where = seek(options(), {})

    assert shown(where) == ["http://127.0.0.1:8080"]
    assert where.remark == "no configuration file was found"
    assert where.link_url is None


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("api_key", "apikey"),
        ("recipients: []", "recipients: [}"),
        ("version: 1", "version: 1\n  oops"),
        ("state: ", "backup: [\nstate: "),
    ],
)
def test_address_stands_whatever_mistake_the_rest_of_the_file_has(tmp_path, right, wrong):
    """The daemon goes on by the earlier file: whoever edits must still be able to stop it."""
    config = write(tmp_path, "http://0.0.0.0:8123", f", token: {TOKEN}, auth: token")
    text = (tmp_path / "masv-watch.yml").read_text()
    (tmp_path / "masv-watch.yml").write_text(text.replace(right, wrong))

    where = seek(options(config=config), {})

    assert shown(where) == ["http://127.0.0.1:8123"]
    assert revealed(where) == TOKEN
    assert where.own_certificate == str(tmp_path / "state" / "api-certificate.pem")
    assert where.remark == f"{config} cannot be used"
    assert where.problems[0].startswith(f"{config}:")


def test_address_of_a_file_with_a_mistake_and_no_server_is_the_default_listener(tmp_path):
    """It is what such a file says, and no guess."""
    config = write(tmp_path, "http://127.0.0.1:8123")
    text = (tmp_path / "masv-watch.yml").read_text()
    kept = [line for line in text.splitlines() if not line.startswith("server")]
    (tmp_path / "masv-watch.yml").write_text("\n".join(kept).replace("api_key", "apikey"))

    assert shown(seek(options(config=config), {})) == ["http://127.0.0.1:8080"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("listen:", "lisen:"),
        ("http://127.0.0.1:8123", "sideways"),
        ("server:", "sever:"),
        ("server: {", "server: "),
        ("version: 1", "{version: 1"),
        ("server: ", "server: {}\nserver: "),
    ],
)
def test_address_of_a_file_that_may_say_another_one_is_not_guessed(tmp_path, right, wrong):
    """The default listener may be the daemon of somebody else."""
    config = write(tmp_path, "http://127.0.0.1:8123")
    text = (tmp_path / "masv-watch.yml").read_text()
    (tmp_path / "masv-watch.yml").write_text(text.replace(right, wrong))

    with pytest.raises(ConfigError) as caught:
        seek(options(config=config), {})

    assert caught.value.problems[0].startswith(f"{config}:")
    assert "name its address by --url" in caught.value.problems[-1]


def test_address_of_a_file_whose_port_the_system_chooses_asks_for_the_flag(tmp_path):
    """No guess can be right."""
    config = write(tmp_path, "http://127.0.0.1:0")

    with pytest.raises(WrongUsage, match="--url"):
        seek(options(config=config), {})


@pytest.mark.parametrize(
    ("url", "listen"),
    [
        ("http://localhost", Listen(host="localhost", port=80)),
        ("https://media.example.com/api/v1/", Listen(scheme=Scheme.HTTPS,
                                                     host="media.example.com", port=443)),
        ("http://[::1]:8080", Listen(host="::1", port=8080)),
        ("unix:///run/a b.sock", Listen(scheme=Scheme.UNIX, host="", port=0, path="/run/a b.sock")),
    ],
)  # fmt: skip
def test_address_as_people_write_it_is_read(url, listen):
    """Ports have their defaults, the API's path may stand behind."""
    assert address(url) == listen


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080", "ftp://x", "http://", "http://x:99999", "http://[", "http://x/y",
        "http://x?y", "unix://", "unix://run/x.sock", "unix:///a\0b", "http://a b", "http://\u00fc",
        "http://user:secret@x", "http://user:secret@x/y", "user:secret@x", "",
    ],
)  # fmt: skip
def test_address_that_is_none_is_refused_on_one_line(url):
    """With the forms that are; what stood before an @ is not repeated."""
    with pytest.raises(WrongUsage) as caught:
        address(url)

    said = str(caught.value)
    assert "write http://HOST:PORT" in said or "--token-file" in said
    assert len(said.splitlines()) == 1
    assert "secret" not in said


def test_token_of_the_flag_comes_before_the_environment_and_that_before_the_file(tmp_path):
    """The nearest word counts."""
    file = tmp_path / "token"
    file.write_text("flag-token-flag-token\n")
    file.chmod(0o600)
    config = write(tmp_path, "http://127.0.0.1:8123", f", token: {TOKEN}")
    environ = {"MASV_WATCH_TOKEN": OTHER}

    flagged = seek(options(config=config, token_file=str(file)), environ)

    assert revealed(flagged) == "flag-token-flag-token"
    assert revealed(seek(options(config=config), environ)) == OTHER
    assert revealed(seek(options(config=config), {})) == TOKEN


def test_token_of_the_file_is_fetched_though_other_secrets_cannot_be(tmp_path):
    """The service's key is not in a person's environment, and not needed."""
    config = write(tmp_path, "http://127.0.0.1:8123", ", token: !env API_TOKEN")

    found = seek(options(config=config), {"API_TOKEN": TOKEN})

    assert revealed(found) == TOKEN
    assert revealed(seek(options(config=config), {})) is None


def test_token_of_the_state_is_used_where_the_file_has_none(tmp_path):
    """The daemon makes one at its first start; who may read it may show it."""
    config = write(tmp_path, "http://127.0.0.1:8123", ", auth: token")
    (tmp_path / "state").mkdir()
    before = seek(options(config=config), {})
    (tmp_path / "state" / "api-token").write_text(f"{TOKEN}\n")

    assert revealed(before) is None
    assert revealed(seek(options(config=config), {})) == TOKEN


def test_token_is_not_sent_where_the_kernel_vouches_for_the_owner(tmp_path):
    """While the daemon is down its port may be anybody's, who would learn the token."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "api-token").write_text(f"{TOKEN}\n")
    config = write(tmp_path, "http://127.0.0.1:8123", f", token: {TOKEN}")

    assert revealed(seek(options(config=config), {})) is None
    assert revealed(seek(options(config=config), {"MASV_WATCH_TOKEN": OTHER})) == OTHER


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://127.0.0.1:8123", TOKEN),
        ("http://localhost:8123/api/v1", TOKEN),
        ("http://127.0.0.1:8124", None),
        ("http://media.example.com:8123", None),
        ("unix:///tmp/x.sock", None),
    ],
)
def test_token_of_the_file_goes_to_the_file_s_own_listeners_only(tmp_path, url, token):
    """An address from elsewhere must not learn it."""
    config = write(tmp_path, "http://127.0.0.1:8123", f", token: {TOKEN}")

    assert revealed(seek(options(config=config, url=url), {})) == token


@pytest.mark.parametrize("text", ["", "two\nlines", "a b", "caf\u00e9", "x\0y"])
def test_token_that_no_header_can_carry_is_refused_without_being_shown(tmp_path, text):
    """The file is named, its content is not."""
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(0o600)

    with pytest.raises(WrongUsage) as caught:
        seek(options(url="http://127.0.0.1:1", token_file=str(file)), {})

    assert str(file) in str(caught.value)
    assert not text or text not in str(caught.value)


def test_token_file_that_everybody_reads_is_refused(tmp_path):
    """A secret of all is none."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)

    with pytest.raises(WrongUsage, match="chmod 600"):
        seek(options(url="http://127.0.0.1:1", token_file=str(file)), {})


def test_certificate_of_the_state_is_trusted_only_for_the_daemon_s_own_listeners(tmp_path):
    """And not where the operator brought a certificate of his own."""
    made = str(tmp_path / "state" / "api-certificate.pem")
    listen = "https://127.0.0.1:8443"
    config = write(tmp_path, listen, f", token: {TOKEN}")

    own = seek(options(config=config), {})
    other = seek(options(config=config, url="https://media.example.com"), {})

    assert own.own_certificate == made
    assert other.own_certificate is None
    brought = write(
        tmp_path, listen, f", token: {TOKEN}, tls: {{certificate: /srv/c.pem, key: /srv/k.pem}}"
    )
    assert seek(options(config=brought), {}).own_certificate is None


def test_files_of_the_state_are_called_as_the_daemon_calls_them():
    """The names stand twice, for a command does without the modules that make the files."""
    assert whereabouts.CERTIFICATE_FILE == tls.CERTIFICATE_FILE
    assert whereabouts.TOKEN_FILE == private.TOKEN_FILE
