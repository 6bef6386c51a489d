"""The simulator's answer as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_HOUR = 3600.0


def text(answer: dict[str, Any]) -> str:
    """Costs, validation and fleets as tables. Assumed figures are marked."""
    return "\n".join([_costs(answer), _validation(answer["validation"]), _fleets(answer["fleets"])])


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    for limit, unit, name in ((1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (2 * _HOUR, 60.0, "min"), (48 * _HOUR, _HOUR, "h")):
        if value < limit:
            return f"{value / unit:.3g} {name}"
    return f"{value / 24 / _HOUR:,.3g} days"


def size(value: float) -> str:
    """A number of bytes in the unit that suits it; units are powers of ten."""
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
        row("decoding, if GPUs embed", lambda t: f"{t['embedding']['decode_core_hours']:,.0f} core-hours"),
        *(row(f"{gpu['name']} (assumed)", _gpu(gpu["name"])) for gpu in answer["gpus"]),
        row("photos read", lambda t: size(t["photo_bytes"])),
        row("vectors, fp32", lambda t: size(t["vector_bytes"])),
        row("8-bit copies", lambda t: size(t["compact_bytes"])),
        row("catalog", lambda t: size(t["catalog_bytes"])),
        row("index on disk", lambda t: size(t["index_bytes"])),
        row("written in all, merges included", lambda t: size(t["written_bytes"])),
        row("thumbnails of 256 px, if all were kept", lambda t: size(t["thumbnail_bytes"])),
        row("adding by one writer, embedding not counted", lambda t: seconds(t["add_hours"] * _HOUR)),
        row("memory of a query: mapped", lambda t: size(t["mapped_bytes"])),
        row("memory of a query: not mapped", lambda t: size(t["anonymous_bytes"])),
        row("exact query, warm, one such machine", lambda t: seconds(t["warm_s"])),
        row("the same if the index fits into memory", lambda t: seconds(t["warm_s_if_memory"])),
        row("cold query, files cached if they fit", lambda t: seconds(t["cold_s"])),
        row("first query after a restart", lambda t: seconds(t["first_s"])),
        row("queries a second, 64 at once, in memory", lambda t: f"{t['queries_a_second']:.3g}"),
        row("query with a filter that keeps two thirds", lambda t: seconds(t["filter_s"])),
        row("first query with a --name glob", lambda t: seconds(t["names_s"])),
        row("`index` if nothing has changed", lambda t: seconds(t["walk_s"])),
        row("memory to plan the first `index`", lambda t: size(t["plan_bytes"])),
        row("machines, if 8-bit copies fill half of memory", lambda t: f"{t['machines']:,}"),
    ]
    return _table(rows)


def _gpu(name: str) -> Callable[[dict[str, Any]], str]:
    def shown(table: dict[str, Any]) -> str:
        embedding = table["embedding"]
        return f"{embedding['gpu_hours'][name]:,.0f} GPU-hours, {embedding['cores_for_one_gpu'][name]:.0f} cores each"

    return shown


def _validation(compared: list[dict[str, Any]]) -> str:
    rows = [["measured", "photos", "predicted", "measured", "error", "source"]]
    for point in compared:
        shown = size if "bytes" in point["what"] else seconds
        rows.append(
            [
                point["what"].rpartition(",")[0],
                f"{point['photos']:,}",
                shown(point["predicted"]),
                shown(point["measured"]),
                f"{100 * point['error']:+.0f}%",
                point["source"],
            ]
        )
    return _table(rows)


def _fleets(fleets: list[dict[str, Any]]) -> str:
    rows = [
        [
            "photos",
            "shards",
            "in memory",
            "a shard's query",
            "capacity",
            "load",
            "queries a second",
            "p50",
            "p99",
            "busy",
        ]
    ]
    rows += [
        [
            f"{fleet['photos']:,}",
            str(fleet["shards"]),
            "yes" if fleet["in_memory"] else "no",
            seconds(fleet["service_s"]),
            f"{fleet['capacity']:.3g}/s",
            f"{fleet['load']:.0%}",
            f"{fleet['offered']:.3g}",
            seconds(fleet["p50"]),
            seconds(fleet["p99"]),
            f"{fleet['busy']:.0%}",
        ]
        for fleet in fleets
    ]
    return _table(rows)


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
