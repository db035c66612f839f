"""Fixtures for every test; those for tests on real processes come with config.testing.stack."""

from collections.abc import Iterator

import pytest

from config.testing.flush import patch_flush


@pytest.fixture(autouse=True, scope="session")
def _transactional_tests_may_flush() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch_flush(patch)
        yield
