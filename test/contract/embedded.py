# SPDX-License-Identifier: Apache-2.0
"""
`todod --role=sidecar` as a backend: one process serves all apps, on a PostgreSQL of its own. An app's sidecar is its place in the
process's configuration, so the process starts anew whenever one comes or goes; its port stays. To kill an app's sidecar is to kill the
process, which comes back without it: what the others see is a short absence.

The broker that dies is PostgreSQL, the scheduler is the process.
"""
import json
import os
import shutil
import subprocess

from backend import APP_TOKEN, MUTE, SECRETS, TICK, TOKEN, Side, Unavailable, real_stack, write
import components  # of test/tools
import deployment
import process  # of test/flow
from database import Database, url_of

RUN = os.path.join(real_stack.ROOT, ".run", "contract")
BUILD = os.environ.get("TODOD_TEST_BUILD") or os.path.join(real_stack.ROOT, "build", "release")
BINARY = os.path.join(BUILD, "todod")
PARTITIONS = 12
READABLE = " ".join(["no-such-secret", *(name for name in SECRETS if name != "forbidden")])


class Place:
    """What stands for the process of an app's sidecar."""

    def __init__(self, backend, app_id, app_port, scopes, crons=""):
        self.backend, self.app_id, self.scopes, self.crons = backend, app_id, scopes, crons
        # Where there is no app, nobody listens.
        self.api_port, nobody = real_stack.free_ports(2)
        self.app_port = app_port or nobody
        self.url = f"http://127.0.0.1:{self.api_port}"

    def start(self):
        self.backend.places.append(self)
        self.backend.run()

    def kill(self):
        self.backend.places.remove(self)
        self.backend.process.kill()
        self.backend.run()

    def stop(self):
        if self in self.backend.places:
            self.backend.places.remove(self)
            self.backend.run()

    def is_alive(self):
        return self in self.backend.places and self.backend.process.is_alive()


class EmbeddedBackend:
    """`todod --role=sidecar`, where everything is tables of one PostgreSQL."""

    name = "embedded"
    # How long what is killed and started again is away.
    restart_seconds = 5

    def __init__(self, say):
        del say
        if not os.path.exists(BINARY):
            raise Unavailable(f"{os.path.relpath(BINARY, real_stack.ROOT)} is not built")
        self.directory = os.path.join(RUN, f"embedded-{os.getpid()}")
        self.places = []
        self.is_scheduler_up = True
        self.postgres = deployment.Postgres("contract", ("max_connections=50",))
        self.process = None

    def start(self):
        deployment.sweep(RUN)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(os.path.join(self.directory, "tokens"), mode=0o700)
        write(os.path.join(self.directory, "secrets.json"), json.dumps(SECRETS))
        self.postgres.start()
        self.database = Database(self.postgres.cluster.url, "contract").create()
        done = process.run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": self.database.url}, binary=BINARY)
        assert done.returncode == 0, done
        self.database.let_log_in("todod_sidecar")
        self.process = deployment.Role("sidecar", 0, self.directory, {
            "database.url": url_of(self.database.url, "contract", "todod_sidecar"), "sidecar.probe_interval": "1s",
            "sidecar.token_dir": os.path.join(self.directory, "tokens"),
            "sidecar.secrets_file": os.path.join(self.directory, "secrets.json")}, BINARY)
        return self

    def stop(self):
        self.places.clear()
        if self.process is not None:
            self.process.stop()
        if self.postgres.pid is not None:
            self.database.close()
            self.postgres.cluster.remove()

    def stop_sidecars(self, sides):
        """All of them at once."""
        for side in sides:
            if side.process in self.places:
                self.places.remove(side.process)
        self.run()

    def run(self):
        """The process as it must be for those who have a place."""
        if self.process.is_alive():
            self.process.stop()
        if not self.is_scheduler_up or not self.places:
            return
        for place in self.places:
            for kind, token in (("api", TOKEN), ("app", APP_TOKEN)):
                write(os.path.join(self.directory, "tokens", f"{place.app_id}.{kind}-token"), token)
        self.process.config |= {
            "sidecar.apps": ", ".join(f"{p.app_id}={p.api_port}:127.0.0.1:{p.app_port}" for p in self.places),
            "sidecar.crons": "; ".join(dict.fromkeys(p.crons for p in self.places if p.crons)),
            "sidecar.scopes": "; ".join(dict.fromkeys(f"{p.app_id}/{what}={names}" for p in self.places
                                                      for what, names in p.scopes.items()))}
        self.process.start()

    def versions(self):
        version = process.run("--version", binary=BINARY).stdout.strip()
        server = self.database.value("SHOW server_version").split()[0]
        return [version, f"PostgreSQL {server}"]

    def topics(self, partitions):
        assert all(n == (1 if name.startswith("dlq.") else PARTITIONS) for name, n in partitions.items())
        self.process.config["sidecar.topics"] = " ".join([self.process.config.get("sidecar.topics", ""), *partitions]).strip()

    def sidecar(self, app_id, app=None, name=None, health=False):
        """As of the real one. Each is asked for its health."""
        del name, health
        scopes = {"secrets": READABLE, **({"publish": ""} if app_id == MUTE else {})}
        crons = f"{app_id}/{TICK}=@every 1s" if app_id == "contract-cron" else ""
        return Side(Place(self, app_id, app.port if app else None, scopes, crons), app is not None)

    def role_sidecar(self, role, app):
        """The sidecar of a role of todod, with the scopes and crons that dapr-components/local has for it."""
        scopes = dict(scope.partition("/")[2].split("=") for scope in components.scopes_of(role))
        return Side(Place(self, role, app.port, scopes, "; ".join(components.crons_of(role))), True)

    def kill_broker(self):
        self.database.close()
        self.postgres.kill()

    def start_broker(self):
        self.postgres.start()

    def kill_scheduler(self):
        self.is_scheduler_up = False
        self.process.kill()

    def start_scheduler(self):
        self.is_scheduler_up = True
        self.run()
