"""The server behaves as its OpenAPI description says. Hundreds of generated requests check this.

For more requests per operation: CLIPSEARCH_SCHEMA_EXAMPLES=500 python -m pytest tests/server/test_schema.py
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from clipsearch import SearchEngine
from tests.conftest import save_photo
from tests.lazy import LazyModule, require_library
from tests.server.conftest import MAY_CHANGE, serving

require_library("schemathesis", reason="needs schemathesis: pip install '.[dev]'")
requests, schemathesis = LazyModule("requests"), LazyModule("schemathesis")

NO_HTTP = b"Invalid HTTP request received."  # uvicorn's answer to an address that is too long, before it hangs up
LONGEST = 2**16  # bytes of an address that uvicorn must accept
MODES = ("positive", "negative")
EXAMPLES = int(os.environ.get("CLIPSEARCH_SCHEMA_EXAMPLES", "3"))
MORE_EXAMPLES = 5
IS_FIXED = "CLIPSEARCH_SCHEMA_EXAMPLES" not in os.environ
"""Whether the requests are the same in each run. Some that schemathesis calls invalid are valid once they are in an address."""


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The OpenAPI description of a real server. It leaves out the streams, because they do not end."""
    home = tmp_path_factory.mktemp("home")
    photos = tmp_path_factory.mktemp("photos")
    for colour in ("red", "green", "blue"):
        save_photo(photos / f"{colour}.jpg", colour)
    with SearchEngine.open(photos, model="mini") as engine:
        engine.index()
    places = {name: str(home / name) for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    with serving(photos, **places) as (process, address):
        yield schemathesis.openapi.from_url(f"{address}api/openapi.json").exclude(path_regex="/events$")
        assert process.poll() is None


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MORE_EXAMPLES, marks=pytest.mark.long)])
@pytest.mark.parametrize("mode", MODES)
def test_every_answer_is_as_described(api, mode, examples):
    """Valid and invalid requests get only statuses, headers and bodies that the description promises."""
    from schemathesis.core.failures import FailureGroup

    assert {known.value for known in schemathesis.GenerationMode} == set(MODES)
    mode = schemathesis.GenerationMode(mode)
    failures, count = [], 0
    for operation in (result.ok() for result in api.get_all_operations()):
        if mode is schemathesis.GenerationMode.NEGATIVE and not (
            operation.query or operation.path_parameters or operation.body
        ):
            continue  # the operation has no input to get wrong
        try:
            count += ask(operation.as_strategy(generation_mode=mode), examples)
        except FailureGroup as error:  # go on with the other operations
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)
    assert count > 10 * examples


def ask(cases, examples):
    """Send so many requests, and return how many they were."""
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    count = 0
    with requests.Session() as session:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=IS_FIXED,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def every(case):
            nonlocal count
            count += 1
            try:
                response = case.call(session=session, headers=MAY_CHANGE)
            except requests.ConnectionError:
                assert len(case.as_curl_command()) > LONGEST
                return
            if response.content != NO_HTTP:
                case.validate_response(response, excluded_checks=[positive_data_acceptance])

        every()
    return count
