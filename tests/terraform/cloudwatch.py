"""CloudWatch's alarms as its pages describe them: planned alarms and counted metrics in, the states
that they would have out.

Where the pages leave open what an expression makes of a metric without a value in a minute, or
without any value at all, both ways to read them can be taken.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

Key = tuple[str, str, frozenset[tuple[str, str]]]
"""A metric: namespace, name and dimensions."""
Series = dict[int, float]
"""The sum of each minute that has one."""

_SIMPLE: Final = "aws_cloudwatch_metric_alarm"
_COMPOSITE: Final = "aws_cloudwatch_composite_alarm"
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_RELATIONS: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
}


class Missing(Enum):
    """What a metric that has no value in a minute is to an expression."""

    ZERO = "it counts as nothing"
    POISON = "the expression has no value either"


class Metrics:
    """What was counted, by the minute."""

    def __init__(self) -> None:
        self._series: dict[Key, Series] = {}

    def add(self, minute: int, namespace: str, name: str, value: float, **dimensions: str) -> None:
        series = self._series.setdefault((namespace, name, frozenset(dimensions.items())), {})
        series[minute] = series.get(minute, 0.0) + value

    def add_embedded(self, minute: int, line: Mapping[str, Any]) -> None:
        """Adds what a line in CloudWatch's embedded metric format says."""
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                named = {name: line[name] for name in dimensions}
                for metric in directive["Metrics"]:
                    values = line[metric["Name"]]
                    value = sum(values) if isinstance(values, list) else values
                    self.add(minute, directive["Namespace"], metric["Name"], value, **named)

    def series(self, namespace: str, name: str, dimensions: Mapping[str, str]) -> Series:
        return self._series.get((namespace, name, frozenset(dimensions.items())), {})


class Alarms:
    """The alarms of a plan, over metrics. `state` is what one would be in after a minute."""

    def __init__(
        self, planned: Mapping[str, Mapping[str, Any]], metrics: Metrics, missing: Missing
    ) -> None:
        self._simple = _named(planned, _SIMPLE)
        self._composite = _named(planned, _COMPOSITE)
        self._metrics = metrics
        self._missing = missing

    def told_of(self, minute: int) -> set[str]:
        """Those in the state ALARM that do something about it."""
        acting = self._simple | self._composite
        return {
            name
            for name, alarm in acting.items()
            if "alarm_actions" not in alarm or alarm["alarm_actions"]
            if self.raised(name, minute)
        }

    def raised(self, name: str, minute: int) -> bool:
        """Whether it is in the state ALARM once so many minutes are over."""
        if name in self._composite:
            return self._ruled(self._composite[name]["alarm_rule"], minute)
        alarm = self._simple[name]
        periods = int(alarm["evaluation_periods"])
        wanted = int(alarm.get("datapoints_to_alarm") or periods)
        series = self._watched(alarm)
        breaches = [
            self._breaches(alarm, series.get(at)) for at in range(minute - periods + 1, minute + 1)
        ]
        return sum(breaches) >= wanted

    def _ruled(self, rule: str, minute: int) -> bool:
        """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"""
        parts = re.fullmatch(r'ALARM\("([^"]+)"\) AND ALARM\("([^"]+)"\)', rule)
        assert parts is not None, rule
        return all(self.raised(name, minute) for name in parts.groups())

    @staticmethod
    def _breaches(alarm: Mapping[str, Any], value: float | None) -> bool:
        if value is None:
            return bool(alarm["treat_missing_data"] == "breaching")
        return _COMPARISONS[alarm["comparison_operator"]](value, float(alarm["threshold"]))

    def _watched(self, alarm: Mapping[str, Any]) -> Series:
        if not (queries := alarm.get("metric_query")):
            return self._metrics.series(
                alarm["namespace"], alarm["metric_name"], alarm["dimensions"] or {}
            )
        (expression,) = [query["expression"] for query in queries if query.get("expression")]
        found = {
            query["id"]: self._metrics.series(
                metric["namespace"], metric["metric_name"], metric["dimensions"]
            )
            for query in queries
            for metric in query["metric"]
        }
        return Expression(expression).evaluated(found, self._missing)


def _named(planned: Mapping[str, Mapping[str, Any]], kind: str) -> dict[str, Mapping[str, Any]]:
    return {
        values["alarm_name"]: values
        for address, values in planned.items()
        if address.startswith(f"{kind}.")
    }


class Expression(NamedTuple):
    """A metric math expression of numbers, metrics, arithmetic, comparisons, AND, OR and IF."""

    text: str

    def evaluated(self, metrics: Mapping[str, Series], missing: Missing) -> Series:
        """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html"""
        python = re.sub(r"\b(AND|OR)\b", lambda word: word[0].lower(), self.text)
        tree = ast.parse(python, mode="eval").body
        minutes = sorted({minute for series in metrics.values() for minute in series})
        values = {minute: self._value(tree, minute, metrics, missing) for minute in minutes}
        return {minute: value for minute, value in values.items() if value is not None}

    def _value(
        self, node: ast.expr, minute: int, metrics: Mapping[str, Series], missing: Missing
    ) -> float | None:
        def values(nodes: Iterable[ast.expr]) -> list[float] | None:
            found = [self._value(each, minute, metrics, missing) for each in nodes]
            known = [value for value in found if value is not None]
            return known if len(known) == len(found) else None

        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return metrics[name].get(minute, 0.0 if missing is Missing.ZERO else None)
            case ast.BinOp(left=left, op=sign, right=right):
                if (sides := values([left, right])) is None:
                    return None
                return _ARITHMETIC[type(sign)](*sides)
            case ast.Compare(left=left, ops=[relation], comparators=[right]):
                if (sides := values([left, right])) is None:
                    return None
                return float(_RELATIONS[type(relation)](*sides))
            case ast.BoolOp(op=sign, values=parts):
                if (sides := values(parts)) is None:
                    return None
                return float(all(sides) if isinstance(sign, ast.And) else any(sides))
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                if (chosen := self._value(condition, minute, metrics, missing)) is None:
                    return None
                return self._value(then if chosen else otherwise, minute, metrics, missing)
        raise AssertionError(f"{ast.unparse(node)} in {self.text} is not known to this test")
