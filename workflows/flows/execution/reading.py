"""Reads the flow of a piece of work in the round trip in which that is claimed."""

from uuid import UUID

from events import wire
from events.domain.streams import key_of
from events.sourcing import snapshots, states
from workflows.flows.execution.aggregates import FLOWS, stream_of
from workflows.work.domain.claim import Claim

_KEY = "(SELECT subject || '/' FROM work WHERE id = %(work)s AND subject LIKE 'flow/%%')"


def flow_of(work_id: UUID) -> wire.Statement:
    """Return what reads the flow of a piece of work; of other work it finds nothing."""
    return snapshots.loading(FLOWS, _KEY, work=work_id)


def is_known(claim: Claim) -> bool:
    """Return whether this process knows the flow of a claim as it was then, without a look."""
    if claim.is_handed_over or claim.watch.read is None:
        return claim.is_handed_over
    stream = stream_of(claim.input["flow_id"])
    # If there is a slash in its id, or it is long, the subject names another stream, or none.
    is_it = key_of(stream) == f"{claim.subject}/"
    return is_it and states.remember_loaded(FLOWS, stream, claim.watch.read)
