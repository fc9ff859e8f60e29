"""Parses option values such as `burst:times=10,seconds=2` into typed structs."""

import difflib
from collections.abc import Collection, Iterable, Mapping

import msgspec

from infra.common.console import UserError


def parse[T: msgspec.Struct](text: str, kinds: Mapping[str, type[T]], option: str) -> T:
    """Parses `name:key=value,key=value` into one of the structs in `kinds`; missing keys get
    defaults. Raises `UserError`, which suggests the closest known name."""
    name, _, rest = text.partition(":")
    if name not in kinds:
        raise UserError(f"{option} {name!r} is not known: {nearest(name, kinds)}")
    kind = kinds[name]
    values: dict[str, str] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if key not in kind.__struct_fields__:
            raise UserError(
                f"{option} {name} has no {key!r}: {nearest(key, kind.__struct_fields__)}"
            )
        if not equals or key in values:
            raise UserError(f"{option} {text}: write {name}:{key}=VALUE, once")
        values[key] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"{option} {text}: {error}") from None


def nearest(asked: str, known: Iterable[str]) -> str:
    """A suggestion: the closest known name or, if none is close, all of them."""
    names = list(known)
    close = difflib.get_close_matches(asked, names, n=1)
    return f"did you mean {close[0]}?" if close else f"choose from {', '.join(names) or 'none'}"


def closest(asked: str, known: Collection[str]) -> str:
    """The closest known name, however distant."""
    return difflib.get_close_matches(asked, known, n=1, cutoff=0.0)[0]
