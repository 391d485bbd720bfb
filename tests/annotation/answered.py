"""A round whose clips people have answered, written straight into the database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from annotation.models import Annotation, Round, RoundClip
from annotation.routing_models import Annotator, Pass
from earmark.accounts.models import User
from earmark.accounts.roles import Role
from earmark.corpus.models import Clip, Collection, Membership, Reference
from earmark.corpus.references import set_reference
from tests.annotation.world import heard_collection

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


class Answered:
    """An open round over the clips of a heard collection, with answers that come a minute apart."""

    def __init__(self, clips: int = 6, *, slug: str = "heard", seconds: float = 2.0) -> None:
        self.collection: Collection = heard_collection(clips, slug=slug, seconds=seconds)
        self.model = self.collection.aliases.get().model
        self.clips = list(self.collection.clips.order_by("pk"))
        self.round = self.new_round(1)
        self.now = START
        self._ids = iter(range(1, 1_000_000))

    def new_round(self, number: int) -> Round:
        return Round.objects.create(
            collection=self.collection, number=number, strategy="x", budget_seconds=100, audit_share=0.5, seed=1,
            model=self.model, status=Round.Status.OPEN,
        )  # fmt: skip

    def person(self, name: str, role: Role = Role.ANNOTATOR) -> User:
        """A member of the collection, at name@example.org; an annotator of it, too."""
        email = f"{name}@example.org"
        user, _ = User.objects.get_or_create(username=name, defaults={"email": email})
        Membership.objects.get_or_create(user=user, collection=self.collection, defaults={"role": role})
        Annotator.objects.get_or_create(
            collection=self.collection, user=user, defaults={"languages": ["en"], "studio_email": email}
        )
        return user

    def asked(self, place: int, *, reason: str = RoundClip.Reason.STRATEGY, **fields: object) -> RoundClip:
        """The clip at `place`, asked in the round."""
        clip = self.clips[place]
        found, made = RoundClip.objects.get_or_create(
            round=self.round, clip=clip,
            defaults={"reason": reason, "score": 0.5, "hypothesis": clip.hypotheses.first(), **fields},
        )  # fmt: skip
        if made:
            Clip.objects.filter(pk=clip.pk).update(state=Clip.State.IN_ROUND)
        return found

    def answer(
        self,
        row: RoundClip,
        name: str,
        text: str = "",
        *,
        quality: Sequence[str] = (),
        skip: bool = False,
        blind: bool = False,
        lead: float | None = 8.0,
        after: float = 60.0,
        slips: Sequence[object] = (),
    ) -> Annotation:
        """One submission by `name`, through a pass of their own, `after` seconds after the one before."""
        self.now += timedelta(seconds=after)
        annotator = Annotator.objects.get(collection=self.collection, user=self.person(name))
        made, _ = Pass.objects.get_or_create(
            round=row.round, round_clip=row, annotator=annotator,
            defaults={"number": row.passes.count() + 1, "is_blind": blind},
        )  # fmt: skip
        Pass.objects.filter(pk=made.pk).update(status=Pass.Status.DONE, done_at=self.now)
        return Annotation.objects.create(
            round_clip=row, annotation_id=next(self._ids), annotator=f"{name}@example.org", text=text,
            was_skipped=skip, quality=list(quality), lead_seconds=lead, of_pass=made, is_blind=blind,
            hypothesis=None if blind else row.hypothesis, created_at=self.now, updated_at=self.now, slips=list(slips),
        )  # fmt: skip

    def labelled(self, place: int, name: str, text: str, **fields: object) -> RoundClip:
        """The clip at `place`, labelled by one person."""
        row = self.asked(place)
        self.answer(row, name, text, **fields)  # type: ignore[arg-type]
        set_reference(
            clip_id=row.clip_id, text=text, kind=Reference.Kind.ANNOTATOR, author=f"{name}@example.org"
        )
        RoundClip.objects.filter(pk=row.pk).update(outcome=RoundClip.Outcome.LABELLED)
        Clip.objects.filter(pk=row.clip_id).update(state=Clip.State.LABELLED)
        row.refresh_from_db()
        return row
