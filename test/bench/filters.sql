-- Users whose lists are searched, filtered and sorted: with 1,000 tasks, with 10,000 (as many as a user may have), and one
-- with 5,000 that share a tag. Three fifths have a due date, a fifth is completed, each has two tags, a tenth a reminder.
CREATE TEMPORARY TABLE bench_users AS
SELECT * FROM (VALUES ('filter-1000', 1000, 16000000), ('filter-10000', 10000, 16100000), ('rename-5000', 5000, 16200000))
	AS u(user_id, tasks, first_id);

CREATE FUNCTION pg_temp.bench_word(n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT (ARRAY['write', 'call', 'mail', 'plan', 'buy', 'sell', 'fix', 'check', 'report', 'letter', 'budget', 'garden',
	'kitchen', 'window', 'doctor', 'dentist', 'school', 'teacher', 'train', 'ticket', 'flight', 'hotel', 'invoice', 'tax',
	'bank', 'rent', 'dog', 'cat', 'milk', 'bread', 'coffee', 'lamp', 'chair', 'table', 'paper', 'phone', 'laptop', 'server',
	'backup', 'release', 'review', 'meeting', 'agenda', 'notes', 'slides', 'customer', 'contract', 'lawyer'])
	[1 + abs(hashint8(n)) % 48]
$$;

INSERT INTO todod.user_counters (user_id, tasks, tags) SELECT user_id, tasks, 20 FROM bench_users;
INSERT INTO todod.tags (user_id, key, name, color)
SELECT user_id, 'tag ' || n, 'Tag ' || n, '#2f855a' FROM bench_users, generate_series(0, 19) n;

INSERT INTO todod.tasks (user_id, id, title, description, priority, completed, completed_at, created_at, updated_at,
	due_at, overdue_at, time_zone, tags)
SELECT u.user_id, u.first_id + n,
	initcap(pg_temp.bench_word(n * 4)) || ' ' || pg_temp.bench_word(n * 4 + 1) || ' ' || n,
	(SELECT string_agg(pg_temp.bench_word(n * 100 + i), ' ') FROM generate_series(10, 24) i),
	n % 4, n % 5 = 0, CASE WHEN n % 5 = 0 THEN now() END, now() - n * interval '5 minutes', now() - n * interval '5 minutes',
	CASE WHEN n % 5 < 3 THEN now() + (n % 1000 - 300) * interval '1 hour' END,
	CASE WHEN n % 5 < 3 THEN now() + (n % 1000 - 300) * interval '1 hour' END,
	CASE WHEN n % 5 < 3 THEN 'Europe/Berlin' END, 'Tag 0' || E'\n' || 'Tag ' || 1 + n % 19
FROM bench_users u, LATERAL generate_series(0, u.tasks - 1) n;

INSERT INTO todod.task_tags (user_id, key, task_id)
SELECT u.user_id, k, u.first_id + n
FROM bench_users u, LATERAL generate_series(0, u.tasks - 1) n, LATERAL (VALUES ('tag 0'), ('tag ' || 1 + n % 19)) t(k);
INSERT INTO todod.reminders (user_id, task_id, id, remind_at, offset_minutes)
SELECT user_id, id, gen_random_uuid(), due_at - interval '30 minutes', 30
FROM todod.tasks WHERE id BETWEEN 16000000 AND 16999999 AND due_at IS NOT NULL AND id % 6 = 0;
VACUUM ANALYZE todod.tasks, todod.tags, todod.task_tags, todod.reminders, todod.user_counters;
