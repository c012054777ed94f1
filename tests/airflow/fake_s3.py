"""A tiny S3 that lists buckets of any size without storing them, and fails when a test asks for it."""

import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PAGE = 1_000

Object = tuple[str, int, str]  # key, size, ETag


class FakeS3:
    """Serves the listing of every bucket from `listing(bucket)`; answers calls with `faults`, (code, status), first."""

    def __init__(self) -> None:
        self.listing: Callable[[str], Sequence[Object]] = lambda bucket: ()
        self.faults: list[tuple[str, int]] = []
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, address: str, body: bytes) -> tuple[int, bytes]:
        path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
        self.requests.append(f"{method} {address}")
        if self.faults:
            return _refusal(*self.faults.pop(0))
        if method == "PUT":
            self.stored[path] = body
            return 200, b""
        if "list-type" in query:
            prefix, token = query.get("prefix", [""])[0], query.get("continuation-token", ["0"])[0]
            return 200, self._page(path.strip("/"), prefix, int(token)).encode()
        return (200, self.stored[path]) if path in self.stored else _refusal("NoSuchKey", 404)

    def _page(self, bucket: str, prefix: str, start: int) -> str:
        found = self.listing(bucket)[start : start + PAGE]
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>&quot;{etag}&quot;</ETag>"
            "<LastModified>2026-11-24T10:00:00.000Z</LastModified></Contents>"
            for key, size, etag in found
            if key.startswith(prefix)
        )
        more = start + PAGE < len(self.listing(bucket))
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"


def _refusal(code: str, status: int) -> tuple[int, bytes]:
    return status, f"<Error><Code>{code}</Code><Message>{code} on request</Message></Error>".encode()


def _handler(fake: FakeS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = fake.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    return Handler
