"""Where audio comes from: a tree of files (folder, archive, bucket), and a layout that says what is known of each."""

from earmark.corpus.sources.options import Channels, Options
from earmark.corpus.sources.source import Source, source_for
from earmark.corpus.sources.trees import RefusedFileError

__all__ = ["Channels", "Options", "RefusedFileError", "Source", "source_for"]
