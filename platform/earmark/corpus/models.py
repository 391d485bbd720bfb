"""Recordings, the clips cut from them, who speaks in them, and the text we hold to be true."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q, TextField
from django.db.models.functions import Cast, Upper
from django.utils.translation import gettext_lazy as _

from earmark.accounts.models import Role
from earmark.corpus.upload_models import Upload as Upload
from earmark.corpus.upload_models import UploadBatch as UploadBatch


class Split(models.TextChoices):
    """The side a speaker is on, for good: no speaker is ever heard on two sides."""

    TRAIN = "train", _("train")
    DEV = "dev", _("dev")
    TEST = "test", _("test")


class Collection(models.Model):
    """Recordings worked on together: the unit of membership and permission."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), blank=True)
    gate = models.JSONField(
        _("quality gate"),
        default=dict,
        blank=True,
        help_text=_("thresholds that differ from those in the settings"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("collection")
        verbose_name_plural = _("collections")

    def __str__(self) -> str:
        return self.name

    @property
    def scope(self) -> str:
        """What jobs of this collection carry as their scope."""
        return f"collection:{self.pk}"


class Membership(models.Model):
    """A person's role in a collection."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=Role)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [models.UniqueConstraint(fields=["collection", "user"], name="one_role_per_person")]

    def __str__(self) -> str:
        return f"{self.user} · {self.collection} · {self.role}"


class Speaker(models.Model):
    """A voice, with the split it was given when it was first met."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="speakers")
    name = models.CharField(_("name"), max_length=120)
    language = models.CharField(_("language"), max_length=10, blank=True)
    dialect = models.CharField(_("dialect"), max_length=60, blank=True)
    split = models.CharField(_("split"), max_length=5, choices=Split)

    class Meta:
        verbose_name = _("speaker")
        verbose_name_plural = _("speakers")
        constraints = [models.UniqueConstraint(fields=["collection", "name"], name="one_speaker_per_name")]
        indexes = [
            models.Index(
                F("collection"), OpClass(Upper("name"), name="text_pattern_ops"), name="speaker_by_beginning"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One bringing-in of files, with each file's outcome."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="imports")
    source = models.CharField(_("source"), max_length=1000)
    options = models.JSONField(_("options"), default=dict)
    left_aside = models.JSONField(
        _("left aside"),
        default=dict,
        help_text=_("files that are not audio by their name, counted by suffix"),
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("import")
        verbose_name_plural = _("imports")

    def __str__(self) -> str:
        return f"{self.source} → {self.collection}"


class Segmentation(models.Model):
    """How clips were cut: one generation of a collection, with its parameters. Never edited."""

    class Method(models.TextChoices):
        ENERGY = "energy", _("loudness")
        VOICE = "voice", _("voice activity")
        GIVEN = "given", _("given with the recording")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="segmentations")
    generation = models.PositiveIntegerField(_("generation"))
    method = models.CharField(_("method"), max_length=10, choices=Method)
    parameters = models.JSONField(_("parameters"), default=dict)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("segmentation")
        verbose_name_plural = _("segmentations")
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "generation"], name="one_segmentation_per_generation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection} · {self.generation} · {self.method}"


class Recording(models.Model):
    """One ingested audio file, known by the SHA-256 of its bytes."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="recordings")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(_("name"), max_length=1000, help_text=_("path below the import's folder"))
    file = models.FileField(_("file"), max_length=300)
    bytes = models.PositiveBigIntegerField(_("bytes"))
    seconds = models.FloatField(_("seconds"))
    rate = models.PositiveIntegerField(_("sample rate"))
    channels = models.PositiveSmallIntegerField(_("channels"))
    format = models.CharField(_("format"), max_length=20)
    speaker = models.ForeignKey(Speaker, null=True, on_delete=models.PROTECT, related_name="recordings")
    language = models.CharField(_("language"), max_length=10, blank=True)
    dialect = models.CharField(_("dialect"), max_length=60, blank=True)
    licence = models.CharField(_("licence"), max_length=60, blank=True)
    segmentation = models.ForeignKey(
        Segmentation, null=True, blank=True, on_delete=models.PROTECT, related_name="recordings"
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("recording")
        verbose_name_plural = _("recordings")
        constraints = [
            models.UniqueConstraint(fields=["collection", "sha256"], name="one_recording_per_content")
        ]
        indexes = [models.Index(fields=["collection", "id"], name="recording_by_arrival")]

    def __str__(self) -> str:
        return self.name


class ImportFile(models.Model):
    """What became of one file of an import."""

    class Outcome(models.TextChoices):
        INGESTED = "ingested", _("ingested")
        DUPLICATE = "duplicate", _("duplicate")
        FAILED = "failed", _("failed")

    of = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(_("path"), max_length=1000)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    error_id = models.CharField(_("error id"), max_length=80, blank=True)
    error = models.TextField(_("error"), blank=True)
    recording = models.ForeignKey(Recording, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["of", "path"], name="one_outcome_per_file")]
        indexes = [models.Index(fields=["of", "outcome", "id"], name="file_by_outcome")]

    def __str__(self) -> str:
        return f"{self.path}: {self.outcome}"


class Unfit(models.TextChoices):
    """Why a clip is not worth a person's time or a training step."""

    SILENT = "silent", _("no speech")
    NOISY = "noisy", _("too noisy")
    CLIPPED = "clipped", _("clipped")
    NARROW = "narrow", _("narrow band")
    QUIET = "quiet", _("too quiet")
    DUPLICATE = "duplicate", _("near-duplicate")
    TORN = "torn", _("speaker of another side")
    BY_HAND = "by_hand", _("set aside by a person")


LISTED = ("recording", "speaker", "confidence", "seconds", "snr_db", "loudness_lufs", "bandwidth_hz")
"""What pages of clips are narrowed or ordered by besides facets: indexes hold it, so that a search reads no rows."""
FACET = ("collection", "is_current", "is_fit", "unfit", "language", "dialect", "split", "state", "flags")
"""What clips are counted and narrowed by: clips alike in all of these make one facet."""


class Clip(models.Model):
    """A stretch of a recording, at most 30 s.

    Language, dialect and split are copied here so that a million rows list fast. A clip that is not current was
    cut by an earlier generation and is kept for what hangs on it. `unfit` says what the gate found, `is_fit` what
    holds: they differ where a person overruled the gate. `confidence` and `flags` are those of the champion's
    hypothesis, kept by recognition when it hears, when it is calibrated and when the champion changes: once
    calibrated, `confidence` is the probability that every word is right and `expected_error_rate` is known, too.
    `facet` is a hash of FACET that the database computes.
    """

    class State(models.TextChoices):
        NEW = "new", _("not heard yet")
        HEARD = "heard", _("transcribed")
        IN_ROUND = "in_round", _("with annotators")
        LABELLED = "labelled", _("labelled")
        SKIPPED = "skipped", _("skipped")
        UNINTELLIGIBLE = "unintelligible", _("unintelligible")

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="clips", db_index=False)
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="clips", db_index=False)
    speaker = models.ForeignKey(
        Speaker, null=True, on_delete=models.PROTECT, related_name="clips", db_index=False
    )
    start = models.FloatField(_("start"), help_text=_("seconds into the recording"))
    seconds = models.FloatField(_("seconds"))
    language = models.CharField(_("language"), max_length=10, blank=True)
    dialect = models.CharField(_("dialect"), max_length=60, blank=True)
    split = models.CharField(_("split"), max_length=5, choices=Split)
    state = models.CharField(_("state"), max_length=15, choices=State, default=State.NEW)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    channel = models.PositiveSmallIntegerField(
        _("channel"), null=True, blank=True, help_text=_("counted from 0; empty for all channels together")
    )
    segmentation = models.ForeignKey(
        Segmentation, null=True, blank=True, on_delete=models.PROTECT, related_name="clips"
    )
    is_current = models.BooleanField(_("current"), default=True)
    speech_seconds = models.FloatField(_("seconds of speech"), null=True, blank=True)
    silence_share = models.FloatField(_("silence share"), null=True, blank=True)
    snr_db = models.FloatField(_("signal to noise, dB"), null=True, blank=True)
    clipped_share = models.FloatField(_("clipped share"), null=True, blank=True)
    bandwidth_hz = models.FloatField(_("bandwidth, Hz"), null=True, blank=True)
    loudness_lufs = models.FloatField(_("loudness, LUFS"), null=True, blank=True)
    unfit = models.CharField(_("unfit"), max_length=10, choices=Unfit, blank=True)
    is_fit = models.BooleanField(_("fit"), default=True)
    duplicate_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="near_duplicates"
    )
    confidence = models.FloatField(_("confidence"), null=True, blank=True)
    expected_error_rate = models.FloatField(_("expected error rate"), null=True, blank=True)
    flags = models.CharField(_("flags"), max_length=100, blank=True, help_text=_("with commas between them"))
    facet = models.GeneratedField(
        expression=Func(
            *(Cast(F(name), TextField()) for name in FACET),
            template="hashtextextended(%(expressions)s, 0)",
            arg_joiner=" || '|' || ",
            output_field=models.BigIntegerField(),
        ),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )

    class Meta:
        verbose_name = _("clip")
        verbose_name_plural = _("clips")
        constraints = [
            models.UniqueConstraint(
                fields=["recording", "channel", "start", "seconds"],
                name="one_clip_per_stretch",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(seconds__gt=0, seconds__lte=30.0), name="clip_at_most_30_s"),
        ]
        indexes = [
            models.Index(fields=["collection", "state", "split", "id"], name="clip_by_state"),
            models.Index(fields=["collection", "dialect", "id"], name="clip_by_dialect"),
            models.Index(
                fields=["recording", "start", "id"], condition=Q(is_current=True), name="clip_in_recording"
            ),
            *(
                models.Index(
                    fields=["facet", *([key] if key else []), "id"],
                    include=[name for name in LISTED if name != key],
                    name=f"clips_by_{key or 'id'}",
                )
                for key in ("", *LISTED)
                if key != "recording"
            ),
            models.Index(
                fields=["speaker", "facet"],
                include=["id", *(name for name in LISTED if name != "speaker")],
                name="clips_of_speaker",
            ),
        ]

    def __str__(self) -> str:
        return f"clip {self.pk}"


class ClipFingerprint(models.Model):
    """What a clip sounds like, for finding it again: a few 64-bit hashes, of which near-duplicates share some."""

    clip = models.OneToOneField(Clip, primary_key=True, on_delete=models.CASCADE, related_name="fingerprint")
    hashes = ArrayField(models.BigIntegerField())

    class Meta:
        indexes = [GinIndex(fields=["hashes"], name="fingerprint_by_hash", fastupdate=False)]

    def __str__(self) -> str:
        return f"fingerprint of clip {self.clip_id}"


class Reference(models.Model):
    """The text we hold to be true for a clip, and why. A new version is a new row; the newest is current."""

    class Kind(models.TextChoices):
        IMPORTED = "imported", _("imported")
        ANNOTATOR = "annotator", _("one annotator")
        CONSENSUS = "consensus", _("consensus")
        ADJUDICATED = "adjudicated", _("adjudicated")

    clip = models.ForeignKey(Clip, on_delete=models.CASCADE, related_name="references")
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"), blank=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    author = models.CharField(_("author"), max_length=150, blank=True)
    is_current = models.BooleanField(_("current"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = [F("version").desc()]
        verbose_name = _("reference")
        verbose_name_plural = _("references")
        constraints = [
            models.UniqueConstraint(fields=["clip", "version"], name="one_reference_per_version"),
            models.UniqueConstraint(
                fields=["clip"], condition=Q(is_current=True), name="one_current_reference"
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(is_current=True) & ~Q(kind="imported"),
                name="reference_by_people",
            )
        ]

    def __str__(self) -> str:
        return self.text


from earmark.corpus import tally_models  # noqa: E402, F401  Django looks for models here
