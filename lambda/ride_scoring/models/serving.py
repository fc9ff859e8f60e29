"""Which model serves: the one that an alias names, followed as it moves, or one that is pinned."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.identity import Role
from ride_scoring.models import mlmodel, model
from ride_scoring.models.files import ModelFiles
from ride_scoring.models.model import Way
from ride_scoring.models.served import ServedModel
from ride_scoring.models.store import ModelStore, decode_pointer

logger = logging.getLogger(__name__)


class ModelWatch(Protocol):
    """Observes which models are loaded and which are refused."""

    def model_loaded(self, way: Way, milliseconds: float, *, swapped: bool) -> None: ...

    def model_refused(self) -> None: ...


class Unwatched:
    """Observes nothing: a shadow's models are reported in the log only."""

    def model_loaded(self, way: Way, milliseconds: float, *, swapped: bool) -> None: ...

    def model_refused(self) -> None: ...


class AliasedModel:
    """The model that an alias names.

    The pointer is checked between batches, at most every `refresh_seconds`, and before every batch
    while no champion is loaded. A refused version is not tried again until the pointer changes, and
    the previous version keeps serving. `clock` returns seconds.
    """

    def __init__(
        self,
        store: ModelStore,
        alias: str,
        role: Role,
        refresh_seconds: float,
        watch: ModelWatch,
        *,
        allow_pickle: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._alias = alias
        self._role: Role = role
        self._refresh_seconds = refresh_seconds
        self._watch = watch
        self._allow_pickle = allow_pickle
        self._clock = clock
        self._served: ServedModel | None = None
        self._refused: str | None = None
        self._settled_etag: str | None = None
        self._manifest_sha256: str | None = None
        self._looked_at = float("-inf")

    def current(self) -> ServedModel:
        """The model to score with. Raises `ModelUnavailable` or `ModelRefused`."""
        due = self._clock() - self._looked_at >= self._refresh_seconds
        waited_for = self._served is None and self._role == "champion"
        if due or waited_for:
            self._look()
        if self._served is not None:
            return self._served
        if self._refused is not None:
            raise ModelRefused(self._refused)
        raise ModelUnavailable(f"no model is published as {self._alias}")

    def look_anew(self) -> None:
        """Makes the next batch check the pointer, whenever it was last read."""
        self._looked_at = float("-inf")

    def _look(self) -> None:
        self._looked_at = self._clock()
        try:
            pointer = self._store.pointer(
                self._alias,
                unless_etag=self._settled_etag,
                # While a model serves, a slow check is not worth delaying a batch.
                patient=self._served is None,
            )
            if pointer is None:
                return
            self._try(pointer.body)
            self._settled_etag = pointer.etag
        except ModelUnavailable as error:
            if self._served is None:
                raise
            logger.warning("still serving version %s: %s", self._served.version, error)

    def _try(self, content: bytes) -> None:
        """Loads what the pointer names, or refuses it; either holds until the pointer changes."""
        started = time.perf_counter()
        try:
            pointer = decode_pointer(content)
            if pointer.manifest_sha256 == self._manifest_sha256:
                return  # already serving: the pointer was rewritten, or moved back
            manifest, loaded = self._store.load(pointer, allow_pickle=self._allow_pickle)
        except ModelUnavailable:
            raise
        except (OSError, MemoryError) as error:  # a full disk is no fault of the model's
            raise as_unavailable(error) from error
        except Exception as error:  # noqa: BLE001 - whatever it is, such a model cannot serve
            self._refuse(error)
            return
        swapped = self._served is not None
        self._served = ServedModel(
            self._store.name, manifest.version, manifest.run_id, self._role, loaded
        )
        self._manifest_sha256 = pointer.manifest_sha256
        milliseconds = (time.perf_counter() - started) * 1000
        self._watch.model_loaded(loaded.way, milliseconds, swapped=swapped)
        logger.info("version %s serves as %s", manifest.version, self._role)

    def _refuse(self, error: Exception) -> None:
        self._refused = str(as_refusal(error))
        self._watch.model_refused()
        goes_on = f"; still serving version {self._served.version}" if self._served else ""
        logger.error("refused the model that %s names: %s%s", self._alias, self._refused, goes_on)


class PinnedModel:
    """One model directory, without an alias: loaded on first use, and never reloaded."""

    def __init__(
        self,
        files: ModelFiles,
        location: str,
        name: str,
        version: str | None,
        watch: ModelWatch,
        *,
        allow_pickle: bool = False,
    ) -> None:
        self._files = files
        self._location = location
        self._name = name
        self._version = version
        self._watch = watch
        self._allow_pickle = allow_pickle
        self._served: ServedModel | None = None

    def current(self) -> ServedModel:
        """The model to score with. Raises `ModelUnavailable` or `ModelRefused`."""
        if self._served is None:
            self._served = self._load()
        return self._served

    def look_anew(self) -> None:
        """Does nothing: a pinned model never changes."""

    def _load(self) -> ServedModel:
        started = time.perf_counter()
        try:
            run_id = mlmodel.read(self._files).run_id or ""
            loaded = model.load(self._files, allow_pickle=self._allow_pickle)
        except ModelUnavailable:
            raise
        except (OSError, MemoryError) as error:
            raise as_unavailable(error) from error
        except Exception as error:  # whatever it is, such a model cannot serve
            self._watch.model_refused()
            raise ModelRefused(f"{self._location}: {as_refusal(error)}") from error
        milliseconds = (time.perf_counter() - started) * 1000
        self._watch.model_loaded(loaded.way, milliseconds, swapped=False)
        return ServedModel(self._name, self._version or run_id, run_id, "champion", loaded)


def as_unavailable(error: Exception) -> ModelUnavailable:
    """A failure of the system, such as a full disk: a retry may succeed."""
    return ModelUnavailable(f"the model cannot be loaded now: {type(error).__name__}: {error}")


def as_refusal(error: Exception) -> ModelRefused:
    """A failure of the model itself, of whatever kind."""
    if isinstance(error, ModelRefused):
        return error
    return ModelRefused(f"the model cannot be loaded: {type(error).__name__}: {error}")
