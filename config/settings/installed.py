"""INSTALLED_APPS. A list and nothing else, because it is read before the settings."""

INSTALLED_APPS = [
    # First: its commands go before those of Django.
    "config.apps.PlatformConfig",
    "console.admin_config.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "guardian",
    "channels",
    "events",
    "ledger",
    "workflows.work",
    "workflows.webhooks",
    "workflows.flows",
    "workflows.witnesses.apps.WitnessesConfig",
    "commerce",
    "console",
]
