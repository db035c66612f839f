"""Fan-out: deliveries per second of a burst, and the time from publishing to arrival.

Daybook's side goes the whole way: commit, sequencer, doorbell, read of the log, frame.
"""

import argparse
from collections.abc import Sequence

from bench import peers
from bench.fanout.stage import Stage
from bench.harness import Side

CROWDS = (100, 1_000)
_ROLES = {"daybook": "daybook", "channels": "peer", "floor": "floor"}
_NAMES = {
    "daybook": "commit -> /ws/events",
    "channels": "channels-redis group_send",
    "floor": "one Redis subscription, bare ASGI loop",
}


def sides(_options: argparse.Namespace) -> Sequence[Side]:
    secret = secret_of("event.read")
    names = [name for name in _NAMES if name != "channels" or peers.optional("channels_redis")]
    return [_side(name, size, secret) for size in CROWDS for name in names]


def _side(name: str, size: int, secret: str) -> Side:
    stage = Stage(name, size, secret=secret)
    return Side(
        group=f"deliveries/s to {size:,} clients",
        name=_NAMES[name],
        role=_ROLES[name],
        run=stage.run,
        close=stage.stop,
    )


def secret_of(*capabilities: str) -> str:
    """Return the secret of a new key of a new user, who may do these things."""
    from datetime import timedelta

    from django.contrib.auth.models import Permission, User
    from django.utils import timezone

    from ledger.services import api_keys

    user = User.objects.create_user("bench")
    user.user_permissions.set(Permission.objects.filter(codename__in=capabilities))
    _, secret = api_keys.issue_api_key(
        name="bench", owner=user, scopes=["*"], expires_at=timezone.now() + timedelta(days=1)
    )
    return secret.text
