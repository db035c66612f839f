from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Django's admin with our own site: the console's log-in, apps in reading order."""

    default = False
    default_site = "console.admin_site.DaybookAdminSite"
