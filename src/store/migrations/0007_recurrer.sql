-- What the service recurrer works on: recurring tasks whose next instance is to be made or taken back, reminders whose time
-- has come, and which events it has dealt with. Two narrow roles: todod_recurrer works in the name of one user at a time;
-- todod_sweeper finds what is due, of all users, and may put nothing but reminders' events into the outbox.

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['todod_recurrer', 'todod_sweeper'] LOOP
		BEGIN
			EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
		EXCEPTION
			-- Roles belong to the cluster: another database of it may have made the role, even this moment.
			WHEN duplicate_object OR unique_violation THEN NULL;
		END;
	END LOOP;
END
$$;

-- The inbox: an event that a consumer has dealt with is there, by the transaction of its effect.
CREATE TABLE todod.processed_events (
	consumer text COLLATE "C" NOT NULL,
	event_id text COLLATE "C" NOT NULL CHECK (octet_length(event_id) BETWEEN 1 AND 256),
	processed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (consumer, event_id)
);
CREATE INDEX processed_events_by_time ON todod.processed_events USING brin (processed_at)
	WITH (pages_per_range = 16, autosummarize = on);

-- An instance knows the one before it.
CREATE INDEX tasks_by_parent ON todod.tasks (user_id, parent_task_id) WHERE parent_task_id IS NOT NULL;

-- Recurring tasks that were completed or reopened and have not been dealt with since. The row comes with the change itself, so
-- that no lost event loses a next instance; it goes with the next instance, so that there is one for each completion, also
-- when that one is deleted. look_at: from when on the sweep, too, looks at it.
CREATE TABLE todod.unsettled_tasks (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	task_id bigint NOT NULL,
	look_at timestamptz NOT NULL DEFAULT now() + interval '5 seconds',
	PRIMARY KEY (user_id, task_id),
	FOREIGN KEY (user_id, task_id) REFERENCES todod.tasks ON DELETE CASCADE
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX unsettled_tasks_by_time ON todod.unsettled_tasks (look_at);

-- As the owner, so that the service that writes tasks needs no right to this table.
CREATE FUNCTION todod.note_unsettled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO todod.unsettled_tasks (user_id, task_id) VALUES (NEW.user_id, NEW.id)
	ON CONFLICT (user_id, task_id) DO UPDATE SET look_at = excluded.look_at;
	RETURN NULL;
END
$$;
CREATE TRIGGER note_completed AFTER INSERT ON todod.tasks FOR EACH ROW
	WHEN (NEW.completed AND NEW.series_id IS NOT NULL)
	EXECUTE FUNCTION todod.note_unsettled();
-- Also a completed one that begins to recur, or for longer.
CREATE TRIGGER note_changed AFTER UPDATE ON todod.tasks FOR EACH ROW
	WHEN ((OLD.completed <> NEW.completed AND coalesce(OLD.series_id, NEW.series_id) IS NOT NULL)
		OR (NEW.completed AND NEW.series_id IS NOT NULL
			AND (OLD.series_id, OLD.recurrence_end_at, OLD.recurrence_end_day)
			IS DISTINCT FROM (NEW.series_id, NEW.recurrence_end_at, NEW.recurrence_end_day)))
	EXECUTE FUNCTION todod.note_unsettled();

-- The relay of recurrer only stands in for those of chat-api, which know when there is something to publish.
ALTER TABLE todod.outbox_relays ADD COLUMN stands_in boolean NOT NULL DEFAULT false;

ALTER TABLE todod.reminders
	-- Before then the sweep leaves a live one alone: it is under way, or its next try is then.
	ADD COLUMN retry_at timestamptz,
	-- How often it was triggered since it last was told what became of it: each time the sweep waits longer.
	ADD COLUMN triggers smallint NOT NULL DEFAULT 0;
-- What the sweep walks over, from the oldest on.
CREATE INDEX reminders_live ON todod.reminders (remind_at) WHERE status <= 2;

-- Completed before there was anybody to make the next one. (FORCE would hide the rows from the owner.)
ALTER TABLE todod.tasks NO FORCE ROW LEVEL SECURITY;
INSERT INTO todod.unsettled_tasks (user_id, task_id)
SELECT t.user_id, t.id FROM todod.tasks t WHERE t.completed AND t.series_id IS NOT NULL AND NOT EXISTS (
	SELECT FROM todod.tasks n WHERE n.user_id = t.user_id AND n.series_id = t.series_id AND n.occurrence = t.occurrence + 1);
ALTER TABLE todod.tasks FORCE ROW LEVEL SECURITY;

ALTER TABLE todod.unsettled_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.unsettled_tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON todod.unsettled_tasks
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));

CREATE POLICY sweeper_reads ON todod.unsettled_tasks FOR SELECT TO todod_sweeper USING (true);
CREATE POLICY sweeper_reads ON todod.tasks FOR SELECT TO todod_sweeper USING (true);
CREATE POLICY sweeper_reads ON todod.reminders FOR SELECT TO todod_sweeper USING (true);
CREATE POLICY sweeper_triggers ON todod.reminders FOR UPDATE TO todod_sweeper USING (status <= 2) WITH CHECK (status = 1);
CREATE POLICY sweeper_reads ON todod.outbox FOR SELECT TO todod_sweeper USING (topic = 'reminders');
CREATE POLICY sweeper_adds ON todod.outbox FOR INSERT TO todod_sweeper WITH CHECK (topic = 'reminders');

GRANT USAGE ON SCHEMA todod TO todod_recurrer, todod_sweeper;
GRANT SELECT ON todod.migrations TO todod_recurrer, todod_sweeper;

GRANT USAGE ON SEQUENCE todod.task_id_blocks TO todod_recurrer;
GRANT SELECT, INSERT, DELETE, UPDATE (version, updated_at) ON todod.tasks TO todod_recurrer;
GRANT SELECT, UPDATE (tasks) ON todod.user_counters TO todod_recurrer;
GRANT INSERT ON todod.task_tags, todod.deleted_tasks, todod.outbox TO todod_recurrer;
GRANT SELECT, INSERT, UPDATE (status, sent_at, retry_count, last_error, retry_at, triggers) ON todod.reminders TO todod_recurrer;
GRANT SELECT ON todod.preferences TO todod_recurrer;
GRANT SELECT, UPDATE (look_at), DELETE ON todod.unsettled_tasks TO todod_recurrer;
GRANT SELECT, INSERT, DELETE ON todod.processed_events TO todod_recurrer;
GRANT SELECT, INSERT, UPDATE ON todod.leases TO todod_recurrer;

GRANT SELECT (user_id, task_id, look_at) ON todod.unsettled_tasks TO todod_sweeper;
GRANT SELECT (user_id, id, title, due_at, due_day, time_zone) ON todod.tasks TO todod_sweeper;
GRANT SELECT (user_id, task_id, id, remind_at, channels, status, version, retry_at, triggers),
	UPDATE (status, retry_at, triggers) ON todod.reminders TO todod_sweeper;
GRANT SELECT (user_id, topic), INSERT (event_id, topic, part, user_id, sequence, event) ON todod.outbox TO todod_sweeper;
