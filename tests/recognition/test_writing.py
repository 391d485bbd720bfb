"""What is written is what was heard, once, all of it or nothing; and nothing is counted before it is committed."""

import json
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from django.db import OperationalError, connection, transaction

from earmark.corpus.models import Clip
from earmark.recognition import transcription, writing
from earmark.recognition.models import (
    Alias,
    Hypothesis,
    HypothesisDetails,
    ModelVersion,
    TranscriptionFailure,
)
from earmark.recognition.reading import Sounding
from earmark.recognition.transcription import Tally, hear_clips
from earmark.recognition.writing import Row, Writer, row_of, write
from earmark.speech.confidence import Confidence
from earmark.speech.engine import Heard, TokenScore, Word
from earmark.speech.errors import EarmarkError
from earmark.speech.stub import heard
from tests.recognition.world import Listener, Progress, make_clip, make_collection, make_model, waveform

pytestmark = pytest.mark.django_db

TRUST = Confidence(
    0.75, {"mean_logprob": -0.25, "alignment": float("nan"), "rate": np.float64(0.5)}, ("loop",)
)


def rows(clips: Sequence[Clip], text: str = "one") -> list[Row]:
    return [row_of(clip, heard(text), TRUST) for clip in clips]


def test_every_detail_is_kept_and_what_is_no_number_is_null() -> None:
    clip, model = make_clip(make_collection(), 100), make_model()
    vector = np.array([0.1, -2.0, 65_000.0], dtype=np.float32)
    said = Heard(
        "打开\0 灯",
        (TokenScore(1, "打开", -0.123456, float("nan")), TokenScore(2, "\0", -1.0, 0.5)),
        truncated=False,
        words=(Word("打开", 0.1, 0.48, 0.9), Word("灯", 0.5, 0.7, 0.123456)),
        embedding=vector,
    )
    write(model, [row_of(clip, said, TRUST)])
    row = Hypothesis.objects.select_related("details").get()
    assert (row.text, row.confidence, row.flags) == ("打开 灯", 0.75, ["loop"])
    assert row.features == {"mean_logprob": -0.25, "alignment": None, "rate": 0.5}
    assert row.tokens == [["打开", -0.1235, None], ["", -1.0, 0.5]]
    assert row.words == [["打开", 0.1, 0.48, 0.9], ["灯", 0.5, 0.7, 0.1235]]
    assert row.details.embedding is not None
    kept = np.frombuffer(bytes(row.details.embedding), dtype="<f2")
    assert kept == pytest.approx(vector.astype(np.float16))


def test_state_and_confidence_are_shown_by_one_update_of_a_clip() -> None:
    collection, champion, other = make_collection(), make_model(), make_model()
    Alias.objects.create(collection=collection, name="champion", model=champion)
    new, asked = make_clip(collection, 100), make_clip(collection, 101, state="in_round")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE seen (id int8); CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO seen VALUES (new.id); RETURN new; END $$;"
            " CREATE TRIGGER note BEFORE UPDATE ON corpus_clip FOR EACH ROW EXECUTE FUNCTION pg_temp.note()"
        )
        write(champion, rows([asked, new]))
        cursor.execute("SELECT id FROM seen ORDER BY id")
        assert cursor.fetchall() == [(new.pk,), (asked.pk,)]
    shown = Clip.objects.order_by("pk").values_list("state", "confidence", "flags")
    assert list(shown) == [("heard", 0.75, "loop"), ("in_round", 0.75, "loop")]
    third = make_clip(collection, 102)
    write(other, rows([third]))
    third.refresh_from_db()
    assert (third.state, third.confidence) == ("heard", None)


def test_what_is_there_stays_and_a_clip_that_is_gone_takes_nobody_along() -> None:
    collection, model = make_collection(), make_model()
    first, gone, last = (make_clip(collection, level) for level in (100, 101, 102))
    write(model, rows([first]))
    made = rows([last, gone, first], "two")
    gone.delete()
    write(model, made)
    assert list(Hypothesis.objects.order_by("clip").values_list("clip", "text")) == [
        (first.pk, "one"),
        (last.pk, "two"),
    ]
    assert HypothesisDetails.objects.count() == 2


def test_failures_are_written_with_what_was_heard_and_gone_once_it_is() -> None:
    collection, model = make_collection(), make_model()
    good, bad = make_clip(collection, 100), make_clip(collection, 101)
    lost = Sounding(bad, np.zeros(0)).failed(EarmarkError("corpus:audio:gone", "It is gone."))
    write(model, rows([good]), [lost])
    write(model, [], [lost])
    assert TranscriptionFailure.objects.get().error_id == "corpus:audio:gone"
    write(model, rows([bad]))
    assert not TranscriptionFailure.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_error_while_writing_ends_the_run_and_nothing_of_it_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collection, model, tally = make_collection(), make_model(), Tally()
    for level in range(100, 130):
        make_clip(collection, level)
    monkeypatch.setattr(transcription, "BATCH_SECONDS_CPU", 0.5)
    monkeypatch.setattr(writing, "TOGETHER", 1)
    real, calls = writing.write, list[int]()

    def write_once(of: ModelVersion, made: Sequence[Row], failed: Sequence[Sounding]) -> None:
        calls.append(len(made))
        if len(calls) > 1:
            raise OperationalError("the database is away")
        real(of, made, failed)

    monkeypatch.setattr(writing, "write", write_once)
    engine = Listener()
    with pytest.raises(OperationalError, match="away"):
        hear_clips(Progress(), clips=Clip.objects.all(), model=model, engine=engine, tally=tally)
    assert tally.heard == Hypothesis.objects.count() == calls[0]
    assert len(calls) == 2, "nothing is written after it"
    assert not [one for one in threading.enumerate() if one.name in ("writing", "assessing")]


@pytest.mark.django_db(transaction=True)
def test_the_writer_has_a_thread_of_its_own_unless_a_transaction_is_open() -> None:
    collection, model = make_collection(), make_model()
    clip = make_clip(collection, 100)
    with Writer() as writer:
        writer.put(model, [(Sounding(clip, waveform(100, 0.5)), heard("one"))])
    assert (writer.written.heard, writer.written.seconds) == (1, 0.5)
    assert Hypothesis.objects.count() == 1
    with transaction.atomic():
        late = make_clip(collection, 101)
        with Writer() as writer:
            writer.put(model, [(Sounding(late, waveform(101, 0.5)), heard("two"))])
            assert Hypothesis.objects.filter(clip=late).exists(), "in the caller's own transaction"
        transaction.set_rollback(True)
    assert Hypothesis.objects.count() == 1


def test_each_clip_is_heard_in_its_own_language_where_the_engine_knows_it() -> None:
    collection, model = make_collection(), make_model()
    for level, language in enumerate(("zh", "es", ""), start=100):
        Clip.objects.filter(pk=make_clip(collection, level).pk).update(language=language)
    modes: dict[int, str] = {}

    class Asked(Listener):
        def hear(
            self, waveforms: Sequence[np.ndarray], *, languages: Sequence[str] | None = None
        ) -> list[Heard]:
            found = super().hear(waveforms, languages=languages)
            modes.update(zip(self.calls[-1], languages or ("-",) * len(waveforms), strict=True))
            return found

    hear_clips(Progress(), clips=Clip.objects.all(), model=model, engine=Asked())
    assert modes == {100: "zh", 101: "auto", 102: "auto"}
    hear_clips(Progress(), clips=Clip.objects.all(), model=make_model(), engine=Asked(), own_language=False)
    assert set(modes.values()) == {"-"}


def test_json_of_a_row_is_what_postgresql_takes() -> None:
    row = row_of(Clip(pk=1, seconds=1.0), heard("a", entropy=float("inf")), TRUST)
    assert json.loads(row.tokens)[0] == ["a", -0.05, None]
