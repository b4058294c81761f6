"""The files of a large drop, held in columns: a third of what as many objects take.

Owns how paths and identities are held and put in order. Never touches the disk. Used by the sweep,
and by whoever goes through the files of a tree in the order of their paths.

Law 1. Whoever goes through it gets what was put in, number for number, however large or negative.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import overload

from masv_watch.model import Identity

Placed = tuple[bytes, Identity]

#: files that are held as objects: most drops, for which nothing would be saved
_FEW = 1000
_numbers = attrgetter("size", "mtime_ns", "ctime_ns", "inode", "device")


class Columns(Sequence[Placed]):
    """A growing sequence of files."""

    def __init__(self) -> None:
        """Begin empty."""
        self._paths: list[bytes] = []
        #: times may lie before 1970; the other numbers use all 64 bits on some file systems
        self._numbers = tuple(array(kind) for kind in "QqqQQ")
        #: identities that no column can hold, by their place
        self._odd: dict[int, Identity] = {}

    def append(self, placed: Placed) -> None:
        """Put one file at the end."""
        path, identity = placed
        place = len(self._paths)
        self._paths.append(path)
        try:
            for column, number in zip(self._numbers, _numbers(identity), strict=True):
                column.append(number)
        except OverflowError:
            # a time after the year 2262 counts more nanoseconds than 63 bits
            self._odd[place] = identity
            for column in self._numbers:
                if len(column) > place:
                    column.pop()
                column.append(0)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._paths)

    @overload
    def __getitem__(self, at: int) -> Placed: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Placed]: ...
    def __getitem__(self, at: int | slice) -> Placed | Sequence[Placed]:
        """Give one file, or several as a tuple."""
        if isinstance(at, slice):
            return tuple(self._at(range(*at.indices(len(self)))))
        return next(self._at((range(len(self))[at],)))

    def __iter__(self) -> Iterator[Placed]:
        """Give the files in the order in which they were put in."""
        if self._odd:
            return self._at(range(len(self)))
        return zip(self._paths, map(_identity, *self._numbers), strict=True)

    def in_order(self) -> Sequence[Placed]:
        """Give the files in the order of their paths."""
        # numbers as an array: as objects they would take as much as an identity in here
        return _InOrder(self, array("Q", sorted(range(len(self)), key=self._paths.__getitem__)))

    def sizes(self) -> int:
        """Give the bytes of all of them."""
        return sum(self._numbers[0]) + sum(each.size for each in self._odd.values())

    def _at(self, places: Iterable[int]) -> Iterator[Placed]:
        for place in places:
            identity = self._odd.get(place)
            if identity is None:
                identity = _identity(*(column[place] for column in self._numbers))
            yield self._paths[place], identity


class _InOrder(Sequence[Placed]):
    """The files of columns in another order."""

    def __init__(self, columns: Columns, places: array[int]) -> None:
        self._columns = columns
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> Placed: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Placed]: ...
    def __getitem__(self, at: int | slice) -> Placed | Sequence[Placed]:
        if isinstance(at, slice):
            return tuple(self._columns._at(self._places[at]))
        return self._columns[self._places[at]]

    def __iter__(self) -> Iterator[Placed]:
        return self._columns._at(self._places)


class Growing:
    """Files as they are found: objects while they are few, columns from then on."""

    def __init__(self) -> None:
        """Begin empty."""
        self._files: list[Placed] | Columns = []

    def append(self, placed: Placed) -> None:
        """Put one file at the end."""
        if isinstance(self._files, list) and len(self._files) == _FEW:
            columns = Columns()
            for each in self._files:
                columns.append(each)
            self._files = columns
        self._files.append(placed)

    def all(self) -> Sequence[Placed]:
        """Give what was found."""
        return tuple(self._files) if isinstance(self._files, list) else self._files


def in_order(files: Iterable[Placed]) -> Sequence[Placed]:
    """Give files in the order of their paths, held no more than once."""
    if isinstance(files, Columns):
        return files.in_order()
    return sorted(files, key=lambda file: file[0])


def bytes_of(files: Iterable[Placed]) -> int:
    """Give the bytes of files together."""
    if isinstance(files, Columns):
        return files.sizes()
    return sum(identity.size for _, identity in files)


def _identity(*numbers: int) -> Identity:
    size, mtime_ns, ctime_ns, inode, device = numbers
    return Identity(
        size=size, mtime_ns=mtime_ns, ctime_ns=ctime_ns, inode=inode, device=device
    )  # fmt: skip
