"""What can be wrong with an audio file: each fault's stable id, and what its owner can do about it."""

ACCEPTED = "WAV, FLAC, MP3, OGG, M4A, WebM, AIFF, AMR or WMA"

EMPTY = "corpus:audio:empty"
MISSING = "corpus:audio:missing"
UNREADABLE = "corpus:audio:unreadable"
UNSUPPORTED = "corpus:audio:unsupported"
TRUNCATED = "corpus:audio:truncated"
DAMAGED = "corpus:audio:damaged"
TOO_SHORT = "corpus:audio:too-short"
TOO_LONG = "corpus:audio:too-long"
SILENT = "corpus:audio:silent"
TIMEOUT = "corpus:audio:timeout"
CRASHED = "corpus:audio:crashed"

HINTS = {
    EMPTY: "Copy the file again from where it was recorded, or delete it.",
    MISSING: "Check that the file is there and that the worker may read it.",
    UNREADABLE: f"Check that it is an audio file ({ACCEPTED}), or delete it.",
    UNSUPPORTED: f"Convert it to one of {ACCEPTED}, for example to FLAC.",
    TRUNCATED: "Copy the file again; if this is all there is, convert it to FLAC and ingest that.",
    DAMAGED: "Copy the file again, or export it anew from the original.",
    TOO_SHORT: "Delete it, or ingest the recording it was cut from.",
    TOO_LONG: "Cut it into shorter files.",
    SILENT: "Check the microphone and the channel it was recorded on, or delete it.",
    TIMEOUT: "Convert it to FLAC and ingest that; if that fails as well, report the file.",
    CRASHED: "Convert it to FLAC and ingest that; if that fails as well, report the file.",
}


class AudioFault(Exception):
    """A fault found in the file at hand: its id, and the reason in words that follow the file's name."""

    def __init__(self, error_id: str, reason: str) -> None:
        super().__init__(error_id, reason)
        self.error_id = error_id
        self.reason = reason
