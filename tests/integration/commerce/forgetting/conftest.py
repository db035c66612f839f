"""The people with keys of the API's tests."""

from tests.integration.commerce.api.conftest import admin, keyed

__all__ = ["admin", "keyed"]
