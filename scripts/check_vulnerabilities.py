"""Check that no installed package, and no version that pyproject.toml allows, has a known vulnerability.

    python scripts/check_vulnerabilities.py

Known vulnerabilities are in advisories.json, which says its date: no package on PyPI, npm or Debian has a free and current list
that can be read without a network. With a network, check against all advisories of today:

    python -m pip install pip-audit && pip-audit --skip-editable
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from check_licences import needed, normalised
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # which pytest brings

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Advisory:
    """A vulnerability of the versions of a package before `fixed`, or of all versions if that is None."""

    package: str
    fixed: str | None
    ids: tuple[str, ...]
    about: str
    not_reached: str = ""  # why it does no harm here, whatever the version
    no_fix_where: str = ""  # an environment marker: there, no version has the fix, and users are told so

    def concerns(self, version: Version | None, marker: Marker | None = None) -> bool:
        """Whether a version has it; None is any version at all. `marker` says where it is asked for."""
        if self.not_reached or (self.no_fix_where and marker == Marker(self.no_fix_where)):
            return False
        return self.fixed is None or version is None or version < Version(self.fixed)

    def __str__(self) -> str:
        remedy = f"fixed in {self.fixed}" if self.fixed else "not fixed yet"
        return f"{self.ids[0]}, {remedy}: {self.about}"


def read(path: Path) -> tuple[str, list[Advisory]]:
    """The date of the list of advisories, and the advisories."""
    data = json.loads(path.read_text("utf-8"))
    return data["as_of"], [Advisory(**{**entry, "ids": tuple(entry["ids"])}) for entry in data["advisories"]]


def least(requirement: Requirement) -> Version | None:
    """The least version that a requirement is content with; None where it sets none."""
    bounds = (
        Version(bound.version) for bound in requirement.specifier if bound.operator in (">=", "==", "~=", "===", ">")
    )
    return max(bounds, default=None)


def requirements(project: Path) -> list[Requirement]:
    """What a pyproject.toml asks for, extras and all."""
    about = tomllib.loads(project.read_text("utf-8"))["project"]
    extras: Mapping[str, list[str]] = about.get("optional-dependencies", {})
    return [
        Requirement(text) for text in [*about["dependencies"], *(text for texts in extras.values() for text in texts)]
    ]


def problems(
    advisories: Iterable[Advisory], required: Iterable[Requirement], installed: Mapping[str, Version]
) -> list[str]:
    """A line for each package or requirement with a known vulnerability."""
    lines = []
    required = list(required)
    for advisory in advisories:
        version, here = (
            installed.get(advisory.package),
            Marker(advisory.no_fix_where) if advisory.no_fix_where else None,
        )
        if version and advisory.concerns(version, here if here and here.evaluate() else None):
            lines.append(f"{advisory.package} {version} is installed: {advisory}")
        lines += [
            f"pyproject.toml is content with {requirement}: {advisory}"
            for requirement in required
            if normalised(requirement.name) == advisory.package
            and advisory.concerns(least(requirement), requirement.marker)
        ]
    return lines


def main() -> int:
    """Print every problem; 1 if there are any."""
    as_of, advisories = read(HERE / "advisories.json")
    required = requirements(HERE.parent / "pyproject.toml")
    extras = tuple(
        tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    )
    installed = {name: Version(package.version) for name, package in needed("clipsearch", ("", *extras)).items()}
    lines = problems(advisories, required, installed)
    for line in lines:
        print(line)
    print(f"{len(installed)} packages, {len(advisories)} advisories of {as_of}, {len(lines)} known vulnerabilities")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
