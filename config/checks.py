"""Deployment checks of the platform, for `check --deploy`."""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from config import roles


@register(Tags.security, deploy=True)
def check_roles(**_: Any) -> list[CheckMessage]:
    """Check that the product does not own the tables that it may only add to."""
    if roles.runtime_role():
        return []
    return [
        checks.Warning(
            "The product runs as the role that owns its tables, and could switch off what"
            " keeps them append-only.",
            hint="Set DATABASE_OWNER_URL to the owner, and DATABASE_URL to a role without rights"
            " of its own; `manage.py migrate` grants what it needs.",
            id="platform.W001",
        )
    ]
