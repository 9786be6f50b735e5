# SPDX-License-Identifier: Apache-2.0
"""What stands between an app and its sidecar, passes calls on, and fails those that it is told to."""
import http.client
import http.server
import threading
import urllib.parse

REFUSED, LOST = "refused", "lost"  # before the sidecar has seen it; after it did as it was asked


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = f"{self.command} {urllib.parse.unquote(self.path)} {body.decode(errors='replace')}"
        verdict = self.server.owner.judge(text)
        answer = self.ask(body) if verdict != REFUSED else None
        status, content, kind, etag = answer if verdict is None else (500, b"{}", None, None)
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("ETag", etag)):
            if value:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def ask(self, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.owner.port_behind, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body, headers)
        response = connection.getresponse()
        answer = response.status, response.read(), response.headers["Content-Type"], response.headers["ETag"]
        connection.close()
        return answer

    do_GET = do_POST = do_PUT = do_DELETE = pass_on

    def log_message(self, *args):
        pass


class SidecarProxy:
    """judge: a function of "METHOD /path body" that gives REFUSED, LOST or None, which lets the call through."""

    def __init__(self, port_behind):
        self.port_behind = port_behind
        self.judge = lambda text: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
