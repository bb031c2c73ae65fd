"""Blocks of rows that arrive: the first are read as a file is, and all others as these were written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from entrena.data.arrivals import Arrivals
from entrena.data.dialect import Dialect, Request
from entrena.data.row_cutter import Records, RowCutter
from entrena.data.settled import SettledColumn
from entrena.data.table import Column, Table
from entrena.data.texts import Meanings
from entrena.data.values import Place
from entrena.errors import DataError

Stop = Callable[[], bool]

# From the first rows to what each column that is read means in all others.
Settle = Callable[[Table, Meanings, Dialect], tuple[SettledColumn, ...]]

# So few rows are read by Python itself, for each call of Polars costs hundreds of microseconds.
FEW_ROWS = 32

# Where nobody says how many rows are to be looked at, at most so many of those that are there.
MOST_FIRST_ROWS = 1000

# How often the first rows are cut anew because they turn out to be written otherwise.
_MOST_TRIES = 3


class RowBlocks(ABC):
    """The rows of an open source.

    Args:
        arrivals: Its bytes.
        start: The first of them.

    Attributes:
        name: What messages call it.
        columns: How the columns that are read are settled; empty until `begin`.
    """

    n_header_rows = 0

    def __init__(self, arrivals: Arrivals, start: bytes) -> None:
        self.name = arrivals.name
        self.columns: tuple[SettledColumn, ...] = ()
        self._arrivals = arrivals
        self._held = [start]
        self._cutter = RowCutter(self.name, "", None)

    def look(self, n_rows: int | None, request: Request, stop: Stop | None = None) -> Table:
        """Waits for the first rows and reads them as a file; they stay where they are.

        Args:
            n_rows: How many; None: one, and others that are there already.
            request: What is asked of the reader.
            stop: Asked while nothing comes; where it says so, what is there is read.

        Raises:
            DataError: The rows cannot be used as they are.
        """
        found = None
        for _ in range(_MOST_TRIES):
            marks = found or self._first_marks(request)
            cutter = RowCutter(self.name, *marks, is_certain=found is not None)
            for piece in self._held:
                cutter.add(piece)
            n_wanted = self._wait_for(cutter, n_rows, stop)
            if found is None and self._first_marks(request) != marks:
                continue
            records = cutter.take(n_wanted + self.n_header_rows)
            table, found = self._read(records, request)
            is_same_quote = found[1] == cutter.quote or (cutter.quote is None and b'"' not in records.content)
            if found[0] == cutter.separator and is_same_quote and table.n_rows == max(0, n_wanted):
                self._cutter = cutter
                return table
        raise DataError(f"{self.name} cannot be read as text: its quotes do not match")

    def _wait_for(self, cutter: RowCutter, n_rows: int | None, stop: Stop | None) -> int:
        """Waits until the first rows are whole; how many of them are looked at."""
        wanted = (n_rows or 1) + self.n_header_rows
        most = (n_rows or MOST_FIRST_ROWS) + self.n_header_rows
        while cutter.n_complete < most and cutter.trouble is None:
            is_enough = cutter.n_complete >= wanted and not self._arrivals.is_ready()
            piece = b"" if is_enough else self._arrivals.piece(stop)
            if not piece:
                break
            self._held.append(piece)
            cutter.add(piece)
        if cutter.n_complete < wanted and cutter.trouble is not None:
            raise cutter.trouble
        if self._arrivals.is_ended:
            cutter.end()
        return min(cutter.n_complete, most) - self.n_header_rows

    def begin(self, n_rows: int | None, request: Request, settle: Settle, stop: Stop | None = None) -> Table:
        """The first rows as a model reads them; what follows is read in the same way.

        Args:
            n_rows: How many were looked at.
            request: What the model asks of the reader.
            settle: Says from the first rows what each column that is read means.
            stop: As for `look`.
        """
        table = self.look(n_rows, request, stop)
        self._held = []
        self._settle(table, request, settle)
        return table

    def skip(self, n_rows: int, stop: Stop | None = None) -> int:
        """Passes over rows; how many there were."""
        n_left = n_rows
        while n_left and self._is_there(1, stop):
            n_left -= self._cutter.take(n_left).n_rows
        return n_rows - n_left

    def next(self, most_rows: int, stop: Stop | None = None) -> Records | None:
        """The next rows that are there, at least one; None at the end, or where `stop` says so."""
        return self._cutter.take(most_rows) if self._is_there(most_rows, stop) else None

    def table(self, records: Records, n_rows: int) -> Table:
        """The first of these rows as a table of the columns that are read.

        Raises:
            DataError: A row cannot be read.
        """
        records = records.part(0, n_rows)
        return (self._few(records) if records.n_rows <= FEW_ROWS else None) or self._block(records)

    def _is_there(self, most_rows: int, stop: Stop | None) -> bool:
        """Waits for a whole row; takes in what is there already of `most_rows`."""
        cutter, arrivals = self._cutter, self._arrivals
        while cutter.n_complete < most_rows and (not cutter.n_complete or arrivals.is_ready()):
            if cutter.trouble is not None:
                break
            piece = arrivals.piece(stop)
            cutter.add(piece)
            if arrivals.is_ended:
                cutter.end()
            if not piece:
                break
        if not cutter.n_complete and cutter.trouble is not None:
            raise cutter.trouble
        return cutter.n_complete > 0

    @abstractmethod
    def _first_marks(self, request: Request) -> tuple[str, str | None]:
        """The separator and the quote, as far as the first bytes show them."""

    @abstractmethod
    def _read(self, records: Records, request: Request) -> tuple[Table, tuple[str, str | None]]:
        """The first rows as a table, and the separator and the quote that they turned out to have."""

    @abstractmethod
    def _settle(self, table: Table, request: Request, settle: Settle) -> None:
        """Keeps in mind how the first rows are written."""

    @abstractmethod
    def _block(self, records: Records) -> Table:
        """Rows as a table of the columns that are read."""

    @abstractmethod
    def _few(self, records: Records) -> Table | None:
        """The same for a few rows; None where they are not as plain as most are."""


def all_or_none(columns: Iterable[Column | None], place: Place) -> Table | None:
    """The table of columns; None where one of them is."""
    found = []
    for column in columns:
        if column is None:
            return None
        found.append(column)
    return Table(tuple(found), place)
