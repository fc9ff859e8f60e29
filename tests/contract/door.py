"""An endpoint that goes away and comes back."""

from moto.server import ThreadedMotoServer

from infra.common import ports


class Door:
    """A moto server of its own on one port, that closes and opens; its streams stay."""

    def __init__(self) -> None:
        self.port = 0
        self._server: ThreadedMotoServer

    def open(self) -> None:
        self._server = ThreadedMotoServer(ports.HOST, self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def close(self) -> None:
        self._server.stop()
        assert self._server._server is not None
        self._server._server.server_close()
