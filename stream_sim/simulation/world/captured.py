"""Capture what the function writes to standard output and standard error."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator

import onnxruntime

from ride_scoring.telemetry import PACKAGE, Telemetry


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """A context in which all the function's output is captured, and none is shown."""
    onnxruntime.set_default_logger_severity(4)  # failing models are expected here
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        Telemetry("simulated")
        handlers = [
            (handler, handler.setStream(said))
            for handler in logging.getLogger(PACKAGE).handlers
            if isinstance(handler, logging.StreamHandler)
        ]
        try:
            yield said
        finally:
            for handler, stream in handlers:
                handler.setStream(stream or sys.stdout)
