"""Every real complaint that the software answers has a test that names its number.

The numbers are those of a collection of reports by users of other hot folders; the lines are ours.
A test names one in its docstring: `(pain 26)`, `(pains 18, 26)`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PAINS = {
    1: "a file is taken while somebody still writes it",
    2: "a temporary name that was ignored hides the name that it gets in the end",
    3: "a writer opens and closes its file many times, and a close is taken for the end",
    4: "the pauses between two writes are longer than the quiet time",
    5: "repeated notifications queue one file several times",
    6: "a file that is busy at the moment has failed for ever",
    7: "nothing happens on a network share, without an error, until a restart",
    8: "a person has to know that a share needs polling",
    9: "a share that is mounted below a local folder is listened to in vain",
    10: "a slow file is given up and never looked at again",
    11: "a setting is not in effect, and nothing says so",
    12: "notifications are lost without a word",
    13: "the limit of notifications ends the program",
    14: "notifications end for ever while everything looks well",
    15: "a disk that was unplugged looks like a folder of which all was deleted",
    16: "the message of a hold does not say what helps",
    17: "a share that nobody may write to can hold no marker",
    18: "a file that changes while it is sent fails late, or goes unnoticed",
    19: "times that drift below a second are taken for changes",
    20: "one file that changes fails the whole work and wakes people",
    21: "a folder is taken while it is filled, and the rest never goes",
    22: "nobody can see why something was not taken",
    23: "files that come after the end are never sent",
    24: "a folder of ours lies inside the hot folder and is sent",
    25: "files in a folder that is newer than its watch are lost",
    26: "half of what was sent is of the old content, half of the new",
    27: "a folder that nobody reads any more is shown as up to date",
    28: "one entry that cannot be read ends the work on all others",
    29: "a file that is moved over another one becomes a conflict",
    30: "very many files are listed again and again, and nothing is sent",
    31: "what went wrong with one file is not shown",
    32: "a limit is named without the number that is needed",
    33: "a start queues thousands of files that were sent before",
    34: "a file that is being sent is queued once more",
    35: "a start reads every byte before it does anything",
    36: "two files of one name in two folders are taken for one",
    37: "other content under a name that was sent is never sent",
    38: "a duplicate is an error at every start",
    39: "what was sent once cannot be sent again on purpose",
    40: "the right to remove the source is missing, which shows only at the end",
    41: "work that was done begins anew after a restart",
    42: "there is no timetable for sending",
    43: "a timetable works on its first day only",
    44: "the end of a window throws away what was sent",
    45: "a limit of the rate cannot be changed while something is sent",
    46: "a folder that is mounted again is found only much later",
    47: "a renderer that pauses for minutes is taken for done",
    48: "what is known of earlier files can be neither cleared nor built",
    49: "a mistake in the configuration has no line",
    50: "a broken configuration ends in a traceback",
    51: "a key that is misspelt is accepted in silence",
    52: "a message does not say in which file",
    53: "the parser points to another line than the slip's",
    54: "the wait for one file ends after some tries, and holds up all others",
    55: "what was taken too early keeps the whole from being taken, by its name",
    56: "a start before the share is there queues everything again",
    57: "a thread dies, and only its process is looked at",
    58: "a full disk ends the work for good",
    59: "people need scripts to drop a file safely",
}
_NAMED = re.compile(r"\(?\bpains? (\d+(?:, \d+)*)")


def named(source: str) -> Iterator[int]:
    """Give the pains that the docstrings of a module's tests name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for numbers in _NAMED.findall(ast.get_docstring(node) or ""):
                yield from map(int, numbers.split(", "))


def test_every_pain_has_a_test_that_names_it(project: Path):
    """A test that goes away takes its number along, and this one tells."""
    found = {
        number for path in project.glob("tests/**/test_*.py") for number in named(path.read_text())
    }

    assert {number: PAINS[number] for number in PAINS if number not in found} == {}
    assert found <= PAINS.keys()


def test_pains_are_read_from_the_docstrings_of_tests_alone():
    """Neither another function's nor a comment's number counts."""
    source = """
def test_a():
    '''Nothing is lost (pain 3, fault 4), whatever comes (pains 5, 61).'''

def help_it():
    '''No proof (pain 7).'''
    # pain 8
"""

    assert list(named(source)) == [3, 5, 61]
