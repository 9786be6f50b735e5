#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens and what must become of them, one a line, for test_jwt_oracle.c.

Most verdicts are PyJWT's. Where todod is stricter on purpose (base64url, header parameters, subjects) the
verdict is a rule, written beside the tokens it covers. Lines are tab-separated:
  J set jwks        a key set
  S set secret      a shared secret
  T set accept|refuse|nokey oracle|rule issuer audience now label token
With a directory as argument: the cases of Wycheproof's json_web_signature_test.json in it, signature only:
  W accept|refuse set label token
"""
import base64
import datetime
import json
import os
import sys

import jwt
import jwt.api_jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

NOW = 1_800_000_000
LEEWAY = 30
ISSUER, AUDIENCE = "https://issuer.example", "todod"
ALGORITHMS = get_default_algorithms()


class FrozenDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


jwt.api_jwt.datetime = FrozenDatetime


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


class Key:
    def __init__(self, kid, alg, private, public, jwk=None):
        self.kid, self.alg, self.private, self.public = kid, alg, private, public
        self.jwk = dict(jwk, kid=kid) if jwk else None

    def sign(self, signed):
        return ALGORITHMS[self.alg].sign(signed, ALGORITHMS[self.alg].prepare_key(self.private))

    def token(self, claims, header=None, kid=True):
        head = {"alg": self.alg}
        if kid is not False:
            head["kid"] = self.kid if kid is True else kid
        return self.raw(json.dumps(dict(head, **(header or {}))), json.dumps(claims))

    def raw(self, header, payload):
        signed = "%s.%s" % (b64(header.encode()), b64(payload if isinstance(payload, bytes) else payload.encode()))
        return signed + "." + b64(self.sign(signed.encode()))


def make_keys():
    ed = ed25519.Ed25519PrivateKey.generate()
    raw = ed.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    p256 = ec.generate_private_key(ec.SECP256R1())
    point = p256.public_key().public_numbers()
    big = rsa.generate_private_key(65537, 2048)
    modulus = big.public_key().public_numbers().n
    secret = os.urandom(48).hex()
    return [
        Key("ed-1", "EdDSA", ed, ed.public_key(), {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}),
        Key("ec-1", "ES256", p256, p256.public_key(),
            {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32), "alg": "ES256"}),
        Key("rsa-1", "RS256", big, big.public_key(), {"kty": "RSA", "n": number(modulus), "e": "AQAB", "use": "sig"}),
        Key("secret", "HS256", secret, secret),
    ]


def pyjwt_accepts(key, token, issuer, audience):
    options = {"require": ["exp"], "verify_aud": bool(audience)}
    try:
        jwt.decode(token, key.public, algorithms=[key.alg], issuer=issuer or None, audience=audience or None,
                   leeway=LEEWAY, options=options)
        return True
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


class Writer:
    def row(self, key, verdict, source, label, token, issuer="", audience=""):
        keyset = "secret" if key.alg == "HS256" else "all"
        assert "\t" not in token and "\n" not in token
        print("T", keyset, verdict, source, issuer, audience, NOW, key.alg + " " + label, token, sep="\t")

    def oracle(self, key, label, token, issuer="", audience=""):
        verdict = "accept" if pyjwt_accepts(key, token, issuer, audience) else "refuse"
        self.row(key, verdict, "oracle", label, token, issuer, audience)

    def rule(self, key, verdict, label, token, **policy):
        self.row(key, verdict, "rule", label, token, **policy)


def times(out, key):
    base = {"sub": "user-1", "exp": NOW + 600}
    edges = [-100000, -31, -30, -29, -1, 0, 1, 29, 30, 31, 32, 100000, 0.5, -30.5, -29.5]
    for kid in (True, False):
        for skew in edges:
            out.oracle(key, f"exp{skew:+} kid={kid}", key.token(dict(base, exp=NOW + skew), kid=kid))
            out.oracle(key, f"nbf{skew:+} kid={kid}", key.token(dict(base, nbf=NOW + skew), kid=kid))
            out.oracle(key, f"iat{skew:+} kid={kid}", key.token(dict(base, iat=NOW + skew), kid=kid))
    for label, claims in {
        "no exp": {"sub": "u"}, "exp text": {"sub": "u", "exp": "soon"}, "exp negative": {"sub": "u", "exp": -1},
        "exp zero": {"sub": "u", "exp": 0}, "far exp": {"sub": "u", "exp": 2**62},
    }.items():
        out.oracle(key, label, key.token(claims))


def parties(out, key):
    for iss in (None, ISSUER, ISSUER + "/", "", "https://other.example"):
        for policy in ("", ISSUER):
            claims = {"sub": "u", "exp": NOW + 60}
            if iss is not None:
                claims["iss"] = iss
            out.oracle(key, f"iss={iss} policy={policy}", key.token(claims), issuer=policy)
    for aud in (None, AUDIENCE, "other", "", [], [AUDIENCE], ["a", AUDIENCE, "b"], ["a", "b"], [AUDIENCE + "x"], "TODOD"):
        for policy in ("", AUDIENCE):
            claims = {"sub": "u", "exp": NOW + 60, "iss": ISSUER}
            if aud is not None:
                claims["aud"] = aud
            out.oracle(key, f"aud={aud} policy={policy}", key.token(claims), audience=policy, issuer=ISSUER)


def tampering(out, key, keys):
    good = key.token({"sub": "user-1", "exp": NOW + 60})
    header, payload, signature = good.split(".")
    out.oracle(key, "untouched", good)
    for other in keys:
        swapped = b64(json.dumps({"alg": other.alg, "kid": key.kid}).encode())
        out.oracle(key, f"header says {other.alg}", f"{swapped}.{payload}.{signature}")
        out.oracle(key, f"signature of {other.alg}", ".".join([header, payload, other.token({"sub": "x"}).split(".")[2]]))
    for alg in ("none", "None", "NONE", "nOnE", "", "HS256 ", "RS256\0", "HS384", "RS512", "PS256", "ES256K", None, 5):
        unsigned = b64(json.dumps({"alg": alg, "kid": key.kid}).encode())
        for sig in ("", signature):
            out.oracle(key, f"alg {alg!r} sig={bool(sig)}", f"{unsigned}.{payload}.{sig}")
    for part in range(3):
        text = good.split(".")[part]
        for at in (0, 1, len(text) // 3, len(text) // 2, len(text) - 2):
            swap = "A" if text[at] != "A" else "B"
            parts = good.split(".")
            parts[part] = text[:at] + swap + text[at + 1:]
            out.oracle(key, f"part {part} byte {at} changed", ".".join(parts))
        parts = good.split(".")
        parts[part] = text[:-1]
        out.oracle(key, f"part {part} cut", ".".join(parts))
        parts[part] = ""
        out.oracle(key, f"part {part} empty", ".".join(parts))
    other = b64(json.dumps({"sub": "admin", "exp": NOW + 60}).encode())
    for label, token in {
        "other payload": f"{header}.{other}.{signature}", "parts swapped": f"{payload}.{header}.{signature}",
        "two parts": f"{header}.{payload}", "four parts": good + ".AAAA", "five parts (JWE)": good + "..",
        "empty": "", "dots": "..", "one dot": ".",
        "JSON serialisation": json.dumps({"payload": payload, "protected": header, "signature": signature}),
        "flattened list": json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]}),
        "reversed": good[::-1], "twice": good + good,
    }.items():
        out.oracle(key, label, token)
    # Rule: base64url without padding, canonical, no white space (RFC 7515 section 2). PyJWT is lenient here.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for label, token in {
        "padding": good + "==", "one pad": good + "=", "header padding": f"{header}=.{payload}.{signature}",
        "leading space": " " + good, "trailing space": good + " ", "inner space": f"{header}. {payload}.{signature}",
        "bang": good + "!", "non-ASCII": good + "\u00e9",
        "standard alphabet": f"{header}.{payload}." + signature.replace("-", "+").replace("_", "/") + "+",
    }.items():
        out.rule(key, "refuse", label, token)
    if len(signature) % 4:
        for spare in range(1, 4):
            last = alphabet[(alphabet.index(signature[-1]) + spare) % 64]
            out.rule(key, "refuse", f"trailing bits {spare}", good[:-1] + last)


def header_rules(out, key):
    claims = {"sub": "user-1", "exp": NOW + 60}
    for typ in ("JWT", "jwt", "Jwt", "at+jwt", "AT+JWT"):
        out.rule(key, "accept", f"typ {typ}", key.token(claims, {"typ": typ}))
    for typ in ("JWE", "", "application/jwt", "JWT ", "dpop+jwt", None, 5, ["JWT"]):
        out.rule(key, "refuse", f"typ {typ!r}", key.token(claims, {"typ": typ}))
    # Rule: no extensions, no keys that come with the token (RFC 8725 section 3.10).
    for name, value in [("crit", ["exp"]), ("crit", []), ("crit", None), ("crit", ["b64"]), ("b64", False), ("b64", True),
                        ("jku", "http://127.0.0.1/keys"), ("jku", ""), ("x5u", "http://127.0.0.1/c"), ("jwk", {}),
                        ("jwk", key.jwk or {"kty": "oct"}), ("jwk", None), ("jwk", 1), ("x5c", ["MIIB"])]:
        out.rule(key, "refuse", f"{name}={json.dumps(value)[:20]}", key.token(claims, {name: value}))
    out.rule(key, "accept", "unknown parameters", key.token(claims, {"cty": "x", "foo": [1, {"a": None}], "x5t": "abc"}))
    unknown = "accept" if key.alg == "HS256" else "nokey"  # a shared secret has no id
    for kid in ("other", "", "ED-1", "../../etc/passwd", "' OR 1=1 --", "k" * 1000, "\u00fc\u4e2d", "a\0b"[:1]):
        out.rule(key, unknown, f"kid {kid[:10]!r}", key.token(claims, kid=kid))
    for kid in (None, 5, ["ed-1"]):
        out.rule(key, "refuse", f"kid {kid!r}", key.token(claims, {"kid": kid}))
    for header in ("[]", "null", "5", '"x"', "", "{", '{"alg":"%s"' % key.alg, '{"alg":"%s"}x' % key.alg,
                   '{"alg":"%s","alg":"%s"}' % (key.alg, key.alg), '{"alg":"none","alg":"%s"}' % key.alg,
                   '{"alg":["%s"]}' % key.alg, "{}", '{"Alg":"%s"}' % key.alg, '\ufeff{"alg":"%s"}' % key.alg,
                   '{"alg":"%s","x":%s1%s}' % (key.alg, "[" * 40, "]" * 40)):
        out.rule(key, "refuse", f"header {header[:24]!r}", key.raw(header, json.dumps(claims)))


def claim_rules(out, key):
    exp = {"exp": NOW + 60}
    accept = [{"sub": "u"}, {"sub": "x" * 128}, {"sub": "\u00e9" * 64}, {"id": "u"}, {"sub": "u", "id": 5},
              {"sub": "u", "id": "v"}, {"sub": "a b\u2028c"}, {"sub": "u", "name": {"deep": [1, 2.5, None]}}, {"sub": "../x"}]
    refuse = [{}, {"sub": ""}, {"sub": "x" * 129}, {"sub": "\u00e9" * 65}, {"sub": None}, {"sub": None, "id": "u"},
              {"sub": 5}, {"sub": ["u"]}, {"id": 5}, {"id": ""}, {"id": None}, {"sub": "a\nb"}, {"sub": "a\u007fb"},
              {"sub": "a\u0085b"}, {"sub": "\u0001"}, {"sub": "a\0b"}, {"sub": "u", "iss": 5}, {"sub": "u", "aud": 5},
              {"sub": "u", "aud": [5]}, {"sub": "u", "nbf": "1"}, {"sub": "u", "iat": None}, {"sub": "u", "nbf": None},
              {"sub": "u", "exp": None}, {"sub": "u", "exp": True}, {"sub": "u", "exp": [NOW + 60]}]
    for claims in accept:
        out.rule(key, "accept", f"claims {json.dumps(claims)[:40]}", key.token(dict(exp, **claims)))
    for claims in refuse:
        out.rule(key, "refuse", f"claims {json.dumps(claims)[:40]}", key.token(dict(exp, **claims)))
    head = json.dumps({"alg": key.alg})
    late = NOW + 60
    for payload in ("", "[]", "null", '"x"', "{", '{"sub":"u","exp":%d}}' % late, '{"sub":"u","exp":1e400}',
                    '{"sub":"u","exp":NaN}', '{"sub":"u","exp":Infinity}', '{"sub":"u","sub":"v","exp":%d}' % late,
                    '{"sub":"u","exp":1,"exp":%d}' % late, '{"sub":"\\ud800","exp":%d}' % late,
                    '{"sub":"u","exp":99999999999999999999999}', '{"sub":"u","exp":0x7fffffff}', '{"sub":"u","exp":%d,}' % late,
                    '// x\n{"sub":"u","exp":%d}' % late, b'{"sub":"\xff","exp":%d}' % late, b'{"sub":"u","exp":%d}\0' % late,
                    b'{"sub":"\xc0\xaf","exp":%d}' % late):
        out.rule(key, "refuse", f"payload {payload[:30]!r}", key.raw(head, payload))
    for payload in ('{"sub":"u","exp":1.9e9}', ' {"sub" : "u" , "exp" : %d.75 } ' % late, '{"sub":"\\u0041","exp":%d}' % late):
        out.rule(key, "accept", f"payload {payload[:30]!r}", key.raw(head, payload))


def confusion(out, keys):
    """Public keys as HMAC secrets: whatever form the attacker guesses, the key keeps its own algorithm."""
    import hashlib
    import hmac
    for key in keys:
        if key.alg == "HS256":
            continue
        formats = [(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
                   (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)]
        secrets = [key.public.public_bytes(e, f) for e, f in formats]
        secrets += [secrets[0].strip(), b"", b"\0" * 32, json.dumps(key.jwk).encode()]
        secrets += [base64.urlsafe_b64decode(key.jwk[m] + "==") for m in ("x", "n") if m in key.jwk]
        for i, secret in enumerate(secrets):
            for head in ({"alg": "HS256"}, {"alg": "HS256", "kid": key.kid}):
                signed = "%s.%s" % (b64(json.dumps(head).encode()), b64(json.dumps({"sub": "u", "exp": NOW + 60}).encode()))
                mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
                out.rule(key, "refuse", f"as HMAC secret, form {i}, kid={'kid' in head}", signed + "." + b64(mac))


def sizes(out, key):
    """Rule: at most 6 KiB."""
    def sized(total):
        pad = 1
        while True:
            token = key.token({"sub": "u", "exp": NOW + 60, "p": "x" * pad})
            if len(token) >= total:
                return token
            pad += max(1, (total - len(token)) * 3 // 4 - 2)
    limit = 6 * 1024
    for total in range(limit - 4, limit + 6):
        token = sized(total)
        out.rule(key, "accept" if len(token) <= limit else "refuse", f"{len(token)} bytes", token)


def wycheproof(directory):
    with open(os.path.join(directory, "json_web_signature_test.json"), encoding="utf-8") as f:
        suite = json.load(f)
    for number_, group in enumerate(suite["testGroups"]):
        key = group.get("public") or group.get("private") or group.get("jwk")
        name = f"w{number_}"
        if key.get("kty") == "oct":
            print("S", name, base64.urlsafe_b64decode(key["k"] + "==").hex(), "hex", sep="\t")
        else:
            print("J", name, json.dumps({"keys": [key]}), sep="\t")
        for test in group["tests"]:
            verdict = {"valid": "accept", "invalid": "refuse"}.get(test["result"], "either")
            if isinstance(test["jws"], str) and "\t" not in test["jws"] and "\n" not in test["jws"]:
                label = f"{test['tcId']} {test['comment']} {','.join(test.get('flags', []))}"
                print("W", verdict, name, label, test["jws"], sep="\t")


def main():
    if len(sys.argv) > 1:
        wycheproof(sys.argv[1])
        return
    keys = make_keys()
    print("J", "all", json.dumps({"keys": [k.jwk for k in keys if k.jwk]}), sep="\t")
    print("S", "secret", keys[3].private, "text", sep="\t")
    out = Writer()
    for key in keys:
        times(out, key)
        parties(out, key)
        tampering(out, key, keys)
        header_rules(out, key)
        claim_rules(out, key)
        sizes(out, key)
    confusion(out, keys)


main()
