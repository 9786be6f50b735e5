-- Due dates, tags, reminders, recurrence, search and preferences; the ids of deleted tasks, for clients that sync.
-- Every column that is new has a default, so that the release before goes on writing tasks while this one rolls out.

ALTER TABLE todod.tasks
	-- When it is due: an instant, or (due_day: days since 1970-01-01) all of a day, whose local midnight is due_at.
	ADD COLUMN due_at timestamptz,
	ADD COLUMN due_day integer,
	-- From when on an open task is overdue: due_at, or the midnight after due_day.
	ADD COLUMN overdue_at timestamptz,
	ADD COLUMN time_zone text,
	-- The names of its tags as shown, in the user's order, a line each; task_tags has their keys.
	ADD COLUMN tags text NOT NULL DEFAULT '',
	ADD COLUMN recurrence_rule text,
	ADD COLUMN recurrence_mode smallint NOT NULL DEFAULT 0 CHECK (recurrence_mode BETWEEN 0 AND 1),
	ADD COLUMN recurrence_end_at timestamptz,
	ADD COLUMN recurrence_end_day integer,
	ADD COLUMN series_id uuid,
	-- The clock's reading, in the task's zone, at the first date of the series: seconds as if it were UTC.
	ADD COLUMN series_start bigint,
	ADD COLUMN occurrence integer CHECK (occurrence > 0),
	ADD COLUMN parent_task_id bigint,
	-- Folded by the service, never by the server's locale: what titles are sorted by, and what is searched.
	ADD COLUMN title_key text COLLATE "C" NOT NULL DEFAULT '',
	ADD COLUMN search tsvector NOT NULL DEFAULT '',
	ADD CONSTRAINT tasks_due_complete CHECK ((due_at IS NULL) = (overdue_at IS NULL) AND (due_day IS NULL OR due_at IS NOT NULL)
		AND (due_at IS NULL OR time_zone IS NOT NULL)),
	ADD CONSTRAINT tasks_series_complete CHECK ((recurrence_rule IS NULL) = (series_id IS NULL)
		AND (series_id IS NULL) = (series_start IS NULL) AND (series_id IS NULL) = (occurrence IS NULL)
		AND (recurrence_rule IS NULL OR due_at IS NOT NULL));
-- One instance of a series for each number.
CREATE UNIQUE INDEX tasks_by_series ON todod.tasks (user_id, series_id, occurrence) WHERE series_id IS NOT NULL;

-- What the service does for a task it writes, nearly: for rows that are there already, and for those that the release
-- before writes meanwhile. A later edit makes it exact.
CREATE FUNCTION todod.fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp AS
$$ SELECT lower(regexp_replace(normalize($1, NFKD), '[\u0300-\u036f]', '', 'g')) $$;
CREATE FUNCTION todod.fold_task() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	NEW.title_key := left(todod.fold(NEW.title), 64);
	NEW.search := setweight(to_tsvector('pg_catalog.simple', todod.fold(NEW.title)), 'A')
		|| setweight(to_tsvector('pg_catalog.simple', coalesce(todod.fold(NEW.description), '')), 'D');
	RETURN NEW;
END
$$;
CREATE TRIGGER fold_task BEFORE INSERT ON todod.tasks FOR EACH ROW WHEN (NEW.title_key = '')
	EXECUTE FUNCTION todod.fold_task();

-- Tags of a user: one for each folded name. Tasks refer to tags by that key.
CREATE TABLE todod.tags (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	key text COLLATE "C" NOT NULL CHECK (key <> ''),
	name text NOT NULL CHECK (name !~ '\n'),
	color text NOT NULL CHECK (color ~ '^#[0-9a-f]{6}$'),
	-- Set while its tasks are moved, some at a time, to the tag of this key; a rename that was cut short goes on from there.
	renaming_to text COLLATE "C",
	PRIMARY KEY (user_id, key)
);
CREATE TABLE todod.task_tags (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	key text COLLATE "C" NOT NULL,
	task_id bigint NOT NULL,
	PRIMARY KEY (user_id, key, task_id),
	CONSTRAINT task_tags_tag FOREIGN KEY (user_id, key) REFERENCES todod.tags,
	FOREIGN KEY (user_id, task_id) REFERENCES todod.tasks ON DELETE CASCADE
);
CREATE INDEX task_tags_by_task ON todod.task_tags (user_id, task_id);

-- A check that fails undoes the whole statement: how many tags a user has is a bound like the number of his tasks.
ALTER TABLE todod.user_counters
	ADD COLUMN tags integer NOT NULL DEFAULT 0 CONSTRAINT user_counters_tag_quota CHECK (tags BETWEEN 0 AND 500);

CREATE TABLE todod.reminders (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	task_id bigint NOT NULL,
	id uuid NOT NULL,
	remind_at timestamptz NOT NULL,
	-- Minutes before the task is due; null: at a time of its own.
	offset_minutes integer CHECK (offset_minutes >= 0),
	-- Bits: 1 email, 2 in_app, 4 log; null: as the user prefers.
	channels smallint CHECK (channels BETWEEN 1 AND 7),
	-- 0 pending, 1 triggered, 2 retrying, 3 sent, 4 failed, 5 cancelled.
	status smallint NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 5),
	sent_at timestamptz,
	retry_count integer NOT NULL DEFAULT 0,
	last_error text,
	version bigint NOT NULL DEFAULT 1,
	PRIMARY KEY (user_id, task_id, id),
	FOREIGN KEY (user_id, task_id) REFERENCES todod.tasks ON DELETE CASCADE
);

CREATE TABLE todod.preferences (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> '') PRIMARY KEY,
	time_zone text NOT NULL,
	email text,
	email_confirmed boolean NOT NULL DEFAULT false,
	channels smallint NOT NULL CHECK (channels BETWEEN 1 AND 7),
	-- Null: a due date brings no reminder by itself.
	default_reminder_offset_minutes integer CHECK (default_reminder_offset_minutes >= 0),
	locale text,
	version bigint NOT NULL DEFAULT 1,
	updated_at timestamptz NOT NULL
);

-- Kept for 30 days, so that a client that was away hears of what is gone.
CREATE TABLE todod.deleted_tasks (
	user_id text COLLATE "C" NOT NULL CHECK (user_id <> ''),
	deleted_at timestamptz NOT NULL,
	id bigint NOT NULL,
	PRIMARY KEY (user_id, deleted_at, id)
);

ALTER TABLE todod.tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.tags FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.task_tags ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.task_tags FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.reminders ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.reminders FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.preferences FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.deleted_tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE todod.deleted_tasks FORCE ROW LEVEL SECURITY;

CREATE POLICY own_rows ON todod.tags
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.task_tags
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.reminders
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.preferences
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));
CREATE POLICY own_rows ON todod.deleted_tasks
	USING (user_id = current_setting('app.user_id', true))
	WITH CHECK (user_id = current_setting('app.user_id', true));

GRANT SELECT, INSERT, UPDATE, DELETE ON todod.tags TO todod_api;
GRANT SELECT, INSERT, DELETE ON todod.task_tags TO todod_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON todod.reminders TO todod_api;
GRANT SELECT, INSERT, UPDATE ON todod.preferences TO todod_api;
GRANT SELECT, INSERT ON todod.deleted_tasks TO todod_api;

-- FORCE hides rows from the owner as well; within this transaction the owner fills the new columns.
ALTER TABLE todod.tasks NO FORCE ROW LEVEL SECURITY;
UPDATE todod.tasks SET title_key = left(todod.fold(title), 64),
	search = setweight(to_tsvector('pg_catalog.simple', todod.fold(title)), 'A')
		|| setweight(to_tsvector('pg_catalog.simple', coalesce(todod.fold(description), '')), 'D');
ALTER TABLE todod.tasks FORCE ROW LEVEL SECURITY;
