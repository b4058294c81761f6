"""The page as a reader without scripts gets it: its elements, its text and its links.

Owns reading HTML as a browser would. Never part of the product. Used by the tests of the page.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

#: elements without an end
_EMPTY = frozenset({"link", "meta", "input", "img", "br", "path", "circle", "rect"})


class Page(HTMLParser):
    """One page that was answered."""

    def __init__(self, answer):
        """Read an answer; every element must be closed where it was opened."""
        super().__init__()
        self.answer = answer
        #: name and attributes of every element, in their order
        self.elements = []
        self._open, self._words = [], []
        self.feed(answer.body.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, tag
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not {"noscript", "title"} & set(self._open):
            self._words.append(data)

    @property
    def text(self):
        """Give the words of the page, with one blank between them."""
        return re.sub(r"\s+", " ", " ".join(self._words)).strip()

    def all(self, tag):
        """Give the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def mark(self, key):
        """Give the word by which the state of a row is told."""
        row = self.answer.body.decode().partition(f'data-key="{key}"')[2]
        return re.search(r'class="mark [^>]*>.*?</svg>([^<]+)</span>', row, re.DOTALL)[1]

    @property
    def token(self):
        """Give the token with which the buttons of this page work."""
        (found,) = [each["data-token"] for each in self.all("div") if "data-token" in each]
        return found

    @property
    def targets(self):
        """Give what the buttons would ask for."""
        return [each["data-target"] for each in self.all("button") if "data-target" in each]

    @property
    def links(self):
        """Give where the links lead."""
        return [each["href"] for each in self.all("a")]


def page_of(desk, path="/"):
    """Open a page as the daemon's own user."""
    answer = desk.short.call(path)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8", answer
    return Page(answer)
