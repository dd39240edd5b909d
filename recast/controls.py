"""Finds control tokens of model families, and control characters, in text that is sent or published.

A control token is a string that a tokenizer takes for one token of its own: `<|im_end|>` ends a turn, `<|endoftext|>` a
document. In a prompt a stranger's file that holds one can end the user's turn; in training text it becomes a control
token of whoever trains. The strings are those of the tokenizers and chat templates that the families publish (Llama,
Qwen, DeepSeek, Gemma, Mistral, Phi, GLM, Kimi, Cohere, gpt-oss, Granite, OLMo, StarCoder and others); where a model's own
tokenizer is at hand, `recast.inference.tokenizer` asks it instead.
"""

import re

# Each alternative starts with its own literal, which keeps the search fast.
_TOKEN = re.compile(
    # ChatML and whoever writes like it: `<|im_end|>`, `<|eot_id|>`, `<|/think|>`. Three letters, for |x| is a modulus.
    r"<\|(?=[^|<>\n]{0,61}[A-Za-z]{3})/?[\w/.:-]{3,64}\|>"
    r"|<\uff5c[\w\u2581 /.:-]{1,64}\uff5c>"  # DeepSeek, with a full-width bar
    r"|<\|(?:channel|turn|think|image|audio|video|tool(?:_call|_response)?)>|<(?:channel|turn|image|audio|video|tool\w*)\|>"
    r"|</?ifm\|\w{1,32}>"
    r"|<(?:start|end)_of_(?:turn|image|audio|utterance|text)>"
    r"|<(?:bos|eos|pad|unk|cls|sep|mask|sop|eop|s_eos)>"
    r"|<(?:unused|extra_id_|reserved_|special_|SPECIAL_|custom_token_)\d{1,5}>"
    r"|<fim[_-](?:prefix|suffix|middle|pad)>|<(?:file_sep|repo_name|reponame|gh_stars|empty_output|issue_(?:start|comment|closed))>"
    r"|<(?:jupyter_\w{1,16}|commit_(?:before|msg|after)|endoftext)>"
    r"|</?tool_(?:call|response)>|</?minimax:tool_call>|\]<\]minimax\[>\["
    r"|<</?SYS>>"
    r"|\[/?(?:INST|THINK|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CONTENT|TOOL_CALLS|MODEL_SETTINGS|gMASK|sMASK)\]"
    r"|\u25c1/?\w{1,32}\u25b7"  # Kimi-VL
    r"|<(?:BOS|EOS|EOP|MASK)_TOKEN>|<(?:PAD|UNK|CLS|SEP|EOT|EOD|PRE|SUF|MID)>"  # Cohere, Code Llama
    r"|\[(?:IMG|IMG_BREAK|IMG_END|PREFIX|SUFFIX|MIDDLE|UNUSED_TOKEN_\d{1,4})\]|\]~b\]|\[e~\["  # Mistral, InternLM, MiniMax
    r"|<\|\w{1,32} to=[\w.]{1,64}\|>"
)
# Llama 2's and Mistral's begin and end of text are HTML's strike-through, too, and `(?P<s>...)` is a group.
_STRIKE = re.compile(r"(?<!\?P)(?<!\(\?)(?<!\\g)(?<!\\k)<(?P<end>/?)s>")
# C0 but tab and newline, DEL and C1, overrides and isolates of writing direction, interlinear marks, noncharacters, and
# tags, which nobody sees, but for those that a flag begins with.
_CHARACTER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufffe\uffff]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]"
)
MAX_ENDS = 8  # that are taken off an answer; servers leave one or two
# What ends an answer where a server leaves it in.
_ENDS = (
    "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>", "<|end|>", "<|return|>",
    "<|END_OF_TURN_TOKEN|>", "<|end_of_role|>", "<|end_of_sentence|>", "<|endofresponse|>", "<|assistant_end|>",
    "<end_of_turn>", "<turn|>", "<eos>", "<endoftext>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "</s>",
)  # fmt: skip


def token_in(text: str) -> str | None:
    """Return the first control token of any known family in `text`, None if it holds none. Takes time linear in it."""
    found = _TOKEN.search(text)
    return found[0] if found else _stray_strike(text)


def tokens_in(text: str) -> set[str]:
    """Return all control tokens of any known family in `text`, but for those that HTML has, too."""
    return {found[0] for found in _TOKEN.finditer(text)}


def character_in(text: str) -> str | None:
    """Return the first control character in `text` as `U+001B`, None if it holds none; tab and newline are none."""
    found = _CHARACTER.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def without_end(text: str) -> str:
    """Return `text` without the end tokens, and white space around them, that a server left at its end."""
    for _ in range(MAX_ENDS):
        stripped = text.rstrip()
        end = next((end for end in _ENDS if stripped.endswith(end)), None)
        if end is None or (end == "</s>" and _stray_strike(stripped) is None):
            break
        text = stripped[: -len(end)]
    return text


def _stray_strike(text: str) -> str | None:
    """Return `<s>` or `</s>` where it strikes nothing through: without its other half in the paragraph, or around all."""
    opened: re.Match[str] | None = None
    for mark in _STRIKE.finditer(text):
        if bool(mark["end"]) != (opened is not None):
            return mark[0]
        if opened is None:
            opened = mark
            continue
        around_all = not text[: opened.start()].strip() and not text[mark.end() :].strip()
        if around_all or text.find("\n\n", opened.end(), mark.start()) >= 0:
            return mark[0]
        opened = None
    return opened[0] if opened else None
