"""What the server says of itself, in its OpenAPI description, against what it does: made-up requests by the hundred.

More of them, of every operation: CLIPSEARCH_SCHEMA_EXAMPLES=500 python -m pytest tests/server/test_schema.py
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from clipsearch import SearchEngine
from tests.conftest import save_photo
from tests.server.conftest import MAY_CHANGE, serving

schemathesis = pytest.importorskip("schemathesis")
import requests
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance

NO_HTTP = b"Invalid HTTP request received."  # what uvicorn says to addresses that are too long, before it hangs up
LONGEST = 2**16  # bytes of an address
EXAMPLES = int(os.environ.get("CLIPSEARCH_SCHEMA_EXAMPLES", "12"))


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A real server's description of itself, without the streams, which do not end."""
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


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.name.lower())
def test_every_answer_is_as_described(api, mode):
    """Requests that fit the description, and requests that do not: statuses, headers and bodies are those that it promises."""
    failures, count = [], 0
    for operation in (result.ok() for result in api.get_all_operations()):
        if mode is schemathesis.GenerationMode.NEGATIVE and not (
            operation.query or operation.path_parameters or operation.body
        ):
            continue  # there is nothing to get wrong
        try:
            count += ask(operation.as_strategy(generation_mode=mode))
        except FailureGroup as error:  # the others are to be asked, too
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)
    assert count > 10 * EXAMPLES


def ask(cases):
    """Make requests; how many there were."""
    count = 0
    with requests.Session() as session:

        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
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
