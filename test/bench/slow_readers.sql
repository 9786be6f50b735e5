-- Four users with as many tasks as a user may have.
INSERT INTO todod.tasks (user_id, id, title, description, created_at, updated_at)
SELECT 'slow-' || u, 15000000 + u * 10000 + n, 'Task ' || n || ' of a long list', repeat('word ', 20),
	now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(0, 3) u, generate_series(0, 9999) n;
INSERT INTO todod.user_counters (user_id, tasks) SELECT 'slow-' || u, 10000 FROM generate_series(0, 3) u;
VACUUM ANALYZE todod.tasks, todod.user_counters;
