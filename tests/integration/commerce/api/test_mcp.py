"""The tools of agents, called by the protocol's own client, over both transports."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import anyio
import httpx2
import pytest
from django.contrib.auth.models import User
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server

from commerce.models import Booking, DocumentAccess, Invoice
from commerce.services import document_access, renditions
from config import mcp_server
from config.testing import fork_server
from events import context
from events.domain.principal import SYSTEM
from ledger import capabilities, commands, readings
from ledger.approval_policies import POLICIES
from ledger.models import Entry
from ledger.services import approvals, delegations
from ledger.services.approval_policies import install_policies
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.approvals import acting as acting_as
from tests.integration.ledger.conftest import grant, issue
from tests.live import PATIENCE_S, environment_of_the_tests

ACTS = ["booking.read", "booking.confirm", "booking.hold", "product.read"]
ADDRESS = "http://localhost/mcp"


@pytest.fixture
def ada(transactional_db: None) -> User:
    return grant(User.objects.create_user("ada"), *ACTS)


@pytest.fixture
def secret(ada: User) -> str:
    return key_of(delegated(an_agent(ada), *ACTS))


async def site(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("only /mcp is asked for here")


def transport() -> httpx2.ASGITransport:
    return httpx2.ASGITransport(app=mcp_server.beside(site))


@asynccontextmanager
async def over_http(secret: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(transport=transport(), headers=headers) as http,
        Client(streamable_http_client(ADDRESS, http_client=http)) as client,
    ):
        yield client


@asynccontextmanager
async def over_stdio(secret: str) -> AsyncIterator[Client]:
    """Talk to a process of its own, over what it takes for its standard input and output."""
    ours, theirs = socket.socketpair()
    environment = {**environment_of_the_tests(), "DAYBOOK_AGENT_KEY": secret}
    with theirs:
        pipe = dict.fromkeys((0, 1), theirs.fileno())
        served = fork_server.start("django", "mcp", environment=environment, files=pipe)
    with ours, ours.makefile("r") as reader, ours.makefile("w") as writer:
        async with Client(_spoken(ours, reader, writer)) as client:
            yield client
    assert served.wait(PATIENCE_S) == 0


@asynccontextmanager
async def _spoken(ours: socket.socket, reader: Any, writer: Any) -> AsyncIterator[Any]:
    # The framing is the same at both ends: a message per line.
    async with stdio_server(anyio.wrap_file(reader), anyio.wrap_file(writer)) as streams:
        yield streams
        ours.shutdown(socket.SHUT_WR)


def talk(secret: str, say: Callable[[Client], Awaitable[Any]], over: Any = over_http) -> Any:
    async def conversation() -> Any:
        async with over(secret) as client:
            return await say(client)

    return asyncio.run(conversation())


def tool(secret: str, name: str, over: Any = over_http, **arguments: Any) -> dict[str, Any]:
    """Call one tool, and return what it answers."""

    async def say(client: Client) -> dict[str, Any]:
        result = await client.call_tool(name, arguments)
        answer: dict[str, Any] = result.structured_content
        return answer

    found: dict[str, Any] = talk(secret, say, over)
    return found


class TestOverHttp:
    def test_tools_are_listed_with_their_schemas(self, secret: str) -> None:
        listed = talk(secret, lambda client: client.list_tools())

        assert [each.name for each in listed.tools] == [
            "list",
            "read",
            "request",
            "execute",
            "status",
        ]
        assert listed.tools[3].input_schema["required"] == ["command", "idempotency_key"]

    def test_commands_and_types_within_reach_are_named(self, secret: str) -> None:
        found = tool(secret, "list")

        assert {each["command"] for each in found["commands"]} == {
            "booking.confirm",
            "booking.hold",
        }
        assert {each["type"] for each in found["types"]} == {"booking", "product", "slot"}

    def test_things_are_read_on_record(self, secret: str, booking: Booking) -> None:
        shown = tool(secret, "read", type="booking", id=str(booking.pk))
        listed = tool(secret, "list", type="booking")

        assert shown["thing"]["number"] == booking.number
        assert "ada@example.com" not in f"{shown}"
        assert [each["id"] for each in listed["items"]] == [str(booking.pk)]
        entries = Entry.objects.filter(principal_type="agent", action_kind="read")
        assert entries.filter(target_id=str(booking.pk), caller_type="mcp").exists()

    @pytest.mark.parametrize("id_", ["x\0", {"id": 2**53}])
    def test_what_could_not_be_kept_is_refused_before_anything_is_looked_at(
        self, secret: str, id_: Any
    ) -> None:
        answer = tool(secret, "read", type="booking", id=id_)

        assert (answer["outcome"], answer["because"]) == ("refused", "tool_input_invalid")
        assert answer["detail"].startswith("read: The JSON is malformed")

    def test_a_command_is_done_once(self, secret: str, booking: Booking) -> None:
        asked = {
            "command": "booking.confirm",
            "target_id": str(booking.pk),
            "idempotency_key": "k1",
        }

        first = tool(secret, "execute", **asked)
        again = tool(secret, "execute", **asked)

        done = {"outcome": "done", "target_type": "booking", "target_id": str(booking.pk)}
        assert first == {**done, "replayed": False}
        assert again == {**done, "replayed": True}
        booking.refresh_from_db()
        assert booking.status == "confirmed"
        assert Entry.objects.filter(action_name="booking.confirm").count() == 1

    def test_a_request_alone_does_nothing(self, secret: str, booking: Booking) -> None:
        asked = {
            "command": "booking.confirm",
            "target_id": str(booking.pk),
            "idempotency_key": "k1",
        }

        answer = tool(secret, "request", **asked)

        assert (answer["outcome"], answer["because"]) == ("refused", "approval_not_needed")
        booking.refresh_from_db()
        assert booking.status == "draft"

    @pytest.mark.parametrize(
        ("change", "outcome", "because"),
        [
            ({"command": "booking.cancel"}, "denied", "capability_missing"),
            ({"command": "booking.fly"}, "refused", "command_unknown"),
            ({"target_id": "nonsense"}, "refused", "thing_not_found"),
            ({"target_id": ""}, "refused", "tool_input_invalid"),
            ({"input": {"speed": 9}}, "refused", "command_input_invalid"),
            ({"idempotency_key": ""}, "refused", "tool_input_invalid"),
            ({"identity": "root"}, "refused", "tool_input_invalid"),
            ({"approval_id": "nonsense"}, "refused", "approval_not_found"),
        ],
    )
    def test_what_is_not_done_says_why(
        self, secret: str, booking: Booking, change: Any, outcome: str, because: str
    ) -> None:
        asked = {
            "command": "booking.confirm",
            "target_id": str(booking.pk),
            "idempotency_key": "k1",
        }

        answer = tool(secret, "execute", **{**asked, **change})

        assert (answer["outcome"], answer["because"]) == (outcome, because)
        booking.refresh_from_db()
        assert booking.status == "draft"

    def test_a_filter_hides_everything_else(self, ada: User, make_booking: MakeBooking) -> None:
        mine, other = make_booking(quantity=1), make_booking(quantity=1)
        link = delegated(an_agent(ada), *ACTS, resources={"booking": (str(mine.pk),)})
        secret = key_of(link)

        listed = tool(secret, "list", type="booking")
        asked = {"command": "booking.confirm", "idempotency_key": "k1"}
        refused = tool(secret, "execute", target_id=str(other.pk), **asked)
        done = tool(secret, "execute", target_id=str(mine.pk), **asked)

        assert [each["id"] for each in listed["items"]] == [str(mine.pk)]
        assert refused["because"] == "thing_not_found"
        assert done["outcome"] == "done"

    def test_a_filter_names_things_as_entries_do(self, ada: User, invoice: Invoice) -> None:
        grant(ada, "document_access.read")
        mine, other = (_access_to_a_document_of(invoice, name) for name in ("eve", "fay"))
        named = {"document_access": (str(mine.pk), "no id of one")}
        secret = key_of(delegated(an_agent(ada), "document_access.read", resources=named))

        listed = tool(secret, "list", type="document_access")
        read = tool(secret, "read", type="document_access", id=str(mine.pk))
        refused = tool(secret, "read", type="document_access", id=str(other.pk))

        assert [each["id"] for each in listed["items"]] == [str(mine.pk)]
        assert (read["outcome"], refused["outcome"]) == ("found", "refused")

    def test_things_go_by_the_name_that_capabilities_give_them(self) -> None:
        named = {each.resource for each in capabilities.every()}

        assert {each.type for each in readings.every()} <= named
        assert {each.target_type for each in commands.every()} <= named

    def test_a_revoked_agent_is_shut_out(self, ada: User) -> None:
        link = delegated(an_agent(ada), *ACTS)
        secret = key_of(link)
        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=link.pk, reason="enough")

        assert _status(secret) == 401


class TestWhatNeedsApproval:
    @pytest.fixture
    def agent(self, ada: User) -> str:
        with context.acting(SYSTEM):
            install_policies(every=POLICIES)
        grant(ada, "booking.cancel")
        return key_of(delegated(an_agent(ada), "booking.*"))

    def test_is_asked_for_and_done_once_when_a_person_agreed(
        self, agent: str, confirmed: Booking
    ) -> None:
        asked = {
            "command": "booking.cancel",
            "target_id": str(confirmed.pk),
            "input": {"reason": "the customer fell ill"},
            "idempotency_key": "k1",
        }

        answer = tool(agent, "request", **asked)
        approval_id = answer["approval_id"]
        waiting = tool(agent, "status", approval_id=approval_id)
        early = tool(agent, "execute", **asked)
        _approve(approval_id)
        done = tool(agent, "execute", **asked, approval_id=approval_id)
        again = tool(agent, "execute", **asked, approval_id=approval_id)
        after = tool(agent, "status", approval_id=approval_id)

        assert [each["outcome"] for each in (answer, waiting, early)] == ["needs_approval"] * 3
        assert early["approval_id"] == approval_id
        assert (done["outcome"], done["replayed"]) == ("done", False)
        assert (again["outcome"], again["replayed"]) == ("done", True)
        assert after["outcome"] == "done"
        confirmed.refresh_from_db()
        assert confirmed.status == "cancelled"

    def test_is_nobody_elses_business(self, agent: str, ada: User, confirmed: Booking) -> None:
        asked = {
            "command": "booking.cancel",
            "target_id": str(confirmed.pk),
            "input": {"reason": "the customer fell ill"},
            "idempotency_key": "k1",
        }
        approval_id = tool(agent, "request", **asked)["approval_id"]
        other = key_of(delegated(an_agent(ada, "another"), "booking.*"))

        assert tool(other, "status", approval_id=approval_id)["because"] == "approval_not_found"


def _approve(approval_id: str) -> None:
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    with acting_as(manager) as caller:
        approvals.decide_approval(
            approval_id=UUID(approval_id), decision="approve", decider=caller, is_fresh=True
        )


class TestTheDoor:
    def test_is_for_agents_only(self, ada: User) -> None:
        assert _status("nonsense") == 401
        assert _status(issue(ada, ["*"])[0]) == 403

    def test_takes_no_cookie_for_a_key(self, ada: User, client: Any) -> None:
        client.force_login(ada)

        assert _status("", Cookie=f"sessionid={client.session.session_key}") == 401

    def test_is_closed_to_pages_of_other_sites(self, secret: str) -> None:
        assert _status(secret, Origin="https://evil.example") == 403
        assert _status(secret, Origin="http://localhost") == 200

    def test_is_closed_under_another_name(self, secret: str) -> None:
        assert _status(secret, Host="evil.example") == 403


class TestOverStdio:
    def test_the_same_tools_do_the_same(self, secret: str, booking: Booking) -> None:
        async def say(client: Client) -> tuple[Any, Any]:
            shown = await client.call_tool("read", {"type": "booking", "id": str(booking.pk)})
            done = await client.call_tool(
                "execute",
                {
                    "command": "booking.confirm",
                    "target_id": str(booking.pk),
                    "idempotency_key": "k1",
                },
            )
            return shown.structured_content, done.structured_content

        shown, done = talk(secret, say, over_stdio)

        assert shown["thing"]["number"] == booking.number
        assert done["outcome"] == "done"
        booking.refresh_from_db()
        assert booking.status == "confirmed"


def _status(secret: str, **headers: str) -> int:
    """Knock at the door with an `initialize`, and return the status of the answer."""
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "a test", "version": "1"},
        },
    }

    async def knock() -> int:
        async with httpx2.AsyncClient(transport=transport()) as http:
            accept = {"Accept": "application/json, text/event-stream"}
            credential = {"Authorization": f"Bearer {secret}"} if secret else {}
            answer = await http.post(
                ADDRESS, json=hello, headers={**accept, **credential, **headers}
            )
            return answer.status_code

    return asyncio.run(knock())


def _access_to_a_document_of(invoice: Invoice, name: str) -> DocumentAccess:
    return document_access.grant_document_access(
        document_id=renditions.generate_invoice_document(invoice_id=invoice.pk).pk,
        grantee=f"user:{User.objects.create_user(name).pk}",
        purpose="The yearly audit",
    )
