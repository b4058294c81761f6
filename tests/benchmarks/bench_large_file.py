"""One large file: CPU a GiB and throughput of the daemon, beside curl and rclone in the same run.

Owns one comparison: a file of 4 GiB in memory, sent in parts of 100 MiB over 4 connections to the
sink, which discards. The daemon delivers for real (settle, package, chunk URLs, both finalizes,
database), with `verify: fast`, which hashes every byte, and with `verify: size`. curl sends the
same bytes as slices that were cut before, since it can send no range of a file. rclone sends those
slices to a WebDAV, where it hashes nothing, and the whole file to an S3, where it must hash it
twice (MD5 of each part, SHA-256 for the signature). All start cold but the daemon, which idles.

    .venv/bin/python tests/benchmarks/bench_large_file.py [--rounds N] [--mib N] [--json FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.delivering import (  # noqa: E402
    MIB,
    Run,
    command,
    deliver,
    filled,
    needed,
)
from tests.benchmarks.figures import Figures, main, parser, turned  # noqa: E402
from tests.benchmarks.front import Front  # noqa: E402
from tests.benchmarks.sink import Sink, Watcher, work_folder  # noqa: E402

CURL, DAV, S3 = "curl --parallel", "rclone to WebDAV", "rclone to S3"
FAST, SIZE = "masv-watch, verify: fast", "masv-watch, verify: size"

_RCLONE = (
    "rclone", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "--stats", "0",
    "--no-check-dest", "--transfers", "4",
)  # fmt: skip
_S3 = (
    ":s3,provider=Other,endpoint='{base}/s3',access_key_id=a,secret_access_key=b,region=us-east-1,"
    "force_path_style=true,no_check_bucket=true,no_head=true,disable_checksum=true,"
    "chunk_size={part},upload_concurrency=4,upload_cutoff=5Mi:bucket/whole"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every sender sends, and where to."""

    top: Path
    state: Path
    sink: Sink
    #: what speaks TLS before the sink; None: nothing does
    front: Front | None
    whole: Path
    slices: list[Path]
    #: bytes of one part
    part: int

    @property
    def size(self) -> int:
        """Give the bytes of the whole."""
        return sum(each.stat().st_size for each in self.slices)

    @property
    def base(self) -> str:
        """Give where to send."""
        return self.front.url if self.front else self.sink.url

    @property
    def trusted(self) -> str:
        """Give the file with the certificate that a sender must trust; empty without TLS."""
        return str(self.front.certificate) if self.front else ""


def by_daemon(stage: Stage, verify: str) -> Run:
    """Deliver the file by a daemon of its own."""
    number = len(list(stage.state.iterdir()))
    watcher = Watcher(
        stage.top / f"watcher-{number}",
        stage.base,
        transfer=f"connections: 4, chunk_size: {stage.part // MIB} MiB, verify: {verify}",
        state=stage.state / f"state-{number}",
        environ=stage.front.trusted_by_python() if stage.front else None,
    )
    with watcher:
        try:
            return deliver(watcher, stage.sink, stage.whole)
        finally:
            if (watcher.out / stage.whole.name).exists():
                (watcher.out / stage.whole.name).rename(stage.whole)


def by_curl(stage: Stage) -> Run:
    """Send the slices by one curl, four at a time."""
    words = stage.top / "curl.cfg"
    # without the question before each body, which would cost a round trip
    rows = ['header="Expect:"', *([f'cacert="{stage.trusted}"'] if stage.front else [])]
    for each in stage.slices:
        rows += [
            f'upload-file="{each}"',
            f'url="{stage.base}/put/{each.name}"',
            'output="/dev/null"',
        ]
    words.write_text("\n".join(rows) + "\n")
    flags = ("--parallel", "--parallel-max", "4", "--no-progress-meter", "--fail")
    return command(["curl", "-q", *flags, "-K", str(words)], stage.sink, size=stage.size)


def by_rclone(stage: Stage, form: str) -> Run:
    """Send the slices to a WebDAV, or the whole to an S3, by rclone."""
    words = [*_RCLONE, *(["--ca-cert", stage.trusted] if stage.front else [])]
    if form == DAV:
        words += ["copy", str(stage.slices[0].parent), f":webdav,url='{stage.base}/dav':"]
    else:
        target = _S3.format(base=stage.base, part=f"{stage.part // MIB}Mi")
        words += ["copyto", str(stage.whole), target]
    return command(words, stage.sink, size=stage.size)


SENDERS: dict[str, Callable[[Stage], Run]] = {
    FAST: partial(by_daemon, verify="fast"),
    SIZE: partial(by_daemon, verify="size"),
    CURL: by_curl,
    DAV: partial(by_rclone, form=DAV),
    S3: partial(by_rclone, form=S3),
}


def cut(whole: Path, folder: Path, part: int) -> list[Path]:
    """Cut a file into slices whose names tell their size, as the sink's WebDAV wants it."""
    folder.mkdir()
    found = []
    with whole.open("rb", buffering=0) as source:
        while block := source.read(part):
            found.append(folder / f"slice{len(found):04}.{len(block)}.bin")
            found[-1].write_bytes(block)
    return found


def compare(stage: Stage, figures: Figures) -> None:
    """Let every sender send once in each round."""
    gib = stage.size / 2**30
    for turn in range(figures.rounds):
        for name in turned(list(SENDERS), turn):
            run = SENDERS[name](stage)
            figures.add(
                name,
                cpu=run.cpu_s / gib,
                rate=stage.size / MIB / run.wire_s,
                seconds=run.whole_s,
                memory=run.peak_mib,
            )


def judge(figures: Figures, *, tls: bool) -> list[str]:
    """Hold the medians against the goals and write the tables."""
    # over TLS nothing can be left to the kernel, so that both ways to verify have one goal
    for name, most in ((FAST, 1.0), (SIZE, 1.0 if tls else 0.6)):
        figures.goal(
            f"CPU a GiB, {name}, over curl's",
            figures.median("cpu", name) / figures.median("cpu", CURL),
            limit=most, most=True,
        )  # fmt: skip
    # what ends TLS here is slower than any sender
    for name in () if tls else (FAST, SIZE):
        for peer in (CURL, DAV):
            figures.goal(
                f"throughput, {name}, over that of {peer}",
                figures.median("rate", name) / figures.median("rate", peer),
                limit=1.0, most=False,
            )  # fmt: skip
    return [
        figures.table("cpu", "CPU seconds of the sender for a GiB", peer=CURL),
        figures.table("rate", "MiB a second from the first byte to the last", peer=CURL),
        figures.table(
            "seconds",
            "Seconds from the drop to complete (1 and more of them settling), or of the command",
        ),
        figures.table("memory", "Resident memory of the sender, the most, MiB", peer=CURL),
    ]


def run(words: list[str] | None = None) -> None:
    """Measure as the command line asks."""
    line = parser(__doc__, rounds=3)
    line.add_argument("--mib", type=int, default=4096, help="size of the file")
    line.add_argument("--part-mib", type=int, default=100, help="size of one part")
    line.add_argument("--tls", action="store_true", help="over TLS 1.3")
    options = line.parse_args(words)
    needed("curl", "rclone", *(["openssl"] if options.tls else []))
    way = "TLS 1.3" if options.tls else "plain HTTP"
    figures = Figures(f"One file of {options.mib} MiB over 4 connections, {way}", options.rounds)
    with ExitStack() as stack:
        top = stack.enter_context(work_folder(in_memory=2 * options.mib * MIB))
        state = stack.enter_context(work_folder())
        sink = stack.enter_context(Sink())
        front = stack.enter_context(Front(sink, state)) if options.tls else None
        whole = filled(top / "whole.mov", options.mib * MIB)
        slices = cut(whole, top / "slices", options.part_mib * MIB)
        compare(
            Stage(
                top=top, state=state, sink=sink, front=front, whole=whole, slices=slices,
                part=options.part_mib * MIB,
            ),
            figures,
        )  # fmt: skip
    figures.tell(judge(figures, tls=options.tls), options.json)


if __name__ == "__main__":
    sys.exit(main(run))
