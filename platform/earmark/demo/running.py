"""One demonstration from an empty collection to its report."""

import time
from pathlib import Path
from typing import Any

from django.db import connection

from earmark.accounts.models import User
from earmark.config.commands.session import console, progress_bar
from earmark.corpus.models import Collection
from earmark.corpus.services import create_collection
from earmark.demo import people, report, turns
from earmark.demo.speech_folder import write_speech_folder


def run(var: Path, seed: int) -> dict[str, Any]:
    """Make a new demo collection, turn the loop on it, write `var/demo/report.json`; returns the report."""
    began = time.monotonic()
    number = Collection.objects.filter(slug__startswith="demo").count() + 1
    slug = "demo" if number == 1 else f"demo-{number}"
    folder = var / "demo" / f"{slug}-speech"
    _write_speech(folder, seed)
    owner = User.objects.filter(is_superuser=True).first()
    collection = create_collection(slug=slug, name=f"Demo speech {number}", by=owner)
    people.ensure_people(collection, _logins(var))
    by = people.collection_admin()
    loop_began = time.monotonic()
    frozen = turns.bring_in(collection, folder, by)
    turned = [turns.turn(collection, frozen, folder, seed=seed + n, by=by) for n in range(turns.ROUNDS)]
    turns.hear_again(collection, by)
    ended = time.monotonic()
    facts = report.report(collection, turned, wall_seconds=ended - began, loop_seconds=ended - loop_began)
    report.write(_report(var), facts)
    connection.close()
    return facts


def show(facts: dict[str, Any], var: Path) -> None:
    """Print the table, where things are, and the logins."""
    console.print(report.table(facts))
    console.print(f"The loop took {facts['loop_seconds']:.0f} s. Report: {_report(var)}")
    console.print(f"Site: {facts['urls']['site']}   Label Studio: {facts['urls']['label_studio']}")
    for name, role, password in people.logins(_logins(var)):
        console.print(f"  {name:<6} {password:<14} {role}")


def _write_speech(folder: Path, seed: int) -> None:
    with progress_bar() as bar:
        task = bar.add_task("write demo speech", total=None, note="")
        write_speech_folder(
            folder, seed=seed, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def _logins(var: Path) -> Path:
    return var / "demo" / "logins.json"


def _report(var: Path) -> Path:
    return var / "demo" / "report.json"
