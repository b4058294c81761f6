"""What a hot folder's rule says now, as the API shows it.

Owns how settings become values that JSON can hold, times and spans as people write them. Never
shows a secret: that there is one is all that is told. Called by `api.bodies`.
"""

from __future__ import annotations

from masv_watch.api.outlines import (
    HookBody,
    RuleBody,
    RuleOfDropsBody,
    RuleOfPackagesBody,
    RuleOfTimesBody,
)
from masv_watch.config.wording import span_text
from masv_watch.model import ANY_SIZE, After, Depth, DropMode, Rule
from masv_watch.names import shown

_TAKES = {
    DropMode.EACH: "each file and each folder",
    DropMode.FILE: "each file",
    DropMode.FOLDER: "each folder",
    DropMode.BATCH: "all that settles, as one batch",
}


def rule_body(rule: Rule) -> RuleBody:
    """Give what a rule says, defaults included."""
    return {**_of_drops(rule), **_of_packages(rule), **_of_times(rule)}


def _of_drops(rule: Rule) -> RuleOfDropsBody:
    return {
        "takes": takes(rule),
        "quiet_s": rule.settle.quiet_s,
        "learns_quiet": rule.settle.is_learned,
        "done_marker": rule.settle.done_marker,
        "sidecar": None if rule.sidecar is None else rule.sidecar.name,
        "incomplete_holds": list(rule.whole.can_refuse),
        "early": rule.early,
        "only": [*rule.only, *rule.only_regex],
        "ignore": [*rule.ignore, *rule.ignore_regex],
        "ignore_builtin": rule.ignore_builtin,
        "least_size": rule.size.least,
        "most_size": None if rule.size.most == ANY_SIZE.most else rule.size.most,
        "least_age_s": rule.age.min_s,
        "most_age_s": rule.age.max_s,
        "follow": rule.follow,
        "skips_hardlinks": rule.skips_hardlinks,
        "initial": rule.initial,
        "redrop": rule.redrop,
        "dedupe": rule.dedupe,
        "late": rule.late,
        "removable": rule.removable,
        "filesystems": list(rule.expect.filesystems),
        "mtime_grain_s": rule.mtime_grain_s,
    }


def _of_packages(rule: Rule) -> RuleOfPackagesBody:
    return {
        "portal": rule.to.portal,
        "recipients": list(rule.to.recipients or ()),
        "mail_to": list(rule.link.mail_to),
        "package_name": rule.package.name,
        "package_message": rule.package.message,
        "has_password": rule.package.password is not None,
        "expires_s": rule.package.expires_s,
        "downloads": rule.package.downloads,
        "idle_s": rule.idle_s,
        "recall_s": rule.recall_s,
        "chunk_size": rule.chunk_size,
        "on_vanish": rule.on_vanish,
        "partial": rule.partial,
        "give_up_after_s": rule.retry.give_up_after_s,
    }


def _of_times(rule: Rule) -> RuleOfTimesBody:
    after, duplicate = rule.afters
    return {
        "after_delivered": _after(after),
        "after_duplicate": _after(duplicate),
        "trash_for_s": rule.trash_for_s,
        "priority": rule.priority,
        "tz": rule.schedule.tz,
        "windows": [span_text(span) for span in rule.schedule.windows],
        "deliver_windows": [span_text(span) for span in rule.schedule.deliver],
        "deadline": _clock(rule.schedule.deadline),
        "expect_by": _clock(rule.schedule.expect_by),
        "most_files": rule.limits.files,
        "most_bytes": rule.limits.size,
        "most_bytes_a_day": rule.limits.per_day,
        "domains": None if rule.limits.domains is None else list(rule.limits.domains),
        "notify": [_hook(hook.kind, hook.events) for hook in rule.notify],
    }


def takes(rule: Rule) -> str:
    """Say in one clause what a hot folder takes for a drop."""
    if rule.drop is DropMode.BATCH:
        return _TAKES[rule.drop]
    where = "however deep it lies" if rule.depth is Depth.ANY else "at its top"
    among = ", and in each address" if rule.to.by_subfolder and rule.depth is Depth.TOP else ""
    return f"{_TAKES[rule.drop]}{',' if rule.depth is Depth.ANY else ''} {where}{among}"


def _after(after: After) -> str:
    # a template is text of the configuration, and its root may not be UTF-8
    target = (after.move_to or "").encode("utf-8", "surrogateescape")
    return f"move to {shown(target)}" if after.delivered == "move" else after.delivered


def _hook(kind: str, events: tuple[str, ...]) -> HookBody:
    return {"kind": str(kind), "events": [str(event) for event in events]}


def _clock(minutes: int | None) -> str | None:
    return None if minutes is None else f"{minutes // 60:02}:{minutes % 60:02}"
