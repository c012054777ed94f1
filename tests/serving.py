"""A live HTTP server around the service's application, and a client that signs as boto3 does but checks nothing."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys

from airflow_hpt.local.service.app import create_app
from airflow_hpt.local.service.signing import SERVICE, TIMESTAMP, Credentials
from airflow_hpt.local.service.wire import CONTENT_TYPE, Operations

CREDENTIALS = Credentials("HPTTESTKEY", "a secret of the tests")

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HPT_", "AIRFLOW_"))}


def airflow_hpt(*arguments: object, code: int = 0) -> str:
    """Run the command and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow_hpt.local", *map(str, arguments)],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return self.json["__type"] if self.status != 200 else ""

    @property
    def message(self) -> str:
        return self.json["message"] if self.status != 200 else ""


@dataclass
class RawClient:
    """Sends any body under a good signature, so that the service's own checks are what is tested."""

    port: int
    credentials: Credentials = CREDENTIALS
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def call(self, operation: str, body: Any, **changes: Any) -> Reply:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(payload, self.signed_headers(payload, target=f"SageMaker.{operation}", **changes))

    def signed_headers(
        self,
        body: bytes,
        *,
        target: str = "SageMaker.ListTags",
        age: timedelta = timedelta(0),
        region: str = "eu-west-1",
        service: str = SERVICE,
        credentials: Credentials | None = None,
        content_type: str = CONTENT_TYPE,
    ) -> dict[str, str]:
        keys = credentials or self.credentials
        signer = SigV4Auth(Keys(keys.access_key, keys.secret_key), service, region)
        timestamp = (datetime.now(UTC) - age).strftime(TIMESTAMP)
        headers = {"Host": f"127.0.0.1:{self.port}", "X-Amz-Date": timestamp, "X-Amz-Target": target}
        headers["Content-Type"] = content_type
        request = AWSRequest("POST", f"http://127.0.0.1:{self.port}/", data=body, headers=headers)
        request.context["timestamp"] = timestamp
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        return dict(request.headers.items())

    def send(self, body: bytes, headers: Mapping[str, str], *, method: str = "POST", path: str = "/") -> Reply:
        reply = self._exchange(body, headers, method=method, path=path)
        if reply.headers.get("connection") == "close":
            self.close()
        return reply

    def _exchange(self, body: bytes, headers: Mapping[str, str], *, method: str, path: str) -> Reply:
        is_used = self._connection is not None
        self._connection = self._connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self._connection.request(method, path, body, dict(headers))
            response = self._connection.getresponse()
            return Reply(response.status, dict(response.headers.items()), response.read())
        except OSError as error:
            self.close()
            if is_used and isinstance(error, ConnectionError):  # it had been idle for too long
                return self._exchange(body, headers, method=method, path=path)
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def served(operations: Operations) -> Iterator[RawClient]:
    """Serve `operations` on a free port of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(operations, CREDENTIALS), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    client = RawClient(listener.getsockname()[1])
    try:
        yield client
    finally:
        client.close()
        server.should_exit = True
        thread.join()
        listener.close()
