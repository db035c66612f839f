from django.apps import AppConfig


class WitnessesConfig(AppConfig):
    name = "workflows.witnesses"

    def ready(self) -> None:
        # Importing registers: the schemes of witnesses, system checks.
        from workflows.witnesses import checks, senders  # noqa: F401, PLC0415
