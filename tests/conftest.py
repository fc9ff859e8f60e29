"""Which tests run beside which: two processes share them (`make test`)."""

import pytest


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on LocalStack take the longest and each other's place, so one process starts with them
    and runs them one after the other; of all others a file stays together, with its fixtures."""
    for item in items:
        on_localstack = "integration" in item.path.parts
        if on_localstack:
            item.add_marker(pytest.mark.integration)
        item.add_marker(pytest.mark.xdist_group("LocalStack" if on_localstack else item.path.stem))
    items.sort(key=lambda item: "integration" not in item.path.parts)
