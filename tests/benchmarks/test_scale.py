"""The cost model of docs/scale.md: its arithmetic, its distance from the measurements, and the simulated queues."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipsearch.store import merge

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from scale_model import costs, fan_out, report, validation
from scale_model.constants import FILE, load


@pytest.fixture(scope="module")
def figures():
    return load()


def test_the_prediction_of_each_measured_point_is_as_near_as_the_documentation_says(figures):
    for point in validation.compared(figures):
        if point.photos == 1_000_000 or "bytes" in point.what:
            assert abs(point.error) < (0.1 if "bytes" in point.what else 0.35), point
        else:  # ten million in 23 GB: other memory use decides, so runs differ by a factor of two
            assert 1 / (2.5 if "quiet" in point.source else 6) < point.predicted / point.measured < 1.1, point
    assert {point.photos for point in validation.compared(figures)} == {1_000_000, 10_000_000}


def test_no_constant_was_fitted_to_a_point_that_it_is_checked_against(figures):
    for name, source in figures.sources.items():
        if "1,000,000" in source:
            assert name in ("batch_s_per_vector", "filter_s", "names_s", "plan_bytes"), name  # no point tests these


def test_sizes_are_those_of_the_formats(figures):
    assert costs.vector_bytes(1, 512) == 4 * 512 + 8 and costs.compact_bytes(10, 512) == 5120
    assert costs.index_bytes(figures.constants, 1e6, 512) == pytest.approx(
        1e6 * (2568 + figures.constants.catalog_bytes)
    )
    with_captions = costs.index_bytes(figures.constants, 1e6, 512, captions=True)
    assert with_captions - costs.index_bytes(figures.constants, 1e6, 512) == pytest.approx(
        1e6 * figures.constants.caption_bytes
    )
    assert costs.scan_rate(replace(figures.constants, cores=10**6)) == figures.constants.read_rate
    assert (costs._FULL_BYTES, costs._FAN_IN) == (merge.FULL_BYTES, merge.FAN_IN)
    # Commits of 16,384 rows merge once into segments of 131,072. Segments from 65,536 rows on are left alone.
    assert costs.writes(1e8, 512) == 2 and costs.writes(1e8, 16_384) == 1


def test_time_grows_with_bytes_and_jumps_where_memory_ends(figures):
    constants = replace(figures.constants, memory=30e9)
    million, ten = (costs.warm_query(constants, n, 512) for n in (1e6, 1e7))
    assert ten - constants.scan_fixed_s == pytest.approx(10 * (million - constants.scan_fixed_s))
    too_little = replace(constants, memory=20e9)
    assert costs.warm_query(too_little, 1e7, 512) == pytest.approx(
        ten + costs.candidates(constants, 1e7) * constants.disk_fault_s
    )
    assert costs.warm_query(replace(constants, memory=5e9), 1e7, 512) > 5.12e9 / constants.disk_rate
    assert costs.cold_query(constants, 1e7, 512) > costs.cold_query(constants, 1e6, 512) > constants.process_s


def test_embedding_is_bound_by_decoding_beside_a_fast_gpu(figures):
    cost = costs.embedding(figures.constants, 3.6e6, 1.0, figures.gpus)
    constants = figures.constants
    assert cost.core_hours == pytest.approx(1e3 * (constants.decode_1mp + constants.model_b32) / constants.efficiency)
    gpu = figures.gpus[0]
    assert cost.gpu_hours[gpu.name] == pytest.approx(1e3 / gpu.rate)
    # The hours of decoding are the cores that a GPU needs, times its running time.
    assert cost.cores_for_one_gpu[gpu.name] * cost.gpu_hours[gpu.name] == pytest.approx(cost.decode_core_hours)
    larger = costs.embedding(figures.constants, 3.6e6, 12.0, figures.gpus)
    assert larger.decode_core_hours == pytest.approx(1e3 * constants.decode_12mp / constants.efficiency)


def test_every_constant_has_a_source_and_every_assumption_a_link(figures, tmp_path):
    assert all(gpu.source.startswith("https://") for gpu in figures.gpus)
    data = json.loads(FILE.read_text("utf-8"))
    del data["constants"]["scan_rate"]
    (tmp_path / "less.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="scan_rate"):
        load(tmp_path / "less.json")


# -- queues


def fleet(shards=1, replicas=1, spread=(1.0,)):
    return fan_out.Fleet(shards, replicas, 0.01, np.array(spread), overhead_s=0.0)


def test_one_shard_is_the_queue_of_the_textbooks():
    """M/M/1: the time in the system is exponential with the rate mu - lambda; M/D/1: a mean wait of rho / (2 mu (1 - rho))."""
    spread = np.random.default_rng(1).exponential(1.0, 20_000)
    answered = fan_out.simulate(fleet(spread=spread), 50, queries=60_000)
    rate = 1 / (0.01 * spread.mean()) - 50
    assert answered.p50 == pytest.approx(math.log(2) / rate, rel=0.1)
    assert answered.p99 == pytest.approx(math.log(100) / rate, rel=0.2)
    assert answered.busy == pytest.approx(0.5, rel=0.05)
    fixed = fan_out.simulate(fleet(), 1e-3, queries=200)
    assert (fixed.p50, fixed.p99) == (pytest.approx(0.01), pytest.approx(0.01))  # no query waits


def test_more_shards_have_a_longer_tail_and_no_more_capacity():
    spread = np.array([1.0] * 98 + [5.0] * 2)
    single, many = (fan_out.simulate(fleet(shards, spread=spread), 1.0, queries=4000) for shards in (1, 100))
    assert single.p50 == pytest.approx(0.01) and many.p50 == pytest.approx(0.05)
    assert fan_out.quantile_of_slowest(spread, 100, 0.5) == 5.0 and fan_out.quantile_of_slowest(spread, 1, 0.5) == 1.0
    assert fan_out.capacity(fleet(1, spread=spread)) == fan_out.capacity(fleet(100, spread=spread))


def test_replicas_share_the_load_and_too_many_queries_are_not_answered_in_time():
    limit = fan_out.capacity(fleet(4))
    assert limit == pytest.approx(100) and fan_out.capacity(fleet(4, 3)) == pytest.approx(300)
    over = fan_out.simulate(fleet(4), 2 * limit, queries=5000)
    assert over.answered == pytest.approx(limit, rel=0.02) and over.busy > 0.98 and over.p99 > 10 * 0.01
    two = fan_out.simulate(fleet(4, 2), 1.6 * limit, queries=5000)
    assert two.p99 < fan_out.simulate(fleet(4, 1), 0.99 * limit, queries=5000).p99
    assert fan_out.simulate(fleet(4), 50, seed=3) == fan_out.simulate(fleet(4), 50, seed=3)


def test_the_command_says_all_of_it_as_text_and_as_json():
    def run(*arguments):
        done = subprocess.run(
            [sys.executable, str(BENCHMARKS / "simulate_scale.py"), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    answer = json.loads(run("20000000", "--dim", "768", "--shards", "4", "--json"))
    (table,) = answer["costs"]
    assert table["photos"] == 20_000_000 and table["vector_bytes"] == 20e6 * (4 * 768 + 8)
    assert [row["load"] for row in answer["fleets"]] == [0.1, 0.5, 0.8]
    printed = run("20000000", "--shards", "4")
    assert "20,000,000" in printed and "(assumed)" in printed and "predicted" in printed
    wrong = subprocess.run([sys.executable, str(BENCHMARKS / "simulate_scale.py"), "0"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "above zero" in wrong.stderr


def test_units():
    assert [report.seconds(value) for value in (0.0123, 1.5, 600, 7e4, 1e7)] == [
        "12.3 ms",
        "1.5 s",
        "10 min",
        "19.4 h",
        "116 days",
    ]
    assert [report.size(value) for value in (2056, 5.12e9, 2e13)] == ["2.06 kB", "5.12 GB", "20 TB"]
