"""`/engine/ws`: the live feed for Argyll's clients.

Open to everybody only under `up --open-engine`, and then to any page of the web, as there;
else to callers who could read the same over `/engine`.
"""

from dataclasses import dataclass

from channels.consumer import AsyncConsumer
from django.conf import settings

from events import context
from events.domain.context import Origin
from events.domain.envelope import Stream
from events.domain.errors import DomainError
from events.domain.principal import Principal, PrincipalKind
from events.domain.subscription import MESSAGE_BYTES_MAX
from events.fanout import conversation, feed, reads, refusal
from events.fanout.audience import Audience
from events.fanout.conversation import Message, Receive, Send
from ledger.access import authority, handshakes
from ledger.access.authority import Caller
from ledger.disclosure import disclosing
from workflows.flows.argyll import live
from workflows.flows.argyll.frames import KINDS, ArgyllFraming

TOO_LARGE = 1009
ANYBODY = Principal(kind=PrincipalKind.SYSTEM, id="open-engine")


@dataclass(frozen=True, slots=True)
class AnybodyWatcher:
    """Any client of an open engine."""

    def readable_kinds(self) -> frozenset[str]:
        return frozenset(KINDS)

    def may_read(self, stream: Stream) -> bool:
        return _is_nothing_here(stream)

    def revalidated(self) -> "AnybodyWatcher":
        return self


@dataclass(frozen=True, slots=True)
class FlowWatcher:
    """Who came with a credential: of flows and steps, what it may read."""

    caller: Caller

    def readable_kinds(self) -> frozenset[str]:
        return authority.readable_kinds(self.caller) & frozenset(KINDS)

    def may_read(self, stream: Stream) -> bool:
        return _is_nothing_here(stream) or authority.may_read_stream(self.caller, stream)

    def revalidated(self) -> "FlowWatcher":
        return FlowWatcher(self.caller.revalidated())


def _is_nothing_here(stream: Stream) -> bool:
    """Whether `stream` is of a kind that this protocol says nothing of but that it is empty."""
    return stream[0] not in KINDS


class EngineConsumer(AsyncConsumer):
    """One socket of an Argyll client."""

    framing = ArgyllFraming()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one socket from its handshake to its end."""
        await receive()
        try:
            audience, principal = await reads.patiently(_admit, scope)
        except DomainError as error:
            await refusal.refuse(scope, send, error)
            return
        await send({"type": "websocket.accept"})
        with context.acting(principal), live.counted():
            await conversation.converse(
                framing=self.framing,
                audience=feed.current().shared(audience),
                receive=_bounded(receive, send),
                send=send,
                states=live.states,
            )


def _bounded(receive: Receive, send: Send) -> Receive:
    """Return what hears a client as Argyll does: whatever the frame, and nothing too large."""

    async def hear() -> Message:
        message = await receive()
        if message["type"] != "websocket.receive":
            return message
        text = message.get("text")
        raw = (message.get("bytes") or b"") if text is None else text.encode(errors="replace")
        if len(raw) > MESSAGE_BYTES_MAX:
            await send({"type": "websocket.close", "code": TOO_LARGE})
            return {"type": "websocket.disconnect", "code": TOO_LARGE}
        return {**message, "text": raw.decode(errors="replace")}

    return hear


def _admit(scope: Message) -> tuple[Audience, Principal]:
    if settings.OPEN_ENGINE:
        return Audience("open-engine", AnybodyWatcher()), ANYBODY
    caller = handshakes.caller_of(scope)
    if caller.is_agent:
        with context.acting(caller.principal, origin=Origin(caller_type="socket")):
            disclosing.note_read("flow.read")
    key = ("engine", caller.principal, caller.session_key)
    return Audience(key, FlowWatcher(caller)), caller.principal
