"""Writes a CycloneDX 1.6 bill of materials for the folder that a zip was built from.

Reproducible: the timestamp is fixed, and the serial number is derived from the zip's digest.
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
"""The library always writes a timestamp: use that of the zip's entries."""

# Licence names of the pinned distributions, mapped to SPDX ids. The classifiers "BSD License" and
# "Apache Software License" state no version, so they stay as they are.
_SPDX: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "MIT License": "MIT",
}
_CLASSIFIER: Final = "License :: OSI Approved :: "


def document(folder: Path, pins: str, extra: str, project: str, zip_sha256: str) -> str:
    """The CycloneDX JSON of the distributions installed in `folder`.

    `pins` is the text of the function's file in infra/requirements, `project` that of
    pyproject.toml, of which `extra` names the function's optional dependencies. A component lists
    the hashes of all wheels and sdists that its pin allows; the installed one is among them.
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
    bom.register_dependency(function, _among(components, stated["optional-dependencies"][extra]))
    for name, held in found.items():
        bom.register_dependency(components[name], _among(components, held.requires or []))
    return f"{JsonV1Dot6(bom).output_as_string(indent=1)}\n"


def licences(written: str) -> Counter[str]:
    """Components per licence in a document; those without one count as "none".

    A component with several licences counts once for each.
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
    """The licences in a distribution's metadata, from its most specific field."""
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
    """The SPDX id of a licence; None if SPDX has none, or if `told` is a full licence text."""
    return fixup_id(_SPDX.get(told, told))


def _pinned_hashes(pins: str) -> dict[str, list[str]]:
    """SHA-256 of all files that each pin allows, by distribution name."""
    entries = re.split(r"^(?=\S)", pins, flags=re.MULTILINE)
    named = [entry.partition("==") for entry in entries if "==" in entry]
    return {
        canonicalize_name(name): re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)
        for name, _, rest in named
    }


def _among(components: Mapping[str, Component], requirements: Iterable[str]) -> list[Component]:
    """The components that the requirements name, excluding those of extras."""
    wanted = [Requirement(requirement) for requirement in requirements]
    names = {
        canonicalize_name(item.name)
        for item in wanted
        if item.marker is None or item.marker.evaluate({"extra": ""})
    }
    return [components[name] for name in sorted(names & components.keys())]


def _name(held: Distribution) -> str:
    return canonicalize_name(held.metadata["Name"])
