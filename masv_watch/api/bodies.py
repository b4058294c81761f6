"""What the API answers, as values that JSON can hold.

Owns how rows become the shapes of `api.shapes`. Never reads a row and never decides. Called by
`api.routes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from typing import cast

from masv_watch.api.ruling import rule_body
from masv_watch.api.shapes import (
    AutomationBody,
    DayBody,
    DetailsBody,
    DropBody,
    ErrorBody,
    FileBody,
    FileWord,
    FolderBody,
    FolderWord,
    LimitNowBody,
    LinkBody,
    LookBody,
    MoveBody,
    QuietBody,
    RateLimitBody,
    SessionBody,
    StatsBody,
    TaskBody,
    TeamBody,
    UploadBody,
    WaitingBody,
    Word,
)
from masv_watch.cloud.wire import CreatedLink, Team
from masv_watch.errors import (
    IllegalTransition,
    MasvWatchError,
    ReloadRefused,
    Unprocessable,
)
from masv_watch.login import Session
from masv_watch.model import (
    DaySpan,
    DropMode,
    LimitNow,
    LimitsView,
    Move,
    RateLimit,
    Rule,
    SourceFile,
    Task,
    TaskState,
    UploadState,
)
from masv_watch.names import shown
from masv_watch.uploads import (
    DropView,
    FolderLook,
    FolderQuiet,
    FolderView,
    SendingView,
    UploadDetails,
    UploadView,
    Waiting,
    failure_cure,
)


def upload_body(view: UploadView) -> UploadBody:
    """Give an upload as the list shows it."""
    upload, traffic = view.upload, view.traffic
    body: UploadBody = {
        "upload_id": upload.id,
        "type": upload.type,
        "state": cast(Word, view.state),
        "package_name": upload.name,
        "progress": upload.sent,
        "size": upload.size,
        # a chunk that was stored a moment ago may still be counted as on its way
        "bytes_in_flight": min(traffic.in_flight, max(upload.size - upload.sent, 0)),
        "bytes_resent": upload.resent + traffic.toll.resent,
        "rate_bytes_per_s": round(traffic.rate),
        "eta_s": None if view.eta_s is None else ceil(view.eta_s),
        "retries": {
            "count": upload.retries + traffic.toll.retries,
            "last_reason": traffic.toll.reason or upload.retry_reason,
        },
        "created_at": _iso(upload.created_at),
        "finalized_at": iso(upload.finalized_at),
        "hot_folder": upload.hot_folder,
        "package_id": upload.package_id,
        "files_total": upload.file_count,
        "priority": upload.priority,
        "waiting": waiting_body(view.waiting),
        "open_tasks": view.open_tasks,
        "refused_tasks": view.refused_tasks,
    }
    if upload.state is UploadState.ERROR:
        body["error"] = {
            "code": upload.error_code,
            "message": upload.error,
            "cure": failure_cure(upload),
        }
    return body


def stats_body(view: SendingView, since: float) -> StatsBody:
    """Give how the sending of all uploads goes; the sums began at `since`, store clock."""
    flow = view.flow
    return {
        "since": _iso(since),
        "bytes_acknowledged": flow.acknowledged,
        "bytes_in_flight": flow.in_flight,
        "bytes_resent": flow.resent,
        "bytes_left": view.unsent,
        "rate_bytes_per_s": round(flow.rate),
        "eta_s": None if view.eta_s is None else ceil(view.eta_s),
        "connections_busy": flow.busy,
        "retries": {"count": flow.retries, "last_reason": flow.reason},
    }


def details_body(details: UploadDetails, now: float) -> DetailsBody:
    """Give an upload with its files, what was left out, and what is owed."""
    return {
        **upload_body(details.view),
        "to": list(details.to) or ["nobody"],
        "files": [file_body(file, now) for file in details.files],
        "skipped": list(details.skipped),
        "drops": [
            {
                "path": shown(drop.path),
                "generation": drop.generation,
                "whole": drop.whole,
                "note": drop.note,
                "found_by": drop.found_by,
                "volume": drop.volume,
            }
            for drop in details.drops
        ],
        "tasks": [
            task_body(task, now, companions=details.companions.get(task.id, 0))
            for task in details.tasks
        ],
    }


def drop_body(view: DropView) -> DropBody:
    """Give what arrives, settles or is held, with the reason and what helps."""
    drop = view.drop
    return {
        "id": drop.id,
        "hot_folder": drop.hot_folder,
        "path": shown(drop.path),
        "generation": drop.generation,
        "state": drop.state,
        "reason": drop.hold,
        "note": drop.note,
        "cure": view.cure,
        "found_by": drop.found_by,
        "volume": drop.volume,
        "upload_id": drop.upload_id,
        "seen_at": iso(drop.seen_at),
        "whole": drop.whole,
        "files": view.files,
        "files_up": view.files_up,
    }


def file_body(file: SourceFile, now: float) -> FileBody:
    """Give a file by its path inside the package."""
    body: FileBody = {
        "path": f"{file.package_path}/{file.name}".lstrip("/"),
        "state": _file_state(file, now),
        "size": file.identity.size,
        "progress": file.sent,
        "attempts": file.attempts,
        "next_try": _iso(file.retry_at) if file.retry_at > now and not file.closed else None,
    }
    if file.hash and file.closed:
        body["hash"] = file.hash
    if file.error and not file.closed:
        body["reason"] = file.error
    return body


def _file_state(file: SourceFile, now: float) -> FileWord:
    if file.closed:
        return "complete"
    if file.stale:
        return "settling"
    if file.retry_at > now:
        return "retrying"
    return "queued" if file.cloud_id is None else "transferring"


def task_body(task: Task, now: float, *, companions: int) -> TaskBody:
    """Give an obligation with its outcome so far."""
    waits = task.state is TaskState.DUE and task.retry_at > now
    return {
        "kind": task.kind,
        "key": task.key,
        "state": task.state,
        "attempts": task.attempts,
        "next_try": _iso(task.retry_at) if waits else None,
        "companions": companions,
        "note": task.note,
    }


def waiting_body(waiting: Waiting | None) -> WaitingBody | None:
    """Give what an upload waits for, or None."""
    if waiting is None:
        return None
    return {
        "reason": waiting.reason,
        "since": iso(waiting.since),
        "until": iso(waiting.until),
        "ahead": waiting.ahead,
        "cure": waiting.cure,
    }


def link_body(link: CreatedLink) -> LinkBody:
    """Give the five keys of the documented page, secret and all: this answer is where it is due."""
    return {
        "email": link.email,
        "expiry": _page_time(link.expiry),
        "locked": link.locked,
        "id": link.id,
        "secret": link.secret.reveal(),
    }


def _page_time(text: str) -> str:
    """Write a time as the page prints it: in UTC, with milliseconds and no letter for the zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if at.tzinfo is not None:
        # at the ends of the calendar there is no such time in UTC: then it stays as it is
        with suppress(OverflowError):
            at = at.astimezone(UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds")


def folder_body(view: FolderView) -> FolderBody:
    """Give a hot folder with its health."""
    rule = view.sight.rule
    return {
        "name": rule.name,
        "path": shown(rule.path),
        "tags": list(rule.tags),
        "drop": rule.drop,
        "depth": rule.depth,
        "to": rule.to.portal or ", ".join(rule.to.recipients or ()),
        "state": cast(FolderWord, view.state),
        "reason": view.sight.reason,
        "paused_at": iso(view.paused_at),
        "last_sweep": iso(view.sight.last_sweep),
        "notifications": view.sight.notifications,
        "last_event": iso(view.sight.last_event),
        "mode": view.sight.mode,
        "known_by": view.sight.known_by,
        "away_since": iso(view.sight.away_since),
        "question": view.sight.question,
        "settling": view.settling,
        "held": view.held,
        "by_subfolder": {shown(name): list(to) for name, to in rule.to.by_subfolder},
        "look": _look_body(view.sight.look),
        "quiet": _quiet_body(view.sight.quiet),
        "rule": rule_body(rule),
    }


def _look_body(look: FolderLook | None) -> LookBody | None:
    if look is None:
        return None
    return {
        "at": _iso(look.at),
        "everything": look.is_full,
        "why": look.why,
        "everything_at": iso(look.full_at),
    }


def _quiet_body(quiet: FolderQuiet | None) -> QuietBody | None:
    if quiet is None:
        return None
    return {
        "seconds": quiet.seconds,
        "why": quiet.why,
        "writers": quiet.writers,
        "told_by": quiet.told_by,
    }


def automation_body(view: FolderView) -> AutomationBody:
    """Give a hot folder in the names of MASV's own provisioning file (agent-api 4.2)."""
    rule: Rule = view.sight.rule
    is_portal = rule.to.portal is not None
    return {
        "automation_id": rule.name,
        "name": rule.name,
        "type": "portal_upload" if is_portal else "team_upload",
        "path": shown(rule.path),
        "portal_subdomain": rule.to.portal,
        "sender_email": rule.to.sender,
        "recipient_emails": None if is_portal else list(rule.to.recipients or ()),
        "timeout": rule.settle.quiet_s,
        "delete_files_after_upload": rule.after.delivered == "delete",
        "send_loose_files": rule.drop is not DropMode.FOLDER,
        "message": rule.package.message,
        "blacklist": list(rule.ignore),
        "enabled": view.state != "paused",
        "priority": rule.priority,
    }


def rate_limit_body(view: LimitsView) -> RateLimitBody:
    """Give the limit of all uploads; where none was posted the agent's keys show what holds now."""
    now = _limit_now(view.total)
    said = view.posted or RateLimit(
        enabled=view.total.limit is not None, rate=now["rate_limit_bps"] or 0
    )
    mon, tue, wed, thu, fri, sat, sun = map(_day_body, said.schedule)
    return {
        "enabled": said.enabled,
        "rate_limit_bps": said.rate,
        "schedule_enabled": said.is_scheduled,
        "schedule": {
            "mon": mon, "tue": tue, "wed": wed, "thu": thu, "fri": fri, "sat": sat, "sun": sun
        },
        "source": view.source,
        "now": now,
        "hot_folders": [
            {"name": name, **_limit_now(limit)} for name, limit in view.hot_folders.items()
        ],
    }  # fmt: skip


def _limit_now(limit: LimitNow) -> LimitNowBody:
    bits = None if limit.limit is None else limit.limit * 8
    return {"rate_limit_bps": bits, "until": iso(limit.until)}


def _day_body(span: DaySpan) -> DayBody:
    return {"enabled": span.enabled, "start": _clock(span.start), "end": _clock(span.end)}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def session_body(session: Session) -> SessionBody:
    """Give who we are to the cloud."""
    user = session.user
    return {
        "user": {"email": user.email, "id": user.id, "name": user.name},
        "teams": teams_body(session.teams),
    }


def teams_body(teams: Sequence[Team]) -> list[TeamBody]:
    """Give the teams of a session."""
    return [
        {
            "custom_expiry_default": team.custom_expiry_default,
            "custom_expiry_enabled": team.custom_expiry_enabled,
            "download_limit_default": team.download_limit_default,
            "download_limit_enabled": team.download_limit_enabled,
            "id": team.id,
            "max_email_recipients": team.max_email_recipients,
            "name": team.name,
            "subdomain": team.subdomain,
        }
        for team in teams
    ]


def move_body(move: Move) -> MoveBody:
    """Give one move of a state."""
    return {
        "id": move.id,
        "at": iso(move.at),
        "noun": move.noun,
        "noun_id": move.noun_id,
        "event": move.event,
        "before": move.before,
        "after": move.after,
        "detail": move.detail,
    }


def error_body(error: MasvWatchError) -> ErrorBody:
    """Give an error: its code, one sentence, what to do, and what a client can act on."""
    body: ErrorBody = {"code": error.code, "message": error.message}
    if error.hint:
        body["hint"] = error.hint
    if isinstance(error, Unprocessable) and error.facts.get("field"):
        body["field"] = str(error.facts["field"])
    if isinstance(error, ReloadRefused):
        body["problems"] = list(error.problems)
    if isinstance(error, IllegalTransition):
        if error.facts.get("state"):
            body["state"] = str(error.facts["state"])
        allowed = error.facts.get("allowed")
        if isinstance(allowed, list):
            body["allowed"] = [str(call) for call in allowed]
    return body


def iso(at: float | None) -> str | None:
    """Write store-clock seconds as ISO 8601 in UTC with milliseconds."""
    return None if at is None else _iso(at)


def _iso(at: float) -> str:
    # a sum of times is a hair beside its second
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03}Z"


@lru_cache(maxsize=16_384)
def _second(seconds: int) -> str:
    # a list is asked for again and again, and its times stay
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
