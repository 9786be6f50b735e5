# SPDX-License-Identifier: Apache-2.0
"""A service on an empty database of its own, for the scripts that write docs/ from what it does."""
import os
import re
import subprocess
import sys
import time

PG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pg.sh")
START_SECONDS = 60


def clean_env():
    """Without the TODOD_* variables of whoever called: each is a key of the configuration."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TODOD_")}


def run(*argv):
    return subprocess.run(argv, check=True, text=True, env=clean_env(), stdout=subprocess.PIPE).stdout.strip()


class Service:
    """stop() removes the database; the directory, which also holds the log, is the caller's."""

    def __init__(self, binary, directory, **config):
        self.binary, self.directory = os.path.abspath(binary), directory
        self.pg = os.path.join(directory, "pg")
        self.config = os.path.join(directory, "todod.conf")
        self.log = os.path.join(directory, "log")
        self.more_config = config
        self.daemon = None

    def sql(self, text, database="todod"):
        return run(PG, "psql", self.pg, database, "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c", text)

    def start_database(self, *settings):
        # stdout may not be a pipe: the server would inherit it and hold it open.
        subprocess.run([PG, "start", self.pg, *settings], check=True, stdout=subprocess.DEVNULL)
        self.sql("CREATE DATABASE todod", "postgres")
        key = os.path.join(self.directory, "key.pem")
        run("openssl", "genpkey", "-algorithm", "ED25519", "-out", key)
        config = {"database.url": run(PG, "url", self.pg, "todod", "todod_api"),
                  "database.migrate_url": run(PG, "url", self.pg, "todod"), "http.port": 0, "ops.port": 0,
                  "auth.mode": "builtin", "auth.key_file": key, **self.more_config}
        with open(os.open(self.config, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.writelines(f"{name} = {value}\n" for name, value in config.items())
        run(self.binary, "migrate", f"--config={self.config}")
        self.sql("ALTER ROLE todod_api LOGIN")

    def start_daemon(self):
        with open(self.log, "wb") as log:
            self.daemon = subprocess.Popen([self.binary, "--role=chat-api", f"--config={self.config}"], stdout=log, stderr=log,
                                           stdin=subprocess.DEVNULL, env=clean_env())

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(START_SECONDS)
        subprocess.run([PG, "remove", self.pg], check=False)

    def port(self):
        """Of the public listener, which opens when the service is ready."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.daemon.poll() is None:
            with open(self.log, encoding="utf-8") as log:
                m = re.search(r'"listener":"public".*"port":(\d+)', log.read())
            if m:
                return int(m[1])
            time.sleep(0.01)
        sys.exit("the service did not get ready")

    def token(self, user):
        return run(self.binary, "token", "--user", user, "--ttl", "3600", f"--config={self.config}")
