"""Small slices of the benchmarks: they measure everybody, and say so when they cannot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.benchmarks.figures import Figures
from tests.benchmarks.loads import Promises
from tests.benchmarks.sink import Sink
from tests.processes import ask

SLOWEST_S = 800


@pytest.fixture(autouse=True)
def tools():
    """Fail where a peer is missing: nothing here is skipped quietly."""
    for program, package in (("cc", "gcc"), ("curl", "curl"), ("rclone", "rclone")):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: install the Debian package `{package}`")


def bench(project: Path, name: str, *words: str, environ: dict[str, str] | None = None):
    return subprocess.run(
        [sys.executable, f"tests/benchmarks/{name}.py", "--rounds", "1", *words],
        cwd=project, capture_output=True, text=True, timeout=SLOWEST_S, check=False, env=environ,
    )  # fmt: skip


def is_table(text: str, heading: str, rows: int) -> bool:
    """Say whether reStructuredText has a simple table with so many rows below a heading."""
    rule = r"=+(?:  =+)+\n"
    found = re.search(rf"{re.escape(heading)}:\n\n{rule}.+\n{rule}((?:.+\n)+?){rule}", text)
    return found is not None and found[1].count("\n") == rows


@pytest.mark.parametrize("words", [(), ("--tls",)], ids=["plain", "tls"])
def test_large_file_slice_measures_every_sender(project, tmp_path, words):
    """CPU, throughput and memory of the daemon twice, of curl, and of rclone in both its forms."""
    out = tmp_path / "figures.json"

    done = bench(
        project, "bench_large_file", "--mib", "64", "--part-mib", "16", "--json", str(out), *words
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert is_table(done.stdout, "CPU seconds of the sender for a GiB", 5), done.stdout
    figures = json.loads(out.read_text())["figures"]
    for kind in ("cpu", "rate", "seconds", "memory"):
        assert len(figures[kind]) == 5
        assert all(value > 0 for values in figures[kind].values() for value in values), kind


def test_small_files_slice_measures_the_daemon_and_every_number_of_threads(project, tmp_path):
    """All files went out by five calls each, or the benchmark would have ended with an error."""
    out = tmp_path / "figures.json"

    done = bench(
        project, "bench_small_files", "--files", "200", "--peer-files", "50", "--json", str(out)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert is_table(done.stdout, "Files a second", 6), done.stdout
    tree = json.loads(out.read_text())
    assert all(value > 0 for values in tree["figures"]["rate"].values() for value in values)
    assert [goal["goal"] for goal in tree["goals"]] == [2.5, 2.0]


def test_large_file_without_a_peer_says_which_and_measures_nothing(project, tmp_path):
    """A comparison without its peer ends with an error, before anything was sent."""
    for program in ("curl", "cc", "openssl"):
        (tmp_path / program).symlink_to(shutil.which(program))

    done = bench(project, "bench_large_file", environ={"PATH": str(tmp_path)})

    assert done.returncode == 2
    assert "CANNOT MEASURE: rclone missing" in done.stderr
    assert "goal:" not in done.stdout


def test_missed_goal_is_told_and_a_reached_one_too(capsys):
    """Each goal has one line with its verdict."""
    figures = Figures("A title", 1)
    figures.goal("seconds", 2.0, limit=1.0, most=True)
    figures.goal("files a second", 2.0, limit=1.0, most=False)
    figures.goal("calls", 1.0, limit=1.0, most=True)

    figures.tell([], None)

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("goal: ")]
    assert "seconds, at most 1: measured 2, MISSED" in lines[0]
    assert "files a second, at least 1: measured 2, reached" in lines[1]
    assert "measured 1, reached" in lines[2]


def test_sink_counts_a_file_that_was_closed_without_all_its_bytes():
    """What the benchmarks take as proof that everything was sent is compared by the sink."""
    with Sink() as sink:
        package = ask(sink.url, "/v1/teams/team1/packages", "POST", {"name": "a"})[1]["id"]
        for count, size in ((1, 4), (2, 5)):
            added = ask(sink.url, f"/v1/packages/{package}/files", "POST", {"name": "f"})[1]
            id_ = added["file"]["id"]
            ask(sink.url, f"/storage/{id_}?partNumber=1", "PUT", 1234)
            ask(sink.url, f"/v1/packages/{package}/files/{id_}/finalize", "POST", {"size": size})
            counts = sink.counts()
            assert counts["calls"]["file_finalize"] == count
            assert counts["bytes_put"] == 4 * count
        assert counts["wrong_sizes"] == 1
        assert counts["put_first"] <= counts["put_last"] < counts["last"]["file_finalize"]


def test_arriving_slice_measures_a_folder_with_and_without_early_start(project):
    """Time by mode, and what stays between two sweeps."""
    done = bench(project, "bench_arriving", "--files", "300")

    assert done.returncode == 0, done.stdout + done.stderr
    for early in ("False", "True"):
        assert re.search(rf"early={early} +median +\d+ ms", done.stdout), done.stdout
        assert re.search(rf"early={early} +kept between two sweeps \d", done.stdout), done.stdout


def test_sweep_slice_measures_find_and_every_form_of_the_tree(project, tmp_path):
    """Everything was known to the ledger, or the benchmark would have ended with an error."""
    out = tmp_path / "figures.json"

    done = bench(
        project, "bench_sweep", "--files", "400", "--folders", "4", "--neighbours", "2",
        "--json", str(out),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert is_table(done.stdout, "Seconds of a look at everything", 4), done.stdout
    tree = json.loads(out.read_text())
    assert all(value > 0 for values in tree["figures"]["seconds"].values() for value in values)
    for kind in ("alone", "beside masv-watch, a drop each file", "beside it after a restart"):
        for figure in ("known_ms", "taken_s"):
            assert len(tree["figures"][figure][f"another hot folder, {kind}"]) == 2
    moving = [2, 60, 60, 50]
    assert [goal["goal"] for goal in tree["goals"]] == [*moving, 2, 60, 60, *moving]


def test_idle_slice_measures_the_daemon_beside_the_bare_libraries(project, tmp_path):
    """Both are watched over the same seconds."""
    out = tmp_path / "figures.json"

    done = bench(
        project, "bench_idle", "--seconds", "2", "--folders", "2", "--files", "200",
        "--json", str(out),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert is_table(done.stdout, "Resident MiB", 2), done.stdout
    tree = json.loads(out.read_text())
    assert all(value > 0 for values in tree["figures"]["memory"].values() for value in values)
    assert [goal["goal"] for goal in tree["goals"]] == [60, 60]


def test_burst_slice_finds_every_file_once_and_times_it(project, tmp_path):
    """A file that was missed or found twice would have ended the benchmark with an error."""
    out = tmp_path / "figures.json"

    done = bench(project, "bench_burst", "--files", "500", "--json", str(out))

    assert done.returncode == 0, done.stdout + done.stderr
    assert is_table(done.stdout, "Seconds from the last file until all are known", 3), done.stdout
    assert [goal["goal"] for goal in json.loads(out.read_text())["goals"]] == [10, 10]


def test_housekeeping_slice_times_writes_beside_each_work(project):
    """A work that removed or copied nothing would have ended with an error of its own."""
    done = bench(project, "bench_housekeeping", "--uploads", "3", "--files", "5")

    assert done.returncode == 0, done.stdout + done.stderr
    heading = "Milliseconds of a transfer's write, durable, beside"
    assert is_table(done.stdout, heading, 4), done.stdout


def test_soak_slice_keeps_everybody_busy_and_proves_what_was_delivered(project, tmp_path):
    """Every hand acted, everything came once, and what is too short for a verdict has none."""
    out = tmp_path / "samples.json"

    done = subprocess.run(
        [sys.executable, "tests/benchmarks/bench_soak.py", "--minutes", "0.3", "--json", str(out)],
        cwd=project, capture_output=True, text=True, timeout=SLOWEST_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "goal: everything that was dropped was delivered once: reached" in done.stdout
    assert "too short to judge what grows" in done.stdout
    tree = json.loads(out.read_text())
    assert len(tree["samples"]) >= 10
    assert all(each["rss_mib"] > each["anon_mib"] > 0 for each in tree["samples"])
    assert all(each["fds"] > 0 and each["threads"] > 0 for each in tree["samples"])
    assert tree["samples"][-1]["rows"] > tree["samples"][0]["rows"]
    assert tree["acts"].keys() >= {"small", "card", "batch", "again", "create", "reload", "turn"}
    assert all(tree["acts"].values()), tree["acts"]


def test_promise_that_was_not_kept_is_told():
    """Too rarely, too often, and what nobody ever dropped."""
    promises = Promises()
    promises.note("kept", "each/kept")
    promises.note("lost", "each/lost")
    promises.note("twice", "each/twice")
    promises.note("maybe", "fickle/deleted", least=0)

    broken = promises.broken(Counter({"kept": 1, "twice": 2, "strange": 1}))

    lost, twice = (f"each/{name} times, not 1 to 1" for name in ("lost: 0", "twice: 2"))
    assert broken == [lost, twice, "strange: never dropped"]
