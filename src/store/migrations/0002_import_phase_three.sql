-- The tasks of the product's older version, which kept them in public.tasks (or public.task), are copied with their
-- ids; the old table stays as it is. Its times carry no zone and were written in UTC. A row without a user
-- can't belong to anybody and is left behind. A database without such a table is left alone.

-- FORCE hides rows from the owner as well; within this transaction the owner copies them.
ALTER TABLE todod.tasks NO FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.user_counters NO FORCE ROW LEVEL SECURITY;

DO $$
DECLARE
	old regclass;
	clashes bigint;
BEGIN
	FOR old IN
		SELECT c.oid FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('task', 'tasks') AND c.relkind IN ('r', 'p')
			AND (SELECT count(*) FROM pg_catalog.pg_attribute a
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname IN
				('id', 'user_id', 'title', 'description', 'completed', 'created_at', 'updated_at')) = 7
		ORDER BY c.relname DESC
	LOOP
		EXECUTE format('SELECT count(*) FROM %s o JOIN todod.tasks t ON t.id = o.id', old) INTO clashes;
		IF clashes > 0 THEN
			RAISE EXCEPTION '% ids of % are taken by the tasks copied before: rename the table that is not wanted',
				clashes, old;
		END IF;
		-- A timestamp without zone is read in the session's zone by the cast.
		PERFORM set_config('TimeZone', 'UTC', true);
		EXECUTE format($copy$
			INSERT INTO todod.tasks (user_id, id, title, description, completed, completed_at, created_at, updated_at)
			SELECT user_id::text, id, title, nullif(description, ''), coalesce(completed, false),
				CASE WHEN completed THEN coalesce(updated_at, created_at, now())::timestamptz END,
				coalesce(created_at, updated_at, now())::timestamptz,
				coalesce(updated_at, created_at, now())::timestamptz
			FROM %s WHERE user_id::text <> '' $copy$, old);
	END LOOP;
END
$$;

INSERT INTO todod.user_counters (user_id, tasks) SELECT user_id, count(*) FROM todod.tasks GROUP BY user_id;
-- The next block starts after the highest id.
SELECT setval('todod.task_id_blocks', (max(id) + 63) / 64 * 64 + 1, false) FROM todod.tasks HAVING max(id) IS NOT NULL;

ALTER TABLE todod.tasks FORCE ROW LEVEL SECURITY;
ALTER TABLE todod.user_counters FORCE ROW LEVEL SECURITY;
