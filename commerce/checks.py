"""System checks of the trade's settings."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.core.exceptions import ImproperlyConfigured

from commerce import conf, vault


@register(Tags.security)
def data_keys_are_keys(**_: Any) -> Sequence[CheckMessage]:
    """Find keys of personal data that are none."""
    try:
        for text in conf.data_keys():
            vault.decode_key(text)
    except ImproperlyConfigured as error:
        return [
            checks.Error(
                str(error),
                hint="Make one with `openssl rand -base64 32`.",
                id="commerce.E001",
            )
        ]
    return []
