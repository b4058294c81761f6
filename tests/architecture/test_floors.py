"""The import contracts hold, and each of them can be broken."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "masv_watch"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter over the package in a folder."""
    program = Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.fail(f"{program} is missing: run `make setup`")
    return subprocess.run(
        [program, "--config", "setup.cfg", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def contracts(project: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(project / "setup.cfg")
    return parser


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """Give a copy of the package that a test may damage."""
    shutil.copytree(
        project / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(project / "setup.cfg", tmp_path)
    for name in re.findall(rf"{PACKAGE}\.([a-z.]+)", (project / "setup.cfg").read_text()):
        build_empty(tmp_path / PACKAGE, name.split("."))
    use_gates(tmp_path)
    return tmp_path


def use_gates(folder: Path) -> None:
    """Import every gated library by its gate: import-linter refuses to guard what nobody uses."""
    parser = contracts(folder)
    for section in parser.sections():
        if "gate-" in section:
            gate = folder / parser[section]["allowed_importers"].split()[0].replace(".", "/")
            module = gate / "__init__.py" if gate.is_dir() else gate.with_suffix(".py")
            for library in parser[section]["protected_modules"].split():
                with module.open("a") as out:
                    out.write(f"\nimport {library}\n")


def build_empty(folder: Path, names: list[str]) -> None:
    """Build a room that the contracts name and that is not there yet, with nothing in it."""
    first, *rest = names
    if not rest and not (folder / first).is_dir():
        (folder / f"{first}.py").touch()
    elif rest:
        (folder / first).mkdir(exist_ok=True)
        (folder / first / "__init__.py").touch()
        build_empty(folder / first, rest)


def test_floors_over_the_package_are_kept(project):
    """Every contract of setup.cfg holds."""
    answer = lint(project)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert " 0 broken" in answer.stdout


BREACHES = {
    "upwards": ("model.py", "import masv_watch.loops", "Stairs"),
    "between rooms": ("watch/planted.py", "import masv_watch.delivery", "Stairs"),
    "inside a function": ("model.py", "def f():\n    import masv_watch.loops", "Stairs"),
    "new floor": ("utils.py", "", "Stairs"),
    "witness": ("sandbox/planted.py", "import masv_watch.model", "witness"),
    "waist": ("transfer/planted.py", "import masv_watch.store.sqlite", "engines"),
    "requests": ("uploads.py", "import requests", "cloud.http"),
    "urllib3 for a type": (
        "transfer/planted.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import urllib3",
        "cloud.http",
    ),
    "watchdog": ("watch/planted.py", "import watchdog.events", "watch.hints"),
    "yaml": ("config/planted.py", "from yaml import compose", "config.nodes"),
    "pydantic": ("model.py", "import pydantic", "config.schema"),
    "sqlite3": ("store/contract.py", "import sqlite3", "engines"),
    "smtplib": ("sandbox/planted.py", "import smtplib", "delivery.mail"),
}


@pytest.mark.parametrize(("file", "text", "named"), BREACHES.values(), ids=BREACHES)
def test_floors_with_a_planted_breach_are_broken(copy, file, text, named):
    """A contract that nothing breaks would be worth nothing."""
    planted = copy / PACKAGE / file
    build_empty(copy / PACKAGE, [*planted.relative_to(copy / PACKAGE).with_suffix("").parts])
    with planted.open("a") as out:
        out.write(f"\n{text}\n")

    answer = lint(copy)

    broken = [line for line in answer.stdout.splitlines() if line.rstrip().endswith("BROKEN")]
    assert answer.returncode == 1, answer.stdout
    assert any(named in line for line in broken), answer.stdout


def test_witness_contract_names_every_other_top_level_module(project):
    """A module that the contract does not list would be open to the sandbox."""
    listed = contracts(project)["importlinter:contract:witness"]["forbidden_modules"].split()
    there = {
        f"{PACKAGE}.{path.stem}"
        for path in (project / PACKAGE).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    expected = there - {f"{PACKAGE}.{name}" for name in ("__init__", "__main__", "sandbox")}

    assert sorted(listed) == sorted(expected)


def test_every_library_that_is_installed_has_a_gate(project):
    """A dependency without a gate would enter anywhere."""
    parser = contracts(project)
    named = {
        "pyyaml": "yaml",
        "apscheduler": "apscheduler",
        "jinja2": "jinja2",
        "google-re2": "re2",
    }
    wanted = set()
    for line in parser["options"]["install_requires"].split():
        name = line.split(">")[0].lower()
        wanted.add(named.get(name, name))
    gated = {
        module
        for section in parser.sections()
        if section.startswith("importlinter:contract:gate-")
        for module in parser[section]["protected_modules"].split()
    }

    assert wanted <= gated
