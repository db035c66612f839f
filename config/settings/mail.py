"""How mails are sent: one mail server, named in the settings that this Django knows."""

import django
from django.core.exceptions import ImproperlyConfigured

from config.settings import env

_SERVER = {
    "host": env.text("EMAIL_HOST", "localhost"),
    "port": env.integer("EMAIL_PORT", 25, at_least=1, at_most=65_535),
    "username": env.text("EMAIL_HOST_USER", ""),
    "password": env.secret("EMAIL_HOST_PASSWORD", ""),
    "use_tls": env.flag("EMAIL_USE_TLS", default=False),
    "use_ssl": env.flag("EMAIL_USE_SSL", default=False),
    "timeout": 10,
}

if _SERVER["use_tls"] and _SERVER["use_ssl"]:
    raise ImproperlyConfigured("Set EMAIL_USE_TLS or EMAIL_USE_SSL, not both.")

if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": _SERVER}
    }
else:
    EMAIL_HOST = _SERVER["host"]
    EMAIL_PORT = _SERVER["port"]
    EMAIL_HOST_USER = _SERVER["username"]
    EMAIL_HOST_PASSWORD = _SERVER["password"]
    EMAIL_USE_TLS = _SERVER["use_tls"]
    EMAIL_USE_SSL = _SERVER["use_ssl"]
    EMAIL_TIMEOUT = _SERVER["timeout"]
