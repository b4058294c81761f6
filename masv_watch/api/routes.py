"""One function for each call, and the table of all of them.

Owns which path asks for what, and what each call takes, gives and refuses. Never holds logic: the
front desk answers, `api.bodies` writes it. Mounted by `api.app`; `api.openapi` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urlencode

import bottle

from masv_watch.api import bodies, shapes
from masv_watch.api import commands as asked
from masv_watch.api.calls import BASE, Desk, Route
from masv_watch.api.calls import body_of_call as _body
from masv_watch.api.calls import caller_of_call as _caller
from masv_watch.api.calls import number_of as _number_of
from masv_watch.api.calls import query_of_call as _query
from masv_watch.api.explaining import explaining
from masv_watch.api.inquiring import inquiring
from masv_watch.api.limits import Keeper, RateLimitAsked
from masv_watch.api.paging import page_of
from masv_watch.api.plans import planning
from masv_watch.api.receipting import receipting
from masv_watch.api.recording import recording
from masv_watch.api.telling import details_told, drop_told, move_teller, stats_told, upload_teller
from masv_watch.errors import Denied, Unprocessable
from masv_watch.model import Secret
from masv_watch.uploads import Uploads, UploadView, Wish

#: characters of an Idempotency-Key
_LONGEST_KEY = 255


def routes(desk: Desk) -> list[Route]:
    """Give the table of all calls."""
    return [
        *_of_health(desk),
        *_of_creates(desk),
        *_of_lists(desk),
        *_of_drops(desk),
        *explaining(desk),
        *recording(desk),
        *receipting(desk),
        *_of_pauses(desk),
        *_of_steering(desk),
        *_of_links(desk),
        *_of_folders(desk),
        *_of_folder_verbs(desk),
        *_of_limits(desk.limits),
        *_of_session(desk),
        *planning(desk),
        *inquiring(desk),
    ]


def _of_health(desk: Desk) -> list[Route]:
    def healthz() -> shapes.HealthBody:
        health = desk.health()
        bottle.response.status = 200 if health.live else 503
        return {"live": health.live}

    def readyz() -> shapes.ReadyBody:
        health = desk.health()
        bottle.response.status = 200 if health.ready else 503
        if not _caller().is_admitted:
            # names of folders and of loops are no matter of whoever can only reach the port
            return {"ready": health.ready, "why": "", "concerns": []}
        return {"ready": health.ready, "why": health.why, "concerns": list(health.concerns)}

    return [
        Route(method="GET", path="/healthz", answer=healthz, gives=shapes.HealthBody,
              summary="Say whether the process lives; 503 when it does not.", refuses=(503,)),
        Route(method="GET", path="/readyz", answer=readyz, gives=shapes.ReadyBody,
              summary="Say whether the daemon is ready; 503 while it is not.", refuses=(503,)),
        Route(method="GET", path="/metrics", answer=desk.metrics, gives=None,
              form="text/plain; version=0.0.4", summary="Give the counters for Prometheus."),
    ]  # fmt: skip


def _of_creates(desk: Desk) -> list[Route]:
    def create(wish: Wish) -> shapes.CreatedBody:
        key = _key()
        with desk.walks:
            upload_id = desk.uploads.ask(wish, _caller(), key=key)
        bottle.response.set_header("Location", f"{BASE}/uploads/{upload_id}")
        return {"upload_id": upload_id}

    def create_team() -> shapes.CreatedBody:
        return create(_body(asked.TeamCreate).wish())

    def create_portal() -> shapes.CreatedBody:
        return create(_body(asked.PortalCreate).wish())

    def add_files(upload_id: str) -> shapes.UploadBody:
        sources = _body(asked.FilesAdded).sources()
        with desk.walks:
            desk.uploads.add_files(upload_id, sources, _caller())
        return upload_teller(desk.uploads)(desk.uploads.view(upload_id))

    return [
        Route(method="POST", path=f"{BASE}/uploads", answer=create_team, status=201,
              takes=asked.TeamCreate, gives=shapes.CreatedBody, is_create=True,
              summary="Send files and folders to recipients of a team, or for its share link.",
              refuses=(404, 409, 422, 503), needs_session=True),
        Route(method="POST", path=f"{BASE}/portals/uploads", answer=create_portal, status=201,
              takes=asked.PortalCreate, gives=shapes.CreatedBody, is_create=True,
              summary="Send files and folders to a portal.", refuses=(404, 409, 422, 503)),
        Route(method="POST", path=f"{BASE}/uploads/<upload_id>/files", answer=add_files,
              takes=asked.FilesAdded, gives=shapes.UploadBody,
              summary="Add files and folders to an upload that is not finalized.",
              refuses=(404, 409, 422, 503)),
    ]  # fmt: skip


def _of_lists(desk: Desk) -> list[Route]:
    def uploads() -> list[shapes.UploadBody]:
        wanted = _query(asked.UploadsAsked)
        return list(map(upload_teller(desk.uploads), _page(desk.uploads, wanted)))

    def upload(upload_id: str) -> shapes.DetailsBody:
        return details_told(desk.uploads.details(upload_id), desk.now(), desk.uploads)

    def stats() -> shapes.StatsBody:
        return stats_told(desk.uploads.sending(desk.flow()), desk.counted_since)

    def moves() -> Iterable[bytes]:
        wanted, last = _query(asked.MovesAsked), _last_event()
        # a client that comes back by itself still asks with the query of its first time
        return desk.moves.follow(wanted.after if last is None else last, move_teller(desk.uploads))

    return [
        Route(method="GET", path=f"{BASE}/uploads", answer=uploads, asks=asked.UploadsAsked,
              gives=list[shapes.UploadBody], refuses=(422,),
              summary="List the uploads; with a limit, the Link header leads to the next page."),
        Route(method="GET", path=f"{BASE}/uploads/<upload_id>", answer=upload,
              gives=shapes.DetailsBody, refuses=(404,),
              summary="Show one upload with its files, drops and tasks."),
        Route(method="GET", path=f"{BASE}/stats", answer=stats, gives=shapes.StatsBody,
              summary="Say how the sending of all uploads goes: rate, time left, bytes, retries."),
        Route(method="GET", path=f"{BASE}/events", answer=moves, asks=asked.MovesAsked,
              gives=shapes.MoveBody | shapes.GapBody, form="text/event-stream", refuses=(422,),
              summary="Follow what moves, as server-sent events."),
    ]  # fmt: skip


def _of_drops(desk: Desk) -> list[Route]:
    def drops() -> list[shapes.DropBody]:
        wanted = _query(asked.DropsAsked)
        return [drop_told(view) for view in desk.folders.drops(wanted.hot_folder)]

    def release(drop_id: str) -> shapes.DropBody:
        _body(asked.Nothing)
        return drop_told(desk.folders.release_drop(_number_of(drop_id, "drop")))

    def hold(drop_id: str) -> shapes.DropBody:
        _body(asked.Nothing)
        return drop_told(desk.folders.hold_drop(_number_of(drop_id, "drop")))

    return [
        Route(method="GET", path=f"{BASE}/drops", answer=drops, asks=asked.DropsAsked,
              gives=list[shapes.DropBody], refuses=(422,),
              summary="List what arrives, settles or is held, with the reason and what helps."),
        Route(method="POST", path=f"{BASE}/drops/<drop_id>/release", answer=release,
              takes=asked.Nothing, gives=shapes.DropBody, refuses=(404, 409, 422),
              summary="Send a drop that is held until a person says so."),
        Route(method="POST", path=f"{BASE}/drops/<drop_id>/hold", answer=hold,
              takes=asked.Nothing, gives=shapes.DropBody, refuses=(404, 409, 422),
              summary="Hold a drop that is not on its way until a person releases it."),
    ]  # fmt: skip


def _of_pauses(desk: Desk) -> list[Route]:
    """Give the calls on all uploads: before those on one, whose ids they could be taken for."""

    def every(verb: Callable[[], Iterable[str]]) -> Callable[[], shapes.ChangedBody]:
        def steered() -> shapes.ChangedBody:
            _body(asked.Nothing)
            return {"changed": len(list(verb()))}

        return steered

    return [
        Route(method="POST", path=f"{BASE}/uploads/pause", answer=every(desk.uploads.pause_all),
              takes=asked.Nothing, gives=shapes.ChangedBody, refuses=(422,),
              summary="Pause every upload that is transferring."),
        Route(method="POST", path=f"{BASE}/uploads/resume", answer=every(desk.uploads.resume_all),
              takes=asked.Nothing, gives=shapes.ChangedBody, refuses=(422,),
              summary="Resume every paused upload."),
    ]  # fmt: skip


def _of_steering(desk: Desk) -> list[Route]:
    uploads = desk.uploads

    def steer(verb: Callable[[str], None]) -> Callable[[str], shapes.UploadBody]:
        def steered(upload_id: str) -> shapes.UploadBody:
            _body(asked.Nothing)
            verb(upload_id)
            return upload_teller(uploads)(uploads.view(upload_id))

        return steered

    def prioritize(upload_id: str) -> shapes.UploadBody:
        uploads.prioritize(upload_id, _body(asked.Prioritized).priority)
        return upload_teller(uploads)(uploads.view(upload_id))

    def delete(upload_id: str) -> shapes.CreatedBody:
        takes_package = _query(asked.DeletionAsked).package == "delete"
        if takes_package:
            uploads.demand_his(upload_id, _caller(), to="take back")
        uploads.delete(upload_id, takes_package=takes_package)
        return {"upload_id": upload_id}

    one = f"{BASE}/uploads/<upload_id>"
    return [
        *(Route(method="POST", path=f"{one}/{name}", answer=steer(verb), takes=asked.Nothing,
                gives=shapes.UploadBody, summary=summary, refuses=(404, 409, 422))
          for name, (verb, summary) in _steering(uploads).items()),
        Route(method="PATCH", path=one, answer=prioritize, takes=asked.Prioritized,
              gives=shapes.UploadBody, refuses=(404, 422),
              summary="Set whose turn it is: higher goes first."),
        Route(method="DELETE", path=one, answer=delete, asks=asked.DeletionAsked,
              gives=shapes.CreatedBody, refuses=(404, 422),
              summary="Delete an upload in any state; what was delivered stays delivered."),
    ]  # fmt: skip


def _steering(uploads: Uploads) -> dict[str, tuple[Callable[[str], None], str]]:
    return {
        "pause": (uploads.pause, "Stop sending until a person resumes."),
        "resume": (uploads.resume, "Go on after a pause or an error."),
        "finalize": (uploads.finalize, "Deliver an idle upload."),
        "start": (uploads.start, "Let an upload that waits go at once, past its slot."),
        "retry": (uploads.retry, "Try at once what waits for its next try, within its windows."),
    }


def _of_links(desk: Desk) -> list[Route]:
    def link(upload_id: str) -> shapes.LinkBody:
        _body(asked.Nothing)
        with desk.asking:
            return bodies.link_body(desk.links.create(upload_id, _caller()))

    return [
        Route(method="POST", path=f"{BASE}/uploads/<upload_id>/link", answer=link,
              takes=asked.Nothing, gives=shapes.LinkBody, refuses=(404, 409, 422, 502, 503),
              needs_session=True,
              summary="Make a share link of a complete team upload."),
    ]  # fmt: skip


def _of_folders(desk: Desk) -> list[Route]:
    folders = desk.folders

    def listed() -> list[shapes.FolderBody]:
        return [bodies.folder_body(view) for view in folders.list()]

    def automations() -> list[shapes.AutomationBody]:
        return [bodies.automation_body(view) for view in folders.list()]

    return [
        Route(method="GET", path=f"{BASE}/hot_folders", answer=listed,
              gives=list[shapes.FolderBody], summary="List the hot folders with their health."),
        Route(method="GET", path=f"{BASE}/automations", answer=automations,
              gives=list[shapes.AutomationBody],
              summary="List the hot folders in the names of MASV's provisioning file."),
    ]  # fmt: skip


def _of_folder_verbs(desk: Desk) -> list[Route]:
    folders = desk.folders

    def steer(verb: Callable[[str], object]) -> Callable[[str], shapes.FolderBody]:
        def steered(hot_folder: str) -> shapes.FolderBody:
            _body(asked.Nothing)
            verb(hot_folder)
            return bodies.folder_body(folders.view(hot_folder))

        return steered

    def answer(verb: Callable[[str], int]) -> Callable[[str], shapes.DropsBody]:
        def answered(hot_folder: str) -> shapes.DropsBody:
            _body(asked.Nothing)
            return {"drops": verb(hot_folder)}

        return answered

    one = f"{BASE}/hot_folders/<hot_folder>"
    verbs = {
        "scan": (folders.scan, "Have a hot folder swept soon."),
        "pause": (folders.pause, "Take nothing new from a hot folder; its uploads go on."),
        "resume": (folders.resume, "Take from a hot folder again."),
        "finalize": (folders.finalize, "Deliver a hot folder's open batch."),
        "adopt": (folders.adopt, "Take whatever stands at a hot folder's path for its root."),
        "adopt_archive": (folders.adopt_archive, "Take what stands at its target for its archive."),
    }
    answers = {
        "release": (folders.release, "Send what the first start held in a hot folder."),
        "seed": (folders.seed, "Record what the first start held as seen, never sent."),
    }
    return [
        *(Route(method="POST", path=f"{one}/{name}", answer=steer(verb), takes=asked.Nothing,
                gives=shapes.FolderBody, summary=summary,
                refuses=(404, 409, 422) if name == "finalize" else (404, 422))
          for name, (verb, summary) in verbs.items()),
        *(Route(method="POST", path=f"{one}/{name}", answer=answer(count), takes=asked.Nothing,
                gives=shapes.DropsBody, summary=summary, refuses=(404, 422))
          for name, (count, summary) in answers.items()),
    ]  # fmt: skip


def _of_limits(limits: Keeper) -> list[Route]:
    def shown() -> shapes.RateLimitBody:
        return bodies.rate_limit_body(limits.view())

    def post() -> shapes.RateLimitBody:
        limits.post(_body(RateLimitAsked).wish())
        return shown()

    def reset() -> shapes.RateLimitBody:
        limits.reset()
        return shown()

    path = f"{BASE}/settings/upload_rate_limit"
    return [
        Route(method="GET", path=path, answer=shown, gives=shapes.RateLimitBody,
              summary="Say how fast all uploads together may go, in bits a second, who says so,"
              " and what holds now."),
        Route(method="POST", path=path, answer=post, takes=RateLimitAsked,
              gives=shapes.RateLimitBody, refuses=(422,),
              summary="Limit all uploads together, in bits a second. It counts instead of the"
              " configuration's `bandwidth` at once, and over reloads and restarts, until it is"
              " posted anew or deleted; `enabled: false` is no limit. Hot folders keep theirs."),
        Route(method="DELETE", path=path, answer=reset, gives=shapes.RateLimitBody,
              summary="Forget what was posted: the configuration's `bandwidth` counts again."),
    ]  # fmt: skip


def _of_session(desk: Desk) -> list[Route]:
    def session() -> shapes.SessionBody:
        with desk.asking:
            return bodies.session_body(desk.login.session())

    def sign_in() -> shapes.SessionBody:
        _demand_owner()
        wanted = _body(asked.SignIn)
        with desk.asking:
            return bodies.session_body(desk.login.sign_in(wanted.email, Secret(wanted.password)))

    def teams() -> list[shapes.TeamBody]:
        with desk.asking:
            return bodies.teams_body(desk.login.session().teams)

    return [
        Route(method="GET", path=f"{BASE}/login", answer=session, gives=shapes.SessionBody,
              summary="Say who we are to the cloud; 401 when nobody is signed in.",
              refuses=(422, 502, 503), needs_session=True),
        Route(method="POST", path=f"{BASE}/login", answer=sign_in, takes=asked.SignIn,
              gives=shapes.SessionBody, summary="Sign in at the cloud.",
              refuses=(422, 502, 503), needs_session=True),
        Route(method="GET", path=f"{BASE}/teams", answer=teams, gives=list[shapes.TeamBody],
              summary="List the teams of the session.", refuses=(422, 502, 503),
              needs_session=True),
    ]  # fmt: skip


def _demand_owner() -> None:
    if not _caller().is_owner:
        raise Denied(
            "signing in is for root and the daemon's own user,"
            " because everybody's uploads go by that session",
            hint="sign in on the daemon's machine as one of them, or have masv.api_key set",
        )


def _key() -> str:
    # read as it came: the framework's own way fails on what is not UTF-8
    key: str | None = bottle.request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return ""
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Unprocessable(
            f"the Idempotency-Key must be 1 to {_LONGEST_KEY} printable ASCII characters",
            field="Idempotency-Key",
        )
    return key


def _last_event() -> int | None:
    last = str(bottle.request.environ.get("HTTP_LAST_EVENT_ID", ""))
    return int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None


def _page(uploads: Uploads, wanted: asked.UploadsAsked) -> list[UploadView]:
    """Give one page of uploads; the header Link leads to the next one while there is one."""
    page, cursor = page_of(uploads, wanted)
    if cursor:
        query = dict(parse_qsl(bottle.request.query_string))
        query["cursor"] = cursor
        bottle.response.set_header("Link", f'<{BASE}/uploads?{urlencode(query)}>; rel="next"')
    return page
