"""All tables of an app in one operation: what the first migration of each app begins with."""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import CreateModel
from django.db.migrations.state import ProjectState


class Tables(Operation):
    """Create the tables of `models`, in this order, with all that Django puts on them.

    As operations of their own, each has Django draw every model anew that is related to it: for
    the ledger and commerce that took three seconds of four. What is new here is drawn once.
    """

    reversible = True

    def __init__(self, *models: CreateModel) -> None:
        self.models = models

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        apps = state.__dict__.pop("apps", None)
        for model in self.models:
            model.state_forwards(app_label, state)
        if apps is not None:
            # None of those that are there already refers to one of these.
            apps.render_multiple(
                [state.models[app_label, model.name_lower] for model in self.models]
            )
            state.__dict__["apps"] = apps

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for model in self.models:
            model.database_forwards(app_label, schema_editor, from_state, to_state)
        # Not at the end of the migration: rules of rows stand on keys and indexes.
        for statement in schema_editor.deferred_sql:
            schema_editor.execute(statement, params=None)
        schema_editor.deferred_sql.clear()

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for model in reversed(self.models):
            model.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return f"Create {len(self.models)} tables"
