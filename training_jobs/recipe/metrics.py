"""`metrics.jsonl`: what a run reports while it goes on. Lines are appended, never changed.

After a kill the steps since the last checkpoint are run, and reported, again with the same values: of two
lines with one step the later one holds.
"""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO


class MetricsWriter:
    """Appends one JSON object a line and flushes it, so that a reader sees it at once."""

    def __init__(self, path: Path) -> None:
        torn = _ends_torn(path)
        self._file: TextIO = path.open("a", encoding="utf-8")
        if torn:
            self._file.write("\n")

    def write(self, **values: Any) -> None:
        """Append `values` with the time; floats are rounded to seven digits."""
        record = {"time": round(time.time(), 3)}
        record |= {k: float(f"{v:.7g}") if isinstance(v, float) else v for k, v in values.items()}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Metric:
    """One line of a metrics file; `position` is the byte where it begins."""

    position: int
    values: dict[str, Any]


def read_metrics(path: Path, after_offset: int = 0) -> tuple[list[Metric], int]:
    """The complete lines from byte `after_offset` on, and the offset to ask from next.

    A last line still being written is left for the next call; a line that a kill cut short is passed over. No
    file yet: no lines.
    """
    if not path.exists():
        return [], after_offset
    with path.open("rb") as file:
        file.seek(after_offset)
        data = file.read()
    metrics: list[Metric] = []
    position = after_offset
    for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
        with suppress(ValueError):
            metrics.append(Metric(position, json.loads(line)))
        position += len(line)
    return metrics, position


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) != b"\n"
