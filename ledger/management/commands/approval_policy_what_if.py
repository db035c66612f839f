"""Evaluate a version of an approval policy on past actions."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.approving import what_if
from ledger.approving.what_if import DAYS_MAX, Difference
from ledger.domain.policy import ConditionInvalid
from ledger.models import ApprovalPolicyVersion


class Command(BaseCommand):
    help = "Show what a version of an approval policy would have changed in the last days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of the policy")
        parser.add_argument("--policy-version", type=int, help="the newest by default")
        parser.add_argument("--days", type=int, default=30, help="how far back, 30 by default")
        parser.add_argument(
            "--condition", help="CEL that is tried in place of its own; empty is always"
        )

    def handle(
        self,
        *_args: Any,
        name: str,
        policy_version: int | None,
        days: int,
        condition: str | None,
        **_options: Any,
    ) -> None:
        if not 1 <= days <= DAYS_MAX:
            raise CommandError(f"Say from 1 to {DAYS_MAX} days.")
        versions = ApprovalPolicyVersion.objects.filter(name=name).order_by("-version")
        if policy_version is not None:
            versions = versions.filter(version=policy_version)
        policy = versions.first()
        if policy is None:
            which = "" if policy_version is None else f" in version {policy_version}"
            raise CommandError(
                f"There is no policy {name}{which}. The page of policies lists them."
            )
        try:
            report = what_if.replay(policy, days=days, condition=condition)
        except ConditionInvalid as why:
            raise CommandError(f"{why} {why.hint}") from why
        self.stdout.write(f"{report.policy}, on {report.examined} actions of {days} days:")
        self.stdout.write(f"  asked for approval: {report.asked_before} → {report.asked_after}")
        self.stdout.write(f"  more people: {report.more_count}, fewer: {report.fewer_count}")
        if report.unanswered:
            self.stdout.write(
                f"  actions without an answer, so counted as yes: {report.unanswered}"
            )
        if not report.is_complete:
            self.stdout.write("  There were more; these are the newest.")
        self._write("+", report.more)
        self._write("-", report.fewer)

    def _write(self, sign: str, differences: list[Difference]) -> None:
        for each in differences:
            self.stdout.write(
                f"  {sign} {each.occurred_at.isoformat()} {each.action} on {each.target} "
                f"by {each.principal}: {each.before} → {each.after}"
            )
