"""A search in a web application of your own.

    pip install fastapi uvicorn
    PHOTOS=data/photos uvicorn --app-dir examples web_app:app
    curl 'http://127.0.0.1:8000/search?q=a+cup+of+coffee'

`clipsearch serve` has a finished server with a page, uploads, thumbnails and access checks; use this for your own handlers.
"""

import os
from typing import Any

from fastapi import FastAPI, HTTPException

import clipsearch

if "PHOTOS" not in os.environ:
    raise SystemExit("usage: PHOTOS=FOLDER uvicorn --app-dir examples web_app:app")
app = FastAPI()
engine = clipsearch.SearchEngine.open(os.environ["PHOTOS"])


@app.get("/search")
async def search(q: str, limit: int = 5, taken: str | None = None) -> list[dict[str, Any]]:
    try:
        hits = await engine.asearch(q, top_k=limit, taken=taken)  # a keyword that is None counts as left out
    except clipsearch.ClipsearchError as error:
        raise HTTPException(400, str(error)) from error
    return [{"id": hit.record.image_id, "score": hit.score, "match": hit.match} for hit in hits]
