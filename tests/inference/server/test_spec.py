"""Names of models."""

from recast.inference.server.spec import is_folder_name


def test_a_hub_name_is_no_folder_name() -> None:
    assert not is_folder_name("HuggingFaceTB/SmolLM2-135M-Instruct")
    assert not is_folder_name("gpt2")
    assert is_folder_name("/models/x")
    assert is_folder_name("./x")
    assert is_folder_name("a/b/c")
