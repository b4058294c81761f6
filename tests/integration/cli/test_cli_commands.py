"""Every command as a stranger meets it: its words, its exit status, never a traceback."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from masv_watch import __version__
from tests.integration.cli.town import delivered
from tests.processes import PROJECT, free_port
from tests.waiting import eventually

OK, FAILED, USAGE, STATE, UNREACHABLE, NO_LISTEN = range(6)
COMMANDS = (
    "run", "check", "status", "uploads", "show", "events", "create", "files", "pause", "resume",
    "finalize", "delete", "link", "start", "priority", "limit", "scan", "adopt", "release",
    "hold", "ledger", "sandbox",
)  # fmt: skip


def process(*words, **rest):
    return subprocess.run(
        [sys.executable, "-m", "masv_watch", *words],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False, **rest,
    )  # fmt: skip


def test_status_says_what_is_held_and_the_command_that_helps(say):
    """The daemon's health, the uploads by state, and each held drop with its cure."""
    status, out, err = say("status")

    assert (status, err) == (OK, "")
    lines = out.splitlines()
    assert lines[0] == "ready"
    assert lines[1].startswith("uploads: ")
    (held,) = [line for line in lines if "old/held.mov" in line]
    assert held.startswith("held: old/held.mov, found by the sweep (initial_ask")
    assert "masv-watch release --folder old sends all of it" in held
    assert "masv-watch ledger seed old" in held


def test_status_as_json_holds_health_uploads_and_drops(say):
    """One object, for scripts."""
    status, out, _ = say("status", "--json")

    tree = json.loads(out)
    assert status == OK
    assert set(tree) >= {"ready", "why", "uploads", "drops"}
    assert {drop["hot_folder"] for drop in tree["drops"]} >= {"older"}


def test_status_of_one_hot_folder_shows_it_with_its_drops_and_their_reasons(say):
    """What it is, and each drop of it that settles or is held, with what helps."""
    status, out, err = say("status", "old")
    _, tree, _ = say("status", "old", "--json")
    whole = json.loads(tree)

    assert (status, err) == (OK, "")
    assert out.splitlines()[0].startswith("hot folder old: watching")
    assert any(
        line.startswith("held: old/held.mov, found by the sweep") for line in out.splitlines()
    )
    assert "older/" not in out
    assert set(whole) == {"hot_folder", "drops", "uploads"}
    assert whole["hot_folder"]["name"] == "old"
    assert {drop["hot_folder"] for drop in whole["drops"]} == {"old"}


def test_status_of_a_hot_folder_that_is_not_there_names_those_that_are(say):
    """A typing mistake costs no look into the configuration."""
    status, _, err = say("status", "odl")

    assert status == FAILED
    assert "there is no hot folder 'odl' - known: " in err
    assert "old" in err


def test_uploads_and_show_tell_an_upload_from_its_list_to_its_files(say, town):
    """One line each in the list; files, link and letters in the details."""
    upload_id = delivered(town, "take.mov", b"x" * 2500)

    listed = say("uploads")
    shown = say("show", upload_id)
    as_json = [json.loads(say(*words)[1]) for words in (
        ("uploads", "--json"), ("show", upload_id, "--json"),
    )]  # fmt: skip

    assert listed[0] == shown[0] == OK
    line = f"{upload_id}  complete      100 %     2.5 kB  take.mov"
    assert line in listed[1].splitlines()
    lines = shown[1].splitlines()
    assert lines[0] == line
    assert "  complete        2.5 kB  take.mov" in lines
    assert any(re.fullmatch(r"  share link: done  link \w+", each) for each in lines)
    assert any(each.startswith("  letter to one@example.com: done  250 ") for each in lines)
    assert isinstance(as_json[0], list)
    assert as_json[1]["upload_id"] == upload_id


def test_show_of_an_unknown_upload_fails_with_a_way_on(say):
    """1, and the sentence of the daemon."""
    for unknown in ("nothing", "../../etc/passwd", "a b", "\udcff", "x" * 5000):
        status, out, err = say("show", unknown)

        assert (status, out) == (FAILED, "")
        assert len(err.splitlines()) == 1
        assert len(err) < 300
        assert "there is no" in err


def test_resume_of_what_cannot_be_resumed_fails_with_the_reason(say, town):
    """1 for an unknown id and for one that is complete; nothing changes."""
    upload_id = delivered(town, "done.mov")

    unknown, complete = say("resume", "nothing"), say("resume", upload_id)

    assert unknown[0] == complete[0] == FAILED
    assert "there is no upload 'nothing' - masv-watch uploads lists them" in unknown[2]
    assert "resume is not possible while the upload is complete" in complete[2]
    assert complete[2].count("delete, link") == 1


def test_release_and_seed_answer_what_the_first_start_held(say, town):
    """Released drops are sent, seeded ones never; both say how many, and a second time none."""
    seeded = say("ledger", "seed", "older")
    released = say("release", "--folder", "old")
    again = say("release", "--folder", "old")

    assert seeded[:2] == (OK, "recorded 2 drops as seen: never sent\n")
    assert released[:2] == (OK, "released 1 drop: sent once quiet\n")
    assert again[0] == FAILED
    assert "hot folder 'old' holds nothing from its first start" in again[2]
    eventually(
        lambda: [each for each in town.daemon.uploads() if each["package_name"] == "held.mov"],
        within=15,
    )
    assert not [each for each in town.daemon.uploads() if each["hot_folder"] == "older"]


def test_release_of_an_unknown_folder_names_the_known_ones(say):
    """1, and what could have been meant."""
    for words in (("release", "--folder", "nope"), ("ledger", "seed", "nope")):
        status, _, err = say(*words)

        assert status == FAILED
        assert "there is no hot folder 'nope' - known: out, old, older" in err


def test_commands_without_a_daemon_say_where_it_was_looked_for(say, town, monkeypatch):
    """4, the address, the reason and two ways on; --url comes before the environment."""
    url = f"http://127.0.0.1:{free_port()}"
    for words in (
        ("status",), ("uploads",), ("show", "x"), ("uploads", "--json"), ("resume", "x"),
        ("release", "--folder", "old"), ("ledger", "seed", "old"), ("events",),
    ):  # fmt: skip
        status, out, err = say(*words, "--url", url)

        assert (status, out) == (UNREACHABLE, "")
        assert f"no masv-watch answers at {url}: connection refused - start it" in err
    monkeypatch.setenv("MASV_WATCH_URL", url)
    assert say("uploads")[0] == UNREACHABLE
    assert say("uploads", "--url", town.daemon.api)[0] == OK
    monkeypatch.setenv("MASV_WATCH_URL", town.daemon.api + "/api/v1/")
    assert say("uploads", "-c", "/nowhere.yml")[0] == OK


def test_commands_beside_the_daemon_need_no_secret(say, town):
    """A person's shell has neither the variables nor the credentials of the service."""
    config = town.write("secret.yml", key="!env VARIABLE_THAT_IS_NOT_SET")

    status, _, err = say("uploads", "-c", str(config))
    resumed = say("resume", "nothing", "-c", str(config))

    assert (status, err) == (OK, "")
    assert resumed[0] == FAILED
    assert say("check", "--no-probe", "-c", str(config))[0] == USAGE


def test_commands_to_something_else_than_a_daemon_say_so(say):
    """4 when a stranger answers: HTML, another JSON, silence cut off."""
    for body in (b"<html>hello</html>", b'{"error": "x"}', b"[]", b""):
        stranger = Stranger(body)
        try:
            for words in (("uploads",), ("show", "x"), ("status",)):
                status, out, err = say(*words, "--url", stranger.url)

                assert (status, out) == (UNREACHABLE, ""), (words, body)
                assert "masv-watch" in err
                assert len(err.splitlines()) == 1
        finally:
            stranger.end()


class Stranger:
    """An HTTP server that answers everything with 404 and the same body."""

    def __init__(self, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(404)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://[",
        "http://x/y",
    ],
)
def test_commands_with_an_address_that_is_none_are_wrong_usage(say, url):
    """2, and the form that is expected."""
    status, _, err = say("uploads", "--url", url)

    assert status == USAGE
    assert "write http://HOST:PORT" in err


@pytest.mark.parametrize(
    "words",
    [(), ("nope",), ("show",), ("release",), ("ledger",), ("run", "--twice"), ("uploads", "x")],
)
def test_wrong_usage_is_2_with_the_usage_line(say, words):
    """What is missing is named."""
    status, out, err = say(*words)

    assert (status, out) == (USAGE, "")
    assert err.startswith("usage: masv-watch")


def test_help_names_every_command_and_the_exit_statuses(say):
    """A stranger finds his way from --help alone."""
    status, out, _ = say("--help")

    assert status == OK
    assert "4  the daemon cannot be reached" in out
    for word in COMMANDS:
        assert re.search(rf"^    {word} ", out, re.MULTILINE)
    for word in COMMANDS:
        status, out, _ = say(word, "--help")
        assert status == OK
        assert out.startswith(f"usage: masv-watch {word}")


def test_version_is_the_packages(say):
    """One line."""
    assert say("--version")[:2] == (OK, f"masv-watch {__version__}\n")


def test_python_m_is_the_same_command():
    """`python -m masv_watch` speaks and ends alike."""
    done = process("--version")

    assert (done.returncode, done.stdout) == (OK, f"masv-watch {__version__}\n")
    assert process("nope").returncode == USAGE


def test_output_into_a_closed_pipe_ends_without_a_word(town):
    """`| head -1` is no reason for a traceback, nor is `| true`."""
    for number in range(3):
        delivered(town, f"pipe{number}.mov")
    for reader in ("head -1", "true"):
        line = f"{sys.executable} -m masv_watch uploads --url {town.daemon.api} | {reader}"
        done = subprocess.run(
            line, shell=True, cwd=PROJECT, capture_output=True, text=True, check=False,
            env=buffered(),
        )  # fmt: skip

        assert done.stderr == ""


def buffered():
    """Give an environment in which the interpreter keeps output back, as it does by default."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def test_output_onto_a_full_disk_fails_in_one_line(town):
    """1, and why."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "masv_watch", "status", "--url", town.daemon.api],
            cwd=PROJECT, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env=buffered(),
        )  # fmt: skip

    assert done.returncode == FAILED
    assert done.stderr == "masv-watch: the output cannot be written: No space left on device\n"


def test_names_that_the_terminal_cannot_show_do_not_end_a_command(town):
    """A terminal of another character set gets escapes."""
    upload_id = delivered(town, "caf\u00e9 \u65e5\u672c.mov")
    environ = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}

    done = process("show", upload_id, "--url", town.daemon.api, env=environ)

    assert done.returncode == OK
    assert "caf\\xe9" in done.stdout


def test_check_of_a_good_file_says_ok_line_by_line(say):
    """0, `ok:` lines on standard output, nothing to complain about."""
    status, out, err = say("check")

    assert status == OK
    assert all(line.startswith("ok: ") for line in out.splitlines())
    for word in ("masv.api_key: belongs to team acme", "mail.smtp: ", "hot_folders[0].path: "):
        assert word in out
    assert all("warning: " in line for line in err.splitlines())
    assert "sandbox-key" not in out + err


def test_check_without_probe_asks_neither_disk_nor_network(say, town):
    """Only the file itself and its secrets."""
    config = town.write("dark.yml", api="http://127.0.0.1:9", smtp=free_port())

    status, out, err = say("check", "--no-probe", "-c", str(config))

    assert status == OK
    assert "smtp" not in out
    assert "127.0.0.1" not in err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"key": "wrong-key-canary"}, r"api_key|API key"),
        ({"team": "nobody"}, r"does not belong to team 'nobody'.*acme"),
        (
            {"more": "  - {name: p, path: /srv/p, to: {portal: nope, sender: a@example.com}}\n"},
            r"portal",
        ),
    ],
    ids=["key", "team", "portal"],
)
def test_check_of_what_the_cloud_does_not_know_is_an_error_with_its_place(
    say, town, changed, words
):
    """2, one line with file, line and column; the key itself is not shown."""
    config = town.write("unknown.yml", **changed)

    status, _, err = say("check", "-c", str(config))

    assert status == USAGE
    problems = [line for line in err.splitlines() if "warning: " not in line]
    assert len(problems) == 1
    assert re.match(rf"{re.escape(str(config))}:\d+:\d+: ", problems[0])
    assert re.search(words, problems[0])
    assert "canary" not in err


def test_check_with_the_mail_server_or_the_cloud_down_only_warns(say, town):
    """What may be up tomorrow is no mistake of the file."""
    config = town.write("down.yml", smtp=free_port(), api=f"http://127.0.0.1:{free_port()}")

    status, _, err = say("check", "-c", str(config))

    assert status == OK
    warned = [line for line in err.splitlines() if ": warning: " in line]
    assert len([line for line in warned if "mail.smtp" in line]) == 1
    assert len([line for line in warned if ": masv" in line]) == 1


def test_check_of_a_broken_template_names_its_line(say, town):
    """A user's template is tried out before it is needed."""
    template = town.top / "letter.html"
    template.write_text("<p>\n\n{{ nobody }}</p>")
    config = town.write("template.yml", template=", template: letter.html")

    status, _, err = say("check", "--no-probe", "-c", str(config))

    assert status == USAGE
    assert f"{template}:3: 'nobody' is undefined" in err
    assert re.match(rf"{re.escape(str(config))}:\d+:\d+: hot_folders\[0\]\.link\.template: ", err)


def test_check_as_json_is_one_object_whatever_is_found(say, town):
    """Problems and warnings taken apart, for good and broken files."""
    bad = town.write("bad.yml", more="nonsense: 1\n")

    good_status, good, _ = say("check", "--json")
    bad_status, broken, err = say("check", "--json", "-c", str(bad))
    gone_status, gone, _ = say("check", "--json", "-c", "/nowhere.yml")

    assert (good_status, bad_status, gone_status) == (OK, USAGE, USAGE)
    assert json.loads(good)["problems"] == []
    (problem,) = json.loads(broken)["problems"]
    assert set(problem) == {"file", "line", "col", "path", "message"}
    assert "nonsense" in problem["message"]
    assert err == ""
    assert len(json.loads(gone)["problems"]) == 1


def test_run_of_a_broken_file_prints_every_problem_and_ends(town):
    """2, one line for each, none of them a traceback."""
    config = town.top / "broken.yml"
    config.write_text(
        "version: 1\nmasv: {team: acme, api_key: x, nope: 1}\n"
        "hot_folders:\n  - {name: a, to: {recipients: []}}\n"
        "  - {name: b, path: /srv/b, drop: sideways, to: {recipients: []}}\n"
    )

    done = process("run", "-c", str(config))

    assert done.returncode == USAGE
    lines = [line for line in done.stderr.splitlines() if line.startswith(f"{config}:")]
    assert len([line for line in lines if "warning: " not in line]) == 3
    assert "Traceback" not in done.stderr


def test_run_beside_another_daemon_names_it(town):
    """3 for the state that is held, with the process that holds it."""
    done = process("run", "-c", str(town.write("second.yml", port=free_port())))

    assert done.returncode == STATE
    assert f"process {town.daemon.process.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_where_its_address_is_taken_says_so(town):
    """5, with the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        top = town.top / "apart"
        top.mkdir()
        config = town.write("taken.yml", port=port, top=top)

        done = process("run", "-c", str(config))

    assert done.returncode == NO_LISTEN
    (line,) = [line for line in done.stderr.splitlines() if "cannot listen" in line]
    assert f"127.0.0.1:{port}" in line
    assert "server.listen" in line
    assert "Traceback" not in done.stderr
