"""How often beat rings."""

from typing import Any

import pytest
from django.conf import settings

SECONDS_MAX = 5.0


@pytest.mark.parametrize("name", ["sweep", "seal-entries", "expire-approvals"])
def test_what_somebody_waits_for_is_rung_for_within_seconds(name: str) -> None:
    entry: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE[name]

    assert entry["schedule"] <= SECONDS_MAX
    assert entry["options"]["expires"] <= entry["schedule"]
