"""The output of tools/wine.py. Only running it shows that it works."""

import re
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    if sys.version_info < (3, 11):
        pytest.skip("the script needs tomllib")
    from wine_lab import complex_math, environment

    return complex_math, environment


def test_each_complex_function_that_is_passed_on_is_written(lab):
    complex_math, _ = lab
    source = complex_math.SOURCE.read_text("utf-8")
    families = set(re.findall(r"\b(?:COMPLEX|REAL)\((c\w+)\)", source)) | {"cpow"}
    assert all(complex_math._COMPLEX.fullmatch(name + kind) for name in families for kind in ("", "f", "l"))
    written = {name + kind for name in families for kind in ("", "f", "l")}
    for name in ("cexp", "cpowf", "casinhl", "creal", "cimagf"):
        assert name in written
    for name in ("cos", "ceil", "cosh", "copysign", "cbrt", "clogb"):
        assert not complex_math._COMPLEX.fullmatch(name)


def test_the_libraries_that_mini_does_without_are_not_fetched(lab):
    _, environment = lab
    names = {re.split(r"[^\w-]", need)[0] for need in environment.requirements()}
    assert {"faiss-cpu", "numpy", "pytest"} <= names
    assert not names & {"torch", "transformers", "openvino"}


def test_debian_comes_from_where_this_system_gets_it(lab, tmp_path):
    _, environment = lab
    (tmp_path / "a.sources").write_text("Types: deb\nURIs: http://mirror.example/debian-security\n")
    (tmp_path / "b.list").write_text(
        "deb https://other.example x main\ndeb [arch=amd64] http://mirror.example/debian/ trixie main\n"
    )
    assert environment.mirror_in(sorted(tmp_path.iterdir())) == "http://mirror.example/debian/"
    assert environment.mirror_in([]) is None
