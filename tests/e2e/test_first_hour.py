"""The first hour of an integrator: every block of docs/first-hour.md, run in one shell."""

import re
import subprocess

import pytest

from config.processes.stack import ROOT, Stack
from tests.chaos.load import eventually
from tests.e2e.test_approval_webhooks import second_person  # noqa: F401 - a fixture.
from tests.peers import receiver

pytestmark = pytest.mark.e2e

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_everything_in_the_document_works(
    stack: Stack,
    second_person: str,  # noqa: F811
) -> None:
    blocks = BLOCK.findall((ROOT / "docs/first-hour.md").read_text())
    with receiver() as peer, stack.client() as client:
        variables = {"URL": stack.url, "KEY": stack.api_key, "OTHER_KEY": second_person}
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail"],
            input="\n".join(blocks),
            env={**stack.environment, **variables, "HOOK": peer.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.split("\n")[-3:] == ["completed", "600000", ""]
        assert eventually(
            lambda: [one for one in peer.received if b"booking.cancelled" in one.body]
        )
        for each in client.get("/api/v1/webhooks/subscriptions").json()["results"]:
            if each["url"] == peer.url:
                client.delete(f"/api/v1/webhooks/subscriptions/{each['id']}")
