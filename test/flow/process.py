# SPDX-License-Identifier: Apache-2.0
"""The daemon and the commands of its binary, as processes."""
import datetime
import json
import glob
import os
import re
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TODOD_TEST_BUILD") or os.path.join(ROOT, "build", os.environ.get("PROFILE", "asan"))
BINARY = os.path.join(BUILD, "todod")
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
}
SANITIZER_REPORT = re.compile(r"(Sanitizer|runtime error:|: Assertion `)")
START_SECONDS = 60
STOP_SECONDS = 60


def clean_env(extra=None):
    """Only what the binary must see: an unknown TODOD_* variable is a mistake to it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TODOD_") and k not in SANITIZERS}
    return {**env, **SANITIZERS, **(extra or {})}


def run(*args, env=None, timeout=60, binary=BINARY):
    """A command of the binary, to its end."""
    done = subprocess.run([binary, *args], env=clean_env(env), text=True, errors="replace", capture_output=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    assert not SANITIZER_REPORT.search(done.stderr), done.stderr
    return done


def check_log_line(line, role="chat-api"):
    """OB1: JSON, with ts, level, role and msg."""
    entry = json.loads(line)
    assert isinstance(entry, dict), line
    assert {"ts", "level", "role", "msg"} <= entry.keys(), line
    datetime.datetime.strptime(entry["ts"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert entry["level"] in ("debug", "info", "warn", "error"), line
    assert entry["role"] == role, line
    assert entry["msg"], line
    return entry


def fake_clock(**how):
    """The environment of a release build whose clock is wrong as libfaketime is told: FAKETIME="+3600"; its monotonic clock is right."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    assert found, "libfaketime is not installed: scripts/deps.sh test"
    return {"LD_PRELOAD": found[0], "FAKETIME_DONT_FAKE_MONOTONIC": "1", **how}


def wait_until(what, condition, seconds=START_SECONDS, every=0.01):
    """Polls with a generous bound; what a test asserts is that it happens, never how fast."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


class Daemon:
    role = "chat-api"  # in each line of its log
    argument = None  # to --role; its role
    popen = staticmethod(subprocess.Popen)

    def __init__(self, directory, config, binary=BINARY, env=None):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.config = {"http.port": 0, "ops.port": 0, "dapr.port": 0, **config}
        self.binary = binary
        self.env = env
        self.process = None
        self.starts = 0

    def start(self, wait=True):
        self.starts += 1
        self.out_path = os.path.join(self.directory, f"stdout.{self.starts}")
        self.err_path = os.path.join(self.directory, f"stderr.{self.starts}")
        config_path = os.path.join(self.directory, "todod.conf")
        with open(config_path, "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
            f.writelines(f"{key} = {value}\n" for key, value in self.config.items())
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = self.popen([self.binary, f"--role={self.argument or self.role}", f"--config={config_path}"], stdout=out,
                                      stderr=err, stdin=subprocess.DEVNULL, env=clean_env(self.env))
        self.ops_port = self.wait_port("ops")
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        self.port = self.wait_port("public")

    def wait_port(self, listener):
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"todod ended with {self.process.returncode}: {self.stderr()}{self.stdout()[-2000:]}")
            for entry in self.log("http.listening"):
                if entry["listener"] == listener:
                    return entry["port"]
            return None
        return wait_until(f"the {listener} listener", look)

    def stdout(self):
        with open(self.out_path, encoding="utf-8") as f:
            return f.read()

    def stderr(self):
        with open(self.err_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def check_line(self, line):
        return check_log_line(line, self.role)

    def log(self, msg=None):
        """The lines that are complete by now."""
        text = self.stdout()
        lines = text[:text.rfind("\n") + 1].splitlines()
        entries = [self.check_line(line) for line in lines]
        return [e for e in entries if msg is None or e["msg"] == msg]

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def wait_exit(self):
        """Its exit code. No sanitizer has found anything, and every line it wrote is a log line."""
        code = self.process.wait(STOP_SECONDS)
        self.check_output()
        return code

    def check_output(self):
        errors = self.stderr()
        assert not SANITIZER_REPORT.search(errors), errors
        for line in self.stdout().splitlines():
            self.check_line(line)

    def stop(self):
        """SIGTERM, and out with 0 (which, with the address sanitizer, also means nothing leaked)."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait_exit()
        self.process = None
        assert code == 0, f"exit code {code}\n{self.stderr()}\n{self.stdout_path_tail()}"

    def stdout_path_tail(self):
        return self.stdout()[-2000:]

    def __del__(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
