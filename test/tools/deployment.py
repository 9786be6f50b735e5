# SPDX-License-Identifier: Apache-2.0
"""
todod's roles as processes on a PostgreSQL of their own, beside either sidecar:

  with Deployment("embedded") as d:      todod --role=sidecar
  with Deployment("dapr") as d:          a daprd for each process, Scheduler, Sentry, Kafka, dapr-components/local

What a role needs, its topics and its crons come from the binary and from dapr-components/local. Ports, tokens and keys are made at start,
and stay until stop(), so that what was killed can be started again where it was. Everything that can die is in
d.processes, by name: chat-api-0, auditor-1, postgres, and sidecar, or daprd-chat-api-0, kafka, scheduler, sentry; each has
start(wait=True), kill(), stop(), is_alive() and pid. They end with this process.

In .run/deployment/NAME-PID/ every process has its log. It stays until another run finds that its process is gone.
"""
import json
import os
import secrets
import shutil
import subprocess
import sys
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

import components
import proc
import real_stack

ROOT = real_stack.ROOT
sys.path.insert(0, os.path.join(ROOT, "test", "flow"))
import process  # noqa: E402
from api_client import metrics, ops, sign  # noqa: E402
from database import Cluster, Database, url_of  # noqa: E402
from mail_host import MailHost  # noqa: E402

STACKS = ("embedded", "dapr")
RUN = os.path.join(ROOT, ".run", "deployment")
BINARY = os.path.join(ROOT, "build", "release", "todod")
READY_SECONDS = 120
NOT_BESIDE_OTHERS = {"sidecar", "all"}


def describe(binary, role):
    return json.loads(process.run(f"--role={role}", "--describe", binary=binary).stdout)


def roles_of(binary=BINARY):
    """{role: its description} of those that have a sidecar, in the order of the binary."""
    names = [line.split("\t")[0] for line in process.run("--list-roles", binary=binary).stdout.splitlines()]
    found = {name: describe(binary, name) for name in names if name not in NOT_BESIDE_OTHERS}
    return {name: d for name, d in found.items() if "dapr" in d["needs"]}


def crons_handled(role, crons):
    """For the embedded sidecar: those bindings of a role that it has a handler for."""
    return [binding for binding in components.crons_of(role) if binding.split("/")[1].split("=")[0] in crons]


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    return path


def new_pem():
    key = ed25519.Ed25519PrivateKey.generate()
    return key, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()).decode()


class Role(process.Daemon):
    """A process of todod. number tells several of a role apart; api_port is where its sidecar is called."""

    popen = staticmethod(real_stack.spawn)

    def __init__(self, role, number, directory, config, binary):
        self.name = role if role == "sidecar" else f"{role}-{number}"
        self.role, self.number = role, number
        self.port, self.ops_port, self.callback_port, self.api_port = real_stack.free_ports(4)
        super().__init__(os.path.join(directory, self.name), {**config, "http.port": self.port, "ops.port": self.ops_port,
                                                              "dapr.port": self.callback_port}, binary)
        self.config_path = os.path.join(self.directory, "todod.conf")

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def wait_ready(self):
        def is_ready():
            if not self.is_alive():
                raise AssertionError(f"{self.name} ended: {self.stderr()}{self.stdout()[-2000:]}")
            return real_stack.http_status(f"http://127.0.0.1:{self.ops_port}/readyz") == 200
        process.wait_until(f"{self.name} is ready", is_ready, READY_SECONDS)

    def kill(self):
        if self.process is not None:
            super().kill()


class Postgres:
    """The cluster, as one of the processes: killed as if the machine lost power, but for the disk cache."""

    name = "postgres"

    def __init__(self, name, settings):
        self.cluster = Cluster(name)
        self.settings = settings
        self.pid = None

    def start(self, wait=True):  # pylint: disable=unused-argument
        self.cluster.start(*self.settings)
        self.pid = self.cluster.postmaster()
        return self

    def is_alive(self):
        return self.pid is not None and os.path.exists(f"/proc/{self.pid}")

    def kill(self):
        if self.is_alive():
            self.cluster.kill()

    def stop(self):
        self.cluster.stop()

    def restart(self):
        """An immediate restart: no session gets to finish what it does."""
        self.kill()
        self.start()


class Mail:
    """A mail server, in this process, as one of those that can die: a kill breaks every connection. What it took it keeps."""

    name, pid = "mail", None

    def __init__(self):
        self.host = MailHost()

    def start(self, wait=True):  # pylint: disable=unused-argument
        if not self.is_alive():
            self.host.start()
        return self

    def is_alive(self):
        return self.host.listener is not None

    def kill(self):
        self.host.stop()

    stop = kill


class Deployment:
    """
    stack: "embedded" or "dapr". roles: {role: how many}, those that are not named once; 0: not at all. settings: {role: {key:
    value}} beside what is needed. pg_settings: NAME=VALUE of PostgreSQL. mail: with a mail server, d.mail (test/flow/mail_host.py).
    start() and stop(), or a context manager.
    """

    def __init__(self, stack="embedded", name="deployment", roles=None, settings=None, pg_settings=("max_connections=200",),
                 binary=BINARY, say=print, mail=False):
        assert stack in STACKS, stack
        self.stack, self.say, self.binary = stack, say, binary
        sweep(RUN)
        self.directory = os.path.join(RUN, f"{name}-{os.getpid()}")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory, mode=0o700)
        self.descriptions = roles_of(binary)
        counts = {**dict.fromkeys(self.descriptions, 1), **(roles or {})}
        self.settings = settings or {}
        self.real = real_stack.Stack(os.path.join(self.directory, "stack"), say) if stack == "dapr" else None
        self.postgres = Postgres(name, pg_settings)
        self.processes = {"postgres": self.postgres}
        self.mail = None
        if mail:
            self.processes["mail"] = Mail()
            self.mail = self.processes["mail"].host
        self.counts = {role: n for role, n in counts.items() if n}
        self.sidecars = {}  # (role, number) -> daprd, or the embedded sidecar
        self.tokens = {}

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop(check=False)
            raise

    def __exit__(self, kind, *_):
        self.stop(check=kind is None)

    # ---- starting ----

    def start(self):
        self.postgres.start()
        self.make_database()
        self.make_keys()
        self.instances = [Role(role, n, self.directory, self.config_of(role), self.binary)
                          for role, count in self.counts.items() for n in range(count)]
        if self.stack == "dapr":
            self.start_real_stack()
        else:
            self.start_embedded()
        for instance in self.instances:
            self.processes[instance.name] = instance
            instance.start(wait=False)
        self.wait_ready()
        return self

    def make_database(self):
        self.database = Database(self.postgres.cluster.url, "todod").create()
        done = process.run("migrate", env={"TODOD_DATABASE_MIGRATE_URL": self.database.url}, binary=self.binary)
        assert done.returncode == 0, done
        for role in ["sidecar", *self.counts]:
            for d in self.database_roles(role):
                self.database.let_log_in(d["role"])

    def database_roles(self, role):
        return (self.descriptions.get(role) or describe(self.binary, role))["database_roles"]

    def make_keys(self):
        self.signing_key, pem = new_pem()
        self.key_file = write_private(os.path.join(self.directory, "key.pem"), pem)
        kek, checkpoint = secrets.token_hex(32), new_pem()[1]
        self.link_key = secrets.token_hex(32)
        self.kek_file = write_private(os.path.join(self.directory, "audit-kek"), kek)
        self.checkpoint_key_file = write_private(os.path.join(self.directory, "audit-checkpoint.pem"), checkpoint)
        self.secrets_file = write_private(os.path.join(self.directory, "secrets.json"),
                                          json.dumps({"audit": {"kek": kek, "checkpoint-key": checkpoint},
                                                      "email": {"link-key": self.link_key}}))
        self.token_directory = os.path.join(self.directory, "tokens")
        os.makedirs(self.token_directory)
        for role in self.counts:
            self.tokens[role] = [secrets.token_hex(32), secrets.token_hex(32)]
            for kind, token in zip(("api", "app"), self.tokens[role]):
                write_private(f"{self.token_directory}/{role}.{kind}-token", token)

    def config_of(self, role):
        config = {d["key"]: url_of(self.database.url, "todod", d["role"]) for d in self.database_roles(role)}
        if role != "sidecar":
            config |= {"dapr.token_file": f"{self.token_directory}/{role}.api-token",
                       "dapr.app_token_file": f"{self.token_directory}/{role}.app-token",
                       "auth.mode": "builtin", "auth.key_file": self.key_file}
        if role == "auditor":
            config |= {"audit.kek_file": self.kek_file, "audit.checkpoint_key_file": self.checkpoint_key_file}
        if role == "notifier" and self.mail is not None:
            config |= {"smtp.url": f"smtp://127.0.0.1:{self.mail.port}", "smtp.tls": "false", "smtp.from": "todod@sink.example.org"}
        return config | self.settings.get(role, {})

    def crons(self):
        """For the embedded sidecar: ROLE/BINDING=SCHEDULE of all roles."""
        return "; ".join(c for role in self.counts for c in crons_handled(role, self.descriptions[role]["crons"]))

    def start_embedded(self):
        apps = [f"{i.role}={i.api_port}:127.0.0.1:{i.callback_port}" for i in self.instances]
        config = {"sidecar.apps": ", ".join(apps), "sidecar.topics": " ".join(components.topics()),
                  "sidecar.crons": self.crons(),
                  "sidecar.scopes": "; ".join(scope for r in self.counts for scope in components.scopes_of(r)),
                  "sidecar.token_dir": self.token_directory, "sidecar.secrets_file": self.secrets_file}
        sidecar = Role("sidecar", 0, self.directory, {**config, **self.config_of("sidecar")}, self.binary)
        self.processes["sidecar"] = sidecar
        for instance in self.instances:
            instance.config["dapr.url"] = f"http://127.0.0.1:{instance.api_port}"
            self.sidecars[instance.name] = sidecar
        sidecar.start()

    def start_real_stack(self):
        self.real.start()
        for name in ("kafka", "scheduler", "sentry"):
            self.processes[name] = getattr(self.real, name)
        self.real.topics()
        Database(self.postgres.cluster.url, "dapr").create().close()
        for instance in self.instances:
            api_token, app_token = self.tokens[instance.role]
            sidecar = self.real.role_sidecar(instance.role, instance.callback_port, url_of(self.postgres.cluster.url, "dapr"),
                                             self.secrets_file, name=instance.name, token=api_token, app_token=app_token)
            instance.api_port = sidecar.http_port
            instance.config["dapr.url"] = sidecar.url
            self.processes[sidecar.name] = self.sidecars[instance.name] = sidecar
            sidecar.start(wait=False)

    def wait_ready(self, seconds=READY_SECONDS):
        """Every role is, and every sidecar delivers to its app."""
        for instance in self.instances:
            instance.wait_ready()
        for instance in self.instances:
            process.wait_until(f"the sidecar of {instance.name} delivers", lambda i=instance: real_stack.http_status(
                f"http://127.0.0.1:{i.api_port}/v1.0/healthz") == 204, seconds)
        return self

    def stop(self, check=True):
        """check: each role ends with 0, and every line it wrote is one of a log."""
        failures = []
        for instance in [*reversed(getattr(self, "instances", ())), self.processes.get("sidecar")]:
            try:
                if instance is not None:
                    instance.stop()
            except (AssertionError, subprocess.TimeoutExpired) as e:
                failures.append(f"{instance.name}: {e}")
        if self.real is not None:
            self.real.stop()
        if self.mail is not None:
            self.mail.stop()
        self.postgres.cluster.remove()
        assert not (check and failures), "\n".join(failures)

    # ---- what tests and benches ask for ----

    def of(self, role, number=0):
        """The process of a role; its sidecar is sidecar_of()."""
        return self.processes["sidecar" if role == "sidecar" else f"{role}-{number}"]

    def sidecar_of(self, role, number=0):
        return self.sidecars[f"{role}-{number}"]

    def kill(self, role, number=0):
        self.of(role, number).kill()

    def restart(self, role, number=0):
        """As if by a supervisor: after kill() or stop(), or of one that runs."""
        one = self.of(role, number)
        if one.is_alive():
            one.stop()
        return one.start()

    def url(self, role="chat-api", number=0):
        return f"http://127.0.0.1:{self.of(role, number).port}"

    def token(self, user):
        return sign(self.signing_key, user)

    def metrics(self, role, number=0):
        """{name with its labels: value}"""
        return metrics(self.of(role, number))

    def ops(self, role, path, number=0):
        return ops(self.of(role, number), path)

    def lag(self, role, topics):
        """Records of these topics that the role has not taken yet; None: nobody knows now."""
        if self.stack == "dapr":
            return self.real.lag(role, topics)
        values = self.metrics("sidecar")
        found = [values.get(f'todod_sidecar_{what}{{topic="{t}",group="{role}"}}')
                 for t in topics for what in ("lag_records", "in_flight")]
        return None if None in found else sum(found)

    def command(self, *args, role="auditor", timeout=600):
        """`todod audit verify` and the like, with a role's configuration."""
        return process.run(*args, f"--config={self.of(role).config_path}", binary=self.binary, timeout=timeout)

    def cpu_seconds(self):
        """{process: CPU seconds it has used since it was started}"""
        return {name: proc.tree_cpu_seconds(p.pid) if p is self.postgres else proc.cpu_seconds(p.pid)
                for name, p in self.processes.items() if p.pid and p.is_alive()}

    def memory_mib(self, field="RssAnon"):
        """{process: MiB}, of PostgreSQL without what its sessions share."""
        pids = {name: [p.pid, *(proc.children(p.pid) if p is self.postgres else ())]
                for name, p in self.processes.items() if p.pid and p.is_alive()}
        return {name: sum(proc.memory_kib(pid, field) for pid in group) / 1024 for name, group in pids.items()}


def sweep(directory):
    """Removes the logs of runs whose process is gone."""
    for name in os.listdir(directory) if os.path.isdir(directory) else []:
        pid = name.rpartition("-")[2]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)


def main(arguments):
    """deployment.py STACK: starts it, says how to reach it, and stops it at Ctrl-C."""
    with Deployment(arguments[0] if arguments else "embedded") as d:
        print(f"{d.url()}/api/demo/tasks\n{d.token('demo')}\n{d.database.url}\nlogs: {d.directory}", flush=True)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main(sys.argv[1:])
