"""GET /health, as in Argyll. /livez and /readyz say more."""

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from ledger.access import authority
from workflows.flows import conf
from workflows.flows.api.protocol import answer, no_such_route, with_cors
from workflows.flows.argyll import live


@csrf_exempt
@authority.public
def process(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; PostgreSQL leads, so every process does."""
    if request.method != "GET":
        return no_such_route(request)
    settings = conf.current()
    response = answer(
        {
            "service": "argyll-engine",
            "details": {
                "backend": {
                    "type": "postgresql",
                    "state": "leader",
                    "leader_address": urlsplit(settings.webhook_base_url).netloc,
                    "leader_id": settings.node,
                },
                "websocket": {"clients": live.clients()},
            },
            "status": "healthy",
        }
    )
    response["X-Argyll-Raft-State"] = "leader"
    return with_cors(response)
