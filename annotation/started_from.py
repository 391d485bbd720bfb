"""Which of our hypotheses a submission started from."""

from annotation.answers import Answer
from annotation.label_studio import LabelStudio
from annotation.models import Round
from annotation.routing_models import Pass
from earmark.recognition.models import Hypothesis


class StartedFrom:
    """Looks it up in Label Studio only where a task has shown the texts of more than one model."""

    def __init__(self, row: Round, studio: LabelStudio) -> None:
        self._row = row
        self._studio = studio

    def of(self, one: Pass, answer: Answer, task_id: int) -> int | None:
        """The id of the hypothesis in the box when the annotator began; None for an empty box."""
        if answer.prediction is None or one.is_blind:
            return None
        chosen_by = one.round_clip.hypothesis_id
        if self._row.shown_model_id is None:
            return chosen_by
        versions = {each["id"]: each["model_version"] for each in self._studio.predictions(task_id)}
        heard = Hypothesis.objects.filter(
            clip=one.round_clip.clip_id, model__name=versions.get(answer.prediction, "")
        )
        return heard.values_list("pk", flat=True).first() or chosen_by
