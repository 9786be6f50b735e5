# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints, what it refuses, with which code, and whether it says what, where and what to do."""
import json
import os
import re
import socket
import subprocess

import pytest

from conftest import pem_of, write_private
from process import BINARY, ROOT, SANITIZER_REPORT, clean_env, run

USAGE, UNAVAILABLE, IO_ERROR, CONFIG = 64, 69, 74, 78
CANARY = "canary-of-a-password"
SECRET = re.compile(rb"(postgres(ql)?://[^:/@ $\0]+:[^@ $\0]+@|-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9]{20,}"
                    rb"|ghp_[A-Za-z0-9]{20,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ)")


def test_list_roles():
    done = run("--list-roles")
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["chat-api", "the task API"] in lines
    folders = {d for d in os.listdir(os.path.join(ROOT, "roles")) if os.path.isdir(os.path.join(ROOT, "roles", d))}
    assert {line[0] for line in lines} == folders, "a role is a folder"


def test_describe():
    """DE16: part: chat-api is on 8000, its operations listener on 8100."""
    done = run("--role=chat-api", "--describe")
    assert done.returncode == 0 and done.stderr == ""
    described = json.loads(done.stdout)
    assert described["name"] == "chat-api"
    assert described["ports"] == {"public": 8000, "ops": 8100, "dapr": 8200}
    assert described["needs"] == ["database", "auth", "dapr"]
    assert described["waits_for_sidecar"] is False
    routes = {(r["listener"], r["method"], r["path"]) for r in described["routes"]}
    assert {("public", "GET", "/api/{user_id}/tasks"), ("public", "POST", "/api/{user_id}/tasks"),
            ("public", "PATCH", "/api/{user_id}/tasks/{id}/complete"), ("ops", "GET", "/metrics")} <= routes
    assert all(r["token"] == ("/email/" not in r["path"]) for r in described["routes"] if r["path"].startswith("/api/"))
    keys = {k["name"]: k for k in described["configuration"]}
    assert keys["database.url"]["secret"] is True and keys["http.port"]["secret"] is False
    assert all(k["doc"] for k in keys.values())


def test_openapi_is_what_is_served(api):
    done = run("--role=chat-api", "--openapi")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document == api.openapi.document
    described = json.loads(run("--role=chat-api", "--describe").stdout)
    public = {(r["method"], r["path"]) for r in described["routes"] if r["listener"] == "public"}
    assert {(m, p) for m, p, _ in api.openapi.operations()} == public


def test_help_and_version():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("usage: todod --role=ROLE")
    for key in ("database.url", "http.port", "auth.jwks_url", "--list-roles", "todod migrate", "todod token"):
        assert key in done.stdout
    version = run("--version")
    assert version.returncode == 0 and re.fullmatch(r"todod \d+\.\d+\.\d+\S*\n", version.stdout)


@pytest.mark.parametrize("args, words", [
    ([], ["name a role or a command", "usage:"]),
    (["--role=nobody"], ["nobody", "chat-api"]),
    (["--role", "nobody"], ["nobody", "chat-api"]),
    (["--role="], ["chat-api"]),
    (["--role"], ["--role", "--help"]),
    (["--nonsense"], ["--nonsense", "--help"]),
    (["--role=chat-api", "--describ"], ["--describ", "--help"]),
    (["--role=chat-api", "--no.such.key=1"], ["no.such.key"]),
    (["--role=chat-api", "-h"], ["-h", "--help"]),
    (["frobnicate"], ["frobnicate", "--help"]),
    (["migrate", "token"], ["token", "--help"]),
    (["migrate", "--role=chat-api"], ["role", "chat-api"]),
    (["token"], ["--user"]),
    (["token", "--user", ""], ["--user"]),
    (["token", "--user", "a\nb"], ["--user"]),
    (["token", "--user", b"a\xc2\x85"], ["--user"]),
    (["token", "--user", b"a\x7f"], ["--user"]),
    (["token", "--user", b"a\xff"], ["--user"]),
    (["token", "--user", "x" * 129], ["--user", "128"]),
    (["token", "--user", "u", "--ttl", "0"], ["--ttl", "seconds"]),
    (["token", "--user", "u", "--ttl", "99999999999"], ["--ttl", "seconds"]),
    (["token", "--user", "u", "--ttl", "1h"], ["--ttl", "seconds"]),
    (["--describe"], ["role"])])
def test_usage_errors(key_file, args, words):
    """64: what was wrong is named."""
    done = run(*args, env={"TODOD_AUTH_KEY_FILE": key_file})
    assert done.returncode == USAGE, done
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr


GOOD = {"TODOD_DATABASE_URL": "postgresql://todod_api@/x?host=/nonexistent", "TODOD_AUTH_KEY_FILE": "/nonexistent/key"}


@pytest.mark.parametrize("name, value, words", [
    ("http.port", "70000", ["65535"]), ("http.port", "x", []), ("http.port", "", []),
    ("http.max_connections", "1", ["16"]), ("http.head_timeout", "10 parsecs", []), ("http.head_timeout", "1ms", []),
    ("log.level", "loud", ["debug", "error"]), ("auth.mode", "none", ["builtin", "jwks", "secret"]),
    ("database.prepare", "maybe", []), ("database.connections", "0", ["64"])])
def test_wrong_values(tmp_path, name, value, words):
    """78, with the place: the command line, the environment, file and line."""
    variable = "TODOD_" + name.upper().replace(".", "_")
    path = tmp_path / "todod.conf"
    path.write_text(f"# a comment\n\n{name} = {value}\n", encoding="utf-8")
    for args, env, place in (([f"--{name}={value}"], {}, "command line"), ([], {variable: value}, "environment"),
                             ([f"--config={path}"], {}, f"{path}:3")):
        for more in ([], ["--check-config"]):
            done = run("--role=chat-api", *args, *more, env={**GOOD, **env})
            assert done.returncode == CONFIG, done
            shown = variable if place == "environment" else name
            assert place in done.stderr and shown in done.stderr, done.stderr
            for word in words:
                assert word in done.stderr, done.stderr


def test_every_mistake_at_once(tmp_path):
    """One run names them all."""
    path = tmp_path / "todod.conf"
    path.write_text("http.port = none\nno.such = 1\nlog.level info\nhttp.port = 1\nops.port = 1\n", encoding="utf-8")
    done = run("--role=chat-api", f"--config={path}", "--database.depth=0",
               env={**GOOD, "TODOD_NOBODY": "1", "TODOD_AUTH_MODE": "magic"})
    assert done.returncode == CONFIG
    for part in (f"{path}:1", f"{path}:2", f"{path}:3", "no.such", "TODOD_NOBODY", "TODOD_AUTH_MODE", "database.depth"):
        assert part in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) >= 6


def test_what_is_missing():
    done = run("--role=chat-api", env={})
    assert done.returncode == CONFIG
    assert "database.url" in done.stderr and "auth.key_file" in done.stderr
    done = run("migrate", env={})
    assert done.returncode == CONFIG and "database.migrate_url" in done.stderr
    done = run("--role=chat-api", "--config=/nonexistent/todod.conf")
    assert done.returncode == CONFIG and "/nonexistent/todod.conf" in done.stderr


def test_check_config_shows_no_secret(tmp_path):
    """SE6: the value of a secret key is never printed, also not when it is wrong or on the command line."""
    secret = f"postgresql://todod_api:{CANARY}@/x"
    done = run("--role=chat-api", "--check-config", env={**GOOD, "TODOD_DATABASE_URL": secret})
    assert done.returncode == 0, done
    assert CANARY not in done.stdout + done.stderr
    assert re.search(r"database\.url.*\[set\]", done.stdout)
    done = run("--role=chat-api", "--check-config", f"--database.url={secret}", env=GOOD)
    assert done.returncode == CONFIG
    assert CANARY not in done.stdout + done.stderr
    path = tmp_path / "todod.conf"
    path.write_text(f"database.url = {secret}{'x' * 5000}\n", encoding="utf-8")
    done = run("--role=chat-api", "--check-config", f"--config={path}", env={"TODOD_AUTH_KEY_FILE": "/k"})
    assert done.returncode == CONFIG
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("content, words", [
    (None, ["cannot open"]), (b"", ["PEM"]), (b"hello", ["PEM"]), (b"x" * 5000, ["longer"]), ("rsa", ["Ed25519"])])
def test_key_files_that_are_none(tmp_path, database, content, words):
    """78, naming the file."""
    path = tmp_path / "key.pem"
    if content == "rsa":
        from cryptography.hazmat.primitives.asymmetric import rsa  # pylint: disable=import-outside-toplevel
        content = pem_of(rsa.generate_private_key(65537, 2048))
    if content is not None:
        write_private(path, content)
    env = {"TODOD_AUTH_KEY_FILE": str(path), "TODOD_DATABASE_URL": database.api_url}
    for args in (["token", "--user", "u"], ["--role=chat-api", "--http.port=0", "--ops.port=0"]):
        done = run(*args, env=env)
        assert done.returncode == CONFIG, done
        assert str(path) in done.stderr
        for word in words:
            assert word in done.stderr, done.stderr


@pytest.mark.parametrize("url, words", [
    ("postgresql://todod_api@/x?host=/nonexistent", ["/nonexistent"]),
    ("postgresql://todod_api@127.0.0.1:1/x", ["refused"])])
def test_unreachable_database(key_file, url, words):
    """69: says what, where, and what to do."""
    done = run("--role=chat-api", "--http.port=0", "--ops.port=0", "--database.start_timeout=300ms",
               env={"TODOD_DATABASE_URL": url, "TODOD_AUTH_KEY_FILE": key_file})
    assert done.returncode == UNAVAILABLE, done
    assert "database" in done.stderr and "database.url" in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    done = run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": url})
    assert done.returncode == UNAVAILABLE, done
    for word in words:
        assert word in done.stderr, done.stderr


def test_database_that_refuses(key_file, database):
    """69, with the server's reason and without the password (SE6)."""
    url = database.api_url.replace("todod_api@", f"nobody_there:{CANARY}@")
    done = run("--role=chat-api", "--http.port=0", "--ops.port=0", "--database.start_timeout=300ms",
               env={"TODOD_DATABASE_URL": url, "TODOD_AUTH_KEY_FILE": key_file})
    assert done.returncode == UNAVAILABLE and "nobody_there" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def given_url(key_file, url):
    """Both programs that open a database, each with this URL."""
    yield run("--role=chat-api", "--http.port=0", "--ops.port=0", "--database.start_timeout=300ms",
              env={"TODOD_DATABASE_URL": url, "TODOD_AUTH_KEY_FILE": key_file})
    yield run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": url})


@pytest.mark.parametrize("url", [
    f"postgre://u:{CANARY}@h/db", f"u:{CANARY}@h/db", f"postgresql://x?nonsense={CANARY}",
    f"postgresql://u:{CANARY}%zz@h/db", f"postgresql://u:{CANARY}@[::1/db", f"host=h password={CANARY} port",
    f"host=h {CANARY}=x", f"host=h password='{CANARY}"])
def test_url_that_is_none(key_file, url):
    """SE6: 78, and no word of the URL is repeated: any of them may be the password."""
    for done in given_url(key_file, url):
        assert done.returncode == CONFIG, done
        assert "database URL" in done.stderr
        assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("sign", ["@", "/", "@x/", "/x@"])
def test_password_with_signs_that_end_it(key_file, sign):
    """SE6: what stands behind them is no host, port or name: it is the rest of the password. Neither half is shown."""
    for done in given_url(key_file, f"postgresql://u:{CANARY}{sign}{CANARY}@h/db"):
        assert done.returncode == CONFIG, done
        assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize("key", ["http.address", "ops.address"])
@pytest.mark.parametrize("value", ["localhost", "foo", "127.0.0.1:80", "256.1.1.1", "[::1]"])
def test_addresses_that_are_none(key, value):
    done = run("--role=chat-api", "--check-config", f"--{key}={value}", env=GOOD)
    assert done.returncode == CONFIG, done
    assert key in done.stderr and value in done.stderr
    assert run("--role=chat-api", "--check-config", f"--{key}=::1", env=GOOD).returncode == 0


def test_token_without_a_key():
    """78, and the key to set is named, not some file that is not there."""
    for env, key in (({}, "auth.key_file"), ({"TODOD_AUTH_MODE": "secret"}, "auth.secret_file")):
        done = run("token", "--user", "u", env=env)
        assert done.returncode == CONFIG and done.stdout == "", done
        assert key in done.stderr


@pytest.mark.parametrize("args", [["--list-roles"], ["--help"], ["--version"], ["--role=chat-api", "--openapi"],
                                  ["--role=chat-api", "--describe"], ["--role=chat-api", "--check-config"],
                                  ["token", "--user", "u"]])
def test_output_that_cannot_be_written(key_file, args):
    """74, not 0: a script must not take an empty file for a token."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL, env=clean_env({**GOOD, "TODOD_AUTH_KEY_FILE": key_file}))
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    assert done.returncode == IO_ERROR, done


def test_port_in_use(key_file, database):
    """69: which address and port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for http, ops in ((port, 0), (0, port)):
            done = run("--role=chat-api", f"--http.port={http}", f"--ops.port={ops}", "--dapr.port=0",
                       env={"TODOD_DATABASE_URL": database.api_url, "TODOD_AUTH_KEY_FILE": key_file})
            assert done.returncode == UNAVAILABLE, done
            assert str(port) in done.stderr and "use" in done.stderr, done.stderr


# ---- migrate ----

def test_migrate_twice(make_database):
    """FT17: the second time there is nothing to do, and nothing changes."""
    database = make_database("twice", migrate=False)
    env = {"TODOD_DATABASE_MIGRATE_URL": database.url}
    first = run("migrate", env=env)
    assert first.returncode == 0 and first.stderr == ""
    names = re.findall(r"^applied (\S+)$", first.stdout, re.M)
    assert names == sorted(names) and len(names) >= 2
    assert [r[0] for r in database.rows("SELECT name FROM todod.migrations ORDER BY version")] == names
    before = database.rows("SELECT * FROM todod.migrations ORDER BY 1")
    again = run("migrate", env=env)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert database.rows("SELECT * FROM todod.migrations ORDER BY 1") == before


def test_migrate_many_at_once(make_database):
    """FT17: several that start together: one does it, none fails."""
    database = make_database("at_once", migrate=False)
    env = {**os.environ, "TODOD_DATABASE_MIGRATE_URL": database.url}
    env = {k: v for k, v in env.items() if not k.startswith("TODOD_TEST_")}
    running = [subprocess.Popen([BINARY, "migrate"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for _ in range(4)]
    outputs = [p.communicate(timeout=60) for p in running]
    assert [p.returncode for p in running] == [0] * 4, outputs
    assert sum("applied" in out for out, _ in outputs) == 1
    assert sum("nothing to do" in out for out, _ in outputs) == 3


OLD_TABLE = """
    CREATE TABLE public.{table} (
        id serial PRIMARY KEY, user_id varchar NOT NULL, title varchar(200) NOT NULL, description varchar(1000),
        completed boolean NOT NULL DEFAULT false, created_at timestamp NOT NULL, updated_at timestamp NOT NULL);
    CREATE INDEX ix_user ON public.{table} (user_id);
    INSERT INTO public.{table} (user_id, title, description, completed, created_at, updated_at)
    SELECT 'user-' || i % 5, 'Aufgabe ' || i, CASE WHEN i % 3 = 0 THEN 'é ' || i END, i % 4 = 0,
        '2025-12-01T10:00:00.123456'::timestamp + make_interval(mins => i),
        '2025-12-02T11:00:00'::timestamp + make_interval(mins => i)
    FROM generate_series(1, 300) i;
    DELETE FROM public.{table} WHERE id % 7 = 0"""


@pytest.mark.parametrize("table", ["tasks", "task"])
def test_migrate_from_the_older_product(make_database, make_daemon, connect_api, table):
    """
    FT17: tasks of the older product keep id, user, texts, state and times, through the API too; its table stays as it
    was; twice is as once; new ids do not collide.
    """
    database = make_database(f"old_{table}", migrate=False)
    database.rows(OLD_TABLE.format(table=table))
    database.rows(f"ALTER DATABASE \"{database.name}\" SET timezone = 'America/New_York'")
    old = database.rows(f"SELECT * FROM public.{table} ORDER BY id")
    for _ in range(2):
        done = run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url})
        assert done.returncode == 0, done
    database.let_api_log_in()
    assert database.rows(f"SELECT * FROM public.{table} ORDER BY id") == old
    daemon = make_daemon(database)
    seen = []
    for user in sorted({row[1] for row in old}):
        api = connect_api(daemon, user)
        seen += api.list()
        assert api.get(api.tasks + "?limit=1").headers["x-total-count"] == str(sum(row[1] == user for row in old))
    shown = {t["id"]: t for t in seen}
    assert len(shown) == len(old)
    for task_id, user, title, description, completed, created, updated in old:
        task = shown[task_id]
        assert (task["user_id"], task["title"], task["description"], task["completed"]) == \
            (user, title, description, completed)
        assert task["created_at"].startswith(created.strftime("%Y-%m-%dT%H:%M:%S"))
        assert task["updated_at"].startswith(updated.strftime("%Y-%m-%dT%H:%M:%S"))
    new = connect_api(daemon, "user-1").create("new")
    assert new["id"] > max(shown)
    daemon.stop()


def test_migrate_finds_a_table_that_is_none_of_ours(make_database):
    """FT17: another table of that name, without these columns, is left alone."""
    database = make_database("foreign", migrate=False)
    database.rows("CREATE TABLE public.tasks (id int, name text); INSERT INTO public.tasks VALUES (1, 'x')")
    assert run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url}).returncode == 0
    assert database.value("SELECT count(*) FROM todod.tasks") == 0
    assert database.rows("SELECT * FROM public.tasks") == [(1, "x")]


def test_migrate_needs_the_owner(database):
    """69 and the server's words; nothing half made."""
    done = run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.api_url})
    assert done.returncode == UNAVAILABLE, done
    assert "permission denied" in done.stderr


def test_a_migration_changed_after_it_was_applied_is_noticed(make_database):
    """FT17"""
    database = make_database("changed")
    database.rows("UPDATE todod.migrations SET sha256 = repeat('0', 64) WHERE version = 1")
    done = run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": database.url})
    assert done.returncode != 0
    assert "0001" in done.stderr and "never change" in done.stderr


def test_unmigrated_database(key_file, make_database):
    """69, and which command helps."""
    database = make_database("unmigrated", migrate=False)
    database.rows("DO $$ BEGIN CREATE ROLE todod_api LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    done = run("--role=chat-api", "--http.port=0", "--ops.port=0", "--database.start_timeout=100ms",
               env={"TODOD_DATABASE_URL": database.api_url, "TODOD_AUTH_KEY_FILE": key_file})
    assert done.returncode == UNAVAILABLE, done
    assert "todod migrate" in done.stderr


# ---- what the binary is made of ----

def test_libraries():
    """MI2, DP1: libevent, yajl, libpq, libcurl, libcrypto and libunistring are what it asks for itself; no Kafka client anywhere."""
    headers = subprocess.run(["readelf", "-d", BINARY], text=True, check=True, capture_output=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[([^]]+)\]", headers))
    ours = {"libevent_core-2.1.so.7", "libyajl.so.2", "libpq.so.5", "libcurl.so.4", "libcrypto.so.3"}
    system = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "libasan.so.8", "libubsan.so.1", "libgcc_s.so.1"}
    assert ours <= needed, needed
    assert needed <= ours | system | {"libunistring.so.2"}, needed
    everything = subprocess.run(["ldd", BINARY], text=True, check=True, capture_output=True).stdout
    assert "kafka" not in everything
    with open(BINARY, "rb") as f:
        assert b"rdkafka" not in f.read()


def test_folders():
    """MI3: part: the folders of this part."""
    for name in ("src", "include", "roles/chat-api", "test", "docs", ".github", "Makefile", "scripts"):
        assert os.path.exists(os.path.join(ROOT, name)), name


def test_no_secrets_in_the_binary():
    """SE6: nothing that looks like a credential in the program; `make lint` looks at the tree and its history."""
    with open(BINARY, "rb") as f:
        found = [m.group() for m in SECRET.finditer(f.read())]
    assert [f for f in found if b"user:password@" not in f] == []
