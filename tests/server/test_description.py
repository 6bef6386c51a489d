"""/api/openapi.json, /metrics, HEAD and OPTIONS."""

import pytest

from clipsearch.server.parameters import NAMES
from tests.conftest import give_captions, give_facts, save_pages
from tests.server.conftest import ids


@pytest.fixture
def described(client):
    return client.get("/api/openapi.json").json()


def operations(described):
    return [
        (method, path, operation) for path, item in described["paths"].items() for method, operation in item.items()
    ]


def test_every_operation_says_what_it_does_and_how_it_refuses(described):
    described_operations = operations(described)
    assert len(described_operations) >= 20
    for method, path, operation in described_operations:
        assert operation["summary"] and operation["description"], path
        assert {"401", "403", "421", "422", "503"} <= set(operation["responses"]), path
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, (method, path, status)
    identifiers = [operation["operationId"] for _, _, operation in described_operations]
    assert len(set(identifiers)) == len(identifiers)


def test_every_parameter_is_described(described):
    parameters = {
        parameter["name"]: parameter
        for _, _, operation in operations(described)
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    }
    assert sorted(parameters) == NAMES
    assert all(parameter.get("description") for parameter in parameters.values())


def test_answers_have_the_keys_that_are_described(client, engine, photos, described):
    save_pages(photos / "pages.tif", "red", "blue")  # other photos lack a moment
    engine.index()
    give_facts(
        engine.index_folder, "red.jpg", taken_from="name", title="Wall", description="a wall", keywords=("red",),
        people=("Anna",), rating=3, label="Red", text="EXIT", place="FR/11/2988507",
    )  # fmt: skip
    give_captions(engine.index_folder, {"red.jpg": "a red wall"})  # photos without a caption lack this key
    numbers = ids(client)
    for path, *addresses in (
        ("/api/search", "/api/search?q=red&explain=true&smart=true&group_by=day&favourites=true"),
        ("/api/images", "/api/images?favourites=true", "/api/images?camera=none"),
        ("/api/images/{id}", f"/api/images/{numbers['red.jpg']}", f"/api/images/{numbers['pages.tif']}"),
        ("/api/duplicates", "/api/duplicates?only_exact=true"),
        ("/api/desktop", "/api/desktop"),
        ("/api/facets", "/api/facets"),
        ("/api/places", "/api/places"),
        ("/api/map", "/api/map?within=47,10,49,13", "/api/map?within=47.86,11.62,47.87,11.63"),
        ("/api/status", "/api/status"),
        ("/api/failures", "/api/failures"),
        ("/api/saved-searches", "/api/saved-searches"),
    ):
        reference = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        schema = described["components"]["schemas"][reference.rpartition("/")[2]]
        keys = {key for address in addresses for key in client.get(address).json()}
        assert keys == set(schema["properties"]), path


def test_head_is_get_without_a_body(client):
    number = ids(client)["red.jpg"]
    for address in ("/api/status", f"/api/thumbnails/{number}", f"/api/images/{number}/file", "/api/nothing"):
        head, get = client.head(address), client.get(address)
        assert head.content == b"" and head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]
    answer = client.head("/api/events")  # a GET would never end
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")


def test_other_methods_are_refused_with_those_that_are_not(client):
    answer = client.patch("/api/index")
    assert answer.status_code == 405 and answer.json()["error"]["code"] == "wrong-method"
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_metrics_count(client):
    client.get("/api/search?q=red")
    client.get("/api/search?q=blue")
    client.get("/api/search")
    client.get("/api/nothing")
    client.request("MADEUP", "/api/status")
    client.head("/api/status")
    text = client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = text.text.splitlines()
    assert 'clipsearch_http_requests_total{method="GET",route="/api/search",status="200"} 2.0' in lines
    assert 'clipsearch_http_requests_total{method="GET",route="/api/search",status="400"} 1.0' in lines
    assert 'clipsearch_http_requests_total{method="GET",route="none",status="404"} 1.0' in lines
    assert 'clipsearch_http_requests_total{method="HEAD",route="/api/status",status="200"} 1.0' in lines
    assert "clipsearch_images 5.0" in lines and "clipsearch_search_batch_size_count 2.0" in lines
    assert "MADEUP" not in text.text
