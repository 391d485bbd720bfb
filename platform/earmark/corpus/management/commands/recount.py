"""`manage.py recount`: make every tally anew, should one ever be doubted. Others may write meanwhile."""

from typing import Any

from django.core.management.base import BaseCommand

from earmark.corpus import tallies


class Command(BaseCommand):
    help = "Count clips, recordings, references and annotations afresh."

    def handle(self, *args: Any, **options: Any) -> None:
        tallies.recount()
