"""Turn a drop and its rule into a draft of an upload.

Owns what is frozen of a rule when a drop is taken: whom it goes to, what it is called, what happens
after. Never reads a disk or a clock. Called by intake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from masv_watch.model import Draft, DropDraft, DropMode, Rule, Terms
from masv_watch.names import shown
from masv_watch.watch.addresses import recipients_of
from masv_watch.watch.gathering import gather
from masv_watch.watch.rules import package_name
from masv_watch.watch.scan import Placed, Tree
from masv_watch.watch.settle import Seen


def terms_of(rule: Rule, top: bytes) -> Terms:
    """Give what a drop's upload freezes of its rule; whom the cloud mails gets no letter of ours.

    A drop for which nobody is named is held; it goes to nobody if it ever came so far.
    """
    recipients = recipients_of(rule, top) or ()
    is_batch = rule.drop is DropMode.BATCH
    told = {address.casefold() for address in recipients}
    return Terms(
        type=rule.upload_type,
        recipients=recipients,
        portal=rule.to.portal,
        sender=rule.to.sender,
        mail_to=tuple(address for address in rule.link.mail_to if address.casefold() not in told),
        template=rule.link.template,
        after=rule.after,
        idle_s=rule.idle_s,
        batch=is_batch,
        max_open_s=rule.finalize.max_open_s if is_batch else None,
        max_files=rule.finalize.max_files if is_batch else None,
        max_size=rule.finalize.max_size if is_batch else None,
        on_vanish=rule.on_vanish,
        partial=rule.partial,
        follow=rule.follow,
        keeps_recipients=rule.keeps_recipients,
        give_up_after_s=rule.retry.give_up_after_s,
        expires_s=rule.package.expires_s,
        downloads=rule.package.downloads,
    )


def drop_draft(drop_id: int, tree: Tree, seen: Seen, *, remarks: Iterable[str] = ()) -> DropDraft:
    """Give a quiet drop with its files, what was left out of it, and what else is to be said."""
    empty = [f"{shown(path)} is an empty folder" for path in tree.empty_folders()]
    return DropDraft(
        drop_id=drop_id,
        signature=seen.signature,
        files=gather(tree.top, tree.files),
        skipped=(*(str(entry) for entry in tree.skipped), *empty, *remarks),
    )


def arriving_draft(drop_id: int, tree: Tree, settled: Iterable[Placed]) -> DropDraft:
    """Give a drop that still arrives, with what settled of it."""
    return DropDraft(drop_id=drop_id, signature="", files=gather(tree.top, settled), is_whole=False)


def draft_of(
    rule: Rule,
    tree: Tree,
    drop: DropDraft,
    *,
    local: datetime,
    earlier: int,
    replaces: Sequence[str] = (),
) -> Draft:
    """Give the upload of one drop; `earlier` deliveries of the name give it a number.

    One that `replaces` uploads takes their name. One that still arrives is named by a rule that
    does not name what only the whole shows.
    """

    def fill(template: str) -> str:
        return package_name(
            template,
            tree.top,
            kind=tree.kind,
            hot_folder=rule.name,
            local=local,
            files=len(tree.files),
            size=tree.size,
        )

    name = fill(rule.package.name)
    if not name.strip():
        # the cloud takes no package without one, and what was dropped always has one
        name = fill("{name}")
    return Draft(
        hot_folder=rule.name,
        root=rule.path,
        name=_numbered(name, 0 if replaces else earlier, is_late=drop.is_late),
        message=_added(fill(rule.package.message), name, earlier)
        if drop.is_late
        else fill(rule.package.message),
        terms=replace(terms_of(rule, tree.top), replaces=tuple(replaces)),
        drops=(drop,),
        recall_s=rule.recall_s,
        priority=rule.priority,
        keeps_priority=rule.keeps_priority,
        chunk_size=rule.chunk_size,
        password=rule.package.password,
    )


def _added(message: str, name: str, earlier: int) -> str:
    """Give the message of what came later, which says what it adds to: every letter has it."""
    past = "was delivered before" if earlier else "was there before"
    said = f"This adds to {name}, which {past}."
    return f"{message}\n\n{said}" if message else said


def _numbered(name: str, earlier: int, *, is_late: bool) -> str:
    """Give a package's name what tells it from the earlier ones of the same drop."""
    if is_late:
        # what was only recorded, or delivered under another name, is no earlier package of this one
        return f"{name} (added)" if earlier <= 1 else f"{name} (added {earlier})"
    return f"{name} ({earlier + 1})" if earlier else name
