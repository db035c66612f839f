"""Constraints of frequently written tables, as one CHECK or trigger instead of a dozen (ADR 0019).

PostgreSQL reads and plans every CHECK anew for each statement: the twelve of `work` took
0.1 ms, twice as long as its INSERT. A function is planned once per session. It raises
what PostgreSQL raises for a CHECK, with the name of the violated rule as the constraint.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class RowRules(Operation):
    """Hold the rows of `table` to `rules`: conditions by name, over `columns` by type.

    As in a CHECK, a condition that is neither true nor false is kept.
    """

    reversible = True

    def __init__(self, table: str, *, columns: Mapping[str, str], rules: Mapping[str, str]) -> None:
        self.table = table
        self.columns = columns
        self.rules = rules

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(
            f"""
CREATE FUNCTION {self._name} ({self._given}) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  broken text := {self._broken};
BEGIN
  IF broken IS NULL THEN
    RETURN true;
  END IF;
  {self._refusal}
END $$
""",
            params=None,
        )
        schema_editor.execute(
            f"ALTER TABLE {self.table} ADD CONSTRAINT {self._name} "
            f"CHECK ({self._name}({', '.join(self.columns)}))",
            params=None,
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT {self._name}")
        schema_editor.execute(f"DROP FUNCTION {self._name}")

    @property
    def _name(self) -> str:
        return f"{self.table}_keeps_its_rules"

    @property
    def _given(self) -> str:
        return ", ".join(f"{name} {type_}" for name, type_ in self.columns.items())

    @property
    def _broken(self) -> str:
        cases = "\n".join(
            f"    WHEN NOT ({condition}) THEN '{name}'" for name, condition in self.rules.items()
        )
        return f"CASE\n{cases}\n  END"

    @property
    def _refusal(self) -> str:
        return (
            f'RAISE EXCEPTION \'new row for relation "{self.table}" violates check constraint '
            "\"%\"', broken\n    USING ERRCODE = 'check_violation', CONSTRAINT = broken, "
            f"TABLE = '{self.table}';"
        )

    def describe(self) -> str:
        return f"Hold the rows of {self.table} to their rules"


class RulesOnInsert(RowRules):
    """Hold each new row of a `table` that only grows to `rules`, in the place of its CHECKs.

    `then` is PL/pgSQL: what else the one trigger of the table does with a `NEW` that keeps
    them. Going back restores the CHECK of `RowRules`.
    """

    writes: ClassVar[str] = "INSERT"

    def __init__(
        self,
        table: str,
        *,
        columns: Mapping[str, str],
        rules: Mapping[str, str],
        then: str = "",
    ) -> None:
        super().__init__(table, columns=columns, rules=rules)
        self.then = then

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        for name in (self._name, *self.rules):
            # Under either name, or missing: an interrupted migration may have left it out.
            schema_editor.execute(f"ALTER TABLE {self.table} DROP CONSTRAINT IF EXISTS {name}")
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {self._name}")
        # Written into the trigger's own plan, being SQL: it is a function for the tests.
        schema_editor.execute(
            f"CREATE FUNCTION {self._rule} ({self._given}) RETURNS text "
            f"LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$\n  SELECT {self._broken}\n$$",
            params=None,
        )
        schema_editor.execute(f"CREATE {self.trigger}", params=None)
        schema_editor.execute(
            f"CREATE TRIGGER {self._name} BEFORE {self.writes} ON {self.table} "
            f"FOR EACH ROW EXECUTE FUNCTION {self._name}()"
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(f"DROP TRIGGER {self._name} ON {self.table}")
        schema_editor.execute(f"DROP FUNCTION {self._name}")
        schema_editor.execute(f"DROP FUNCTION {self._rule}")
        super().database_forwards(app_label, schema_editor)

    @property
    def trigger(self) -> str:
        """The function of its trigger, without its CREATE."""
        new = ", ".join(f"NEW.{name}" for name in self.columns)
        return f"""
FUNCTION {self._name} () RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  broken text := {self._rule}({new});
BEGIN
  IF broken IS NOT NULL THEN
    {self._refusal}
  END IF;
{self.then}
  RETURN NEW;
END $$
"""

    @property
    def _rule(self) -> str:
        return f"{self.table}_broken_rule"

    def describe(self) -> str:
        return f"Hold new rows of {self.table} to their rules"


class RulesOnWrite(RulesOnInsert):
    """Hold each row of a `table` that is written anew to `rules`, as it is inserted and updated."""

    writes: ClassVar[str] = "INSERT OR UPDATE"


class ThenOnInsert(Operation):
    """Let the trigger of `RulesOnInsert` do `after.then` where it did `before.then`.

    The rules are the same. The trigger stays awake: its function is replaced.
    """

    reversible = True

    def __init__(self, before: RulesOnInsert, after: RulesOnInsert) -> None:
        self.before = before
        self.after = after

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(f"CREATE OR REPLACE {self.after.trigger}", params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(f"CREATE OR REPLACE {self.before.trigger}", params=None)

    def describe(self) -> str:
        return f"Have the trigger of {self.after.table} do something else"
