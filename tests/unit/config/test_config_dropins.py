"""Which paths a unit must open for a configuration, and how they stand in a drop-in."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masv_watch import model
from masv_watch.config.dropins import Needs, dropin, fits, mount_unit, needs_of, quoted, unfit


def settings(*rules: model.Rule, state: str = "/var/lib/masv-watch", **server) -> model.Settings:
    return model.Settings(
        masv=model.Masv(), state=state, hot_folders=rules, server=model.Server(**server)
    )


def rule(path: bytes, **keys) -> model.Rule:
    return model.Rule(name="out", path=path, to=model.To(recipients=()), **keys)


def test_needs_of_a_plain_rule_are_its_mount_and_its_marker():
    """What the unit gives by itself, the state and /run/masv-watch, is not opened again."""
    unix = model.Listen(scheme=model.Scheme.UNIX, host="", port=0, path="/run/masv-watch/api.sock")

    needs = needs_of(settings(rule(b"/srv/out"), listen=(unix,)))

    assert needs == Needs(mounts=(b"/srv/out",), written=(b"/srv/out",))


def test_needs_of_a_move_hold_its_target_up_to_the_first_placeholder():
    """A target below the root is in the root already."""
    away = model.After(delivered="move", move_to="/srv/archive/of {date}/{name}")
    below = model.After(delivered="move", move_to="{root}/_sent/{name}")

    needs = needs_of(settings(rule(b"/srv/a", after=away), rule(b"/srv/b", after=below)))

    assert needs.written == (b"/srv/a", b"/srv/archive", b"/srv/b")


def test_needs_of_a_removable_volume_are_none():
    """Nothing is written on it, and the service does not wait for a card."""
    assert needs_of(settings(rule(b"/media/card", removable=True))) == Needs()


def test_needs_of_places_of_ones_own_open_them():
    """A state elsewhere, the folder of a unix socket."""
    unix = model.Listen(scheme=model.Scheme.UNIX, host="", port=0, path="/srv/api/a.sock")

    needs = needs_of(settings(state="/data/state", listen=(unix,)))

    assert needs == Needs(written=(b"/data/state", b"/srv/api"))


def test_needs_of_copies_of_the_state_open_their_folder():
    """The daily copy is written from within the service's limits."""
    one = replace(settings(), backup=model.Backup(to="/srv/backup"))

    assert needs_of(one) == Needs(written=(b"/srv/backup",))


def test_needs_below_tmp_are_bound_also_where_they_are_only_read():
    """The service has a /tmp of its own, in which they would be missing."""
    needs = needs_of(settings(rule(b"/tmp/out"), allowed_roots=(b"/var/tmp/media", b"/srv/media")))

    assert needs.bound == (b"/tmp/out", b"/var/tmp/media")
    assert needs.written == ()


def test_needs_within_each_other_are_said_once():
    """The wider one opens the narrower."""
    away = model.After(delivered="move", move_to="/srv/{name}")

    assert needs_of(settings(rule(b"/srv/out", after=away))).written == (b"/srv",)


def test_dropin_names_each_path_under_its_key():
    """A folder that is missing must not keep the service from its start."""
    needs = Needs(mounts=(b"/srv/a b",), written=(b"/srv/a b", b"/srv/c"), bound=(b"/tmp/d",))

    lines = dropin(needs, source="/etc/masv-watch/masv-watch.yml").splitlines()

    assert "/etc/masv-watch/masv-watch.yml" in lines[0]
    assert [line for line in lines if line and not line.startswith("#")] == [
        "[Unit]",
        'RequiresMountsFor="/srv/a b"',
        "[Service]",
        'ReadWritePaths="-/srv/a b"',
        "ReadWritePaths=-/srv/c",
        "BindPaths=-/tmp/d",
    ]


def test_dropin_of_a_guarded_folder_waits_for_the_mount_and_goes_without():
    """A NAS that is away at boot must not keep the other hot folders from their work."""
    needs = Needs(mounts=(b"/mnt/nas/hot", b"/mnt/nas/in", b"/srv/out"))
    guarded = {b"/mnt/nas/hot": b"/mnt/nas", b"/mnt/nas/in": b"/mnt/nas"}

    lines = dropin(needs, source="f.yml", guarded=guarded).splitlines()

    assert [line for line in lines if line.lstrip("#")[:1].isupper() or line == "[Unit]"] == [
        "[Unit]",
        "Wants=mnt-nas.mount",
        "After=mnt-nas.mount",
        "#RequiresMountsFor=/mnt/nas/hot",
        "#RequiresMountsFor=/mnt/nas/in",
        "RequiresMountsFor=/srv/out",
    ]


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd is not installed")
@pytest.mark.parametrize(
    "point", ["/mnt/nas", "/", "/mnt/my nas-1", "/.hid/x%y", "/mnt/\u00fc/", "/srv/a:b_c.d"]
)
def test_mount_unit_is_called_as_systemd_calls_it(point):
    """Another name would wait for nothing."""
    words = ["systemd-escape", "--path", "--suffix=mount", point]
    named = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    assert mount_unit(point.encode()) == named


@pytest.mark.parametrize("path", [b"/srv/\xff", b"/srv/a\nUser=root", b"/srv/a\x7f"])
def test_dropin_leaves_out_what_no_unit_can_hold(path):
    """A name can begin no line of its own, and it is told."""
    needs = Needs(mounts=(path,), written=(path,), bound=(path,))

    text = dropin(needs, source="f.yml")

    assert all(line.startswith("#") for line in text.splitlines())
    assert unfit(needs) == (path,)


def test_quoted_path_holds_no_specifier():
    """`%h` in a unit is a home, and a folder may be called so."""
    assert quoted(b"/srv/%h/100%") == "/srv/%%h/100%%"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1))
def test_quoted_path_is_read_back_by_the_rules_of_units(text):
    """Specifiers are doubled, and one word stays one word."""
    path = "/" + text.replace("/", "_")
    if not fits(path.encode()):
        return

    word = quoted(path.encode(), before="-")

    assert word.count("%") == 2 * path.count("%")
    # within and without double quotes a unit file reads these words as a POSIX shell does
    assert [each.replace("%%", "%") for each in shlex.split(word)] == [f"-{path}"]
