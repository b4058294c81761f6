"""What a person is asked before a button does what nothing takes back.

Owns the words: what is meant by its name, to whom it goes or would have gone, and what follows.
Never decides whether it may be done. Used by `api.page.buttons`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from masv_watch.figures import counted

#: addresses that a question names; the others are counted
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and the word on the button that says yes."""

    title: str
    #: to whom it goes, and what follows
    text: str
    yes: str


def told(to: Sequence[str], *, names_others: bool = False) -> str:
    """Name everybody to whom something goes in one clause.

    `names_others`: a sidecar that lies beside it may.
    """
    more = f" and {len(to) - _NAMED} more" if len(to) > _NAMED else ""
    named = ", ".join(to[:_NAMED]) + more if to else "nobody by mail"
    return named + (", unless a sidecar names others" if names_others else "")


def cancel_drop(path: str, hot_folder: str, to: str) -> Question:
    """Ask before a drop is ended."""
    return Question(
        title=f"Cancel {path}?",
        text=f"It is in hot folder {hot_folder} and would go to {to}. It is not sent, and"
        " neither is what still comes of it. Its source stays where it is; other content under its"
        " name is a new drop.",
        yes="Cancel the drop",
    )


def cancel_upload(name: str, to: str, *, drops: int) -> Question:
    """Ask before an upload that is not delivered is ended."""
    what = f" It holds {counted(drops, 'drop')} of its hot folder." if drops > 1 else ""
    return Question(
        title=f"Cancel {name}?",
        text=f"It would go to {to}.{what} It is not delivered, and what MASV has of it is"
        " deleted there. Its sources stay where they are.",
        yes="Cancel the upload",
    )


def finalize(name: str, to: str) -> Question:
    """Ask before an upload is delivered."""
    return Question(
        title=f"Deliver {name}?",
        text=f"It goes to {to} as it is now.",
        yes="Deliver",
    )


def finalize_batch(hot_folder: str, to: str) -> Question:
    """Ask before an open batch is delivered."""
    return Question(
        title=f"Deliver the open batch of {hot_folder}?",
        text=f"It goes to {to} with what is in it now. What comes later begins the next one.",
        yes="Deliver",
    )


def finalize_ended(hot_folder: str, to: str, *, batches: int) -> Question:
    """Ask before batches are delivered that could still be taken back."""
    if batches == 1:
        which = "the batch that ended"
        what = (
            f"It waits in its recall window and goes to {to} at once. Nothing takes it back then."
        )
    else:
        which = f"{batches:,} batches that ended"
        what = (
            f"They wait in their recall windows and go to {to} at once. Nothing takes them back"
            " then."
        )
    return Question(title=f"Deliver {which} of {hot_folder}?", text=what, yes="Deliver")


def release_drop(path: str, hot_folder: str, to: str) -> Question:
    """Ask before a drop goes that is held."""
    return Question(
        title=f"Send {path}?",
        text=f"It is held in hot folder {hot_folder} and goes to {to}.",
        yes="Send the drop",
    )


def release_all(drops: int, hot_folder: str, to: str) -> Question:
    """Ask before everything goes that the first start held."""
    return Question(
        title=f"Send all of {counted(drops, 'drop')}?",
        text=f"They were in hot folder {hot_folder} at its first start and go to {to}.",
        yes="Send all",
    )


def seed(drops: int, hot_folder: str) -> Question:
    """Ask before what the first start held is taken for seen."""
    return Question(
        title=f"Record {counted(drops, 'drop')} as seen?",
        text=f"What was in hot folder {hot_folder} at its first start is then not sent. Other"
        " content under the same names is.",
        yes="Record as seen",
    )


def resend(path: str, hot_folder: str, to: str) -> Question:
    """Ask before something goes once more."""
    return Question(
        title=f"Send {path} again?",
        text=f"All of it goes once more, whatever was delivered of it, as hot folder {hot_folder}"
        f" says now: to {to}.",
        yes="Send again",
    )


def rebind(name: str, hot_folder: str, *, before: str, after: str) -> Question:
    """Ask before an upload goes to others than it was made for."""
    return Question(
        title=f"Let {name} go to whom its rule names now?",
        text=f"It was to go to {before}. Hot folder {hot_folder} says now: to {after}."
        " A package that was made for others is cancelled at MASV, and all of it is sent anew.",
        yes="Rebind",
    )


def adopt(hot_folder: str, path: str, to: str) -> Question:
    """Ask before another root takes the place of the one that was known."""
    return Question(
        title=f"Adopt what stands at {path}?",
        text=f"Hot folder {hot_folder} then takes it for its root, whatever disk it is. What the"
        f" ledger does not know there counts as at a first start and may go to {to}.",
        yes="Adopt",
    )
