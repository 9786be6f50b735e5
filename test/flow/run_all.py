# SPDX-License-Identifier: Apache-2.0
"""scripts/run-all.sh as a process, in a checkout that is built already, and the lines it prints."""
import fcntl
import glob
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import termios
import threading
import urllib.request

from process import ROOT, clean_env, wait_until

READY_SECONDS = 240
OFFSETS = [role + kind for role in (0, 1, 2, 4, 10, 15) for kind in (0, 100, 200, 300)]


def is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """One that is free with all that move with it."""
    for _ in range(100):
        port = random.randrange(10240, 32000)
        if all(is_free(port + offset) for offset in OFFSETS):
            return port
    raise AssertionError("no free ports")


def make_checkout(path, *names):
    """The binary, what is named, and a `make` that finds nothing to do."""
    assert os.path.exists(os.path.join(ROOT, "build", "release", "todod")), "not built: make"
    for name in ("scripts", "build", *names):
        os.symlink(os.path.join(ROOT, name), path / name)
    (path / "bin").mkdir()
    make = path / "bin" / "make"
    make.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    make.chmod(0o755)
    return path


def heed_interrupts():
    """Whoever runs the tests in the background has them ignore SIGINT, and no shell can trap what it was told to ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """One whose window can be closed. What is written to it goes to a file."""

    def __init__(self, out):
        self.near, self.far = os.openpty()
        self.is_open = True
        self.reader = threading.Thread(target=self.read, args=(out,), daemon=True)
        self.reader.start()

    def take(self):
        """In the process that is to have it."""
        heed_interrupts()
        fcntl.ioctl(self.far, termios.TIOCSCTTY, 0)

    def read(self, out):
        with open(out, "wb", buffering=0) as f:
            while self.is_open:
                if select.select([self.near], [], [], 0.1)[0]:
                    f.write(os.read(self.near, 65536).replace(b"\r\n", b"\n"))

    def close(self):
        self.is_open = False
        self.reader.join()
        os.close(self.near)


class RunAll:
    def __init__(self, checkout, port, stack="embedded", terminal=None):
        self.checkout, self.port = checkout, port
        self.run = checkout / ".run" / ("" if stack == "embedded" else stack)
        self.env_file = self.run / "env"
        self.out = checkout / "out"
        env = {k: v for k, v in os.environ.items() if not k.startswith("TODOD_")}
        env.update(PATH=f"{checkout / 'bin'}:{env['PATH']}", TODOD_PORT=str(port))
        with open(self.out, "ab") as out:
            self.process = subprocess.Popen(["/bin/bash", str(checkout / "scripts" / "run-all.sh"), stack], env=env,
                                            stdout=terminal.far if terminal else out, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, start_new_session=True,
                                            preexec_fn=terminal.take if terminal else heed_interrupts)

    def output(self):
        return self.out.read_text(encoding="utf-8")

    def ready(self):
        def look():
            assert self.process.poll() is None, self.output()
            return self.env_file.exists() and "Ctrl-C" in self.output()
        wait_until("ready", look, READY_SECONDS)
        return dict(line.split("=", 1) for line in self.env_file.read_text(encoding="utf-8").splitlines())

    def lines(self):
        """The lines to paste: those that prepare the shell, and [those after them]."""
        text = self.output().partition("into another shell")[2].partition("Has anybody")[0]
        return re.search(r"^\. .*\n.*\n", text, re.M)[0], re.findall(r"^curl .*$", text, re.M)

    def shell(self, line):
        return subprocess.run(["/bin/bash", "-c", self.lines()[0] + line], cwd=self.checkout, text=True, capture_output=True,
                              timeout=60, check=False, env=clean_env())

    def paste(self, line):
        """(status, headers, body) of a curl line as printed."""
        done = self.shell(line)
        assert done.returncode == 0, done
        head, _, body = done.stdout.replace("\r\n", "\n").partition("\n\n")
        status, *headers = head.split("\n")
        return int(status.split()[1]), {h.split(": ")[0].lower(): h.split(": ", 1)[1] for h in headers}, body

    def mails(self, recipient):
        """Those that arrived, the newest first."""
        with urllib.request.urlopen(self.ready()["TODOD_MAILS_URL"] + "/mails.json", timeout=60) as answer:
            return [m for m in json.load(answer) if m["to"] == [recipient]]

    def kill(self, role):
        """-9. run-all starts it again."""
        argument = str(self.run / "mails") if role == "mail" else f"--config={self.run}/{role}.conf"
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as f:
                    found = argument.encode() in f.read().split(b"\0")
            except OSError:
                continue
            if found:
                os.kill(int(path.split("/")[2]), signal.SIGKILL)
                return
        raise AssertionError(f"no process of {role}")

    def interrupt(self):
        """Ctrl-C: to the whole foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(300)

    def remove(self):
        """With its database."""
        if self.process.poll() is None:
            self.interrupt()
        subprocess.run([os.path.join(ROOT, "scripts", "pg.sh"), "remove", str(self.run / "pg")], check=False)
