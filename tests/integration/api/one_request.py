"""One request to the sample API, under the key in the first argument, by a process of its own."""

import sys

from django.conf import settings
from django.test import Client

from ledger import capabilities
from tests.integration.api import sample
from tests.integration.api.test_idempotency import KEY, URL


def main() -> None:
    settings.ROOT_URLCONF = sample.__name__
    for id_ in sample.CAPABILITIES:
        resource, action = id_.split(".")
        capabilities.declare(id_, meaning=id_, resource=resource, action=action)
    Client(SERVER_NAME="localhost").post(
        URL,
        {"name": "bolt"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {sys.argv[1]}", "Idempotency-Key": KEY},
    )


if __name__ == "__main__":
    main()
