"""The call that says what an edit of the configuration would do.

Owns its route, who may ask, and how a plan is written. Never compares: `rehearsal` does. Mounted by
`api.routes`.
"""

from __future__ import annotations

from masv_watch.api import commands as asked
from masv_watch.api import shapes
from masv_watch.api.calls import BASE, Desk, Route, body_of_call, caller_of_call
from masv_watch.api.places import Places
from masv_watch.errors import Denied
from masv_watch.model import Effect, FolderPlan, KeyChange, Plan
from masv_watch.names import shown


def planning(desk: Desk) -> list[Route]:
    """Give the table of its calls."""
    walks = Places(1, doing="compare an edit with the hot folders")

    def plan() -> shapes.PlanBody:
        if not caller_of_call().is_owner:
            raise Denied(
                "a plan looks into every folder that the edit names, so it is for root and the"
                " daemon's own user",
                hint="ask on the daemon's machine as one of them",
            )
        wanted = body_of_call(asked.PlanAsked)
        with walks:
            return plan_body(desk.plan(wanted.settings))

    return [
        Route(method="POST", path=f"{BASE}/plan", answer=plan, takes=asked.PlanAsked,
              gives=shapes.PlanBody, refuses=(422, 503),
              summary="Say what an edit of the configuration would do, changing nothing."),
    ]  # fmt: skip


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
    }


def _key_change(change: KeyChange) -> shapes.KeyChangeBody:
    return {"key": change.key, "before": change.before, "after": change.after}
