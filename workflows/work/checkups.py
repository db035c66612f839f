"""Runs the doctor periodically, and stores its findings."""

import time

from events import doctor
from workflows.work.models import Checkup

KEPT_MAX = 500


def check_up() -> Checkup:
    """Run every check of the doctor and record the findings."""
    started = time.monotonic()
    findings = doctor.run()
    checkup = Checkup.objects.create(
        is_healthy=all(finding.is_healthy for finding in findings),
        findings={
            finding.id: {
                "meaning": finding.meaning,
                "count": finding.count,
                "violations": list(finding.violations),
                "duration_ms": finding.duration_ms,
            }
            for finding in findings
        },
        duration_ms=round((time.monotonic() - started) * 1000),
    )
    _forget_old()
    return checkup


def _forget_old() -> None:
    kept = Checkup.objects.order_by("-id").values("id")[KEPT_MAX - 1 : KEPT_MAX]
    if oldest := list(kept):
        Checkup.objects.filter(id__lt=oldest[0]["id"]).delete()
