"""What the tables of the ledger refuse by themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.utils import timezone

from ledger.models import ApiKey
from tests.integration.ledger.conftest import issue


class TestApiKey:
    @pytest.mark.parametrize(
        "change",
        [
            {"digest": "not hashed"},
            {"scopes": []},
            {"expires_at": timezone.now() + timedelta(days=400)},
            {"prefix": "UPPER-CASE!!"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_refuses_what_no_service_would_write(self, alice: User, change: dict[str, Any]) -> None:
        issue(alice, ["*"])

        with pytest.raises(IntegrityError):
            ApiKey.objects.update(**change)
