import asyncio
import os
from typing import Any

from django.core.management import BaseCommand, CommandError

from config import mcp_server
from events.domain.errors import DomainError
from ledger import tools

KEY = "DAYBOOK_AGENT_KEY"


class Command(BaseCommand):
    """Serves one agent until its streams are closed."""

    help = f"Serve an agent's tools on standard input and output; its key is in {KEY}."

    def handle(self, *_args: Any, **_options: Any) -> None:
        written = os.environ.get(KEY, "")
        try:
            tools.admitted(written)
        except DomainError as refusal:
            raise CommandError(f"{refusal} Put the key of an agent into {KEY}.") from refusal
        asyncio.run(mcp_server.serve_stdio(written))
