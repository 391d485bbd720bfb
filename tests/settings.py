"""Settings for the tools (mypy, migrations check, OpenAPI) and the tests: the same settings, throw-away secrets."""

import os
import secrets

for name, value in {
    "SECRET_KEY": secrets.token_hex(32),
    "EARMARK_WEBHOOK_SECRET": secrets.token_hex(16),
    "DATABASE_URL": "postgres://postgres@127.0.0.1:5432/earmark",
    "CELERY_BROKER_URL": "redis://127.0.0.1:6379/0",
}.items():
    os.environ.setdefault(name, value)

from earmark.config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
WHITENOISE_AUTOREFRESH = True  # nothing is collected for tests
