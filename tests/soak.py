"""`make soak`: a whole shift through all protocols with everything that disturbs, and another in a storm of faults.

    python -m tests.soak --hours 8 --speed 60

Takes some minutes for each hour; too long for the tests, which do the same with a short shift (tests/e2e/test_shift.py).
Exit status 1 when anything was lost, duplicated, invented or wrong that no gap record explains.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.shift import Shift, wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hours", type=float, default=8.0)
    options.add_argument("--speed", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    options.add_argument("--folder", type=Path, help="kept; default: a temporary one")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="lineside-soak-") as temporary:
        folder = given.folder or Path(temporary)
        results = [
            _shift(folder / name, given, troubles) for name, troubles in (("everything", None), ("storm", "storm"))
        ]
    return 0 if all(results) else 1


def _shift(folder: Path, given: argparse.Namespace, troubles: str | None) -> bool:
    shift = Shift(
        folder=folder,
        speed=given.speed,
        seed=given.seed,
        hours=given.hours,
        scenario="everything",
        troubles=troubles,
    )
    print(f"{folder.name}: {given.hours:g} h at speed {given.speed:g}, seed {given.seed}", flush=True)
    shift.run(timeout_s=given.hours * 3600 / given.speed * 4 + 600)
    answer = shift.reconciled()
    for station, found in answer["stations"].items():
        print(
            f"  {station:14} told {sum(found['told'].values()):6} found {sum(found['found'].values()):6} {found['counts']}"
        )
    print(f"  {answer['totals']}")
    if problem := wrong(answer):
        print(problem)
    return bool(answer["clean"])


if __name__ == "__main__":
    sys.exit(main())
