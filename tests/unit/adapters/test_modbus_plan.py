"""Plans against a brute-force search: every value whole, nothing that is refused, and no request too many."""

from __future__ import annotations

import random
from functools import cache

import pytest

from adapters.modbus_plan import Atom, Holes, Request, plan, span, within
from gateway.profile.bound import Poll, Table


def poll(*atoms: Atom, table: Table = Table.HOLDING) -> Poll:
    start, count = span(atoms)
    return Poll(name="p", every_s=1.0, table=table, start=start, count=count, atoms=tuple(sorted(atoms)))


def planned(*atoms: Atom, most: int = 125, holes: Holes | None = None, widest_gap: int = 65_536) -> list[Request]:
    return list(plan(poll(*atoms), most_registers=most, most_bits=2_000, holes=holes or Holes(), widest_gap=widest_gap))


@pytest.mark.parametrize(
    ("atoms", "most", "expected"),
    [
        ([(100, 10), (130, 1), (134, 2)], 125, [(100, 36)]),
        ([(0, 1), (124, 1)], 125, [(0, 125)]),
        ([(0, 1), (125, 1)], 125, [(0, 1), (125, 1)]),
        ([(0, 2), (2, 2), (4, 2)], 5, [(0, 4), (4, 2)]),
        ([(0, 4), (4, 4)], 4, [(0, 4), (4, 4)]),
        ([(140, 1), (140, 1), (140, 2)], 125, [(140, 2)]),
        ([(10, 10), (12, 2), (30, 1)], 10, [(10, 10), (30, 1)]),
        ([(65_535, 1)], 125, [(65_535, 1)]),
    ],
)
def test_by_hand(atoms: list[Atom], most: int, expected: list[tuple[int, int]]) -> None:
    assert planned(*atoms, most=most) == expected


def test_bits_have_their_own_limit() -> None:
    coils = poll((0, 1), (1_500, 1), table=Table.COIL)
    assert plan(coils, most_registers=10, most_bits=2_000, holes=Holes()) == ((0, 1_501),)
    assert plan(coils, most_registers=10, most_bits=1_000, holes=Holes()) == ((0, 1), (1_500, 1))


def test_a_gap_that_costs_more_than_a_request_is_not_read() -> None:
    atoms = [(0, 1), (11, 1), (13, 1)]
    assert planned(*atoms, widest_gap=10) == [(0, 14)]
    assert planned(*atoms, widest_gap=9) == [(0, 1), (11, 3)]
    assert planned(*atoms, widest_gap=0) == [(0, 1), (11, 1), (13, 1)]


def test_what_is_refused_is_left_out_and_gone_around() -> None:
    holes = Holes()
    holes.refuse((10, 2))
    assert planned((0, 1), (10, 2), (20, 1), holes=holes) == [(0, 1), (20, 1)]
    assert planned((8, 1), (9, 3), (12, 1), holes=holes) == [(8, 1), (12, 1)]
    assert planned((8, 1), (9, 2), (11, 3), (14, 1), holes=holes) == [(8, 3), (11, 4)], "which of 10 and 11 is open"
    holes.forget()
    assert planned((0, 1), (10, 2), (20, 1), holes=holes) == [(0, 21)]


def test_a_seam_is_not_crossed_but_by_a_value() -> None:
    holes = Holes()
    holes.part(9, 10)
    assert planned((0, 10), (10, 10), (20, 5), holes=holes) == [(0, 10), (10, 15)]
    assert planned((0, 5), (8, 4), holes=holes) == [(0, 5), (8, 4)]


def test_the_true_limit_is_found_by_halving() -> None:
    """A unit that takes 70 at once: what is answered and what is refused closes in on it."""
    holes, refused = Holes(), 0
    atoms = [(at, 1) for at in range(500)]
    for _ in range(20):
        for request in planned(*atoms, holes=holes):
            if request.length > 70:
                holes.shorten(request.length)
                refused += 1
                break
            holes.answered(request.length)
    assert planned(*atoms, holes=holes)[0] == (0, 70)
    assert refused <= 7


def test_a_value_above_the_found_limit_is_asked_for_alone() -> None:
    holes = Holes()
    holes.answered(10)
    holes.shorten(12)
    assert planned((0, 5), (5, 40), (45, 5), holes=holes) == [(0, 5), (5, 40), (45, 5)]


def test_version_changes_only_with_what_is_known() -> None:
    holes = Holes()
    holes.answered(50)
    assert holes.version == 0
    holes.refuse((1, 2))
    before = holes.version
    holes.refuse((1, 2))
    holes.answered(60)
    assert holes.version == before


Ranges = set[tuple[int, int]]


def crosses(start: int, end: int, ranges: Ranges) -> bool:
    return any(start <= first and last < end for first, last in ranges)


def fewest(atoms: list[Atom], most: int, refused: Ranges, seams: Ranges) -> int:
    """Least number of requests by trying: a request is any first and last value whose span is allowed."""
    wanted = sorted({atom for atom in atoms if not crosses(atom[0], sum(atom), refused)})
    ways = []
    for start in {at for at, _ in wanted}:
        for end in {sum(atom) for atom in wanted}:
            covered = frozenset(atom for atom in wanted if start <= atom[0] and sum(atom) <= end)
            allowed = end - start <= most and not crosses(start, end, refused | seams)
            if covered and (allowed or len(covered) == 1):
                ways.append(covered)

    @cache
    def least(left: frozenset[Atom]) -> int:
        if not left:
            return 0
        first = min(left)
        return 1 + min(least(left - way) for way in ways if first in way)

    return least(frozenset(wanted))


@pytest.mark.parametrize("seed", range(300))
def test_property(seed: int) -> None:
    draw = random.Random(seed)
    most = draw.randint(3, 15)
    atoms = [(draw.randint(0, 45), draw.randint(1, draw.choice([1, 2, 3]))) for _ in range(draw.randint(1, 9))]
    holes = Holes()
    refused: Ranges = set()
    seams: Ranges = set()
    for _ in range(draw.randint(0, 2)):
        hole = (draw.randint(0, 48), draw.randint(1, 2))
        holes.refuse(hole)
        refused.add((hole[0], sum(hole) - 1))
    for _ in range(draw.randint(0, 2)):
        seam = draw.randint(0, 47)
        if not any(at <= seam < at + size - 1 for at, size in atoms):  # as they are found: between values
            holes.part(seam, seam + 1)
            seams.add((seam, seam + 1))
    requests = planned(*atoms, most=most, holes=holes)
    for request in requests:
        assert 1 <= request.length <= most
        assert not crosses(request.start, sum(request), refused | seams)
        assert within(request, atoms)
        assert request == span(within(request, atoms)), "begins and ends with a value"
    wanted = {atom for atom in atoms if not crosses(atom[0], sum(atom), refused)}
    assert wanted == {atom for request in requests for atom in within(request, atoms)}
    assert len(requests) == fewest(atoms, most, refused, seams)
