"""The calls on the configuration: what an edit would do, and to take it over.

Owns their routes, who may ask, and how the answers are written. Never compares and never reloads:
`rehearsal` and `daemon` do. Mounted by `api.routes`.
"""

from __future__ import annotations

from masv_watch.api import commands as asked
from masv_watch.api import shapes
from masv_watch.api.calls import BASE, Desk, Route, body_of_call, caller_of_call
from masv_watch.api.places import Places
from masv_watch.errors import Denied, ReloadRefused
from masv_watch.model import Effect, FolderPlan, KeyChange, Plan
from masv_watch.names import shown


def planning(desk: Desk) -> list[Route]:
    """Give the table of its calls."""
    walks = Places(1, doing="compare an edit with the hot folders")
    reloads = Places(1, doing="reload the configuration")

    def plan() -> shapes.PlanBody:
        _demand_owner("a plan looks into every folder that the edit names")
        wanted = body_of_call(asked.PlanAsked)
        with walks:
            return plan_body(desk.plan(wanted.settings))

    def reload() -> shapes.ReloadedBody:
        _demand_owner("a reload takes over whatever the file says now")
        body_of_call(asked.Nothing)
        with reloads:
            found = desk.reload()
        if not found.is_taken:
            raise ReloadRefused(found.problems)
        return {
            "warnings": list(found.warnings),
            "waits_for_restart": list(found.waits_for_restart),
        }

    return [
        Route(method="POST", path=f"{BASE}/reload", answer=reload, takes=asked.Nothing,
              gives=shapes.ReloadedBody, refuses=(422, 503),
              summary="Take over the configuration file as it stands now, or nothing of it."),
        Route(method="POST", path=f"{BASE}/plan", answer=plan, takes=asked.PlanAsked,
              gives=shapes.PlanBody, refuses=(422, 503),
              summary="Say what an edit of the configuration would do, changing nothing."),
    ]  # fmt: skip


def _demand_owner(why: str) -> None:
    if not caller_of_call().is_owner:
        raise Denied(
            f"{why}, so it is for root and the daemon's own user",
            hint="ask on the daemon's machine as one of them",
        )


def plan_body(plan: Plan) -> shapes.PlanBody:
    """Write what an edit of the configuration would do."""
    return {
        "keys": [_key_change(each) for each in plan.keys],
        "hot_folders": [_folder_plan(each) for each in plan.folders],
    }


def _folder_plan(plan: FolderPlan) -> shapes.FolderPlanBody:
    return {
        "name": plan.name,
        "change": plan.change,
        "was": plan.was,
        "keys": [_key_change(each) for each in plan.keys],
        "effects": [_effect(each) for each in plan.effects],
        "more": plan.more,
        "frozen": plan.frozen,
        "notes": list(plan.notes),
    }


def _effect(effect: Effect) -> shapes.EffectBody:
    return {
        "kind": effect.kind,
        "path": shown(effect.path),
        "why": effect.why,
        "changes": [_key_change(each) for each in effect.changes],
        "files": effect.files,
        "size": effect.size,
        "upload_id": effect.upload_id,
        "to": effect.to,
    }


def _key_change(change: KeyChange) -> shapes.KeyChangeBody:
    return {"key": change.key, "before": change.before, "after": change.after}
