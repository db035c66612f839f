"""System checks of this app."""

from typing import Any, Final

from django.conf import settings
from django.contrib.auth import load_backend
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from guardian.backends import ObjectPermissionBackend

from events import catalogue
from ledger import capabilities, conf
from ledger.access.grants import GrantsBackend
from ledger.privacy import vault
from ledger.sealing import signing, witnesses

_PERMISSIONS: Final = (
    "get_user_permissions",
    "get_group_permissions",
    "get_all_permissions",
    "has_perm",
)
_READ_THE_TABLES: Final = (BaseBackend, ModelBackend, GrantsBackend, ObjectPermissionBackend)


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
        vault.safe_of(tuple(conf.data_keys()), setting=conf.DATA_KEYS)
    except ImproperlyConfigured as error:
        hint = "Make one with `openssl rand -base64 32`."
        return [Error(str(error), hint=hint, id="ledger.E002")]
    return []


@register(Tags.security)
def signing_keys_are_keys(**_: Any) -> list[CheckMessage]:
    """Find keys that could sign no checkpoint."""
    found: list[CheckMessage] = []
    for read in (signing.current, signing.before):
        try:
            read()
        except signing.SigningKeyMissing:
            continue  # Somebody else seals.
        except ImproperlyConfigured as error:
            hint = "Make one with `openssl rand -base64 32`."
            found.append(Error(str(error), hint=hint, id="ledger.E006"))
    return found


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
            hint="LEDGER_WITNESSES are file:///path, https://host/path or s3://bucket/prefix,"
            " without credentials.",
            id="ledger.E003",
        )
        for url in conf.witnesses()
        if (fault := witnesses.fault_of(url))
    ]


@register(Tags.security)
def permissions_are_in_the_tables(**_: Any) -> list[CheckMessage]:
    """Find backends that grant what the database cannot see.

    `ledger_may_decide` counts the votes on an approval by the tables of django.contrib.auth: of
    a user whom only a backend lets decide, no vote would count.
    """
    found: list[CheckMessage] = [
        Error(
            f"{path} grants permissions of its own, which the database does not see.",
            hint="Let it log people in, and grant capabilities to users and groups of Django.",
            id="ledger.E004",
        )
        for path in settings.AUTHENTICATION_BACKENDS
        if _grants_by_itself(type(load_backend(path)))
    ]
    if settings.AUTH_USER_MODEL != "auth.User":
        found.append(
            Error(
                f"The users are {settings.AUTH_USER_MODEL}; the database looks for auth.User.",
                hint="Keep what else is known of a user in a table beside it.",
                id="ledger.E005",
            )
        )
    return found


def _grants_by_itself(backend: type) -> bool:
    # What is inherited reads the same tables; what does not answer is not asked by Django.
    known = {getattr(each, name, None) for each in _READ_THE_TABLES for name in _PERMISSIONS}
    return any(getattr(backend, name, None) not in known | {None} for name in _PERMISSIONS)
