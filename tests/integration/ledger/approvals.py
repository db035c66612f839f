"""A made-up thing that is accountable, and people and programs that want to change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User

from events import context
from events.domain.context import Origin
from events.domain.principal import Principal, PrincipalKind
from ledger import capabilities, commands
from ledger.access.authority import Caller
from ledger.approving import reference, steps
from ledger.approving.gate import ApprovalRequired
from ledger.commands import Command
from ledger.domain.action import Action, Kind, Target
from ledger.domain.capability import Risk
from ledger.domain.validation import ApprovalFingerprintMismatch, ApprovalMismatchedAction
from ledger.models import Approval, ApprovalPolicyVersion
from ledger.recording import recorded
from ledger.services import approval_policies, approvals
from ledger.services.approval_policies import Terms

STATE: dict[str, Any] = {}
"""How the things are, by id: what a service would read under its lock."""


def put_into_force(**terms: Any) -> ApprovalPolicyVersion:
    """Have a policy: by default whatever is done to a thing takes one other person."""
    terms = {
        "name": "test-approval",
        "meaning": "For a test.",
        "capabilities": ("api_key.revoke", "api_key.issue"),
        "condition": "target_type == 'thing'",
        "ttl": timedelta(hours=1),
        **terms,
    }
    if group := terms.get("assigned_group"):
        Group.objects.get_or_create(name=group)
    draft = approval_policies.draft_policy(terms=Terms(**terms))
    return approval_policies.activate_policy(policy_id=draft.pk, is_fresh=True)


def do(
    thing: str = "t1",
    *,
    makes: bool = False,
    fails: type[Exception] | None = None,
    capability: str = "api_key.revoke",
    **asked: Any,
) -> UUID:
    """Do something grave to a thing, as a service does; return its entry."""
    action = Action(
        name="thing.do",
        kind=Kind.CREATE if makes else Kind.EXECUTE,
        target=Target(type="thing", id="" if makes else thing),
        capability=capability,
        input=asked,
    )
    with recorded(action) as proof:
        proof.found({"revision": STATE.get(thing, 1)})
        proof.weighs(**{name: asked[name] for name in ("amount_cents",) if name in asked})
        if fails is not None:
            raise fails
        if makes:
            proof.refers_to(uuid4())
    return proof.entry_id


def asked(thing: str = "t1", **facts: Any) -> Approval:
    """Want to do it, and be told to wait."""
    try:
        do(thing, **facts)
    except ApprovalRequired as required:
        return required.approval
    raise AssertionError("it was done at once")


def under(approval: Approval, thing: str = "t1", **facts: Any) -> UUID:
    """Do it under an approval."""
    with reference.presenting(str(approval.pk)):
        return do(thing, **facts)


@contextmanager
def acting(user: User, *, caller_type: str = "session") -> Iterator[Caller]:
    """Act as a person who is logged in."""
    caller = Caller(user, session_key="s")
    with context.acting(caller.principal, origin=Origin(caller_type=caller_type)):
        yield caller


def say(approval: Approval, user: User, decision: str = "approve", **facts: Any) -> Approval:
    """Decide as a person who has just proved who they are."""
    facts.setdefault("is_fresh", True)
    with acting(user) as caller:
        return approvals.decide_approval(
            approval_id=approval.pk, decision=decision, decider=caller, **facts
        )


def weigh_more(monkeypatch: pytest.MonkeyPatch, *capability_ids: str) -> None:
    """Let people too be asked for approval of what is so low that only agents are."""
    for id_ in capability_ids:
        graver = replace(capabilities.get(id_), risk=Risk.MEDIUM)
        monkeypatch.setitem(capabilities._DECLARED, id_, graver)


def good_for_just_that(
    asker: User, decider: User, *, agreed: Callable[[], object], other: Callable[[], object]
) -> UUID:
    """Ask for one thing by a form, be given leave, and see that it is good for no other.

    Return the entry of what was done: what was agreed to, once.
    """
    with acting(asker):
        with pytest.raises(ApprovalRequired) as required:
            agreed()
        given = required.value.approval
        say(given, decider)
        with pytest.raises(ApprovalRequired) as again:
            other()
        assert again.value.approval.pk != given.pk
        with (
            reference.presenting(str(given.pk)),
            pytest.raises((ApprovalFingerprintMismatch, ApprovalMismatchedAction)),
        ):
            other()
        agreed()
    done = steps.execution_of(given.pk)
    assert done is not None
    return done.pk


def principal_of(user: User) -> Principal:
    return Principal(kind=PrincipalKind.USER, id=str(user.pk))


def give_the_thing_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `thing.do` be carried out by name, on things that nobody has changed yet."""
    STATE.clear()
    monkeypatch.setattr(commands, "_commands", dict(commands._commands))
    commands.register(
        Command(
            name="thing.do",
            version=1,
            meaning="Do something to a thing.",
            capability="api_key.revoke",
            target_type="thing",
            input_schema={"type": "object"},
            state_of=lambda id_: {"revision": STATE.get(id_, 1)},
            run=lambda id_, arguments: str(do(id_, **arguments)),
        )
    )
