"""GET /health as Argyll has it (spec §2.3). /livez and /readyz say more."""

from django.http import HttpRequest, HttpResponse

from ledger import authority
from workflows.flows import live
from workflows.flows.api.engine import CORS, answer


@authority.public
def process(_request: HttpRequest) -> HttpResponse:
    """Say that this process answers; PostgreSQL leads, so every process does."""
    response = answer(
        {
            "service": "argyll-engine",
            "details": {
                "backend": {"type": "postgresql", "state": "leader"},
                "websocket": {"clients": live.clients()},
            },
            "status": "healthy",
        }
    )
    response["X-Argyll-Raft-State"] = "leader"
    for name, value in CORS.items():
        response[name] = value
    return response
