"""Constraints of frequently written tables, as one trigger instead of a dozen CHECKs (ADR 0019).

PostgreSQL reads and plans every CHECK anew for each statement: the twelve of `work` took
0.1 ms, twice as long as its INSERT. A function is planned once per session. It raises
what PostgreSQL raises for a CHECK, with the name of the violated rule as the constraint.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class RulesOnInsert(Operation):
    """Hold each new row of a `table` that only grows to `rules`: conditions by name.

    They are conditions over `columns`, which are given with their types. As in a CHECK, one that is
    neither true nor false is kept. `then` is PL/pgSQL: what else the one trigger of the table does
    with a `NEW` that keeps them.
    """

    reversible = True
    writes: ClassVar[str] = "INSERT"

    def __init__(
        self,
        table: str,
        *,
        columns: Mapping[str, str],
        rules: Mapping[str, str],
        then: str = "",
    ) -> None:
        self.table = table
        self.columns = columns
        self.rules = rules
        self.then = then

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *_states: Any
    ) -> None:
        schema_editor.execute(f"CREATE {self.rule}", params=None)
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

    @property
    def rule(self) -> str:
        """The function that names the rule which a row breaks, without its CREATE.

        Written into the trigger's own plan, being SQL: it is a function for the tests.
        """
        columns = ", ".join(f"{name} {type_}" for name, type_ in self.columns.items())
        cases = "\n".join(
            f"    WHEN NOT ({condition}) THEN '{name}'" for name, condition in self.rules.items()
        )
        return (
            f"FUNCTION {self._rule} ({columns}) RETURNS text "
            f"LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$\n  SELECT CASE\n{cases}\n  END\n$$"
        )

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
    RAISE EXCEPTION 'new row for relation "{self.table}" violates check constraint "%"', broken
    USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = '{self.table}';
  END IF;
{self.then}
  RETURN NEW;
END $$
"""

    @property
    def _name(self) -> str:
        return f"{self.table}_keeps_its_rules"

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
