"""Kinds of models of ride durations: one module each, and `catalogue` names them.

What trains, searches, registers, compares and promotes takes a kind by its name. Another kind is a
module with a `ModelKind`, and its line in the catalogue.
"""

from typing import Final

DEFAULT_KIND: Final = "boosted"
"""Stands here, so that a command line can name it without loading scikit-learn."""
