"""Whatever a person has in their environment, and however their folders are called, what works with
a stack speaks to the stack alone, and Terraform keeps its state where it was told to."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from sqlalchemy import create_engine

from infra import emulator, stack
from infra.common import surroundings
from infra.common.console import UserError
from infra.common.processes import Children
from infra.stack import Endpoint
from infra.terraform import Terraform
from training import tracking

URL = "http://127.0.0.1:4566"
OURS = Endpoint(URL, 7, {**emulator.OWN_ACCOUNT, "AWS_ENDPOINT_URL": URL})
GIVEN = Endpoint(URL, None, {"AWS_ENDPOINT_URL": URL})

PERSONS: Mapping[str, Mapping[str, str]] = {
    "nothing": {},
    "a profile": {"AWS_PROFILE": "production", "AWS_DEFAULT_PROFILE": "production"},
    "a session": {"AWS_SESSION_TOKEN": "real", "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"},
    "endpoints of services": {
        "AWS_ENDPOINT_URL_S3": "http://s3.example",
        "AWS_ENDPOINT_URL_KINESIS": "http://kinesis.example",
        "AWS_ENDPOINT_URL_LAMBDA": "http://lambda.example",
    },
    "the course's endpoint": {"KINESIS_ENDPOINT_URL": "http://localhost:9"},
    "no configured endpoints": {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    "another region": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    "FIPS and dual stack": {
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
    },
    "a role of a container": {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
    },
    "a proxy": {"HTTP_PROXY": "http://proxy.example:3128", "HTTPS_PROXY": "http://proxy.example"},
    "a proxy in lower case, and exceptions": {
        "http_proxy": "http://proxy.example:3128",
        "no_proxy": "localhost, mirror.example",
    },
    "exceptions in upper case": {"NO_PROXY": "mirror.example,127.0.0.1"},
    "Terraform's": {
        "TF_WORKSPACE": "prod",
        "TF_CLI_ARGS": "-no-color",
        "TF_CLI_ARGS_plan": "-var-file=prod.tfvars",
        "TF_CLI_ARGS_init": "-upgrade",
        "TF_LOG": "TRACE",
        "TF_LOG_PROVIDER": "TRACE",
    },
}
persons = pytest.mark.parametrize("person", PERSONS.values(), ids=PERSONS)

FOLDERS = (
    "plain",
    "with a space",
    "it's (R&D) ü",
    'say "hi"',
    "a&b",
    "a;touch b",
    "[x]",
    "{a,b}",
    "$HOME",
    "`id`",
    "$(id)",
    "back\\slash",
    "#hash",
    "100%",
    "*",
    "-dash",
    "~",
    "a|b<c>d",
    "what?",
    "!1",
    "tab\tin it",
    "новый",
)


@pytest.mark.few(4)
@persons
def test_clients_speak_to_the_stack_alone(
    person: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = OURS.environment(dict(os.environ) | dict(person))
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    for service in ("s3", "kinesis", "lambda", "logs", "cloudwatch"):
        client = session.client(service)
        assert client.meta.endpoint_url == URL
        assert client.meta.region_name == "us-east-1"
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("test", None)
    assert environment["no_proxy"] == environment["NO_PROXY"]
    assert environment["no_proxy"].split(",").count("127.0.0.1") == 1


@persons
def test_a_shell_that_sources_the_file_has_the_same_environment(
    person: Mapping[str, str], tmp_path: Path
) -> None:
    base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KEPT": "as it is", **person}
    text = surroundings.sourced("127.0.0.1", OURS.settings, ours=True)
    wanted = surroundings.for_terraform(OURS.environment(base))
    found = sourced(text, base, tmp_path)
    assert hosts(found) == hosts(wanted)
    assert found | PROXIES == wanted | PROXIES


PROXIES = {"no_proxy": "", "NO_PROXY": ""}


def hosts(environment: Mapping[str, str]) -> list[list[str]]:
    """Those that no proxy leads to, by each variable."""
    return [environment[name].replace(" ", "").split(",") for name in PROXIES]


def test_an_endpoint_that_is_given_keeps_its_account_and_is_the_only_one(tmp_path: Path) -> None:
    base = {
        "PATH": os.environ["PATH"],
        "AWS_PROFILE": "mine",
        "AWS_ENDPOINT_URL_S3": "http://s3.example",
        "KINESIS_ENDPOINT_URL": "http://kinesis.example",
    }
    wanted = {
        "PATH": os.environ["PATH"],
        "AWS_PROFILE": "mine",
        "AWS_ENDPOINT_URL": URL,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    assert GIVEN.environment(base) == wanted
    text = surroundings.sourced("127.0.0.1", GIVEN.settings, ours=False)
    assert sourced(text, base, tmp_path) == wanted


def test_a_person_who_wants_no_configured_endpoints_does_not_end_up_at_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real credentials beside it, the stack would be made, or destroyed, in a real account."""
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = eu-west-1\nignore_configured_endpoint_urls = true\n"
        "services = mine\nendpoint_url = http://global.example\n"
        "[services mine]\ns3 =\n  endpoint_url = http://s3.example\n",
        encoding="utf-8",
    )
    base = {"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": str(config), **emulator.TEST_ACCOUNT}
    text = surroundings.sourced("127.0.0.1", GIVEN.settings, ours=False)
    for environment in (GIVEN.environment(base), sourced(text, base, tmp_path)):
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for service in ("s3", "kinesis", "lambda", "sts"):
            assert boto3.Session().client(service).meta.endpoint_url == URL


def sourced(text: str, base: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What a shell has in its environment that sources the text twice, where an unset name is
    an error."""
    (folder / "env").write_text(text, encoding="utf-8")
    show = (
        f"{shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-eu", "-c", f"source ./env; . ./env; {show}"],
        cwd=folder,
        env=dict(base),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    found: dict[str, str] = json.loads(done.stdout)
    own = {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    return {name: value for name, value in found.items() if name not in own}


def test_a_value_is_the_same_in_the_shell(tmp_path: Path) -> None:
    settings = {f"V{number}": f"/home/{name}/x" for number, name in enumerate(FOLDERS)}
    text = surroundings.sourced("127.0.0.1", settings, ours=True)
    found = sourced(text, {"PATH": os.environ["PATH"]}, tmp_path)
    assert {name: found[name] for name in settings} == settings


@pytest.mark.few(3)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_any_name_holds_its_state_and_all_of_it(name: str, tmp_path: Path) -> None:
    """In Terraform's own hands: from here, and from a shell that sourced the file."""
    checkout = tmp_path / name
    configuration, folder = checkout / "terraform", checkout / ".localstack" / f"demo {name}"
    for made in (configuration, folder):
        made.mkdir(parents=True)
    (configuration / "main.tf").write_text(
        'variable "said" { default = "no" }\noutput "said" { value = var.said }\n', encoding="utf-8"
    )
    with Children() as children:
        terraform = Terraform(
            *(children, folder, os.environ),
            configuration=configuration,
            profile=None,
            data=folder / "data",
        )
        terraform.init()
        terraform.apply({"said": name})
        assert terraform.outputs() == {"said": name}
    settings = {**terraform.settings, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    (folder / "env").write_text(
        surroundings.sourced("127.0.0.1", settings, ours=True), encoding="utf-8"
    )
    script = (
        f"source {shlex.quote(str(folder / 'env'))}\n"
        "terraform -chdir=terraform output -raw said\n"
        'printf "\\n%s" "$MLFLOW_TRACKING_URI"\n'
        "terraform -chdir=terraform destroy -auto-approve >/dev/null"
    )
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-eu", "-c", script],
        cwd=checkout,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == f"{name}\n{settings['MLFLOW_TRACKING_URI']}"
    states = [*tmp_path.rglob("*.tfstate*"), *tmp_path.glob("touch*"), *configuration.glob("b")]
    assert states == [terraform.state]
    assert json.loads(terraform.state.read_text(encoding="utf-8"))["outputs"] == {}


@pytest.mark.few(3)
@persons
def test_terraform_does_what_it_is_told_here_alone(
    person: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "main.tf").write_text('output "said" { value = 1 }\n', encoding="utf-8")
    with Children() as children:
        terraform = Terraform(
            *(children, tmp_path / "state", {**os.environ, **person}),
            configuration=tmp_path,
            profile=None,
            data=tmp_path / "data",
        )
        (tmp_path / "state").mkdir()
        terraform.init()
        terraform.apply({})
        assert terraform.outputs() == {"said": 1}


@pytest.mark.few(3)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_of_any_name_holds_its_registry_or_it_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    for named in (f"sqlite:///{folder}/mlflow.db", "sqlite:///mlflow.db", None):
        monkeypatch.setattr(tracking, "ROOT", folder)
        if named is None:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        else:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", named)
        if "?" in name and named != f"sqlite:///{folder}/mlflow.db":
            with pytest.raises(UserError, match="contains a question mark"):
                tracking.uri()
        elif "?" not in name:
            engine = create_engine(tracking.uri())
            engine.connect().close()
            engine.dispose()
            assert sorted(tmp_path.rglob("*")) == [folder, folder / "mlflow.db"]


def test_a_localstack_of_ours_is_configured_by_nobody_else() -> None:
    base = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "PERSISTENCE": "1"}
    base |= {"LOCALSTACK_AUTH_TOKEN": "t", "GATEWAY_LISTEN": "0.0.0.0:80", "AWS_PROFILE": "p"}
    base |= {"PROVIDER_OVERRIDE_S3": "v9", "HTTP_PROXY": "http://proxy.example"}
    kept = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    assert surroundings.for_server(base) == kept


def test_a_stack_is_called_what_it_was_told_to_be() -> None:
    assert stack.names_given({}) == {}
    assert stack.names_given({"MODEL_NAME": "taxi", "MODEL_ALIAS": ""}) == {"MODEL_NAME": "taxi"}
    both = {"MODEL_NAME": "taxi", "TF_VAR_model_name": "taxi", "TF_VAR_model_alias": "best"}
    assert stack.names_given(both) == {"MODEL_NAME": "taxi", "MODEL_ALIAS": "best"}
    with pytest.raises(UserError, match="MODEL_NAME and TF_VAR_model_name differ"):
        stack.names_given({"MODEL_NAME": "taxi", "TF_VAR_model_name": "fare"})


@pytest.mark.parametrize("name", ["my model", "-x", "a/b", "ü", "x" * 101, "a\nb", "$(id)"])
def test_a_name_that_no_stack_can_have_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(UserError, match="is not a valid name: use up to 100 letters"):
        stack.names_given({"TF_VAR_model_alias": name})


def test_what_terraform_says_that_it_exports_is_what_commands_read() -> None:
    said = "export MODEL_NAME=taxi\nexport MODEL_BUCKET=a-1\nexport EVENTS_STREAM_NAME='b c'\n"
    wanted = {"MODEL_NAME": "taxi", "MODEL_BUCKET": "a-1", "EVENTS_STREAM_NAME": "b c"}
    assert stack.exported(said) == wanted
    assert stack.exported("") == {}
