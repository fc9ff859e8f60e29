from typing import Annotated

import msgspec
import pytest

from infra.common.console import UserError
from infra.common.spec import closest, nearest, parse


class Wave(msgspec.Struct, frozen=True):
    height: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    name: str = "sea"


class Calm(msgspec.Struct, frozen=True):
    pass


KINDS: dict[str, type[Wave | Calm]] = {"wave": Wave, "calm": Calm}


def test_keys_that_are_left_out_have_their_defaults() -> None:
    assert parse("wave:height=2.5", KINDS, "--sea") == Wave(2.5, "sea")
    assert parse("wave:name=lake,height=3", KINDS, "--sea") == Wave(3.0, "lake")
    assert parse("wave", KINDS, "--sea") == parse("wave:", KINDS, "--sea") == Wave()
    assert parse("calm", KINDS, "--sea") == Calm()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("wawe", "--sea 'wawe' is not known: did you mean wave?"),
        ("storm", "--sea 'storm' is not known: choose from wave, calm"),
        ("", "--sea '' is not known: choose from wave, calm"),
        ("wave:hight=2", "--sea wave has no 'hight': did you mean height?"),
        ("calm:height=2", "--sea calm has no 'height': choose from none"),
        ("wave:height", "--sea wave:height: write wave:height=VALUE, once"),
        ("wave:height=1,height=2", "write wave:height=VALUE, once"),
        ("wave:height=tall", "--sea wave:height=tall: Expected `float`, got `str`"),
        ("wave:height=0", "--sea wave:height=0: Expected `float` > 0"),
        ("wave:height=nan", "--sea wave:height=nan: Expected `float` > 0"),
    ],
)
def test_what_cannot_be_meant_is_named(text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint.replace("?", r"\?")):
        parse(text, KINDS, "--sea")


def test_the_nearest_of_what_is_known_is_said() -> None:
    assert nearest("brust", ["ramp", "burst"]) == "did you mean burst?"
    assert nearest("x", ["ramp", "burst"]) == "choose from ramp, burst"
    assert nearest("x", []) == "choose from none"


def test_the_closest_is_said_however_far_it_is() -> None:
    assert closest("brust", ["ramp", "burst"]) == "burst"
    assert closest("x", ["ramp", "burst"]) in {"ramp", "burst"}
