"""Previews of reversals: what undoing an action would do, without doing it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from events import context
from events.domain.errors import NotFound
from ledger.approving import demands
from ledger.approving.demands import NeededApproval
from ledger.domain import plans
from ledger.domain import reversals as rules
from ledger.domain.action import EXECUTED, Kind, Target
from ledger.domain.payload import PayloadKind
from ledger.domain.plans import Effect, LaterAction, OriginalAction, Plan
from ledger.domain.policy import PolicyMissing
from ledger.domain.reversals import (
    Outcome,
    ReversalCommandUnavailable,
    ReversalKind,
    ReversalMissingMutationDetail,
    ReversalNotReversible,
    ReversalRefused,
    Standing,
    State,
    StepKind,
    Undoing,
)
from ledger.models import Approval, Entry, Mutation, Payload
from ledger.privacy import payloads
from ledger.privacy.payloads import PayloadGone
from ledger.reversing import reversal_commands, standings
from ledger.reversing.reversal_commands import FollowUp, Found, ReversalCommand

LATER_MAX: Final = 50
"""So many later actions on the same target are looked at, the first ones first."""


class EntryNotFound(NotFound):
    code = "entry_not_found"

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(f"There is no entry {entry_id}.", entry_id=str(entry_id))


class ReversalBlocked(ReversalRefused):
    code = "reversal_blocked"
    hint = "Undo what blocks it first, or see `follow_ups` for what can be done instead."

    def __init__(self, preview: "Preview") -> None:
        blockers = preview.plan.blockers if preview.plan else ()
        super().__init__(
            f"This cannot be undone now: {blockers[0].summary}",
            entry_id=str(preview.entry.pk),
            blocked_by=[effect.as_json() for effect in blockers],
            follow_ups=[each.name for each in preview.follow_ups],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The reversal state of an entry, and what a reversal by the caller would do.

    `refusal` says why it is not possible; then there is no `token` to carry it out with.
    `needed` is the approval that it takes; `requests` are the approvals already requested for it.
    """

    entry: Entry
    standing: Standing
    currency: str
    command: ReversalCommand | None
    is_follow_up: bool
    follow_ups: tuple[FollowUp, ...]
    original: OriginalAction
    plan: Plan | None = None
    token: str = ""
    needed: NeededApproval | None = None
    requests: tuple[Approval, ...] = ()
    refusal: ReversalRefused | PolicyMissing | None = field(default=None, compare=False)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it would do, and whose approval that takes."""
        done = self.plan.effects if self.plan else ()
        if isinstance(self.refusal, PolicyMissing):
            return (*done, plans.blocked(str(self.refusal)))
        return (*done, plans.awaits(str(self.needed))) if self.needed else done

    @property
    def expected(self) -> Outcome | None:
        """What carrying it out would make of the action as a whole."""
        if self.plan is None:
            return None
        return rules.outcome_of(self.standing, self.undoing(StepKind.COMPLETED))

    def undoing(self, step: StepKind) -> Undoing:
        """Return a step on the way of this undoing."""
        assert self.command is not None
        return Undoing(
            of=self.entry.pk,
            step=step,
            kind=self.command.kind,
            amount_cents=self.plan.amount_cents if self.plan else None,
            is_partial=self.plan.is_partial if self.plan else False,
            is_follow_up=self.is_follow_up,
        )


def preview(
    entry_id: UUID, *, command: str = "", asked_cents: int | None = None, reason: str = ""
) -> Preview:
    """Work out what undoing an entry would do now, by its own command or one of its follow-ups.

    :raises EntryNotFound: if there is no such entry.
    """
    entry = Entry.objects.select_related("mutation", "standing").filter(pk=entry_id).first()
    if entry is None:
        raise EntryNotFound(entry_id)
    mutation: Mutation | None = getattr(entry, "mutation", None)
    names = mutation.reversal_follow_ups if mutation else []
    row = getattr(entry, "standing", None)
    standing = standings.standing_of(row) if row else Standing(state=State.NOT_REVERSIBLE)
    is_follow_up = command in names
    begun = Preview(
        entry=entry,
        standing=standing,
        currency=mutation.reversal_currency if mutation else "",
        command=_command(mutation, command, is_follow_up=is_follow_up),
        is_follow_up=is_follow_up,
        follow_ups=tuple(reversal_commands.follow_up(name) for name in names),
        original=_original(entry, mutation, standing, asked_cents, reason),
        requests=_requests(standing),
    )
    return _planned(begun, mutation, command, at=timezone.now())


def _command(
    mutation: Mutation | None, asked: str, *, is_follow_up: bool
) -> ReversalCommand | None:
    if mutation is None or mutation.reversal_kind == ReversalKind.NONE:
        return None
    if is_follow_up:
        return reversal_commands.find(asked)
    if asked not in {"", mutation.reversal_command_id}:
        return None
    return reversal_commands.find(mutation.reversal_command_id, mutation.reversal_command_version)


def _planned(begun: Preview, mutation: Mutation | None, asked: str, *, at: datetime) -> Preview:
    if refusal := _refusal(begun, mutation, asked, at=at):
        return replace(begun, refusal=refusal)
    command, original = begun.command, begun.original
    assert command is not None
    found = command.look(original)
    plan = command.plan(original, found)
    planned = replace(begun, plan=plan)
    if plan.blockers:
        return replace(planned, refusal=ReversalBlocked(planned))
    if refusal := _refused_step(planned, at=at):
        return replace(planned, refusal=refusal)
    try:
        needed = _needed(command, found, plan)
    except PolicyMissing as missing:
        return replace(planned, refusal=missing)
    token = plans.token_of(original, plan, command=command.name, version=command.version)
    return replace(planned, token=token, needed=needed)


def _needed(command: ReversalCommand, found: Found, plan: Plan) -> NeededApproval | None:
    policy_facts = command.policy_facts(found, plan)
    return demands.approval_needed(
        demands.circumstances(
            action=policy_facts.action,
            capability=command.capability,
            target_type=policy_facts.target_type,
            state=policy_facts.state,
            facts=policy_facts.facts,
            by=context.current().principal,
            is_reversible=policy_facts.is_reversible,
        )
    )


def _refusal(
    begun: Preview, mutation: Mutation | None, asked: str, *, at: datetime
) -> ReversalRefused | None:
    entry, follow_ups = begun.entry, [each.name for each in begun.follow_ups]
    if mutation is None or entry.status not in EXECUTED:
        return ReversalMissingMutationDetail(entry.pk)
    if mutation.reversal_kind == ReversalKind.NONE:
        return ReversalNotReversible(entry.pk, why=mutation.reversal_why, follow_ups=follow_ups)
    # Without the payload that the action kept for its reversal, the command cannot run.
    is_bare = mutation.reversal_args_ref != "" and not begun.original.args
    if begun.command is None or is_bare:
        own = mutation.reversal_command_id
        return ReversalCommandUnavailable(
            entry.pk,
            command=asked or own,
            version=mutation.reversal_command_version if asked in {"", own} else None,
            follow_ups=follow_ups,
        )
    return _refused_step(begun, at=at)


def _refused_step(begun: Preview, *, at: datetime) -> ReversalRefused | None:
    try:
        rules.check_step(begun.entry.pk, begun.standing, begun.undoing(StepKind.COMPLETED), at=at)
    except ReversalRefused as refusal:
        refusal.facts["follow_ups"] = [each.name for each in begun.follow_ups]
        return refusal
    return None


def _original(
    entry: Entry,
    mutation: Mutation | None,
    standing: Standing,
    asked_cents: int | None,
    reason: str,
) -> OriginalAction:
    is_reversible = mutation is not None and mutation.reversal_kind != ReversalKind.NONE
    later = _later(entry) if is_reversible else []
    args = _args_of([entry.pk, *(each.pk for each in later)]) if is_reversible else {}
    return OriginalAction(
        entry_id=entry.pk,
        action_name=entry.action_name,
        target=Target(type=entry.target_type, id=entry.target_id),
        args=args.get(entry.pk, {}),
        standing=standing,
        asked_cents=asked_cents,
        later=tuple(
            LaterAction(entry_id=each.pk, action_name=each.action_name, args=args.get(each.pk, {}))
            for each in later
        ),
        reason=reason,
    )


def _later(entry: Entry) -> list[Entry]:
    """Return the later entries about the same target that are not undone, the oldest first."""
    after = Entry.objects.filter(
        target_type=entry.target_type,
        target_id=entry.target_id,
        status__in=EXECUTED,
        occurred_at__gte=entry.occurred_at,
    ).exclude(action_kind=Kind.READ.value)
    # What was undone again stands no more, and neither does what undid it.
    undone = Q(standing__outcome=Outcome.FULL.value) | Q(
        mutation__reversal_outcome=Outcome.FULL.value
    )
    rows = after.exclude(pk=entry.pk).exclude(undone).order_by("occurred_at", "pk")
    return list(rows[:LATER_MAX])


def _requests(standing: Standing) -> tuple[Approval, ...]:
    if not standing.requests:
        return ()
    rows = Approval.objects.filter(pk__in=standing.requests).select_related("assigned_group")
    return tuple(rows.order_by("requested_at", "pk"))


def _args_of(entry_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """Return what these actions kept for their undoing; nothing of those that keep it no more."""
    kept = Payload.objects.select_related("key").filter(
        entry_id__in=entry_ids, kind=PayloadKind.REVERSAL_ARGS.value
    )
    found: dict[UUID, Mapping[str, Any]] = {}
    for payload in kept:
        with suppress(PayloadGone):
            found[payload.entry_id] = payloads.content_of(payload)
    return found
