"""What people call the codes of the floors below."""

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Names = dict[str, Promise]

FLAGS: Final[Names] = {
    "empty": _("nothing heard"),
    "loop": _("repeats itself"),
    "truncated": _("cut off"),
    "odd_rate": _("odd speaking rate"),
    "silence": _("text over silence"),
    "no_speech": _("text without a voice"),
    "wrong_language": _("another language"),
    "misaligned": _("does not fit the sound"),
}
STRATEGIES: Final[Names] = {
    "annotation.acquisition.earmark": _("Earmark: most errors repaired, of every kind"),
    "annotation.acquisition.errors_per_second": _("Most errors per second first"),
    "annotation.acquisition.least_confidence": _("Least sure first"),
    "annotation.acquisition.entropy": _("Most rival readings first"),
    "annotation.acquisition.weakest_word": _("Least sure word first"),
    "annotation.acquisition.k_centre": _("As different as can be"),
    "annotation.acquisition.k_means": _("Different, more of what there is more of"),
    "annotation.acquisition.typiclust": _("Most typical first, for a cold start"),
    "annotation.acquisition.random": _("At random"),
}
REASONS: Final[Names] = {
    "expected_errors": _("errors per second it is expected to repair, at the language’s pace"),
    "doubt": _("the model’s doubt"),
    "mean_entropy": _("rival readings, in nats"),
    "weakest_word_doubt": _("doubt about its least sure word"),
    "rank": _("place by expected errors"),
    "cluster": _("cluster"),
    "clips_alike": _("clips in its cluster"),
    "typicality": _("how typical of its cluster"),
    "nearest": _("likeness to the nearest clip chosen or answered before"),
    "refusal": _("chance that nobody could answer it"),
    "over_cap": _("taken beyond the caps on speakers and clusters, for want of others"),
}
"""What strategies weigh: the names in `RoundClip.why`."""
QUALITIES: Final[Names] = {
    "clear": _("clear"),
    "noisy": _("noisy"),
    "several_speakers": _("several speakers"),
    "wrong_language": _("another language"),
    "silence": _("nothing spoken"),
    "unintelligible": _("unintelligible"),
}
WAITS_FOR: Final[Names] = {
    "adjudicate": _("the answers disagree"),
    "slips": _("possible slips"),
    "annotator": _("its annotator often errs"),
    "random": _("drawn at random"),
}
"""Why a clip waits for a decision."""
WHY: Final[Names] = {
    "strategy": _("chosen by the strategy"),
    "audit": _("drawn at random"),
    "expected_errors": _("expected errors"),
    "rank": _("rank by them"),
    "clips_alike": _("clips like it"),
    "refusal": _("chance that it has no text"),
    "nearest": _("likeness to the nearest chosen"),
}
"""How a clip came to be asked, and what a strategy weighed when it chose it."""
STAGES: Final[Names] = {
    "warm-up": _("Warm-up"),
    "pseudo": _("Pseudo-labels"),
    "mixed": _("Mixed"),
    "final": _("Final"),
}
"""The stages of a training, in their order."""
ORDERS: Final[Names] = {
    "newest": _("Newest first"),
    "oldest": _("Oldest first"),
    "least-sure": _("Least sure first"),
    "most-sure": _("Surest first"),
    "longest": _("Longest first"),
    "shortest": _("Shortest first"),
    "cleanest": _("Cleanest first"),
    "noisiest": _("Noisiest first"),
    "loudest": _("Loudest first"),
    "quietest": _("Quietest first"),
    "widest": _("Widest band first"),
    "narrowest": _("Narrowest band first"),
    "speaker": _("By speaker"),
    "language": _("By language"),
    "dialect": _("By dialect"),
    "state": _("By state"),
}
"""The orders of the clips table: those of `corpus.browsing`."""
JOBS: Final[Names] = {
    "corpus.ingest": _("Import"),
    "corpus.judge": _("Quality gate"),
    "corpus.resegment": _("Cutting anew"),
    "corpus.undo": _("Undoing of an import"),
    "recognition.transcribe": _("Transcription"),
    "recognition.carry": _("Hearing of shards"),
    "loop.thin": _("Thinning of old details"),
    "loop.turn": _("Step of the loop by itself"),
    "recognition.listen": _("Listening"),
    "recognition.calibrate": _("Calibration"),
    "champion.follow": _("Clips shown as the champion heard them"),
    "annotation.open_round": _("Opening of a round"),
    "annotation.sync": _("Sync with Label Studio"),
    "annotation.close_tasks": _("Closing of tasks answered on the desk"),
    "annotation.refresh_predictions": _("New texts for open tasks"),
    "annotation.reroute": _("Giving out of passes anew"),
    "annotation.repair_round": _("Repair of a round in Label Studio"),
    "annotation.check_slips": _("Looking for slips"),
    "annotation.measure_quality": _("Measuring of people"),
    "datasets.export": _("Export"),
    "training_jobs.train": _("Training"),
    "training_jobs.evaluate": _("Evaluation"),
    "training_jobs.compare": _("Comparison"),
    "recognition.register": _("Registering of a model"),
}


def name_of(code: str, names: Mapping[str, Promise]) -> str:
    """The name of `code`; of one nobody named, its own last word, so that a new strategy or flag still reads."""
    return str(names[code]) if code in names else code.rsplit(".", 1)[-1].replace("_", " ")
