"""The error a person can act on."""

import pickle

from earmark.speech.errors import EarmarkError


def test_a_person_reads_the_reason_and_the_remedy() -> None:
    error = EarmarkError("corpus:audio:unreadable", "a.wav is text.", "Give a sound file.")
    assert str(error) == "a.wav is text. Give a sound file."
    assert error.error_id == "corpus:audio:unreadable"


def test_without_a_hint_nothing_trails() -> None:
    assert str(EarmarkError("a:b:c", "It broke.")) == "It broke."


def test_it_crosses_processes_whole() -> None:
    error = EarmarkError("a:b:c", "It broke.", "Mend it.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (copy.error_id, copy.message, copy.hint) == ("a:b:c", "It broke.", "Mend it.")
