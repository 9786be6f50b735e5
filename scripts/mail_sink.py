#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A mail server that delivers nothing: it keeps what it is sent, tells of it in its log, and lists it. For `make run-all`, so
that reminders can be seen to arrive without a mailbox. scripts/mail_sink.py SMTP-PORT HTTP-PORT DIRECTORY, both ports on
loopback.

  http://127.0.0.1:HTTP-PORT/            a page, the newest mail first
  http://127.0.0.1:HTTP-PORT/mails.json  the same for programs

A mail is in DIRECTORY, a file each, before its sender is told that it was taken: a sink that is killed forgets none. The
oldest ones go when there are more than KEPT_MAX.
"""
import collections
import datetime
import email
import email.errors
import email.policy
import html
import http.server
import json
import os
import pathlib
import re
import signal
import sys
import threading

from aiosmtpd.controller import Controller

KEPT_MAX = 200
SIZE_MAX = 256 * 1024
RECIPIENTS_MAX = 10
# It notes most defects, and ends on others.
WHAT_THE_PARSER_RAISES = (email.errors.MessageError, LookupError, ValueError, AttributeError, TypeError)
NEEDED = ("From", "To", "Subject", "Date", "Message-ID")  # each of them once
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mails</title>
<style>body { font: 16px sans-serif; max-width: 50em; margin: 2em auto } pre { white-space: pre-wrap }</style>
<h1>Mails</h1>
%s
</html>
"""
Mail = collections.namedtuple("Mail", "sender to subject date message_id correlation_id text")


class Refused(Exception):
    """Why a mail is none."""


def log(level, msg, **more):
    """As a role of todod logs."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    known = {key: value for key, value in more.items() if value}
    line = {"ts": now, "level": level, "role": "mail", "msg": msg, **known}
    print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)


# ---- mails ----

def check(data):
    """RFC 5321 and 5322, where servers that deliver are known to refuse."""
    if re.search(rb"(?<!\r)\n|\r(?!\n)", data):
        raise Refused("a line that does not end in CRLF")
    head = data.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        raise Refused("a header that is not ASCII")
    message = email.message_from_bytes(data, policy=email.policy.default)
    for name in NEEDED:
        if len(message.get_all(name, ())) != 1:
            raise Refused(f"not one {name}")
    defects = [d for part in message.walk() for d in (*part.defects, *(d for v in part.values() for d in v.defects))]
    if defects:
        raise Refused(f"{type(defects[0]).__name__}: {defects[0]}")


def reason_of(e):
    return " ".join(str(e).split()) if isinstance(e, Refused) else f"no mail: {type(e).__name__}"


def read_mail(data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    sender, subject, date, message_id = (str(message[name]) for name in ("From", "Subject", "Date", "Message-ID"))
    return Mail(sender, message.get_all("Delivered-To"), subject, date, message_id, message["X-Correlation-ID"],
                body.get_content().replace("\r\n", "\n").strip() if body is not None else "")


class Box:
    """The mails that there are, a file each, whose names are numbers in the order in which they came."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = threading.Lock()

    def paths(self):
        return sorted(self.directory.glob("*.eml"))

    def add(self, data):
        with self.lock:
            kept = self.paths()
            number = int(kept[-1].stem) + 1 if kept else 1
            path = self.directory / f"{number:08}.eml"
            with open(path.with_suffix(".new"), "wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            os.rename(f.name, path)
            for old in kept[:-(KEPT_MAX - 1)]:
                old.unlink()

    def mails(self):
        """The newest first."""
        with self.lock:
            return [read_mail(path.read_bytes()) for path in reversed(self.paths())]


class Taker:
    """What aiosmtpd asks."""

    def __init__(self, box):
        self.box = box

    async def handle_RCPT(self, server, session, envelope, address, options):  # pylint: disable=invalid-name,unused-argument,too-many-arguments
        if len(envelope.rcpt_tos) == RECIPIENTS_MAX:
            return "452 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # pylint: disable=invalid-name,unused-argument
        data = "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos).encode() + envelope.content
        try:
            check(envelope.content)
            mail = read_mail(data)
        except (Refused, *WHAT_THE_PARSER_RAISES) as e:
            log("warn", "mail.refused", sender=envelope.mail_from, to=envelope.rcpt_tos, reason=reason_of(e))
            return f"554 {reason_of(e)}".encode("ascii", "replace").decode()
        self.box.add(data)
        log("info", "mail.taken", **{**mail._asdict(), "text": mail.text.split("\n")[0]})
        return "250 Taken"


# ---- the listing ----

def as_html(mail):
    text = re.sub(r"https?://[^\s<>]+", r'<a href="\g<0>">\g<0></a>', html.escape(mail.text))
    head = html.escape(f"{mail.date}, from {mail.sender} to {', '.join(mail.to)}")
    return f"<hr><h2>{html.escape(mail.subject)}</h2>\n<p>{head}</p>\n<pre>{text}</pre>"


def make_handler(box):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self):  # pylint: disable=invalid-name
            if self.path == "/":
                self.answer(200, "text/html", PAGE % ("\n".join(map(as_html, box.mails())) or "<p>None yet.</p>"))
            elif self.path == "/mails.json":
                self.answer(200, "application/json", json.dumps([m._asdict() for m in box.mails()], ensure_ascii=False, indent=1))
            elif self.path == "/readyz":
                self.answer(200, "text/plain", "ready\n")
            else:
                self.answer(404, "text/plain", "here are / and /mails.json\n")

        def answer(self, status, media_type, text):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{media_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    return Handler


def main(arguments):
    if len(arguments) != 3 or not all(a.isdigit() for a in arguments[:2]):
        sys.exit("usage: scripts/mail_sink.py SMTP-PORT HTTP-PORT DIRECTORY")
    smtp_port, http_port = map(int, arguments[:2])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    box = Box(arguments[2])
    controller = Controller(Taker(box), hostname="127.0.0.1", port=smtp_port, data_size_limit=SIZE_MAX, enable_SMTPUTF8=False)
    controller.start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", http_port), make_handler(box))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    log("info", "role.ready", smtp=f"127.0.0.1:{smtp_port}", listing=f"http://127.0.0.1:{http_port}/")
    stop.wait()
    server.shutdown()
    controller.stop()
    log("info", "role.stopped")


if __name__ == "__main__":
    main(sys.argv[1:])
