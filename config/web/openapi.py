"""Extends the generated OpenAPI 3.1 description by what views do not declare themselves."""

import functools
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import OpenApiParameter
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.problems import MEDIA_TYPE
from ledger import capabilities
from ledger.access.authority import AUTHENTICATED, PUBLIC
from ledger.bodies import Body
from ledger.disclosure.reasons import HEADER, access_reason_header
from ledger.domain.api_key import SCANNER_PATTERN
from ledger.idempotency import KEY_CHARS_MAX

_METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Why the request was refused (RFC 9457). docs/errors.md lists the codes.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; for programs."},
        "hint": {"type": "string", "description": "What to do about it."},
        "request_id": {"type": "string"},
        "facts": {"type": "object", "additionalProperties": True},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail", "code"],
                "properties": {
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "Name in the query."},
                },
            },
        },
    },
}

_MEANING: Final = {
    "400": "The request is malformed, or parts of it are not as they should be.",
    "401": "No credential, or none that is good.",
    "403": "The caller lacks the capability.",
    "404": "The object does not exist, or not for this caller.",
    "409": "Somebody was first, or the same request is under way.",
    "412": "The thing has changed since the caller read it.",
    "413": "The body is too large.",
    "415": "The media type of the body is not supported.",
    "422": "It makes no sense in the current state; repeating it will not help.",
    "428": "Say in If-Match which version is meant, or in Access-Reason why you look.",
    "429": "Too many requests; Retry-After says when.",
    "503": "Something we depend on is away; Retry-After says when.",
}
_TAGS: Final = {
    "api-keys": "Credentials of programs: issued, rotated, revoked.",
    "bookings": "Bookings from a draft to their end, with items, travellers and documents.",
    "cancellation-policies": "What a cancellation gives back, and when; in versions.",
    "chargebacks": "What banks have taken back, and how it ended.",
    "credit-notes": "What was taken off invoices.",
    "deliveries": "What was sent to customers.",
    "document-accesses": "Who may open a document besides those who may anyway.",
    "documents": "Documents of invoices; opening one is on record.",
    "event-types": "The catalogue of events.",
    "events": "What happened, in the order of the feed.",
    "external-content": "Copies of products in content systems.",
    "flow-starts": "Starts: triggers of flows.",
    "flows": "Flows from their plan to their end.",
    "invoices": "Invoices, their lines, payments and settlement.",
    "job-schedules": "Work that is wanted again and again.",
    "jobs": "Work that must still happen, and what became of it.",
    "ledger": "Who did what, by which authority, who agreed, and how it is undone.",
    "payment-providers": "Where payment providers tell what happened at theirs.",
    "payments": "Money that came in.",
    "plans": "What a flow would do.",
    "products": "What is sold.",
    "refunds": "Money that goes back.",
    "slots": "When a product takes place, and the seats that are left.",
    "steps": "What flows are made of.",
    "streams": "Everything that happened to one thing.",
    "webhooks": "Subscriptions to events, and their deliveries.",
    "ws-tickets": "Credentials for a socket, for clients that cannot send a header.",
}
_SIGNATURE: Final = "webhookSignature"
_WITH_CREDENTIAL: Final = ("401", "403")
_WITH_PATH: Final = ("404",)
_WITH_REASON: Final = ("428",)
# 404 too: a body may name what does not exist.
_WITH_EFFECT: Final = ("404", "409", "412", "413", "415", "422", "428")
_ALWAYS: Final = ("400", "429", "503")


class OperationSchema(AutoSchema):
    """Says of every operation which capability it needs and whether it can be repeated."""

    def get_auth(self) -> list[dict[str, Any]]:
        if getattr(self.view, "is_signed", False):
            return [{_SIGNATURE: []}]
        schemes: list[dict[str, Any]] = super().get_auth()
        return [{}] if self._declared() == PUBLIC else schemes

    def get_extensions(self) -> dict[str, Any]:
        declared = self._declared()
        needs = declared.get(self._action()) if isinstance(declared, dict) else None
        return {} if needs in {None, AUTHENTICATED} else {"x-capability": needs}

    def get_override_parameters(self) -> list[Any]:
        if self.method in SAFE_METHODS:
            return [access_reason_header(required=True)] if self._asks_why() else []
        return [
            OpenApiParameter(
                "Idempotency-Key",
                {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX},
                OpenApiParameter.HEADER,
                required=self._action() in getattr(self.view, "idempotency_required", ()),
                description="The same on every retry; the response is then the same, too.",
            )
        ]

    def _get_serializer_field_meta(self, field: Any, direction: str) -> dict[str, Any]:
        meta: dict[str, Any] = super()._get_serializer_field_meta(  # type: ignore[no-untyped-call]
            field, direction
        )
        # It says no more than that it may be left out, and is often none that may be sent.
        if meta.get("default") == "":
            del meta["default"]
        return meta

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(  # type: ignore[no-untyped-call]
            serializer, direction
        )
        given = serializer if isinstance(serializer, type) else type(serializer)
        if issubclass(given, Body):
            schema["additionalProperties"] = False
        return schema

    def _asks_why(self) -> bool:
        action, declared = self._action(), self._declared()
        if action not in getattr(self.view, "discloses", ()) or declared[action] == AUTHENTICATED:
            return False
        return capabilities.get(declared[action]).asks_why

    def _declared(self) -> Any:
        return getattr(self.view, "capabilities", {})

    def _action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "ledger.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": f"/{SCANNER_PATTERN}/",
            "description": "An API key. See docs/api.md.",
        }


class SchemaView(APIView):
    """This description, in YAML or JSON."""

    capabilities = PUBLIC
    # In this order the plain media types come before the registered ones.
    renderer_classes = [
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer2,
        OpenApiYamlRenderer,
        OpenApiJsonRenderer,
    ]
    schema = None

    def get(self, request: Request) -> Response:
        return Response(description())

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **options: Any
    ) -> Response:
        """Write a problem as JSON, as its media type says, and not as YAML."""
        if getattr(response, "exception", False):
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **options)


@functools.cache
def description() -> dict[str, Any]:
    """Return the description; the addresses do not change while the process lives."""
    described: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return described


def add_problems(
    result: dict[str, Any],
    generator: Any,
    request: Any,
    public: bool,  # noqa: FBT001
) -> dict[str, Any]:
    """Postprocessing hook: what every operation may answer besides its success."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components.setdefault("securitySchemes", {})[_SIGNATURE] = {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Of the body, webhook-id and webhook-timestamp, as Standard Webhooks says.",
    }
    result["tags"] = [{"name": name, "description": says} for name, says in _TAGS.items()]
    components["responses"] = {f"Problem{status}": _response(status) for status in _MEANING}
    for path, operations in result["paths"].items():
        for method in _METHODS & operations.keys():
            _add_to(operations[method], method=method, has_parameter="{" in path)
            _explain_ids(operations[method], path)
    return result


def _explain_ids(operation: dict[str, Any], path: str) -> None:
    for parameter in _parameters(operation):
        if parameter["in"] == "path" and "description" not in parameter:
            of, _, _ = path.partition(f"/{{{parameter['name']}}}")
            parameter["description"] = f"Which of {of}."


def _add_to(operation: dict[str, Any], *, method: str, has_parameter: bool) -> None:
    statuses = [*_ALWAYS]
    if operation.get("security") != [{}]:
        statuses += _WITH_CREDENTIAL
    if has_parameter:
        statuses += _WITH_PATH
    if method != "get":
        statuses += _WITH_EFFECT
    elif any(each["name"] == HEADER and each.get("required") for each in _parameters(operation)):
        statuses += _WITH_REASON
    for status in statuses:
        operation["responses"].setdefault(
            status, {"$ref": f"#/components/responses/Problem{status}"}
        )
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operation.get("parameters", [])
    return found


def _response(status: str) -> dict[str, Any]:
    headers = {"X-Request-ID": {"schema": {"type": "string"}}}
    if status in {"429", "503"}:
        headers["Retry-After"] = {"schema": {"type": "integer"}}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": _MEANING[status], "headers": headers, "content": content}
