"""Two content systems: one stores documents in collections, the other accepts mutations.

Both support the same two idempotent operations: store the copy of a product under the
product's id, and delete it.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from commerce import conf
from commerce.ports import http
from commerce.ports.http import PeerRefused

_GONE = 404


class ContentSystem(Protocol):
    """What we ask of a content system. Calls raise as `ports.http.call` does."""

    def upsert(self, product_id: str, fields: dict[str, Any]) -> str:
        """Put the copy of a product there and return its id there."""

    def delete(self, product_id: str) -> None:
        """Take the copy of a product away, if there is one."""


class PayloadLike:
    """Documents in collections, addressed by the id that the writer chose."""

    def upsert(self, product_id: str, fields: dict[str, Any]) -> str:
        body = {**fields, "daybookId": product_id}
        answer = _call("PUT", f"/payload/products/{product_id}", body)
        return str(answer["id"])

    def delete(self, product_id: str) -> None:
        try:
            _call("DELETE", f"/payload/products/{product_id}", None)
        except PeerRefused as refused:
            if refused.facts["status"] != _GONE:
                raise


class SanityLike:
    """Lists of mutations on typed documents."""

    def upsert(self, product_id: str, fields: dict[str, Any]) -> str:
        document = {**fields, "_id": f"product-{product_id}", "_type": "product"}
        answer = _call("POST", "/sanity/mutate", {"mutations": [{"createOrReplace": document}]})
        return str(answer["results"][0]["id"])

    def delete(self, product_id: str) -> None:
        mutation = {"delete": {"id": f"product-{product_id}"}}
        _call("POST", "/sanity/mutate", {"mutations": [mutation]})


SYSTEMS: Mapping[str, ContentSystem] = {
    "payload-cms": PayloadLike(),
    "sanity-cms": SanityLike(),
}


def _call(method: str, path: str, body: Any) -> Any:
    return http.call(
        "content system", method, conf.cms_url(), path, timeout_s=conf.CMS_TIMEOUT_S, body=body
    )
