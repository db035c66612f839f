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


@register(Tags.security, deploy=True)
def personal_data_has_its_own_key(**_: Any) -> Sequence[CheckMessage]:
    """Ask for a key of personal data that is not made of SECRET_KEY."""
    if conf.data_keys():
        return []
    return [
        checks.Warning(
            "Personal data is sealed with a key made of SECRET_KEY.",
            hint="Set COMMERCE_DATA_KEYS, so that one can change without the other.",
            id="commerce.W001",
        )
    ]
