"""``python -m tests.fuzz``: see the package."""

import argparse
import itertools
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.fuzz.cases import KINDS
from tests.fuzz.watching import Watched


def main(arguments: list[str] | None = None) -> int:
    """Runs cases until time or their number is up; 1 if there are findings."""
    options = _options(arguments)
    kinds = options.kinds.split(",")
    if options.only:
        kind, _, index = options.only.partition("/")
        kinds, plan = [kind], [(kind, int(index))]
    else:
        # The kinds take turns, so that each has its share whatever its cases cost.
        numbers = range(options.cases) if options.cases else itertools.count()
        plan = ((kind, index) for index in numbers for kind in kinds)  # type: ignore[assignment]
    report = Report(options.seed)
    with Watched(kinds) as worker:
        deadline = time.monotonic() + options.seconds
        for kind, index in plan:
            if time.monotonic() >= deadline:
                break
            folder = options.keep / f"{kind}-{index}" if options.keep else None
            report.add(worker.run(kind, options.seed, index, folder))
    return report.close()


class Report:
    """Outcomes counted by kind, findings printed as they come, figures last."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._findings = 0
        self._slowest_s = 0.0
        self._growth_bytes = 0
        self._started = time.monotonic()

    def add(self, answer: dict[str, Any]) -> None:
        """Count an outcome; print it if it is a finding."""
        self._counts[answer["kind"]][answer["outcome"]] += 1
        self._slowest_s = max(self._slowest_s, answer["seconds"])
        self._growth_bytes = max(self._growth_bytes, answer["growth_bytes"])
        if answer["finding"] is None:
            return
        self._findings += 1
        name = f"{answer['kind']}/{answer['index']}"
        print(f"FINDING {name}: {answer['outcome']}: {answer['description']}")
        print("  " + answer["finding"].rstrip().replace("\n", "\n  "))
        print(f"  again: python -m tests.fuzz --seed {self._seed} --only {name} --keep DIR\n")
        sys.stdout.flush()

    def close(self) -> int:
        """Print the counts and the figures."""
        for kind, outcomes in self._counts.items():
            print(f"{kind}: {sum(outcomes.values())}")
            for outcome, number in outcomes.most_common():
                print(f"  {number:6d}  {outcome}")
        figures = {
            "seed": self._seed,
            "cases": {kind: sum(outcomes.values()) for kind, outcomes in self._counts.items()},
            "findings": self._findings,
            "slowest_s": round(self._slowest_s, 2),
            "growth_mb": self._growth_bytes >> 20,
            "seconds": round(time.monotonic() - self._started, 1),
        }
        print(json.dumps(figures))
        return 1 if self._findings else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seed", type=int, default=1, help="the same cases for the same seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--cases", type=int, help="at most so many of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which, separated by commas")
    parser.add_argument("--only", metavar="KIND/INDEX", help="one case again")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the cases' files there")
    options = parser.parse_args(arguments)
    if unknown := set(options.kinds.split(",")) - set(KINDS):
        parser.error(f"no such kinds: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
