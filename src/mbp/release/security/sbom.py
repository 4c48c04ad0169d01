"""The bill of materials: the lock as CycloneDX 1.6, and whether the environment is what the lock says.

The same lock and the same installed metadata give the same bytes: the serial number follows from the
content, and there is no time of writing in it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from mbp.contracts.exceptions import exception_findings
from mbp.core.files import write_text
from mbp.core.moments import today
from mbp.core.paths import shown
from mbp.core.reporting import Finding
from mbp.release.security.licences import expression_of
from mbp.release.security.lock import Pinned, read_lock
from mbp.release.security.part_result import PartResult, judged
from mbp.release.security.security_policy import SecurityPolicy
from mbp.runs.envelope import evidence_folder

PART = "sbom"
FILE = "sbom.cdx.json"
PROJECT = "mbp-data-contracts"


def sbom(
    root: Path,
    policy: SecurityPolicy,
    pinned: list[Pinned],
    environment: Mapping[str, metadata.Distribution],
) -> PartResult:
    """Writes the bill of materials, and compares the environment with the lock.

    Raises:
        MbpError: a lock cannot be read.
    """
    answers: dict[str, str] = {
        canonicalize_name(licence.object): licence.licence for licence in policy.licences.exceptions
    }
    text = bill(pinned, environment, answers)
    problems = _differences(root, policy, pinned, environment)
    # What is installed beside the lock differs from machine to machine, so none is unused.
    problems += exception_findings(policy.locks.exceptions, today())
    path = evidence_folder(root) / FILE
    write_text(path, text)
    counts: dict[str, int | str] = {
        "components": len(pinned),
        "installed_packages": len(environment),
        "hashes": sum(len(package.hashes) for package in pinned),
    }
    content = {
        "file": shown(path, root),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "lock": policy.locks.environment,
    }
    return judged(PART, counts, problems, must="components", content=content)


def bill(
    pinned: list[Pinned],
    environment: Mapping[str, metadata.Distribution],
    answers: Mapping[str, str],
) -> str:
    """The CycloneDX document of the lock; licences where the metadata has them, or `answers` does."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    project = environment.get(PROJECT)
    document = Bom()
    # The library's default is the time of writing.
    document.metadata.timestamp = None  # type: ignore[assignment]
    whole = Component(
        name=PROJECT,
        version=project.version if project else None,
        type=ComponentType.APPLICATION,
        bom_ref=PROJECT,
    )
    document.metadata.component = whole
    # A lock for several machines may pin a package twice, each for another of them.
    made: dict[str, list[Component]] = {}
    for package in pinned:
        purl = PackageURL("pypi", None, package.name, package.version)
        licence = answers.get(package.name)
        if licence is None and package.name in environment:
            licence = expression_of(environment[package.name])
        component = Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            purl=purl,
            bom_ref=purl.to_string(),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=text) for text in package.hashes],
            licenses=[LicenseFactory().make_from_string(licence)] if licence else (),
            properties=[Property(name="mbp:marker", value=package.marker)]
            if package.marker
            else (),
        )
        document.components.add(component)
        made.setdefault(package.name, []).append(component)
    asks: dict[str, set[str]] = {}
    for package in pinned:
        for parent in package.via or (PROJECT,):
            asks.setdefault(parent, set()).add(package.name)
    for parent, components in {PROJECT: [whole], **made}.items():
        wanted = [each for name in asks.get(parent, ()) for each in made[name]]
        for component in components:
            document.register_dependency(component, wanted)
    facts = sorted(
        f"{package.name}=={package.version} {' '.join(package.hashes)}" for package in pinned
    )
    document.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(facts))
    written = json.loads(JsonV1Dot6(document).output_as_string())
    return json.dumps(written, indent=2, sort_keys=True) + "\n"


def _differences(
    root: Path,
    policy: SecurityPolicy,
    pinned: list[Pinned],
    environment: Mapping[str, metadata.Distribution],
) -> list[Finding]:
    problems: list[Finding] = []
    wanted = {package.name: package for package in pinned if package.wanted_here}
    for name, package in wanted.items():
        message = f"{name} {package.version} is not installed"
        if name in environment:
            there = environment[name].version
            if Version(there) == Version(package.version):
                continue
            message = f"{name} is locked as {package.version}, installed is {there}"
        problems.append(Finding(PART, message, package.path, package.line, fix="run scripts/setup"))
    beside: dict[str, set[str]] = {}
    for file in policy.locks.beside:
        for package in read_lock(root, file):
            beside.setdefault(package.name, set()).add(package.version)
    free = {canonicalize_name(lock.object) for lock in policy.locks.exceptions}
    for name in sorted(environment.keys() - wanted.keys() - free):
        version = environment[name].version
        if version not in beside.get(name, ()):
            message = f"{name} {version} is installed, and no lock names it"
            fix = "lock it, or make the environment again with scripts/setup"
            problems.append(Finding(PART, message, policy.locks.environment, fix=fix))
    return problems
