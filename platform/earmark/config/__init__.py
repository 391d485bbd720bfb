"""Settings, addresses and entry points."""

from earmark.config.celery import app as celery_app

__all__ = ["celery_app"]
