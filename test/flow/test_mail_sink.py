# SPDX-License-Identifier: Apache-2.0
"""scripts/mail_sink.py, the mail server of `make run-all`: what it takes, refuses, keeps and lists."""
import email.message
import email.policy
import json
import os
import smtplib
import subprocess
import urllib.request

import pytest

from process import ROOT, wait_until
from run_all import free_port

KEPT_MAX = 200
LINES = {"From": "todod <todod@example.org>", "To": "ann@example.org", "Subject": "Reminder: milk", "Message-ID": "<1@example.org>",
         "Date": "Tue, 01 Dec 2026 12:00:00 +0000"}


class Sink:
    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([os.path.join(ROOT, "scripts", "mail_sink.py"), str(self.port), str(self.port + 100),
                                         str(self.directory / "mails")], stdout=subprocess.PIPE, text=True)
        assert json.loads(self.process.stdout.readline())["msg"] == "role.ready"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 100}{path}", timeout=60) as answer:
            return answer.read().decode()

    def mails(self):
        return json.loads(self.get("/mails.json"))

    def send(self, data, recipients=("ann@example.org",)):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as connection:
            return connection.sendmail("todod@example.org", recipients, data)


@pytest.fixture
def sink(tmp_path):
    made = Sink(tmp_path)
    yield made
    made.kill()


def make_mail(text="It is time.", html=None, **lines):
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    for name, value in {**LINES, **{k.replace("_", "-"): v for k, v in lines.items()}}.items():
        if value:
            message[name] = value
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message.as_bytes()


def test_a_mail_is_told_of_and_listed(sink):
    """A line in the log with the ids of its request, an entry in the list; text stays text on the page, and links are links."""
    text = "Grüße <script>alert(1)</script>\nhttp://127.0.0.1:8000/api/email/confirm?t=a.b&x=\"y"
    sink.send(make_mail(text, "<p>else</p>", Subject="Milch für Øyvind <b>", X_Correlation_ID="req-1"))
    line = json.loads(sink.process.stdout.readline())
    assert {k: line[k] for k in ("role", "msg", "to", "subject", "correlation_id", "text")} == {
        "role": "mail", "msg": "mail.taken", "to": ["ann@example.org"], "subject": "Milch für Øyvind <b>", "correlation_id": "req-1",
        "text": "Grüße <script>alert(1)</script>"}
    assert [(m["subject"], m["text"]) for m in sink.mails()] == [("Milch für Øyvind <b>", text)]
    page = sink.get("/")
    assert "<h2>Milch für Øyvind &lt;b&gt;</h2>" in page and "<script" not in page
    assert '<a href="http://127.0.0.1:8000/api/email/confirm?t=a.b&amp;x=&quot;y">' in page


BAD = {"no From": make_mail(From=None), "no Date": make_mail(Date=None), "no Message-ID": make_mail(Message_ID=None),
       "two Subjects": make_mail().replace(b"Subject:", b"Subject: one\r\nSubject:"),
       "a header that is not ASCII": make_mail().replace(b"Reminder:", "Größe:".encode()),
       "a header that is none": make_mail().replace(b"Subject:", b"Subject\r\nX:"),
       "no address": make_mail().replace(b"To: ann@example.org", b"To: ann@"),
       "a line without its CR": b"x\n".join(make_mail().rsplit(b"\r\n", 1)),
       "parts without an end": make_mail(html="<p>x</p>").rsplit(b"--", 2)[0],
       "too large": make_mail("x" * 60 + "\n") + b"y" * 70 + (b"\r\n" + b"y" * 70) * 4000}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_no_mail_is_refused(sink, data):
    """As strict as the strictest server: what is refused here would be lost on its way to somebody."""
    # smtplib ends every line in CRLF.
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=60) as connection:
        connection.ehlo()
        connection.mail("todod@example.org")
        connection.rcpt("ann@example.org")
        assert connection.docmd("DATA")[0] == 354
        connection.send(data + b"\r\n.\r\n")
        assert connection.getreply()[0] in (552, 554)
    assert sink.mails() == []


def test_killed_it_has_what_it_took(sink):
    sink.send(make_mail(Subject="before"), ["ann@example.org", "bob@example.org"])
    before = sink.mails()
    assert [(m["subject"], m["to"]) for m in before] == [("before", ["ann@example.org", "bob@example.org"])]
    sink.kill()
    sink.start()
    assert sink.mails() == before
    sink.send(make_mail(Subject="after"))
    assert [m["subject"] for m in sink.mails()] == ["after", "before"]


def test_it_keeps_the_last_ones(sink):
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=60) as connection:
        for n in range(KEPT_MAX + 5):
            connection.sendmail("todod@example.org", ["ann@example.org"], make_mail(Subject=f"number {n}"))
            sink.process.stdout.readline()
    wait_until("the last ones", lambda: len(sink.mails()) == KEPT_MAX)
    assert [m["subject"] for m in sink.mails()] == [f"number {n}" for n in range(KEPT_MAX + 4, 4, -1)]
