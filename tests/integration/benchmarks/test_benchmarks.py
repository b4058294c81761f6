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

from tests.benchmarks import every
from tests.benchmarks.figures import GOALS_MISSED, Figures, GoalsMissedError
from tests.benchmarks.loads import Promises
from tests.benchmarks.sink import Sink
from tests.processes import ask

PROJECT = Path(__file__).resolve().parents[3]
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


def is_measured(done) -> bool:
    """Say whether there are figures; so small a slice, beside other work, may miss any goal."""
    return done.returncode in (0, GOALS_MISSED)


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

    assert is_measured(done), done.stdout + done.stderr
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

    assert is_measured(done), done.stdout + done.stderr
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


def test_page_slice_measures_every_view_and_holds_a_browser_against_the_goal(project, tmp_path):
    """By HTTP and drawn; what a person waits for is what the goal is about."""
    out = tmp_path / "figures.json"

    done = bench(project, "bench_page", "--uploads", "40", "--files", "80", "--json", str(out))

    assert is_measured(done), done.stdout + done.stderr
    tree = json.loads(out.read_text())
    for kind in ("page", "bare"):
        assert len(tree["figures"][kind]) == 6
        assert all(value > 0 for values in tree["figures"][kind].values() for value in values)
    assert [(goal["goal"], goal["at_most"]) for goal in tree["goals"]] == [(1000, True)]
    drawn = tree["figures"]["page"]["first view, in a browser"]
    assert tree["goals"][0]["measured"] == drawn[0]


def test_page_without_a_browser_says_so_and_measures_nothing(project, tmp_path):
    """That nobody could look is never taken for a page that opened in time."""
    done = bench(project, "bench_page", environ={"PATH": str(tmp_path)})

    assert done.returncode == 2
    assert "CANNOT MEASURE: chromium-headless-shell is missing" in done.stderr
    assert "goal:" not in done.stdout


def test_missed_goal_is_told_and_a_reached_one_too(capsys):
    """Each goal has one line with its verdict."""
    figures = Figures("A title", 1)
    figures.goal("seconds", 2.0, limit=1.0, most=True)
    figures.goal("files a second", 2.0, limit=1.0, most=False)
    figures.goal("calls", 1.0, limit=1.0, most=True)

    with pytest.raises(GoalsMissedError, match=r"^seconds$"):
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

    assert is_measured(done), done.stdout + done.stderr
    assert is_table(done.stdout, "Seconds of a look at everything", 4), done.stdout
    tree = json.loads(out.read_text())
    assert all(value > 0 for values in tree["figures"]["seconds"].values() for value in values)
    for kind in ("alone", "beside masv-watch, a drop each file", "beside it after a restart"):
        for figure in ("known_ms", "taken_s"):
            assert len(tree["figures"][figure][f"another hot folder, {kind}"]) == 2
    each_form, each_neighbour = [2, 60, 60, 50, 1000], [1000, 1.5]
    wanted = [*each_form * 3, *each_neighbour * 4]
    assert [goal["goal"] for goal in tree["goals"]] == wanted


def test_idle_slice_measures_the_daemon_beside_the_bare_libraries(project, tmp_path):
    """Both are watched over the same seconds."""
    out = tmp_path / "figures.json"

    done = bench(
        project, "bench_idle", "--seconds", "2", "--folders", "2", "--files", "200",
        "--json", str(out),
    )  # fmt: skip

    assert is_measured(done), done.stdout + done.stderr
    assert is_table(done.stdout, "Resident MiB", 2), done.stdout
    tree = json.loads(out.read_text())
    assert all(value > 0 for values in tree["figures"]["memory"].values() for value in values)
    assert [goal["goal"] for goal in tree["goals"]] == [60, pytest.approx(60 / 29), 60]


def test_burst_slice_finds_every_file_once_and_times_it(project, tmp_path):
    """A file that was missed or found twice would have ended the benchmark with an error."""
    out = tmp_path / "figures.json"

    done = bench(project, "bench_burst", "--files", "500", "--json", str(out))

    assert is_measured(done), done.stdout + done.stderr
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


def fake(folder: Path, name: str, text: str) -> Path:
    """Make a benchmark that says one thing."""
    path = folder / f"bench_{name}.py"
    path.write_text(text)
    return path


def measured(value: float) -> str:
    """Write a benchmark with one goal, at most 1."""
    return (
        "import sys\n"
        f"sys.path.insert(0, {str(PROJECT)!r})\n"
        "from tests.benchmarks.figures import Figures, main\n"
        "def run():\n"
        "    figures = Figures('A title', 1)\n"
        f"    figures.goal('seconds', {value}, limit=1, most=True)\n"
        "    figures.tell([], None)\n"
        "sys.exit(main(run))\n"
    )


@pytest.mark.parametrize(
    ("names", "status"),
    [(["fast"], 0), (["slow", "fast"], 3), (["slow", "broken", "fast"], 2)],
    ids=["reached", "missed", "not measured"],
)
def test_every_benchmark_runs_and_the_end_names_goals_missed_and_figures_lacking(
    tmp_path, names, status
):
    """A missed goal is no success, ends nothing, and is another thing than no figure."""
    texts = {"slow": measured(2), "fast": measured(0.5), "broken": "raise SystemExit(1)\n"}
    benches = [str(fake(tmp_path, name, texts[name])) for name in names]

    done = subprocess.run(
        [sys.executable, "tests/benchmarks/every.py", *benches],
        cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == status, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("bench: ")] == [
        f"bench: {each}" for each in benches
    ]
    missed = "bench: bench_slow: seconds, at most 1: measured 2, MISSED"
    assert (missed in done.stderr.splitlines()) == ("slow" in names)
    lacking = "bench: could not measure: bench_broken (status 1)"
    assert (lacking in done.stderr.splitlines()) == ("broken" in names)


def test_every_benchmark_is_found_but_the_soak():
    """It takes half an hour, and `make soak` runs it."""
    names = {each.name for each in every.found()}

    assert "bench_soak.py" not in names
    assert names == {each.name for each in (PROJECT / "tests/benchmarks").glob("bench_*.py")} - {
        "bench_soak.py"
    }
