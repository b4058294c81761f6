"""Which folders of a root nobody has to hear of.

Owns what is taken out of the watches for notifications: the trash, and where delivered sources are
moved to, with everything below. Never looks at a disk. Used by hints for what it arms, by narrowing
for what it walks, and by whoever counts what has to be watched.

It stands alone because the watches must not know of rules, nor the rules of watches.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from masv_watch.files import TRASH
from masv_watch.model import Rule
from masv_watch.watch.plain import one_line
from masv_watch.watch.rules import target_shape


@dataclass(frozen=True, slots=True)
class Spared:
    """The folders below one root that are not watched; equal ones spare the same."""

    #: pattern of what a rule's moves leave below the root; "" for nothing
    target: str = ""

    def has(self, relative: bytes) -> bool:
        """Say whether a folder below the root is one of them, or lies in one."""
        if relative.partition(b"/")[0] == TRASH:
            return True
        if not self.target:
            return False
        text = one_line(relative.decode("utf-8", "surrogateescape"))
        return _compiled(self.target).match(text) is not None


#: the trash alone
NOTHING_MORE = Spared()


def spared_of(rule: Rule) -> Spared:
    """Give the folders of a rule's root that are not watched."""
    return Spared(target_shape(rule) or "")


@functools.lru_cache(maxsize=64)
def _compiled(shape: str) -> re.Pattern[str]:
    return re.compile(shape, re.DOTALL)
