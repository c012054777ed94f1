"""The HTTP application: one URL for every operation, and a health check.

Operations run in worker threads; nothing here holds state. Every request, also a refused one, leaves one line in the
request log.
"""

import logging
import os
import signal
import socket
import time
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from airflow_hpt import __version__
from airflow_hpt.errors import CallRejected, HptError, RequestRefused
from airflow_hpt.local.service.logs import log_request
from airflow_hpt.local.service.signing import Credentials, SignedRequest, verify
from airflow_hpt.local.service.wire import (
    BODY_LIMIT,
    Answer,
    Operations,
    decoded_request,
    failure,
    operation_of,
    success,
)

logger = logging.getLogger(__name__)

# A client reads an answer only after it has sent its whole request, so a body over the limit is read and thrown away;
# past this many bytes the connection is cut.
DISCARD_LIMIT = 32 * BODY_LIMIT
GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75  # longer than clients that poll wait between two polls, so that they keep their connection
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def create_app(operations: Operations, credentials: Credentials) -> Starlette:
    """Return the ASGI application that answers for `operations` to whoever holds `credentials`."""

    async def call(request: Request) -> Response:
        started = time.perf_counter()
        subject: dict[str, str] = {}
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except CallRejected as error:
            answer = failure(error)
        else:
            answer, subject = await run_in_threadpool(_answer, _signed(request, body), operations, credentials)
        log_request(answer, milliseconds=1000 * (time.perf_counter() - started), **subject)
        closing = {"Connection": "close"} if answer.status == 413 else {}
        return Response(answer.body, answer.status, answer.headers | closing)

    return Starlette(
        routes=[
            Route("/health", _health, methods=["GET"]),
            Route("/", call, methods=["POST"]),
            Route("/{path:path}", _foreign, methods=METHODS),
        ]
    )


def _answer(signed: SignedRequest, operations: Operations, credentials: Credentials) -> tuple[Answer, dict[str, str]]:
    """Carry out one request; return the answer and, for the log, the operation and the job it was about."""
    subject = {"target": signed.header("x-amz-target")}
    try:
        verify(signed, credentials, now=datetime.now(UTC))
        operation = operation_of(subject["target"], signed.header("content-type"), operations.names)
        request = decoded_request(operation, signed.body)
        subject |= {"job": _job(request)}
        return success(operations.call(operation, request)), subject
    except (CallRejected, RequestRefused) as error:
        return failure(error), subject
    except Exception:  # one request may fail without taking the service down
        answer = failure(HptError())
        logger.exception("Request %s to %s failed", answer.request_id, subject["target"])
        return answer, subject


def _job(request: dict[str, Any]) -> str:
    names = (request.get(key) for key in ("HyperParameterTuningJobName", "TrainingJobName", "ResourceArn"))
    return next(filter(None, names), "")


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= BODY_LIMIT:
            chunks.append(chunk)
        elif size > DISCARD_LIMIT:
            break
    if size > BODY_LIMIT:
        text = f"The body has more than {BODY_LIMIT} bytes, the most that one request may have."
        raise CallRejected("RequestEntityTooLargeException", text, status=413)
    return b"".join(chunks)


def _signed(request: Request, body: bytes) -> SignedRequest:
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.headers.raw)
    query = request.scope["query_string"].decode("latin-1")
    return SignedRequest(request.method, request.url.path, query, headers, body)


async def _health(_: Request) -> Response:
    return JSONResponse({"service": "airflow-hpt", "version": __version__, "pid": os.getpid()})


async def _foreign(_: Request) -> Response:
    """Answer a request of another AWS service, such as S3, in the form that those clients read."""
    text = "This is the local tuning service of airflow-hpt; it answers SageMaker's JSON protocol only, at POST /."
    body = f"<?xml version='1.0'?><Error><Code>NotImplemented</Code><Message>{text}</Message></Error>"
    return Response(body, 501, media_type="application/xml")


def serve_http(app: Starlette, listener: socket.socket) -> None:
    """Answer requests on `listener` until SIGTERM or SIGINT; requests under way are given a few seconds to finish."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn raises the signal that ended it once more; by then it has done its work.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(config).run(sockets=[listener])
