"""The environment of what works with a stack: the person's in, one that leads to the stack's own
endpoint out; for a process, and as a file that a shell sources.

Whatever else the person has set, of AWS, of a proxy or of Terraform, is of other work than this.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.common.console import UserError

_AWS: Final = ("AWS_", "KINESIS_ENDPOINT_URL")
"""What could lead a client of a LocalStack of ours to a real account. The second one is the MLOps
Zoomcamp's."""
_ENDPOINTS: Final = (
    "AWS_ENDPOINT_URL_",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "KINESIS_ENDPOINT_URL",
)
"""What could lead some calls to another endpoint than the one that is given."""
_GIVEN: Final = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
"""The person's configuration file stays, as the account may be in it. With
`ignore_configured_endpoint_urls` there, calls would go to AWS itself."""
_TERRAFORM: Final = ("TF_CLI_ARGS", "TF_WORKSPACE", "TF_LOG")
"""What could lead Terraform to another state, or into what it prints. Variables (TF_VAR_…) and the
configuration of its providers are the person's to give."""
_SERVER: Final = ("PATH", "HOME", "USER", "LANG", "LC_", "TZ", "LD_", "OPENBLAS_")
"""What a LocalStack of ours has of the environment: nothing that could configure it."""


def toward(
    url_host: str, base: Mapping[str, str], settings: Mapping[str, str], *, ours: bool
) -> dict[str, str]:
    """The environment of a process that works with the stack at a host: `settings` are the stack's
    own, and `ours` says whether its LocalStack is.
    """
    kept = _without_proxy(_without(base, _AWS if ours else _ENDPOINTS), url_host)
    return {**kept, **settings, **({} if ours else _GIVEN)}


def for_terraform(base: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would change what Terraform does, or says."""
    return _without(base, _TERRAFORM)


def for_server(base: Mapping[str, str]) -> dict[str, str]:
    """The environment of a LocalStack, before its own settings."""
    return {name: value for name, value in base.items() if name.startswith(_SERVER)}


def sourced(url_host: str, settings: Mapping[str, str], *, ours: bool) -> str:
    """The same for a shell: what it sources to work with the stack."""
    foreign = (*(_AWS if ours else _ENDPOINTS), *_TERRAFORM)
    patterns = " ".join(rf"-e 's/^\({prefix}[A-Za-z0-9_]*\)=.*/\1/p'" for prefix in foreign)
    host, hosts = shlex.quote(url_host), '"${no_proxy:+$no_proxy,}"'
    told = {**settings, **({} if ours else _GIVEN)}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(told.items())]
    return "\n".join(
        [
            "# All that the project's commands and Terraform need to work with this stack.",
            f"unset KINESIS_ENDPOINT_URL $(env | sed -n {patterns})",
            *exports,
            'no_proxy="${no_proxy:-${NO_PROXY:-}}"',
            f'case ",$no_proxy," in *,{host},*) ;; *) no_proxy={hosts}{host};; esac',
            'export no_proxy NO_PROXY="$no_proxy"',
            "",
        ]
    )


def sqlite_address(file: Path) -> str:
    """Where MLflow finds its registry in that file. Raises `UserError`.

    Whatever follows a question mark is a parameter to SQLAlchemy, and cannot be written otherwise.
    """
    if "?" in str(file):
        raise UserError(
            f"{file} cannot be MLflow's registry, as its path has a question mark in it: move it, "
            "or set MLFLOW_TRACKING_URI"
        )
    return f"sqlite:///{file}"


def _without(base: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in base.items() if not name.startswith(prefixes)}


def _without_proxy(environment: Mapping[str, str], host: str) -> dict[str, str]:
    """The environment, with the host among those that no proxy leads to.

    Some clients read the name in upper case, some in lower case, and the lower one wins.
    """
    named = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = filter(None, re.split(r"[,\s]+", named))
    value = ",".join(dict.fromkeys([*hosts, host]))
    return {**environment, "NO_PROXY": value, "no_proxy": value}
