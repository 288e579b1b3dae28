"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"], unique=False)
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "idempotency",
        sa.Column("person", sa.String(length=29), nullable=False),
        sa.Column("route", sa.String(length=120), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("body_hash", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=29), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", "route", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_at_us", "idempotency", ["at_us"], unique=False)
    op.create_table(
        "instance_settings",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_instance_settings"),
    )
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_login_attempts"),
    )
    op.create_index("ix_login_attempts_at_us", "login_attempts", ["at_us"], unique=False)
    op.create_index("ix_login_attempts_subject_at_us", "login_attempts", ["subject", "at_us"], unique=False)
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_folded", sa.String(length=1600), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("disabled_us", sa.BigInteger(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("preferences", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("name_folded", name="uq_people_name_folded"),
    )
    op.create_index("ix_people_revision", "people", ["revision"], unique=False)
    op.create_table(
        "routes",
        sa.Column("host", sa.String(length=63), nullable=False),
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("owner", sa.String(length=29), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_routes"),
    )
    op.create_index("ix_routes_revision", "routes", ["revision"], unique=False)
    op.create_index("ix_routes_workload", "routes", ["workload"], unique=False)
    op.create_table(
        "usage_samples",
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("memory_limit_bytes", sa.BigInteger(), nullable=False),
        sa.Column("cpu_millis", sa.Integer(), nullable=False),
        sa.Column("disk_bytes", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("workload", "slot", name="pk_usage_samples"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("email_hint", sa.Text(), server_default="", nullable=False),
        sa.Column("for_person", sa.String(length=29), nullable=True),
        sa.Column("created_by", sa.String(length=29), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.String(length=29), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["people.id"], name="fk_invitations_created_by"),
        sa.ForeignKeyConstraint(["for_person"], ["people.id"], name="fk_invitations_for_person"),
        sa.ForeignKeyConstraint(["used_by"], ["people.id"], name="fk_invitations_used_by"),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("code_hash", name="uq_invitations_code_hash"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=29), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("agent", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_sessions_person"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("key", name="uq_sessions_key"),
    )
    op.create_index("ix_sessions_expires_us", "sessions", ["expires_us"], unique=False)
    op.create_index("ix_sessions_person", "sessions", ["person"], unique=False)
    op.create_index("ix_sessions_revision", "sessions", ["revision"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=29), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("beginning", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.Text(), server_default="", nullable=False),
        sa.Column("workload", sa.String(length=29), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=True),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_tokens_person"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("key", name="uq_tokens_key"),
    )
    op.create_index("ix_tokens_expires_us", "tokens", ["expires_us"], unique=False)
    op.create_index("ix_tokens_person", "tokens", ["person"], unique=False)
    op.create_index("ix_tokens_revision", "tokens", ["revision"], unique=False)
    op.create_index("ix_tokens_workload", "tokens", ["workload"], unique=False)
    op.create_table(
        "volumes",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("owner", sa.String(length=29), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.Column("keep_until_us", sa.BigInteger(), nullable=True),
        sa.Column("destroy_wanted_us", sa.BigInteger(), nullable=True),
        sa.Column("destroyed_us", sa.BigInteger(), nullable=True),
        sa.Column("used_bytes", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["people.id"], name="fk_volumes_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_volumes"),
    )
    op.create_index("ix_volumes_deleted_us", "volumes", ["deleted_us"], unique=False)
    op.create_index("ix_volumes_owner", "volumes", ["owner"], unique=False)
    op.create_table(
        "workloads",
        sa.Column("id", sa.String(length=29), nullable=False),
        sa.Column("owner", sa.String(length=29), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_folded", sa.String(length=1600), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("spec_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("wanted", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.Column("keep_until_us", sa.BigInteger(), nullable=True),
        sa.Column("keep_running_until_us", sa.BigInteger(), nullable=True),
        sa.Column("volume", sa.String(length=29), nullable=True),
        sa.Column("phase", sa.String(length=32), server_default="stopped", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("phase_since_us", sa.BigInteger(), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("active_us", sa.BigInteger(), nullable=True),
        sa.Column("observed", sa.JSON(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["people.id"], name="fk_workloads_owner"),
        sa.ForeignKeyConstraint(["volume"], ["volumes.id"], name="fk_workloads_volume"),
        sa.PrimaryKeyConstraint("id", name="pk_workloads"),
    )
    op.create_index("ix_workloads_deleted_us", "workloads", ["deleted_us"], unique=False)
    op.create_index(
        "ix_workloads_kind_created_us_id",
        "workloads",
        ["kind", "created_us", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_us IS NULL"),
        postgresql_where=sa.text("deleted_us IS NULL"),
    )
    op.create_index(
        "ix_workloads_owner_kind_created_us_id",
        "workloads",
        ["owner", "kind", "created_us", "id"],
        unique=False,
        sqlite_where=sa.text("deleted_us IS NULL"),
        postgresql_where=sa.text("deleted_us IS NULL"),
    )
    op.create_index("ix_workloads_wanted", "workloads", ["wanted"], unique=False)
    op.create_index(
        "uq_workloads_owner_kind_name_folded",
        "workloads",
        ["owner", "kind", "name_folded"],
        unique=True,
        sqlite_where=sa.text("deleted_us IS NULL"),
        postgresql_where=sa.text("deleted_us IS NULL"),
    )
    op.create_table(
        "billing_intervals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("owner", sa.String(length=29), nullable=False),
        sa.Column("size", sa.String(length=80), nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("hourly_micro_usd", sa.BigInteger(), nullable=True),
        sa.Column("price_source", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["people.id"], name="fk_billing_intervals_owner"),
        sa.ForeignKeyConstraint(["workload"], ["workloads.id"], name="fk_billing_intervals_workload"),
        sa.PrimaryKeyConstraint("id", name="pk_billing_intervals"),
    )
    op.create_index("ix_billing_intervals_owner_from_us", "billing_intervals", ["owner", "from_us"], unique=False)
    op.create_index("ix_billing_intervals_workload_from_us", "billing_intervals", ["workload", "from_us"], unique=False)
    op.create_index(
        "uq_billing_intervals_workload",
        "billing_intervals",
        ["workload"],
        unique=True,
        sqlite_where=sa.text("until_us IS NULL"),
        postgresql_where=sa.text("until_us IS NULL"),
    )
    op.create_table(
        "grants",
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("person", sa.String(length=29), nullable=False),
        sa.Column("granted_by", sa.String(length=29), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["granted_by"], ["people.id"], name="fk_grants_granted_by"),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_grants_person"),
        sa.ForeignKeyConstraint(["workload"], ["workloads.id"], name="fk_grants_workload"),
        sa.PrimaryKeyConstraint("workload", "person", name="pk_grants"),
    )
    op.create_index("ix_grants_person", "grants", ["person"], unique=False)
    op.create_index("ix_grants_revision", "grants", ["revision"], unique=False)
    op.create_table(
        "secrets",
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["workload"], ["workloads.id"], name="fk_secrets_workload"),
        sa.PrimaryKeyConstraint("workload", "name", name="pk_secrets"),
    )
    op.create_table(
        "transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workload", sa.String(length=29), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("phase", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.String(length=29), server_default="", nullable=False),
        sa.Column("detail", sa.JSON(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["workload"], ["workloads.id"], name="fk_transitions_workload"),
        sa.PrimaryKeyConstraint("id", name="pk_transitions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transitions_workload_id", "transitions", ["workload", "id"], unique=False)
