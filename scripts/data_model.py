#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
Keeps the tables and plans in docs/data-model.md true: scripts/data_model.py [--check] [BINARY].

Tables, rights and policies are read from a database that was just migrated. Plans are those of the statements that the
service itself runs, as its own role, while its API is used: auto_explain writes them into PostgreSQL's log, so there is no
second copy of the SQL that could differ. They are taken when a statement has got its final plan, over scripts/data_model.sql.

--check changes nothing. It fails when the tables differ from the page, when the page tells of other statements than there
are, or when one finds rows of a user other than by an index that begins with the user. (Which of two good indexes it is may
differ: PostgreSQL estimates from a random sample.)
"""
import difflib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from docs_service import PG, Service

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "data-model.md")
USER = "planner"
TASK = 2000000
SETTINGS = ["shared_preload_libraries=auto_explain", "auto_explain.log_min_duration=0", "auto_explain.log_format=json",
            "log_min_duration_statement=0"]
# Tables that are nobody's.
COMMON = {"migrations", "pg_class", "pg_namespace"}
# After so many a prepared statement keeps one plan for all parameters, if that is no worse.
TIMES = 8
# Shown as a whole; of the others only how they find their rows.
SHOWN = ["list_newest", "list_newest_after", "list_created_desc", "list_rank_desc", "list_title_asc_after", "task_get",
         "task_create", "task_update", "reminder_list", "tag_list"]


# ---- tables ----

COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
		THEN ' COLLATE "' || (SELECT collname FROM pg_collation WHERE oid = a.attcollation) || '"' ELSE '' END,
	concat_ws(' ', CASE WHEN a.attnotnull THEN 'not null' END, CASE WHEN a.attidentity <> '' THEN 'identity' END,
		'default ' || pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = '{table}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""
INDEXES = """
SELECT CASE WHEN i.indisprimary THEN 'primary key' WHEN i.indisunique THEN 'unique index' ELSE 'index' END, c.relname,
	regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING btree ', '')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = '{table}'::regclass ORDER BY i.indisprimary DESC, c.relname"""
CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = '{table}'::regclass AND contype IN ('c', 'f') ORDER BY contype DESC, conname"""
POLICIES = """
SELECT policyname, cmd, coalesce(qual, ''), coalesce(with_check, '') FROM pg_policies
WHERE schemaname = 'todod' AND tablename = split_part('{table}', '.', 2) ORDER BY policyname"""
SECURITY = """
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = '{table}'::regclass"""
RIGHTS = """
SELECT string_agg(privilege_type, ', ' ORDER BY array_position(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'],
	privilege_type::text)) FROM information_schema.role_table_grants
WHERE grantee = 'todod_api' AND table_schema = 'todod' AND table_name = split_part('{table}', '.', 2)"""
TABLES = """
SELECT oid::regclass FROM pg_class WHERE relnamespace = 'todod'::regnamespace AND relkind IN ('r', 'p') ORDER BY oid"""
ROLES = """
SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
	EXISTS (SELECT FROM pg_shdepend WHERE refobjid = r.oid AND deptype = 'o') FROM pg_roles r WHERE rolname LIKE 'todod%' ORDER BY 1"""


def rows(service, sql):
    separator = "\x1f"
    text = subprocess.run([PG, "psql", service.pg, "todod", "-q", "-At", "-F", separator, "-v", "ON_ERROR_STOP=1", "-c", sql],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    return [line.split(separator) for line in text.splitlines()]


def condition(using, with_check):
    if using and with_check and using != with_check:
        return f"using {using} with check {with_check}"
    return f"{'using' if using else 'with check'} {using or with_check}" + (" (also for new rows)" if using and with_check else "")


def show_table(service, table):
    def get(sql):
        return rows(service, sql.replace("{table}", table))

    columns = get(COLUMNS)
    width = max(len(name) for name, *_ in columns)
    type_width = max(len(kind) for _, kind, _ in columns)
    yield table
    for name, kind, rest in columns:
        yield f"  {name:{width}}  {kind:{type_width}}  {rest}".rstrip()
    for kind, name, definition in get(INDEXES):
        yield f"{kind} {name} {definition}"
    for name, definition in get(CONSTRAINTS):
        yield f"constraint {name} {definition}"
    enabled, forced = get(SECURITY)[0]
    yield "row security: " + ("forced" if (enabled, forced) == ("t", "t") else "none")
    for name, command, using, with_check in get(POLICIES):
        yield f"policy {name} for {command} {condition(using, with_check)}"
    yield f"todod_api: {get(RIGHTS)[0][0] or 'nothing'}"


def show_tables(service):
    blocks = []
    for name, *flags in rows(service, ROLES):
        words = ["superuser", "bypasses row security", "creates roles", "creates databases", "owns something"]
        may = [word for word, flag in zip(words, flags) if flag == "t"]
        blocks.append(f"role {name}: {', '.join(may) or 'no superuser, does not bypass row security, owns nothing'}")
    blocks += ["\n".join(show_table(service, table)) for (table,) in rows(service, TABLES)]
    return "```\n" + "\n\n".join(blocks) + "\n```"


# ---- plans ----

class Client:
    def __init__(self, service):
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port(), timeout=60)
        self.headers = {"Authorization": f"Bearer {service.token(USER)}", "Content-Type": "application/json"}

    def call(self, method, path, body=None, **headers):
        data = None if body is None else json.dumps(body)
        self.connection.request(method, f"/api/{USER}{path}", data, {**self.headers, **headers})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            sys.exit(f"data_model: {method} {path}: {answer.status} {text[:300]}")
        return json.loads(text) if text else None


def use_lists(client, turn):
    cursors = {sort: client.call("GET", f"/tasks?limit=50&envelope=1&sort={sort}")["next_cursor"] for sort in
               ("created", "updated", "due_date", "priority", "title", "completed")}
    for order in ("asc", "desc"):
        for sort in cursors:
            query = f"/tasks?limit=50&envelope=1&priority=high,urgent&tag=tag+5&sort={sort}&order={order}"
            cursor = client.call("GET", query)["next_cursor"]
            client.call("GET", f"{query}&cursor={cursor}")
        query = f"/tasks?limit=50&envelope=1&search=word&order={order}"
        client.call("GET", f"{query}&cursor=" + client.call("GET", query)["next_cursor"])
    client.call("GET", f"/tasks?limit=50&cursor={cursors['created']}")
    # A place behind the last row: an empty page cannot say how many rows there are.
    query = f"/tasks?limit=1&envelope=1&updated_since=2099-01-0{1 + turn}"
    client.call("GET", query)
    client.call("GET", "/tasks?updated_since=2020-01-01&deleted=1&limit=200&search=nowhere")


def use_tasks(client, turn):
    key = {"Idempotency-Key": f"docs-{turn}"}
    client.call("GET", f"/tasks/{TASK}")
    client.call("POST", "/tasks", {"title": f"lean {turn}"})
    client.call("POST", "/tasks", {"title": "keyed"}, **key)
    full = {"title": "full", "tags": [f"new {turn}"], "due_date": "2099-01-01"}
    made = client.call("POST", "/tasks", full)["id"]
    again = client.call("POST", "/tasks", {**full, "tags": [f"newer {turn}"]}, **{"Idempotency-Key": f"full-{turn}"})["id"]
    client.call("PUT", f"/tasks/{TASK + 1}", {"title": f"other {turn}"})
    client.call("PUT", f"/tasks/{TASK + 1}", {"title": f"another {turn}"}, **key)
    client.call("PUT", f"/tasks/{made}", {"tags": [f"newest {turn}"]})
    client.call("PUT", f"/tasks/{made}", {"tags": [f"new {turn}"]}, **key)
    client.call("PATCH", f"/tasks/{TASK + 1}/complete")
    client.call("PATCH", f"/tasks/{TASK + 1}/complete", {}, **key)
    client.call("DELETE", f"/tasks/{made}")
    client.call("DELETE", f"/tasks/{again}", **key)


def use_tags(client, turn):
    client.call("GET", "/tags")
    client.call("POST", "/tags", {"name": f"made {turn}"})
    client.call("POST", "/tags", {"name": f"keyed {turn}"}, **{"Idempotency-Key": f"tag-{turn}"})
    client.call("PATCH", f"/tags/made%20{turn}", {"color": "#00ff00"})
    client.call("PATCH", f"/tags/keyed%20{turn}", {"color": "#00ff00"}, **{"Idempotency-Key": f"tag-{turn}"})
    client.call("POST", "/tasks", {"title": "moved", "tags": [f"moved {turn}"]})
    client.call("PATCH", f"/tags/moved%20{turn}", {"name": f"moved {turn + 1}"})
    client.call("DELETE", f"/tags/made%20{turn}")
    client.call("DELETE", f"/tags/keyed%20{turn}", **{"Idempotency-Key": f"tag-{turn}"})


def use_the_rest(client, turn):
    client.call("GET", "/reminders")
    client.call("GET", "/preferences")
    client.call("PUT", "/preferences", {"default_reminder_offset_minutes": 100 + 2 * turn})
    client.call("PUT", "/preferences", {"default_reminder_offset_minutes": 101 + 2 * turn}, **{"Idempotency-Key": f"docs-{turn}"})


def logged(service):
    directory = service.sql("SELECT current_setting('data_directory')")
    return service.sql(f"SELECT pg_read_file('{directory}/../log')")


def read_plans(log):
    """{name: the last plan of the statement of that name}"""
    names, plans = {}, {}
    for m in re.finditer(r"LOG:  duration: [\d.]+ ms  execute (\w+): (.*)", log):
        names[m[2]] = m[1]
    for m in re.finditer(r"LOG:  duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)", log):
        plan = json.loads(re.sub(r"^\t", "", m[1], flags=re.M))
        plans[plan["Query Text"]] = plan["Plan"]
    return {names[text]: plan for text, plan in plans.items() if text in names}


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def lookups(plan):
    """How rows of tables are found, in the order of the plan."""
    for node in nodes(plan):
        if "Index Name" in node:
            yield f"{node['Index Name']}: {node.get('Index Cond', 'no condition')}"
        elif "Relation Name" in node and node["Node Type"] not in ("ModifyTable", "Bitmap Heap Scan"):
            yield f"{node['Node Type']} on {node['Relation Name']}"


def is_about_users(plan):
    return any("Relation Name" in node and node["Relation Name"] not in COMMON for node in nodes(plan))


def problems_of(name, plan):
    for how in lookups(plan):
        if "user_id = " not in how:
            yield f"{name} reads rows of all users: {how}"


DETAILS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond", "One-Time Filter", "Sort Key",
           "Group Key", "Conflict Arbiter Indexes")


def title_of(node):
    title = node["Node Type"]
    if title == "ModifyTable":
        title = f"{node['Operation']} on {node['Relation Name']}"
    elif "Index Name" in node and title != "Bitmap Index Scan":
        title += f" using {node['Index Name']} on {node['Relation Name']}"
    elif "Index Name" in node:
        title += f" on {node['Index Name']}"
    elif "Relation Name" in node:
        title += f" on {node['Relation Name']}"
    elif "CTE Name" in node:
        title += f" on {node['CTE Name']}"
    elif "Function Name" in node:
        title += f" on {node['Function Name']}"
    join = node.get("Join Type", "Inner")
    return title.replace("Nested Loop", f"Nested Loop {join} Join") if join != "Inner" else title


def draw(plan, indent=""):
    role = plan.get("Subplan Name")
    yield f"{indent}{role + ': ' if role else ''}{title_of(plan)}"
    for detail in DETAILS:
        if detail in plan:
            value = plan[detail]
            yield f"{indent}    {detail}: {', '.join(value) if isinstance(value, list) else value}"
    for child in plan.get("Plans", []):
        yield from draw(child, indent + "  ")


def show_plans(plans):
    alike = {}
    for name in sorted(plans):
        alike.setdefault(tuple(dict.fromkeys(lookups(plans[name]))), []).append(name)
    yield "| statements | find their rows by |"
    yield "|---|---|"
    for found, names in alike.items():
        yield f"| {', '.join(f'`{name}`' for name in names)} | {'<br>'.join(f'`{how}`' for how in found) or 'nothing: they only add'} |"
    for name in SHOWN:
        yield ""
        yield f"**`{name}`**"
        yield ""
        yield "```"
        yield from draw(plans[name])
        yield "```"


def statements_of(section):
    return sorted(name for row in re.findall(r"^\| (`.*?`) \|", section, re.M) for name in re.findall(r"`(\w+)`", row))


# ---- the page ----

def sections(page):
    """The parts between `<!-- name -->` and `<!-- end -->`: {name: (from, to, text)}"""
    return {m[1]: (m.start(2), m.end(2), m[2]) for m in re.finditer(r"<!-- (\w+) -->\n(.*?)\n?<!-- end -->", page, re.S)}


def look(binary):
    """(the tables as text, {statement: plan})"""
    directory = tempfile.mkdtemp(prefix="todod-docs-")
    # One session, so that each statement is executed often enough there.
    service = Service(binary, directory, **{"database.connections": 1})
    try:
        service.start_database(*SETTINGS)
        tables = show_tables(service)
        with open(os.path.join(ROOT, "scripts", "data_model.sql"), encoding="utf-8") as f:
            subprocess.run([PG, "psql", service.pg, "todod", "-q", "-v", "ON_ERROR_STOP=1"], stdin=f, check=True,
                           stdout=subprocess.DEVNULL)
        service.start_daemon()
        client = Client(service)
        for turn in range(TIMES):
            for use in (use_lists, use_tasks, use_tags, use_the_rest):
                use(client, turn)
        log = logged(service)
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return tables, {name: plan for name, plan in read_plans(log).items() if is_about_users(plan)}


def main(argv):
    check = "--check" in argv
    names = [a for a in argv if a != "--check"]
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    tables, plans = look(names[0] if names else os.path.join(ROOT, "build", "release", "todod"))
    kept = sections(page)
    problems = [problem for name, plan in plans.items() for problem in problems_of(name, plan)]
    if check:
        problems += difflib.unified_diff(kept["tables"][2].splitlines(), tables.splitlines(), "docs/data-model.md", "as it is",
                                         lineterm="")
        if statements_of(kept["plans"][2]) != sorted(plans):
            problems.append(f"statements: the page tells of {statements_of(kept['plans'][2])}, there are {sorted(plans)}")
    for problem in problems:
        print(problem)
    if check or problems:
        return len(problems) > 0
    for name, text in (("plans", "\n".join(show_plans(plans))), ("tables", tables)):
        start, end, _ = sections(page)[name]
        page = page[:start] + text + page[end:]
    with open(PAGE, "w", encoding="utf-8") as f:
        f.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
