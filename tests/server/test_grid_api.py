"""What the page's rows ask for: the outline of a list, photos by id, many thumbnails at once, and those made ahead."""

import asyncio
import base64
import io
import os
import struct
import threading
import time

import pytest
from PIL import Image

from clipsearch.server import thumbnails_ahead
from clipsearch.server.routes.grid import _parts
from tests.conftest import COLOURS, save_photo
from tests.server.conftest import ids


def thumbnails(client, numbers, size=256):
    """Id → the picture's bytes, in the order of the response."""
    data = client.get(f"/api/thumbnails?size={size}&ids={','.join(map(str, numbers))}").content
    found = {}
    while data:
        number, length = struct.unpack_from("<QI", data)
        found[number], data = data[12 : 12 + length], data[12 + length :]
    return found


def test_the_outline_has_every_photo_in_the_order_of_the_list(client):
    listed = client.get("/api/images?top_k=1000").json()["images"]
    outline = client.get("/api/outline").json()
    assert outline["ids"] == [photo["id"] for photo in listed] and outline["considered"] == len(listed)
    assert outline["shapes"] == [round(100 * photo["width"] / photo["height"]) for photo in listed]
    assert outline["days"] == [[None, len(listed)]] and outline["others"] == {}
    for photo, start in zip(listed, range(0, 1000, 3), strict=False):
        name = os.path.splitext(os.path.basename(photo["path"]))[0]
        colour = [int(digit, 16) for digit in outline["colours"][start : start + 3]]
        assert all(abs(16 * digit + 8 - value) < 24 for digit, value in zip(colour, COLOURS[name], strict=True))


def test_the_outline_follows_filters_sort_shots_and_new_photos(client, engine, photos):
    assert len(client.get("/api/outline?name=red*").json()["ids"]) == 1
    Image.new("RGB", (30, 20), "red").save(photos / "red.png")
    engine.index()
    number = ids(client)
    outline = client.get("/api/outline?one_per_shot=true&sort=name").json()
    position = outline["ids"].index(number["red.jpg"])
    assert outline["others"] == {str(position): [number["red.png"]]} and len(outline["ids"]) == 5
    assert client.get("/api/outline?sort=name", headers={"Accept-Encoding": "identity"}).json()["considered"] == 6


def test_photos_come_by_their_ids_and_have_placeholders(client):
    number = ids(client)
    answer = client.get(f"/api/photos?ids={number['red.jpg']},99999,{number['blue.jpg']}").json()["images"]
    assert [os.path.basename(photo["path"]) for photo in answer] == ["red.jpg", "blue.jpg"]
    pixels = base64.b64decode(answer[0]["placeholder"])
    assert len(pixels) == 36 and all(abs(a - b) < 12 for a, b in zip(pixels[:3][::-1], COLOURS["red"], strict=True))
    for address in ("/api/images?placeholders=true", "/api/search?q=red&placeholders=true"):
        found = client.get(address).json()
        assert all(len(photo["placeholder"]) == 48 for photo in found.get("images", found.get("hits")))
    for wrong in ("", "1,,2", "a", "0", ",".join(["1"] * 201)):
        assert client.get(f"/api/photos?ids={wrong}").status_code == 422


def test_many_thumbnails_come_in_one_response_and_the_cached_ones_first(client, photos):
    number = ids(client)
    red, blue, green = (number[f"{name}.jpg"] for name in ("red", "blue", "green"))
    single = client.get(f"/api/thumbnails/{green}").content
    os.unlink(photos / "blue.jpg")
    found = thumbnails(client, [red, blue, green, 99999])
    assert set(found) == {red, blue, green, 99999} and list(found)[:2] == [99999, green]
    assert found[green] == single and found[blue] == found[99999] == b""
    assert Image.open(io.BytesIO(found[red])).size == (32, 24)


def test_thumbnails_that_nobody_waits_for_are_not_made(client, service, engine, photos, monkeypatch):
    """The client leaves after the first one: what had not begun is dropped."""
    for number in range(12):
        save_photo(photos / f"more{number}.jpg", "red", note=str(number))
    engine.index()
    wanted = [number for name, number in ids(client).items() if name.startswith("more")]
    made, go = [], threading.Event()
    decode = service.pictures._decoders.decode

    def slow(file, spec):
        made.append(file.path)
        go.wait(5)
        return decode(file, spec)

    monkeypatch.setattr(service.pictures._decoders, "decode", slow)

    async def leave_early():
        records = await service.records(wanted)
        parts = _parts(service, wanted, records, 256)
        await parts.__anext__()  # the cached ones: none
        waiting = asyncio.ensure_future(parts.__anext__())
        while not made:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        await parts.aclose()
        go.set()
        await asyncio.sleep(0.2)

    asyncio.run(leave_early())
    assert len(made) <= service.pictures._threads._max_workers < len(wanted)


def test_two_batches_take_turns(service, engine, monkeypatch):
    by_id = {record.image_id: record for record in engine.browse()[0]}
    order = []

    async def both():
        making = asyncio.Semaphore(2)

        async def cached(records, size):
            return {}

        async def smaller(record, size):
            async with making:
                order.append(size)
                await asyncio.sleep(0.001)
            return b""

        async def read(size):
            return [part async for part in _parts(service, list(by_id), by_id, size)]

        monkeypatch.setattr(service.pictures, "cached", cached)
        monkeypatch.setattr(service.pictures, "smaller", smaller)
        await asyncio.gather(read(256), read(512))

    monkeypatch.setattr("clipsearch.server.routes.grid.cores", lambda: 1)
    asyncio.run(both())
    assert len(order) == 2 * len(by_id) > 8 and set(order[: len(by_id)]) == {256, 512}


def test_a_quiet_server_makes_the_thumbnails_of_all_photos(client, service, engine, monkeypatch):
    monkeypatch.setattr(thumbnails_ahead, "QUIET", 0.05)
    number = ids(client)
    thumbnails(client, [number["red.jpg"]], 512)
    records = list(engine.browse()[0])
    end = time.monotonic() + 20
    while not all(service.pictures._cache.has(f"{made_name(record)}-512.jpeg") for record in records):
        assert time.monotonic() < end
        time.sleep(0.02)


def made_name(record):
    from clipsearch.server.pictures import cache_key

    return cache_key(record)


@pytest.mark.parametrize("method", ["get", "head"])
def test_thumbnails_in_one_response_need_a_list(client, method):
    assert getattr(client, method)("/api/thumbnails").status_code == 422
