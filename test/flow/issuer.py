# SPDX-License-Identifier: Apache-2.0
"""A token issuer with a key set at a URL, as Better Auth and others publish it."""
import base64
import http.server
import json
import threading

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from api_client import sign


def b64(number, size=None):
    if isinstance(number, int):
        number = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(number).rstrip(b"=").decode()


def public_jwk(name, key):
    """Without alg and use, which Better Auth leaves out."""
    public = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), "kid": name}
    numbers = public.public_numbers()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"kty": "EC", "crv": "P-256", "x": b64(numbers.x, 32), "y": b64(numbers.y, 32), "kid": name}
    return {"kty": "RSA", "n": b64(numbers.n), "e": b64(numbers.e), "kid": name}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):  # pylint: disable=invalid-name
        issuer = self.server.issuer
        issuer.fetches += 1
        if issuer.broken:
            self.send_response(500)
            body = b"out of order"
        else:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            body = json.dumps({"keys": [public_jwk(n, issuer.keys[n]) for n in issuer.published]}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Issuer:
    def __init__(self, port=0):
        self.keys = {"ed": ed25519.Ed25519PrivateKey.generate(), "ec": ec.generate_private_key(ec.SECP256R1()),
                     "rsa": rsa.generate_private_key(65537, 2048), "new": ed25519.Ed25519PrivateKey.generate()}
        self.algorithms = {"ed": "EdDSA", "ec": "ES256", "rsa": "RS256", "new": "EdDSA"}
        self.published = ["ed", "ec", "rsa"]
        self.fetches = 0
        self.broken = False
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.issuer = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/api/auth/jwks"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def sign(self, name, user, kid=True, named=None, **claims):
        headers = {"kid": named or name} if kid or named else None
        return sign(self.keys[name], user, self.algorithms[name], headers=headers, **claims)

    def close(self):
        if self.thread is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.thread = None
