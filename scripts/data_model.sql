-- What the plans in docs/data-model.md are made over: a user with nearly 10,000 tasks (as many as one may have) among 100,000
-- tasks of 1,000 others, and everything else in proportion, so that no table is small enough to be read as a whole.
CREATE TEMPORARY TABLE owner AS
SELECT 'other-' || n AS user_id, 1000000 + n * 100 AS first_id, 100 AS tasks FROM generate_series(0, 999) n
UNION ALL SELECT 'planner', 2000000, 9900;

INSERT INTO todod.user_counters (user_id, tasks, tags) SELECT user_id, tasks, 10 FROM owner;
INSERT INTO todod.preferences (user_id, time_zone, channels, updated_at)
SELECT user_id, 'Europe/Berlin', 6, now() FROM owner WHERE user_id <> 'planner';
INSERT INTO todod.tags (user_id, key, name, color)
SELECT user_id, 'tag ' || n, 'tag ' || n, '#808080' FROM owner, generate_series(0, 9) n;
INSERT INTO todod.tasks (user_id, id, title, description, priority, completed, completed_at, created_at, updated_at, due_at,
	overdue_at, time_zone, tags, title_key, search)
SELECT user_id, first_id + n, 'task ' || n, 'word ' || n % 100 || ' of its description', n % 4, n % 5 = 0,
	CASE WHEN n % 5 = 0 THEN now() END, now() - n * interval '5 minutes', now() - n * interval '5 minutes',
	now() + (n - 50) * interval '1 hour', now() + (n - 50) * interval '1 hour', 'Europe/Berlin', 'tag ' || n % 10,
	'task ' || n, to_tsvector('simple', 'task ' || n || ' word ' || n % 100 || ' of its description')
FROM owner, LATERAL generate_series(0, tasks - 1) n;
INSERT INTO todod.task_tags (user_id, key, task_id) SELECT user_id, tags, id FROM todod.tasks;
INSERT INTO todod.reminders (user_id, task_id, id, remind_at, offset_minutes)
SELECT user_id, id, gen_random_uuid(), due_at, 0 FROM todod.tasks WHERE id % 4 = 0;
INSERT INTO todod.deleted_tasks (user_id, deleted_at, id)
SELECT user_id, now() - n * interval '1 hour', first_id + 900000000 + n FROM owner, LATERAL generate_series(1, tasks / 5) n;
INSERT INTO todod.idempotency_keys (user_id, method, path, key, body_sha256, status, answer)
SELECT user_id, 'POST', '/api/' || user_id || '/tasks', 'key-' || n, decode(repeat('00', 32), 'hex'), 201, '{}'
FROM owner, LATERAL generate_series(1, tasks / 10) n;
SELECT setval('todod.task_id_blocks', 3000001, false);
VACUUM ANALYZE;
