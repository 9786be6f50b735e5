# SPDX-License-Identifier: Apache-2.0
"""
What the suite runs against. A backend makes topics, starts a sidecar for an app, and can hurt both; all else the tests
do by the sidecar's HTTP API.

Its components have the names and settings of dapr-components/local, without what limits them to todod's roles, and:
a cron binding `contract-tick` each second; the app id `contract-mute` may publish nothing; the secret store holds SECRETS, of
which everything but `forbidden` may be read.
"""
import glob
import json
import os
import shutil
import subprocess
import sys

import yaml

from app import wait_until
from client import Client

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "test", "tools"))
import real_stack  # noqa: E402

COMPONENTS = os.path.join(ROOT, "dapr-components", "local")
MUTE = "contract-mute"
TICK = "contract-tick"
TICKED = "contract-cron"
SECRETS = {"contract": {"one": "first", "two": "second", "empty": ""}, "forbidden": {"key": "nobody's"},
           "todod-notifier": {"smtp.password": "of notifier"}, "todod-auditor": {"key": "of auditor"},
           "email": {"link-key": "of links"}, "smtp": {"password": "of the mail server"}}
TOKEN = "token-of-the-api"
APP_TOKEN = "token-of-the-app"
HEALTH_FLAGS = real_stack.APP_HEALTH_FLAGS
LIMITS = {"protectedTopics", "publishingScopes", "subscriptionScopes"}
TICK_COMPONENT = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": TICK}, "scopes": [TICKED],
    "spec": {"type": "bindings.cron", "version": "v1", "metadata": [{"name": "schedule", "value": "@every 1s"},
                                                                   {"name": "direction", "value": "input"}]}}
CONFIGURATION = {
    "apiVersion": "dapr.io/v1alpha1", "kind": "Configuration", "metadata": {"name": "contract"},
    "spec": {"secrets": {"scopes": [{"storeName": "secrets", "defaultAccess": "allow", "deniedSecrets": ["forbidden"]}]},
             "tracing": {"samplingRate": "1"},
             "nameResolution": {"component": "sqlite", "version": "v1",
                                "configuration": {"connectionString": "names.db", "updateInterval": "5s"}}}}


class Unavailable(Exception):
    """Why a backend cannot run here."""


class Side:
    """An app's sidecar: what every backend's sidecar can do. process has start, kill, stop and url."""

    def __init__(self, process, has_app):
        self.process = process
        self.has_app = has_app
        self.client = Client(process.url, TOKEN)
        self.call = self.client.call

    def __getattr__(self, name):
        return getattr(self.client, name)

    def start(self):
        self.process.start()
        if self.has_app:
            self.wait_connected()
        return self

    def wait_connected(self):
        """Subscriptions are known and joined, jobs are streamed."""
        wait_until("the sidecar is ready", lambda: self.call("GET", "/v1.0/healthz").status == 204)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.stop()


class RealBackend:
    """daprd, Dapr Scheduler, Kafka and PostgreSQL, each a process of its own."""

    name = "real"
    # How long what is killed and started again is away: a scheduler's lease in its own store outlives it.
    restart_seconds = 25

    def __init__(self, say):
        lacking = real_stack.missing(need_maven=False)
        if lacking:
            raise Unavailable("missing: " + ", ".join(lacking))
        self.directory = os.path.join(ROOT, ".run", "real-stack", f"contract-{os.getpid()}")
        self.pg = os.path.join(ROOT, ".run", "real-stack", f"pg-{os.getpid()}")
        try:
            self.stack = real_stack.Stack(self.directory, say)
        except real_stack.Missing as e:
            raise Unavailable(str(e)) from e

    def start(self):
        sweep(os.path.dirname(self.directory))
        subprocess.run([real_stack.PG, "start", self.pg], check=True, stdout=subprocess.DEVNULL)
        database = subprocess.run([real_stack.PG, "url", self.pg], check=True, text=True,
                                  stdout=subprocess.PIPE).stdout.strip()
        self.stack.start()
        self.env = {"KAFKA_BROKERS": self.stack.brokers, "STATESTORE_URL": database,
                    "SECRETS_FILE": os.path.join(self.directory, "secrets.json")}
        self.write_components()
        return self

    def stop(self):
        self.stack.stop()
        subprocess.run([real_stack.PG, "remove", self.pg], check=False, stdout=subprocess.DEVNULL)

    def write_components(self):
        self.resources = os.path.join(self.directory, "components")
        os.makedirs(self.resources)
        documents = [TICK_COMPONENT]
        for path in sorted(glob.glob(f"{COMPONENTS}/*.yaml")):
            with open(path, encoding="utf-8") as f:
                documents += [without_limits(d) for d in yaml.safe_load_all(f) if d]
        for number, document in enumerate(documents):
            write(os.path.join(self.resources, f"{number}.yaml"), yaml.safe_dump(document))
        self.config = write(os.path.join(self.directory, "config.yaml"), yaml.safe_dump(CONFIGURATION))
        write(self.env["SECRETS_FILE"], json.dumps(SECRETS))

    def versions(self):
        server = subprocess.run([real_stack.PG, "psql", self.pg, "postgres", "-Atc", "SHOW server_version"], text=True,
                                check=True, stdout=subprocess.PIPE).stdout.split()[0]
        return [*real_stack.versions(), f"PostgreSQL {server}"]

    def topics(self, partitions):
        """partitions: {topic: how many}. Returns when they are there."""
        self.stack.topics("".join(f"{name} {n} 1d\n" for name, n in partitions.items()))

    def sidecar(self, app_id, app=None, name=None, health=False):
        """
        The sidecar of an app, not started. name tells several instances of an app id apart; health: GET /healthz of the
        app is asked each second, and after two failures nothing is delivered until it is well again.
        """
        flags = HEALTH_FLAGS if health else ()
        process = self.stack.sidecar(app_id, app.port if app else None, self.resources, self.config, name=name, token=TOKEN,
                                     app_token=APP_TOKEN, env=self.env, flags=flags)
        return Side(process, app is not None)

    def role_sidecar(self, role, app):
        """The sidecar of a role of todod, with dapr-components/local as it stands."""
        process = self.stack.role_sidecar(role, app.port, self.env["STATESTORE_URL"], self.env["SECRETS_FILE"], token=TOKEN,
                                          app_token=APP_TOKEN)
        return Side(process, True)

    def groups(self):
        """The consumer groups that there are."""
        return self.stack.groups()

    def stop_sidecars(self, sides):
        """All of them at once."""
        for side in sides:
            if side.process.is_alive():
                side.process.process.terminate()
        for side in sides:
            side.stop()

    def kill_broker(self):
        self.stack.kafka.kill()

    def start_broker(self):
        self.stack.kafka.start()

    def kill_scheduler(self):
        self.stack.scheduler.kill()

    def start_scheduler(self):
        self.stack.scheduler.start()


def sweep(directory):
    """Removes what runs left behind whose process is gone: logs, and the database of one that was killed."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        kind, _, pid = name.rpartition("-")
        if kind in ("contract", "pg") and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            path = os.path.join(directory, name)
            if kind == "pg":
                subprocess.run([real_stack.PG, "remove", path], check=False, stdout=subprocess.DEVNULL)
            shutil.rmtree(path, ignore_errors=True)


def without_limits(document):
    document.pop("scopes", None)
    metadata = document["spec"].get("metadata")
    if metadata is not None and document["metadata"]["name"] == "kafka-pubsub":
        metadata[:] = [m for m in metadata if m["name"] not in LIMITS]
        metadata.append({"name": "publishingScopes", "value": f"{MUTE}="})
    return document


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path
