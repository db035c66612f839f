"""Read the bodies of Argyll's clients, and refuse them in its decoder's words (spec §2.1)."""

import json
import re
from typing import Any

from events.domain import strict_json
from events.domain.errors import Malformed, TooLarge
from workflows.flows.domain import shapes
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.domain.shapes import ANYTHING, INTEGER, TEXT

STEP_BYTES_MAX = 512 << 10
FLOW_BYTES_MAX = 1 << 20

_LITERALS = ("null", "true", "false")
_WORD = re.compile(r"[a-z]+")

_INIT = shapes.MapOf(shapes.ListOf(ANYTHING, "[]interface {}"), "api.Init")
_GOALS = shapes.ListOf(TEXT, "[]api.StepID")
PLAN = shapes.Struct("ExecutionPlanRequest", {"goals": _GOALS, "init": _INIT})
FLOW = shapes.Struct(
    "CreateFlowRequest",
    {
        "id": shapes.Scalar("string", "api.FlowID"),
        "goals": _GOALS,
        "init": _INIT,
        "labels": shapes.MapOf(TEXT, "api.Labels"),
    },
)
QUERY = shapes.Struct(
    "QueryFlowsRequest",
    {
        "id_prefix": TEXT,
        "labels": shapes.MapOf(TEXT, "api.Labels"),
        "statuses": shapes.ListOf(TEXT, "[]api.FlowStatus"),
        "limit": INTEGER,
        "cursor": TEXT,
        "sort": TEXT,
    },
)


def read(raw: bytes, *, bytes_max: int = FLOW_BYTES_MAX) -> Any:
    """Return the first JSON value of a body; what follows it is ignored, as in the original.

    :raises MalformedRequest: if there is none, or one that is not strict JSON.
    """
    if len(raw) > bytes_max:
        raise MalformedRequest("http: request body too large")
    text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise MalformedRequest("EOF")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
        return strict_json.loads(text[:end], bytes_max=bytes_max)
    except json.JSONDecodeError as error:
        raise MalformedRequest(_reason(text, error)) from error
    except (Malformed, TooLarge, RecursionError) as error:
        raise MalformedRequest(str(error)) from error


def _reason(text: str, error: json.JSONDecodeError) -> str:
    """Say what the original's scanner would say about the place where it stops."""
    at = error.pos
    if at >= len(text) or "Unterminated" in error.msg:
        return "unexpected EOF"
    word = _WORD.match(text, at)
    for literal in _LITERALS:
        if word and literal[0] == word[0][0]:
            return _in_literal(literal, text[at:])
    return f"invalid character {_quoted(text[at])} looking for beginning of value"


def _in_literal(literal: str, found: str) -> str:
    for expected, character in zip(literal, found, strict=False):
        if expected != character:
            what = f"in literal {literal} (expecting {_quoted(expected)})"
            return f"invalid character {_quoted(character)} {what}"
    return "unexpected EOF"


def _quoted(character: str) -> str:
    return repr(character) if character != "'" else r"'\''"
