"""Print an API key of the example's operator: the second person of a story that needs two."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from config.embedded.state import State
from config.processes import first_run
from ledger.services import api_keys

SCOPES = ["approval.decide", "approval.read"]
HOURS = 1


class Command(BaseCommand):
    help = "Issue a key for an hour, with which the operator decides approvals; print it."

    def handle(self, *_args: Any, **_options: Any) -> None:
        operator = first_run.demo_person("operator", State.chosen())
        _, written = api_keys.issue_api_key(
            name="The second person of a story",
            owner=operator,
            scopes=SCOPES,
            expires_at=timezone.now() + timedelta(hours=HOURS),
        )
        self.stdout.write(written.text)
