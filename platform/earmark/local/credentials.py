"""Every secret of the embedded stack: made at the first start, kept in `var/secrets.json`, mode 0600."""

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from earmark.local.environment import read_json, write_private

FILE = "secrets.json"


def _password() -> str:
    return secrets.token_urlsafe(18)


def _key() -> str:
    return secrets.token_urlsafe(48)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Generated afresh for each `var` folder; nothing in the repository knows any of them."""

    secret_key: str = field(default_factory=_key)
    webhook_secret: str = field(default_factory=_key)
    postgres_password: str = field(default_factory=_password)
    redis_password: str = field(default_factory=_password)
    admin_username: str = "admin"
    admin_password: str = field(default_factory=_password)
    label_studio_username: str = "admin@earmark.local"
    label_studio_password: str = field(default_factory=_password)
    # Label Studio refuses a longer one
    label_studio_token: str = field(default_factory=lambda: secrets.token_hex(20))
    label_studio_secret: str = field(default_factory=_key)


def load_or_create(var: Path) -> Credentials:
    """The credentials of `var`; what is missing is generated and written before anything uses it.

    Raises EarmarkError `local:secrets:unreadable` when the file is there and cannot be understood.
    """
    path = var / FILE
    known = read_json(path, "local:secrets:unreadable")
    names = {each.name for each in fields(Credentials)}
    credentials = Credentials(**{name: str(value) for name, value in known.items() if name in names})
    if asdict(credentials) != known:
        write_private(path, json.dumps(asdict(credentials), indent=2) + "\n")
    return credentials
