"""The rows: every table of the database. Imported inside `shared` only; Alembic compares it with the migrations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_EMPTY = text("'{}'::jsonb")
_LIST = text("'[]'::jsonb")


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _when(name: str, *, now: bool = False) -> Column[object]:
    zoned = DateTime(timezone=True)
    return Column(name, zoned, nullable=False, server_default=func.now()) if now else Column(name, zoned)


owners = Table(
    "owners",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("weight", Double, nullable=False, server_default="1"),
    # Virtual time: device seconds charged, divided by weight. The smallest is served next.
    Column("vtime", Double, nullable=False, server_default="0"),
    _when("served_at", now=True),
    Column("cap_running", Integer, nullable=False, server_default="1000"),
    Column("cap_queued", Integer, nullable=False, server_default="100000"),
    _when("created_at", now=True),
    CheckConstraint("weight > 0", name="weight"),
)

# One row: the virtual time of the fair claim. Its lock puts claims in an exact order.
fairness = Table(
    "fairness",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("vtime", Double, nullable=False, server_default="0"),
    Column("lane_vtime", Double, nullable=False, server_default="0"),
)

# Sorts of work that take turns: what somebody waits for, batches, trainings.
lanes = Table(
    "lanes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("weight", Double, nullable=False),
    Column("vtime", Double, nullable=False, server_default="0"),
    CheckConstraint("weight > 0", name="weight"),
)

keys = Table(
    "keys",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("scopes", JSONB, nullable=False, server_default=_LIST),
    Column("rate_per_minute", Integer),
    _when("created_at", now=True),
    _when("used_at"),
    _when("expires_at"),
    _when("revoked_at"),
    Index("ix_keys_owner", "owner_id"),
)

# Many jobs of one request. `asked` says what was asked for; the jobs themselves carry their params.
batches = Table(
    "batches",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("asked", JSONB, nullable=False, server_default=_EMPTY),
    Column("total", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default="5"),
    Column("pool", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    _when("created_at", now=True),
    CheckConstraint("total > 0", name="total"),
    Index(
        "uq_batches_idempotency",
        "owner_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    Index("ix_batches_owner", "owner_id", "id"),
)

# A graph of jobs of one request. `asked` holds its steps, each with what it needs; the jobs carry the step's name.
workflows = Table(
    "workflows",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id"), nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("asked", JSONB, nullable=False),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    _when("created_at", now=True),
    Index(
        "uq_workflows_idempotency",
        "owner_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    Index("ix_workflows_owner", "owner_id", "id"),
)

_ELIGIBLE = "state = 'queued' and not waits"
_SHARED = f"{_ELIGIBLE} and batch_key is not null"
_WISH = "wish is null or (wish = 'pause' and state = 'running') or (wish = 'keep' and state in ('queued','running'))"
_TRIAL_OPEN = "searched_by is not null and finished_at is null"
_RETRIED = "batch_id is not null and parent_id is not null"

jobs = Table(
    "jobs",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("params", JSONB, nullable=False),
    Column("title", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default="5"),
    # Aged priority as a fixed number: a moment in epoch seconds, earlier for the more urgent.
    Column("rank", Double, nullable=False),
    Column("pool", Text, nullable=False),
    Column("device_pin", Text),
    Column("lane", Text, nullable=False, server_default="interactive"),
    # Jobs of one key can share a pass of their model; NULL for one that cannot.
    Column("batch_key", Text),
    # How often another job went first on a device that this one was next on, and since when.
    Column("passed", Integer, nullable=False, server_default="0"),
    _when("passed_since"),
    Column("model", Text),
    Column("model_version", Text),
    # The versions of the libraries, and the device, that its outputs were made with.
    Column("made_with", JSONB(none_as_null=True)),
    Column("seed", BigInteger, nullable=False),
    Column("time_limit_s", Double, nullable=False),
    # `attempt` is the fencing token and only grows; failures and crashes are the budgets.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("charged", Double, nullable=False, server_default="0"),
    _when("created_at", now=True),
    _when("run_at", now=True),
    _when("started_at"),
    _when("finished_at"),
    _when("lease_until"),
    Column("worker_id", Text),
    Column("device", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("progress", JSONB, nullable=False, server_default=_EMPTY),
    Column("metrics", JSONB, nullable=False, server_default=_EMPTY),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("parent_id", ForeignKey("jobs.id", ondelete="SET NULL")),
    # The job's number within its batch, from 1. A retried job has the number of the one before it; the latest counts.
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    Column("batch_index", Integer),
    # The job's step in its workflow; of each step the latest job counts.
    Column("workflow_id", ForeignKey("workflows.id", ondelete="SET NULL")),
    Column("step", Text),
    # Whether it waits for other jobs to succeed, and whether others wait for it.
    Column("waits", Boolean, nullable=False, server_default=text("false")),
    Column("needed", Boolean, nullable=False, server_default=text("false")),
    # What a running training is asked to do at the end of a step; and whether a queued one is held back until resumed.
    Column("wish", Text),
    Column("held", Boolean, nullable=False, server_default=text("false")),
    # The search that the job is a trial of, and its number there, from 1.
    Column("searched_by", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("trial", Integer),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("state in ('queued','running','succeeded','failed','cancelled')", name="state"),
    CheckConstraint("priority between 0 and 9", name="priority"),
    # The life of a job said again where no bug can get round it.
    CheckConstraint("(state = 'running') = (lease_until is not null)", name="lease"),
    CheckConstraint("(state in ('succeeded','failed','cancelled')) = (finished_at is not null)", name="finished"),
    CheckConstraint("not waits or state = 'queued'", name="waits"),
    CheckConstraint("not held or state = 'queued'", name="held"),
    CheckConstraint(_WISH, name="wish"),
    Index(
        "uq_jobs_idempotency",
        "owner_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    Index("ix_jobs_claim", "owner_id", "lane", "pool", "rank", "id", postgresql_where=text(_ELIGIBLE)),
    Index("ix_jobs_lane", "lane", "pool", postgresql_where=text(_ELIGIBLE)),
    Index("ix_jobs_shared", "batch_key", "owner_id", "rank", "id", postgresql_where=text(_SHARED)),
    Index("ix_jobs_queue", "pool", "rank", postgresql_where=text(_ELIGIBLE)),
    Index("ix_jobs_running", "owner_id", "lease_until", postgresql_where=text("state = 'running'")),
    Index("ix_jobs_owner", "owner_id", "id"),
    Index("ix_jobs_owner_state", "owner_id", "state", "id"),
    Index("ix_jobs_parent", "parent_id", postgresql_where=text("parent_id is not null")),
    # The few of a batch that were submitted again, and so supersede others.
    Index("ix_jobs_retried", "batch_id", "batch_index", postgresql_where=text(_RETRIED)),
    Index("ix_jobs_batch", "batch_id", "batch_index", "id", postgresql_where=text("batch_id is not null")),
    Index("ix_jobs_workflow", "workflow_id", "id", postgresql_where=text("workflow_id is not null")),
    Index("ix_jobs_waits", "id", postgresql_where=text("waits")),
    # However often a search is taken up again, no trial of it has a twin.
    Index("uq_jobs_trial", "searched_by", "trial", unique=True, postgresql_where=text("searched_by is not null")),
    Index("ix_jobs_trials_open", "searched_by", postgresql_where=text(_TRIAL_OPEN)),
)

# Which jobs must succeed before a job may start. A need is older than whoever needs it, so there is no circle.
dependencies = Table(
    "dependencies",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("needs_job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    CheckConstraint("needs_job_id < job_id", name="older"),
    Index("ix_dependencies_needs", "needs_job_id"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    _when("at", now=True),
    Column("attempt", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False, server_default=_EMPTY),
)

# What was put, or is being put, into the object store. A blob without an artifact is garbage after a grace.
blobs = Table(
    "blobs",
    metadata,
    Column("key", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    _when("touched_at", now=True),
    Index("ix_blobs_touched", "touched_at"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _id(),
    # An upload has no job: no job made it.
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("owner_id", ForeignKey("owners.id"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("key", ForeignKey("blobs.key"), nullable=False),
    Column("meta", JSONB, nullable=False, server_default=_EMPTY),
    # Of pictures: the size in pixels, and the blob of the small picture that lists show; without one, the whole.
    Column("width", Integer),
    Column("height", Integer),
    Column("thumb_key", ForeignKey("blobs.key")),
    # Of an upload: what it was taken for, and the hash of what was sent, which is not what is kept.
    Column("sent_as", Text),
    # Of what it shows or sounds like, whatever metadata and signature it carries.
    Column("content_sha256", Text),
    _when("starred_at"),
    _when("created_at", now=True),
    CheckConstraint("role in ('output','preview','model','checkpoint','log','input','dataset')", name="role"),
    CheckConstraint("(role = 'input') = (job_id is null)", name="input"),
    Index("ix_artifacts_job", "job_id", "position"),
    Index("ix_artifacts_owner", "owner_id", "id"),
    Index("ix_artifacts_key", "key"),
    Index("ix_artifacts_sha256", "owner_id", "sha256"),
    Index("ix_artifacts_content", "owner_id", "content_sha256", postgresql_where=text("content_sha256 is not null")),
    Index("ix_artifacts_checkpoint", "job_id", postgresql_where=text("role = 'checkpoint'")),
    Index("ix_artifacts_thumb", "thumb_key", postgresql_where=text("thumb_key is not null")),
    Index("ix_artifacts_starred", "owner_id", "id", postgresql_where=text("starred_at is not null")),
    Index("uq_artifacts_sent", "owner_id", "sent_as", unique=True, postgresql_where=text("sent_as is not null")),
)

# The curves of jobs that train: what a run does again after a crash overwrites what it did before.
points = Table(
    "points",
    metadata,
    Column("job_id", ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
    _when("at", now=True),
)

# The idempotency keys of uploads: several requests may have sent the same bytes.
upload_keys = Table(
    "upload_keys",
    metadata,
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("artifact_id", ForeignKey("artifacts.id", ondelete="CASCADE"), nullable=False),
    _when("created_at", now=True),
    Index("ix_upload_keys_artifact", "artifact_id"),
)

# The root certificates under which the workers of this installation sign: what tells its own works from others'.
signers = Table(
    "signers",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("certificate", Text, nullable=False),
    _when("created_at", now=True),
)

# Device seconds that a kind with a model took, learned: the charge of the fair claim and the estimated wait.
costs = Table(
    "costs",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
    Column("samples", BigInteger, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    _id(),
    Column("host", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("worker_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("drain_requested", Boolean, nullable=False, server_default=text("false")),
    Column("memory_total", BigInteger, nullable=False, server_default="0"),
    Column("memory_used", BigInteger, nullable=False, server_default="0"),
    Column("resident", JSONB, nullable=False, server_default=_LIST),
    Column("job_id", Text),
    _when("started_at", now=True),
    _when("heartbeat_at", now=True),
    UniqueConstraint("host", "name"),
)

models = Table(
    "models",
    metadata,
    _id(),
    # A model without an owner is everybody's.
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE")),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("revision", Text),
    Column("file", Text),
    Column("licence", Text),
    Column("base", Text),
    Column("size", BigInteger),
    Column("sha256", Text),
    _when("created_at", now=True),
    # Of a trained model: the version that its name stands for.
    Column("version", Integer),
    UniqueConstraint("owner_id", "name", name="uq_models_name", postgresql_nulls_not_distinct=True),
)

# What training jobs made under a model's name. `lineage` says from what, `figures` how it was judged.
model_versions = Table(
    "model_versions",
    metadata,
    Column("model_id", ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("artifact_id", ForeignKey("artifacts.id"), nullable=False),
    Column("job_id", Text),
    Column("lineage", JSONB, nullable=False, server_default=_EMPTY),
    Column("figures", JSONB, nullable=False, server_default=_EMPTY),
    _when("created_at", now=True),
    Index("ix_model_versions_artifact", "artifact_id"),
)

# `next_due` is the first due tick that has not become a run; a paused schedule has none.
schedules = Table(
    "schedules",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("cron", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("template", JSONB, nullable=False),
    Column("overlap", Text, nullable=False),
    Column("missed", Text, nullable=False),
    Column("window_s", Integer),
    _when("paused_at"),
    Column("pause_reason", Text),
    _when("next_due"),
    _when("last_due"),
    # Failed runs in a row, and the number of the last run.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("run_count", Integer, nullable=False, server_default="0"),
    Column("idempotency_key", Text),
    Column("fingerprint", Text),
    _when("created_at", now=True),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("overlap in ('skip','queue','cancel_old')", name="overlap"),
    CheckConstraint("missed in ('skip','once','all')", name="missed"),
    CheckConstraint("(missed = 'all') = (window_s is not null)", name="window"),
    CheckConstraint("(paused_at is null) = (next_due is not null)", name="paused"),
    Index(
        "uq_schedules_idempotency",
        "owner_id",
        "idempotency_key",
        unique=True,
        postgresql_where=text("idempotency_key is not null"),
    ),
    Index("ix_schedules_owner", "owner_id", "id"),
    Index("ix_schedules_due", "next_due", postgresql_where=text("next_due is not null")),
)

# One row for a due tick, whatever became of it: the key is what makes it one run with any number of beats.
runs = Table(
    "runs",
    metadata,
    Column("schedule_id", ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    Column("due_at", DateTime(timezone=True), primary_key=True),
    Column("number", Integer),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("manual", Boolean, nullable=False, server_default=text("false")),
    # What it submitted: one or the other.
    Column("job_id", ForeignKey("jobs.id", ondelete="SET NULL")),
    Column("batch_id", ForeignKey("batches.id", ondelete="SET NULL")),
    _when("created_at", now=True),
    CheckConstraint("state in ('due','submitted','skipped','failed')", name="state"),
    CheckConstraint("num_nonnulls(job_id, batch_id) <= (state = 'submitted')::int", name="submitted"),
    Index("ix_runs_due", "schedule_id", postgresql_where=text("state = 'due'")),
    Index("ix_runs_job", "job_id", postgresql_where=text("job_id is not null")),
    Index("ix_runs_batch", "batch_id", postgresql_where=text("batch_id is not null")),
    Index("ix_runs_created", "created_at"),
)

# Data to train on, by name; what is in it, its versions hold.
datasets = Table(
    "datasets",
    metadata,
    _id(),
    Column("owner_id", ForeignKey("owners.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("title", Text, nullable=False),
    _when("created_at", now=True),
    UniqueConstraint("owner_id", "name"),
)

# What a check made of a file. The artifact stays as long as its version does; the same rows are the same version.
dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset_id", ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("artifact_id", ForeignKey("artifacts.id"), nullable=False),
    Column("job_id", Text),
    Column("format", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("splits", JSONB, nullable=False),
    Column("report", JSONB, nullable=False, server_default=_EMPTY),
    _when("created_at", now=True),
    UniqueConstraint("dataset_id", "sha256"),
    Index("ix_dataset_versions_artifact", "artifact_id"),
)

# What an owner thinks of a file that a job made: a thumb up or down, and what it should have been.
feedback = Table(
    "feedback",
    metadata,
    Column("artifact_id", ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
    Column("owner_id", ForeignKey("owners.id"), nullable=False),
    Column("thumb", SmallInteger),
    Column("edit", Text),
    _when("given_at", now=True),
    CheckConstraint("thumb in (-1, 1)", name="thumb"),
    CheckConstraint("thumb is not null or edit is not null", name="something"),
    Index("ix_feedback_owner", "owner_id", "given_at"),
)
