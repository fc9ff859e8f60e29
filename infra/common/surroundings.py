"""Derives from the user's environment one that targets a stack's endpoint, for a process or as a
shell file.

Other AWS, proxy or Terraform settings of the user are meant for other work, and are dropped.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.common.console import UserError

_AWS: Final = ("AWS_", "KINESIS_ENDPOINT_URL")
"""Variables that could direct a client of our own LocalStack to a real account. The second is the
MLOps Zoomcamp's."""
_ENDPOINTS: Final = (
    "AWS_ENDPOINT_URL_",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "KINESIS_ENDPOINT_URL",
)
"""Variables that could direct some calls to an endpoint other than the given one."""
_GIVEN: Final = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
"""The user's AWS configuration file stays in use, as it may hold the account. If it sets
`ignore_configured_endpoint_urls`, calls would go to AWS itself, so override that."""
_TERRAFORM: Final = ("TF_CLI_ARGS", "TF_WORKSPACE", "TF_LOG")
"""Variables that could change Terraform's state or clutter its output. Input variables (TF_VAR_…)
and provider configuration are left to the user."""
_SERVER: Final = ("PATH", "HOME", "USER", "LANG", "LC_", "TZ", "LD_", "OPENBLAS_")
"""What our own LocalStack inherits from the environment: nothing that could configure it."""


def toward(
    url_host: str, base: Mapping[str, str], settings: Mapping[str, str], *, ours: bool
) -> dict[str, str]:
    """The environment of a process that works with the stack at `url_host`. `settings` are the
    stack's; `ours` means that we run its LocalStack."""
    kept = _without_proxy(_without(base, _AWS if ours else _ENDPOINTS), url_host)
    return {**kept, **settings, **({} if ours else _GIVEN)}


def for_terraform(base: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that change Terraform's behaviour or output."""
    return _without(base, _TERRAFORM)


def for_server(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a LocalStack, before its own settings."""
    return {name: value for name, value in base.items() if name.startswith(_SERVER)}


def sourced(url_host: str, settings: Mapping[str, str], *, ours: bool) -> str:
    """The same as a script for a shell to source."""
    foreign = (*(_AWS if ours else _ENDPOINTS), *_TERRAFORM)
    patterns = " ".join(rf"-e 's/^\({prefix}[A-Za-z0-9_]*\)=.*/\1/p'" for prefix in foreign)
    host, hosts = shlex.quote(url_host), '"${no_proxy:+$no_proxy,}"'
    told = {**settings, **({} if ours else _GIVEN)}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(told.items())]
    return "\n".join(
        [
            "# Everything that the project's commands and Terraform need to work with this stack.",
            f"unset KINESIS_ENDPOINT_URL $(env | sed -n {patterns})",
            *exports,
            'no_proxy="${no_proxy:-${NO_PROXY:-}}"',
            f'case ",$no_proxy," in *,{host},*) ;; *) no_proxy={hosts}{host};; esac',
            'export no_proxy NO_PROXY="$no_proxy"',
            "",
        ]
    )


def sqlite_address(file: Path) -> str:
    """SQLAlchemy address of an MLflow registry in that file. Raises `UserError`.

    SQLAlchemy treats everything after a question mark as parameters, and has no escape for it.
    """
    if "?" in str(file):
        raise UserError(
            f"{file} cannot be MLflow's registry, because its path contains a question mark: "
            "move it, or set MLFLOW_TRACKING_URI"
        )
    return f"sqlite:///{file}"


def _without(base: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in base.items() if not name.startswith(prefixes)}


def _without_proxy(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """The environment with the host excluded from proxying.

    Clients differ in whether they read the name in upper or lower case; lower case wins.
    """
    named = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = filter(None, re.split(r"[,\s]+", named))
    value = ",".join(dict.fromkeys([*hosts, host]))
    return {**environment, "NO_PROXY": value, "no_proxy": value}
