"""Take one delivery back whose package serves another one too, and stays.

Owns which links of such a package end, and the calls that end them. Never deletes a package and
never decides whose delivery is taken back. Called by the rooms.

Law 1. A link ends that was made for the delivery alone: ours, those that somebody had us make, and
each that the cloud mailed to a recipient of it whom no other delivery of the package names.
Law 2. A link that is off already is off: the calls may be repeated after any crash.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from masv_watch.cloud import wire
from masv_watch.cloud.client import CloudClient
from masv_watch.errors import PackageGone
from masv_watch.login import Login
from masv_watch.model import Upload
from masv_watch.store.contract import Store
from masv_watch.uploads.links import read_package


def end_links(upload: Upload, store: Store, cloud: CloudClient, login: Login) -> None:
    """Switch off the links by which an upload was delivered.

    Raises:
        PackageGone: the cloud has the package no more, nor any link of it.
        CloudError: not now, or not at all.
    """
    seen = read_package(cloud, login, upload)
    package_id, token = upload.package_id, seen.token or upload.package_token
    if package_id is None or token is None:
        raise PackageGone(f"upload {upload.id} has no package")
    own = store.link(upload.id)
    mailed = mailed_for_it_alone(
        seen.links,
        upload.terms.recipients,
        kept=store.known_links(upload),
        named=store.named_beside(upload),
    )
    ours = {*((own.id,) if own else ()), *store.links_by_hand(upload)}
    for link_id in (*sorted(ours), *(each for each in mailed if each not in ours)):
        with suppress(PackageGone):
            cloud.delete_link(package_id, token, link_id=link_id)


def mailed_for_it_alone(
    links: Iterable[wire.CreatedLink],
    recipients: Iterable[str],
    *,
    kept: Iterable[str],
    named: Iterable[str],
) -> list[str]:
    """Give the links of a package that the cloud mailed for one delivery of it.

    `kept` are those that belong to its other deliveries, `named` whom these go to. A link without
    an address may show the uploader's ([docs-links]), who may be a recipient.
    """
    others = {address.casefold() for address in named}
    alone = {address.casefold() for address in recipients} - others
    known = set(kept)
    return [link.id for link in links if link.email.casefold() in alone and link.id not in known]
