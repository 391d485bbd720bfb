"""`python -m tests.corpus.sources.read_audiofolder FOLDER CACHE`: what `datasets` reads of an AudioFolder, as JSON.

A process of its own: the library leaves files open, which a test run takes for an error. It also wants `torchcodec`
to be there, which it needs for decoded audio only, and not for the names of files.
"""

import json
import sys
from types import ModuleType

import datasets

ENCODERS = "torchcodec.encoders"


def main() -> None:
    """Write one object for each file to standard output."""
    folder, cache = sys.argv[1:]
    sys.modules[ENCODERS] = ModuleType(ENCODERS)
    sys.modules[ENCODERS].AudioEncoder = None  # type: ignore[attr-defined]
    sys.modules["torchcodec"] = ModuleType("torchcodec")
    read = datasets.load_dataset("audiofolder", data_dir=folder, cache_dir=cache)
    rows = [
        {**row, "audio": row["audio"]["path"], "part": part}
        for part, table in read.items()
        for row in table.cast_column("audio", datasets.Audio(decode=False))
    ]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
