-- 100,000 tasks over 200 users, 500 each, created over the last year. The trigger of the table folds titles and makes the search vectors.
INSERT INTO todod.tasks (user_id, id, title, description, priority, created_at, updated_at)
SELECT 'bench-' || n % 200, 10000000 + n, 'Task ' || n || ' of the benchmark', repeat('word ', 20), n % 4,
	now() - n * interval '5 minutes', now() - n * interval '5 minutes'
FROM generate_series(0, 99999) n;
INSERT INTO todod.user_counters (user_id, tasks) SELECT 'bench-' || n, 500 FROM generate_series(0, 199) n;
SELECT setval('todod.task_id_blocks', 20000001, false);
VACUUM ANALYZE todod.tasks, todod.user_counters;
