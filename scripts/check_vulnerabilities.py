"""Check that no installed package, and no version that pyproject.toml allows, has a known vulnerability.

    python scripts/check_vulnerabilities.py

Known vulnerabilities are in advisories.json, with their date. No package on PyPI, npm or Debian has a free and current list for
use without a network. With a network, check against all advisories of today:

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
    """A vulnerability in a package's versions before `fixed`, or in all versions if `fixed` is None."""

    package: str
    fixed: str | None
    ids: tuple[str, ...]
    about: str
    not_reached: str = ""  # why it does no harm here, in any version
    no_fix_where: str = ""  # an environment marker: no version for these systems has the fix, and users are told

    def concerns(self, version: Version | None, marker: Marker | None = None) -> bool:
        """Whether a version has it; None is any version. `marker` is the requirement's environment marker."""
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
    """The lowest version that a requirement accepts; None if it sets no limit."""
    bounds = (
        Version(bound.version) for bound in requirement.specifier if bound.operator in (">=", "==", "~=", "===", ">")
    )
    return max(bounds, default=None)


def requirements(project: Path) -> list[Requirement]:
    """The requirements in a pyproject.toml, extras included."""
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
