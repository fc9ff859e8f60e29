"""What the function writes to standard output and standard error, kept in place of shown."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator

import onnxruntime

from ride_scoring.telemetry import PACKAGE, Telemetry


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """A context in which all that the function writes is kept, and shown to nobody."""
    onnxruntime.set_default_logger_severity(4)  # a model that fails is no news here
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
