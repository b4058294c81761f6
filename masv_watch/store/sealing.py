"""The seal of one state: found, proved, and laid on what was stored before there was one.

Owns the order in which a state's secrets become sealed. Never seals by itself: `store.seal` does.
Called once, when a state is opened.
"""

from __future__ import annotations

from masv_watch.model import Secret
from masv_watch.store.seal import Seal
from masv_watch.store.sql import Engine, Transaction


def known_seal(folder: str, engine: Engine) -> Seal:
    """Give the seal of a state; what was stored before there was one is sealed now.

    Raises:
        StoreUnusable: its key is missing, or is that of another state.
    """
    row = engine.read(lambda tx: tx.one("meta", key="seal"))
    seal = Seal.of(folder, may_make=row is None)
    if row is not None:
        seal.demand(row["value"])
        if row["value"] != seal.proof():
            # an earlier version's, which takes the ciphers to read it at every start
            engine.write(lambda tx: tx.run("set_meta", key="seal", value=seal.proof()))
        return seal

    def close_all(tx: Transaction) -> None:
        for upload in tx.all("unsealed_uploads"):
            tx.run(
                "seal_upload", id=upload["id"], token=seal.close(Secret(upload["package_token"]))
            )
        for link in tx.all("unsealed_links"):
            tx.run(
                "seal_link", upload_id=link["upload_id"], secret=seal.close(Secret(link["secret"]))
            )

    engine.write(close_all)
    # until the proof is stored a crash repeats all of it: no plain value survives in a free page
    engine.scrub()
    engine.write(lambda tx: tx.run("set_meta", key="seal", value=seal.proof()))
    return seal
