"""LocalStack's runtime executor over local processes: its invocations in, its results out."""

import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from localstack.aws.api.lambda_ import PackageType
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import (
    LambdaRuntimeException,
    RuntimeExecutor,
)

from localstack_processes.runtime_api import Invocation
from localstack_processes.runtime_process import RuntimeProcess, StartFailed, Stopped

_PYTHON: Final = "LAMBDA_PROCESS_PYTHON"
"""The interpreter that runs functions: one that has `awslambdaric` and nothing else installed."""
_ENDPOINT: Final = "LAMBDA_PROCESS_ENDPOINT_URL"
"""Where functions find AWS, if not at LocalStack itself."""
_INIT_SECONDS: Final = 10.0
"""Lambda's own limit for initialising."""
_HOST_VARIABLES: Final = ("PATH", "LANG", "TMPDIR")
_HOST: Final = "127.0.0.1"


class ProcessRuntimeExecutor(RuntimeExecutor):
    """One execution environment; a process that died is started anew for the next event."""

    def __init__(self, environment_id: str, function_version: FunctionVersion) -> None:
        super().__init__(environment_id, function_version)
        self._process: RuntimeProcess | None = None
        self._environment: dict[str, str] = {}
        self._init_ms: float | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        code = self._code_directory()
        self._environment = {
            **{name: os.environ[name] for name in _HOST_VARIABLES if name in os.environ},
            **{name: str(value) for name, value in env_vars.items() if value is not None},
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.function_version.config.runtime}",
            "LAMBDA_TASK_ROOT": str(code),
            "PYTHONPATH": str(code),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": ":UTC",
            "AWS_ENDPOINT_URL": os.environ.get(_ENDPOINT) or env_vars["AWS_ENDPOINT_URL"],
        }
        try:
            self._start_process()
        except StartFailed as error:
            raise StatusErrorException("the runtime did not start", error.payload) from error

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        request_id = payload["invoke-id"]
        try:
            process = self._living_process()
        except StartFailed as error:
            return InvocationResult(request_id, error.payload, is_error=True, logs=str(error))
        timeout = float(self.function_version.config.timeout)
        invocation = Invocation(
            request_id=request_id,
            function_arn=payload["invoked-function-arn"],
            trace_id=payload.get("trace-id", ""),
            deadline_ms=int((time.time() + timeout) * 1000),
            payload=payload["payload"].encode(),
        )
        try:
            outcome = process.invoke(invocation, timeout)
        except Stopped as error:
            raise LambdaRuntimeException("the environment was stopped") from error
        logs = self._report(request_id, process, outcome.milliseconds, outcome.peak_memory_mb)
        return InvocationResult(request_id, outcome.payload, is_error=outcome.is_error, logs=logs)

    def get_logs(self) -> str:
        return self._process.take_log() if self._process else ""

    def get_address(self) -> str:
        return _HOST

    def get_endpoint_from_executor(self) -> str:
        return _HOST

    def get_runtime_endpoint(self) -> str:
        return (
            f"http://{_HOST}"  # named in the environment alone: the process has an API of its own
        )

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        config = function_version.config
        if config.package_type != PackageType.Zip:
            raise LambdaRuntimeException(
                "only zip packages run as local processes; a container image needs Docker"
            )
        if str(config.runtime) != (runtime := _interpreter_runtime()):
            raise LambdaRuntimeException(
                f"the function wants {config.runtime}, and {_PYTHON} is {runtime}"
            )
        config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: LocalStack removes the code that it unzipped."""

    def _code_directory(self) -> Path:
        return Path(self.function_version.config.code.get_unzipped_code_location())

    def _living_process(self) -> RuntimeProcess:
        if self._process is None or not self._process.alive:
            self.stop()
            return self._start_process()
        return self._process

    def _start_process(self) -> RuntimeProcess:
        started = time.perf_counter()
        self._process = RuntimeProcess(
            [_interpreter(), "-m", "awslambdaric", self.function_version.config.handler],
            self._environment,
            self._code_directory(),
        )
        self._process.await_ready(_INIT_SECONDS)
        self._init_ms = (time.perf_counter() - started) * 1000
        return self._process

    def _report(
        self, request_id: str, process: RuntimeProcess, milliseconds: float, peak_memory_mb: int
    ) -> str:
        """The lines that Lambda writes around an invocation's own."""
        config = self.function_version.config
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {math.ceil(milliseconds)} ms\tMemory Size: {config.memory_size} MB\t"
            f"Max Memory Used: {peak_memory_mb} MB\t"
        )
        if self._init_ms is not None:
            report += f"Init Duration: {self._init_ms:.2f} ms\t"
            self._init_ms = None
        return (
            f"START RequestId: {request_id} Version: {self.function_version.id.qualifier}\n"
            f"{process.take_log()}END RequestId: {request_id}\n{report}\n"
        )


def _interpreter() -> str:
    return os.environ.get(_PYTHON) or sys.executable


def _interpreter_runtime() -> str:
    """The name that Lambda gives to what `_interpreter` runs, such as python3.13."""
    show = "import sys; print('python%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([_interpreter(), "-c", show], text=True).strip()
