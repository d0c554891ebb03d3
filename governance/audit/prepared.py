"""Reads whose SQL is composed once in the life of a process.

Django composes the SQL of a query anew each time, which takes longer than a database needs to answer one of the small
reads of which every question to the gate, every page and every signature makes two dozen.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection, connections
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql.constants import MULTI

Row = TypeVar("Row", bound=Model)

STANDINS: dict[type, Callable[[int], Any]] = {
    UUID: lambda place: UUID(int=0x5EED0000_0000_4000_8000_000000000000 + place),
    int: lambda place: 1_917_034_773 + place,
    str: lambda place: f"<argument {place}>",
    datetime: lambda place: datetime(1717, 7, 17, 17, 17, 17, 171717 + place, UTC),
}
"""For each type of argument a value that no query holds by itself: where it is found in the parameters, the argument goes."""


class Prepared(Generic[Row]):
    """A query that differs from call to call only by the values of its arguments.

    `compose` makes the query set from arguments that are UUID, int, str or datetime. Each must come among the parameters
    of the SQL as it is: no look-up that alters it (`icontains`), no slice by it. No `prefetch_related`.
    """

    def __init__(self, compose: Callable[..., QuerySet[Row]]) -> None:
        self.compose = compose
        self._composed: dict[tuple[Any, ...], _Composed] = {}

    def __call__(self, *arguments: Any) -> list[Row]:
        """The rows as the query set would give them. Raises TypeError for an argument of another type, DatabaseError."""
        types = tuple(map(type, arguments))
        composed = self._composed.get((connection.vendor, types))
        if composed is None:
            composed = self._composed[connection.vendor, types] = _Composed(self.compose, types)
        return composed.rows(arguments)

    def first(self, *arguments: Any) -> Row | None:
        """The first row of a query that says in which order, and should say `[:1]`; None where there is none."""
        return next(iter(self(*arguments)), None)

    def one(self, *arguments: Any) -> Row:
        """The first row. Raises the model's DoesNotExist where there is none."""
        found = self.first(*arguments)
        if found is None:
            raise self._composed[connection.vendor, tuple(map(type, arguments))].model.DoesNotExist
        return found


class _Composed:
    """SQL and the way from its rows to objects, for one engine and arguments of these types."""

    def __init__(self, compose: Callable[..., QuerySet[Any]], types: tuple[type, ...]) -> None:
        unknown = [one.__name__ for one in types if one not in STANDINS]
        if unknown:
            raise TypeError(f"a prepared query takes no argument of type {', '.join(unknown)}")
        standins = [STANDINS[one](place) for place, one in enumerate(types)]
        queryset = compose(*standins)
        if queryset._iterable_class is not ModelIterable or queryset._prefetch_related_lookups:  # type: ignore[attr-defined]
            raise TypeError("a prepared query gives rows of a model, and fetches nothing besides")
        self.model, self.compiler = queryset.model, queryset.query.get_compiler(connection=connection)
        self.sql, self.parameters = self.compiler.as_sql()
        self.converters = self.compiler.get_converters([column[0] for column in self.compiler.select])
        places = {_adapted(one): place for place, one in enumerate(standins)}
        self.holes = [(at, places[one]) for at, one in enumerate(self.parameters) if one in places]
        if {place for _, place in self.holes} != set(range(len(types))):
            raise TypeError("an argument of a prepared query does not come among its parameters as it is")

    def rows(self, arguments: tuple[Any, ...]) -> list[Any]:
        parameters = list(self.parameters)
        for at, place in self.holes:
            parameters[at] = _adapted(arguments[place])
        compiler: Any = copy(self.compiler)
        compiler.connection = connections[connection.alias]
        compiler.as_sql = lambda: (self.sql, tuple(parameters))
        found = compiler.execute_sql(MULTI)
        if not any(found):
            return []
        compiler.execute_sql = lambda **how: found
        compiler.get_converters = lambda columns: self.converters
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        given: Any = SimpleNamespace(db=connection.alias, model=self.model, query=query, _known_related_objects={})
        return list(ModelIterable(given))


def _adapted(argument: Any) -> Any:
    """As the engine's look-ups hand it to the driver."""
    if isinstance(argument, UUID):
        return argument if connection.features.has_native_uuid_field else argument.hex
    if isinstance(argument, datetime):
        return connection.ops.adapt_datetimefield_value(argument)
    return argument
