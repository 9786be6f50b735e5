-- What the embedded sidecar keeps: records of topics, how far each group has read, state, jobs. All of it belongs to
-- that one process and lies in a schema of its own; its role may do nothing else. No row security: the sidecar serves
-- apps, not users, and bodies are opaque to it.

DO $$
BEGIN
	CREATE ROLE todod_sidecar NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION
	-- Roles belong to the cluster: another database of it may have made the role, even this moment.
	WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE SCHEMA sidecar;

-- Which process it is. place tells the machine's boot and process namespace, so that one that died there is known as dead.
CREATE TABLE sidecar.lease (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	holder uuid NOT NULL,
	place text NOT NULL,
	pid integer NOT NULL,
	valid_until timestamptz NOT NULL
) WITH (fillfactor = 40);

-- Positions count up within a partition. The newest record of each is never swept: the next position follows from it.
CREATE TABLE sidecar.records (
	topic text COLLATE "C" NOT NULL,
	part smallint NOT NULL CHECK (part >= 0),
	pos bigint NOT NULL CHECK (pos >= 0),
	key text COLLATE "C",
	body bytea NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (topic, part, pos)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- The position that a group reads next.
CREATE TABLE sidecar.progress (
	consumer_group text COLLATE "C" NOT NULL,
	topic text COLLATE "C" NOT NULL,
	part smallint NOT NULL CHECK (part >= 0),
	next_pos bigint NOT NULL CHECK (next_pos >= 0),
	PRIMARY KEY (consumer_group, topic, part)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE sidecar.state (
	key text COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(key) <= 2048),
	value text NOT NULL,
	etag uuid NOT NULL DEFAULT gen_random_uuid(),
	expires_at timestamptz
) WITH (fillfactor = 85);
CREATE INDEX state_by_expiry ON sidecar.state (expires_at) WHERE expires_at IS NOT NULL;

-- tick_at is when it is meant to fire, due_at when it is tried: later than tick_at while failures are repeated.
CREATE TABLE sidecar.jobs (
	app_id text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL CHECK (octet_length(name) <= 500),
	version uuid NOT NULL DEFAULT gen_random_uuid(),
	tick_at timestamptz NOT NULL,
	due_at timestamptz NOT NULL,
	schedule text,
	-- Ticks still to come, this one included; null: no end.
	ticks_left integer CHECK (ticks_left > 0),
	expires_at timestamptz,
	data text,
	-- What follows a failure: retry_ms later again, at most max_retries times (null: no end); 0 times: never.
	retry_ms bigint NOT NULL CHECK (retry_ms >= 0),
	max_retries integer CHECK (max_retries >= 0),
	retries integer NOT NULL DEFAULT 0,
	PRIMARY KEY (app_id, name)
) WITH (fillfactor = 85);
CREATE INDEX jobs_by_due ON sidecar.jobs (app_id, due_at);

GRANT USAGE ON SCHEMA todod TO todod_sidecar;
GRANT SELECT ON todod.migrations TO todod_sidecar;
GRANT USAGE ON SCHEMA sidecar TO todod_sidecar;
GRANT SELECT, INSERT, UPDATE ON sidecar.lease TO todod_sidecar;
GRANT SELECT, INSERT, DELETE ON sidecar.records TO todod_sidecar;
GRANT SELECT, INSERT, UPDATE, DELETE ON sidecar.progress TO todod_sidecar;
GRANT SELECT, INSERT, UPDATE, DELETE ON sidecar.state TO todod_sidecar;
GRANT SELECT, INSERT, UPDATE, DELETE ON sidecar.jobs TO todod_sidecar;
