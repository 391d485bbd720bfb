"""What tests of the REST interface share."""

import pytest

from tests.api.world import World, build, members


@pytest.fixture
def world(db: None) -> World:
    """A collection with one of everything, and somebody in every role."""
    made = build()
    made.people = members(made.collection)
    return made
