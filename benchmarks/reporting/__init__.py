"""What benchmarks say the same way: a table for people, one JSON object as the last line, a page that keeps it."""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "benchmarks"

Figure = float | int | str | None | Sequence[float] | Mapping[str, object]


@dataclass(frozen=True)
class Report:
    """What a benchmark found. `figures` are ours, `baseline` what they are held against, measured in the same run.

    `page` is Markdown: what was measured, against what, and what it means.
    """

    benchmark: str
    figures: Mapping[str, Figure]
    baseline: Mapping[str, Figure] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    page: str = ""


@dataclass(frozen=True)
class Spread:
    """Seconds of repeated runs: the median and the two middle quartiles' ends."""

    median: float
    low: float
    high: float
    runs: int


def arguments(about: str) -> argparse.Namespace:
    """The command line every benchmark has; `quick` is under two minutes with the same code on less."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="the same code on less, under two minutes")
    return parser.parse_args()


def seconds_of(work: Callable[[], object], *, runs: int, warm_up: int = 1) -> Spread:
    """How long `work` takes, after `warm_up` runs that are not counted."""
    for _ in range(warm_up):
        work()
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    low, median, high = statistics.quantiles(taken, n=4) if runs > 1 else taken * 3
    return Spread(median, low, high, runs)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie, the nearest one above. Raises ValueError when empty."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def publish(report: Report, *, quick: bool) -> None:
    """Print the table and, as the last line, the JSON; a full run also writes docs/benchmarks/NAME.json and .md."""
    table = Table("figure", "measured", "baseline", title=report.benchmark)
    for name in dict.fromkeys([*report.figures, *report.baseline]):
        table.add_row(name, _shown(report.figures.get(name)), _shown(report.baseline.get(name)))
    Console(stderr=False).print(table)
    said = {
        "benchmark": report.benchmark,
        "figures": report.figures,
        "baseline": report.baseline,
        "seeds": list(report.seeds),
        "command": shlex.join(["python", "-m", f"benchmarks.{report.benchmark}", *sys.argv[1:]]),
        "commit": _commit(),
        "machine": _machine(),
    }
    if not quick:
        PAGES.mkdir(parents=True, exist_ok=True)
        text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
        (PAGES / f"{report.benchmark}.json").write_text(text, encoding="utf-8")
        (PAGES / f"{report.benchmark}.md").write_text(_page(report, said), encoding="utf-8")
    print(json.dumps(said, ensure_ascii=False))


def _page(report: Report, said: Mapping[str, object]) -> str:
    lines = [
        f"# {report.benchmark}",
        "",
        report.page.strip(),
        "",
        "| figure | measured | baseline |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {_shown(report.figures.get(name))} | {_shown(report.baseline.get(name))} |"
        for name in dict.fromkeys([*report.figures, *report.baseline])
    ]
    seeds = ", ".join(map(str, report.seeds)) or "none"
    lines += ["", f"`{said['command']}` at commit `{said['commit']}` on {said['machine']}; seeds: {seeds}."]
    return "\n".join(lines) + "\n"


def _shown(value: Figure) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())  # type: ignore[arg-type]
    return str(value)


def _commit() -> str:
    """The commit, marked where the tree differs from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True
    )
    return found.stdout.strip() or "unknown"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"
