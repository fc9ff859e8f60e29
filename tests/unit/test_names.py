"""Who moves a pointer that the deployment in the environment does not follow is told so."""

import pytest

from training.names import not_followed

DEPLOYED = {"MODEL_NAME": "taxi", "MODEL_ALIAS": "best", "SHADOW_ALIAS": ""}


@pytest.mark.parametrize(
    ("environment", "moved", "follows"),
    [
        (DEPLOYED, ("taxi", "best"), None),
        (DEPLOYED, ("taxi", "champion"), "best of taxi"),
        (DEPLOYED, ("ride-duration", "best"), "best of taxi"),
        (DEPLOYED, ("taxi", ""), "best of taxi"),
        (DEPLOYED | {"SHADOW_ALIAS": "next"}, ("taxi", "best"), None),
        (DEPLOYED | {"SHADOW_ALIAS": "next"}, ("taxi", "next"), None),
        (DEPLOYED | {"SHADOW_ALIAS": "next"}, ("fare", "next"), "best and next of taxi"),
        (DEPLOYED | {"SHADOW_ALIAS": "next"}, ("taxi", "last"), "best and next of taxi"),
        (DEPLOYED | {"MODEL_NAME": ""}, ("taxi", "last"), None),
        (DEPLOYED | {"MODEL_ALIAS": ""}, ("taxi", "last"), None),
    ],
)
def test_a_pointer_that_nobody_follows_is_said(
    environment: dict[str, str],
    moved: tuple[str, str],
    follows: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = not_followed(*moved)
    if follows is None:
        assert said is None
    else:
        assert f"follows {follows}, and this is {moved[1]} of {moved[0]}:" in str(said)


def test_where_no_deployment_is_named_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEPLOYED:
        monkeypatch.delenv(name, raising=False)
    assert not_followed("taxi", "last") is None
