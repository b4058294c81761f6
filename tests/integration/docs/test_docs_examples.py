"""Every YAML block and every command of README.rst and docs/ is carried out as it stands there."""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from masv_watch import cli
from tests.integration.docs.blocks import (
    PAGES,
    PROJECT,
    Block,
    Step,
    blocks_of,
    commands_of,
    every_block,
    steps_of,
)
from tests.integration.docs.ground import PLACEHOLDERS, SECRETS, Ground, Shell, Town, pattern_of
from tests.processes import Sandbox, ask
from tests.waiting import eventually

BLOCKS = every_block()
README = PROJECT / "README.rst"
#: masv-agent's own lines, as they stand in its documents
API = PROJECT / "docs" / "rules" / "api.rst"
TUTORIAL = PROJECT / "docs" / "tutorial.rst"
#: of another owner: its commands are the benchmarks, which tests of their own carry out
PERFORMANCE = PROJECT / "docs" / "performance.rst"
#: what else a block may be written in; none of it is a command or a configuration
OTHER = {"ini", "nginx", "text"}
#: pages whose sessions run beside the one daemon that has the rules of all of them
SESSIONS = [
    page
    for page in PAGES
    if page not in {README, TUTORIAL}
    and any(block.language == "console" and not block.reason for block in blocks_of(page))
]
#: the caption of what is no configuration of ours
PROMETHEUS = "prometheus.yml"
LIMIT = "/api/v1/settings/upload_rate_limit"
HEAD = {
    "version": "version: 1\n",
    "masv": "masv: {team: acme, api_key: !env MASV_API_KEY}\n",
}
#: blocks that no test can carry out: one more needs a reason that convinces whoever reads this
MOST_NOT_RUN = 9


def named(block: Block) -> str:
    return block.name


def test_blocks_that_no_test_can_carry_out_are_few_and_say_why() -> None:
    """A mark is the exception: each has a reason, and their number is known."""
    marked = [block for block in BLOCKS if block.reason]

    assert [block.name for block in marked if len(block.reason.split()) < 4] == []
    listed = "\n".join(f"{block.name}: {block.reason}" for block in marked)
    assert len(marked) <= MOST_NOT_RUN, listed


def test_blocks_are_written_in_what_is_carried_out_or_is_no_command() -> None:
    """A command cannot hide in a block of another language."""
    strange = [
        block.name
        for block in BLOCKS
        if block.language not in {"yaml", "console", *OTHER}
        and not (block.language == "" and block.page in {README, API, PERFORMANCE})
    ]
    hidden = [
        block.name
        for block in BLOCKS
        if block.language in OTHER and re.search(r"^\$ ", block.text, re.MULTILINE)
    ]

    assert strange == []
    assert hidden == []


@pytest.mark.parametrize(
    "block",
    [
        one
        for one in BLOCKS
        if one.language == "yaml" and not one.reason and one.caption != PROMETHEUS
    ],
    ids=named,
)
def test_yaml_block_passes_the_check(
    block: Block,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A whole configuration as it is, a fragment behind the smallest head."""
    named_there = re.findall(r"!env (\w+)", block.text)
    for name, value in {**dict.fromkeys(named_there, "a" * 16), **SECRETS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    (tmp_path / "credentials").mkdir()
    for name in re.findall(r"!credential (\w+)", block.text):
        (tmp_path / "credentials" / name).write_text("a-secret-of-16-characters")
    shutil.copytree(PROJECT / "config" / "examples", tmp_path / "examples")
    shutil.copy(PROJECT / "config" / "examples" / "letter.html", tmp_path)
    file = tmp_path / "masv-watch.yml"
    head = [words for key, words in HEAD.items() if not re.search(rf"^{key}:", block.text, re.M)]
    file.write_text("".join(head) + block.text)
    file.chmod(0o600)

    status = cli.main(["check", "--no-probe", "-c", str(file)])

    printed = capsys.readouterr()
    assert status == 0, printed.err


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Give a cloud and a daemon with the rules of all pages."""
    rules = [one for one in BLOCKS if one.page in SESSIONS and one.language == "yaml"]
    town = Town(tmp_path_factory.mktemp("docs"), [one for one in rules if "path:" in one.text])
    yield town
    town.end()


@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: str(page.relative_to(PROJECT)))
def test_session_of_a_page_prints_what_it_shows(page: Path, town: Town) -> None:
    """From the first command of a page to its last, in one folder."""
    shell = town.shell(page.stem)
    try:
        carry_out(page, shell)
    finally:
        shell.end()


def test_tutorial_leads_a_stranger_from_nothing_to_a_delivery(tmp_path: Path) -> None:
    """With its own cloud, configuration and daemon, all of them as the page has them."""
    shell = Shell(Ground(tmp_path), tmp_path / "srv")
    try:
        carry_out(TUTORIAL, shell)
    finally:
        shell.end()


def carry_out(page: Path, shell: Shell) -> None:
    """Write the files and carry out the commands of a page, in their order."""
    for block in blocks_of(page):
        if block.reason:
            continue
        if block.caption:
            shell.write(block)
        if block.language == "console":
            steps = steps_of(block)
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                asked = following is not None and following.command.startswith("echo $?")
                shell.carry_out(step, may_fail=asked)


def test_readme_starts_it_in_five_minutes(tmp_path: Path) -> None:
    """Its configuration, with the sandbox for the real cloud, and all of its commands."""
    ground = Ground(tmp_path)
    cloud = Sandbox(tmp_path / "cloud")
    shell = Shell(ground, tmp_path / "here")
    (tmp_path / "srv" / "out").mkdir(parents=True)
    (block,) = [one for one in blocks_of(README) if one.language == "yaml"]
    said = block.text.replace("{team", f'{{api_url: "{cloud.api}", team')
    # a reader waits for the quiet time, and has no other daemon
    around = f"state: {tmp_path}/state\ndefaults: {{settle: {{quiet: 1s}}}}\n"
    around += f"server: {{listen: 'http://127.0.0.1:{ground.ports['8080']}'}}\n"
    shell.write(replace(block, text=said + around, caption="masv-watch.yml"))
    try:
        carry_out(README, shell)
    finally:
        shell.end()
        cloud.end()


def test_calls_of_masv_agent_work_as_they_stand_there(town: Town) -> None:
    """The lines that its users have in their scripts."""
    shell = town.shell("api")
    media = town.ground.top / "srv" / "media"
    (media / "CARD_A").mkdir(parents=True, exist_ok=True)
    (media / "CARD_A" / "clip.mov").write_bytes(bytes(4_000_000))
    (media / "notes.pdf").write_bytes(b"notes")
    # an upload that is over at once cannot be paused
    ask(town.daemon.api, LIMIT, "POST", {"enabled": True, "rate_limit_bps": 1_000_000})
    try:
        for block in blocks_of(API):
            if block.language == "" and not block.reason:
                for command in commands_of(block):
                    as_written(command, shell, town)
    finally:
        shell.end()


def as_written(command: str, shell: Shell, town: Town) -> None:
    """Carry out a call for the upload that its creates made."""
    uploads = town.daemon.uploads()
    if re.search(r"/uploads/ID\b", command):
        upload = next(one for one in uploads if one["package_name"] == "Day 1")
        command = re.sub(r"/uploads/ID\b", f"/uploads/{upload['upload_id']}", command)
        if command.endswith(("/finalize", "/link")):
            wanted = "idle" if command.endswith("/finalize") else "complete"
            eventually(lambda: town.daemon.details(upload["upload_id"])["state"] == wanted)
    shell.carry_out(Step(command=command.replace("curl ", "curl -sS --fail-with-body ")))
    if command.endswith("/resume"):
        ask(town.daemon.api, LIMIT, "DELETE")


def test_metrics_of_a_daemon_are_of_the_kind_that_the_reference_says(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counter or gauge: told from the code there, and by a daemon that delivered here."""
    monkeypatch.syspath_prepend(str(PROJECT / "docs"))
    import reference

    _, text = town.get("/metrics")
    printed = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE)
    said = " ".join(reference.reference_of_metrics())

    assert printed
    wrong = [
        name
        for name, kind in printed
        if f".. describe:: {name}  {kind.title()}. " not in re.sub(r"\s{2,}", "  ", said)
    ]
    assert wrong == []


def test_labels_of_a_daemons_metrics_are_those_that_the_reference_names(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes a query needs them; they are read from the code there as well."""
    monkeypatch.syspath_prepend(str(PROJECT / "docs"))
    import reference

    _, text = town.get("/metrics")
    printed = re.findall(r"^(\w+)\{(.+)\} \S+$", text, re.MULTILINE)
    labels = {(name, label) for name, inside in printed for label in re.findall(r'(\w+)="', inside)}
    said = " ".join(reference.reference_of_metrics()).split(".. describe:: ")
    named = {each.split()[0]: each.partition("Labels: ")[2] for each in said if each.strip()}

    assert ("masv_watch_transitions_total", "noun") in labels
    assert [pair for pair in sorted(labels) if f"``{pair[1]}``" not in named[pair[0]]] == []


def test_scrape_of_prometheus_is_answered_as_the_page_asks_for_it(town: Town) -> None:
    """By a call with the token of its file; and each key is one that Prometheus has."""
    (block,) = [one for one in BLOCKS if one.caption == PROMETHEUS]
    ((job,),) = yaml.safe_load(block.text).values()
    file = town.ground.top / "state" / "api-token"
    call = urllib.request.Request(f"{town.daemon.api}{job.pop('metrics_path', '/metrics')}")
    kind = job.pop("authorization")
    call.add_header("Authorization", f"{kind.pop('type', 'Bearer')} {file.read_text().strip()}")
    with urllib.request.urlopen(call, timeout=30) as answer:
        text = answer.read().decode()

    assert "masv_watch_needs " in text
    assert set(kind) == {"credentials_file"}
    assert set(job) == {"job_name", "static_configs", "scheme"}
    (targets,) = (each["targets"] for each in job["static_configs"])
    assert [re.fullmatch(r"[\w.-]+:\d+", each) is not None for each in targets] == [True]


def test_benchmarks_that_are_named_exist() -> None:
    """The commands beside the figures are those of the tree; tests of their own run them."""
    text = PERFORMANCE.read_text("utf-8")
    named_there = set(re.findall(r"tests/benchmarks/bench_\w+\.py", text))

    assert named_there
    assert [name for name in sorted(named_there) if not (PROJECT / name).is_file()] == []


@pytest.mark.parametrize(
    ("shown", "seen"),
    [
        (("one", "two"), "one\nthree\n"),
        (("one", "..."), "two\none\n"),
        (("<number> files",), "no files\n"),
        (("one",), "one\ntwo\n"),
    ],
)
def test_output_that_differs_from_what_is_shown_is_found(shown: tuple[str, ...], seen: str) -> None:
    """The comparison can fail."""
    assert not pattern_of(shown).fullmatch(seen)


def test_output_is_compared_up_to_its_placeholders() -> None:
    """What differs each time may differ, and nothing else."""
    shown = ("...", "upload <id> of <number> files", "...")
    seen = "ready\nupload 63bdba8a-1526-4777-ae88-94697c65b758 of 2 files\n"

    assert pattern_of(shown).fullmatch(seen)
    assert "<unknown>" not in PLACEHOLDERS
