"""The layouts that audio comes in: which files describe it, and what they say of each file."""

from collections.abc import Sequence
from pathlib import Path

from earmark.corpus.manifest import Row, read_manifest
from earmark.corpus.sources.layouts import audiofolder, common_voice, kaldi, lhotse, nemo
from earmark.corpus.sources.layouts.described import Described, Layout, Where
from earmark.corpus.sources.trees import FolderTree, Tree
from earmark.speech.errors import EarmarkError

FILES = "files"
DESCRIBED: dict[str, Layout] = {
    "kaldi": Layout(kaldi.finds, kaldi.read, "wav.scp"),
    "common_voice": Layout(common_voice.finds, common_voice.read, "validated.tsv beside clips/"),
    "audiofolder": Layout(audiofolder.finds, audiofolder.read, "metadata.csv or metadata.jsonl"),
    "lhotse": Layout(
        lhotse.finds, lhotse.read, "recordings and supervisions, or cuts, as .jsonl or .jsonl.gz"
    ),
    "nemo": Layout(nemo.finds, nemo.read, ".json or .jsonl whose lines hold audio_filepath"),
}
LAYOUTS = (FILES, *DESCRIBED)
MOST_TOLD_OF = 20_000


def looks_like(tree: Tree) -> str:
    """The layout that the tree seems to be in, by a glimpse of it; empty for none."""
    files = tree.glimpse(MOST_TOLD_OF)
    return next((name for name, layout in DESCRIBED.items() if layout.finds(tree, files)), "")


def check(tree: Tree, layout: str, manifest: str) -> None:
    """Raise EarmarkError for a description that is not there or is no good, as far as that shows at once."""
    if layout in ("", FILES):
        if manifest:
            read_manifest(Path(manifest))
        return
    if manifest:
        _own_description(layout, manifest)
        return
    files = tree.glimpse(MOST_TOLD_OF)
    if len(files) < MOST_TOLD_OF:
        _found(layout, tree, files)


def read(tree: Tree, files: Sequence[str], layout: str, manifest: str) -> Described | None:
    """What is known of each file; None where every file that is audio is to be brought in.

    Raises EarmarkError `corpus:import:layout`, `corpus:manifest:...`.
    """
    if layout in ("", FILES):
        return Described(read_manifest(Path(manifest)), {}) if manifest else None
    if manifest:
        described_in, found, folder = _own_description(layout, manifest)
        where = Where(tree, described_in, frozenset(files), outer=folder)
    else:
        where, found = Where(tree, tree, frozenset(files)), _found(layout, tree, files)
    return DESCRIBED[layout].read(where, found)


def _own_description(layout: str, manifest: str) -> tuple[Tree, list[str], str]:
    """The tree that a description beside the audio is in, its files, and its folder."""
    path = Path(manifest)
    folder = path if path.is_dir() else path.parent
    tree = FolderTree(folder)
    files = tree.glimpse(MOST_TOLD_OF) if path.is_dir() else [path.name]
    return tree, _found(layout, tree, files), str(folder)


def _found(layout: str, tree: Tree, files: Sequence[str]) -> list[str]:
    found = DESCRIBED[layout].finds(tree, files)
    if not found:
        looks = next((name for name, other in DESCRIBED.items() if other.finds(tree, files)), "")
        raise EarmarkError(
            "corpus:import:layout",
            f"There is no {DESCRIBED[layout].told_by}, as the layout {layout} has.",
            f"It looks like the layout {looks}." if looks else "Check the path, or choose another layout.",
        )
    return found


__all__ = ["DESCRIBED", "FILES", "LAYOUTS", "Described", "Row", "check", "looks_like", "read"]
