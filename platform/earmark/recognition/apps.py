from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RecognitionConfig(AppConfig):
    name = "earmark.recognition"
    verbose_name = _("Recognition")

    def ready(self) -> None:
        from earmark.recognition import checks  # noqa: F401  registers them
