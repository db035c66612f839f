"""System checks of this app."""

from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from events import catalogue
from ledger import capabilities, conf, vault, witnesses


@register()
def check_streams_name_capabilities(**_: Any) -> list[CheckMessage]:
    """Check that every kind of stream is read with a capability that exists."""
    declared = {capability.id for capability in capabilities.every()}
    return [
        Error(
            f"Streams of kind {kind.kind} are read with {kind.read}, which is not declared.",
            hint="Declare it in the capabilities.py of the app.",
            id="ledger.E001",
        )
        for kind in catalogue.all_streams()
        if kind.read not in declared
    ]


@register(Tags.security)
def data_keys_are_keys(**_: Any) -> list[CheckMessage]:
    """Find keys of subjects' keys that are none."""
    try:
        vault.safe_of(conf.data_keys(), setting=conf.DATA_KEYS)
    except ImproperlyConfigured as error:
        hint = "Make one with `openssl rand -base64 32`."
        return [Error(str(error), hint=hint, id="ledger.E002")]
    return []


@register(Tags.security, deploy=True)
def subjects_have_their_own_key(**_: Any) -> list[CheckMessage]:
    """Ask for a key that is not made of SECRET_KEY."""
    if conf.data_keys():
        return []
    return [
        checks.Warning(
            "The keys of the people whom entries are about are sealed with one of SECRET_KEY.",
            hint=f"Set {conf.DATA_KEYS}, so that one can change without the other.",
            id="ledger.W001",
        )
    ]


@register(Tags.security)
def witnesses_can_be_reached(**_: Any) -> list[CheckMessage]:
    """Find witnesses that nothing could ever be sent to, or whose URL carries a secret."""
    return [
        Error(
            f"Nothing is sent to the witness {witnesses.shown(url)}: {fault}",
            hint="Name file:///path, https://host/path or s3://bucket/prefix, without credentials.",
            id="ledger.E003",
        )
        for url in conf.witnesses()
        if (fault := witnesses.fault_of(url))
    ]
