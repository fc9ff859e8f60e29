"""The process that is measured: `python worker.py <module>` calls that module's `handler`.

One order a line of JSON on standard input, {"event": <file>, "times": n}, one answer a line on the
file descriptor that WORKER_ANSWERS names. It imports nothing that the handler does not have to pay
for, and nothing of the project.
"""

import importlib
import json
import os
import resource
import sys
import time
from typing import Any


class Context:
    """What Lambda tells a handler of its call."""

    aws_request_id = "c0ffee00-0000-4000-8000-000000000000"
    function_name = "ride-scoring"
    function_version = "1"
    memory_limit_in_mb = "512"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:ride-scoring"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def peak_kib() -> int:
    """VmHWM, which begins anew with the program, where ru_maxrss is the parent's at first."""
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - pathlib is an import more
        return int(next(line for line in status if line.startswith(b"VmHWM")).split()[1])


def cpu_seconds() -> float:
    """Of this process since it began, and of its children that ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def carry_out(handler: Any, event: Any, times: int) -> dict[str, Any]:
    walls, cpus = [], []
    cpu_before = cpu_seconds()
    for _ in range(times):
        wall_started, cpu_started = time.perf_counter(), time.process_time()
        answer = handler(event, Context())
        walls.append(time.perf_counter() - wall_started)
        cpus.append(time.process_time() - cpu_started)
        if answer["batchItemFailures"]:
            return {"failure": str(answer)}
    cpu_after = cpu_seconds()
    return {
        "cpu_seconds": cpu_after - cpu_before,
        "cpu_seconds_since_start": cpu_after,
        "wall_seconds_a_call": walls,
        "cpu_seconds_a_call": cpus,
        "peak_kib": peak_kib(),
    }


def main() -> None:
    handler = importlib.import_module(sys.argv[1]).handler
    with os.fdopen(int(os.environ["WORKER_ANSWERS"]), "w") as answers:
        for line in sys.stdin:
            order = json.loads(line)
            with open(order["event"], "rb") as file:  # noqa: PTH123 - pathlib is an import more
                event = json.load(file)
            answers.write(json.dumps(carry_out(handler, event, order["times"])) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
