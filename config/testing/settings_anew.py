"""Read the settings again in a process that has imported the product under others.

Nothing of ours keeps what a setting says when it is imported: it asks for it when it needs it.
What Django and its like keep is made anew here, as Django's own tests have it, by the signal
that a setting has changed.
"""

import sys
from typing import Any

import django
from django.conf import Settings, settings
from django.db import connections
from django.test import signals  # Its receivers drop what Django keeps of settings.
from django.utils.functional import empty

_SETTINGS = ("config.settings.base", "config.settings.mail", "config.settings.test")
# Its handler has read settings, and so has each middleware below it.
_MADE_OF_SETTINGS = ("config.asgi",)


class SettingDecidesImports(Exception):
    """A setting differs that decides what is imported, or how: fork it from another process."""


# Their values are in classes and registries.
DECIDE_IMPORTS = frozenset(
    {"AUTH_USER_MODEL", "INSTALLED_APPS", "REST_FRAMEWORK", "ROOT_URLCONF", "SPECTACULAR_SETTINGS"}
)


def read_at_the_next_look() -> None:
    """Forget the settings: whoever asks for one, or sets Django up, reads the environment."""
    before, set_up = _values(), django.setup
    settings._wrapped = empty
    for name in (*_SETTINGS, *_MADE_OF_SETTINGS):
        sys.modules.pop(name, None)

    def set_up_once(*arguments: Any, **options: Any) -> None:
        django.setup = set_up
        set_up(*arguments, **options)
        _tell_what_has_changed(before)

    django.setup = set_up_once


def _tell_what_has_changed(before: dict[str, Any]) -> None:
    """Have made anew what was made of the settings of before.

    :raises SettingDecidesImports: if other modules would have been imported.
    """
    now = _values()
    changed = {name for name in before | now if before.get(name) != now.get(name)}
    if decisive := sorted(changed & DECIDE_IMPORTS):
        raise SettingDecidesImports(", ".join(decisive))
    for name in sorted(changed - signals.COMPLEX_OVERRIDE_SETTINGS):
        signals.setting_changed.send(sender=Settings, setting=name, value=now.get(name), enter=True)
    _point_connections_elsewhere()
    _configure_celery()


def _values() -> dict[str, Any]:
    return {name: getattr(settings, name) for name in dir(settings) if name.isupper()}


def _point_connections_elsewhere() -> None:
    handler: Any = connections
    handler._settings = None
    handler.__dict__.pop("settings", None)
    # The objects stay, for others have hold of them: none is connected yet.
    for connection in connections.all(initialized_only=True):
        connection.settings_dict = connections.settings[connection.alias]


def _configure_celery() -> None:
    from config.celery import app  # noqa: PLC0415 - importing it reads settings.

    app.config_from_object("django.conf:settings", namespace="CELERY", force=True)
