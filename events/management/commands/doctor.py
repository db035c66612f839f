"""Check every invariant of the product on the live database."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from events import doctor
from events.doctor import Finding


class Command(BaseCommand):
    help = "Check every invariant, one line each. Exit 1 when one is violated."
    # The doctor is called when things are not as they should be.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        findings = doctor.run()
        if options["json"]:
            self.stdout.write(json.dumps([asdict(each) for each in findings], indent=2))
        else:
            for finding in findings:
                self._write(finding)
        if not all(finding.is_healthy for finding in findings):
            raise SystemExit(1)

    def _write(self, finding: Finding) -> None:
        mark = self.style.SUCCESS("ok  ") if finding.is_healthy else self.style.ERROR("FAIL")
        self.stdout.write(f"{mark} {finding.id}: {finding.meaning}")
        for violation in finding.violations:
            self.stdout.write(f"       {violation}")
        if finding.count > len(finding.violations):
            self.stdout.write(f"       and {finding.count - len(finding.violations)} more")
