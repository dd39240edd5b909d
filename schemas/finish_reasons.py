"""Translates the finish reasons of all servers into the four words of OpenAI's API.

Sources: the API references of Anthropic (end_turn, stop_sequence, max_tokens, tool_use, refusal), Cohere (COMPLETE,
MAX_TOKENS), Gemini (STOP, MAX_TOKENS, SAFETY), Mistral (model_length), Bedrock (content_filtered, guardrail_intervened),
DeepSeek (insufficient_system_resource), Text Generation Inference (eos_token) and Together (eos).
"""

STOP, LENGTH, FILTERED, TOOL_CALLS = "stop", "length", "content_filter", "tool_calls"

ENDED = (
    *("stop", "eos", "eos_token", "endoftext", "end_turn", "end_of_turn", "stop_sequence", "stop_token"),
    *("complete", "completed"),
)
"""Words for an answer that ended by itself; Recast's requests name no stop sequence, so that none is an answer cut by one."""
CUT = (
    *("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length"),
    *("model_length", "model_context_window_exceeded", "context_length"),
)
WITHHELD = ("content_filter", "content_filtered", "safety", "refusal", "guardrail_intervened")
CALLED = ("tool_calls", "tool_call", "tool_use", "function_call")
INTERRUPTED = ("abort", "aborted", "error", "cancelled", "canceled", "insufficient_system_resource")
"""The server gave up, not the model: that is no answer."""

_STANDARD = {
    word: standard
    for standard, words in ((STOP, ENDED), (LENGTH, CUT), (FILTERED, WITHHELD), (TOOL_CALLS, CALLED))
    for word in words
}


def standard(said: str | None) -> str | None:
    """Return OpenAI's word for what a server said, in whatever case; what is not known stays as it is."""
    return None if said is None else _STANDARD.get(said.lower(), said)


def interrupted(said: str | None) -> bool:
    """Tell whether a server said that it gave up."""
    return said is not None and said.lower() in INTERRUPTED
