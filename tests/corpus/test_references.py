import threading

import pytest
from django.db import connection

from earmark.corpus.models import Clip, Reference
from earmark.corpus.references import set_reference
from tests.corpus import world

Kind = Reference.Kind


@pytest.mark.django_db
def test_a_new_text_is_a_new_version_and_the_old_ones_stay() -> None:
    clip = world.clip(world.collection())
    for text in ("one", "two", "three"):
        set_reference(clip_id=clip.pk, text=text, kind=Kind.ANNOTATOR, author="anna")
    rows = list(clip.references.values_list("version", "text", "is_current"))
    assert rows == [(3, "three", True), (2, "two", False), (1, "one", False)]


@pytest.mark.django_db
def test_the_same_again_is_no_new_version_and_each_part_counts() -> None:
    clip = world.clip(world.collection())
    first = set_reference(clip_id=clip.pk, text="one", kind=Kind.ANNOTATOR, author="anna")
    assert set_reference(clip_id=clip.pk, text="one", kind=Kind.ANNOTATOR, author="anna") == first
    assert set_reference(clip_id=clip.pk, text="one", kind=Kind.ANNOTATOR, author="ben").version == 2
    assert set_reference(clip_id=clip.pk, text="one", kind=Kind.CONSENSUS, author="ben").version == 3


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_moment_number_their_versions_one_after_the_other() -> None:
    clip = world.clip(world.collection())
    together = threading.Barrier(6)
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            together.wait()
            set_reference(clip_id=clip.pk, text=f"text {number}", kind=Kind.ANNOTATOR, author=f"a{number}")
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(clip.references.values_list("version", flat=True)) == [1, 2, 3, 4, 5, 6]
    assert clip.references.filter(is_current=True).get().version == 6


@pytest.mark.django_db
def test_a_clip_that_is_not_there_is_an_error() -> None:
    with pytest.raises(Clip.DoesNotExist):
        set_reference(clip_id=7, text="x", kind=Kind.ANNOTATOR, author="anna")
