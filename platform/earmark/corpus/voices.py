"""Who speaks in new recordings. Whoever is heard in one recording is on one side, or the sound would be on two."""

from collections import Counter
from collections.abc import Sequence

from django.db.models import Count

from earmark.corpus.arrivals import Kept
from earmark.corpus.models import Collection, Speaker
from earmark.corpus.splits import next_split


def voices_of(collection: Collection, kept: Sequence[Kept]) -> dict[str, Speaker]:
    """The speakers of `kept` by name. New ones are added, on the side of those they are heard with.

    The first known voice of a recording decides; among strangers the manifest's word, or what the collection lacks.
    The caller holds the collection's row, so that two imports do not deal out sides at once.
    """
    names = {name for one in kept for name in _names(one)}
    speakers = {one.name: one for one in Speaker.objects.filter(collection=collection, name__in=names)}
    if names <= set(speakers):
        return speakers
    alike, everywhere = _sides(collection)
    fresh = []
    for one in kept:
        heard = _names(one)
        strangers = [name for name in heard if name not in speakers]
        known = next((speakers[name].split for name in heard if name in speakers), None)
        for name in strangers:
            language = _language(one, name)
            kin = alike.setdefault((language, one.row.dialect), Counter())
            known = known or one.row.split or next_split(name, alike=kin, everywhere=everywhere)
            kin[known] += 1
            everywhere[known] += 1
            speakers[name] = Speaker(
                collection=collection, name=name, language=language, dialect=one.row.dialect, split=known
            )
            fresh.append(speakers[name])
    Speaker.objects.bulk_create(fresh)
    return speakers


def _names(one: Kept) -> list[str]:
    """Everyone heard in the file, in order; whoever the row names where it has no clips."""
    names = [piece.speaker for piece in one.pieces] or [one.row.speaker]
    return [name for name in dict.fromkeys(names) if name]


def _language(one: Kept, name: str) -> str:
    spoken = (piece.language for piece in one.pieces if piece.speaker == name and piece.language)
    return next(spoken, one.row.language)


def _sides(collection: Collection) -> tuple[dict[tuple[str, str], Counter[str]], Counter[str]]:
    """How many speakers each side holds: of each language and dialect, and of all."""
    alike: dict[tuple[str, str], Counter[str]] = {}
    everywhere: Counter[str] = Counter()
    counted = Speaker.objects.filter(collection=collection).values_list("language", "dialect", "split")
    for language, dialect, split, count in counted.annotate(count=Count("pk")):
        alike.setdefault((language, dialect), Counter())[split] += count
        everywhere[split] += count
    return alike, everywhere
