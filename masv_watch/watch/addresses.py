"""Which subfolders of a hot folder are addresses, and to whom what lies in them goes.

Owns `to.by_subfolder` and `to.others`. Never looks at a disk. Called by the sweep for where drops
lie, by the drafts for whom they go to, and by intake and whoever explains.

Law 1. A named folder is an address and no drop: it is never sent, held, moved or removed.
Law 2. What nobody is named for is held; it never goes to somebody by guess.
"""

from __future__ import annotations

from masv_watch.model import Finding, HoldReason, Objection, Rule
from masv_watch.names import shown

#: of a rule that names none
NO_ADDRESSES: frozenset[bytes] = frozenset()


def addresses_of(rule: Rule) -> frozenset[bytes]:
    """Give the names below the root that are addresses."""
    return frozenset(name for name, _ in rule.to.by_subfolder)


def subfolder_of(path: bytes) -> bytes:
    """Give the address in which a drop lies; empty for one that lies in the root itself."""
    return path.rpartition(b"/")[0]


def drop_of(relative: bytes, addresses: frozenset[bytes]) -> bytes:
    """Give the drop to which a path below the root belongs; empty for an address or the root."""
    first, _, rest = relative.partition(b"/")
    if first not in addresses:
        return first
    inside = rest.partition(b"/")[0]
    return first + b"/" + inside if inside else b""


def recipients_of(rule: Rule, path: bytes) -> tuple[str, ...] | None:
    """Give whom the cloud mails about a drop of a rule; None when nobody is named for it."""
    to = rule.to
    named = dict(to.by_subfolder).get(subfolder_of(path))
    if named is not None:
        return named
    if to.by_subfolder and not to.sends_others:
        return None
    return to.recipients or ()


def addressing(rule: Rule, path: bytes) -> tuple[Objection, ...]:
    """Say whether somebody is named for a drop; () where no rule asks."""
    if not rule.to.by_subfolder:
        return ()
    names = recipients_of(rule, path)
    subfolder = shown(subfolder_of(path))
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
    where = f"lies in {subfolder}" if subfolder else "lies beside, and to.others is send"
    detail = f"{where}: goes to {', '.join(names) or 'nobody'}"
    return (Objection(findings=(_finding(True, detail, rule),)),)


def _finding(passed: bool, detail: str, rule: Rule) -> Finding:
    return Finding(test="to", passed=passed, detail=detail, rule_at=rule.at)
