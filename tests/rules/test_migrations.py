"""Migrations go forwards and backwards on a real PostgreSQL."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from pytest_django.plugin import DjangoDbBlocker

from tests.rules.tree import ROOT

SCRATCH = "scratch"


def own_apps() -> list[str]:
    """Labels of the apps of this repository that have models."""
    return [
        each.label
        for each in apps.get_app_configs()
        if each.path.startswith(str(ROOT)) and any(each.get_models())
    ]


@pytest.fixture
def scratch(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """An empty database of its own beside the test database; gone afterwards."""
    name = f"scratch_{uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        default = connections[DEFAULT_DB_ALIAS]
        with default.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        connections.settings[SCRATCH] = {**default.settings_dict, "NAME": name}
        try:
            yield SCRATCH
        finally:
            connections[SCRATCH].close()
            del connections[SCRATCH]
            del connections.settings[SCRATCH]
            with default.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}"')


def own_tables(alias: str) -> set[str]:
    """Tables of our apps that the database holds now."""
    prefixes = tuple(f"{label}_" for label in own_apps())
    return {name for name in connections[alias].introspection.table_names() if name.startswith(prefixes)}


def test_forwards_backwards_and_forwards_again(scratch: str) -> None:
    call_command("migrate", database=scratch, verbosity=0)
    there = own_tables(scratch)
    executor = MigrationExecutor(connections[scratch])
    executor.migrate([(label, None) for label in own_apps()])
    assert there
    assert own_tables(scratch) == set()
    call_command("migrate", database=scratch, verbosity=0)
    assert own_tables(scratch) == there


def test_every_step_says_how_to_go_back() -> None:
    loader = MigrationLoader(None)
    one_way = [
        f"{label}.{name}"
        for (label, name), migration in (loader.disk_migrations or {}).items()
        if label in own_apps() and not all(step.reversible for step in migration.operations)
    ]
    assert one_way == []
