"""The part of the store's contract about quotas that do not suffice.

Owns the promises of each verb, not how an engine keeps them. Never moves bytes and never speaks to
the outside. Part of `store.contract`, whose laws hold here; implemented in `store.shortages`.
Alone, because the contract has no lines left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from masv_watch.retry import Shortage


class Shortages(Protocol):
    """Who has no quota left or owes a payment, and what waits for it."""

    def shortage(self, payer: str) -> Shortage | None:
        """Give the shortage of whom an upload's bytes count against, or None."""
        ...

    def shortages(self) -> Sequence[Shortage]:
        """List all of them, the oldest first."""
        ...

    def note_shortage(self, payer: str, *, step: str, why: str) -> Shortage:
        """Store that the cloud refused a step; one of several before the next try counts."""
        ...

    def end_shortage(self, payer: str) -> None:
        """Forget a shortage, and let what waited for its end be tried at once."""
        ...

    def ask_again(self, payer: str) -> None:
        """Let the cloud be asked at once for all that waits for the end of a shortage.

        The shortage goes on: what is refused then counts as one more refusal of it.
        """
        ...

    def retry_upload(self, upload_id: str) -> None:
        """Let an upload wait for no retry and for no quota; its slot and its windows it waits for.

        Where its payer lacks quota the cloud is asked once more; in vain, the next pause is as long
        as the one that was cut short.
        """
        ...

    def unpaid(self) -> Mapping[str, Shortage]:
        """Give the ids of uploads that wait for the end of a shortage.

        Each with its shortage, whose `ask_at` is when the cloud is asked again for that upload. One
        that was refused waits until the cloud has taken what it refused; any other only as long as
        nobody may ask for it.
        """
        ...

    def forget_shortages(self) -> Sequence[str]:
        """Forget those whose time has come and for which nobody waits; give whose they were."""
        ...
