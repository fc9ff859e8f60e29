"""What an environment read of the alias's pointer in, which version it has to serve out."""

from collections.abc import Callable

from ride_scoring.errors import ModelRefused
from ride_scoring.models import store
from stream_sim.simulation.broken import Note
from stream_sim.simulation.world.buckets import Stored


class PointerFollowed:
    """Which version an environment has to serve, by what it read of the pointer and the model."""

    def __init__(self, now: Callable[[], float], whole: Callable[[str], bool], note: Note) -> None:
        self._now = now
        self._whole = whole
        self._note = note
        self._named: str | None = None
        self._etag = ""
        self._unread_etag: str | None = None
        """Of a pointer that named what could not be read: it has to be followed again."""
        self._serves: str | None = None
        self._looked_at = float("-inf")
        self.failed = False
        self.has_to_look = False
        """Whether the pointer is to be read in this invocation, and was not yet."""

    def begin(self, refresh_seconds: float) -> None:
        """An invocation begins."""
        due = self._now() - self._looked_at >= refresh_seconds
        self.has_to_look = due or self.serves is None

    def looks(self) -> None:
        self._settle()
        self._looked_at = self._now()
        self.has_to_look = False

    def found(self, pointer: Stored, unless_etag: str | None) -> None:
        if pointer.etag == unless_etag:
            if pointer.etag == self._unread_etag:
                self._note("another model than the pointer's", "what was not read is never read")
            return
        self._etag = pointer.etag
        try:
            self._named = store.decode_pointer(pointer.body).version
        except ModelRefused:
            self._named = None

    @property
    def serves(self) -> str | None:
        self._settle()
        return self._serves

    def _settle(self) -> None:
        """What was named serves once all of it was read, where it is whole."""
        if self._named is not None:
            self._unread_etag = self._etag if self.failed else None
            if not self.failed and self._whole(self._named):
                self._serves = self._named
        self._named, self.failed = None, False
