"""Reports: what feeders leave in a journal, the driver reads; and the figures made of them."""

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from recast import journal
from recast.inference import telemetry

SAID = telemetry.Report("host:/f", "vllm 0.32.0 on cpu", "cpu", 80.0, 1, 4, 2, 1000, 500, 800, 600, 16, 6, 40.0, 100.0)


def test_a_feeders_report_is_overwritten_by_its_next_one(tmp_path: Path) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 2)
    telemetry.write(folder, "b0-aa", SAID)
    telemetry.write(folder, "b0-aa", replace(SAID, running=5, at=101.0))
    assert telemetry.reports(str(tmp_path)) == [replace(SAID, running=5, at=101.0)]
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_two_feeders_of_one_engine_are_one_engine_as_last_seen(tmp_path: Path) -> None:
    folder = journal.bucket_folder(str(tmp_path), "f", 2)
    telemetry.write(folder, "b0-aa", replace(SAID, running=1, since=30.0, at=99.0))
    telemetry.write(folder, "b1-bb", SAID)
    telemetry.write(folder, "b1-cc", replace(SAID, engine="host:/g"))
    said = telemetry.reports(str(tmp_path))
    assert telemetry.engines(said) == {"host:/f": replace(SAID, since=30.0), "host:/g": replace(SAID, engine="host:/g")}
    assert telemetry.running_now(said, now=110.0) == (8, 4)
    assert telemetry.running_now(said, now=1000.0) == (0, 0)


def test_requests_at_an_endpoint_are_those_of_all_its_feeders() -> None:
    hosted = replace(SAID, engine="https://host/v1", device="", waiting=0)
    assert telemetry.running_now([replace(hosted, in_flight=3), replace(hosted, in_flight=4)], now=110.0) == (7, 0)


def test_the_ledger_learns_what_engines_cost_from_their_first_request_to_their_last() -> None:
    used = [SAID, replace(SAID, engine="host:/g", start_seconds=90.0, since=50.0, at=90.0)]
    figures = telemetry.ledger_figures(used, output_tokens=600, computed_tokens=900, model="owner/name", gpus=1)
    assert figures == {
        "engines": 2,
        "engine_start_seconds": 90.0,
        "engine_seconds": 60.0 + 40.0,
        "tokens_per_s": 10.0,
        "mfu": None,
    }
    assert telemetry.ledger_figures([], 0, 0, "owner/name", 1) == {}


def test_the_ledgers_mfu_is_over_all_gpus_of_all_engines(tmp_path: Path) -> None:
    weights(tmp_path, 70_000_000_000)
    used = [replace(SAID, device="NVIDIA H100 80GB HBM3", engine=name) for name in "ab"]
    figures = telemetry.ledger_figures(used, 1, 60_000, str(tmp_path), gpus=4)
    # 1,000 computed tokens/s on 2 engines of 4 GPUs.
    assert figures["mfu"] == pytest.approx(2 * 70e9 * 1000 / (8 * 989e12))


def test_reports_stand_beside_segments_without_being_taken_for_them(tmp_path: Path) -> None:
    telemetry.write(journal.bucket_folder(str(tmp_path), "f", 2), "b0-aa", SAID)
    (tmp_path / "f" / "2" / "feeder-x.json").write_text("torn {")
    assert journal.progress(str(tmp_path)).rows == 0
    assert telemetry.reports(str(tmp_path)) == [SAID]


def weights(folder: Path, count: int) -> None:
    """Write a model folder whose safetensors header tells of so many weights."""
    tensors = {"__metadata__": {}, "a": {"dtype": "BF16", "shape": [count, 1], "data_offsets": [0, 24]}}
    header = json.dumps(tensors).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (folder / "config.json").write_text("{}")


def test_weights_are_counted_from_headers_of_dense_models_only(tmp_path: Path) -> None:
    weights(tmp_path, 12)
    assert telemetry.parameters(str(tmp_path)) == 12
    (tmp_path / "config.json").write_text('{"num_local_experts": 8}')
    assert telemetry.parameters(str(tmp_path)) is None
    assert telemetry.parameters("owner/name-that-is-no-folder") is None


def test_weights_that_come_twice_count_once(tmp_path: Path) -> None:
    weights(tmp_path, 12)
    shutil.copy(tmp_path / "model.safetensors", tmp_path / "consolidated.safetensors")
    assert telemetry.parameters(str(tmp_path)) == 12


@pytest.mark.parametrize(
    "content",
    [b"", b"\x05", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", struct.pack("<Q", 4) + b"null"],
)
def test_what_is_no_file_of_weights_tells_of_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(content)
    assert telemetry.parameters(str(tmp_path)) is None


def test_mfu_is_known_where_the_devices_peak_is() -> None:
    # 70.6e9 weights at 1,000 tokens/s on 4 H100: 2 * 70.6e9 * 1000 / (4 * 989e12).
    assert telemetry.mfu(70_600_000_000, 1000.0, "NVIDIA H100 80GB HBM3", gpus=4) == pytest.approx(0.0357, abs=1e-4)
    assert telemetry.mfu(70_600_000_000, 1000.0, "NVIDIA H100 PCIe") == pytest.approx(141.2e12 / 756e12)
    assert telemetry.mfu(135_000_000, 100.0, "cpu") is None


def test_a_gpu_is_not_taken_for_one_whose_name_begins_alike() -> None:
    peaks = {name: telemetry.peak_flops(f"NVIDIA {name}") for name in ("L4", "L40", "L40S", "A100-SXM4-80GB", "GB200")}
    assert peaks == {"L4": 121e12, "L40": 181e12, "L40S": 362e12, "A100-SXM4-80GB": 312e12, "GB200": None}
