"""Counts kept by the database itself, so that no page counts a table. Read and folded by `tallies`."""

from django.db import models

from earmark.corpus.models import FACET, Collection, Speaker


class Tally(models.Model):
    """A count kept by triggers: the rows of one key add up to it.

    Every statement that changes what is counted appends what it changed, so that writers never wait for one
    another; `tallies.fold` folds the rows of a key into one. `samples` are of audio at 16 kHz: whole numbers,
    so that no sum drifts. No row is ever changed. The keys have no foreign keys: a row may outlive what it counts
    until it is folded away.
    """

    KEYS: tuple[str, ...] = ()
    MADE_ANEW_BY = ""
    """The database's function that counts everything afresh."""

    collection = models.ForeignKey(
        Collection, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    number = models.BigIntegerField()
    samples = models.BigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.number}"


class ClipTally(Tally):
    """Clips of one facet."""

    KEYS = ("facet", *FACET)
    MADE_ANEW_BY = "corpus_recount_clips"

    facet = models.BigIntegerField()
    is_current = models.BooleanField()
    is_fit = models.BooleanField()
    unfit = models.CharField(max_length=10)
    language = models.CharField(max_length=10)
    dialect = models.CharField(max_length=60)
    split = models.CharField(max_length=5)
    state = models.CharField(max_length=15)
    flags = models.CharField(max_length=100)


class SpeakerTally(Tally):
    """Clips of one speaker; of none, where nobody knows who speaks."""

    KEYS = ("collection", "speaker", "is_current")
    MADE_ANEW_BY = "corpus_recount_clips"

    speaker = models.ForeignKey(
        Speaker, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    is_current = models.BooleanField()


class MeasureTally(Tally):
    """Clips whose measure lies in one bin: see `tallies.BINS`; bin -1 holds those without the measure."""

    KEYS = ("collection", "is_current", "is_fit", "measure", "bin")
    MADE_ANEW_BY = "corpus_recount_clips"

    is_current = models.BooleanField()
    is_fit = models.BooleanField()
    measure = models.CharField(max_length=15)
    bin = models.SmallIntegerField()


class RecordingTally(Tally):
    """Recordings."""

    KEYS = ("collection",)
    MADE_ANEW_BY = "corpus_recount_recordings"


class ReferenceTally(Tally):
    """Current references by why we hold them true, the side of their clip and the day (UTC) they were written."""

    KEYS = ("collection", "kind", "split", "day")
    MADE_ANEW_BY = "corpus_recount_references"

    kind = models.CharField(max_length=12)
    split = models.CharField(max_length=5)
    day = models.DateField()
