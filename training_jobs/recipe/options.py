"""Options of frozen dataclasses whose legal values stand beside their defaults, and replacing them by name."""

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from earmark.speech.errors import EarmarkError

_Options = TypeVar("_Options")
_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class _Bounds:
    over: float | None = None
    least: float | None = None
    most: float | None = None
    below: float | None = None

    def refusal(self, value: float) -> str:
        """What `value` should have been, empty where it is right."""
        if self.over is not None and value <= self.over:
            return f"over {self.over:g}"
        if self.least is not None and value < self.least:
            return f"at least {self.least:g}"
        if self.most is not None and value > self.most:
            return f"at most {self.most:g}"
        if self.below is not None and value >= self.below:
            return f"below {self.below:g}"
        return ""


def positive(default: float) -> Any:
    """A number over 0."""
    return field(default=default, metadata={"bounds": _Bounds(over=0)})


def at_least_zero(default: float) -> Any:
    """A number of 0 or more."""
    return field(default=default, metadata={"bounds": _Bounds(least=0)})


def share(default: float) -> Any:
    """A share or chance in 0..1."""
    return field(default=default, metadata={"bounds": _Bounds(least=0, most=1)})


def share_below_one(default: float) -> Any:
    """A share in 0..1 that is never the whole."""
    return field(default=default, metadata={"bounds": _Bounds(least=0, below=1)})


def one_of(default: str, *others: str) -> Any:
    """One of a few words, the first by default."""
    return field(default=default, metadata={"choices": (default, *others)})


def override(base: _Options, overrides: Mapping[str, Any], prefix: str = "") -> _Options:
    """`base`, a frozen dataclass, with the named values replaced; an option that is itself one takes a table.

    Raises EarmarkError `training:recipe:unknown-option`, `training:recipe:type` or `training:recipe:range`.
    """
    known = {one.name: one for one in fields(base)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in known:
            raise EarmarkError(
                "training:recipe:unknown-option",
                f"The recipe has no option {prefix + str(name)!r}.",
                f"Known options: {', '.join(sorted(known))}.",
            )
        current = getattr(base, name)
        if not is_dataclass(current):
            values[name] = _checked(prefix + name, known[name], value, type(current))
        elif isinstance(value, Mapping):
            values[name] = override(current, value, f"{prefix}{name}.")
        else:
            raise _type_error(prefix + name, value, "a table")
    return replace(base, **values)  # type: ignore[type-var]


def range_error(shown: str, value: Any, wanted: str) -> EarmarkError:
    """The error of an option that is not what it must be."""
    return EarmarkError("training:recipe:range", f"{shown} is {value!r}.", f"It must be {wanted}.")


def _checked(shown: str, option: "Field[Any]", value: Any, kind: type) -> Any:
    choices = option.metadata.get("choices")
    if choices:
        if value not in choices:
            raise range_error(shown, value, f"one of {', '.join(choices)}")
        return value
    whole_for_number = kind is float and type(value) is int
    if type(value) is not kind and not whole_for_number:
        raise _type_error(shown, value, _KINDS[kind])
    if kind not in (int, float):
        return value
    number = kind(value)
    if not math.isfinite(number):
        raise range_error(shown, value, "finite")
    refusal = option.metadata.get("bounds", _Bounds()).refusal(number)
    if refusal:
        raise range_error(shown, value, refusal)
    return number


def _type_error(shown: str, value: Any, wanted: str) -> EarmarkError:
    return EarmarkError("training:recipe:type", f"{shown} is {value!r}.", f"It must be {wanted}.")
