"""What stands in contrib for macOS and for containers: read by a parser, held against the rest."""

from __future__ import annotations

import plistlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from masv_watch.cli.table import parser

NOBODY = 65534


@pytest.fixture
def contrib(project: Path) -> Path:
    return project / "contrib"


@pytest.fixture
def agent(contrib: Path) -> dict:
    """Give what launchd reads."""
    (file,) = (contrib / "launchd").glob("*.plist")
    return {"file": file, **plistlib.loads(file.read_bytes())}


@pytest.fixture
def image(contrib: Path) -> list[tuple[str, str]]:
    """Give the instructions of the container file, each with its words."""
    text = (contrib / "container" / "Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    whole = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in whole.splitlines()]


@pytest.fixture
def service(contrib: Path) -> dict:
    """Give the one service of the compose file."""
    tree = yaml.safe_load((contrib / "container" / "compose.yml").read_text())
    (only,) = tree["services"].values()
    return only


def words_of(image: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for name, rest in image if name == instruction]


def test_launchd_agent_starts_what_the_parser_knows(agent):
    """Its label is its file's name, as launchd's tools expect."""
    program, *words = agent["ProgramArguments"]

    options = parser().parse_args(words)

    assert agent["file"].stem == agent["Label"]
    assert program.endswith("/masv-watch")
    assert options.config.startswith("/")
    assert agent["UserName"] not in {"root", ""}


def test_launchd_agent_is_not_slowed_down_and_says_how_its_log_ends(agent):
    """As a background process macOS throttles its disk and processor; nothing rotates by itself."""
    log = agent["StandardErrorPath"]
    owner = f"{agent['UserName']}:{agent['GroupName']}"

    assert agent["ProcessType"] == "Interactive"
    assert f"\n    {log} {owner} 600 " in agent["file"].read_text()
    assert f"kickstart -k system/{agent['Label']}\n" in agent["file"].read_text()


def test_launchd_agent_is_as_private_and_patient_as_the_unit(agent, contrib):
    """The same rights on what it makes, the same time to end, no core dump with the key in it."""
    unit = (contrib / "systemd" / "masv-watch.service").read_text()
    stop = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1])
    umask = int(re.search(r"^UMask=(\d+)$", unit, re.M)[1], 8)
    files = int(re.search(r"^LimitNOFILE=(\d+)$", unit, re.M)[1])

    assert (agent["ExitTimeOut"], agent["Umask"]) == (stop, umask)
    for limits in (agent["HardResourceLimits"], agent["SoftResourceLimits"]):
        assert limits == {"NumberOfFiles": files, "Core": 0}
    assert agent["KeepAlive"] == {"SuccessfulExit": False}


def test_container_runs_as_nobody_and_starts_what_the_parser_knows(image):
    """By number: an image without that name in its list of users starts, too."""
    stages = [at for at, (name, _) in enumerate(image) if name == "FROM"]
    users = [at for at, (name, _) in enumerate(image) if name == "USER"]
    entry = yaml.safe_load(words_of(image, "ENTRYPOINT")[0])
    command = yaml.safe_load(words_of(image, "CMD")[-1])

    options = parser().parse_args(command)

    assert words_of(image, "USER") == [f"{NOBODY}:{NOBODY}"]
    assert users[0] > stages[-1]
    assert entry == ["masv-watch"]
    assert options.config == "/etc/masv-watch/masv-watch.yml"


def test_container_is_built_of_files_that_are_there_and_let_in(image, project):
    """What is copied exists, and the list of what the build may see names it."""
    copied = [
        source
        for words in words_of(image, "COPY")
        if "--from" not in words
        for source in shlex.split(words)[:-1]
    ]
    let_in = {line[1:] for line in (project / ".dockerignore").read_text().splitlines()}

    assert {str(Path(each)) for each in copied} <= let_in
    assert all((project / each).exists() for each in copied)
    assert {"setup.cfg", "pyproject.toml", "masv_watch"} <= {Path(each).name for each in copied}


def test_compose_service_has_no_right_that_it_does_not_need(service):
    """The root is read-only, capabilities are gone and cannot come back."""
    assert service["user"] == f"{NOBODY}:{NOBODY}"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_compose_service_gives_what_the_example_for_containers_asks_for(service, project):
    """Every folder of that configuration is a volume, every variable is handed on."""
    text = (project / "config" / "examples" / "container.yml").read_text()
    folders = set(re.findall(r"(?<=[ \[])/\w+", re.sub(r"#.*|http://\S+", "", text)))
    targets = {volume.split(":")[1] for volume in service["volumes"]}

    assert folders
    assert folders <= targets
    assert set(re.findall(r"!env (\w+)", text)) == set(service["environment"])
