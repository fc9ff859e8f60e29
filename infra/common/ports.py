"""The address of this machine's own servers, and their ports."""

import socket
from typing import Final

from infra.common.console import UserError

HOST: Final = "127.0.0.1"  # not localhost, which makes S3 clients use virtual-hosted addresses


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Raises `UserError` if something already listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"port {port} cannot be used ({error.strerror}): stop what listens there, "
                "or choose another with PORT=…"
            ) from error
