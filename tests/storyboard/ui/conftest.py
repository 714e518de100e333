"""A studio without models, and its page, for a module of tests."""

from collections.abc import Iterator

import pytest

from storyboard.studio import Studio
from tests.soak.fakes import open_fake
from tests.storyboard.studios import served


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = open_fake(tmp_path_factory.mktemp("home"))
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with served(studio) as address:
        yield address
