"""What must be done once before the site and the workers of a new version start."""

import os

import django
from django.core.management import call_command


def prepare() -> bool:
    """Check the settings, bring database and static files up to date, and create the first administrator.

    The administrator comes from EARMARK_ADMIN_USERNAME and EARMARK_ADMIN_PASSWORD, where both are set.
    True when it was created now.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "earmark.config.settings")
    django.setup()
    from earmark.accounts.services import ensure_admin

    call_command("check")
    call_command("migrate", interactive=False, verbosity=1)
    call_command("collectstatic", interactive=False, verbosity=0)
    username = os.environ.get("EARMARK_ADMIN_USERNAME", "")
    password = os.environ.get("EARMARK_ADMIN_PASSWORD", "")
    return bool(username and password) and ensure_admin(username, password)
