"""Which model version an environment must serve, given what it read of the alias pointer."""

from collections.abc import Callable

from ride_scoring.errors import ModelRefused
from ride_scoring.models import store
from stream_sim.simulation.broken import Note
from stream_sim.simulation.world.buckets import Stored


class PointerFollowed:
    """Tracks which version an environment must serve, by its reads of pointer and model."""

    def __init__(self, now: Callable[[], float], whole: Callable[[str], bool], note: Note) -> None:
        self._now = now
        self._whole = whole
        self._note = note
        self._named: str | None = None
        self._etag = ""
        self._unread_etag: str | None = None
        """ETag of a pointer whose version could not be read: it must be followed again."""
        self._serves: str | None = None
        self._looked_at = float("-inf")
        self.failed = False
        self.has_to_look = False
        """Whether the pointer is due to be read in this invocation, and has not been yet."""

    def begin(self, refresh_seconds: float) -> None:
        """An invocation starts."""
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
        """The named version is served once all of it has been read, if it is undamaged."""
        if self._named is not None:
            self._unread_etag = self._etag if self.failed else None
            if not self.failed and self._whole(self._named):
                self._serves = self._named
        self._named, self.failed = None, False
