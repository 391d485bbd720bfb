"""The demo's logins: one person for each role, with passwords made at first and kept beside the report."""

import json
import secrets
from pathlib import Path

from earmark.accounts.models import Role, User
from earmark.accounts.services import ensure_person
from earmark.corpus.models import Collection
from earmark.corpus.services import add_member

NAMES = {
    Role.VIEWER: "vera",
    Role.ANNOTATOR: "anna",
    Role.REVIEWER: "rui",
    Role.MANAGER: "mei",
    Role.ADMIN: "ada",
}


def ensure_people(collection: Collection, logins: Path) -> dict[str, str]:
    """Make each person and give them their role; returns password by username, as `logins` (mode 0600) keeps them."""
    known: dict[str, str] = json.loads(logins.read_text()) if logins.exists() else {}
    passwords = {name: known.get(name) or secrets.token_urlsafe(9) for name in NAMES.values()}
    logins.parent.mkdir(parents=True, exist_ok=True)
    logins.touch(mode=0o600)
    logins.write_text(json.dumps(passwords, indent=2) + "\n")
    for role, name in NAMES.items():
        person = ensure_person(username=name, email=f"{name}@demo.earmark.local", password=passwords[name])
        add_member(collection=collection, user=person, role=role)
    return passwords


def collection_admin() -> User:
    """The person in whose name the demo works."""
    return User.objects.get(username=NAMES[Role.ADMIN])


def logins(path: Path) -> list[tuple[str, str, str]]:
    """Username, role and password of each demo person."""
    passwords = json.loads(path.read_text())
    return [(name, role.value, passwords[name]) for role, name in NAMES.items()]
