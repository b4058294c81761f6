"""Build `model.Settings` from keys that are known to be right.

Owns how the file's keys become nouns: defaults, aliases, paths as bytes. Never refuses anything:
the schema and the relations already did. Called by `load` alone.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from masv_watch import model
from masv_watch.config import schema, sections
from masv_watch.config.cards import Cards


def settings(
    keys: schema.Keys, *, state: str, beside: str, lines: list[str], cards: Cards
) -> model.Settings:
    """Give the whole configuration with every default applied.

    `beside` is the folder that relative names begin at; `lines` are the `file:line` of the rules.
    """
    defaults = keys.defaults or schema.DefaultsKeys()
    folders = keys.hot_folders or []
    masv = keys.masv or sections.MasvKeys()
    bandwidth = _timetable(keys.bandwidth, tz=None)
    return model.Settings(
        masv=model.Masv(
            **_said(
                api_url=masv.api_url, team=masv.team, api_key=masv.api_key, link_url=masv.link_url
            ),
            proxy=None if masv.proxy is None else _proxy(masv.proxy),
        ),
        state=state,
        server=_server(keys.server or sections.ServerKeys(), beside),
        mail=_mail(keys.mail) if keys.mail else None,
        transfer=_transfer(keys.transfer or sections.TransferKeys()),
        bandwidth=bandwidth,
        history=_history(keys.history or sections.HistoryKeys()),
        backup=_backup(keys.backup) if keys.backup else None,
        hot_folders=tuple(
            replace(
                _rule(folder, defaults, beside=beside, at=at, tz=bandwidth.tz),
                whole=_whole(
                    folder,
                    defaults,
                    cards,
                    is_strict=keys.transfer is not None and keys.transfer.verify == "strict",
                ),
            )
            for folder, at in zip(folders, lines, strict=True)
        ),
    )


def _proxy(keys: sections.ProxyKeys) -> model.Proxy:
    return model.Proxy(url=keys.url, user=keys.user, password=keys.password)


def _history(keys: sections.HistoryKeys) -> model.History:
    return model.History(**_said(drops_s=keys.drops, events_s=keys.events))


def _backup(keys: sections.BackupKeys) -> model.Backup:
    to = os.fsdecode(clean_path(keys.to))
    return model.Backup(to=to, **_said(keep=keys.keep, with_key=keys.key))


def clean_path(path: str) -> bytes:
    """Give a path without doubled slashes; `..` is followed as the file system does."""
    if ".." in path.split("/"):
        return os.fsencode(os.path.realpath(path))
    return os.fsencode("/" + os.path.normpath(path).lstrip("/"))


def _said(**given: Any) -> dict[str, Any]:
    """Keep what was written, so that the model's defaults fill the rest."""
    return {key: value for key, value in given.items() if value is not None}


def _server(keys: sections.ServerKeys, beside: str) -> model.Server:
    roots = keys.allowed_roots
    return model.Server(
        allowed_roots=None if roots is None else tuple(clean_path(root) for root in roots),
        token=keys.token,
        trusted_users=tuple(keys.trusted_users or ()),
        trusted_groups=tuple(keys.trusted_groups or ()),
        hosts=tuple(keys.hosts or ()),
        tls=_tls(keys.tls or sections.TlsKeys(), beside),
        tls_elsewhere=keys.tls is sections.ELSEWHERE,
        **_said(
            listen=tuple(keys.listen) if keys.listen else None,
            auth=model.Auth(keys.auth) if keys.auth else None,
            auto_finalize=keys.auto_finalize,
        ),
    )


def _tls(keys: sections.TlsKeys, beside: str) -> model.Tls:
    certificate, key = (
        None if path is None else os.fsdecode(clean_path(os.path.join(beside, path)))
        for path in (keys.certificate, keys.key)
    )
    return model.Tls(certificate=certificate, key=key)


def _mail(keys: sections.MailKeys) -> model.Mail:
    smtp = keys.smtp
    return model.Mail(
        smtp=model.Smtp(
            host=smtp.host,
            **_said(port=smtp.port, tls=smtp.tls, user=smtp.user, password=smtp.password),
        ),
        sender=keys.sender,
        alerts=_alerts(keys.alerts) if keys.alerts else None,
        digest_s=keys.digest,
    )


def _alerts(keys: sections.AlertsKeys) -> model.Alerts:
    return model.Alerts(to=_addresses(keys.to), **_said(after_s=keys.after))


def _transfer(keys: sections.TransferKeys) -> model.Transfer:
    verify = model.Verify(keys.verify) if keys.verify else None
    return model.Transfer(
        **_said(
            connections=keys.connections,
            chunk_size=keys.chunk_size,
            active_uploads=keys.active_uploads,
            verify=verify,
        )
    )


def _timetable(keys: sections.BandwidthKeys | None, *, tz: str | None) -> model.Timetable:
    if keys is None:
        return model.Timetable(tz=tz)
    return model.Timetable(
        tz=keys.tz or tz,
        lines=tuple(
            model.TimetableLine(
                limit=line.limit,
                **_said(
                    days=line.days,
                    start=line.hours[0] if line.hours else None,
                    end=line.hours[1] if line.hours else None,
                ),
            )
            for line in keys.rules
        ),
    )


def _rule(
    keys: schema.HotFolderKeys,
    defaults: schema.DefaultsKeys,
    *,
    beside: str,
    at: str,
    tz: str | None,
) -> model.Rule:
    initial = keys.initial or defaults.initial
    redrop = keys.redrop or defaults.redrop
    dedupe = keys.dedupe or defaults.dedupe
    return model.Rule(
        name=keys.name,
        path=clean_path(keys.path),
        to=_to(keys),
        settle=_settle(keys.settle, defaults.settle),
        finalize=_finalize(keys.finalize, defaults.finalize),
        package=_package(keys),
        link=_link(keys.link or schema.LinkKeys(), beside),
        after=_after("delivered", keys.after, defaults.after) or model.After(),
        after_duplicate=_after("duplicate", keys.after, defaults.after),
        chunk_size=keys.chunk_size,
        bandwidth=_timetable(keys.bandwidth, tz=tz),
        schedule=_schedule(keys, tz),
        limits=_limits(keys.limits, defaults.limits),
        at=at,
        **_said(
            drop=model.DropMode(keys.drop) if keys.drop else None,
            initial=model.Initial(initial) if initial else None,
            redrop=model.Redrop(redrop) if redrop else None,
            dedupe=model.Dedupe(dedupe) if dedupe else None,
            early=_first(keys.early, defaults.early),
            priority=keys.priority,
            recall_s=_first(keys.recall, defaults.recall),
            **_filters(keys, defaults),
            **_rest(keys, defaults),
            **_demands(keys),
        ),
    )


def _rest(keys: schema.HotFolderKeys, defaults: schema.DefaultsKeys) -> dict[str, Any]:
    """Give what becomes of the rest of a drop, and how its times are compared."""
    late = keys.late or defaults.late
    on_vanish = keys.on_vanish or defaults.on_vanish
    partial = keys.partial or defaults.partial
    return {
        "late": model.Late(late) if late else None,
        "was": keys.was,
        "is_enabled": keys.enabled,
        "notify": tuple(_hook(one) for one in keys.notify or ()),
        "tags": None if keys.tags is None else tuple(dict.fromkeys(keys.tags)),
        "removable": bool(keys.removable),
        "on_vanish": model.OnVanish(on_vanish) if on_vanish else None,
        "partial": model.Partial(partial) if partial else None,
        "retry": _retry(keys.retry, defaults.retry),
        "trash_for_s": _trash_for(keys.after, defaults.after),
        "mtime_grain_s": None if keys.mtime_grain == "auto" else keys.mtime_grain,
    }


def _retry(own: schema.RetryKeys | None, common: schema.RetryKeys | None) -> model.Retry:
    own, common = own or schema.RetryKeys(), common or schema.RetryKeys()
    return model.Retry(**_said(give_up_after_s=_first(own.give_up_after, common.give_up_after)))


def _hook(keys: schema.HookKeys) -> model.Hook:
    kind = model.HookKind.WEBHOOK if keys.slack is None else model.HookKind.SLACK
    events = None if keys.events is None else tuple(map(model.Told, dict.fromkeys(keys.events)))
    return model.Hook(kind=kind, url=keys.slack or keys.webhook, **_said(events=events))


def _demands(keys: schema.HotFolderKeys) -> dict[str, Any]:
    return {
        "sidecar": _sidecar(keys.sidecar) if keys.sidecar else None,
        "expect": _expect(keys.expect) if keys.expect else None,
    }


def _filters(keys: schema.HotFolderKeys, defaults: schema.DefaultsKeys) -> dict[str, Any]:
    return {
        "depth": model.Depth(keys.depth) if keys.depth else None,
        "ignore": _patterns(keys.ignore, defaults.ignore),
        "ignore_builtin": _first(keys.ignore_builtin, defaults.ignore_builtin),
        "only": _patterns(keys.only, None),
        "only_regex": _patterns(keys.only_regex, None),
        "ignore_regex": _patterns(keys.ignore_regex, None),
        "size": _range(keys.size) if keys.size else None,
        "follow": model.Follow(keys.follow) if keys.follow else None,
        "skips_hardlinks": keys.hardlinks == "skip",
        "age": _age(keys.age) if keys.age else None,
    }


def _schedule(keys: schema.HotFolderKeys, tz: str | None) -> model.Schedule:
    said = keys.schedule
    if said is None:
        return model.Schedule(tz=tz, deadline=keys.deadline, expect_by=keys.expect_by)
    late = model.LateDrops(said.late_drops) if said.late_drops else None
    return model.Schedule(
        tz=said.tz or tz,
        deadline=keys.deadline,
        expect_by=keys.expect_by,
        **_said(windows=said.open, deliver=said.deliver, late_drops=late),
    )


def _to(keys: schema.HotFolderKeys) -> model.To:
    to = keys.to
    return model.To(
        recipients=None if to.recipients is None else _addresses(to.recipients),
        by_subfolder=tuple(
            (os.fsencode(name), _addresses(found))
            for name, found in (to.by_subfolder or {}).items()
        ),
        sends_others=to.others == "send",
        portal=to.portal,
        sender=to.sender or keys.sender_email,
        access_code=to.access_code,
    )


def _addresses(given: list[str]) -> tuple[str, ...]:
    """Drop an address that repeats another but for case; the first spelling stays."""
    kept: dict[str, str] = {}
    for one in given:
        kept.setdefault(one.lower(), one)
    return tuple(kept.values())


def _settle(own: schema.SettleKeys | None, common: schema.SettleKeys | None) -> model.Settle:
    own, common = own or schema.SettleKeys(), common or schema.SettleKeys()
    quiet = _first(own.quiet, common.quiet)
    open_check = _first(own.open_check, common.open_check)
    return model.Settle(
        quiet_s=None if quiet == "auto" else quiet,
        is_learned=quiet == "auto",
        **_said(
            samples=_first(own.samples, common.samples),
            done_marker=_first(own.done_marker, common.done_marker),
            asks_for_writers=None if open_check is None else open_check == "auto",
            warn_after_s=_first(own.warn_after, common.warn_after),
        ),
    )


def _finalize(
    own: schema.FinalizeKeys | None, common: schema.FinalizeKeys | None
) -> model.Finalize:
    own, common = own or schema.FinalizeKeys(), common or schema.FinalizeKeys()
    return model.Finalize(
        **_said(
            idle_s=_first(own.idle, common.idle),
            max_open_s=_first(own.max_open, common.max_open),
            max_files=_first(own.max_files, common.max_files),
            max_size=_first(own.max_size, common.max_size),
        )
    )


def _package(keys: schema.HotFolderKeys) -> model.Package:
    package = keys.package or schema.PackageKeys()
    return model.Package(
        **_said(
            name=_first(package.name, keys.package_name),
            message=_first(package.message, keys.package_description),
            password=package.password,
            expires_s=package.expires,
            downloads=package.downloads,
        )
    )


def _link(keys: schema.LinkKeys, beside: str) -> model.LinkWish:
    template = os.path.join(beside, keys.template) if keys.template else None
    return model.LinkWish(mail_to=_addresses(keys.mail_to or []), template=template)


def _after(
    key: str, own: schema.AfterKeys | None, common: schema.AfterKeys | None
) -> model.After | None:
    said = _first(getattr(own, key, None), getattr(common, key, None))
    return None if said is None else model.After(delivered=said[0], move_to=said[1])


def _trash_for(own: schema.AfterKeys | None, common: schema.AfterKeys | None) -> float | None:
    own, common = own or schema.AfterKeys(), common or schema.AfterKeys()
    return common.trash_for if own.trash_for is None else own.trash_for


def _whole(
    own: schema.HotFolderKeys, common: schema.DefaultsKeys, cards: Cards, *, is_strict: bool
) -> model.Wholeness:
    frames = _first(own.sequences, common.sequences)
    lists = _first(own.manifest, common.manifest)
    incomplete = _first(own.incomplete, common.incomplete)
    return model.Wholeness(
        frames=None if frames is None else _frames(frames),
        manifests=None
        if lists is None
        else model.Manifests(
            files=tuple(lists.files), is_strict=is_strict, **_said(required=lists.required)
        ),
        companions=tuple(
            model.Companion(each=one.each, needs=tuple(one.needs))
            for one in _first(own.companions, common.companions) or ()
        ),
        incomplete=model.Incomplete(incomplete) if incomplete else None,
        **_said(cards=cards.chosen(_first(own.bundles, common.bundles))),
    )


def _frames(keys: schema.SequencesKeys) -> model.Frames:
    gaps = None
    if keys.gaps is not None:
        gaps = model.Incomplete.HOLD if keys.gaps == "hold" else model.Incomplete.SEND
    return model.Frames(patterns=tuple(keys.pattern), gaps=gaps, **_said(step=keys.step))


def _patterns(own: list[str] | None, common: list[str] | None) -> tuple[str, ...] | None:
    said = _first(own, common)
    return None if said is None else tuple(said)


def _limits(own: schema.LimitsKeys | None, common: schema.LimitsKeys | None) -> model.Limits:
    own, common = own or schema.LimitsKeys(), common or schema.LimitsKeys()
    size, files, per_day, domains, unusual = (
        _first(getattr(own, key), getattr(common, key))
        for key in ("per_drop", "files", "per_day", "domains", "unusual")
    )
    return model.Limits(
        per_day=per_day,
        domains=None if domains == "ask" else domains,
        asks_new_domains=domains == "ask",
        is_own=(size, files, per_day) != (None, None, None),
        **_said(files=files, size=size, unusual=unusual),
    )


def _sidecar(keys: schema.SidecarKeys) -> model.Sidecar:
    may_set = None if keys.may_set is None else tuple(dict.fromkeys(keys.may_set))
    return model.Sidecar(name=keys.name, **_said(may_set=may_set, required=keys.required))


def _expect(keys: schema.ExpectKeys) -> model.Expect:
    return model.Expect(filesystems=keys.filesystem or ())


def _range(keys: schema.SizeKeys) -> model.Sizes:
    return model.Sizes(**_said(least=keys.min, most=keys.max))


def _age(keys: schema.AgeKeys) -> model.Age:
    return model.Age(**_said(min_s=keys.min, max_s=keys.max))


def _first(own: Any, common: Any) -> Any:
    return common if own is None else own
