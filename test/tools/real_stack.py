#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A real Dapr and a real Kafka on loopback, without containers:

  test/tools/real_stack.py build                     builds what is not in the cache; prints where it is
  test/tools/real_stack.py versions                  what it is made of
  test/tools/real_stack.py topics BROKERS [FLAG...]  makes the topics of dapr-components/topics on a broker
  test/tools/real_stack.py up                        broker and scheduler until Ctrl-C; prints how to reach them
  test/tools/real_stack.py sidecars DIR CONFIG       until SIGTERM, in the place of `todod --role=sidecar --config=CONFIG`:
                                                     the same apps, ports, tokens and secrets; starts again what dies

The programs are built once for each state of test/tools/dapr and test/tools/kafka, into
~/.cache/todod/real-stack/. Every process belongs to the one that started it and ends with it, even by SIGKILL; data
and logs are in the directory given to Stack, one log for each process.
"""
import base64
import concurrent.futures
import ctypes
import fcntl
import glob
import hashlib
import http.server
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAPR = os.path.join(ROOT, "test", "tools", "dapr")
KAFKA = os.path.join(ROOT, "test", "tools", "kafka")
PG = os.path.join(ROOT, "scripts", "pg.sh")
TOPICS = os.path.join(ROOT, "dapr-components", "topics")
COMPONENTS = os.path.join(ROOT, "dapr-components", "local")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "todod", "real-stack")
PROGRAMS = ["daprd", "scheduler", "sentry", "topics"]
BUILDS_KEPT = 4
START_SECONDS = 120
DEATHS_MAX = 5  # of one process within a minute, before giving up
STOP_SECONDS = 15
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
SPAWNER = concurrent.futures.ThreadPoolExecutor(1, "spawner")


# daprd asks the app each second, and after two failures delivers nothing until it is well again: found before the retries of
# an event that meets no app are used up.
APP_HEALTH_FLAGS = ("--enable-app-health-check", "--app-health-check-path", "/healthz", "--app-health-probe-interval", "1",
                    "--app-health-threshold", "2")


class Missing(Exception):
    """What the machine lacks, in words."""


# ---- building ----

def version_of(argv, pattern):
    """(major, minor) that a program tells of itself; None where there is no such program."""
    try:
        done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError:
        return None
    found = re.search(pattern, done.stdout)
    return (int(found[1]), int(found[2] or 0)) if found else None


def missing(need_maven):
    found = []
    go = version_of(["go", "version"], r"go(\d+)\.(\d+)")
    java = version_of(["java", "-version"], r'version "(\d+)(?:\.(\d+))?')
    if go is None or go < (1, 24):
        found.append(f"Go 1.24 or later ({'go %d.%d' % go if go else 'no go'} in PATH)")
    if java is None or java < (17, 0):
        found.append(f"Java 17 or later ({'java %d' % java[0] if java else 'no java'} in PATH)")
    if need_maven and not shutil.which("mvn"):
        found.append("Maven (no mvn in PATH)")
    return found


def sources():
    return sorted([*glob.glob(f"{DAPR}/go.*"), *glob.glob(f"{DAPR}/*/*.go"), f"{KAFKA}/pom.xml"])


def cache_directory():
    digest = hashlib.sha256()
    for path in sources():
        with open(path, "rb") as f:
            digest.update(os.path.relpath(path, ROOT).encode() + b"\0" + f.read() + b"\0")
    return os.path.join(CACHE, digest.hexdigest()[:16])


def module_version(path, file):
    with open(file, encoding="utf-8") as f:
        return re.search(path, f.read())[1]


def dapr_version():
    return module_version(r"github\.com/dapr/dapr v([\w.-]+)", f"{DAPR}/go.mod")


def kafka_version():
    return module_version(r"kafka_2\.13</artifactId>\s*<version>([\w.-]+)", f"{KAFKA}/pom.xml")


def versions():
    def first_line(argv):
        done = subprocess.run(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.stdout.splitlines()[0] if done.stdout else "?"
    return [f"Dapr {dapr_version()}", f"Kafka {kafka_version()}", first_line(["go", "version"]),
            first_line(["java", "-version"])]


def run_build(argv, directory, env=None):
    # A machine that builds this has other work too.
    done = subprocess.run(["nice", "-n", "10", *argv], cwd=directory, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Missing(f"`{' '.join(argv[:3])} ...` failed:\n{done.stdout.strip()[-3000:]}")


def build_into(directory):
    version = "github.com/dapr/dapr/pkg/buildinfo.version=" + dapr_version()
    # Without the tag, daprd has no components and panics at start. GOFLAGS of the machine are not ours.
    run_build(["go", "build", "-p", "1", "-mod=mod", "-trimpath", "-tags", "stablecomponents", "-ldflags",
               f"-s -w -X {version}", "-o", f"{directory}/bin/", "./daprd", "./topics",
               "github.com/dapr/dapr/cmd/scheduler", "github.com/dapr/dapr/cmd/sentry"], DAPR,
              {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"})
    run_build(["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={directory}/lib"], KAFKA)


def forget_old_builds():
    """A build has 300 MB; those of other checkouts may be in use, so only the oldest go."""
    builds = sorted(glob.glob(f"{CACHE}/*/complete"), key=os.path.getmtime)
    for marker in builds[:-BUILDS_KEPT]:
        shutil.rmtree(os.path.dirname(marker))


def build(say=print):
    """The directory with bin/ and lib/. Raises Missing."""
    directory = cache_directory()
    lacking = missing(need_maven=not os.path.exists(f"{directory}/complete"))
    if lacking:
        raise Missing("missing: " + ", ".join(lacking))
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{directory}/complete"):
            say(f"real stack: building Dapr {dapr_version()}, collecting Kafka {kafka_version()}: some minutes, once")
            started = time.monotonic()
            os.makedirs(f"{directory}/bin", exist_ok=True)
            build_into(directory)
            with open(f"{directory}/complete", "w", encoding="utf-8") as f:
                f.write("\n".join(versions()) + "\n")
            say(f"real stack: built in {time.monotonic() - started:.0f} s")
            forget_old_builds()
    return directory


# ---- processes ----

claims = []  # of ports, as long as this process lives


def claim(port):
    """Whether the port is this caller's from now on: a name that one process of the machine can have, which goes with it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0todod-test-port-{port}")
    except OSError:
        name.close()
        return False
    claims.append(name)
    return True


def free_ports(count):
    """
    Ports nobody has now, and nobody gets as the near end of a connection: they can be listened on again after a kill. None is given
    twice, to whomever, while it may not be listened on yet or between a kill and the next start.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        end = int(f.read().split()[0])
    ports = set()
    while len(ports) < count:
        port = random.randrange(10240, end)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if claim(port):
            ports.add(port)
    return list(ports)


def listens(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def http_status(url, timeout=2):
    """0 where nobody answers."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=timeout) as answer:
            return answer.status
    except urllib.error.HTTPError as e:
        return e.code
    except OSError:
        return 0


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(*args, **kwargs):
    """
    subprocess.Popen, of a process that ends with this one, even by SIGKILL. The kernel ends it with the thread that
    started it: so that is one which lives as long as this process.
    """
    return SPAWNER.submit(subprocess.Popen, *args, preexec_fn=end_with_parent, **kwargs).result()


class Process:
    """One program that can be started again and again on the same data and ports."""

    def __init__(self, name, argv, directory, env=None, ready=None):
        self.name = name
        self.argv = argv
        self.directory = directory
        self.env = env or {}
        self.is_ready = ready or (lambda: True)
        self.process = None
        self.log_path = os.path.join(directory, f"{name}.log")

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            # A session of its own: Ctrl-C reaches the one who started it, who then stops this.
            self.process = spawn(self.argv, cwd=self.directory, stdout=log, stderr=log, start_new_session=True,
                                 stdin=subprocess.DEVNULL, env={**clean_env(), **self.env})
        with open(os.path.join(self.directory, f"{self.name}.pid"), "w", encoding="utf-8") as f:
            f.write(f"{self.process.pid}\n")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if not self.is_alive():
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {START_SECONDS} s:\n{self.tail()}")
            time.sleep(0.05)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL: it gets to say goodbye to nobody."""
        if self.is_alive():
            self.process.kill()
        if self.process is not None:
            self.process.wait(STOP_SECONDS)

    def stop(self):
        self.terminate()
        self.wait_stopped()

    def terminate(self):
        """Once: daprd takes a second SIGTERM as an order to end at once."""
        if self.is_alive():
            self.process.terminate()

    def wait_stopped(self):
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def tail(self, size=3000):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()[-size:]

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) // 1024


def clean_env():
    """Without what would turn a sidecar into somebody else's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("DAPR_", "APP_API_TOKEN", "TODOD_", "OTEL_"))}


SENTRY_CONFIGURATION = """\
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: daprsystem}
spec:
  mtls: {enabled: true, workloadCertTTL: 24h, allowedClockSkew: 15m}
"""

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={directory}/kafka-data
# A topic that nobody made is a mistake here as it is in production.
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


class Stack:
    """
    Broker, certificate authority and scheduler, then sidecars by sidecar(). A context manager that stops all of it.
    Sidecars know each other by certificates, as in a cluster: access control is about nobody without them.
    keep: what records, jobs and certificates the directory has from before are used again.
    """

    def __init__(self, directory, say=print, keep=False):
        self.directory = os.path.abspath(directory)
        self.keep = keep
        self.cache = build(say)
        self.sidecars = []
        self.kafka = self.scheduler = self.sentry = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.forget_last_run()
        self.kafka = self.make_kafka().start(wait=False)
        self.sentry = self.make_sentry().start()
        self.scheduler = self.make_scheduler().start()
        self.kafka.wait_ready()
        return self

    def forget_last_run(self):
        """Where sidecars find each other, with those that were killed; and what the scheduler was known by."""
        for path in glob.glob(f"{self.directory}/names.db*"):
            os.remove(path)
        for path in glob.glob(f"{self.directory}/*-scheduler-identity"):
            shutil.rmtree(path)

    def processes(self):
        return [p for p in (*self.sidecars, self.scheduler, self.sentry, self.kafka) if p is not None]

    def stop(self):
        """Sidecars first, so that they leave their groups while there is a broker to leave."""
        for sidecar in self.sidecars:
            sidecar.terminate()
        for sidecar in self.sidecars:
            sidecar.wait_stopped()
        for process in (self.scheduler, self.sentry, self.kafka):
            if process is not None:
                process.stop()

    def java(self, *arguments, level="INFO"):
        return ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.level={level}", "-cp", f"{self.cache}/lib/*",
                *arguments]

    def make_kafka(self):
        broker, controller = free_ports(2)
        properties = os.path.join(self.directory, "server.properties")
        with open(properties, "w", encoding="utf-8") as f:
            f.write(SERVER_PROPERTIES.format(broker=broker, controller=controller, directory=self.directory))
        if not os.path.exists(f"{self.directory}/kafka-data/meta.properties"):
            self.format_storage(properties)
        self.brokers = f"127.0.0.1:{broker}"
        return Process("kafka", self.java("kafka.Kafka", properties), self.directory, ready=lambda: listens(broker))

    def format_storage(self, properties):
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        with open(os.path.join(self.directory, "kafka-format.log"), "wb") as log:
            subprocess.run(self.java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", properties),
                           check=True, stdout=log, stderr=log)

    def make_sentry(self):
        port, health, metrics = free_ports(3)
        credentials = os.path.join(self.directory, "certificates")
        os.makedirs(credentials, mode=0o700, exist_ok=True)
        self.sentry_address = f"127.0.0.1:{port}"
        self.anchors = os.path.join(credentials, "ca.crt")
        configuration = os.path.join(self.directory, "sentry.yaml")
        with open(configuration, "w", encoding="utf-8") as f:
            f.write(SENTRY_CONFIGURATION)
        return Process("sentry", [
            f"{self.cache}/bin/sentry", "--listen-address=127.0.0.1", f"--port={port}",
            "--healthz-listen-address=127.0.0.1", f"--healthz-port={health}",
            "--metrics-listen-address=127.0.0.1", f"--metrics-port={metrics}",
            f"--issuer-credentials={credentials}", "--trust-domain=localhost", f"--config={configuration}",
        ], self.directory, {"NAMESPACE": "default"},
            lambda: http_status(f"http://127.0.0.1:{health}/healthz") == 200 and os.path.exists(self.anchors))

    def make_scheduler(self):
        port, health, metrics, client, peer = free_ports(5)
        data = os.path.join(self.directory, "scheduler-data")
        os.makedirs(data, mode=0o700, exist_ok=True)
        self.scheduler_address = f"127.0.0.1:{port}"
        return Process("scheduler", [
            f"{self.cache}/bin/scheduler", "--listen-address=127.0.0.1", f"--port={port}",
            "--healthz-listen-address=127.0.0.1", f"--healthz-port={health}",
            "--metrics-listen-address=127.0.0.1", f"--metrics-port={metrics}",
            f"--override-broadcast-host-port={self.scheduler_address}", f"--etcd-data-dir={data}",
            f"--etcd-client-port={client}", f"--etcd-initial-cluster=dapr-scheduler-server-0=http://127.0.0.1:{peer}",
            "--tls-enabled", f"--trust-anchors-file={self.anchors}", f"--sentry-address={self.sentry_address}",
            f"--identity-directory-write={self.directory}/scheduler-identity",
        ], self.directory, {"NAMESPACE": "default"}, ready=lambda: http_status(f"http://127.0.0.1:{health}/healthz") == 200)

    def topics(self, table=None):
        """Makes the topics of a table as in dapr-components/topics, which is the one unless another is given."""
        if table is None:
            with open(TOPICS, encoding="utf-8") as f:
                table = f.read()
        done = subprocess.run([f"{self.cache}/bin/topics", "-brokers", self.brokers], input=table, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout)
        return done.stdout

    def lag(self, group, topics):
        """Records that the group has not committed; None: the broker does not tell now."""
        done = subprocess.run(self.java("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--bootstrap-server", self.brokers,
                                        "--describe", "--group", group), text=True, capture_output=True, check=False)
        # GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...; "-" stands for an offset that was never committed.
        rows = [line.split() for line in done.stdout.splitlines() if line.startswith(group + " ")]
        behind = {(r[1], r[2]): int(r[4]) - (0 if r[3] == "-" else int(r[3])) for r in rows if r[1] in topics and r[4] != "-"}
        if done.returncode or {topic for topic, _ in behind} != set(topics):
            return None
        return sum(behind.values())

    def kafka_tool(self, name, *arguments):
        """What a command line tool of Kafka says: bytes."""
        with open(os.path.join(self.directory, "kafka-tools.log"), "ab") as log:
            return subprocess.run(self.java(f"org.apache.kafka.tools.consumer.{name}", "--bootstrap-server", self.brokers, *arguments,
                                            level="OFF"), check=True, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL).stdout

    def records(self, topic):
        """(key, value) of all records of a topic; a record without a key has `null`."""
        text = self.kafka_tool("ConsoleConsumer", "--topic", topic, "--from-beginning", "--timeout-ms", "5000", "--property",
                               "print.key=true", "--property", "key.separator=\x01", "--property", "line.separator=\x02")
        return [tuple(record.split(b"\x01", 1)) for record in text.split(b"\x02") if record]

    def groups(self):
        """The consumer groups that there are."""
        return set(self.kafka_tool("group.ConsumerGroupCommand", "--list").decode().split())

    def sidecar(self, app_id, app_port, resources, config, **options):
        """Not started yet. Its name tells several of one app id apart."""
        made = Sidecar(self, app_id, app_port, resources, config, **options)
        self.sidecars.append(made)
        return made

    def role_sidecar(self, role, app_port, statestore_url, secrets_file, **options):
        """The sidecar of a role of todod, with dapr-components/local as it stands. Not started yet."""
        env = {"KAFKA_BROKERS": self.brokers, "SECRETS_FILE": secrets_file, "STATESTORE_URL": statestore_url}
        return self.sidecar(role, app_port, COMPONENTS, os.path.join(COMPONENTS, "config", f"{role}.yaml"), env=env,
                            flags=APP_HEALTH_FLAGS, **options)


class Sidecar(Process):
    """daprd beside an app. url is its API; app_port None: no app."""

    def __init__(self, stack, app_id, app_port, resources, config, name=None, token=None, app_token=None, env=None,
                 flags=(), http_port=None):
        self.app_id = app_id
        self.token = token
        free_port, grpc, internal, public, metrics, profile = free_ports(6)
        self.http_port = http_port or free_port
        self.url = f"http://127.0.0.1:{self.http_port}"
        argv = [
            f"{stack.cache}/bin/daprd", "--app-id", app_id, "--log-as-json",
            "--dapr-http-port", str(self.http_port), "--dapr-grpc-port", str(grpc),
            "--dapr-internal-grpc-port", str(internal), "--dapr-public-port", str(public),
            "--metrics-port", str(metrics), "--profile-port", str(profile),
            "--dapr-listen-addresses", "127.0.0.1", "--dapr-internal-grpc-listen-address", "127.0.0.1",
            "--dapr-public-listen-address", "127.0.0.1", "--metrics-listen-address", "127.0.0.1",
            "--read-buffer-size", "32Ki", "--resources-path", resources, "--config", config,
            "--scheduler-host-address", stack.scheduler_address,
            "--enable-mtls", "--sentry-address", stack.sentry_address, *flags,
        ]
        if app_port is not None:
            argv += ["--app-port", str(app_port), "--app-protocol", "http"]
        with open(stack.anchors, encoding="utf-8") as f:
            anchors = f.read()
        # Its own address is looked up by the way to the internet unless it is told.
        environment = {"DAPR_HOST_IP": "127.0.0.1", "DAPR_TRUST_ANCHORS": anchors, "NAMESPACE": "default", "POD_NAME": name or app_id,
                       "DAPR_API_TOKEN": token, "APP_API_TOKEN": app_token, **(env or {})}
        super().__init__(f"daprd-{name or app_id}", argv, stack.directory,
                         {k: v for k, v in environment.items() if v is not None}, self.is_outbound_ready)

    def is_outbound_ready(self):
        return http_status(f"{self.url}/v1.0/healthz/outbound") == 204

    def is_all_ready(self):
        return http_status(f"{self.url}/v1.0/healthz") == 204


# ---- commands ----

def up():
    with Stack(os.path.join(ROOT, ".run", "real-stack", "up")) as stack:
        print(stack.topics(), end="")
        print(f"real stack: brokers {stack.brokers}, scheduler {stack.scheduler_address}, programs {stack.cache}, "
              f"logs {stack.directory}; Ctrl-C stops it", flush=True)
        while stack.kafka.is_alive() and stack.scheduler.is_alive():
            time.sleep(1)
        raise RuntimeError("the broker or the scheduler ended; see the logs")


def read_config(path):
    """KEY = VALUE a line, as todod reads them."""
    with open(path, encoding="utf-8") as f:
        pairs = [line.split("=", 1) for line in f if line.strip() and not line.startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


def read_token(config, role, kind):
    with open(os.path.join(config["sidecar.token_dir"], f"{role}.{kind}-token"), encoding="ascii") as f:
        return f.read().strip()


def make_sidecars(stack, config):
    """One for each instance of an app in sidecar.apps: ID=API-PORT:ADDRESS:PORT, ..."""
    for number, entry in enumerate(config["sidecar.apps"].split(",")):
        role, _, where = entry.strip().partition("=")
        api_port, _, address = where.partition(":")
        name = role if all(s.app_id != role for s in stack.sidecars) else f"{role}-{number}"
        stack.role_sidecar(role, int(address.rpartition(":")[2]), config["database.url"], config["sidecar.secrets_file"],
                           name=name, token=read_token(config, role, "api"), app_token=read_token(config, role, "app"),
                           http_port=int(api_port))


def serve_readiness(stack, port):
    """GET /readyz, as a role of todod has it."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            is_ready = self.path == "/readyz" and all(p.is_alive() and p.is_ready() for p in stack.processes())
            self.send_response(200 if is_ready else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def keep_running(processes):
    """Until somebody stops it: what dies is started again."""
    deaths = {p.name: [] for p in processes}
    while True:
        for dead in (p for p in processes if not p.is_alive()):
            now = time.monotonic()
            deaths[dead.name] = [*(at for at in deaths[dead.name] if now - at < 60), now]
            if len(deaths[dead.name]) == DEATHS_MAX:
                raise RuntimeError(f"{dead.name} ended {DEATHS_MAX} times within a minute:\n{dead.tail()}")
            print(f"{dead.name} ended with {dead.process.returncode}; starting it again", flush=True)
            time.sleep(1)
            dead.start(wait=False)
        time.sleep(0.2)


def sidecars(directory, config_path):
    config = read_config(config_path)
    with Stack(directory, keep=True) as stack:
        stack.topics()
        make_sidecars(stack, config)
        serve_readiness(stack, int(config["ops.port"]))
        for sidecar in stack.sidecars:
            sidecar.start(wait=False)
        print(f"{', '.join(versions())}; logs and data in {stack.directory}", flush=True)
        keep_running(stack.processes())


def main(arguments):
    command = arguments[0] if arguments else ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if command == "build":
            print(build())
        elif command == "versions":
            print("\n".join(versions()))
        elif command == "topics" and len(arguments) > 1:
            program = os.path.join(build(), "bin", "topics")
            with open(TOPICS, "rb") as table:
                return subprocess.run([program, "-brokers", *arguments[1:]], stdin=table, check=False).returncode
        elif command == "up":
            up()
        elif command == "sidecars" and len(arguments) == 3:
            sidecars(*arguments[1:])
        else:
            print(__doc__.strip(), file=sys.stderr)
            return 64
    except Missing as e:
        print(f"real stack: {e}", file=sys.stderr)
        return 69
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
