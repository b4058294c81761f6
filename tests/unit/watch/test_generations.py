"""What a look is to the ledger, and by which signature a folder is known before anybody looks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from masv_watch.model import Drop, DropState, HoldReason
from masv_watch.watch.generations import Relation, kept_signature, relate
from masv_watch.watch.settle import Seen, is_same_signature
from tests.searching import examples

_drops = st.builds(
    Drop,
    id=st.just(1),
    hot_folder=st.just("hot"),
    path=st.just(b"CARD"),
    generation=st.just(1),
    state=st.sampled_from(DropState),
    signature=st.sampled_from(["", "s", "s~2~c"]),
    size=st.just(1),
    file_count=st.just(1),
    seen_at=st.just(0.0),
    settled_at=st.sampled_from([None, 1.0]),
    upload_id=st.sampled_from([None, "u"]),
    hold=st.sampled_from([None, HoldReason.EMPTY, HoldReason.PAUSED]),
    is_unwanted=st.booleans(),
    whole=st.booleans(),
)


@settings(max_examples=examples(200))
@given(
    latest=st.none() | _drops,
    is_elsewhere=st.booleans(),
    shown=st.sampled_from(["s", "s~2~c", "t~2~c", "t"]),
)
def test_kept_signature_is_that_with_which_a_look_would_bring_nothing(latest, is_elsewhere, shown):
    """Whatever the row says: where one is given it decides as the look does, else no look ends."""
    seen = Seen(kind="folder", signature=shown, fence="f", files=1, size=1)
    related = relate(latest, seen, is_elsewhere=is_elsewhere and latest is not None)
    kept = kept_signature(latest, is_elsewhere=is_elsewhere)

    brings_nothing = related.relation in (Relation.SAME, Relation.ON_ITS_WAY)

    assert brings_nothing == (bool(kept) and is_same_signature(kept, shown))
