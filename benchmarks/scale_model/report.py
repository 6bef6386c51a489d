"""The simulator's answer as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_HOUR = 3600.0


def text(answer: dict[str, Any]) -> str:
    """Costs, validation and fleets as tables; what is not measured here says so."""
    return "\n".join([_costs(answer), _validation(answer["validation"]), _fleets(answer["fleets"])])


def seconds(value: float) -> str:
    """A time as people say it."""
    for limit, unit, name in ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (2 * _HOUR, 60.0, "min"), (48 * _HOUR, _HOUR, "h")):
        if value < limit:
            return f"{value / unit:.3g} {name}"
    return f"{value / 24 / _HOUR:,.3g} days"


def size(value: float) -> str:
    """Bytes as people say them, in powers of ten."""
    for limit, unit, name in ((1e6, 1e3, "kB"), (1e9, 1e6, "MB"), (1e12, 1e9, "GB")):
        if value < limit:
            return f"{value / unit:.3g} {name}"
    return f"{value / 1e12:,.3g} TB"


def _costs(answer: dict[str, Any]) -> str:
    tables: list[dict[str, Any]] = answer["costs"]

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> list[str]:
        return [name, *(value(table) for table in tables)]

    rows = [
        row("photos", lambda t: f"{t['photos']:,}"),
        row("embedding on CPUs, ViT-B/32 int8", lambda t: f"{t['embedding']['core_hours']:,.0f} core-hours"),
        row("decoding beside GPUs", lambda t: f"{t['embedding']['decode_core_hours']:,.0f} core-hours"),
        *(row(f"{gpu['name']} (assumed)", _gpu(gpu["name"])) for gpu in answer["gpus"]),
        row("photos read", lambda t: size(t["photo_bytes"])),
        row("vectors, fp32", lambda t: size(t["vector_bytes"])),
        row("8-bit copies", lambda t: size(t["compact_bytes"])),
        row("catalog", lambda t: size(t["catalog_bytes"])),
        row("index on disk", lambda t: size(t["index_bytes"])),
        row("written for it, merges and all", lambda t: size(t["written_bytes"])),
        row("thumbnails of 256 px, if all were kept", lambda t: size(t["thumbnail_bytes"])),
        row("adding, one writer, without embedding", lambda t: seconds(t["add_hours"] * _HOUR)),
        row("memory of a query: mapped", lambda t: size(t["mapped_bytes"])),
        row("and beyond mapped files", lambda t: size(t["anonymous_bytes"])),
        row("exact query, warm, one such machine", lambda t: seconds(t["warm_s"])),
        row("the same if all fitted into memory", lambda t: seconds(t["warm_s_if_memory"])),
        row("cold process, files cached if they fit", lambda t: seconds(t["cold_s"])),
        row("first query after a start", lambda t: seconds(t["first_s"])),
        row("queries a second, 64 at once, in memory", lambda t: f"{t['queries_a_second']:.3g}"),
        row("a filter that leaves two thirds", lambda t: seconds(t["filter_s"])),
        row("the first --name with a glob", lambda t: seconds(t["names_s"])),
        row("`index` where nothing has changed", lambda t: seconds(t["walk_s"])),
        row("memory to plan all as new", lambda t: size(t["plan_bytes"])),
        row("such machines for codes in half their memory", lambda t: f"{t['machines']:,}"),
    ]
    return _table(rows)


def _gpu(name: str) -> Callable[[dict[str, Any]], str]:
    def shown(table: dict[str, Any]) -> str:
        embedding = table["embedding"]
        return f"{embedding['gpu_hours'][name]:,.0f} GPU-hours, {embedding['cores_for_one_gpu'][name]:.0f} cores each"

    return shown


def _validation(compared: list[dict[str, Any]]) -> str:
    rows = [["measured", "photos", "predicted", "measured", "error", "source"]]
    for one in compared:
        shown = size if "bytes" in one["what"] else seconds
        rows.append(
            [one["what"].rpartition(",")[0], f"{one['photos']:,}", shown(one["predicted"]), shown(one["measured"]),
             f"{100 * one['error']:+.0f}%", one["source"]]
        )  # fmt: skip
    return _table(rows)


def _fleets(fleets: list[dict[str, Any]]) -> str:
    rows = [
        ["photos", "shards", "in memory", "a shard's query", "capacity", "load", "asked a second", "p50", "p99", "busy"]
    ]
    rows += [
        [f"{one['photos']:,}", str(one["shards"]), "yes" if one["in_memory"] else "no", seconds(one["service_s"]),
         f"{one['capacity']:.3g}/s", f"{one['load']:.0%}", f"{one['offered']:.3g}", seconds(one["p50"]), seconds(one["p99"]),
         f"{one['busy']:.0%}"]
        for one in fleets
    ]  # fmt: skip
    return _table(rows)


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
