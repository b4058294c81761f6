"""What is asked at a terminal, and what an answer does: a first configuration, send, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.cli.terminal import Terminal

OK, FAILED = range(2)
ID = "00000000-0000-4000-8000-000000000001"
PATH, TEAM = "Which folder is to be watched?", "Which team sends (its subdomain)?"
WHO, SENDER = "Who is to be mailed (addresses, or nothing)?", "Whose address is the sender?"
#: Ctrl-D on a line of its own
END = "\x04"


def begun(tmp_path: Path, *words: str, answers: dict[str, str]) -> tuple[int, str, Any]:
    """Answer the questions of `config init`; give its status, what was seen and the file."""
    (tmp_path / "hot").mkdir(exist_ok=True)
    file = tmp_path / "f.yml"
    with Terminal(
        "config", "init", "-c", str(file), *words, width=300, HOME=str(tmp_path)
    ) as terminal:
        for question, answer in answers.items():
            terminal.until(question)
            terminal.type(answer)
        status = terminal.end()
    return status, terminal.text, yaml.load(file.read_text(), Tags) if file.exists() else None


class Tags(yaml.SafeLoader):
    """Reads a configuration without the secrets that its tags stand for."""


Tags.add_multi_constructor("!", lambda _loader, tag, node: f"{tag} {node.value}")


@pytest.mark.parametrize(
    ("typed", "recipients"),
    [
        ("anna@example.com\n", ["anna@example.com"]),
        ("anna@example.com, bob@example.com\n", ["anna@example.com", "bob@example.com"]),
        ("\n", []),
        (END, []),
    ],
)
def test_init_on_a_terminal_asks_for_folder_team_and_recipients_and_writes_the_answers(
    tmp_path, typed, recipients
):
    """In this order, each once; a folder below `~` is found, as no shell reads an answer."""
    answers = {PATH: "~/hot\n", TEAM: " acme \n", WHO: typed}
    status, seen, written = begun(tmp_path, answers=answers)

    assert status == OK, seen
    assert [seen.count(question) for question in (PATH, TEAM, WHO, SENDER)] == [1, 1, 1, 0]
    assert seen.index(PATH) < seen.index(TEAM) < seen.index(WHO)
    (folder,) = written["hot_folders"]
    assert (folder["name"], folder["path"]) == ("hot", str(tmp_path / "hot"))
    assert folder["to"] == {"recipients": recipients}
    assert written["masv"]["team"] == "acme"
    assert "is missing" not in seen


def test_init_on_a_terminal_for_a_portal_asks_for_folder_and_sender(tmp_path):
    """A portal has no team, and mails whom it knows."""
    hot = tmp_path / "hot"
    answers = {PATH: f"{hot}\n", SENDER: "dit@example.com\n"}
    status, seen, written = begun(tmp_path, "--portal", "vault", answers=answers)

    assert status == OK, seen
    assert TEAM not in seen
    assert WHO not in seen
    assert written["hot_folders"][0]["to"] == {"portal": "vault", "sender": "dit@example.com"}


@pytest.mark.parametrize("typed", ["\n", "  \n", END])
@pytest.mark.parametrize(
    ("words", "question", "flag"),
    [
        ((), PATH, "--path"),
        (("--path", "/srv/out"), TEAM, "--team"),
        (("--path", "/srv/out", "--portal", "vault"), SENDER, "--sender"),
    ],
)
def test_init_on_a_terminal_without_an_answer_names_the_flag_and_writes_nothing(
    tmp_path, typed, words, question, flag
):
    """What has no default is needed."""
    status, seen, written = begun(tmp_path, *words, answers={question: typed})

    assert status != OK
    assert f"nothing was answered - say {flag}" in seen
    assert written is None


def test_init_on_a_terminal_asks_nothing_where_its_file_is_there_already(tmp_path):
    """Nobody answers four questions to be told that."""
    (tmp_path / "f.yml").write_text("version: 1\n")
    status, seen, written = begun(tmp_path, answers={})

    assert status == FAILED
    assert "f.yml is there already and stays" in seen
    assert PATH not in seen
    assert written == {"version": 1}


def test_init_on_a_terminal_that_is_left_by_ctrl_c_writes_nothing(tmp_path):
    """Without a traceback."""
    file = tmp_path / "f.yml"
    with Terminal("config", "init", "-c", str(file)) as terminal:
        terminal.until(PATH)
        terminal.interrupt()
        status = terminal.end()

    assert status == FAILED
    assert "Traceback" not in terminal.text
    assert not file.exists()


@pytest.fixture
def wire(standin):
    """Give a daemon with one drop that a person held, which its rule sends to Anna."""
    standin.wire.explained = {"verdict": "held", "hot_folder": "out", "to": ["anna@example.com"]}
    standin.wire.drops["7"] = {
        "id": 7, "hot_folder": "out", "path": "a.mov", "state": "held", "reason": "operator",
        "note": "a person said so", "cure": "masv-watch release 7", "upload_id": None,
    }  # fmt: skip
    return standin.wire


#: what is typed, and whether that is a yes
ANSWERS = [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("yo\n", False),
           (END, False)]  # fmt: skip


def asked(standin, *words: str, question: str, typed: str) -> tuple[int, str]:
    """Answer the question of a command; nothing is called for before. Give status and text."""
    with Terminal(*words, "--url", standin.url, width=300) as terminal:
        terminal.until(question)
        assert [call for call in standin.wire.calls if call.method != "GET"] == []
        terminal.type(typed)
        status = terminal.end()
    return status, terminal.text


@pytest.mark.parametrize(("typed", "is_yes"), ANSWERS)
def test_send_on_a_terminal_asks_once_it_said_what_goes_to_whom_and_takes_only_a_yes(
    standin, wire, typed, is_yes
):
    """The question is the last thing before the call."""
    status, seen = asked(standin, "send", "7", question="Send it? [y/N]", typed=typed)

    posted = [call.path for call in wire.calls if call.method == "POST"]
    assert (status, posted) == ((OK, ["/api/v1/drops/7/release"]) if is_yes else (FAILED, []))
    said = "out/a.mov to anna@example.com: released from its hold: a person said so"
    assert seen.index(said) < seen.index("Send it?")
    assert ("nothing was sent" in seen) is not is_yes
    assert seen.count(said) == (2 if is_yes else 1)


@pytest.mark.parametrize(("typed", "is_yes"), ANSWERS)
def test_cancel_on_a_terminal_names_the_drop_and_takes_only_a_yes(standin, wire, typed, is_yes):
    """By its path and its state, and what stays."""
    question = "Cancel drop 7: out/a.mov, held? It is not sent. The source stays. [y/N]"
    status, seen = asked(standin, "cancel", "7", question=question, typed=typed)

    posted = [call.path for call in wire.calls if call.method == "POST"]
    assert (status, posted) == ((OK, ["/api/v1/drops/7/cancel"]) if is_yes else (FAILED, []))
    assert ("nothing was cancelled" in seen) is not is_yes
    assert ("out/a.mov: cancelled, and its source stays" in seen) is is_yes


@pytest.mark.parametrize("verb", ["send", "cancel"])
def test_question_on_a_terminal_that_is_left_by_ctrl_c_does_nothing(standin, wire, verb):
    """Without a traceback."""
    with Terminal(verb, "7", "--url", standin.url, width=300) as terminal:
        terminal.until("[y/N]")
        terminal.interrupt()
        status = terminal.end()

    assert status == FAILED
    assert "Traceback" not in terminal.text
    assert [call for call in wire.calls if call.method != "GET"] == []


@pytest.mark.parametrize("verb", ["send", "cancel"])
def test_yes_on_a_terminal_asks_nothing(standin, wire, verb):
    """A script may have a terminal, too."""
    with Terminal(verb, "7", "--yes", "--url", standin.url, width=300) as terminal:
        status = terminal.end()

    assert status == OK
    assert "[y/N]" not in terminal.text
