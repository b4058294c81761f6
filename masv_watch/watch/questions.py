"""What a person is asked about a drop that exceeds its limits, and what his word covers.

Owns the words for whom a drop goes to and how much of it, and the form in which a hold keeps them.
Never decides what exceeds a limit. Alone, because a word is given to one question and no other.

Law 1. A word covers what was asked or less of it: whoever changes a drop or its sidecar afterwards
       makes a new question.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from masv_watch.figures import counted
from masv_watch.model import Rule, Terms, To
from masv_watch.watch.addresses import recipients_of
from masv_watch.watch.amounts import human_size
from masv_watch.watch.settle import Seen

#: addresses that a question names; the others are counted
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How much of a drop would go, and to whom."""

    files: int
    #: bytes
    size: int
    #: addresses without case, and the portal
    to: tuple[str, ...]

    @property
    def text(self) -> str:
        """Write it for people: 3 files, 9.0 kB, to a@b.example."""
        rest = len(self.to) - _NAMED
        names = (*self.to[:_NAMED], *((f"{rest} more",) if rest > 0 else ()))
        number = counted(self.files, "file")
        return f"{number}, {human_size(self.size)}, to {', '.join(names) or 'nobody'}"

    @property
    def kept(self) -> str:
        """Give the form in which a hold keeps it; `question_of` reads it back."""
        return json.dumps(asdict(self))

    def covers(self, later: Question) -> bool:
        """Say whether a word given to this question answers a later one, too."""
        is_within = later.files <= self.files and later.size <= self.size
        return is_within and set(later.to) <= set(self.to)


def question(rule: Rule, path: bytes, seen: Seen) -> Question:
    """Give what there is to ask about a drop of a rule."""
    told = (*(recipients_of(rule, path) or ()), *rule.link.mail_to)
    portal = () if rule.to.portal is None else (f"portal {rule.to.portal}",)
    to = tuple(dict.fromkeys((*portal, *(one.casefold() for one in told))))
    return Question(files=seen.files, size=seen.size, to=to)


def question_of(kept: str) -> Question | None:
    """Read what a hold kept; None where it kept nothing, which covers nothing."""
    if not kept:
        return None
    tree = json.loads(kept)
    if "files" not in tree:
        # it was asked about something else
        return None
    return Question(files=tree["files"], size=tree["size"], to=tuple(tree["to"]))


def frozen(rule: Rule, terms: Terms) -> Rule:
    """Give a rule that names whom an upload goes to, whatever it named since."""
    return replace(
        rule,
        to=To(recipients=terms.recipients, portal=terms.portal, sender=terms.sender),
        link=replace(rule.link, mail_to=terms.mail_to),
    )
