# SPDX-License-Identifier: Apache-2.0
"""
The contract suite: what todod expects of a sidecar, asked by its HTTP API from an app's side. The same tests run
against each backend of backend.py: --backend=real, --backend=embedded, both unless told. One test is one case; its
docstring's first line is its name in the table at the end, and note() says there what was seen.
"""
import re

import pytest

from app import App
from backend import APP_TOKEN, MUTE, TICK, RealBackend, Unavailable
from client import new_event
from embedded import EmbeddedBackend

BACKENDS = {b.name: b for b in (RealBackend, EmbeddedBackend)}

# Topics of the apps that all tests share; what ends in / has a dead-letter topic dlq.NAME, which they subscribe raw.
SHARED = ["event", "wrap", "bulk", "order", "serial", "big", "retry/", "poison/", "lost/", "exhaust/", "status/", "garbage/"]
# Of apps that a test has for itself.
OWN = ["nobody", "stuck", "later", "pair", "heirs", "app-down/", "app-away/", "sidecar-down/", "sidecar-stop/", "broker", "slow/"]
PARTITIONS = 12

results = {}
notes = {}
versions = {}


def pytest_addoption(parser):
    parser.addoption("--backend", action="append", choices=list(BACKENDS), help="run against this one; may be repeated")


def pytest_generate_tests(metafunc):
    names = metafunc.config.getoption("backend") or list(BACKENDS)
    for fixture in {"backend", "deployed"} & set(metafunc.fixturenames):
        metafunc.parametrize(fixture, names, indirect=True, scope="session")


def pytest_configure(config):
    config.addinivalue_line("markers", "real: about nothing but a real Dapr")


def pytest_collection_modifyitems(config, items):
    if "real" not in (config.getoption("backend") or BACKENDS):
        left_out = [item for item in items if item.get_closest_marker("real")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def backend_of(node):
    """The name of the backend that a test runs against; None: it is about none."""
    params = getattr(getattr(node, "callspec", None), "params", {})
    return params.get("backend") or params.get("deployed")


@pytest.fixture(scope="session")
def backend(request):
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    try:
        made = BACKENDS[request.param](lambda text: reporter.write_line(text))
    except Unavailable as e:
        versions[request.param] = [f"not run: {e}"]
        pytest.skip(f"{request.param} was not run: {e}")
    try:
        made.start()
        made.topics({name: n for topic in SHARED + OWN for name, n in topics_of(topic).items()})
        versions[made.name] = made.versions()
        yield made
    finally:
        made.stop()


def topics_of(topic):
    name = "t-" + topic.rstrip("/")
    return {name: PARTITIONS, **({f"dlq.{name}": 1} if topic.endswith("/") else {})}


@pytest.fixture(scope="session")
def run_app(backend):
    """A function that starts an app with a sidecar: (app, side). All of them stop with the session."""
    made = []

    def run(app_id, topics=(), name=None, health=False, start=True, functions=()):
        app = App(app_id)
        for topic in topics:
            main, *dead = topics_of(topic)
            app.subscribe(main, dead[0] if dead else None)
            if dead:
                app.subscribe(dead[0], raw=True)
        for path, function in functions:
            app.on(path, function)
        app.start()
        side = backend.sidecar(app_id, app, name, health)
        made.append((app, side))
        if start:
            side.start()
        return app, side

    yield run
    backend.stop_sidecars([side for _, side in made])
    for app, _ in made:
        app.stop()


@pytest.fixture(scope="session")
def shared(run_app):
    """The app that subscribes to all topics of SHARED, and its sidecar."""
    return run_app("contract-app", SHARED)


@pytest.fixture(scope="session")
def other(run_app):
    """Another app, so another group, on some of the same topics."""
    return run_app("contract-other", ["event", "order"])


@pytest.fixture
def app(shared):
    return shared[0]


@pytest.fixture
def side(shared):
    """The sidecar of the shared app."""
    return shared[1]


@pytest.fixture(scope="session")
def publisher(backend):
    """A sidecar without an app; it may publish and be asked."""
    made = backend.sidecar("contract-publisher").start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def mute(backend):
    """A sidecar of an app that may not publish."""
    made = backend.sidecar(MUTE).start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def cron(run_app):
    return run_app("contract-cron")


@pytest.fixture
def tick_path():
    return "/" + TICK


@pytest.fixture(scope="session")
def app_token():
    return APP_TOKEN


@pytest.fixture
def event(request):
    """An event nobody else has."""
    return new_event(type=re.sub(r"\W+", "-", request.node.name))


@pytest.fixture
def note(request):
    """A function that says in the table what was seen."""
    def say(text):
        notes.setdefault((case_name(request.node), backend_of(request.node)), []).append(text)
    return say


@pytest.fixture
def differs(request):
    """A function that ends a case which one backend cannot have, with the reason as its result in the table."""
    def say(name, why):
        if backend_of(request.node) == name:
            results[(case_name(request.node), name)] = f"differs: {why}"
            pytest.skip(f"differs: {why}")
    return say


@pytest.fixture
def version(side):
    """(1, 16) of a sidecar that is or behaves like Dapr 1.16."""
    major, minor = re.match(r"(\d+)\.(\d+)", side.metadata()["runtimeVersion"]).groups()
    return int(major), int(minor)


# ---- the table ----

def case_name(node):
    return (node.function.__doc__ or node.originalname).strip().splitlines()[0].rstrip(".")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    name = backend_of(item)
    if name is None:
        return
    key = (case_name(item), name)
    if report.failed:
        results[key] = "FAILED"
    elif report.skipped:
        results.setdefault(key, "not run")
    elif report.when == "call":
        results.setdefault(key, "ok")


def pytest_terminal_summary(terminalreporter):
    if not results:
        return
    ran = [name for name in BACKENDS if any(b == name for _, b in results)]
    several = len({name for (_, name), result in results.items() if result != "not run"}) > 1
    terminalreporter.section("contract")
    for name in ran:
        terminalreporter.write_line(f"{name}: {'; '.join(versions.get(name, ['did not start']))}")
    terminalreporter.write_line("")
    terminalreporter.write_line(f"| case | {' | '.join(ran)} | seen |")
    terminalreporter.write_line("|---" * (len(ran) + 2) + "|")
    for case in dict.fromkeys(case for case, _ in results):
        seen = [f"{name}: {text}" if several else text for name in ran for text in notes.get((case, name), [])]
        cells = [results.get((case, name), "") for name in ran]
        terminalreporter.write_line(f"| {case} | {' | '.join(cells)} | {'; '.join(dict.fromkeys(seen)).replace('|', chr(92) + '|')} |")
