"""What to do next: one step for the whole loop, told to each person by what they may do about it. No database here."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from earmark.accounts.roles import Role
from earmark.jobs.models import UNFINISHED, Status
from earmark.web.queries.home import Situation
from earmark.web.templatetags.display import duration, percent


@dataclass(frozen=True, kw_only=True)
class Step:
    """What to do next. `action` names an address of this app; `needs` is the role that may take it.

    `posts` says whether the action is a button that changes something or a link to look.
    """

    key: str
    station: str
    title: str
    text: str
    action: str = ""
    label: str = ""
    needs: Role = Role.VIEWER
    posts: bool = False
    share_done: float | None = None


def next_step(now: Situation) -> Step:
    """The first thing in the loop's own order that waits for someone."""
    return (
        _bring_in(now)
        or _running(now)
        or _hear(now)
        or _measure(now)
        or _label(now)
        or _promote(now)
        or _train(now)
        or _open_round()
    )


def _bring_in(now: Situation) -> Step | None:
    if now.turn.recordings:
        return None
    if now.is_running("corpus.ingest"):
        return Step(
            key="importing",
            station="recordings",
            title=_("Recordings are coming in"),
            text=_("Each file is read, checked and cut into clips. You can leave this page."),
            action="web:imports",
            label=_("Watch the import"),
            share_done=_share(now, "corpus.ingest"),
        )
    return Step(
        key="import",
        station="recordings",
        title=_("Bring in recordings"),
        text=_("This collection is empty. Run “earmark ingest” on the machine that holds the audio files."),
        action="web:imports",
        label=_("See how"),
        needs=Role.MANAGER,
    )


def _running(now: Situation) -> Step | None:
    if now.is_running("recognition."):
        return Step(
            key="hearing",
            station="hypotheses",
            title=_("The champion is listening"),
            text=_(
                "Clips are being transcribed. The ones it is least sure of will be offered to people first."
            ),
            action="web:transcriptions",
            label=_("See how far"),
            share_done=_share(now, "recognition."),
        )
    training = now.training
    if training and training.job and training.job.status in UNFINISHED:
        return Step(
            key="training",
            station="training",
            title=_("A training is running"),
            text=_(
                "Loss and error rate are drawn live. When it ends, the new model is measured on the test set."
            ),
            action="web:training",
            label=_("Watch it"),
            share_done=training.job.share_done,
        )
    if now.is_running("training_jobs.evaluate"):
        return Step(
            key="evaluating",
            station="evaluation",
            title=_("A model is being measured"),
            text=_("It hears every clip of the frozen test set; then its error rate is known."),
            action="web:jobs",
            label=_("See the job"),
            share_done=_share(now, "training_jobs.evaluate"),
        )
    return None


def _hear(now: Situation) -> Step | None:
    unheard = now.unheard
    if not unheard:
        return None
    return Step(
        key="transcribe",
        station="hypotheses",
        title=ngettext("%(n)s clip waits to be heard", "%(n)s clips wait to be heard", unheard)
        % {"n": unheard},
        text=_(
            "The recogniser transcribes every clip and says how sure it is; that decides what is worth a person’s time."
        ),
        action="web:transcribe",
        label=_("Transcribe"),
        needs=Role.MANAGER,
        posts=True,
    )


def _measure(now: Situation) -> Step | None:
    if not now.untested:
        return None
    return Step(
        key="freeze",
        station="evaluation",
        title=_("Freeze the test set"),
        text=_(
            "Clips on the test side with a reference become the fixed yardstick of this collection. "
            "Nothing is ever trained on them."
        ),
        action="web:freeze",
        label=_("Freeze it"),
        needs=Role.ADMIN,
        posts=True,
    )


def _label(now: Situation) -> Step | None:
    if not now.turn.open_round or now.round is None:
        return None
    share = now.turn.round_submitted / now.turn.round_clips if now.turn.round_clips else 0.0
    if now.round.status == "opening":
        return Step(
            key="opening",
            station="round",
            title=_("Round %(n)s is being opened") % {"n": now.turn.open_round},
            text=_("Clips are chosen and sent to Label Studio. This takes a moment."),
            action="web:round",
            label=_("See the round"),
        )
    if now.waiting_in_round:
        waiting = now.waiting_in_round
        return Step(
            key="label",
            station="annotations",
            title=ngettext("%(n)s clip waits for a person", "%(n)s clips wait for a person", waiting)
            % {"n": waiting},
            text=_("Round %(n)s is open. Listen, correct what the recogniser heard, submit.")
            % {"n": now.turn.open_round},
            action="web:desk",
            label=_("Go to your desk"),
            needs=Role.ANNOTATOR,
            share_done=share,
        )
    return Step(
        key="close",
        station="round",
        title=_("Round %(n)s is labelled") % {"n": now.turn.open_round},
        text=_("Every clip came back. Close the round, so that its labels can teach the recogniser."),
        action="web:round",
        label=_("Look and close"),
        needs=Role.MANAGER,
        share_done=1.0,
    )


def _promote(now: Situation) -> Step | None:
    contender, before = now.contender, now.turn.error_rate
    if contender is None or (before is not None and contender.error_rate >= before):
        return None
    return Step(
        key="promote",
        station="champion",
        title=_("A better model is ready"),
        text=_("%(model)s makes %(after)s errors on the test set; the champion makes %(before)s.")
        % {"model": contender.model.name, "after": percent(contender.error_rate), "before": percent(before)},
        action="web:training",
        label=_("Compare and promote"),
        needs=Role.MANAGER,
    )


def _train(now: Situation) -> Step | None:
    failed = bool(now.training and now.training.job and now.training.job.status == Status.FAILED)
    if not now.labelled_since_training and not failed:
        return None
    if failed:
        text = _("The last training failed. Read why, then launch it again.")
    else:
        text = _(
            "%(amount)s of speech were labelled since the last training. Let the recogniser learn from them."
        ) % {"amount": duration(now.labelled_since_training)}
    return Step(
        key="train",
        station="training",
        title=_("Train the recogniser"),
        text=text,
        action="web:training_launch",
        label=_("Train…"),
        needs=Role.ADMIN,
    )


def _open_round() -> Step:
    return Step(
        key="open-round",
        station="round",
        title=_("Open the next round"),
        text=_(
            "Choose how many minutes of audio people should label; the strategy finds the clips that teach most."
        ),
        action="web:round_new",
        label=_("Open a round…"),
        needs=Role.MANAGER,
    )


def _share(now: Situation, kind: str) -> float | None:
    return next((job.share_done for job in now.running if job.kind.startswith(kind)), None)
