"""A mail service that keeps what it was to send, once per Idempotency-Key."""

from typing import Any

from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer


class Mail(Peer):
    """POST /messages, GET /messages. {"refuse_by_name": true}: refuse, and say whom."""

    name = "mail"

    def reset(self) -> None:
        super().reset()
        self._messages: list[dict[str, Any]] = []
        self._refuses_by_name = False

    def control(self, body: dict[str, Any]) -> None:
        self._refuses_by_name = bool(body.get("refuse_by_name", self._refuses_by_name))

    def handle(self, call: Call) -> Answer:
        match call.method, call.path:
            case "POST", ("messages",):
                if "@" not in str(call.body.get("to", "")):
                    return Answer(422, {"error": "no address"})
                if self._refuses_by_name:
                    return Answer(422, {"error": f"no mailbox {call.body['to']}"})
                message = {**call.body, "id": f"msg_{len(self._messages) + 1}", "key": call.key}
                self._messages.append(message)
                return Answer(202, {"id": message["id"]})
            case "GET", ("messages",):
                return Answer(200, self._messages)
            case _:
                return NOT_FOUND

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "messages": self._messages}
