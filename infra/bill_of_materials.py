"""The folder that a zip was made of in, a CycloneDX 1.6 document of what the zip holds out.

The same zip gives the same bytes: no time of day is in it, and its serial number is the digest's.
https://cyclonedx.org/docs/1.6/json/
"""

import json
import re
import tomllib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_MADE_AT: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""The library writes a time in any case: that of the zip's entries."""

# What the pinned distributions call a licence that SPDX has another name for. The classifiers "BSD
# License" and "Apache Software License" say no version: they stay as they are.
_SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "MIT License": "MIT",
}
_CLASSIFIER: Final = "License :: OSI Approved :: "


def document(folder: Path, pins: str, project: str, zip_sha256: str) -> str:
    """The JSON of the distributions that are installed in `folder`.

    `pins` are the lines of infra/requirements/function.txt, `project` those of pyproject.toml. The
    hashes of a component are those of all the wheels and sources that its pin allows: what was
    installed has one of them.
    """
    found = {_name(held): held for held in distributions(path=[str(folder)])}
    hashes = _pinned_hashes(pins)
    components = {
        name: _component(name, held, hashes.get(name, [])) for name, held in found.items()
    }
    stated = tomllib.loads(project)["project"]
    function = _function(stated, zip_sha256)
    bom = Bom(
        components=components.values(),
        metadata=BomMetaData(component=function, timestamp=_MADE_AT),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, zip_sha256),
    )
    bom.register_dependency(
        function, _among(components, stated["optional-dependencies"]["function"])
    )
    for name, held in found.items():
        bom.register_dependency(components[name], _among(components, held.requires or []))
    return f"{JsonV1Dot6(bom).output_as_string(indent=1)}\n"


def licences(written: str) -> Counter[str]:
    """How many components of a document have each licence, most first; "none" where one has none.

    A component with several licences counts for each of them.
    """
    components = json.loads(written)["components"]
    return Counter(name for item in components for name in _licences_of(item) or ["none"])


def _licences_of(component: Mapping[str, Any]) -> list[str]:
    entries = component.get("licenses", [])
    return [
        entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
        for entry in entries
    ]


def _function(stated: Mapping[str, Any], zip_sha256: str) -> Component:
    return Component(
        name=stated["name"],
        version=stated["version"],
        type=ComponentType.APPLICATION,
        bom_ref=stated["name"],
        licenses=[LicenseFactory().make_from_string(stated["license"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=zip_sha256)],
    )


def _component(name: str, held: Distribution, hashes: Iterable[str]) -> Component:
    purl = PackageURL("pypi", name=name, version=held.version)
    return Component(
        name=name,
        version=held.version,
        purl=purl,
        bom_ref=str(purl),
        licenses=list(_declared(held)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in hashes],
    )


def _declared(held: Distribution) -> Iterator[License]:
    """The licences in a distribution's metadata, the word that says most of them."""
    factory = LicenseFactory()
    told = held.metadata
    if expression := told.get("License-Expression"):
        yield factory.make_from_string(expression)
    elif name := _spdx(told.get("License", "")):
        yield factory.make_with_id(name)
    else:
        for classifier in told.get_all("Classifier", []):
            if classifier.startswith(_CLASSIFIER):
                yield factory.make_with_name(classifier.removeprefix(_CLASSIFIER))


def _spdx(told: str) -> str | None:
    """SPDX's id of a licence; None for one that it does not have, or for a licence's whole text."""
    return fixup_id(_SPDX.get(told, told))


def _pinned_hashes(pins: str) -> dict[str, list[str]]:
    """SHA-256 of all the files that each pin allows, by the distribution's name."""
    entries = re.split(r"^(?=\S)", pins, flags=re.MULTILINE)
    named = [entry.partition("==") for entry in entries if "==" in entry]
    return {
        canonicalize_name(name): re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)
        for name, _, rest in named
    }


def _among(components: Mapping[str, Component], requirements: Iterable[str]) -> list[Component]:
    """The components that requirements name, those for an extra left out."""
    wanted = [Requirement(requirement) for requirement in requirements]
    names = {
        canonicalize_name(item.name)
        for item in wanted
        if item.marker is None or item.marker.evaluate({"extra": ""})
    }
    return [components[name] for name in sorted(names & components.keys())]


def _name(held: Distribution) -> str:
    return canonicalize_name(held.metadata["Name"])
