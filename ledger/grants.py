"""Give every declared capability its Django permission, to be granted in the admin."""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from ledger import capabilities
from ledger.models import Capability

_NAME_CHARS_MAX = 255


def provision(*, using: str = "default", **_signal: Any) -> None:
    """Insert and rename permissions so that they mirror the registry. None is removed:
    a grant outlives a release in which its capability is missing."""
    content_type, _ = ContentType.objects.db_manager(using).get_or_create(
        app_label=Capability._meta.app_label,  # noqa: SLF001 - Django's own public spelling.
        model=Capability._meta.model_name,  # noqa: SLF001
    )
    Permission.objects.using(using).bulk_create(
        [
            Permission(
                content_type=content_type,
                codename=capability.id,
                name=capability.meaning[:_NAME_CHARS_MAX],
            )
            for capability in capabilities.every()
        ],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["content_type", "codename"],
    )
