"""The WebSocket endpoint of the feed: handshake, messages, close codes."""

from dataclasses import dataclass

from channels.consumer import AsyncConsumer

from events import context
from events.domain.context import Origin
from events.domain.envelope import Stream
from events.domain.errors import DomainError
from events.domain.framing import DaybookFraming, Framing
from events.domain.principal import Principal
from events.fanout import conversation, feed, reads, refusal, rights
from events.fanout.audience import Audience
from events.fanout.conversation import Message, Receive, Send
from ledger.access import authority, handshakes
from ledger.access.authority import Caller
from ledger.disclosure import disclosing

rights.change_with("api_key.*", "delegation.*", "agent.*", "agent_key.*")


@dataclass(frozen=True, slots=True)
class CallerWatcher:
    """Adapts a checked credential (`Caller`) to what the feed asks about it."""

    caller: Caller

    def readable_kinds(self) -> frozenset[str]:
        return authority.readable_kinds(self.caller)

    def may_read(self, stream: Stream) -> bool:
        return authority.may_read_stream(self.caller, stream)

    def revalidated(self) -> "CallerWatcher":
        return CallerWatcher(self.caller.revalidated())


class EventsConsumer(AsyncConsumer):
    """One socket. Not on the channel layer, which would give each socket a queue in Valkey
    and let it die with Valkey: the feed follows the log instead."""

    framing: Framing = DaybookFraming()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one socket from its handshake to its end."""
        await receive()
        try:
            audience, principal = await reads.patiently(_admit, scope)
        except DomainError as error:
            await refusal.refuse(scope, send, error)
            return
        await send({"type": "websocket.accept"})
        with context.acting(principal):
            await conversation.converse(
                framing=self.framing,
                audience=feed.current().shared(audience),
                receive=receive,
                send=send,
            )


def _admit(scope: Message) -> tuple[Audience, Principal]:
    caller = handshakes.caller_of(scope)
    if caller.is_agent:
        with context.acting(caller.principal, origin=Origin(caller_type="socket")):
            disclosing.note_read("event.read")
    key = (caller.principal, caller.session_key)
    return Audience(key, CallerWatcher(caller)), caller.principal
