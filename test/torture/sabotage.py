# SPDX-License-Identifier: Apache-2.0
"""
Faults made by hand, as a superuser, while all else is well: proof that a run finds what it looks for. Each is a user's own, so
that what is found can be told apart. Users with an even number get mails, the others notifications.
"""
import collections

from mailboxes import REMINDER
from writers import Request

# also: what may be found as well, in consequence.
Fault = collections.namedtuple("Fault", "words kind what user also", defaults=[None])

FAULTS = [
    Fault("an event that is taken out of the outbox before it is published", "lost", "task-events", "torture-0", "unexpected"),
    Fault("an event that is held back until a later one of its task is there", "out of order", "task-events", "torture-1"),
    Fault("an event of a change that nobody made", "unexpected", "task-events", "torture-2"),
    Fault("an inbox that lets events in twice", "doubled", "task-events", "torture-3"),
    Fault("a task that is changed in the database", "lost", "tasks", "torture-4"),
    Fault("a task that is deleted from the database", "lost", "tasks", "torture-5"),
    Fault("a row of the trail that is changed in the database", "verify", "audit", "torture-6"),
    Fault("jobs that fire at once", "early", "effects", "torture-7"),
    Fault("a mail that got lost", "lost", "effects", "torture-8"),
    Fault("a completed task of which nobody knows that it is to be followed", "lost", "successors", "torture-9"),
    Fault("a mail that comes twice", "doubled", "effects", "torture-10"),
]
USERS = 11

# The first event of a change of each user concerned. What is taken out of the outbox must not be kept by doubling.sql.
OUTBOX = """
CREATE TABLE torture.held AS SELECT * FROM todod.outbox WHERE false;
CREATE TABLE torture.hit (user_id text PRIMARY KEY);

CREATE FUNCTION torture.take_out(e todod.outbox) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	INSERT INTO torture.kept_once VALUES (e.event_id);
	DELETE FROM todod.outbox WHERE part = e.part AND id = e.id;
$$;

CREATE FUNCTION torture.put(e todod.outbox) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
	INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event)
	VALUES (e.event_id, e.topic, e.part, e.user_id, e.sequence, e.event);
$$;

CREATE FUNCTION torture.make_up(e todod.outbox) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	id text = gen_random_uuid();
	made jsonb = jsonb_set(jsonb_set(jsonb_set(e.event::jsonb, '{id}', to_jsonb(id)), '{data,event_id}', to_jsonb(id)),
		'{data,sequence}', '1000');
BEGIN
	e.event_id = id::uuid; e.sequence = 1000; e.event = made::text;
	PERFORM torture.put(e);
END
$$;

CREATE FUNCTION torture.sabotage() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	earlier todod.outbox;
BEGIN
	IF new.topic <> 'task-events' THEN
		RETURN NULL;
	END IF;
	SELECT * INTO earlier FROM torture.held h WHERE h.user_id = new.user_id AND new.sequence = h.sequence + 1
		AND h.event::jsonb #>> '{data,task_id}' = new.event::jsonb #>> '{data,task_id}';
	IF FOUND THEN
		DELETE FROM torture.held;
		PERFORM torture.put(earlier);
	END IF;
	IF new.event::jsonb ->> 'source' <> 'chat-api' OR new.event::jsonb ->> 'type' NOT IN ('task.updated', 'task.completed', 'task.reopened') THEN
		RETURN NULL;
	END IF;
	INSERT INTO torture.hit VALUES (new.user_id) ON CONFLICT DO NOTHING;
	IF FOUND AND new.user_id = 'torture-0' THEN
		PERFORM torture.take_out(new);
	ELSIF FOUND AND new.user_id = 'torture-1' THEN
		INSERT INTO torture.held SELECT new.*;
		PERFORM torture.take_out(new);
	ELSIF FOUND AND new.user_id = 'torture-2' THEN
		PERFORM torture.make_up(new);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER sabotage AFTER INSERT ON todod.outbox FOR EACH ROW EXECUTE FUNCTION torture.sabotage();

ALTER TABLE todod.audit DROP CONSTRAINT audit_event_id;
CREATE UNIQUE INDEX audit_event_id ON todod.audit (event_id) WHERE user_id <> 'torture-3' OR n > 20;

CREATE FUNCTION torture.fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	new.tick_at = now(); new.due_at = now();
	RETURN new;
END
$$;
CREATE TRIGGER fire BEFORE INSERT OR UPDATE ON sidecar.jobs FOR EACH ROW WHEN (new.data::jsonb ->> 'user_id' = 'torture-7')
	EXECUTE FUNCTION torture.fire();

CREATE FUNCTION torture.forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RETURN NULL;
END
$$;
CREATE TRIGGER forget BEFORE INSERT ON todod.unsettled_tasks FOR EACH ROW WHEN (new.user_id = 'torture-9')
	EXECUTE FUNCTION torture.forget();
GRANT USAGE ON SCHEMA torture TO PUBLIC;
"""

AFTERWARDS = """
UPDATE todod.tasks SET title = 'something else' WHERE (user_id, id) IN (SELECT user_id, min(id) FROM todod.tasks
	WHERE user_id = 'torture-4' GROUP BY user_id);
DELETE FROM todod.tasks WHERE (user_id, id) IN (SELECT user_id, min(id) FROM todod.tasks WHERE user_id = 'torture-5'
	GROUP BY user_id);
ALTER TABLE todod.audit DISABLE TRIGGER USER;
UPDATE todod.audit SET stored_at = stored_at + interval '1 second' WHERE user_id = 'torture-6' AND n = 3;
"""


def prepare(database):
    database.rows(OUTBOX)


def release(database, writers):
    """What is held back comes after a later event of its task; if there was none yet, there is one now. When all have stopped writing."""
    for task, in database.rows("SELECT event::jsonb #>> '{data,task_id}' FROM torture.held"):
        writer = next(w for w in writers.all if w.user.name == "torture-1")
        writer.write(Request("edit", "PUT", f"{writer.api.tasks}/{task}", {"title": writer.new_word()}, int(task)))


def reminders_in(mailbox, user):
    return [m for m in mailbox.mails if m.recipient == f"{user}@example.org" and REMINDER.fullmatch(m.message_id or "")]


def damage(database, mailbox):
    """When all is delivered, and before it is looked at."""
    database.rows(AFTERWARDS)
    lost, doubled = (reminders_in(mailbox, user)[0] for user in ("torture-8", "torture-10"))
    mailbox.mails.remove(lost)
    mailbox.mails.append(doubled._replace(at=doubled.at + 1))


def is_found(fault, report, verified):
    if fault.kind == "verify":
        return verified == [{"fault": "changed", "user": fault.user, "n": 3}]
    return any(fault[1:3] == found[:2] and found[2].startswith(fault.user + ":") for found in report.faults)


def judge(report, verified):
    """What was not found, and what was found that nobody did."""
    missed = [f"not found: {f.words}" for f in FAULTS if not is_found(f, report, verified)]
    done = {(kind, f.user) for f in FAULTS for kind in (f.kind, f.also)}
    more = [f"nobody did this: {kind}: {words}" for kind, _, words in report.faults if (kind, words.partition(":")[0]) not in done]
    return missed + more
