"""Two content systems: documents in collections, and mutations on typed documents."""

from typing import Any

from examples.demo_peers.peer import NOT_FOUND, Answer, Call, Peer


class Cms(Peer):
    """PUT, GET and DELETE /payload/products/id; POST /sanity/mutate; GET /documents."""

    name = "cms"

    def reset(self) -> None:
        super().reset()
        self._payload: dict[str, dict[str, Any]] = {}
        self._sanity: dict[str, dict[str, Any]] = {}

    def handle(self, call: Call) -> Answer:
        match call.method, call.path:
            case "GET", ("documents",):
                return Answer(200, {"payload": self._payload, "sanity": self._sanity})
            case "PUT", ("payload", "products", id_):
                self._payload[id_] = {**call.body, "id": f"doc_{id_}"}
                return Answer(200, self._payload[id_])
            case "GET", ("payload", "products", id_) if id_ in self._payload:
                return Answer(200, self._payload[id_])
            case "DELETE", ("payload", "products", id_) if id_ in self._payload:
                del self._payload[id_]
                return Answer(204)
            case "POST", ("sanity", "mutate"):
                return Answer(200, {"results": [self._mutate(m) for m in call.body["mutations"]]})
            case _:
                return NOT_FOUND

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "payload": self._payload, "sanity": self._sanity}

    def _mutate(self, mutation: dict[str, Any]) -> dict[str, Any]:
        if document := mutation.get("createOrReplace"):
            self._sanity[document["_id"]] = document
            return {"id": document["_id"], "operation": "update"}
        id_ = mutation["delete"]["id"]
        self._sanity.pop(id_, None)
        return {"id": id_, "operation": "delete"}
