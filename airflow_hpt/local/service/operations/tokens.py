"""Next tokens: where a page ended, bound to the operation and the filters that it was made for."""

import base64
import hashlib
import json

from airflow_hpt.errors import InvalidRequest
from airflow_hpt.local.service.operations.context import Request
from airflow_hpt.local.store.pages import Cursor

PAGING = ("NextToken", "MaxResults")


def token_after(cursor: Cursor | None, operation: str, request: Request) -> str | None:
    """Return the token of the page after `cursor`."""
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(_signed(cursor, operation, request)).decode()


def cursor_of(operation: str, request: Request) -> Cursor | None:
    """Return where the page that a request asks for begins; refuse a token of other filters, or of nobody."""
    token = request.get("NextToken")
    if not token:
        return None
    try:
        given = base64.urlsafe_b64decode(token)
        value, row, _ = json.loads(given)
        cursor = Cursor(value, row)
        is_ours = given == _signed(cursor, operation, request)
    except (ValueError, TypeError, RecursionError):
        is_ours = False
    if not is_ours:
        raise InvalidRequest(
            f"NextToken does not belong to this call of {operation}. Use it with the filters and the sort order of the "
            "call that returned it, or start again without it."
        )
    return cursor


def _signed(cursor: Cursor, operation: str, request: Request) -> bytes:
    filters = sorted((name, str(value)) for name, value in request.items() if name not in PAGING)
    digest = hashlib.sha256(repr((cursor, operation, filters)).encode()).hexdigest()[:16]
    return json.dumps([cursor.value, cursor.id, digest]).encode()
