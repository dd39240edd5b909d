"""Separates what a reasoning model answers from what it thinks first.

Servers hand thoughts over in many forms: between tags, in channels, with the tags stripped, opened by the chat template
and only closed in the answer. The forms are those that vLLM's reasoning parsers and the families' chat templates know.
What cannot be told apart is a row with a reason, never a guess.
"""

import re
from collections.abc import Callable, Iterator

TRUNCATED = "truncated"
UNCLEAR = "thoughts"

# `<think>`, `<THINKING time="3">`, `<seed:think>`, `<mm:think>`, `<ifm|think_fast>`, `<longcat_think>`, `<think:3f>`
_NAME = (
    r"(?:[\w.-]{1,20}[:|])?(?:\w{0,16}_)?(?:think\w{0,10}|thoughts?\w{0,10}|reason(?:ing)?\w{0,10}|reflect(?:ion)?"
    r"|scratch_?pad|(?:inner_)?monologue|cot|deliberation|analysis)(?:[:_][\w-]{1,30})?"
)
_OPEN = (
    rf"<\s?{_NAME}(?:\s[^<>\n]{{0,80}})?>"
    r"|\[(?:THINK(?:ING)?|THOUGHTS?|REASONING)\]"
    r"|<\|(?:(?:begin_of_|start_)?(?:think|thinking|thought|thoughts|reasoning)|inner_prefix)\|>"
    r"|<\|channel>\s*thought|<unused94>|\u25c1think(?:ing)?\u25b7"
    r"|<\|open\|>\s*think\w*\s*<\|sep\|>"
    r"|&lt;\s?think\w*&gt;|<details[^<>\n]{0,40}reasoning[^<>\n]{0,80}>"
    r"|\bHere(?: is|'s) my thought process:|^thinking\.\.\.[ \t]*$"
)
_CLOSE = (
    rf"<\s?/\s?{_NAME}\s?>"
    r"|\[/(?:THINK(?:ING)?|THOUGHTS?|REASONING)\]"
    r"|<\|(?:/|end_of_|end_)(?:think|thinking|thought|thoughts|reasoning)\|>|<\|inner_suffix\|>"
    r"|<\|(?:answer|response|final|output|content)\|>"
    r"|<channel\|>|<unused95>|\u25c1/think(?:ing)?\u25b7"
    r"|<\|close\|>\s*think\w*\s*<\|sep\|>"
    r"|&lt;\s?/\s?think\w*&gt;|</details>"
    r"|\bHere(?: is|'s) my response:|^\.\.\.done thinking\.[ \t]*$"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_OPENS = re.compile(rf"\s*(?:{_OPEN})", _FLAGS)
_CLOSES = re.compile(_CLOSE, _FLAGS)
_MARK = re.compile(rf"(?P<close>{_CLOSE})|(?P<open>{_OPEN})", _FLAGS)
_PLAIN_CLOSES = ("</details>",)  # marks that mean nothing unless they close what was opened

# gpt-oss's channels, with their tokens: the words of the last header's channel are what follows it.
_HEADER = re.compile(
    r"(?:<\|channel\|>\s*(?P<channel>\w+)|\bto=(?P<to>\w+))[^<\n]{0,80}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>"
)
_CHANNEL_BEGINS = re.compile(r"\s*(?:<\|start\|>\s*assistant\s*)?(?:<\|channel\|>|to=\w+<\|message\|>)")
_CHANNEL_END = re.compile(r"<\|(?:end|return|start|call|eom|eot|channel)\|>")
_SPOKEN = ("final", "user")
# The same with its special tokens stripped, as servers do that know no channels.
_STRIPPED_BEGINS = re.compile(r"\s*(?:analysis|commentary)")
_STRIPPED = re.compile(_STRIPPED_BEGINS.pattern + r"[\w'\"(\[*#\n]")
_STRIPPED_FINAL = re.compile(r"assistantfinal|\bassistant\s{1,2}final(?=[^a-z]|\Z)")
# Other names of channels and roles whose token is gone: `thought\nWe need`, `finalThe page`, `to=self`.
_STRIPPED_NAME = re.compile(
    r"\s*(?:(?:think|thinking|thought|response|assistant|model|final)(?=[A-Z*#$]|[ \t]*\n)|(?:analysis|commentary) [A-Z]|to=\w+)"
)
# What some wrap the answer in, behind their thoughts.
_WRAPPED = re.compile(
    r"\s*(?:<(?P<tag>answer|response|output|final|final_answer|solution|result)>(?P<in_tag>.*)</(?P=tag)>"
    r"|<\|START_RESPONSE\|>(?P<cohere>.*)<\|END_RESPONSE\|>"
    r"|<\|begin_of_(?P<kind>solution|box)\|>(?P<in_kind>.*)<\|end_of_(?P=kind)\|>"
    r"|<\|open\|>\s*response\s*<\|sep\|>(?P<kimi>.*)<\|close\|>\s*response\s*<\|sep\|>)\s*",
    re.DOTALL | re.IGNORECASE,
)


def spoken(answer: str, outside: Callable[[str], str] = str) -> tuple[str, str | None]:
    """Return what of an answer is said rather than thought, and the reason why nothing is, None where something is.

    `outside` blanks out the parts of a text, keeping offsets, in which marks are the answer's own words (`fences.outside`
    for programs). The reason is TRUNCATED where thoughts never end, UNCLEAR where they cannot be told from the words.
    """
    begins = _CHANNEL_BEGINS.match(answer) is not None
    headers = list(_HEADER.finditer(answer if begins else outside(answer)))
    if headers:
        return _of_channels(answer, headers)
    said, reason = _behind_stripped(answer, outside)
    if reason is None:
        said, reason = _behind_marks(said, outside)
    if reason is not None:
        return "", reason
    wrapped = _WRAPPED.fullmatch(said)
    if wrapped:
        said = next(
            part for name, part in wrapped.groupdict().items() if part is not None and name not in ("tag", "kind")
        )
    return said, None


def _of_channels(answer: str, headers: list[re.Match[str]]) -> tuple[str, str | None]:
    spoken_in = [header for header in headers if (header["channel"] or header["to"]) in _SPOKEN]
    if not spoken_in:
        return "", TRUNCATED
    end = _CHANNEL_END.search(answer, spoken_in[0].end())
    behind = answer[end.end() :].strip() if end else ""
    if len(spoken_in) > 1 or behind:
        return "", UNCLEAR
    return answer[spoken_in[0].end() : end.start() if end else len(answer)], None


def _behind_stripped(answer: str, outside: Callable[[str], str]) -> tuple[str, str | None]:
    """Return what follows `analysis...assistantfinal`, the answer itself where it has nothing of the kind."""
    if not _STRIPPED_FINAL.search(answer) and not _STRIPPED.match(answer) and not _STRIPPED_NAME.match(answer):
        return answer, None
    looked_at = outside(answer)
    finals = list(_STRIPPED_FINAL.finditer(looked_at))
    begins = bool(finals) and not looked_at[: finals[0].start()].strip()
    if len(finals) == 1 and (begins or _STRIPPED_BEGINS.match(looked_at)):
        return answer[finals[0].end() :], None
    if finals or _STRIPPED_NAME.match(looked_at):
        return "", UNCLEAR
    return ("", TRUNCATED) if _STRIPPED.match(looked_at) else (answer, None)


def _behind_marks(answer: str, outside: Callable[[str], str]) -> tuple[str, str | None]:
    """Return what follows the thoughts that marks enclose, or that a mark closes which the chat template opened."""
    opened = _OPENS.match(answer)
    if opened:
        # As vLLM's own parsers have it, thoughts end at the first mark that closes them, whatever they hold.
        closed = _CLOSES.search(answer, opened.end())
        if closed is None:
            return "", TRUNCATED
        said = answer[closed.end() :]
    else:
        first = next(_marks(outside(answer)), None)
        if first is None:
            return answer, None
        if first["close"] is None:
            return "", UNCLEAR
        said = answer[first.end() :]
    return ("", UNCLEAR) if next(_marks(outside(said)), None) else (said, None)


def _marks(text: str) -> Iterator[re.Match[str]]:
    """Yield the marks of thoughts, but for those that a code span speaks of: `</think>`."""
    for mark in _MARK.finditer(text):
        in_code_span = mark.start() > 0 and text[mark.start() - 1] == "`" and text[mark.end() : mark.end() + 1] == "`"
        if not in_code_span and mark[0].lower() not in _PLAIN_CLOSES:
            yield mark
