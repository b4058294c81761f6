"""Every fault that a hot folder meets has a test that is marked with its number."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FAULTS = {
    1: "the kernel's queue of notifications overflows",
    2: "a deep tree appears at once",
    3: "no further folder can be listened to",
    4: "a thread of the observer dies",
    5: "a hot folder is missing at the start",
    6: "a hot folder is deleted and made anew",
    7: "a hot folder is renamed and another takes its path",
    8: "its file system is unmounted, so that it looks empty",
    9: "another volume is mounted there",
    10: "a network file system hangs",
    11: "a file grows",
    12: "a writer pauses for longer than the quiet time",
    13: "a file has its whole size at once",
    14: "a rewrite of the same size puts the time back",
    15: "somebody writes to a mapping",
    16: "a file is cut while it is sent",
    17: "a file is deleted before or while it is sent",
    18: "another file takes the name of one that is sent",
    19: "a temporary name becomes the final one",
    20: "names with line breaks, escapes, bidi marks, of 255 bytes or of dots alone",
    21: "names that are not UTF-8",
    22: "names that differ by composition or by case only",
    23: "symbolic links to the outside, upwards, to themselves and to nothing",
    24: "a link takes the place of what was checked",
    25: "a hard link to a file outside",
    26: "a FIFO, a socket, a device",
    27: "an empty file",
    28: "a sparse file that is far larger than its space",
    29: "a file or a folder that may not be read",
    30: "the disk fails while it is read",
    31: "very many small files",
    32: "hot folders that overlap",
    33: "the target of a move is full or on another file system",
    42: "the wall clock jumps",
    43: "files of the future and of 1970",
}


def marked(source: str) -> Iterator[int]:
    """Give the rows with which tests of a module are marked."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                yield from (row.value for row in mark.args if isinstance(row, ast.Constant))


def test_every_fault_of_a_hot_folder_has_a_test_that_is_marked_with_it(project: Path):
    """A test that goes away takes its mark along, and this one tells."""
    found = {row for path in project.glob("tests/**/test_*.py") for row in marked(path.read_text())}

    assert {row: FAULTS[row] for row in FAULTS if row not in found} == {}


def test_marks_are_read_from_decorators():
    """A number elsewhere is no mark."""
    source = """
@pytest.mark.fault(3)
@pytest.mark.long
@pytest.mark.parametrize("fault", [5])
def test_a(fault):
    fault(7)
"""

    assert list(marked(source)) == [3]
