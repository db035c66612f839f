"""Check every invariant of the product on the live database."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from events import doctor
from events.doctor import Finding


class Command(BaseCommand):
    help = (
        "Check every invariant, one line each. Exit 1 when one is violated. What waits while "
        "nothing runs on this database is told (wait), and violates none."
    )
    # The doctor is called when things are not as they should be.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = doctor.run(is_visit=True)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(each) for each in findings], indent=2))
        else:
            for finding in findings:
                self._write(finding)
        if not all(finding.is_healthy for finding in findings):
            raise SystemExit(1)

    def _write(self, finding: Finding) -> None:
        self.stdout.write(f"{self._mark(finding)} {finding.id}: {finding.meaning}")
        for violation in finding.violations:
            self.stdout.write(f"       {violation}")
        if finding.count > len(finding.violations):
            self.stdout.write(f"       and {finding.count - len(finding.violations)} more")
        if finding.count and finding.nobody_works:
            self.stdout.write(
                "       Nothing runs here: it waits for the next process that is started."
            )

    def _mark(self, finding: Finding) -> str:
        if not finding.count:
            return self.style.SUCCESS("ok  ")
        return self.style.WARNING("wait") if finding.nobody_works else self.style.ERROR("FAIL")
