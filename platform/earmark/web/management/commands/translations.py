"""`manage.py translations`: bring the Chinese catalogue into step with the code."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from earmark.web.catalogue import compile_mo, messages_of, read_po, write_po

ROOMS = ("platform", "annotation", "training_jobs")


class Command(BaseCommand):
    """Writes `django.po` and `django.mo`, and names what has no translation."""

    help = "Bring the translations into step with the code, and list what is not translated yet."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = settings.LOCALE_PATHS[0] / "zh_Hans" / "LC_MESSAGES"
        po = folder / "django.po"
        found = set().union(*(messages_of(settings.BASE_DIR / room) for room in ROOMS))
        known = read_po(po.read_text(encoding="utf-8"))
        po.write_text(write_po(found, known), encoding="utf-8")
        kept = {message: known.get(message, "") for message in found}
        (folder / "django.mo").write_bytes(compile_mo(kept))
        for message in sorted(found):
            if not kept[message]:
                self.stdout.write(f"not translated: {message.text!r}")
        self.stdout.write(f"{len(found)} messages, {sum(map(bool, kept.values()))} translated")
