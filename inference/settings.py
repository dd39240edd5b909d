"""The settings of requests to a model: which model, where it is served, how it samples."""

import re
from dataclasses import dataclass

from recast.settings import Group, setting
from recast.urls import endpoint_fault

# What the configuration file may name as a key's variable: a file that lies in some folder must not have any secret sent.
KEY_VARIABLE = re.compile(r"RECAST_\w*|\w*_API_KEY")


def _key_fault(variable: str) -> str | None:
    if KEY_VARIABLE.fullmatch(variable):
        return None
    return f"names {variable!r} as the endpoint's key: a file may name RECAST_... and ..._API_KEY alone"


@dataclass(frozen=True)
class Settings(Group):
    """The model, its server, and the requests. Values of sampling are the recipe's (arXiv 2505.02881)."""

    model: str = setting("", "folder or hub name of the model that Recast serves itself", place="folder or name")
    model_revision: str = setting("", "revision of the model")
    endpoint: str = setting(
        "",
        "base URL of an OpenAI-compatible endpoint to ask instead of serving a model here",
        check=lambda _, endpoint: endpoint_fault(endpoint),
    )
    api_key_variable: str = setting(
        "RECAST_API_KEY", "environment variable that holds the endpoint's key", file_check=_key_fault
    )
    tokenizer: str = setting(
        "",
        "folder or hub name of the model's tokenizer; empty: the model's own, if served here",
        place="folder or name",
    )
    server: str = setting("vllm", "program that serves a model here: vllm or sglang")
    engine_args: str = setting("", "further arguments of the server, as on a shell's command line")
    max_model_len: int = setting(0, "context in tokens; 0: the model's own", least=0)
    tensor_parallel: int = setting(1, "GPUs that one server spans", least=1)
    temperature: float = setting(0.2, "sampling temperature (the recipe's 0.2)", least=0)
    top_p: float = setting(0.7, "nucleus sampling (the recipe's 0.7)", least=0, most=1)
    repetition_penalty: float = setting(1.0, "1.0 switches it off, as the recipe does", least=0)
    max_tokens: int = setting(8192, "most tokens of an answer (the recipe's 8192)", least=1)
    answer_ratio: float = setting(
        3.0,
        "an answer ends after 2,048 tokens and so many per token of its text; 0: only after max_tokens",
        least=0,
    )
    window: int = setting(0, "requests in flight per task; 0: follow the engine's limits", least=0)
