"""The mail service: delivers a message once per idempotency key."""

from dataclasses import dataclass
from typing import Any

from commerce import conf
from commerce.ports import http

PEER = "mail service"
PROVIDER = "demo-mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message with its attachments: name, media type and base64 content of each."""

    to: str
    subject: str
    text: str
    attachments: tuple[dict[str, str], ...]


def send(message: Message, *, key: str) -> str:
    """Hand `message` over and return the id that the service gave it.

    The service keeps `key`: however often it is sent under the same one, it goes out once.

    :raises PeerUnavailable, PeerRefused, PeerMissing: as `ports.http.call` does.
    """
    body: dict[str, Any] = {
        "to": message.to,
        "subject": message.subject,
        "text": message.text,
        "attachments": list(message.attachments),
    }
    answer = http.call(
        PEER,
        "POST",
        conf.mail_url(),
        "/messages",
        timeout_s=conf.PROVIDER_TIMEOUT_S,
        body=body,
        idempotency_key=key,
        is_about_people=True,
    )
    return str(answer["id"])
