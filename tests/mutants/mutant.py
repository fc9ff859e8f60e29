"""One way to break the function: which text of which file becomes what, and what notices it."""

from pathlib import Path

import msgspec

from stream_sim.simulation.broken import Property


class Mutant(msgspec.Struct, frozen=True):
    """`name` says what is broken, `file` is one of `ride_scoring`, `text` occurs in it once.

    One of `caught_by` has to be what breaks.
    """

    name: str
    file: str
    text: str
    instead: str
    caught_by: tuple[Property, ...]

    def apply(self, package: Path) -> None:
        """Breaks a copy of the package. Raises `ValueError` unless the text occurs exactly once."""
        source = (file := package / self.file).read_text()
        if (count := source.count(self.text)) != 1:
            raise ValueError(
                f"{self.name!r}: {self.file} holds {self.text!r} {count} times, and not once: "
                "let the mutant follow the code"
            )
        file.write_text(source.replace(self.text, self.instead))
