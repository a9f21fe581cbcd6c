"""A server that signs tokens as GitLab does, and tells its keys: for tests."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

PROJECT, AUDIENCE = "infra/fleet", "rollout"


class Issuer:
    """`answers`: path -> (status, body); what it does not hold is not found."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        listed = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key())), "kid": "one"}
        keys = {"keys": [{**listed, "use": "sig", "alg": "RS256"}]}
        self.answers: dict[str, tuple[int, Any]] = {
            "/.well-known/openid-configuration": (200, {"issuer": url, "jwks_uri": f"{url}/oauth/keys"}),
            "/oauth/keys": (200, keys),
        }

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What GitLab says of a job; None takes a claim away."""
        now = int(time.time())
        told = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": f"project_path:{PROJECT}:ref_type:branch:ref:main",
            "iat": now,
            "nbf": now - 5,
            "exp": now + 300,
            "jti": "a-token",
            "user_login": "ana",
            "user_email": "ana@example.com",
            "user_id": "42",
            "project_path": PROJECT,
            "ref": "main",
            "ref_protected": "true",
            "pipeline_source": "push",
            "pipeline_id": "7",
            "job_id": "99",
        }
        return {name: value for name, value in (told | changed).items() if value is not None}

    def token(
        self, *, key: Any = None, algorithm: str = "RS256", kid: str | None = "one", **changed: Any
    ) -> str:
        """A token of these claims, signed by `key`, or by the server's own."""
        headers = {"kid": kid} if kid else {}
        return jwt.encode(self.claims(**changed), self.key if key is None else key, algorithm, headers)


@contextmanager
def serving() -> Iterator[Issuer]:
    """One on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.answers.get(self.path, (404, {}))
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
