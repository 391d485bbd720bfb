"""A source: a tree of files and the layout they are in."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.corpus.listing import Listed, chosen
from earmark.corpus.manifest import Row
from earmark.corpus.sources import layouts, speakers
from earmark.corpus.sources.archives import archive_tree
from earmark.corpus.sources.buckets import BucketTree
from earmark.corpus.sources.options import Kind, Options
from earmark.corpus.sources.passing import sweep_abandoned
from earmark.corpus.sources.trees import FolderTree, RefusedFileError, Tree
from earmark.speech.errors import EarmarkError


@dataclass
class Source:
    """What to bring in, and each file as a local path. Close it, or use it as a context manager."""

    tree: Tree
    options: Options
    _refused: dict[str, RefusedFileError] = field(default_factory=dict)

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is open; passing copies that are still open are gone."""
        self.tree.close()

    def check(self) -> None:
        """Raise EarmarkError at once where nothing could come of this.

        `corpus:import:no-folder`, `corpus:archive:...`, `corpus:bucket:...`, `corpus:import:layout`,
        `corpus:import:pattern`, `corpus:manifest:...`.
        """
        self.tree.check()
        if self.options.speaker_from:
            speakers.pattern(self.options.speaker_from)
        looks = layouts.looks_like(self.tree)
        if not self.options.layout and not self.options.manifest and looks:
            raise EarmarkError(
                "corpus:import:layout",
                f"What is there looks like the layout {looks}.",
                f"Give --layout {looks} to bring in transcripts and speakers, or --layout files for the audio alone.",
            )
        layouts.check(self.tree, self.options.layout, self.options.manifest)

    def rows(self) -> Listed:
        """What to bring in, in an order that is the same each time, and what is left aside.

        Files that will be refused are listed, so that their refusal is on record. Raises as `check` does, and for a
        pattern that fits no path.
        """
        sweep_abandoned()
        aside: Counter[str] = Counter()
        files = self.tree.files(aside)
        known = layouts.read(self.tree, files, self.options.layout, self.options.manifest)
        rows = chosen(files, known.rows if known else None, aside)
        self._refused = known.refused if known else {}
        if self.options.speaker_from:
            rows = speakers.filled_in(rows, self.options.speaker_from)
        return Listed(rows, {name: count for name, count in sorted(aside.items()) if count})

    @contextmanager
    def opened(self, row: Row) -> Iterator[Path]:
        """A local path that holds the row's file for as long as the context lasts.

        Call it after `rows` and in their order: an archive is read from its beginning to its end. Several may be
        open at once. Raises RefusedFileError on entering where the fault is the file's; any other EarmarkError
        stops the import, which may be tried again.
        """
        if row.path in self._refused:
            raise self._refused[row.path]
        with self.tree.opened(row.path) as path:
            yield path


def source_for(source: str, stored: Mapping[str, Any]) -> Source:
    """The source of an import, from its `source` and its `options`. Nothing is opened yet."""
    options = Options.from_json(stored)
    trees = {
        Kind.FOLDER: lambda: FolderTree(Path(source)),
        Kind.ARCHIVE: lambda: archive_tree(Path(source)),
        Kind.S3: lambda: BucketTree(source),
    }
    return Source(trees[options.kind](), options)
