"""One function for each call.

Owns which path asks for what. Never holds logic: the front desk answers, `api.bodies` writes it.
Mounted by `api.app`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bottle

from masv_watch.api import bodies
from masv_watch.uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the daemon is."""

    #: the process answers and every vital loop ticks
    live: bool
    #: listener, store and loops run, and each present root was swept once
    ready: bool
    #: one sentence for people when it is not ready
    why: str = ""
    #: what a person should look at though it is ready: a folder that is away, a refused key
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the routes ask."""

    uploads: Uploads
    health: Callable[[], Health]
    now: Callable[[], float]


def mount(app: bottle.Bottle, desk: Desk) -> None:
    """Add every route to the app."""

    def healthz() -> dict[str, Any]:
        health = desk.health()
        bottle.response.status = 200 if health.live else 503
        return {"live": health.live}

    def readyz() -> dict[str, Any]:
        health = desk.health()
        bottle.response.status = 200 if health.ready else 503
        return {"ready": health.ready, "why": health.why, "concerns": list(health.concerns)}

    def uploads() -> list[dict[str, Any]]:
        return [bodies.upload_body(view) for view in desk.uploads.list()]

    def upload(upload_id: str) -> dict[str, Any]:
        return bodies.details_body(desk.uploads.details(upload_id), desk.now())

    def drops() -> list[dict[str, Any]]:
        return [bodies.drop_body(view) for view in desk.uploads.drops()]

    app.get("/healthz", callback=healthz)
    app.get("/readyz", callback=readyz)
    app.get("/api/v1/uploads", callback=uploads)
    app.get("/api/v1/uploads/<upload_id>", callback=upload)
    app.get("/api/v1/drops", callback=drops)
