#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs suites of tests and counts them: test/run.py [--profile=P] SUITE...

lint  unit  oracle  vectors  fuzz-replay  flow  torture  schemathesis[=CASES]  valgrind  fuzz=SECONDS  contract[=optional]
contract-embedded

What passes is one line per suite; what fails is shown in full. The last line is `N passed, N failed`. Suites
that want PostgreSQL share a cluster that lives as long as this process, under .run/test/.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLUSTERS = os.path.join(ROOT, ".run", "test")
PG = os.path.join(ROOT, "scripts", "pg.sh")
JOBS = max(2, os.cpu_count() or 2)
UNIT_SECONDS = 300
FLOW_SECONDS = 1500
TORTURE_SECONDS = 600
SCHEMATHESIS_SECONDS = 5400
CONTRACT_SECONDS = 3600
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
                    ":detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "CK_DEFAULT_TIMEOUT": "60",
}
VALGRIND = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
            "--errors-for-leak-kinds=definite", "--error-exitcode=99", "--trace-children=no",
            "--soname-synonyms=somalloc=nouserintercepts"]


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.excused = False  # told that a suite need not run, and it did not

    def suite(self, name, passed, failed, started, note=""):
        self.passed += passed
        self.failed += failed
        print(f"{name}: {passed} passed, {failed} failed in {time.monotonic() - started:.0f} s{note}", flush=True)


class Cluster:
    """A throw-away PostgreSQL; made when first asked for, gone with this process."""

    def __init__(self):
        self.directory = os.path.join(CLUSTERS, str(os.getpid()))
        self.url = None

    def start(self):
        if self.url is None:
            sweep_clusters()
            # stdout may not be a pipe: the server would inherit it and hold it open.
            subprocess.run([PG, "start", self.directory, "max_connections=500"], check=True)
            self.url = subprocess.run([PG, "url", self.directory], check=True, text=True,
                                      stdout=subprocess.PIPE).stdout.strip()
        return self.url

    def remove(self):
        if self.url is not None:
            subprocess.run([PG, "remove", self.directory], check=False)


def sweep_clusters():
    """Removes what a runner that was killed left behind."""
    for name in os.listdir(CLUSTERS) if os.path.isdir(CLUSTERS) else []:
        if name.isdigit() and not os.path.exists(f"/proc/{name}"):
            subprocess.run([PG, "remove", os.path.join(CLUSTERS, name)], check=False)


def show(title, text):
    print(f"---- {title}\n{text.rstrip()}\n----", flush=True)


def run_program(argv, env, seconds):
    """(status, output); the status of one that took too long is None. Its whole process group ends with it."""
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True) as p:
        try:
            output = p.communicate(timeout=seconds)[0]
            return p.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            return None, p.communicate()[0] + f"\nstopped after {seconds} s"


def count_checks(status, output):
    """(passed, failed) from the summary lines of libcheck; a program that failed without saying so is one failure."""
    passed = failed = 0
    for checks, failures, errors in re.findall(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$",
                                               output, re.M):
        bad = int(failures) + int(errors)
        failed += bad
        passed += int(checks) - bad
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    return passed, failed


def unit(tally, cluster, profile, wrapper=(), suite="unit", seconds=UNIT_SECONDS):
    started = time.monotonic()
    sources = sorted(glob.glob("test/unit/*/test_*.c", root_dir=ROOT))
    env = dict(os.environ, **SANITIZERS, TODOD_TEST_DATABASE_URL=cluster.start(),
               TODOD_TEST_BUILD=os.path.join(ROOT, "build", profile))
    if wrapper:
        env["CK_TIMEOUT_MULTIPLIER"] = "20"
    programs = [os.path.join("build", profile, source[:-2]) for source in sources]
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        runs = {p: pool.submit(run_program, [*wrapper, p], env, seconds) for p in programs}
        for program, future in runs.items():
            status, output = future.result()
            good, bad = count_checks(status, output)
            passed += good
            failed += bad
            if bad:
                show(f"{program}: exit status {status}", output)
    tally.suite(suite, passed, failed, started, f" ({len(programs)} programs)")


def valgrind(tally, cluster, profile):
    unit(tally, cluster, "debug", VALGRIND, "valgrind", 1200)


def fuzz_targets():
    return sorted(os.path.basename(p)[:-len("_fuzzer.c")] for p in glob.glob(f"{ROOT}/test/fuzz/*_fuzzer.c"))


def fuzz_replay(tally, cluster, profile):
    started = time.monotonic()
    passed = failed = 0
    for target in fuzz_targets():
        program = os.path.join("build", profile, "test", "fuzz", target + "_replay")
        status, output = run_program([program, f"test/fuzz/corpus/{target}"], dict(os.environ, **SANITIZERS), 300)
        count = re.search(r"^(\d+) inputs$", output, re.M)
        if status == 0 and count:
            passed += int(count[1])
        else:
            failed += 1
            show(f"fuzz-replay {target}: exit status {status}", output[-20000:])
    tally.suite("fuzz-replay", passed, failed, started, f" ({len(fuzz_targets())} targets)")


def fuzz_one(target, seconds):
    """What libFuzzer finds stays in build/fuzz/found/; the corpus in the tree is only read."""
    corpus = os.path.join(ROOT, "build", "fuzz", "corpus", target)
    found = os.path.join(ROOT, "build", "fuzz", "found", target + "-")
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(os.path.dirname(found), exist_ok=True)
    status, output = run_program(
        [f"build/fuzz/test/fuzz/{target}_fuzzer", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
         "-print_final_stats=1", f"-artifact_prefix={found}", corpus, f"test/fuzz/corpus/{target}"],
        dict(os.environ, **SANITIZERS), seconds + 120)
    runs = re.search(r"stat::number_of_executed_units: *(\d+)", output)
    edges = re.findall(r" cov: (\d+)", output)
    print(f"fuzz {target}: {runs[1] if runs else 0} inputs in {seconds} s, {edges[-1] if edges else 0} edges, "
          f"{0 if status == 0 else 1} findings", flush=True)
    if status != 0:
        show(f"fuzz {target}: exit status {status}", output[-20000:])
    return status == 0


def fuzz(tally, seconds):
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        results = list(pool.map(lambda t: fuzz_one(t, seconds), fuzz_targets()))
    tally.suite("fuzz", results.count(True), results.count(False), started)


def run_pytest(name, directory, env, seconds, *arguments):
    """(passed, failed, skipped, exit status, output); arguments: what to run, if it is not test/NAME."""
    report = os.path.join(directory, f"{name}.xml")
    os.makedirs(directory, exist_ok=True)
    if os.path.exists(report):
        os.remove(report)
    status, output = run_program([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o",
                                  "junit_family=xunit2", f"--junitxml={report}", *(arguments or [f"test/{name}"])], env, seconds)
    passed = failed = skipped = 0
    if os.path.exists(report):
        for suite in ElementTree.parse(report).iter("testsuite"):
            bad = int(suite.get("failures")) + int(suite.get("errors"))
            skipped += int(suite.get("skipped"))
            failed += bad
            passed += int(suite.get("tests")) - bad - int(suite.get("skipped"))
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    return passed, failed, skipped, status, output


def flow(tally, cluster, profile):
    started = time.monotonic()
    build = os.path.join(ROOT, "build", profile)
    env = dict(os.environ, **SANITIZERS, TODOD_TEST_DATABASE_URL=cluster.start(), TODOD_TEST_BUILD=build)
    # They wait more than they work: files side by side, each with databases and processes of its own.
    passed, failed, skipped, status, output = run_pytest("flow", build, env, FLOW_SECONDS, "-n", str(JOBS), "--dist=loadfile", "test/flow")
    if failed or skipped:
        show(f"flow: exit status {status}", output)
    tally.suite("flow", passed, failed, started, f" ({skipped} skipped)" if skipped else "")


def torture(tally, cluster, profile):
    """Faults one by one, and side by side with them half a minute of all at once, and of faults made to be found."""
    started = time.monotonic()
    build = os.path.join(ROOT, "build", profile)
    env = dict(os.environ, TODOD_TEST_BUILD=build)
    runs = {"torture": ["--seconds=12", "--away=3", "--quick"], "sabotage": ["--seconds=4", "--quick", "--sabotage"]}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:  # they wait more than they work
        tests = pool.submit(run_pytest, "torture", build, env, TORTURE_SECONDS)
        for name, arguments in runs.items():
            runs[name] = pool.submit(run_program, [sys.executable, "test/torture/run.py", f"--profile={profile}", *arguments], env,
                                     TORTURE_SECONDS)
    passed, failed, skipped, status, output = tests.result()
    if failed:
        show(f"torture: exit status {status}", output)
    for name, run in runs.items():
        status, output = run.result()
        passed, failed = (passed + 1, failed) if status == 0 else (passed, failed + 1)
        if status != 0:
            show(f"{name}: exit status {status}", output)
        elif name == "torture":
            print("\n".join(line for line in output.splitlines() if line.startswith("|")), flush=True)
    tally.suite("torture", passed, failed, started, f" ({skipped} skipped)" if skipped else "")


def contract(tally, optional):
    """The sidecar's contract on each backend that can run here. A real Dapr that cannot is a failure unless optional."""
    started = time.monotonic()
    passed, failed, skipped, _, output = run_pytest("contract", os.path.join(ROOT, "build"), dict(os.environ),
                                                    CONTRACT_SECONDS)
    # With its table of cases, which is what one runs it for.
    print(output.rstrip(), flush=True)
    not_run = re.search(r"^real: (not run: .*)", output, re.M)
    if not_run and not optional:
        failed = max(1, failed)
    elif not_run and "| FAILED |" not in output:
        failed, tally.excused = 0, True
    tally.suite("contract", passed, failed, started, f" ({skipped} skipped)" if skipped else "")
    if not_run:
        print(f"contract on a real Dapr: {not_run[1]}", flush=True)


def contract_embedded(tally, cluster, profile):
    """The same on the embedded sidecar alone, which needs nothing more than PostgreSQL. The files wait side by side."""
    started = time.monotonic()
    build = os.path.join(ROOT, "build", profile)
    env = dict(os.environ, **SANITIZERS, TODOD_TEST_BUILD=build)
    names = sorted({os.path.basename(p)[:-3] for p in glob.glob(f"{ROOT}/test/contract/test_*.py")} - {"test_run_dapr", "test_topics"})
    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        runs = {name: pool.submit(run_pytest, name, os.path.join(build, "contract"), env, CONTRACT_SECONDS,
                                  f"test/contract/{name}.py", "--backend=embedded") for name in names}
        for name, future in runs.items():
            good, bad, left_out, status, output = future.result()
            passed, failed, skipped = passed + good, failed + bad, skipped + left_out
            if bad:
                show(f"contract-embedded {name}: exit status {status}", output)
    tally.suite("contract-embedded", passed, failed, started, f" ({skipped} differ, docs/dapr.md says why)")


def lint(tally, cluster, profile):
    started = time.monotonic()
    status, output = run_program([sys.executable, "test/lint/run.py"], dict(os.environ), 300)
    print(output.rstrip(), flush=True)
    passed = len(re.findall(r"^lint \S+: ok", output, re.M))
    failed = len(re.findall(r"^lint \S+: FAILED", output, re.M))
    if failed == 0 and (status != 0 or passed == 0):
        failed = 1
    tally.suite("lint", passed, failed, started)


def oracle(tally, cluster, profile):
    """Recurrences beside dateutil and zoneinfo. A case is a rule, a start, a zone and an instant."""
    started = time.monotonic()
    driver = os.path.join("build", profile, "test", "tools", "recurrence_driver")
    status, output = run_program([sys.executable, "test/oracle/recurrence_oracle.py", driver], dict(os.environ), 600)
    count = re.search(r", (\d+) cases, .* (\d+) differences$", output, re.M)
    failed = int(count[2]) if count else 1
    if status != 0 and failed == 0:
        failed = 1
    if failed:
        show("oracle", output)
    tally.suite("oracle", int(count[1]) - failed if count else 0, failed, started)


def vectors(tally, cluster, profile):
    """Sentences and their commands. A few unseen ones may be misread; how many is the scorer's rule, and printed."""
    started = time.monotonic()
    status, output = run_program([sys.executable, "test/score/vectors.py", os.path.join("build", profile, "todod")],
                                 dict(os.environ), 300)
    counts = [(int(right), int(of)) for right, of in re.findall(r"(\d+) of\s+(\d+) right", output)]
    failed = 0 if status == 0 and counts else 1
    if failed:
        show("vectors", output)
    right, of = sum(c[0] for c in counts), sum(c[1] for c in counts)
    tally.suite("vectors", right, failed, started, f" ({of - right} misread)")


def schemathesis(tally, cluster, profile, cases=1000):
    """Requests made up from /openapi.json. A case is a request with its answer."""
    started = time.monotonic()
    env = dict(os.environ, TODOD_TEST_BUILD=os.path.join(ROOT, "build", profile))
    status, output = run_program([sys.executable, "test/schemathesis/run.py", str(cases)], env, SCHEMATHESIS_SECONDS)
    count = re.search(r"^schemathesis: (\d+) cases, (\d+) failures", output, re.M)
    failed = int(count[2]) if count else 1
    if status != 0 and failed == 0:
        failed = 1
    if failed:
        show("schemathesis", output)
    tally.suite("schemathesis", max(0, int(count[1]) - failed) if count else 0, failed, started)


SUITES = {"lint": lint, "oracle": oracle, "vectors": vectors, "unit": unit,
          "fuzz-replay": fuzz_replay, "flow": flow, "contract-embedded": contract_embedded, "torture": torture,
          "schemathesis": schemathesis, "valgrind": valgrind}


def main(arguments):
    profile = "asan"
    tally = Tally()
    cluster = Cluster()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for argument in arguments:
            name, _, value = argument.partition("=")
            if name == "--profile":
                profile = value
            elif name == "fuzz":
                fuzz(tally, int(value or "60"))
            elif name == "schemathesis":
                schemathesis(tally, cluster, profile, int(value or "1000"))
            elif name == "contract":
                contract(tally, value == "optional")
            elif name in SUITES:
                SUITES[name](tally, cluster, profile)
            else:
                sys.exit(f"test/run.py: no suite '{argument}'; there are: fuzz=SECONDS contract[=optional] {' '.join(SUITES)}")
    finally:
        cluster.remove()
        if os.path.isdir(CLUSTERS) and not os.listdir(CLUSTERS):
            shutil.rmtree(CLUSTERS)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed or not (tally.passed or tally.excused) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
