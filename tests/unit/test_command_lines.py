"""Bad input at each command line: one sentence on standard error, an exit code, no traceback."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from infra import rides
from infra.cli import app as whole
from infra.common.paths import ROOT
from operations.cli import app as operations
from stream_sim.cli import app as simulator
from tests.runs import write
from training.cli import app as training

pytestmark = pytest.mark.thorough

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
AWAY = "postgresql://me:secret@127.0.0.1:9/mlflow"
NOT_ONLINE = {"TRIP_DATA_URL": "http://127.0.0.1:9"}
NOBODY = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}  # the discard port, where nothing listens


def complaint(*arguments: str, environment: Mapping[str, str] | None = None, code: int = 1) -> str:
    """What a command that must fail says on standard error."""
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**base, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def sentence(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
    said = complaint(*arguments, environment=environment)
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    return said


def test_trips_that_are_not_there() -> None:
    assert "nowhere.parquet does not exist" in sentence("training", "train", "nowhere.parquet")
    assert "nowhere.parquet does not exist" in sentence(
        *("stream_sim", "send", "--stream", "s", "--trips", "nowhere.parquet")
    )


def test_trips_with_other_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path := tmp_path / "other.parquet")
    assert "lacks the columns PULocationID" in sentence("training", "train", str(path))


def test_too_few_trips() -> None:
    said = sentence("training", "train", "synthetic:10:0")
    assert "usable trips of 10" in said
    assert "at least 200" in said


def test_trips_that_are_half_there(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(1_000))}), whole := tmp_path / "whole.parquet")
    (half := tmp_path / "half.parquet").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert "half.parquet" in sentence("training", "train", str(half))
    assert "half.parquet" in sentence("training", "data", "report", str(half))


@pytest.mark.parametrize(
    ("month", "complaint"),
    [
        ("2023-13", "2023-13 is not a month"),
        ("2999-01", "2999-01 is in the future"),
        ("green/2013-07", "is before TLC's first month"),
    ],
)
def test_a_month_that_is_none(month: str, complaint: str) -> None:
    compared = ("--train", "2023-01", "--validate", month)
    for command in (("data", "fetch", month), ("train", month), ("compare", *compared)):
        assert complaint in sentence("training", *command, environment=NOT_ONLINE)


def test_a_registry_that_is_away() -> None:
    for command in (("history",), ("promote",), ("evaluate",)):
        said = sentence("training", *command, environment={"MLFLOW_TRACKING_URI": AWAY})
        assert "refused" in said
        assert "start it, or fix MLFLOW_TRACKING_URI" in said
        assert "secret" not in said


def test_what_the_registry_does_not_know(tmp_path: Path) -> None:
    environment = {**CREDENTIALS, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    said = sentence(
        *("training", "publish", "--alias", "challenger", "--model-bucket", "models"),
        environment=environment,
    )
    assert "no alias 'challenger' of a model 'ride-duration'" in said
    assert "python -m training train" in said
    said = sentence("training", "promote", "--version", "99", environment=environment)
    assert "no version 99 of a model 'ride-duration'" in said


def test_what_promotion_alone_may_do() -> None:
    said = sentence("training", "train", "synthetic:300:0", "--alias", "champion")
    assert "champion serves, and only `python -m training promote` moves it" in said


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    both = ("--train", "synthetic:300:0", "--validate", "synthetic:300:1")
    assert "cannot be written" in sentence("training", "compare", *both, "--page", str(tmp_path))
    assert "cannot be written" in sentence("training", "search", *both, "--out", "/proc/x/y")


def test_a_password_in_an_address_is_not_told(tmp_path: Path) -> None:
    environment = {
        "TRIP_DATA_URL": "http://me:secret@127.0.0.1:9",
        "TRIP_DATA_DIR": str(tmp_path),
    }
    said = sentence("training", "data", "fetch", "2023-01", environment=environment)
    assert "http://127.0.0.1:9/green_tripdata_2023-01.parquet cannot be downloaded" in said
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.iterdir())


def test_an_address_of_trips_that_is_none(tmp_path: Path) -> None:
    environment = {"TRIP_DATA_URL": "http://me:secret@[bad", "TRIP_DATA_DIR": str(tmp_path)}
    said = sentence("training", "data", "fetch", "2023-01", environment=environment)
    assert "is TRIP_DATA_URL right?" in said
    assert "secret" not in said


def test_what_is_no_prediction_to_trace() -> None:
    assert "this is not a prediction" in sentence("training", "trace", "{}")
    assert "name it with --stream" in sentence("training", "trace", "shardId-000000000000:1")


def test_hyperparameters_that_are_none(tmp_path: Path) -> None:
    (file := tmp_path / "best.json").write_text('{"trees": "many"}')
    said = sentence("training", "train", "synthetic:300:0", "--hyperparameters", str(file))
    assert "holds no hyperparameters" in said


def test_an_endpoint_where_nobody_listens() -> None:
    environment = {**CREDENTIALS, **NOBODY, "AWS_MAX_ATTEMPTS": "1"}
    said = sentence("stream_sim", "send", "--stream", "s", environment=environment)
    assert "http://127.0.0.1:9" in said
    assert "make up" in said


def test_no_credentials() -> None:
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": "/nope",
    }
    assert "no AWS credentials" in sentence(
        "stream_sim", "send", "--stream", "s", environment=environment
    )
    assert "no AWS region" in sentence(
        "stream_sim", "send", "--stream", "s", environment={"HOME": "/"}
    )


def test_no_ledger(tmp_path: Path) -> None:
    said = sentence(
        *("stream_sim", "verify", "--stream", "s", "--rejects-bucket", "b"),
        *("--out", str(tmp_path)),
    )
    assert "send rides first" in said


@pytest.mark.parametrize(
    "option",
    [
        ("--rate", "inf"),
        ("--seed", "-1"),
        ("--rate", "0"),
        ("--count", "0"),
        ("--malformed", "1.5"),
        ("--rate", "fast"),
        ("--count", "99999999999999999999"),
        ("--duration", "inf"),
        ("--processes", "0"),
    ],
)
def test_an_option_out_of_its_range(option: tuple[str, str]) -> None:
    said = complaint("stream_sim", "send", "--stream", "s", *option, code=2)
    assert option[0] in said


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (("--shape", "diurnl"), "--shape 'diurnl' is not known: did you mean diurnal?"),
        (("--shape", "burst:time=3"), "--shape burst has no 'time': did you mean times?"),
        (("--shape", "burst:times=many"), "--shape burst:times=many: "),
        (("--fault", "latte=0.1"), "--fault 'latte' is not known: did you mean late?"),
        (("--fault", "late=2"), "--fault late=2"),
        (("--drift", "vanished:borough=Quens"), "did you mean Queens?"),
        (("--count", "1", "--duration", "1"), "--count and --duration exclude each other"),
        (("--speed-up", "60"), "name it with --trips"),
        (("--profile", "nowhere.npz"), "nowhere.npz"),
    ],
)
def test_an_option_that_is_misspelt(option: tuple[str, ...], complaint: str) -> None:
    assert complaint in sentence("stream_sim", "send", "--stream", "s", *option)


@pytest.mark.parametrize("command", ["send", "verify", "watch", "redrive"])
@pytest.mark.parametrize(
    ("address", "wrong"),
    [("banana", "Invalid endpoint: banana"), ("http://[::1", "Invalid IPv6 URL")],
)
def test_an_endpoint_that_is_no_address(
    command: str, address: str, wrong: str, tmp_path: Path
) -> None:
    write(tmp_path, [])
    options = {
        "send": ("--out", str(tmp_path / "run")),
        "verify": ("--out", str(tmp_path), "--rejects-bucket", "b"),
        "watch": ("--events-stream", "s", "--rejects-bucket", "b"),
        "redrive": ("--from", "rejects", "--rejects-bucket", "b"),
    }
    environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": address}
    part = "stream_sim" if command in {"send", "verify"} else "operations"
    said = sentence(part, command, "--stream", "s", *options[command], environment=environment)
    assert f"{wrong}: AWS_ENDPOINT_URL must be a URL such as http://" in said


def test_a_month_that_a_profile_is_held_against_is_not_there(tmp_path: Path) -> None:
    said = sentence("stream_sim", "profile", "show", "nowhere.parquet", "x.parquet")
    assert "nowhere.parquet does not exist" in said
    out = ("--out", str(tmp_path / "profile.npz"))
    assert "x.parquet does not exist" in sentence("stream_sim", "profile", "fit", "x.parquet", *out)


def test_packed_rides_for_a_stream_that_the_environment_says_is_fanned_out() -> None:
    environment = {"EVENTS_STREAM_NAME": "fares-events", "ENHANCED_FAN_OUT": "true"}
    said = sentence("stream_sim", "send", "--aggregate", environment=environment)
    assert "--aggregate would lose rides: the function reads fares-events" in said


@pytest.mark.parametrize("command", ["send", "verify"])
def test_a_folder_that_is_a_file(command: str, tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    rest = ["--rejects-bucket", "b"] if command == "verify" else ["--count", "1"]
    arguments = ("stream_sim", command, "--stream", "s", "--out", str(file), *rest)
    environment = {**CREDENTIALS, **NOBODY, "AWS_MAX_ATTEMPTS": "1"}
    assert sentence(*arguments, environment=environment)


NO_TEXT = b"x\xff"


@pytest.mark.parametrize(
    "arguments",
    [
        ("training", "schedule", "--cron", NO_TEXT),
        ("training", "train", "--name", NO_TEXT, "synthetic:300:0"),
        ("training", "train", NO_TEXT),
        ("training", "data", "fetch", NO_TEXT),
        ("training", "trace", NO_TEXT),
        ("training", "rollback", "--model-bucket", "b", "--alias", NO_TEXT),
        ("stream_sim", "send", "--stream", "s", "--trips", NO_TEXT),
        ("stream_sim", "send", "--stream", "s", "--shape", NO_TEXT),
        ("stream_sim", "replay-seed", "3", "--schedule", NO_TEXT),
        ("operations", "plan", "--tfvars", NO_TEXT),
        ("infra", "invoke", NO_TEXT),
    ],
    ids=lambda arguments: "-".join(map(str, arguments[:-1])),
)
def test_an_argument_that_is_no_text(arguments: tuple[str | bytes, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **CREDENTIALS, **NOBODY, "AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"error: ")
    assert done.stderr.count(b"\n") == 1
    assert b"ff'" in done.stderr or rb"x\xff" in done.stderr


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("PermissionError(13, 'Permission denied', '/a')", "/a cannot be used: permission denied"),
        ("OSError(28, 'No space left on device', '/b')", "/b cannot be used: no space left on"),
        ("OSError(30, 'Read-only file system', b'/c')", "/c cannot be used: read-only file system"),
        ("NotADirectoryError(20, 'Not a directory', '/d/e')", "/d/e cannot be used: not a dir"),
    ],
)
def test_a_file_that_the_system_does_not_give_is_one_sentence(error: str, said: str) -> None:
    main = f"def main() -> None:\n    raise {error}\n"
    program = f"from infra.common import console\n{main}console.run(main)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {said}")
    assert done.stderr.count("\n") == 1


def test_a_folder_for_reports_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path,
) -> None:
    (tmp_path / "out").touch()
    program = (
        "from pathlib import Path\n"
        "from infra.common import console\n"
        "from training import flow_settings, local_server\n"
        "def main() -> None:\n"
        "    log = Path('out/prefect/server.log')\n"
        "    with local_server.running('It', ['sleep', '60'], {}, 'http://127.0.0.1:9', log):\n"
        "        pass\n"
        "console.run(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "out/prefect/server.log cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_rides_that_are_not_there_are_said_before_anything_is_started() -> None:
    said = sentence("infra", "demo", environment={"RIDES": "nowhere.parquet"})
    assert "RIDES=nowhere.parquet does not exist" in said


def test_a_stream_that_is_not_named() -> None:
    assert "EVENTS_STREAM_NAME" in complaint("stream_sim", "send", code=2)


def test_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = complaint("infra", "demo", environment={"PORT": port})
    assert f"port {port} cannot be used" in said


def test_no_terraform(tmp_path: Path) -> None:
    said = complaint("infra", "demo", environment={"PATH": str(tmp_path)})
    assert "terraform is not on PATH: install Terraform" in said


def test_a_given_endpoint_where_nobody_listens() -> None:
    assert "nothing answers at AWS_ENDPOINT_URL" in complaint("infra", "demo", environment=NOBODY)


def test_an_architecture_that_lambda_does_not_have() -> None:
    assert "riscv" in complaint("infra", "package", "--arch", "riscv", code=2)


def test_a_command_line_without_options_is_stopped_without_a_traceback() -> None:
    program = (
        "from infra.common import console\n"
        "def main() -> None:\n"
        "    raise KeyboardInterrupt\n"
        "console.run(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "error: stopped\n")


def test_one_command_has_the_verbs_of_all_parts() -> None:
    """`rides plan` is `python -m operations plan`, and no verb hides another's."""
    parts = {"a": simulator, "b": training, "c": operations, "d": whole}
    verbs = [
        name
        for part in parts.values()
        for name, verb in typer.main.get_group(part).commands.items()
        if not verb.hidden
    ]
    assert len(set(verbs)) == len(verbs)
    assert sorted(typer.main.get_group(rides.joined(parts)).commands) == sorted(verbs)
    command = Path(sys.executable).with_name("rides")
    found = subprocess.run([command, "plan", "--help"], capture_output=True, text=True, check=True)
    assert "Price a deployment on AWS" in found.stdout
    done = subprocess.run(
        [command, "send", "--stream", "s", "--trips", "nowhere.parquet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere.parquet does not exist" in done.stderr


@pytest.mark.parametrize("command", ["plan", "redrive", "watch"])
def test_a_command_under_its_old_name(command: str) -> None:
    """It says where the command went, and runs it with its options."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_sim", command, "--banana"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"is now `python -m operations {command}`" in done.stderr
    assert "No such option: --banana" in done.stderr
    helped = subprocess.run(
        [sys.executable, "-m", "stream_sim", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"python -m operations {command}" in helped.stdout
