"""The mail server of the environment, in the settings of this Django."""

import runpy
from typing import Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured


def settings_of(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path("config/settings/mail.py")


def test_the_server_and_who_we_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"EMAIL_HOST": "mail.example", "EMAIL_HOST_USER": "us", "EMAIL_USE_TLS": "true"}

    found = settings_of(environ, monkeypatch)

    if django.VERSION >= (6, 1):
        options = found["MAILERS"]["default"]["OPTIONS"]
        settings_read = options["host"], options["username"], options["use_tls"], options["use_ssl"]
        assert not [name for name in found if name.startswith("EMAIL_")]
    else:
        settings_read = (
            found["EMAIL_HOST"],
            found["EMAIL_HOST_USER"],
            found["EMAIL_USE_TLS"],
            found["EMAIL_USE_SSL"],
        )
    assert settings_read == ("mail.example", "us", True, False)


def test_two_ways_to_encrypt_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="not both"):
        settings_of({"EMAIL_USE_TLS": "true", "EMAIL_USE_SSL": "true"}, monkeypatch)
