"""The list of uploads: filters, orders and pages, with thousands of them."""

from __future__ import annotations

import base64
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from masv_watch.model import Draft, Terms, UploadEvent, UploadType
from tests.integration.api.calling import UPLOADS, Short, said
from tests.integration.api.conftest import Caller
from tests.integration.store.making import file_draft

NAMES = ["dailies", "Dailies", "day 1", "\u00e4rger", "\U0001f3ac", "&=?#%", '"><;, rel="prev"']
KEYS = {"created_at": "created_at", "priority": "priority", "name": "package_name", "size": "size"}
SORTS = [sign + sort for sort in KEYS for sign in ("", "-")]
MANY = 1_200


class Shelf(Caller):
    """An API over uploads that are alike in all that they can be sorted by."""

    def __init__(self, folder):
        super().__init__(folder)
        self.short = Short(self.app)
        self.number = itertools.count()

    def add(self):
        """Make one more upload; every fourth is paused, every third a portal's."""
        number = next(self.number)
        is_portal = number % 3 == 0
        upload_id = self.store.create_upload(
            Draft(
                hot_folder="out" if number % 5 == 0 else None,
                root=b"/",
                name=NAMES[number % len(NAMES)],
                message="",
                terms=Terms(
                    type=UploadType.PORTAL if is_portal else UploadType.TEAM,
                    recipients=(),
                    portal="dailies" if is_portal else None,
                    idle_s=None,
                ),
                files=(file_draft(b"srv/%d.mov" % number, size=number % 4),),
                priority=number % 6 - 3,
            )
        )
        if number % 4 == 0:
            self.store.advance_upload(upload_id, UploadEvent.PAUSE)
        return upload_id

    def fill(self, number):
        """Make so many more, a few at a time, which one commit stores together."""
        with ThreadPoolExecutor(32) as pool:
            return list(pool.map(lambda _: self.add(), range(number)))

    def list(self, **query):
        """Give a list without pages."""
        answer = self.short.ask(target(**query))
        assert answer.status == 200
        assert "Link" not in answer.headers
        return answer.tree

    def pages(self, between=lambda: None, **query):
        """Follow a list to its last page, and give the pages."""
        where, pages = target(**query), []
        while where is not None:
            answer = self.short.ask(where)
            assert answer.status == 200, answer.body
            pages.append(answer.tree)
            where = following(answer)
            between()
        return pages

    def close(self):
        self.short.close()
        super().close()


def target(**query):
    """Give where to ask with these parameters."""
    return UPLOADS + "".join(
        f"{'&' if number else '?'}{name}={value}"
        for number, (name, value) in enumerate(query.items())
    )


def following(answer):
    """Give where the next page is, or None on the last one."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<(/api/v1/uploads\?[A-Za-z0-9%&=_.+-]+)>; rel="next"', link)
    assert found, link
    return found[1]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    shelf.fill(MANY)
    yield shelf
    shelf.close()


@pytest.fixture
def small(tmp_path):
    """Give a shelf of a test's own."""
    shelf = Shelf(tmp_path)
    shelf.fill(40)
    yield shelf
    shelf.close()


def ids(uploads):
    return [upload["upload_id"] for upload in uploads]


@pytest.mark.parametrize("sort", SORTS)
def test_list_is_sorted_in_both_directions_and_equal_ones_by_their_id(shelf, sort):
    """A sort is total, so that a page ends at one place only."""
    key = KEYS[sort.removeprefix("-")]
    wanted = sorted(shelf.list(), key=lambda each: (each[key], each["upload_id"]))

    found = shelf.list(sort=sort)

    assert ids(found) == ids(wanted[::-1] if sort.startswith("-") else wanted)
    assert len(found) == MANY


@pytest.mark.parametrize("limit", [97, MANY - 1, MANY, MANY + 1])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_together_are_the_list(shelf, sort, limit):
    """Each upload is on exactly one page, and only the last page has no next one."""
    pages = shelf.pages(sort=sort, limit=limit)

    assert ids(itertools.chain(*pages)) == ids(shelf.list(sort=sort))
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.parametrize("state", [None, "transferring", "paused", "idle"])
@pytest.mark.parametrize("type_", [None, "team", "portal"])
@pytest.mark.parametrize("hot_folder", [None, "out", "none%20such"])
def test_filters_leave_exactly_what_they_name(shelf, state, type_, hot_folder):
    """Filters are joined by and; one that fits nothing gives an empty list."""
    asked = {"state": state, "type": type_, "hot_folder": hot_folder}
    given = {name: value for name, value in asked.items() if value is not None}
    wanted = [
        each
        for each in shelf.list()
        if all(each[name] == value.replace("%20", " ") for name, value in given.items())
    ]

    found = shelf.list(**given)
    pages = shelf.pages(**given, limit=101, sort="-priority")

    assert ids(found) == ids(wanted)
    assert sorted(ids(itertools.chain(*pages))) == sorted(ids(wanted))


@pytest.mark.parametrize(("word", "is_waiting"), [("true", True), ("false", False)])
def test_waiting_ones_are_paged_as_they_are_listed(shelf, word, is_waiting):
    """Whether an upload waits is known late; the pages are full all the same."""
    wanted = [each for each in shelf.list() if (each["waiting"] is not None) is is_waiting]

    pages = shelf.pages(waiting=word, limit=100)

    assert ids(itertools.chain(*pages)) == ids(wanted)
    assert {len(page) for page in pages[:-1]} == {100}
    assert len(wanted) > 100


@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_still_while_uploads_come_and_go(small, sort):
    """What was there and stays is seen once, whatever is added or deleted meanwhile."""
    before = ids(small.list())
    doomed = iter(before[::7])
    gone = []

    def stir():
        small.add()
        if (upload_id := next(doomed, None)) is not None:
            small.store.delete_upload(upload_id, takes_package=False)
            gone.append(upload_id)

    seen = ids(itertools.chain(*small.pages(between=stir, sort=sort, limit=6)))

    assert len(seen) == len(set(seen))
    assert set(before) - set(gone) <= set(seen)
    assert gone


def test_page_goes_on_after_an_upload_that_is_deleted(small):
    """The place of a page is a value, not a row."""
    first = small.short.ask(target(limit=5, sort="name"))
    rest = ids(small.list(sort="name"))[5:]
    small.store.delete_upload(first.tree[-1]["upload_id"], takes_package=False)

    second = small.short.ask(following(first))

    assert ids(second.tree) == rest[:5]


def test_link_keeps_the_filters_and_nothing_in_it_can_leave_it(small):
    """The next page is asked for as this one; what a caller wrote stays inside the brackets."""
    answer = small.short.ask(target(limit=1, state="transferring", type="team", sort="-name"))

    query = parse_qs(urlsplit(following(answer)).query)
    assert {name: query[name] for name in ("limit", "state", "type", "sort")} == {
        "limit": ["1"], "state": ["transferring"], "type": ["team"], "sort": ["-name"],
    }  # fmt: skip
    assert len(query["cursor"]) == 1


def test_cursor_of_the_longest_name_is_taken_back(small):
    """What we gave we understand, however many bytes a name takes."""
    for _ in range(2):
        draft = Draft(
            hot_folder=None,
            root=b"/",
            name="\U0001f3ac" * 1024,
            message="",
            terms=Terms(type=UploadType.TEAM, recipients=(), idle_s=None),
            files=(file_draft(b"srv/long.mov"),),
        )
        small.store.create_upload(draft)

    pages = small.pages(sort="-name", limit=1)

    assert len(pages) == 42


def encoded(tree):
    return base64.urlsafe_b64encode(json.dumps(tree).encode()).decode()


ID = "14881e8f-88fe-46cb-8eb6-76d7aa0d7e68"
BAD = [
    "", "x", "====", "AAAA", "%ff%00", "%F0%9F%8E%AC", "a" * 8192, "a" * 8193,
    encoded(None), encoded([]), encoded({}), encoded("created_at"), encoded(["created_at"]),
    encoded(["created_at", 1.0]), encoded(["created_at", 1.0, ID, 1]),
    encoded(["name", "x", ID]), encoded(["created_at", "x", ID]), encoded(["created_at", None, ID]),
    encoded(["created_at", [], ID]), encoded(["created_at", 10**30, ID]),
    encoded(["created_at", float("nan"), ID]), encoded(["created_at", float("inf"), ID]),
    encoded(["created_at", 1.0, ""]), encoded(["created_at", 1.0, 7]),
    encoded(["created_at", 1.0, "' OR 1=1"]), encoded(["created_at", 1.0, "\ud800"]),
    base64.urlsafe_b64encode(b"[" * 3000).decode(),
    base64.urlsafe_b64encode(b"[1," + b"9" * 5000 + b"]").decode(),
]  # fmt: skip


@pytest.mark.parametrize("cursor", BAD, ids=range(len(BAD)))
def test_cursor_that_is_none_of_ours_is_refused(small, cursor):
    """422 that names it and says where cursors come from; never a list from some other place."""
    answer = small.short.ask(target(cursor=cursor))

    assert answer.status in {400, 422}
    if answer.status == 422:
        assert answer.tree["field"] == "cursor"
        assert said(answer)[0] == 1509


@pytest.mark.parametrize("name", ["\ud800", 5, None, True])
def test_cursor_with_a_value_of_another_kind_is_refused(small, name):
    """A cursor of the list by name holds a text that can be one."""
    answer = small.short.ask(target(sort="name", cursor=encoded(["name", name, ID])))

    assert (answer.status, answer.tree["field"]) == (422, "cursor")


@pytest.mark.parametrize("other", ["name", "priority", "created_at"])
def test_cursor_of_another_sort_is_refused(small, other):
    """A place in one order says nothing in another, though both are numbers."""
    link = following(small.short.ask(target(limit=1, sort="size")))

    answer = small.short.ask(link.replace("sort=size", f"sort={other}"))

    assert answer.status == 422
    assert "same sort" in answer.tree["hint"]


def test_ten_thousand_uploads_are_listed_and_paged(tmp_path):
    """Nothing of the list grows out of hand with what a year leaves behind."""
    shelf = Shelf(tmp_path)
    made = shelf.fill(10_000)

    whole = shelf.call(UPLOADS)
    pages = shelf.pages(limit=10_000)
    last = shelf.pages(limit=2_500, sort="-name", state="transferring")

    assert (whole.status, len(whole.tree)) == (200, 10_000)
    assert set(ids(whole.tree)) == set(made)
    assert [len(page) for page in pages] == [10_000]
    assert sum(len(page) for page in last) == 7_500
    shelf.close()


def test_list_of_drops_is_filtered_by_hot_folder(small):
    """Another folder's drops are left out, and an unknown folder has none."""
    for folder in ("out", "in"):
        small.store.see_drop(folder, b"%s.mov" % folder.encode())

    found = {
        folder: [
            drop["path"] for drop in small.short.ask(f"/api/v1/drops?hot_folder={folder}").tree
        ]
        for folder in ("out", "in", "none")
    }

    assert found == {"out": ["out.mov"], "in": ["in.mov"], "none": []}
    assert len(small.short.ask("/api/v1/drops").tree) == 2
