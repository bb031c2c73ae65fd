"""The order `interleaved`: as few neighbours of one class as possible, and every class spread over the epoch.

**Without a majority** the examples are put in pairs of two different classes. A pair can always be turned so that it
does not begin with the class that stands before it, so any sequence of pairs can be freed of equal neighbours.
**With a majority**, a class with more than half of the rows, each other example stands alone between two of it: n_max
runs of one class are separated n − n_max times, so 2·n_max − n − 1 equal neighbours remain, the least possible.

The epoch is cut into tenths, the b-th from ⌊b·n/10⌋ on. Which examples go into which tenth is decided first, in a way
that gives each tenth a tenth of each class, ±2; within a tenth they stand at random.
"""

from __future__ import annotations

import numpy as np

from entrena.training.pool import Classes, Drawn, Pool
from entrena.training.seeds import generator

TENTHS = 10
_SECOND = 0xFFFFFFFF  # the second example of a packed pair


def interleaved(pool: Pool, epoch: int) -> Drawn:
    """Max(0, 2·n_max − n − 1) equal-class neighbours; another such sequence in each epoch."""
    chance = generator(pool.seed, "order", epoch)
    classes = pool.by_class()
    largest = int(np.argmax([len(positions) for positions in classes.positions]))
    if 2 * len(classes.positions[largest]) > len(pool.rows):
        sequence = _around_majority(classes, largest, chance)
    else:
        sequence = _Pairs(classes, chance).sequence()
    return Drawn(pool.rows[sequence])


def _starts(n: int) -> np.ndarray:
    """The positions at which the tenths of n examples begin, and n."""
    return np.arange(TENTHS + 1) * n // TENTHS


def _class_by_class(classes: Classes, order: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The positions of all rows, the classes in the order given, the rows of each shuffled."""
    groups = [classes.positions[k] for k in order]
    row = np.concatenate(groups)
    for group in np.split(row, np.cumsum([len(group) for group in groups])[:-1]):
        chance.shuffle(group)  # a view
    return row


class _Pairs:
    """The examples as pairs of different classes, `first` and `second`, in sequence; with an odd number one at the end.

    Let the examples stand class by class in a row of 2h. No class has more than h, so the i-th and the (i+h)-th are of
    different classes: the pairs i = 0 … h−1. The pairs with i ≡ r (mod 10) make a tenth, another r for each: a class
    stands at consecutive i, so each tenth has ⌊n_c/10⌋ or ⌈n_c/10⌉ of it. Only the class that reaches over the
    middle of the row begins anew at i = 0; of this one, `wrapped`, a tenth has less than 2 too many or too few.

    Where a tenth begins between the two examples of a pair, the first of them is counted in the tenth before: one more
    there and one less here. The pair is turned so that this is not the wrapped class. So all remain within ±2.
    """

    def __init__(self, classes: Classes, chance: np.random.Generator) -> None:
        row, of_row = _class_by_class(classes, chance.permutation(len(classes.positions)), chance), classes.of_row
        self.n, self.h = len(row), len(row) // 2
        self.last = row[: self.n % 2]  # of the first class, which never wraps
        row = row[self.n % 2 :]
        middle = of_row[row[self.h - 1 : self.h + 1]]
        self.wrapped = middle[0] if middle[0] == middle[1] else None
        pairs = _by_tenths(_packed(row[: self.h], row[self.h :]), self.n, of_row, chance)
        self.first, self.second = _unpacked(pairs)
        self.class_1, self.class_2 = of_row[self.first], of_row[self.second]
        self.class_last = of_row[self.last]

    def sequence(self) -> np.ndarray:
        """The pairs, each turned as its neighbours need it, one after the other."""
        self._turn_where_tenths_begin()
        self._turn(self._to_turn())
        result = np.empty(self.n, np.intp)
        result[0 : 2 * self.h : 2], result[1 : 2 * self.h : 2] = self.first, self.second
        result[2 * self.h :] = self.last
        return result

    def _turn_where_tenths_begin(self) -> None:
        """Turns the pairs whose direction is given, and those before them that have to follow."""
        free_from = 0  # behind the last pair whose direction is given
        for position in _starts(self.n)[1:-1]:
            k = position // 2
            if position % 2 and self.wrapped is not None and self.wrapped in (self.class_1[k], self.class_2[k]):
                if self.class_1[k] == self.wrapped:
                    self._turn(np.array([k]))
                self._lead_to(k, self.class_1[k], free_from)
                free_from = k + 1
        if len(self.last):
            self._lead_to(self.h, self.class_last[0], free_from)

    def _lead_to(self, k: int, number: int, free_from: int) -> None:
        """Sees to it that the pairs before pair k do not end with class `number`.

        A pair with that class has to begin with it, and then so has the pair before, until one is without it. The last
        pair of given direction ends the search too: it ends with the wrapped class, which is never `number`. So these
        pairs and pair k begin with another class than whatever comes before them ends with, and remain as they are.
        """
        without = (self.class_1[free_from:k] != number) & (self.class_2[free_from:k] != number)
        begin = k - int(np.argmax(without[::-1])) if without.any() else free_from
        self._turn(begin + np.flatnonzero(self.class_1[begin:k] != number))

    def _turn(self, which: np.ndarray) -> None:
        self.first[which], self.second[which] = self.second[which], self.first[which]
        self.class_1[which], self.class_2[which] = self.class_2[which], self.class_1[which]

    def _to_turn(self) -> np.ndarray:
        """The pairs that are turned, if each is turned only where it would begin with the class before it.

        Whether a pair is turned depends on whether the one before is: not at all (never turned), like it, or contrary
        to it. So it is the number of contraries since the last pair that depends on nothing, modulo 2.
        """
        contrary, alike = np.zeros(self.h, bool), np.zeros(self.h, bool)
        np.equal(self.class_1[1:], self.class_2[:-1], out=contrary[1:])
        np.equal(self.class_1[1:], self.class_1[:-1], out=alike[1:])
        contraries = np.cumsum(contrary, dtype=np.int32)
        before = np.maximum.accumulate(contraries * ~(contrary | alike))
        return np.flatnonzero((contraries - before) & 1)


def _packed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pairs of positions as one number each, so that they move together."""
    return first << 32 | second


def _unpacked(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pairs >> 32, pairs & _SECOND


def _by_tenths(pairs: np.ndarray, n: int, of_row: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The pairs of each tenth in random sequence, half of them turned, one tenth after the other.

    A pair belongs to the tenth in which its second example stands: ⌊p/2⌋ pairs come before position p.
    """
    few, n_long = divmod(len(pairs), TENTHS)
    is_long = np.diff(_starts(n) // 2) > few  # the tenths with one pair more: those of the remainders 0 … n_long − 1
    remainder = np.empty(TENTHS, int)
    remainder[is_long] = chance.permutation(n_long)
    remainder[~is_long] = n_long + chance.permutation(TENTHS - n_long)
    table = np.ascontiguousarray(pairs[: TENTHS * few].reshape(few, TENTHS).T[remainder])
    more = pairs[TENTHS * few :][remainder[is_long]]
    half = table[:, chance.integers(2) :: 2]
    half[:] = _packed(*_unpacked(half)[::-1])
    chance.permuted(table, axis=1, out=table)
    _mix(table, of_row)
    ends = few * (np.flatnonzero(is_long) + 1)
    return np.insert(table.ravel(), ends - chance.integers(0, few + 1, n_long), more)


def _mix(table: np.ndarray, of_row: np.ndarray) -> None:
    """Exchanges second examples within each tenth (a line), where that leaves all pairs of two classes.

    Else a class would be paired with the same one or two others throughout the epoch.
    """
    class_1, class_2 = (of_row[positions] for positions in _unpacked(table))
    half = table.shape[1] // 2
    a, b = np.s_[:, :half], np.s_[:, half : 2 * half]
    for step in (1, -1):
        may = (class_1[a] != class_2[b][:, ::step]) & (class_1[b][:, ::step] != class_2[a])
        _exchange(table[a], table[b][:, ::step], may, _SECOND)
        _exchange(class_2[a], class_2[b][:, ::step], may)


def _exchange(a: np.ndarray, b: np.ndarray, where: np.ndarray, bits: int = -1) -> None:
    """Exchanges the given bits of whole numbers where `where` holds; faster than by indices."""
    difference = (a ^ b) * where
    if bits != -1:
        difference &= bits
    a ^= difference
    b ^= difference


def _around_majority(classes: Classes, largest: int, chance: np.random.Generator) -> np.ndarray:
    """The others at places of which no two are neighbours and none is at an end; the majority everywhere else."""
    order = chance.permutation(len(classes.positions))
    row = _class_by_class(classes, np.append(order[order != largest], largest), chance)
    n = len(row)
    others, majority = np.split(row, [n - len(classes.positions[largest])])
    places = _places(n, len(others), chance)
    result, is_majority = np.empty(n, np.intp), np.ones(n, bool)
    is_majority[places] = False
    result[places] = _into_tenths(others, np.diff(np.searchsorted(places, _starts(n))), chance)
    result[is_majority] = majority
    return result


def _places(n: int, n_others: int, chance: np.random.Generator) -> np.ndarray:
    """One place for each of the others, at random in its part of the epoch, ascending.

    The j-th part is ⌊j·ν⌋ < place < ⌊(j+1)·ν⌋ with ν = (n−1)/n_others ≥ 2: never empty, and a place between two parts
    stays free. Where a tenth begins within a part, the side is chosen so that the number of others before it is the
    nearest to its due: then a tenth has at most 1 too many or too few.
    """
    edges = np.arange(n_others + 1) * (n - 1) // max(n_others, 1)
    low, high = edges[:-1] + 1, edges[1:].copy()
    for start in _starts(n)[1:-1]:
        j = np.searchsorted(low, start) - 1
        if j >= 0 and low[j] < start < high[j]:
            if 2 * start * n_others >= (2 * j + 1) * (n - 1):  # start/ν ≥ j + 1/2
                high[j] = start
            else:
                low[j] = start
    return chance.integers(low, high)


def _into_tenths(others: np.ndarray, sizes: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The others, which come class by class, as a sequence whose tenths have the given sizes and a tenth of each class.

    Each tenth takes every tenth of them, so ⌊n_c/10⌋ or ⌈n_c/10⌉ of a class. Where that is one too many for a
    tenth, it gives one, any one, to a tenth that has one too few.
    """
    by_size = chance.permutation(TENTHS)
    by_size = by_size[np.argsort(-sizes[by_size], kind="stable")]  # the first ones get one more
    taken = [others[r::TENTHS] for r in range(TENTHS)]
    for group in taken:
        chance.shuffle(group)  # a view: `others` is this function's own
    excess = np.array([len(group) for group in taken]) - sizes[by_size]
    spare = [taken[r][sizes[by_size[r]] :] for r in np.flatnonzero(excess > 0)]
    kept = [taken[r][: sizes[by_size[r]]] for r in range(TENTHS)]
    needy = np.repeat(np.arange(TENTHS), np.maximum(-excess, 0))
    for r, one in zip(needy, np.concatenate([others[:0], *spare]), strict=True):
        kept[r] = np.insert(kept[r], chance.integers(len(kept[r]) + 1), one)
    return np.concatenate([kept[r] for r in np.argsort(by_size)])
