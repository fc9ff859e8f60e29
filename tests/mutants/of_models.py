"""Mutants of which model serves: the alias that is followed, the store, and what is checked."""

from typing import Final

from tests.mutants.mutant import Mutant

MUTANTS: Final = (
    Mutant(
        "the pointer is never looked at again",
        "models/serving.py",
        "if due or waited_for:",
        "if waited_for:",
        ("pointer not read in time",),
    ),
    Mutant(
        "the pointer is looked at ten times too seldom",
        "models/serving.py",
        "self._clock() - self._looked_at >= self._refresh_seconds",
        "self._clock() - self._looked_at >= 10 * self._refresh_seconds",
        ("pointer not read in time",),
    ),
    Mutant(
        "a model that is waited for is not looked for at each batch",
        "models/serving.py",
        "if due or waited_for:",
        "if due:",
        ("pointer not read in time",),
    ),
    Mutant(
        "a version that is refused takes the batch along",
        "models/serving.py",
        "self._refuse(error)\n            return",
        "self._refuse(error)\n            raise as_refusal(error) from error",
        ("failed without a cause",),
    ),
    Mutant(
        "what serves is let go before the next is there",
        "models/serving.py",
        "manifest, loaded = self._store.load(",
        "self._served = None\n            manifest, loaded = self._store.load(",
        ("failed without a cause",),
    ),
    Mutant(
        "a swap changes the names and not the model",
        "models/serving.py",
        "manifest.version, manifest.run_id, self._role, loaded\n",
        "manifest.version, manifest.run_id, self._role,\n"
        "            self._served.predictor if self._served else loaded,\n",
        ("wrong",),
    ),
    Mutant(
        "a version goes by the name of the run before",
        "models/serving.py",
        "manifest.version, manifest.run_id, self._role, loaded\n",
        "manifest.version, self._served.run_id if self._served else manifest.run_id,\n"
        "            self._role, loaded,\n",
        ("wrong",),
    ),
    Mutant(
        "a version that is refused ends the one that serves",
        "models/serving.py",
        "self._refused = str(as_refusal(error))",
        "self._refused = str(as_refusal(error))\n        self._served = None",
        ("failed without a cause",),
    ),
    Mutant(
        "a pointer is settled before its version is loaded",
        "models/serving.py",
        "self._try(pointer.body)\n            self._settled_etag = pointer.etag",
        "self._settled_etag = pointer.etag\n            self._try(pointer.body)",
        ("another model than the pointer's",),
    ),
    Mutant(
        "a version that cannot be fetched counts as refused",
        "models/serving.py",
        "allow_pickle=self._allow_pickle)\n        except ModelUnavailable:\n            raise\n"
        "        except (OSError, MemoryError) as error:  # a full",
        "allow_pickle=self._allow_pickle)\n"
        "        except (OSError, MemoryError) as error:  # a full",
        ("another model than the pointer's",),
    ),
    Mutant(
        "a look that fails takes the batch along",
        "models/serving.py",
        "if self._served is None:\n                raise\n            logger",
        "raise\n            logger",
        ("failed without a cause",),
    ),
    Mutant(
        "a look is waited for although a model serves",
        "models/serving.py",
        "patient=self._served is None,",
        "patient=True,",
        ("kept waiting",),
    ),
    Mutant(
        "digests are not checked",
        "models/store.py",
        "if actual != sha256:",
        "if not actual:",
        ("another model than the pointer's",),
    ),
    Mutant(
        "golden rows are not checked",
        "models/store.py",
        "if not (rows := manifest.golden_rows):",
        "if rows := manifest.golden_rows:",
        ("another model than the pointer's",),
    ),
    Mutant(
        "a manifest of another model is taken",
        "models/store.py",
        "if (manifest.name, manifest.version) != (self.name, pointer.version):",
        "if manifest.version != pointer.version:",
        ("another model than the pointer's",),
    ),
    Mutant(
        "a compiled model of other sources is taken",
        "models/compiled.py",
        "if (actual := files.sha256(path)) != sha256:",
        "if not (actual := files.sha256(path)):",
        ("another model than the pointer's",),
    ),
)
