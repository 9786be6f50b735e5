#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""
A mail server that delivers nothing: what it is sent is printed, and listed at a URL. For `make run-all`, so that reminders
can be seen to arrive without a mailbox. scripts/mail_sink.py SMTP-PORT HTTP-PORT, both on loopback.

  http://127.0.0.1:HTTP-PORT/            the last mails as text, the newest first
  http://127.0.0.1:HTTP-PORT/mails.json  the same for programs
"""
import collections
import email
import email.policy
import http.server
import json
import signal
import sys
import threading

from aiosmtpd.controller import Controller

KEPT_MAX = 200
SIZE_MAX = 1024 * 1024
Mail = collections.namedtuple("Mail", "to subject message_id date text")


def printable(text):
    """On a terminal nothing but text."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


def read_mail(recipient, data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    return Mail(recipient, printable(str(message["Subject"] or "")), printable(str(message["Message-ID"] or "")),
                printable(str(message["Date"] or "")), printable(text.replace("\r\n", "\n")).strip())


class Sink:
    def __init__(self):
        self.mails = collections.deque(maxlen=KEPT_MAX)

    async def handle_DATA(self, server, session, envelope):  # pylint: disable=invalid-name,unused-argument
        for recipient in envelope.rcpt_tos:
            mail = read_mail(printable(recipient), envelope.content)
            self.mails.append(mail)
            print(as_text(mail), flush=True)
        return "250 Message accepted for delivery"


def as_text(mail):
    return f"to {mail.to}: {mail.subject}\n" + "".join(f"    {line}\n" for line in mail.text.split("\n"))


def make_handler(sink):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            mails = list(sink.mails)[::-1]
            if self.path == "/":
                self.answer(200, "text/plain", "\n".join(map(as_text, mails)) or "no mail yet\n")
            elif self.path == "/mails.json":
                self.answer(200, "application/json", json.dumps([m._asdict() for m in mails]))
            else:
                self.answer(404, "text/plain", "here are / and /mails.json\n")

        def answer(self, status, media_type, text):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{media_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):  # pylint: disable=redefined-builtin
            pass

    return Handler


def main(arguments):
    if len(arguments) != 2 or not all(a.isdigit() for a in arguments):
        sys.exit("usage: scripts/mail_sink.py SMTP-PORT HTTP-PORT")
    smtp_port, http_port = map(int, arguments)
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=smtp_port, data_size_limit=SIZE_MAX)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", http_port), make_handler(sink))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    controller.start()
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    print(f"mails are taken at port {controller.port} and listed at http://127.0.0.1:{server.server_address[1]}/", flush=True)
    stop.wait()
    controller.stop()
    server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
