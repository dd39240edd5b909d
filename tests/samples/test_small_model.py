"""The small model's folder: named by its weights, made once, whole or not at all."""

from pathlib import Path

import pytest

from samples import small_model


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "weights.gguf"
    path.write_bytes(b"GGUF and some weights")
    return path


def convert(_: Path, folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def test_the_folder_is_named_by_the_weights(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_model, "_convert", convert)
    first = small_model.build(gguf, tmp_path / "models")
    gguf.write_bytes(b"other weights")
    second = small_model.build(gguf, tmp_path / "models")
    assert first != second
    assert first.name.startswith("smollm2-135m-instruct-")
    assert len(first.name.rpartition("-")[2]) == 12


def test_what_is_there_is_not_made_again(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_model, "_convert", convert)
    folder = small_model.build(gguf, tmp_path / "models")

    def never(*_: Path) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(small_model, "_convert", never)
    assert small_model.build(gguf, tmp_path / "models") == folder


def test_a_conversion_that_fails_leaves_nothing_behind(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise ValueError("no chat template")

    monkeypatch.setattr(small_model, "_convert", fails)
    with pytest.raises(ValueError, match="no chat template"):
        small_model.build(gguf, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_weights_that_are_not_there_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["small_model", str(tmp_path / "nothing.gguf"), str(tmp_path)])
    assert small_model.main() == 1
    assert capsys.readouterr().err.count("\n") == 1
