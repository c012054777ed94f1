"""Reading a request that may hold anything: typed members, each fault an InvalidRequest that names the member's path.

A member that is None counts as absent, because templates and re-serialised answers render absent members that way.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from airflow_hpt.errors import InvalidRequest

E = TypeVar("E", bound=StrEnum)


class Fields:
    """The members of one structure of a request, and the path that leads to it."""

    __slots__ = ("_members", "path")

    def __init__(self, members: Any, path: str = "") -> None:
        self.path = path
        if not isinstance(members, Mapping):
            raise InvalidRequest(f"{path or 'The request'} must be a structure, but is {_shown(members)}.")
        self._members = members

    def __contains__(self, name: str) -> bool:
        return self._members.get(name) is not None

    def members(self) -> dict[str, Any]:
        """Return a copy of the members that are present."""
        return {name: value for name, value in self._members.items() if value is not None}

    def where(self, name: str) -> str:
        """Return the path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise InvalidRequest for a member, naming its path."""
        raise InvalidRequest(f"{self.where(name)} {reason}")

    def raw(self, name: str) -> Any:
        """Return a member that must be present."""
        if name not in self:
            self.refuse(name, "is missing; the request needs it.")
        return self._members[name]

    def text(self, name: str, *, limit: int, least: int = 1) -> str:
        """Return a text of `least` to `limit` characters."""
        value = self.raw(name)
        if not isinstance(value, str):
            self.refuse(name, f"must be a string, but is {_shown(value)}.")
        if not least <= len(value) <= limit:
            self.refuse(name, f"must have {least} to {limit} characters, but {_shown(value)} has {len(value)}.")
        return value

    def integer(self, name: str, *, low: int, high: float = math.inf) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.raw(name)
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(name, f"must be an integer, but is {_shown(value)}.")
        if not low <= value <= high:
            bounds = f"from {low} to {high}" if math.isfinite(high) else f"at least {low}"
            self.refuse(name, f"must be {bounds}, but is {value}.")
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        value = self.raw(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(name, f"must be a number, but is {_shown(value)}.")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse(name, f"must be a finite number, but is {_shown(value)}.")
        return number

    def flag(self, name: str) -> bool:
        """Return a boolean; an absent one is false."""
        value = self.raw(name) if name in self else False
        if not isinstance(value, bool):
            self.refuse(name, f"must be true or false, but is {_shown(value)}.")
        return value

    def choice(self, name: str, of: type[E]) -> E:
        """Return a member of an enumeration, given by its value."""
        value = self.raw(name)
        if value not in list(of):
            self.refuse(name, f"must be one of {', '.join(of)}, but is {_shown(value)}.")
        return of(value)

    def structure(self, name: str) -> "Fields":
        """Return a structure that must be present."""
        return Fields(self.raw(name), self.where(name))

    def optional(self, name: str) -> "Fields":
        """Return a structure, an empty one when it is absent."""
        return self.structure(name) if name in self else Fields({}, self.where(name))

    def structures(self, name: str, *, limit: int, least: int = 0) -> list["Fields"]:
        """Return a list of structures; an absent list is empty."""
        return [
            Fields(item, f"{self.where(name)}[{at}]")
            for at, item in enumerate(self.items(name, limit=limit, least=least))
        ]

    def texts(self, name: str, *, limit: int, characters: int) -> tuple[str, ...]:
        """Return a list of one to `limit` texts."""
        items = self.items(name, limit=limit, least=1)
        for item in items:
            if not isinstance(item, str) or len(item) > characters:
                self.refuse(name, f"must list strings of at most {characters} characters, but has {_shown(item)}.")
        return tuple(items)

    def text_map(self, name: str, *, limit: int, key: int, value: int) -> dict[str, str]:
        """Return a map of texts with at most `limit` entries; an absent map is empty."""
        given = self.raw(name) if name in self else {}
        if not isinstance(given, Mapping):
            self.refuse(name, f"must be a map of strings, but is {_shown(given)}.")
        if len(given) > limit:
            self.refuse(name, f"must have at most {limit} entries, but has {len(given)}.")
        for k, v in given.items():
            if not isinstance(k, str) or not isinstance(v, str):
                self.refuse(name, f"must map strings to strings, but maps {_shown(k)} to {_shown(v)}; quote the value.")
            if len(k) > key or len(v) > value:
                self.refuse(name, f"allows keys of {key} and values of {value} characters; {_shown(k)} is too long.")
        return dict(given)

    def items(self, name: str, *, limit: int, least: int = 0) -> Sequence[Any]:
        """Return a list of `least` to `limit` entries; an absent list is empty."""
        items = self.raw(name) if name in self else ()
        if not isinstance(items, list | tuple):
            self.refuse(name, f"must be a list, but is {_shown(items)}.")
        if not least <= len(items) <= limit:
            self.refuse(name, f"must have {least} to {limit} entries, but has {len(items)}.")
        return items


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
