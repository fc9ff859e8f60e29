"""What a target raises where the code under test breaks its promise."""


class Finding(Exception):
    """Says in one sentence what was promised, and what came."""


def require(promise: object, sentence: str) -> None:
    """Raises `Finding` with the sentence where the promise is not kept."""
    if not promise:
        raise Finding(sentence)
