-- Tasks, how many a user holds, the events of their changes, and answers kept for repeated requests.
-- Everything is in schema todod, owned by whoever migrates; the services get narrow roles that own nothing.
-- Each table forces row-level security, so that a statement that forgot its user sees and changes no row.

DO $$
BEGIN
	CREATE ROLE todod_api NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION
	-- Roles belong to the cluster: another database of it may have made the role, even this moment.
	WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- One step hands out 64 ids, n to n + 63, so that a process asks once for many tasks.
CREATE SEQUENCE todod.task_id_blocks AS bigint INCREMENT BY 64 START WITH 1;

-- The primary key leads with the user: what refers to a task refers to a task of that user.
CREATE TABLE todod.tasks (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	id bigint NOT NULL CHECK (id > 0),
	title text NOT NULL,
	description text,
	completed boolean NOT NULL DEFAULT false,
	completed_at timestamptz,
	priority smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 3),
	version bigint NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, id),
	CHECK (completed = (completed_at IS NOT NULL))
) WITH (fillfactor = 85);
CREATE INDEX tasks_by_creation ON todod.tasks (user_id, created_at DESC, id DESC);

-- The exact number of tasks of a user: the quota is checked against it, and lists show it.
CREATE TABLE todod.user_counters (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> '') PRIMARY KEY,
	tasks integer NOT NULL CHECK (tasks >= 0)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);

-- Events written in the transaction of their change; a relay publishes them in order of id and deletes them.
CREATE TABLE todod.outbox (
	id bigint GENERATED ALWAYS AS IDENTITY,
	event_id uuid NOT NULL,
	topic text NOT NULL,
	part smallint NOT NULL CHECK (part BETWEEN 0 AND 15),
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	sequence bigint NOT NULL,
	event text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (part, id),
	UNIQUE (user_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE todod.idempotency_keys (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	method text COLLATE "C" NOT NULL,
	path text COLLATE "C" NOT NULL CHECK (octet_length(path) <= 1024),
	key text COLLATE "C" NOT NULL CHECK (octet_length(key) <= 255),
	body_sha256 bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
	status smallint NOT NULL,
	etag text,
	location text,
	answer text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (user_id, method, path, key)
);
CREATE INDEX idempotency_keys_by_age ON todod.idempotency_keys (created_at);

ALTER TABLE todod.tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.tasks FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.user_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.user_counters FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.idempotency_keys FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON todod.tasks
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.user_counters
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.outbox
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.idempotency_keys FOR SELECT
	USING (user_id = current_setting('app.user_id', true));
CREATE POLICY own_new_rows ON todod.idempotency_keys FOR INSERT
	WITH CHECK (user_id = current_setting('app.user_id', true));
-- An answer that may still be asked for cannot be removed, not even by its user.
CREATE POLICY own_expired_rows ON todod.idempotency_keys FOR DELETE
	USING (user_id = current_setting('app.user_id', true) AND created_at < now() - interval '24 hours');

GRANT USAGE ON SCHEMA todod TO todod_api;
GRANT SELECT ON todod.migrations TO todod_api;
GRANT USAGE ON SEQUENCE todod.task_id_blocks TO todod_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON todod.tasks TO todod_api;
GRANT SELECT, INSERT, UPDATE ON todod.user_counters TO todod_api;
GRANT INSERT ON todod.outbox TO todod_api;
GRANT SELECT, INSERT, DELETE ON todod.idempotency_keys TO todod_api;
