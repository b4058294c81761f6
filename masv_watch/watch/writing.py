"""Whether somebody still writes what would go now: the last test of a drop.

Owns who is asked, and in which order: the look itself, the kernel, the processes of this machine.
Never asks about what would not go anyway. Built by `assessing` for each rule; its thread and one
that explains may use it, each with a root of its own.

Law 1. Where nobody can tell, the quiet time alone decides, and it is said so.
Law 2. The processes are gone through once for all the files of a drop, and for the drops that
       follow within seconds; an idle hot folder never has it done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from masv_watch import files
from masv_watch.loops import Clock
from masv_watch.model import Finding, HoldReason, Objection, Rule
from masv_watch.names import shown
from masv_watch.watch.scan import Placed, Tree

#: seconds between two questions about a file that somebody writes
WRITER_S = 15.0
#: seconds for which the answer of the processes counts, at least
ANSWER_S = 3.0
#: how many times as long as it took it counts as well, up to `WRITER_S`: as root 50,000 descriptors
#: take 0.4 s, and no burst of drops may have a core do nothing else
_REST = 20.0
#: what the kernel says of a network file system
_NETWORK = "on a network file system the kernel knows no writer"
NEVER = "not asked: the rule says open_check: never"
#: who counts where the kernel cannot tell
SEEN = "only programs that the daemon can see count"


class Writing:
    """The test of one hot folder for writers."""

    def __init__(self, clock: Clock, *, stop: Callable[[], bool]) -> None:
        """Begin without an answer; `stop` ends a long question."""
        self._clock = clock
        self._stop = stop
        #: why the kernel's last answer proved nothing; "" where it did
        self._unknown = ""
        #: of a root: what is written below it, and until which monotonic second that counts
        self._written: tuple[bytes, Collection[bytes], float] | None = None

    def told(self, rule: Rule, *, is_local: bool) -> str:
        """Say why not every writer would be seen; "" where it would, as far as is known."""
        if not rule.settle.asks_for_writers:
            return NEVER
        why = self._unknown if is_local else _NETWORK
        return f"cannot tell: {why}; {SEEN}" if why else ""

    def objection(self, rule: Rule, root: files.Root, tree: Tree, *, is_local: bool) -> Objection:
        """Say whether somebody writes a drop that would go now."""
        if tree.busy:
            # pain 6: whatever the rule says, it cannot be sent, and that is no fault of anybody's
            return self._written_now(str(tree.busy[0]))
        if not rule.settle.asks_for_writers:
            return Objection(findings=(_finding(True, NEVER),))
        paths = [path for path, _ in tree.files]
        found = self._ask(root, tree.files, paths, most=1, is_local=is_local)
        if found.busy:
            return self._written_now(f"{shown(found.busy[0])} is open for writing")
        if not found.unknown:
            return Objection(findings=(_finding(True, "no program writes it"),))
        said = f"cannot tell: {found.unknown}; no program that the daemon can see writes it"
        return Objection(findings=(_finding(True, said),))

    def not_written(
        self,
        rule: Rule,
        root: files.Root,
        tree: Tree,
        settled: Iterable[Placed],
        *,
        is_local: bool,
    ) -> tuple[Placed, ...]:
        """Leave out of files of a tree that settled those which somebody still writes."""
        in_use = {each.path for each in tree.busy}
        placed = tuple(each for each in settled if each[0] not in in_use)
        if not placed or not rule.settle.asks_for_writers:
            return placed
        paths = [path for path, _ in placed]
        busy = set(self._ask(root, placed, paths, most=len(placed), is_local=is_local).busy)
        return tuple(each for each in placed if each[0] not in busy) if busy else placed

    def _ask(
        self,
        root: files.Root,
        placed: Iterable[Placed],
        paths: Collection[bytes],
        *,
        most: int,
        is_local: bool,
    ) -> files.Writers:
        """Ask the kernel where it knows, and the processes where it does not."""
        if is_local and not lies_fresh(root, placed):
            found = files.find_writers(root, paths, most=most, stop=self._stop)
            self._unknown = self._unknown if found.busy else found.unknown
            if not found.unknown or len(found.busy) == most:
                return found
        else:
            found = files.Writers(unknown=_NETWORK)
        written = self._programs_write(root)
        busy = {*found.busy, *(path for path in paths if path in written)}
        return files.Writers(busy=tuple(sorted(busy)), unknown=found.unknown)

    def _programs_write(self, root: files.Root) -> Collection[bytes]:
        """Give what programs have open for writing below a root, as the last seconds showed it."""
        began, known = self._clock.monotonic(), self._written
        if known is not None and known[0] == root.path and began < known[2]:
            return known[1]
        found = frozenset(files.written_below(root.path, stop=self._stop))
        ended = self._clock.monotonic()
        counts_s = min(max(ANSWER_S, _REST * (ended - began)), WRITER_S)
        if not self._stop():
            self._written = root.path, found, ended + counts_s
        return found

    def _written_now(self, note: str) -> Objection:
        again = self._clock.monotonic() + WRITER_S
        return Objection(
            hold=HoldReason.OPEN_BY_WRITER,
            note=note,
            retry_at=again,
            findings=(_finding(False, note, retry_at=again),),
        )


def lies_fresh(root: files.Root, placed: Iterable[Placed]) -> bool:
    """Say whether something of a drop lies where a plain stat may be old."""
    return root.is_fresh(*{identity.device for _, identity in placed})


def _finding(passed: bool, detail: str, *, retry_at: float | None = None) -> Finding:
    return Finding(test="writer", passed=passed, detail=detail, retry_at=retry_at)
