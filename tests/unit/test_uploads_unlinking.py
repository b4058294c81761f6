"""Which links of a package end when one of several deliveries of it is taken back."""

from __future__ import annotations

import pytest

from masv_watch.cloud.wire import CreatedLink
from masv_watch.model import Secret
from masv_watch.uploads.unlinking import mailed_for_it_alone

ANNA, BERT = "anna@a.example", "bert@b.example"


def link(name: str, email: str) -> CreatedLink:
    return CreatedLink(id=name, secret=Secret(""), expiry="", email=email)


@pytest.mark.parametrize(
    ("links", "kept", "named", "ended"),
    [
        ([link("1", ANNA), link("2", BERT)], (), (), ["1"]),
        ([link("1", "Anna@A.Example")], (), (), ["1"]),
        # another delivery goes to her as well
        ([link("1", ANNA)], (), ("ANNA@a.example",), []),
        # a link without an address shows the uploader, who may be a recipient
        ([link("1", ANNA), link("2", ANNA)], ("2",), (), ["1"]),
        ([link("1", "")], (), (), []),
    ],
)
def test_link_ends_that_was_mailed_for_the_delivery_alone(links, kept, named, ended):
    """All others still serve somebody."""
    assert mailed_for_it_alone(links, [ANNA], kept=kept, named=named) == ended
