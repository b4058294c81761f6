"""Where in a hot folder drops lie, which subfolders are addresses, and to whom what is there goes.

Owns `depth`, `to.by_subfolder` and `to.others`. Never looks at a disk. Called by the sweep for
where drops lie, by the drafts for whom they go to, and by intake and whoever explains.

Law 1. A named folder is an address and no drop: it is never sent, held, moved or removed. Where
       files at any depth are drops, so is every folder.
Law 2. What nobody is named for is held; it never goes to somebody by guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from masv_watch.model import Finding, HoldReason, Objection, Rule
from masv_watch.names import shown

#: of a rule that names none
NO_ADDRESSES: frozenset[bytes] = frozenset()


def addresses_of(rule: Rule) -> frozenset[bytes]:
    """Give the names below the root that are addresses."""
    return frozenset(name for name, _ in rule.to.by_subfolder)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a hot folder drops lie."""

    #: names right below the root in which drops lie, too
    addresses: frozenset[bytes] = NO_ADDRESSES
    #: each file is a drop, wherever it lies, and no folder is
    is_deep: bool = False

    def drop_of(self, relative: bytes) -> bytes:
        """Give the drop to which a path below the root belongs; empty for an address or the root.

        Where files at any depth are drops, a folder is none all the same: only the disk tells.
        """
        if self.is_deep:
            return b"" if relative in self.addresses else relative
        first, _, rest = relative.partition(b"/")
        if first not in self.addresses:
            return first
        inside = rest.partition(b"/")[0]
        return first + b"/" + inside if inside else b""


def layout_of(rule: Rule) -> Layout:
    """Give where the drops of a rule lie."""
    return Layout(addresses_of(rule), is_deep=rule.is_deep)


def subfolder_of(path: bytes) -> bytes:
    """Give the folder below the root in which a drop lies; empty for one in the root itself.

    That is its address, and with files at any depth all that is above it.
    """
    return path.rpartition(b"/")[0]


def above(path: bytes) -> Iterator[bytes]:
    """Give every folder in which a path lies, the root left out."""
    while (path := path.rpartition(b"/")[0]) != b"":
        yield path


def recipients_of(rule: Rule, path: bytes) -> tuple[str, ...] | None:
    """Give whom the cloud mails about a drop of a rule; None when nobody is named for it."""
    return rule.to.mailed_for(path)


def is_in_same_address(rule: Rule, one: bytes, other: bytes) -> bool:
    """Say whether two drops of a rule lie in the same address, or both in none."""
    named = addresses_of(rule)
    first, second = _address_of(one), _address_of(other)
    return first == second or not (first in named or second in named)


def _address_of(path: bytes) -> bytes:
    """Give the first name on the way to a drop, which may be an address; empty without one."""
    first, slash, _ = path.partition(b"/")
    return first if slash else b""


def addressing(rule: Rule, path: bytes) -> tuple[Objection, ...]:
    """Say whether somebody is named for a drop; () where no rule asks, and of an address itself."""
    if not rule.to.by_subfolder or path in addresses_of(rule):
        return ()
    names = recipients_of(rule, path)
    if names is None:
        detail = "lies outside of the folders that to.by_subfolder names"
        return (
            Objection(
                hold=HoldReason.NO_RECIPIENT,
                note=f"{shown(path)} {detail}",
                is_early=True,
                findings=(_finding(False, detail, rule),),
            ),
        )
    address = _address_of(path)
    is_named = address in addresses_of(rule)
    where = f"lies in {shown(address)}" if is_named else "lies beside, and to.others is send"
    detail = f"{where}: goes to {', '.join(names) or 'nobody'}"
    return (Objection(findings=(_finding(True, detail, rule),)),)


def _finding(passed: bool, detail: str, rule: Rule) -> Finding:
    return Finding(test="to", passed=passed, detail=detail, rule_at=rule.at)
