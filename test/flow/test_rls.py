# SPDX-License-Identifier: Apache-2.0
"""Row security: what the database itself does not let a service see or change, whatever its SQL says."""
import re
import threading

import psycopg2
import pytest

from database import connect
from process import BINARY

# Tables without a user: nothing of theirs is anybody's.
COMMON_TABLES = {"migrations"}


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
    """SE3: enabled and forced, with a policy, on each table but those that are nobody's."""
    tables = user_tables(database)
    assert set(tables) >= {"tasks", "user_counters", "outbox", "idempotency_keys"}
    for table in tables:
        enabled, forced = database.rows("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass",
                                        f"todod.{table}")[0]
        assert enabled and forced, table
        policies = database.rows("""SELECT coalesce(qual, '') || coalesce(with_check, '') FROM pg_policies
            WHERE schemaname = 'todod' AND tablename = %s""", table)
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
        "idempotency_keys": {"SELECT", "INSERT", "DELETE"}}


def test_statements_without_where_see_one_user(api, daemon, connect_api, database, as_user):
    """SE3: no WHERE at all, and still only the rows of app.user_id; with nobody named, none."""
    other = connect_api(daemon)
    for a in (api, other):
        for i in range(3):
            a.create(f"{i}", headers={"Idempotency-Key": f"{i}"})
    for table, n in (("tasks", 3), ("user_counters", 1), ("idempotency_keys", 3)):
        cursor = as_user(api.user)
        cursor.execute(f"SELECT user_id FROM todod.{table}")
        assert cursor.fetchall() == [(api.user,)] * n, table
        for nobody in (None, "", "nobody", api.user + " ", api.user.upper()):
            cursor = as_user(nobody)
            cursor.execute(f"SELECT count(*) FROM todod.{table}")
            assert cursor.fetchone()[0] == 0, (table, nobody)
    everything = database.rows("SELECT xmin, * FROM todod.tasks WHERE user_id = %s ORDER BY id", other.user)
    for sql in ("UPDATE todod.tasks SET title = 'x'", "DELETE FROM todod.tasks", "UPDATE todod.user_counters SET tasks = 0"):
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

def statements():
    """The SQL that was shipped, read out of the binary."""
    with open(BINARY, "rb") as f:
        data = f.read()
    texts = {m.group().decode() for m in re.finditer(rb"(?:WITH|SELECT|INSERT|UPDATE|DELETE) [\x20-\x7e]{20,}", data)}
    return sorted(t for t in texts if re.search(r"todod\.(tasks|user_counters|outbox|idempotency_keys)", t)
                  and re.search(r"\$1\b", t))


VALUES = {"text": "'x'", "bigint": "1", "integer": "1", "smallint": "1", "boolean": "true", "uuid": "gen_random_uuid()",
          "timestamp with time zone": "now() + interval '1 day'", "bytea": r"decode(repeat('00', 32), 'hex')"}


def arguments(cursor, sql, user, task_id):
    """Values by which the statement finds the victim's rows; writes get a key of their own."""
    cursor.execute("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'stolen'")
    types = cursor.fetchone()[0]
    values = [VALUES[t] for t in types]
    if sql.startswith("WITH"):
        values = [v.replace("'x'", "'y'") for v in values]
    values[0] = cursor.mogrify("%s", (user,)).decode()
    if len(types) > 1 and types[1] == "bigint":
        values[1] = str(task_id)
    return ", ".join(values)


def execute(connection, app_user, sql, user, task_id):
    """Rows touched or returned; everything is rolled back."""
    with connection.cursor() as cursor:
        try:
            cursor.execute("BEGIN; DEALLOCATE ALL")
            cursor.execute("SELECT set_config('app.user_id', %s, true)", (app_user,))
            cursor.execute("PREPARE stolen AS " + sql)
            cursor.execute(f"EXECUTE stolen ({arguments(cursor, sql, user, task_id)})")
            return cursor.rowcount
        finally:
            cursor.execute("ROLLBACK")


@pytest.fixture(scope="module")
def victims(database):
    """Two users with a task each; the answer kept for the one is live, for the other expired."""
    ids = []
    for user, age in (("rls-victim", "0"), ("rls-victim-2", "25 hours")):
        ids.append(database.fill_tasks(user, 1) + 1)
        database.rows("""INSERT INTO todod.idempotency_keys
            (user_id, method, path, key, body_sha256, status, answer, created_at)
            VALUES (%s, 'x', 'x', 'x', decode(repeat('00', 32), 'hex'), 200, '', now() - %s::interval)""", user, age)
    return ids


def rows_of_victims(database):
    return [database.rows(f"SELECT xmin::text, ctid::text, * FROM todod.{t} WHERE user_id LIKE 'rls-victim%%' ORDER BY 1, 2")
            for t in ("tasks", "user_counters", "outbox", "idempotency_keys")]


@pytest.mark.parametrize("sql", statements(), ids=lambda s: s[:60])
def test_a_forgotten_where_leaks_and_breaks_nothing(database, victims, sql):
    """
    SE3: each statement the service uses, with its `user_id = $1` dropped and run for another user, reaches none of the
    victim's rows. The same text run by the superuser does reach them, so it is row security that held.
    """
    superuser, service = connect(database.url), connect(database.api_url)
    before = rows_of_victims(database)
    try:
        stolen = re.sub(r"(?:\bc\.)?user_id = \$1\b", "$1::text IS NOT NULL", sql)
        if stolen == sql:
            assert "VALUES ($1" in sql, sql
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                execute(service, "rls-thief", sql, "rls-victim", 1)
            assert execute(service, "rls-thief", sql, "rls-thief", 1) == 1
            return
        assert execute(superuser, "", stolen, "rls-thief", victims[0]) >= 1, "the dropped WHERE shows"
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
    assert sum("INSERT INTO todod.outbox" in s for s in found) == 6, found
    assert sum(s.startswith("SELECT") for s in found) >= 5, found


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
