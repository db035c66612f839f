"""Calls a peer over HTTP, with a timeout, and with errors that say whether a retry makes sense."""

import os
from functools import cache
from typing import Any

import httpx2

from events.domain.errors import Rejected, Unavailable

_HIDDEN = "its answer is not repeated"
_REDIRECT, _SERVER_ERROR = 300, 500
_TRY_AGAIN = frozenset({408, 425, 429})


class PeerUnavailable(Unavailable):
    code = "peer_unavailable"
    hint = "It is tried again; nothing was lost."

    def __init__(self, peer: str, why: str) -> None:
        super().__init__(f"The {peer} does not answer: {why}.", peer=peer, why=why)


class PeerRefused(Rejected):
    code = "peer_refused"
    hint = "Read the response of the other service, and correct the request or its settings."

    def __init__(self, peer: str, *, status: int, answer: str) -> None:
        super().__init__(
            f"The {peer} refused with {status}: {answer}", peer=peer, status=status, answer=answer
        )


class PeerMissing(Rejected):
    code = "peer_missing"
    hint = "Set its address in the environment."

    def __init__(self, peer: str) -> None:
        super().__init__(f"No {peer} is configured.", peer=peer)


def call(
    peer: str,
    method: str,
    base_url: str,
    path: str,
    *,
    timeout_s: float,
    body: Any = None,
    idempotency_key: str = "",
    is_about_people: bool = False,
) -> Any:
    """Call `peer` and return what it answered.

    What it says when it refuses is not repeated if the call `is_about_people`: it may repeat
    whom it was told of.

    :raises PeerMissing: if it has no address.
    :raises PeerRefused: if it says that the request is wrong, or to be made elsewhere: repeating
        will not help.
    :raises PeerUnavailable: if it cannot be reached, takes too long or is in trouble.
    """
    if not base_url:
        raise PeerMissing(peer)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    try:
        # Peers are named by the operator. Addresses that anybody may enter are called through
        # the guarded egress of webhooks instead.
        response = _client(os.getpid()).request(
            method, f"{base_url}{path}", json=body, headers=headers, timeout=timeout_s
        )
    except httpx2.HTTPError as error:
        raise PeerUnavailable(peer, type(error).__name__) from error
    if response.status_code >= _SERVER_ERROR or response.status_code in _TRY_AGAIN:
        raise PeerUnavailable(peer, f"status {response.status_code}")
    # A redirect is followed nowhere, so what was asked for is not done.
    if response.status_code >= _REDIRECT:
        raise PeerRefused(
            peer,
            status=response.status_code,
            answer=_HIDDEN if is_about_people else response.text[:200],
        )
    return _answer(peer, response)


@cache
def _client(_process: int) -> httpx2.Client:
    """Return the client of this process: its connections must not be shared after a fork."""
    return httpx2.Client(follow_redirects=False, trust_env=False)


def _answer(peer: str, response: httpx2.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        raise PeerUnavailable(peer, "its answer is not JSON") from error
