-- Relays publish the outbox. Each holds some of its 16 partitions under a lease, so that one alone reads a
-- partition and the order of a user's events is kept. Rows instead of advisory locks, and the database's clock: both work behind a
-- transaction pooler.

DO $$
BEGIN
	CREATE ROLE todod_relay NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION
	WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- Every relay that runs: how many there are decides how many partitions are one's share.
CREATE TABLE todod.outbox_relays (
	id uuid PRIMARY KEY,
	until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE todod.outbox_leases (
	part smallint PRIMARY KEY CHECK (part BETWEEN 0 AND 15),
	owner uuid,
	until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO todod.outbox_leases (part) SELECT generate_series(0, 15);

-- The events of all users, to read and to take away, and nothing else of theirs.
CREATE POLICY relay_reads ON todod.outbox FOR SELECT TO todod_relay USING (true);
CREATE POLICY relay_removes ON todod.outbox FOR DELETE TO todod_relay USING (true);

GRANT USAGE ON SCHEMA todod TO todod_relay;
GRANT SELECT, DELETE ON todod.outbox TO todod_relay;
GRANT SELECT, UPDATE ON todod.outbox_leases TO todod_relay;
GRANT SELECT, INSERT, UPDATE, DELETE ON todod.outbox_relays TO todod_relay;
