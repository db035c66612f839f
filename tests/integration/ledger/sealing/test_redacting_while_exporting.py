"""An export that is under way stays verifiable, whatever is redacted meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from events import context
from ledger import verifier
from ledger.domain.payload import Redaction
from ledger.sealing import exporting
from ledger.services import payloads as services
from ledger.services import seals
from tests.integration.ledger.privacy.test_payloads import CLERK, do, payload_of, seals_hold

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


@pytest.mark.parametrize("lines_read", [1, 3])
@pytest.mark.parametrize("mode", [Redaction.REDACTED, Redaction.TOMBSTONED])
def test_redacting_while_somebody_exports_leaves_what_they_get_verifiable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Redaction, lines_read: int
) -> None:
    monkeypatch.setattr(exporting, "PAGE_ENTRIES", 1)
    proofs = [do() for _ in range(4)]
    seals.seal_entries()
    lines = exporting.export_run()
    begun = [next(lines) for _ in range(lines_read)]

    # One that has been read, one that is yet to be; their own entries come after the export.
    for proof in (proofs[0], proofs[-1]):
        services.redact_payload(payload_id=payload_of(proof).pk, mode=mode, reason="")
    seals.seal_entries()
    out = tmp_path / "begun.jsonl"
    out.write_bytes(b"".join([*begun, *lines]))

    assert verifier.verify(str(out)).entries == len(proofs)
    assert seals_hold(tmp_path)
