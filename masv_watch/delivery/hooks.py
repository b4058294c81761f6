"""The loop that tells the hooks of hot folders what becomes of their drops.

Owns when one is told, and the retries of this room. Never changes an upload or a drop: a hook that
fails is shown and tried again, and delivery stands. Built by `daemon`.

Law 1. What is told is a row before it is told; each hook is told once of each thing.
Law 2. Whom a hot folder tells is asked of its rule as it is at that moment (behaviour 7.6).
Law 3. What is for one address is told to no other, wherever the hooks stand after a reload.
Law 4. A hook that does not answer is asked once for all that waits for it; the others do not wait.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping

from masv_watch.delivery import bulletins, webhook
from masv_watch.errors import HookDeferred, HookError
from masv_watch.loops import Clock
from masv_watch.metrics import Metrics
from masv_watch.model import Bulletin, Hook, Need, Settings
from masv_watch.retry import Next, decide
from masv_watch.store.contract import Store

log = logging.getLogger(__name__)

#: seconds between two looks at what moved
LOOK_S = 5.0
#: seconds between two looks while nobody is to be told anything; a reload rings
REST_S = 60.0
#: seconds after which what was never taken is given up, as with letters
LIFE_S = 72 * 3600.0
#: seconds between two tries of what only a person can mend
OPERATOR_S = 3600.0
#: failures in a row after which a person is told
TROUBLE = 3


class Herald:
    """Whoever tells hooks; `tick` is called by one loop."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        *,
        host: str,
        clock: Clock,
        metrics: Metrics,
        luck: Callable[[], float],
    ) -> None:
        """Begin; `settings` are asked as they are now, `host` is the machine's name."""
        self._store = store
        self._settings = settings
        self._host = host
        self._clock = clock
        self._metrics = metrics
        self._luck = luck
        #: nobody is to be told anything, and nothing is left to tell
        self._is_at_rest = False
        #: whom the hot folders told when it was looked at last
        self._known: Mapping[str, tuple[Hook, ...]] = {}

    def tick(self) -> float:
        """Note what is to be told, and tell one thing; give the seconds to the next look."""
        wanted = dict(self._hooks())
        if not wanted and self._is_at_rest:
            return REST_S
        if wanted != self._known:
            self._store.inherit_bulletins(wanted)
            self._known = wanted
        is_all = self._store.gather_bulletins(wanted)
        bulletin = self._store.due_bulletin()
        self._is_at_rest = not wanted and bulletin is None
        if bulletin is None:
            return LOOK_S if is_all else 0.0
        self._tell(bulletin)
        return 0.0

    def needs(self) -> Iterator[Need]:
        """Give the hooks that do not take what they are told."""
        for bulletin, note in self._store.untold_bulletins(TROUBLE):
            hook = self._hook_of(bulletin)
            if hook is None:
                continue
            name = bulletin.hot_folder
            yield Need(
                key=f"hook {name} {bulletin.hook}",
                text=f"hot folder {name}: its {hook.kind} hook is not told: {note}",
                cure="correct its `notify`, then masv-watch reload; what waits for an address that"
                " never took anything goes to the corrected one",
            )

    def _hooks(self) -> Iterator[tuple[str, tuple[Hook, ...]]]:
        return ((rule.name, rule.notify) for rule in self._settings().hot_folders if rule.notify)

    def _hook_of(self, bulletin: Bulletin) -> Hook | None:
        """Give the hook whose a bulletin is, where its rule tells it of such things."""
        hooks = dict(self._hooks()).get(bulletin.hot_folder, ())
        mine = (hook for hook in hooks if self._store.mark_of(hook) == bulletin.whose)
        return next((hook for hook in mine if bulletin.told in hook.events), None)

    def _tell(self, bulletin: Bulletin) -> None:
        hook = self._hook_of(bulletin)
        if hook is None or hook.url is None:
            # another hook may stand in its place by now
            self._store.end_bulletin(bulletin, "nobody is to be told any more")
            return
        upload = self._store.upload(bulletin.noun_id) if bulletin.noun == "upload" else None
        body = bulletins.body(bulletin, hook.kind, upload=upload, host=self._host)
        try:
            note = webhook.post(hook.url, body)
        except HookError as error:
            self._failed(bulletin, hook, error)
        else:
            self._store.end_bulletin(bulletin, note, taken=True)
            self._metrics.count("hooks_told", kind=hook.kind)
            log.info("a hook was told", extra=_said(bulletin, hook))

    def _failed(self, bulletin: Bulletin, hook: Hook, error: HookError) -> None:
        self._metrics.count("hook_failures", kind=hook.kind, code=error.code)
        told = {"code": error.code, "reason": error.message, "cure": error.hint}
        said = {**_said(bulletin, hook), **told}
        now = self._store.now()
        if now - bulletin.created_at > LIFE_S:
            ended = self._store.give_up_bulletins(bulletin, str(error), older_than_s=LIFE_S)
            log.error("a hook was never told", extra={**said, "things": ended})
            return
        decision = decide(error, bulletin.attempts + 1, now, self._luck())
        is_again = decision.next is Next.AGAIN and decision.at is not None
        at = decision.at if is_again else now + OPERATOR_S
        self._store.retry_bulletin(
            bulletin,
            retry_at=at or 0.0,
            note=str(error),
            deferred=isinstance(error, HookDeferred),
        )
        log.warning("a hook was not told and is told later", extra=said)


def _said(bulletin: Bulletin, hook: Hook) -> dict[str, object]:
    return {
        "hot_folder": bulletin.hot_folder,
        "kind": hook.kind,
        "told": bulletin.told,
        bulletin.noun: bulletin.noun_id,
    }
