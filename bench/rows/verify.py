"""Check an export offline with `ledger/verifier.py`; the floor only hashes its lines.

DAYBOOK_BENCH_ENTRIES entries (200,000), 1,000 to a seal, with bodies as entries have them.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Measured, Side
from events.domain.canonical import canonical
from ledger import verifier
from ledger.sealing import exporting
from ledger.sealing.signing import Signer
from ledger.verifier import NO_LINK, RUN, Tree, leaf_hash, link_of

ENTRIES = int(os.environ.get("DAYBOOK_BENCH_ENTRIES", "200000"))
PER_SEAL = 1_000


def sides(_options: argparse.Namespace) -> list[Side]:
    folder = Path(tempfile.mkdtemp(prefix="daybook-bench-"))
    path = folder / "export.jsonl"
    write_export(path)
    group = f"entries/s of {ENTRIES:,}, {path.stat().st_size // ENTRIES} bytes each"
    contenders: list[tuple[str, str, Callable[[], object]]] = [
        ("verifier.py, as many processes as cores", "daybook", lambda: _verify(path)),
        ("verifier.py, one process", "also", lambda: _verify(path, "--jobs", "1")),
        ("sha256 of every line, one process", "floor", lambda: _hash(path)),
    ]
    return [
        Side(group=group, name=name, role=role, run=_timed(run), close=lambda: _remove(path))
        for name, role, run in contenders
    ]


def write_export(path: Path) -> None:
    """Write an export as a sealer and `ledger_export` would."""
    signer = Signer(Ed25519PrivateKey.from_private_bytes(b"1" * 32))
    with path.open("wb") as file:
        lines, tree, link = list[bytes](), Tree(), NO_LINK
        for number in range(1, ENTRIES // PER_SEAL + 1):
            begin = tree.size
            bodies = [_body(begin + each) for each in range(1, PER_SEAL + 1)]
            leaves = [leaf_hash(body) for body in bodies]
            tree.extend(leaves)
            seal = {
                "format": "daybook.checkpoint/1",
                "key": signer.public,
                "log": signer.public,
                "number": number,
                "previous": link,
                "root": tree.root().hex(),
                "sealed_at": "2026-01-01T00:00:00.000000Z",
                "size": tree.size,
            }
            signature = signer.sign(verifier.canonical(seal))
            link = link_of(seal, signature)
            lines += [exporting.entry_line(begin + i, body) for i, body in enumerate(bodies, 1)]
            lines.append(exporting.seal_line(seal, signature, leaves))
        header = {
            "format": RUN,
            "keys": [{"key": signer.public, "endorsed_by": "", "endorsement": ""}],
            "log": signer.public,
            "since": None,
            "through": {"root": tree.root().hex(), "size": tree.size},
        }
        file.write(exporting.line(header))
        file.writelines(lines)


def _body(number: int) -> bytes:
    return canonical(
        {
            "format": "daybook.entry/1",
            "id": f"01990000-0000-7000-8000-{number:012}",
            "occurred_at": "2026-01-01T00:00:00.000000Z",
            "action_name": "booking.cancel",
            "action_version": 1,
            "action_kind": "update",
            "status": "succeeded",
            "evaluated_risk": "critical",
            "reason": "The customer is ill.",
            "actor_type": "staff",
            "principal_type": "user",
            "principal_id": "7",
            "session_id": "0123456789abcdef",
            "caller_type": "session",
            "route_or_tool_name": "POST /api/v1/bookings/<uuid:pk>/cancel",
            "correlation_id": "01990000-0000-7000-8000-000000000000",
            "target_type": "booking",
            "target_id": f"01990000-0000-7000-8000-{number:012}",
            "capability_id": "booking.cancel",
            "capability_version": 1,
            "authorization_source": "permission",
            "command_result_ref": f"booking:01990000-0000-7000-8000-{number:012}",
            "summary": "confirmed → cancelled",
        }
    )


def _timed(run: Callable[[], object]) -> Callable[[], Measured]:
    def measured() -> Measured:
        started = time.perf_counter()
        run()
        return Measured(value=ENTRIES / (time.perf_counter() - started))

    return measured


def _verify(path: Path, *options: str) -> None:
    command = [sys.executable, str(Path(verifier.__file__)), str(path), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _hash(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            hashlib.sha256(line).digest()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
