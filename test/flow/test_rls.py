# SPDX-License-Identifier: Apache-2.0
"""Row security: what the database itself does not let a service see or change, whatever its SQL says."""
import hashlib
import json
import re
import threading

import psycopg2
import pytest

from database import COUNTED, connect, url_of
from process import BINARY, run

# Tables without a user: nothing of theirs is anybody's.
COMMON_TABLES = {"migrations", "outbox_leases", "outbox_relays", "leases", "audit_checkpoints", "dead_letters",
                 "processed_events"}


@pytest.fixture(scope="module")
def service(database):
    """The database as the service's role."""
    connection = psycopg2.connect(database.api_url)
    yield connection
    connection.close()


@pytest.fixture
def as_user(service):
    """A function that begins a transaction as some user (None: nobody said who); it is rolled back at the end."""
    def begin(user):
        service.rollback()
        cursor = service.cursor()
        if user is not None:
            cursor.execute("SELECT set_config('app.user_id', %s, true)", (user,))
        return cursor
    yield begin
    service.rollback()


def user_tables(database):
    return [row[0] for row in database.rows("""
        SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'todod'::regnamespace AND c.relkind IN ('r', 'p')
        ORDER BY 1""") if row[0] not in COMMON_TABLES]


def test_every_user_table_forces_row_security(database):
    """SE3: enabled and forced, with a policy, on each table but those that are nobody's. Policies for one narrow role are its own."""
    tables = user_tables(database)
    assert set(tables) >= {*COUNTED, "user_counters"}
    for table in tables:
        enabled, forced = database.rows("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass",
                                        f"todod.{table}")[0]
        assert enabled and forced, table
        policies = database.rows("""SELECT coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies
            WHERE schemaname = 'todod' AND tablename = %s AND 'public' = ANY(roles)""", table)
        assert policies, table
        for (condition,) in policies:
            assert "user_id = current_setting('app.user_id'::text, true)" in condition, table


def test_every_user_table_has_an_index_led_by_user_id(database):
    """SE5"""
    for table in user_tables(database):
        leaders = [row[0] for row in database.rows("""
            SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL""", f"todod.{table}")]
        assert "user_id" in leaders, table
        assert database.value("SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'user_id'",
                              f"todod.{table}"), table


def test_the_lists_use_these_indexes(database, as_user):
    """SE5: with the service's own rights, so with the policies in the plan."""
    database.rows("ANALYZE todod.tasks")
    cursor = as_user("nobody")
    for sql in ("SELECT * FROM todod.tasks WHERE user_id = 'nobody' ORDER BY created_at DESC, id DESC LIMIT 50",
                "SELECT * FROM todod.tasks WHERE user_id = 'nobody' AND id = 5",
                "SELECT * FROM todod.idempotency_keys WHERE user_id = 'nobody' AND method = 'POST' AND path = '/' AND key = 'k'"):
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        assert re.search(r"Index Cond: .*user_id = 'nobody'", plan), plan
        assert "Sort" not in plan, plan


def test_the_role_of_the_service_is_narrow(database):
    """SE3: it cannot pass row security, owns nothing, is no member of anything, and has the rights it needs."""
    role = database.rows("""SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles
        WHERE rolname = 'todod_api'""")[0]
    assert role == (False,) * 5
    assert database.value("SELECT count(*) FROM pg_shdepend WHERE refobjid = 'todod_api'::regrole AND deptype = 'o'") == 0
    assert database.value("SELECT count(*) FROM pg_auth_members WHERE member = 'todod_api'::regrole") == 0
    assert not database.value("SELECT has_schema_privilege('todod_api', 'todod', 'CREATE')")
    assert not database.value("SELECT has_schema_privilege('todod_api', 'public', 'CREATE')")
    rights = {}
    for table, right in database.rows("""SELECT table_name, privilege_type FROM information_schema.role_table_grants
            WHERE grantee = 'todod_api' AND table_schema = 'todod'"""):
        rights.setdefault(table, set()).add(right)
    assert rights == {
        "migrations": {"SELECT"}, "tasks": {"SELECT", "INSERT", "UPDATE", "DELETE"},
        "user_counters": {"SELECT", "INSERT", "UPDATE"}, "outbox": {"INSERT"},
        "idempotency_keys": {"SELECT", "INSERT", "DELETE"},
        "tags": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "task_tags": {"SELECT", "INSERT", "DELETE"},
        "reminders": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "preferences": {"SELECT", "INSERT", "UPDATE"},
        "deleted_tasks": {"SELECT", "INSERT"}}


def test_roles_of_the_database_are_those_described(database):
    """Each role that migrations give rights to is named by the role of the binary that is it, and its URL is a secret. Several
    have a relay."""
    described = {}
    for name in (line.split("\t")[0] for line in run("--list-roles").stdout.splitlines()):
        role = json.loads(run(f"--role={name}", "--describe").stdout)
        secret = {k["name"] for k in role["configuration"] if k["secret"]}
        assert ("database" in role["needs"]) == bool(role["database_roles"])
        for d in role["database_roles"]:
            assert d["key"] in secret and (d["role"] not in described or d["role"] == "todod_relay")
            described[d["role"]] = name
    granted = {row[0] for row in database.rows("""SELECT grantee FROM information_schema.role_table_grants
        WHERE table_schema IN ('todod', 'sidecar') AND grantee <> 'postgres'""")}
    assert granted == set(described)


def rights_of(database, role):
    """{table: rights}, of whole tables and of columns."""
    rights = {}
    for table, right, column in database.rows("""
            SELECT table_name, privilege_type, NULL FROM information_schema.role_table_grants
            WHERE grantee = %s AND table_schema = 'todod' UNION ALL
            SELECT c.table_name, c.privilege_type, c.column_name FROM information_schema.role_column_grants c
            WHERE c.grantee = %s AND c.table_schema = 'todod' AND NOT EXISTS (
                SELECT FROM information_schema.role_table_grants t WHERE t.grantee = c.grantee AND t.table_schema = 'todod'
                AND t.table_name = c.table_name AND t.privilege_type = c.privilege_type)""", role, role):
        rights.setdefault(table, set()).add(f"{right} {column}" if column else right)
    return rights


def columns(right, *names):
    return {f"{right} {name}" for name in names}


def test_the_roles_of_recurrer_are_narrow(database):
    """SE3: one works for a user at a time, as its policies say; the other sees what it must of all, and changes next to nothing."""
    for role in ("todod_recurrer", "todod_sweeper"):
        assert database.rows("""SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles
            WHERE rolname = %s""", role)[0] == (False,) * 5
        assert database.value("SELECT count(*) FROM pg_shdepend WHERE refobjid = %s::regrole AND deptype = 'o'", role) == 0
        assert database.value("SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", role) == 0
    assert database.value("SELECT count(*) FROM pg_policies WHERE 'todod_recurrer' = ANY(roles)") == 0
    assert rights_of(database, "todod_recurrer") == {
        "migrations": {"SELECT"}, "leases": {"SELECT", "INSERT", "UPDATE"}, "processed_events": {"SELECT", "INSERT", "DELETE"},
        "tasks": {"SELECT", "INSERT", "DELETE", *columns("UPDATE", "version", "updated_at")},
        "user_counters": {"SELECT", *columns("UPDATE", "tasks")}, "task_tags": {"INSERT"}, "deleted_tasks": {"INSERT"},
        "outbox": {"INSERT"}, "preferences": {"SELECT"}, "unsettled_tasks": {"SELECT", "DELETE", *columns("UPDATE", "look_at")},
        "reminders": {"SELECT", "INSERT", *columns("UPDATE", "status", "sent_at", "retry_count", "last_error", "retry_at",
                                                   "triggers")}}
    assert rights_of(database, "todod_sweeper") == {
        "migrations": {"SELECT"}, "unsettled_tasks": columns("SELECT", "user_id", "task_id", "look_at"),
        "tasks": columns("SELECT", "user_id", "id", "title", "due_at", "due_day", "time_zone"),
        "reminders": {*columns("SELECT", "user_id", "task_id", "id", "remind_at", "channels", "status", "version", "retry_at",
                               "triggers"), *columns("UPDATE", "status", "retry_at", "triggers")},
        "outbox": {*columns("SELECT", "user_id", "topic"),
                   *columns("INSERT", "event_id", "topic", "part", "user_id", "sequence", "event")}}


@pytest.mark.parametrize("sql", [
    "INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
    "VALUES (gen_random_uuid(), 'task-events', 0, 'rls-victim', 1, '{}')",
    "UPDATE todod.reminders SET status = 3", "UPDATE todod.reminders SET remind_at = now()", "DELETE FROM todod.reminders",
    "SELECT description FROM todod.tasks", "UPDATE todod.tasks SET title = 'x'", "SELECT event FROM todod.outbox",
    "DELETE FROM todod.unsettled_tasks", "SELECT * FROM todod.preferences", "SET ROLE todod_recurrer"])
def test_what_the_sweeper_may_not_do(database, victims, sql):
    """SE3: it puts nothing but reminders' events into the outbox, and a reminder can only become triggered by it."""
    assert victims
    with_rights = connect(database.url)
    try:
        with with_rights.cursor() as cursor:
            cursor.execute("BEGIN; SET LOCAL SESSION AUTHORIZATION todod_sweeper")
            with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.CheckViolation)):
                cursor.execute(sql)
    finally:
        with_rights.close()


def test_statements_without_where_see_one_user(api, daemon, connect_api, database, as_user):
    """SE3: no WHERE at all, and still only the rows of app.user_id; with nobody named, none."""
    other = connect_api(daemon)
    for a in (api, other):
        for i in range(3):
            a.create(f"{i}", headers={"Idempotency-Key": f"{i}"}, tags=[f"{i}"], due_date="2098-01-01")
        a.delete(a.create("gone"))
        assert a.request("PUT", f"/api/{a.quoted}/preferences", {"locale": "en"}).status == 200
    for table, n in (("tasks", 3), ("user_counters", 1), ("idempotency_keys", 3), ("tags", 3), ("task_tags", 3),
                     ("reminders", 3), ("preferences", 1), ("deleted_tasks", 1)):
        cursor = as_user(api.user)
        cursor.execute(f"SELECT user_id FROM todod.{table}")
        assert cursor.fetchall() == [(api.user,)] * n, table
        for nobody in (None, "", "nobody", api.user + " ", api.user.upper()):
            cursor = as_user(nobody)
            cursor.execute(f"SELECT count(*) FROM todod.{table}")
            assert cursor.fetchone()[0] == 0, (table, nobody)
    everything = database.rows("SELECT xmin, * FROM todod.tasks WHERE user_id = %s ORDER BY id", other.user)
    for sql in ("UPDATE todod.tasks SET title = 'x'", "UPDATE todod.tags SET color = '#ffffff'", "DELETE FROM todod.reminders",
                "DELETE FROM todod.tasks", "UPDATE todod.user_counters SET tasks = 0"):
        cursor = as_user(api.user)
        cursor.execute(sql)
        assert cursor.rowcount == (1 if "counters" in sql else 3), sql
        cursor = as_user(None)
        cursor.execute(sql)
        assert cursor.rowcount == 0, sql
    assert database.rows("SELECT xmin, * FROM todod.tasks WHERE user_id = %s ORDER BY id", other.user) == everything


@pytest.mark.parametrize("sql", [
    "INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at) VALUES ({victim}, 1, 'x', now(), now())",
    "INSERT INTO todod.user_counters VALUES ({victim}, 1)",
    "INSERT INTO todod.outbox (event_id, topic, part, user_id, sequence, event) "
    "VALUES (gen_random_uuid(), 'task-events', 0, {victim}, 1, '{{}}')",
    "INSERT INTO todod.idempotency_keys (user_id, method, path, key, body_sha256, status, answer) "
    "VALUES ({victim}, 'POST', '/', 'k', decode(repeat('00', 32), 'hex'), 200, '')",
    "UPDATE todod.tasks SET user_id = {victim}",
    "SELECT * FROM todod.outbox", "DELETE FROM todod.outbox", "UPDATE todod.outbox SET event = ''",
    "UPDATE todod.idempotency_keys SET answer = ''", "DELETE FROM todod.user_counters",
    "INSERT INTO todod.tags VALUES ({victim}, 'k', 'k', '#000000')", "INSERT INTO todod.task_tags VALUES ({victim}, 'k', 1)",
    "INSERT INTO todod.reminders (user_id, task_id, id, remind_at) VALUES ({victim}, 1, gen_random_uuid(), now())",
    "INSERT INTO todod.preferences VALUES ({victim}, 'UTC', null, false, 1, null, null, 1, now())",
    "INSERT INTO todod.deleted_tasks VALUES ({victim}, now(), 1)", "UPDATE todod.task_tags SET key = 'x'",
    "DELETE FROM todod.preferences", "DELETE FROM todod.deleted_tasks", "UPDATE todod.deleted_tasks SET id = 1",
    "TRUNCATE todod.tasks", "ALTER TABLE todod.tasks DISABLE ROW LEVEL SECURITY", "DROP POLICY own_rows ON todod.tasks",
    "ALTER TABLE todod.tasks NO FORCE ROW LEVEL SECURITY", "SET ROLE postgres", "SET SESSION AUTHORIZATION postgres",
    "CREATE TABLE todod.mine ()", "DELETE FROM todod.migrations", "ALTER ROLE todod_api BYPASSRLS",
    "SET LOCAL row_security = off; SELECT * FROM todod.tasks",
    "SET LOCAL session_replication_role = replica", "COPY todod.tasks TO PROGRAM 'cat'"])
def test_what_the_service_may_not_do(api, as_user, sql):
    """SE3: writes for somebody else, and ways around."""
    api.create("mine")
    cursor = as_user(api.user)
    with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.CheckViolation)):
        cursor.execute(sql.format(victim="'somebody else'"))


def test_keys_cannot_be_deleted_before_their_time(api, database, as_user):
    """SE3: an answer that may still be asked for stays, also for its own user."""
    api.create("t", headers={"Idempotency-Key": "k"})
    cursor = as_user(api.user)
    cursor.execute("DELETE FROM todod.idempotency_keys")
    assert cursor.rowcount == 0


# ---- the statements of the binary, robbed of their WHERE user_id ----

TABLES = "|".join((*COUNTED, "user_counters", "unsettled_tasks"))


# What the relay runs over everybody's events, as a role that reaches nothing else (test_outbox), and the sweeper (above).
RELAY = r"SELECT o\.\*|DELETE FROM todod\.outbox |WITH due AS|SELECT user_id, task_id FROM todod\.unsettled_tasks"
# What the recurrer runs, as another role than the API.
RECURRER = r"todod\.(processed_events|unsettled_tasks)|x\.parent_task_id = \$2|DELETE FROM todod\.tasks x USING p"


def statements():
    """The SQL that was shipped for work in a user's name, read out of the binary."""
    with open(BINARY, "rb") as f:
        data = f.read()
    texts = {m.group().decode() for m in re.finditer(rb"(?:WITH|SELECT|INSERT|UPDATE|DELETE) [\x20-\x7e]{20,}", data)}
    return sorted(t for t in texts if re.search(rf"todod\.({TABLES})\b", t) and re.search(r"\$1\b", t)
                  and not re.match(RELAY, t))


def names(sql):
    """The statements of one kind begin alike."""
    return f"{sql[:40]}...{hash_of(sql)}"


def hash_of(sql):
    return hashlib.sha256(sql.encode()).hexdigest()[:8]


# Of the victim, too: an instance after its task, and a task that was completed and is not settled, at these distances.
CHILD, DONE, REMINDER = 50, 51, "01a22601-b4d1-77ed-9b29-e1272fc18394"
# The victim's task, with a tag of a name nobody else has, and a tag without tasks; reminder, preferences, a deleted task.
TAG, FREE_TAG = "rls victim tag", "rls victim free tag"
VALUES = {"text": "'x'", "bigint": "1", "integer": "1", "smallint": "1", "boolean": "true", "uuid": "gen_random_uuid()",
          "timestamp with time zone": "now() + interval '1 day'", "bytea": r"decode(repeat('00', 32), 'hex')",
          "tsvector": "'x'"}


def arguments_of_list(sql, values, task_id):
    """No filter but the tag's, all priorities, and a place before every task."""
    descending = "sort_key DESC" in sql
    values.update({2: "5", 4: str(2 ** 62) if descending else "0", 5: "NULL", 6: "15", 7: "NULL", 8: "NULL", 9: "NULL",
                   10: "NULL", 11: f"ARRAY['{TAG}']", 12: "1", 13: "'task'", 14: "now()"})
    values[3] = {"bigint": "99999999" if descending else "-1", "text": "'~'" if descending else "''"}.get(
        values.get((3, "type")), "'2999-01-01'" if descending else "'1999-01-01'")
    del task_id


def arguments_of_change(sql, values, task_id):
    """What statements/store/change.c puts before $15, and behind it what finds the victim's rows."""
    def has(n, *types):
        return values.get((n, "type")) in types

    for n in range(7, 10):
        values[n] = "'y'"
    values[15] = f"'{FREE_TAG if 'DELETE FROM todod.tags' in sql else TAG}'" if has(15, "text") else values[15]
    if has(15, "bigint"):
        values[15] = str(task_id)
    if has(15, "bigint[]"):
        values.update({15: f"ARRAY[{task_id}]", 16: "ARRAY[2]", 19: f"'{TAG}'", 20: f"'{TAG}'"})
    if has(17, "text") and "todod.tags" in sql and has(15, "text"):
        values[17] = "'#123456'"
    if "SET renaming_to = $15" in sql:
        values.update({15: "'y'", 18: f"'{TAG}'"})
    if has(41, "text[]"):
        values.update({43: "ARRAY['#123456']", 41: "ARRAY['y']", 44: "ARRAY['y']", 45: f"ARRAY['{TAG}']"})
    if has(39, "bigint", "integer"):
        values[39] = "10000"


def arguments_of_recurrer(sql, values, task_id):
    """The task, the instance after it, and the completed one, all of version 1; the event is new."""
    done, child = task_id + DONE, task_id + CHILD
    if "INSERT INTO todod.tasks" in sql:
        values.update({15: str(task_id + 99), 39: "10000", 40: str(done), 41: "1", 42: "'new'", 43: f"ARRAY['{TAG}']"})
    elif "DELETE FROM todod.tasks" in sql:
        values.update({15: str(child), 16: "1", 18: str(task_id), 19: "1"})
    elif "SET version" in sql:
        values.update({15: str(task_id), 16: "2", 17: "1", 19: f"'{REMINDER}'", 20: "1", 26: "'new'"})
    elif "UPDATE todod.reminders" in sql:
        values.update({2: str(task_id), 3: f"'{REMINDER}'", 4: "1", 5: "'new'", 6: "60"})
    else:
        values.update({2: str(task_id if "parent_task_id" in sql else done), 4: "'new'"})


def arguments_of_read(sql, values, task_id):
    """$2 is a task, a tag or a limit; what was deleted since long ago."""
    if values.get((2, "type")) == "bigint":
        values[2] = str(task_id)
    if "deleted_tasks" in sql:
        values.update({2: "'2000-01-01'", 3: "30"})
    elif "todod.reminders r WHERE" in sql:
        values.update({2: "63", 3: "'2000-01-01'", 5: "10"})
    elif "todod.tags" in sql or "todod.task_tags" in sql:
        values.update({2: f"ARRAY['{TAG}']" if values.get((2, "type")) == "text[]" else f"'{TAG}'", 3: "0", 4: "10"})


def arguments(cursor, sql, user, task_id):
    """Values by which the statement finds the victim's rows; writes get a key of their own."""
    cursor.execute("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'stolen'")
    types = cursor.fetchone()[0]
    values = {(n, "type"): t for n, t in enumerate(types, 1)}
    for n, t in enumerate(types, 1):
        values[n] = f"ARRAY[{VALUES[t[:-2]]}]" if t.endswith("[]") else VALUES[t]
    if re.search(RECURRER, sql):
        arguments_of_recurrer(sql, values, task_id)
    elif "sort_key" in sql or COUNT in sql:
        arguments_of_list(sql, values, task_id)
    elif sql.startswith("WITH"):
        arguments_of_change(sql, values, task_id)
    elif "idempotency_keys" not in sql:
        arguments_of_read(sql, values, task_id)
    values[1] = cursor.mogrify("%s", (user,)).decode()
    return ", ".join(f"({values[n]})::{t}" for n, t in enumerate(types, 1))


COUNT = "SELECT count(*) FROM todod.tasks"
FACTS = "SELECT now(), EXISTS"


# Where the server cannot find the type: of what is first asked for being null (filters of tasks, a place among reminders),
# and of arrays that are only unnested (of every write; of a step of a rename; tags and reminders of a task).
FILTER_TYPES = {5: "boolean", 6: "integer", 7: "timestamptz", 8: "timestamptz", 9: "boolean", 10: "timestamptz", 11: "text[]",
                13: "text"}
PLACE_TYPES = {3: "timestamptz"}
CHANGE_TYPES = {2: "uuid[]", 3: "text[]", 4: "bigint[]", 5: "text[]"}
STEP_TYPES = {15: "bigint[]", 16: "bigint[]", 17: "text[]", 19: "text", 20: "text"}
DETAIL_TYPES = {41: "text[]", 42: "text[]", 43: "text[]", 44: "text[]", 46: "uuid[]", 47: "timestamptz[]", 48: "integer[]",
                49: "smallint[]", 50: "smallint[]", 51: "timestamptz[]", 52: "integer[]", 53: "text[]", 54: "bigint[]"}


MAKE_TYPES = {42: "text", 43: "text[]", 44: "uuid[]", 45: "timestamptz[]", 46: "integer[]", 47: "smallint[]", 48: "smallint[]",
              49: "timestamptz[]", 50: "integer[]", 51: "text[]", 52: "bigint[]"}


def types_of_recurrer(sql):
    types = dict(CHANGE_TYPES) if "unnest($2" in sql else {}
    if "INSERT INTO todod.tasks" in sql:
        types.update(MAKE_TYPES)
    for n in re.findall(r"\$(\d+) IS NOT NULL", sql):
        types[int(n)] = "text"
    for n in re.findall(r"\$(\d+) \* interval", sql):
        types[int(n)] = "bigint"
    return types


def types_told(sql):
    if re.search(RECURRER, sql):
        return types_of_recurrer(sql)
    if "$13::tsquery" in sql:
        return FILTER_TYPES
    if not sql.startswith("WITH"):
        return PLACE_TYPES if "$3 IS NULL" in sql else {}
    return {**CHANGE_TYPES, **(STEP_TYPES if "unnest($15" in sql else {}), **DETAIL_TYPES}


def prepare(sql):
    used = {int(n) for n in re.findall(r"\$(\d+)", sql)}
    known = types_told(sql)
    # One that is not used has none at all.
    types = ", ".join(known.get(n, "unknown") if n in used else "text" for n in range(1, max(used) + 1))
    return f"PREPARE stolen ({types}) AS {sql}"


def execute(connection, app_user, sql, user, task_id):
    """Rows touched, returned or counted; everything is rolled back."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN; DEALLOCATE ALL")
            cursor.execute("SELECT set_config('app.user_id', %s, true)", (app_user,))
            cursor.execute(prepare(sql))
            cursor.execute(f"EXECUTE stolen ({arguments(cursor, sql, user, task_id)})")
            if sql.startswith(FACTS):
                return sum(map(bool, cursor.fetchone()[1:]))
            return cursor.fetchone()[0] if COUNT in sql or sql.endswith("SELECT count(*) FROM p") else cursor.rowcount
        finally:
            cursor.execute("ROLLBACK")


def reaches(superuser, stolen, task_id):
    """Rows of others; a bound of a table that one of them would break is one that was reached."""
    try:
        return execute(superuser, "", stolen, "rls-thief", task_id) >= 1
    except (psycopg2.errors.CheckViolation, psycopg2.errors.CardinalityViolation):
        return True


@pytest.fixture(scope="module")
def victims(database):
    """Two users with a task each; the answer kept for the one is live, for the other expired. The first has all the rest."""
    ids = []
    for user, age in (("rls-victim", "0"), ("rls-victim-2", "25 hours")):
        ids.append(database.fill_tasks(user, 1) + 1)
        database.rows("""INSERT INTO todod.idempotency_keys
            (user_id, method, path, key, body_sha256, status, answer, created_at)
            VALUES (%s, 'x', 'x', 'x', decode(repeat('00', 32), 'hex'), 200, '', now() - %s::interval)""", user, age)
    for tag in (TAG, FREE_TAG):
        database.rows("INSERT INTO todod.tags VALUES ('rls-victim', %s, %s, '#000000')", tag, tag)
    database.rows("UPDATE todod.user_counters SET tags = 2 WHERE user_id = 'rls-victim'")
    database.rows("UPDATE todod.tasks SET tags = %s WHERE user_id = 'rls-victim'", TAG)
    database.rows("INSERT INTO todod.task_tags VALUES ('rls-victim', %s, %s)", TAG, ids[0])
    database.rows("INSERT INTO todod.reminders (user_id, task_id, id, remind_at) VALUES ('rls-victim', %s, %s, now())",
                  ids[0], REMINDER)
    database.rows("""INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at, parent_task_id)
        VALUES ('rls-victim', %s, 'the next', now(), now(), %s)""", ids[0] + CHILD, ids[0])
    database.rows("""INSERT INTO todod.tasks (user_id, id, title, created_at, updated_at, completed, completed_at)
        VALUES ('rls-victim', %s, 'done', now(), now(), true, now())""", ids[0] + DONE)
    database.rows("INSERT INTO todod.unsettled_tasks VALUES ('rls-victim', %s)", ids[0] + DONE)
    database.rows("INSERT INTO todod.preferences VALUES ('rls-victim', 'UTC', null, false, 1, null, null, 1, now())")
    database.rows("INSERT INTO todod.deleted_tasks VALUES ('rls-victim', now(), 1)")
    return ids


def rows_of_victims(database):
    return [database.rows(f"SELECT xmin::text, ctid::text, * FROM todod.{t} WHERE user_id LIKE 'rls-victim%%' ORDER BY 1, 2")
            for t in (*COUNTED, "user_counters", "unsettled_tasks")]


@pytest.mark.parametrize("sql", statements(), ids=names)
def test_a_forgotten_where_leaks_and_breaks_nothing(database, victims, sql):
    """
    SE3: each statement the service uses, with every `user_id = $1` dropped and run for another user, reaches none of the
    victim's rows. The same text run by the superuser does reach them, so it is row security that held. (Only where a value
    is looked up in preferences, p, it stays: there may be one row there.)
    """
    role = "todod_recurrer" if re.search(RECURRER, sql) else "todod_api"
    database.let_log_in(role)
    superuser, service = connect(database.url), connect(url_of(database.cluster_url, database.name, role))
    before = rows_of_victims(database)
    try:
        stolen = re.sub(r"(?:\b[a-oq-z]\w*\.|(?<![\w.]))user_id = \$1\b", "$1::text IS NOT NULL", sql)
        if "VALUES ($1" in sql:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(service, "rls-thief", sql, "rls-victim", 1)
            for text in {sql, stolen}:
                assert execute(service, "rls-thief", text, "rls-thief", victims[0] + 1) >= 1
            assert rows_of_victims(database) == before
            return
        assert stolen != sql
        assert reaches(superuser, stolen, victims[0]), "the dropped WHERE shows"
        assert execute(service, "rls-thief", stolen, "rls-thief", victims[0]) == 0
        assert execute(service, "", stolen, "rls-thief", victims[0]) == 0
        # Not mutated, but for a user other than the session's.
        assert execute(service, "rls-thief", sql, "rls-victim", victims[0]) == 0
        assert rows_of_victims(database) == before
    finally:
        superuser.close()
        service.close()


def test_the_statements_were_found():
    """SE3: the test above is only worth what it was given."""
    found = statements()
    assert sum("INSERT INTO todod.outbox" in s for s in found) >= 12, found
    assert sum(s.startswith("SELECT") for s in found) >= 35, found
    assert sum(bool(re.search(RECURRER, s)) for s in found) >= 8, found
    for table in (*COUNTED, "user_counters", "unsettled_tasks"):
        assert any(f"todod.{table}" in s for s in found), table


def test_users_side_by_side_see_only_their_own(daemon, connect_api):
    """SE10: part: many users at once over the same few database sessions; not one foreign row, total or tag."""
    apis = [connect_api(daemon) for _ in range(8)]
    errors = []

    def live(api, n):
        try:
            mine = []
            for i in range(12):
                mine.insert(0, api.create(f"{api.user} {i}", headers={"Idempotency-Key": str(i)}))
                if i % 4 == n % 4:
                    api.delete(mine.pop())
                page = api.get(api.tasks + "?limit=200")
                assert page.json == mine
                assert page.headers["x-total-count"] == str(len(mine))
                assert api.list() == mine
        except BaseException as e:  # pylint: disable=broad-except
            errors.append(e)

    threads = [threading.Thread(target=live, args=(a, n)) for n, a in enumerate(apis)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors[0]
