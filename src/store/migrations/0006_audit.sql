-- What happened, for good: a chain of rows for each user, whose payloads are sealed under a key of that user, and signed
-- checkpoints of the chains' heads. Rows are added and never changed, by nobody but a superuser, and what he changes
-- shows when the chain is verified. Dead letters, and leases for work that one process at a time does.

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['todod_audit_writer', 'todod_audit_checker', 'todod_audit_eraser'] LOOP
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
		EXCEPTION
			-- Roles belong to the cluster: another database of it may have made the role, even this moment.
			WHEN duplicate_object OR unique_violation THEN NULL;
		END;
	END LOOP;
END
$$;

-- h covers every other column and the h before it: see docs/audit.md. An event id is there once, whoever's event it is:
-- that is how an event that comes back under another user's name is found out.
CREATE TABLE todod.audit (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	n bigint NOT NULL CHECK (n > 0),
	event_id text COLLATE "C" NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 256),
	topic text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL CHECK (octet_length(type) <= 256),
	task_id bigint,
	sequence bigint,
	at timestamptz NOT NULL,
	identity bytea NOT NULL CHECK (octet_length(identity) = 32),
	key_version integer NOT NULL CHECK (key_version >= 0),
	payload bytea NOT NULL,
	h bytea NOT NULL CHECK (octet_length(h) = 32),
	stored_at timestamptz NOT NULL,
	PRIMARY KEY (user_id, n),
	CONSTRAINT audit_event_id UNIQUE (event_id)
);
-- Sealed bytes cannot be compressed.
ALTER TABLE todod.audit ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX audit_by_task ON todod.audit (user_id, task_id, sequence) WHERE task_id IS NOT NULL;
-- Rows lie in the order they came: which are new is found in a few pages.
CREATE INDEX audit_by_time ON todod.audit USING brin (stored_at) WITH (pages_per_range = 16, autosummarize = on);

-- The key of a user, wrapped by a key that is not in this database. Who deletes it erases what it sealed.
CREATE TABLE todod.audit_keys (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	version integer NOT NULL CHECK (version > 0),
	wrapped bytea NOT NULL,
	PRIMARY KEY (user_id, version)
);

-- Each is signed, and prev is the SHA-256 of the signature before it. No head that was stored before `covers` is missing
-- from the checkpoints up to this one.
CREATE TABLE todod.audit_checkpoints (
	seq bigint PRIMARY KEY CHECK (seq > 0),
	at timestamptz NOT NULL,
	covers timestamptz NOT NULL,
	heads text NOT NULL,
	prev bytea NOT NULL CHECK (octet_length(prev) = 32),
	signature text NOT NULL
);

CREATE FUNCTION todod.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
-- A statement is refused even when it finds no row; the row triggers are for what comes by replication, which runs no
-- others. ALWAYS: also with session_replication_role = replica.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON todod.audit
	FOR EACH STATEMENT EXECUTE FUNCTION todod.refuse_change();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON todod.audit
	FOR EACH ROW EXECUTE FUNCTION todod.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON todod.audit_checkpoints
	FOR EACH STATEMENT EXECUTE FUNCTION todod.refuse_change();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON todod.audit_checkpoints
	FOR EACH ROW EXECUTE FUNCTION todod.refuse_change();
ALTER TABLE todod.audit ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE todod.audit ENABLE ALWAYS TRIGGER append_only_rows;
ALTER TABLE todod.audit_checkpoints ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE todod.audit_checkpoints ENABLE ALWAYS TRIGGER append_only_rows;

ALTER TABLE todod.audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.audit FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.audit_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.audit_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON todod.audit
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.audit_keys
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
-- Whose chain ends where, of all users: for checkpoints, and for `todod audit verify`, which the owner may run too.
CREATE POLICY checker_reads ON todod.audit FOR SELECT TO todod_audit_checker, CURRENT_USER USING (true);

-- What a consumer could not take, as it came. A record that can be read is known by the identity of its event, however it
-- was written again on its way; another by the SHA-256 of its bytes. Who can be read has a user, and only that is replayed.
CREATE TABLE todod.dead_letters (
	id uuid PRIMARY KEY,
	topic text COLLATE "C" NOT NULL,
	received_at timestamptz NOT NULL DEFAULT now(),
	body bytea NOT NULL,
	record bytea NOT NULL CHECK (octet_length(record) = 32),
	event_id text COLLATE "C",
	-- What the record says, which nobody checked: not a row of that user.
	claimed_user_id text COLLATE "C",
	reason text NOT NULL,
	replays integer NOT NULL DEFAULT 0 CHECK (replays >= 0),
	next_replay_at timestamptz,
	resolved_at timestamptz,
	CONSTRAINT dead_letters_record UNIQUE (topic, record)
);
CREATE INDEX dead_letters_open ON todod.dead_letters (event_id) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_due ON todod.dead_letters (next_replay_at) WHERE resolved_at IS NULL;
CREATE INDEX dead_letters_by_age ON todod.dead_letters (received_at);

-- Work that one process at a time does; a lease runs out by the database's clock.
CREATE TABLE todod.leases (
	name text COLLATE "C" PRIMARY KEY,
	owner uuid NOT NULL,
	until timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT USAGE ON SCHEMA todod TO todod_audit_writer, todod_audit_checker, todod_audit_eraser;
GRANT SELECT ON todod.migrations TO todod_audit_writer, todod_audit_checker, todod_audit_eraser;
GRANT SELECT, INSERT ON todod.audit, todod.audit_keys, todod.audit_checkpoints TO todod_audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON todod.dead_letters TO todod_audit_writer;
GRANT SELECT, INSERT, UPDATE ON todod.leases TO todod_audit_writer;
GRANT SELECT (user_id, n, h, stored_at) ON todod.audit TO todod_audit_checker;
GRANT SELECT ON todod.audit_checkpoints TO todod_audit_checker;
GRANT SELECT (user_id, version), DELETE ON todod.audit_keys TO todod_audit_eraser;
