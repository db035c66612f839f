"""Kinds of work for tests, in this process and in real workers (`celery --include`)."""

import json
import time
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from events.domain.errors import Rejected
from workflows.work import queue, stopping
from workflows.work.domain.claim import Claim, PermanentFailure, Snooze
from workflows.work.domain.retry import RetryPolicy
from workflows.work.registry import job

AT_ONCE = RetryPolicy(max_attempts=3, base_s=0, jitter=0)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "to": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
    "additionalProperties": False,
}


class Unwanted(Exception):
    """Declared as permanent by its kind."""


@job("lab.echo", input_schema=SCHEMA, public=True)
def echo(claim: Claim) -> Any:
    return claim.input


@job("lab.light", light=True)
def light(claim: Claim) -> Any:
    if claim.input.get("fails"):
        raise RuntimeError("no")
    return claim.input.get("n")


@job("lab.fails", retry=AT_ONCE, permanent=(Unwanted,))
def fails(claim: Claim) -> None:
    raise {
        "error": RuntimeError("password=hunter2 is wrong"),
        "permanent": PermanentFailure("never"),
        "declared": Unwanted("never"),
        "rejected": NotNow("never"),
        "snooze": Snooze(claim.input.get("after_s", 60)),
    }[claim.input["how"]]


class NotNow(Rejected):
    code = "not_now"


@job("lab.recovers", retry=AT_ONCE)
def recovers(claim: Claim) -> int:
    if claim.attempt <= claim.input["after"]:
        raise RuntimeError("not yet")
    return claim.attempt


@job("lab.odd")
def odd(claim: Claim) -> Any:
    return "x" * claim.input["chars"] if "chars" in claim.input else float("nan")


@job("lab.hangs", timeout_s=0.2, retry=AT_ONCE)
def hangs(claim: Claim) -> None:
    until = time.monotonic() + claim.input.get("for_s", 5)
    while time.monotonic() < until:
        time.sleep(0.01)


@job("lab.polite", timeout_s=30)
def polite(claim: Claim) -> None:
    """Works until it is told to stop."""
    Path(claim.input["started"]).touch()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        claim.check()
        time.sleep(0.01)


@job("lab.writes")
def writes(claim: Claim) -> None:
    """Does its writing and its completion in one transaction."""
    with transaction.atomic():
        Group.objects.create(name=claim.token)
        queue.complete(claim, {"group": claim.token})
        if claim.input.get("fails_before_commit"):
            raise RuntimeError("after completion, before commit")
    if claim.input.get("fails_after_commit"):
        raise RuntimeError("after commit")


@job("lab.effect", retry=RetryPolicy(max_attempts=5, base_s=0, jitter=0), crash_budget=2)
def effect(claim: Claim) -> str:
    """Calls an outside world that keeps a log: one line per call, with the token."""
    line = json.dumps({"token": claim.token, "attempt": claim.attempt, "fence": claim.fence})
    with Path(claim.input["log"]).open("a") as log:
        log.write(line + "\n")
    while "until" in claim.input and not Path(claim.input["until"]).exists():
        time.sleep(0.01)
    return claim.token


@job("lab.light_effect", light=True)
def light_effect(claim: Claim) -> str:
    """Calls the same outside world, and may go on until its worker is asked to stop."""
    token: str = effect(claim)
    while claim.input.get("is_long") and not stopping.is_asked():
        time.sleep(0.01)
    return token
