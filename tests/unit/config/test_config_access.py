"""The values below `server:`: listeners, hosts, users, tokens, paths of certificates."""

from __future__ import annotations

import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch.config import access
from masv_watch.config.origins import NOT_READ, FromEnv
from masv_watch.config.problems import Wrong
from masv_watch.model import Listen, Scheme, Secret


def refusal(check, value) -> str:
    """Give the sentence with which a value is refused."""
    with pytest.raises(Wrong) as caught:
        check(value)
    return caught.value.message


def said(check, value) -> str:
    """Let a check judge a value and give its refusal, empty when there is none."""
    try:
        check(value)
    except Wrong as wrong:
        return wrong.message
    return ""


@given(st.ip_addresses(), st.integers(0, 65535), st.sampled_from([Scheme.HTTP, Scheme.HTTPS]))
def test_listener_of_any_address_reads_back_what_was_written(address, port, scheme):
    """Every IP address is a listener in form; only a second spelling of an IPv4 one is not."""
    written = Listen(scheme=scheme, host=str(address), port=port)
    if address.version == 6 and address.ipv4_mapped is not None:
        assert "is no IP address" in refusal(access.listener, str(written))
        return

    assert access.listener(str(written)) == written


@given(st.lists(st.text(string.ascii_letters + "é.-_%# ", min_size=1), min_size=1, max_size=8))
def test_listener_of_a_unix_socket_reads_back_or_names_the_limit(steps):
    """A path is taken as it stands, bounded in bytes and not in letters."""
    path = "/" + "/".join(step for step in steps if step != ".")
    if ".." in steps or path.endswith("/"):
        return
    length = len(path.encode())
    if length > 107:
        assert f"is {length} bytes long" in refusal(access.listener, f"unix://{path}")
        return

    found = access.listener(f"unix://{path}")

    assert found == Listen(scheme=Scheme.UNIX, host="", port=0, path=path)
    assert str(found) == f"unix://{path}"


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("http://localhost:9", "127.0.0.1", 9),
        ("http://LOCALHOST:9/", "127.0.0.1", 9),
        ("HTTP://127.0.0.2:0", "127.0.0.2", 0),
        ("http://[0:0:0:0:0:0:0:1]:8080", "::1", 8080),
        ("http://[::]:1", "::", 1),
    ],
)
def test_listener_has_one_spelling_for_one_address(given, host, port):
    """localhost is 127.0.0.1, and an address is written in its short form."""
    assert access.listener(given) == Listen(host=host, port=port)


def test_listener_of_a_socket_loses_doubled_slashes():
    """One spelling for one path, so that the same address twice is found."""
    assert access.listener("unix:////run//a/./b.sock").path == "/run/a/b.sock"


@pytest.mark.parametrize(
    "given",
    [
        "127.0.0.1:80",
        "npipe:////./pipe/masv",
        "tcp://127.0.0.1:80",
        "http:127.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:",
        "http://:8080",
        "http://::1:8080",
        "http://127.0.0.1:80/x",
        "http://127.0.0.1:80?x",
        "http://127.0.0.1:80#x",
        "http://u:p@127.0.0.1:1",
        "http://127.0.0.1:-1",
        "http://127.0.0.1:\u0661",
        " http://127.0.0.1:1",
        "http://127.0.0.1:800000",
    ],
)
def test_listener_of_another_form_is_told_all_that_is_allowed(given):
    """The three forms are said whole, whatever was written."""
    words = "http://HOST:PORT, https://HOST:PORT or unix:///PATH, HOST an IP address or localhost"

    assert refusal(access.listener, given).endswith(f"is not a listener - {words}")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("http://host:1", "is no IP address in its usual form - write the address, localhost"),
        ("http://*:1", "0.0.0.0 or [::] for every address"),
        ("http://[127.0.0.1]:1", "is no IP address"),
        ("http://[fe80::1%eth0]:1", "is no IP address"),
        ("http://[::ffff:127.0.0.1]:1", "is no IP address"),
        ("http://127.0.0.01:1", "is no IP address"),
        ("http://127.1:1", "is no IP address"),
        ("http://2130706433:1", "is no IP address"),
        ("http://127.0.0.1:65536", "the port is out of range"),
        ("unix:/run/a.sock", "lacks slashes - unix:///PATH"),
        ("unix://run/a.sock", "no absolute path - unix:///PATH"),
        ("unix://@abstract", "no absolute path"),
        ("unix:///run/", "names no file"),
        ("unix:///run/../a", "names no file"),
        ("unix:///" + "é" * 54, "is 109 bytes long - the kernel takes 107"),
        (8080, "must be text, not the number 8080"),
        (Secret("x"), "a secret does not belong here"),
    ],
)
def test_listener_that_cannot_be_meant_says_what_to_write(given, words):
    """A name, an odd spelling or a relative path is refused with its cure."""
    assert words in refusal(access.listener, given)


def test_listener_from_the_environment_is_not_shown():
    """A value from the environment is used and never quoted."""
    for value in (
        "hunter2",
        "unix:hunter2",
        "unix://hunter2",
        "unix:///hunter2/",
        "http://hunter2:1",
    ):
        assert "hunter2" not in refusal(access.listener, FromEnv(value))


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9:1", True),
        ("http://[::1]:1", True),
        ("unix:///run/a.sock", True),
        ("http://0.0.0.0:1", False),
        ("https://[::]:1", False),
        ("http://10.0.0.1:1", False),
        ("http://[fe80::1]:1", False),
    ],
)
def test_loopback_is_what_no_other_machine_reaches(address, is_loopback):
    """Everything that is not surely of this machine alone counts as beyond."""
    assert access.is_loopback(access.listener(address)) is is_loopback


@pytest.mark.parametrize(
    ("one", "other", "collides"),
    [
        ("http://127.0.0.1:1", "https://127.0.0.1:1", True),
        ("http://0.0.0.0:1", "http://127.0.0.1:1", True),
        ("http://[::]:1", "https://[::1]:1", True),
        ("http://[::]:1", "http://127.0.0.1:1", False),
        ("http://127.0.0.1:1", "http://127.0.0.2:1", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2", False),
        ("http://127.0.0.1:0", "https://127.0.0.1:0", False),
        ("http://0.0.0.0:0", "http://127.0.0.1:0", False),
        ("http://127.0.0.1:0", "http://127.0.0.1:0", True),
        ("unix:///a", "unix:///a", True),
        ("unix:///a", "unix:///b", False),
        ("unix:///a", "http://127.0.0.1:1", False),
    ],
)
def test_listeners_collide_where_the_second_bind_would_fail(one, other, collides):
    """The order does not matter."""
    first, second = access.listener(one), access.listener(other)

    assert (access.collides(first, second), access.collides(second, first)) == (collides, collides)


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("Masv.Example.COM", "masv.example.com"),
        ("masv_watch", "masv_watch"),
        ("10.0.0.1", "10.0.0.1"),
        ("[FE80::0:1]", "fe80::1"),
        ("::1", "::1"),
        ("a." * 126 + "a", "a." * 126 + "a"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_host_is_kept_as_a_header_is_compared(given, host):
    """Lower case, addresses in their short form without brackets."""
    assert access.host(given) == host


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("https://masv.example.com", "write its host alone"),
        ("masv.example.com/x", "write its host alone"),
        ("masv.example.com:8080", "has a port"),
        ("[::1]:80", "has a port"),
        ("*.example.com", "is a pattern"),
        ("bücher.example", "is not ASCII"),
        ("a b", "is no host"),
        ("a..b", "is no host"),
        ("masv.example.com.", "is no host"),
        ("-a", "is no host"),
        ("300.1.1.1", "is no host"),
        ("a" * 64, "is no host"),
        ("a." * 127 + "a", "is no host"),
        ("user@host", "is no host"),
        ("a\nb", "line break"),
        ("", "is empty"),
        (7, "must be text"),
    ],
)
def test_host_of_another_form_says_what_is_too_much(given, words):
    """Scheme, port, pattern: each has its words."""
    assert words in refusal(access.host, given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("anna", "anna"),
        (1000, "1000"),
        ("1000", "1000"),
        ("01000", "1000"),
        (0, "0"),
        ("root", "root"),
        ("ACME\\anna", "ACME\\anna"),
        ("anna@acme.example", "anna@acme.example"),
        ("domain users", "domain users"),
        ("box$", "box$"),
        ("j", "j"),
        (2**32 - 2, "4294967294"),
    ],
)
def test_trusted_user_is_a_name_or_a_number(given, kept):
    """Numbers are kept as text; the names of directories have signs of their own."""
    assert access.user(given) == kept
    assert access.group(given) == kept


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (65534, "stands for every user that the kernel cannot name"),
        ("65534", "stands for every user"),
        ("065534", "stands for every user"),
        ("nobody", "stands for every user"),
        (-1, "is no number of a user - 0 to 4294967294"),
        ("-1", "is no number"),
        (2**32 - 1, "is no number"),
        ("9" * 5000, "is no number"),
        ("*", "is no user"),
        ("anna, ben", "is no user"),
        ("anna:x", "is no user"),
        ("-anna", "is no user"),
        (" anna", "is no user"),
        ("anna ", "is no user"),
        ("a/b", "is no user"),
        ("a" * 300, "is no user"),
        (1.5, "must be the name or the number of a user, not the number 1.5"),
        (True, "not true"),
        ("", "is empty"),
        (["anna"], "must be text, not a list"),
    ],
)
def test_trusted_user_of_another_form_is_refused(given, words):
    """Whom the kernel cannot name, nobody can trust."""
    assert words in refusal(access.user, given)


def test_trusted_group_of_nobody_is_refused_by_each_of_its_names():
    """The kernel's stand-in for groups has two names."""
    for value in ("nobody", "nogroup", 65534):
        assert "stands for every group" in refusal(access.group, value)


@given(st.text(string.ascii_letters + string.digits + string.punctuation, min_size=16, max_size=99))
def test_token_of_printable_ascii_is_taken_whole(value):
    """Whatever a header carries may be in a token."""
    assert access.token(Secret(value)) == Secret(value)


@given(st.text(max_size=40).filter(lambda value: len(value) < 16 or not value.isascii()))
def test_token_that_is_short_or_cannot_travel_is_refused_without_showing_it(value):
    """The sentence is made of fixed words and the origin alone."""
    message = refusal(access.token, Secret(value, "file /etc/token"))

    cure = "`openssl rand -hex 32` makes one"
    odd = "holds a blank or a character that no header can carry - letters, digits and signs"
    assert message in {
        f"the token (file /etc/token) {odd} of ASCII; {cure}",
        f"the token (file /etc/token) is too short - 16 to 4096 characters; {cure}",
    }


@pytest.mark.parametrize("blank", [" ", "\t", "\x7f", "\xa0", "é"])
def test_token_with_a_blank_anywhere_is_refused(blank):
    """A header would end there, or carry something else."""
    assert "holds a blank" in refusal(access.token, Secret("x" * 16 + blank))


def test_token_that_is_too_long_is_refused():
    """A header has an end."""
    assert "is too long" in refusal(access.token, Secret("x" * 4097))


def test_token_that_was_left_unread_is_none():
    """A command that may not read the token goes on without one."""
    assert access.token(Secret(NOT_READ, NOT_READ)) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("elsewere", "(did you mean `elsewhere`?) - elsewhere or {certificate: PATH, key: PATH}"),
        ("/etc/cert.pem", "is not known - elsewhere or"),
        (True, "must be elsewhere or {certificate: PATH, key: PATH}, not true"),
        ([], "not a list"),
    ],
)
def test_tls_is_elsewhere_or_a_mapping(value, words):
    """The written statement is one word; everything else is told both forms."""
    assert access.is_elsewhere("elsewhere")
    assert not access.is_elsewhere({})
    assert words in refusal(access.is_elsewhere, value)


@pytest.mark.parametrize(
    "value", ["-----BEGIN PRIVATE KEY----- hunter2", Secret("hunter2"), "~/hunter2", "hunter2\n"]
)
def test_key_that_is_no_path_is_refused_without_showing_it(value):
    """Somebody may have put the key itself where its path belongs."""
    assert "hunter2" not in refusal(access.key, value)


@given(st.text(max_size=60) | st.integers() | st.none() | st.floats() | st.lists(st.text()))
def test_any_value_is_taken_or_refused_in_one_line(value):
    """No check of ours raises anything but its own refusal."""
    for check in (
        access.listener,
        access.host,
        access.user,
        access.group,
        access.token,
        access.is_elsewhere,
        access.certificate,
    ):
        assert said(check, value).isprintable()


def test_unspecified_address_is_not_loopback_in_any_spelling():
    """`[::0]` is every address, too."""
    found = access.listener("http://[::0]:1")

    assert ipaddress.ip_address(found.host).is_unspecified
    assert not access.is_loopback(found)
