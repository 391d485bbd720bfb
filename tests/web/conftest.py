"""What the tests of the pages share."""

from collections.abc import Callable

import pytest
from django.test import Client

from earmark.accounts.models import User
from tests.web import factories


@pytest.fixture
def world(db: None) -> factories.World:
    """A small collection, two rounds and a training old."""
    return factories.world(per_speaker=2)


@pytest.fixture
def signed_in() -> Callable[[User | None], Client]:
    """A browser that somebody has signed in with; None for a stranger's."""

    def sign_in(person: User | None) -> Client:
        client = Client()
        if person is not None:
            client.force_login(person)
        return client

    return sign_in
