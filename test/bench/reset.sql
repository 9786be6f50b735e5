-- Takes back what one measurement created, so that each starts from the same tables.
DELETE FROM todod.tasks WHERE id >= 20000000;
UPDATE todod.user_counters SET tasks = 500 WHERE user_id LIKE 'bench-%' AND tasks <> 500;
TRUNCATE todod.outbox;
VACUUM ANALYZE todod.tasks, todod.user_counters, todod.outbox;
CHECKPOINT;
