from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin, with our own site: one log-in, rooms in a sensible order."""

    default = False
    default_site = "console.admin_site.DaybookAdminSite"
