"""Agents, and the delegations under which they act."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Agent",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=100, unique=True)),
            (
                "subtype",
                models.CharField(
                    choices=[
                        ("drafting_agent", "drafting_agent"),
                        ("retrieval_agent", "retrieval_agent"),
                        ("tool_runner", "tool_runner"),
                    ],
                    max_length=40,
                ),
            ),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("stopped_at", models.DateTimeField(blank=True, null=True)),
            (
                "owner",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="agents",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(fields=("id", "owner"), name="ledger_agent_has_one_owner"),
                models.CheckConstraint(
                    condition=models.Q(
                        ("subtype__in", ("drafting_agent", "retrieval_agent", "tool_runner"))
                    ),
                    name="ledger_agent_subtype_is_known",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentSwitch",
        fields=[
            (
                "id",
                models.PositiveSmallIntegerField(
                    default=1, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "stopped_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("reason", models.CharField(max_length=500)),
        ],
        options={
            "verbose_name_plural": "agent switches",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("id", 1)), name="ledger_agent_switch_is_one"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="Delegation",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("depth", models.PositiveSmallIntegerField()),
            ("reason", models.CharField(max_length=500)),
            (
                "scopes",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=100), size=None
                ),
            ),
            ("resources", models.JSONField(blank=True, default=dict)),
            ("actions_max", models.PositiveIntegerField(blank=True, null=True)),
            ("cents_max", models.BigIntegerField(blank=True, null=True)),
            ("currency", models.CharField(blank=True, max_length=3)),
            ("per_minute_max", models.PositiveIntegerField(blank=True, null=True)),
            ("starts_at", models.DateTimeField()),
            ("expires_at", models.DateTimeField()),
            ("hour_from", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("hour_until", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("actions_used", models.PositiveIntegerField(db_default=0)),
            ("cents_used", models.BigIntegerField(db_default=0)),
            ("minute_started_at", models.DateTimeField(blank=True, null=True)),
            ("minute_used", models.PositiveIntegerField(db_default=0)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            (
                "agent",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="delegations",
                    to="ledger.agent",
                ),
            ),
            (
                "parent",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="children",
                    to="ledger.delegation",
                ),
            ),
            (
                "root",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="delegations",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["agent", "-created_at"], name="ledger_delegations_of_agent"),
                models.Index(fields=["root", "-created_at"], name="ledger_delegations_of_root"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("id", "root"), name="ledger_delegation_has_one_root"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("depth", 1), ("parent", None)),
                        models.Q(("depth__gt", 1), ("depth__lte", 3), ("parent__isnull", False)),
                        _connector="OR",
                    ),
                    name="ledger_delegation_is_at_most_three_deep",
                ),
                models.CheckConstraint(
                    condition=models.Q(("scopes", []), _negated=True),
                    name="ledger_delegation_has_a_scope",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("actions_max", None),
                        ("actions_used__lte", models.F("actions_max")),
                        _connector="OR",
                    ),
                    name="ledger_delegation_keeps_its_count",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("cents_max", None),
                        ("cents_used__lte", models.F("cents_max")),
                        _connector="OR",
                    ),
                    name="ledger_delegation_keeps_its_money",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("cents_max", None), ("currency", "")),
                        models.Q(("cents_max__gte", 0), ("currency__regex", "^[A-Z]{3}$")),
                        _connector="OR",
                    ),
                    name="ledger_delegation_money_has_a_currency",
                ),
                models.CheckConstraint(
                    condition=models.Q(("expires_at__gt", models.F("starts_at"))),
                    name="ledger_delegation_ends_later",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("hour_from", None), ("hour_until", None)),
                        models.Q(
                            ("hour_from__gte", 0),
                            ("hour_until__gt", models.F("hour_from")),
                            ("hour_until__lte", 24),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_delegation_hours_are_of_a_day",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="AgentKey",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("prefix", models.CharField(max_length=12, unique=True)),
            ("digest", models.CharField(max_length=64)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("expires_at", models.DateTimeField()),
            ("last_used_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            (
                "delegation",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="keys",
                    to="ledger.delegation",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")),
                    name="ledger_agent_key_is_stored_hashed",
                ),
                models.CheckConstraint(
                    condition=models.Q(("prefix__regex", "^[0-9a-z]{12}$")),
                    name="ledger_agent_key_has_a_prefix",
                ),
            ],
        },
    ),
]

# What the services check, said again. An agent acts for its owner and nobody else; a chain
# has one root; what was agreed stays as it was, and what is ended stays ended.
ONLY_NARROW = """
ALTER TABLE ledger_delegation
  ADD CONSTRAINT ledger_delegation_is_of_the_owner
      FOREIGN KEY (agent_id, root_id) REFERENCES ledger_agent (id, owner_id),
  ADD CONSTRAINT ledger_delegation_has_the_root_of_its_parent
      FOREIGN KEY (parent_id, root_id) REFERENCES ledger_delegation (id, root_id);

CREATE FUNCTION ledger_check_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE above ledger_delegation;
BEGIN
  IF NEW.parent_id IS NULL THEN
    RETURN NEW;
  END IF;
  -- Locked, so that it is not revoked while something is hung below it.
  SELECT * INTO above FROM ledger_delegation WHERE id = NEW.parent_id FOR SHARE;
  IF NEW.depth <> above.depth + 1 OR NEW.expires_at > above.expires_at
     OR above.revoked_at IS NOT NULL THEN
    RAISE EXCEPTION 'delegation % is wider than the one above it', NEW.id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_delegation_is_within_its_parent';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER ledger_delegation_is_within_its_parent BEFORE INSERT ON ledger_delegation
  FOR EACH ROW EXECUTE FUNCTION ledger_check_delegation();

CREATE FUNCTION ledger_refuse_other_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the terms of delegation % are fixed', OLD.id
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER ledger_delegation_terms_are_fixed
  BEFORE UPDATE OF root_id, parent_id, agent_id, depth, scopes, resources, actions_max, cents_max,
                   currency, per_minute_max, starts_at, expires_at, hour_from,
                   hour_until, created_at
  ON ledger_delegation FOR EACH ROW EXECUTE FUNCTION ledger_refuse_other_terms();

CREATE TRIGGER ledger_delegation_stays_revoked BEFORE UPDATE OF revoked_at ON ledger_delegation
  FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL) EXECUTE FUNCTION ledger_refuse_other_terms();

CREATE TRIGGER ledger_delegation_is_not_unspent
  BEFORE UPDATE OF actions_used, cents_used ON ledger_delegation FOR EACH ROW
  WHEN (NEW.actions_used < OLD.actions_used OR NEW.cents_used < OLD.cents_used)
  EXECUTE FUNCTION ledger_refuse_other_terms();

-- The reason of a delegation may be erased, on record, and is fixed like all else otherwise.
CREATE FUNCTION ledger_delegation_reason_only_fades() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.reason <> OLD.reason AND strpos(NEW.reason, '[erased]') = 0 THEN
    RAISE EXCEPTION 'the terms of delegation % are fixed', OLD.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_delegation_reason_only_fades BEFORE UPDATE OF reason ON ledger_delegation
  FOR EACH ROW EXECUTE FUNCTION ledger_delegation_reason_only_fades();
CREATE CONSTRAINT TRIGGER ledger_delegation_fades_on_record AFTER UPDATE OF reason
  ON ledger_delegation DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION ledger_demand_entry('delegation');
"""

UNDO = """
DROP TRIGGER ledger_delegation_fades_on_record ON ledger_delegation;
DROP TRIGGER ledger_delegation_reason_only_fades ON ledger_delegation;
DROP FUNCTION ledger_delegation_reason_only_fades();
DROP TRIGGER ledger_delegation_is_not_unspent ON ledger_delegation;
DROP TRIGGER ledger_delegation_stays_revoked ON ledger_delegation;
DROP TRIGGER ledger_delegation_terms_are_fixed ON ledger_delegation;
DROP TRIGGER ledger_delegation_is_within_its_parent ON ledger_delegation;
DROP FUNCTION ledger_refuse_other_terms();
DROP FUNCTION ledger_check_delegation();
ALTER TABLE ledger_delegation
  DROP CONSTRAINT ledger_delegation_has_the_root_of_its_parent,
  DROP CONSTRAINT ledger_delegation_is_of_the_owner;
"""

RULES = [
    migrations.RunSQL(ONLY_NARROW, UNDO),
    Accountable("ledger_agent", target="agent", on="INSERT OR UPDATE OR DELETE"),
    Accountable("ledger_agentswitch", target="agent", on="INSERT OR UPDATE OR DELETE"),
    # Not of what is used up: spending has the entry of what was done.
    Accountable(
        "ledger_delegation", target="delegation", on="INSERT OR UPDATE OF revoked_at OR DELETE"
    ),
    Accountable(
        "ledger_agentkey",
        target="agent_key",
        on="INSERT OR UPDATE OF digest, delegation_id, expires_at, revoked_at OR DELETE",
    ),
]
