"""The one page in a model's answer about a page of mathematics.

The prompts ask for the page and nothing else. Models announce it, wrap it in a fence, end with remarks on what they did
and an offer of help. What is certain to be no part of the page is taken off; where words may be the page's or the
model's own the answer has a reason, for a guess would publish either half a page or chatter.
"""

import re
from dataclasses import dataclass

REMARKS = "remarks"

_NEWLINE = re.compile(r"\r\n?")
_FENCE = re.compile(r"^[ \t]{0,3}(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`\n]*+)$", re.MULTILINE)
_MARKDOWN = ("markdown", "md")
# Languages in which a page as a whole is written; in a block of another one stands what the page shows.
_PAGE_LABELS = ("", "markdown", "md", "mdx", "gfm", "mathml", "text", "txt", "plaintext", "plain", "latex", "tex", "html", "xml",
                "none", "page", "output")  # fmt: skip


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# What a rewriting is called: by a word of its own, or by an adjective and a word for a text.
_TEXT = r"(?:text|page|version|content|material|document|markdown|rewrite|article|lesson)"
_ADJECTIVE = (
    r"(?:re-?vised|new|clean|cleaner|final|refined|improved|edited|transformed|converted|requested|updated|simplified"
    r"|formatted)"
)
_NAMED = (
    r"(?:re-?writ\w+|re-?format\w+|re-?work\w+|re-?structured|re-?organi[sz]ed|re-?phrased|clean(?:ed)?[ -]?up|cleaned"
    rf"|polished|{_ADJECTIVE}(?:[ \t]+[\w-]+){{0,3}}[ \t]+(?:{_TEXT}|response|output|answer|result)"
    rf"|(?:the|your)[ \t]+{_TEXT})"
)
_HERE = (
    r"(?:here(?: is|'s|\u2019s| are|[ \t]+you[ \t]+go)|below(?: is| are|,)|(?:this|the following) is|the following)\b"
    r"[^\n]{0,160}"
)
_NAME_ALONE = rf"(?:the )?{_NAMED}(?:[ \t]+{_TEXT})?"
_POLITE = (
    r"(?:sure(?: thing)?|certainly|of course|absolutely|ok(?:ay)?|alright|all right|great|gladly|happy to help"
    r"|no problem|got it|understood|will do|as (?:you )?(?:requested|asked|instructed))\b"
)
# A line that ends in a colon and announces the page, or names it and nothing else.
_ANNOUNCES = _any_of(rf"(?:{_POLITE}[,.! \t]*)*(?:{_HERE}\b{_NAMED}\b[^\n]{{0,80}}|{_NAME_ALONE})[ \t]*:")
_SPEAKS_FIRST = _any_of(
    rf"{_POLITE}(?:[ \t]*[!,.:\u2014-]|[ \t]*$)",
    rf"{_HERE}\b{_NAMED}\b",
    rf"{_NAME_ALONE}[ \t:]*$",
    r"(?:output|response|page|new text)[ \t]*:",
    # Thoughts that no mark shows.
    r"(?:thinking|thoughts?|thought process|thinking process|chain of thought|scratch ?pad|internal monologue)\b[ \t]*"
    r"(?::|\.\.\.|$)",
    r"(?:hmm+|wait|let me (?:think|see|start|read|re-?read|re-?write|first)|let's (?:re-?write|start by|clean))\b",
    r"(?:the|this) user (?:wants?|asks?|asked|is asking|said|needs|gives|gave|would|provided"
    r"|has (?:given|asked|provided))\b",
    r"(?:(?:first|now|so),? )?(?:i|we)(?:'ve|\u2019ve|'ll|\u2019ll|'m|\u2019m)?"
    r"(?: have| will| am| going to| need to| should| must| have to| can| was| were| been| asked to)* "
    r"(?:re-?writ\w+|re-?wrote|re-?work\w*|re-?format\w*|clean(?:ed)?(?: up)?|removed?|produced?|output|convert(?:ed)?)\b"
    rf"[^\n]{{0,80}}\b(?:{_TEXT}|it|this|everything|links|advertis\w+|boilerplate|menus?|login|header|footer)\b",
)
# Sentences to whoever asked, which no page holds; a last paragraph of nothing else is taken off.
_OFFER = _any_of(
    r"(?:please )?let me know\b",
    r"(?:please )?feel free to (?:ask|reach|let|contact|request|modify|adjust|tell|share|provide|copy|use this)\b",
    r"(?:i )?hope (?:this|that|it)(?: \w+)? (?:helps|is helpful|meets|is useful|is what)\b",
    r"(?:please )?don(?:'|\u2019)t hesitate\b",
    r"if you (?:have|need|would like|want|'d like|\u2019d like)\b[^.!?\n]{0,80}\b(?:questions|adjust\w*|revisions?"
    r"|assistance|clarifications?|modif\w+|(?:further|more|any) (?:help|changes)|changes|me to)\b",
    r"would you like (?:me|any|another)\b",
    r"do you (?:want me|need anything|have any (?:other |further |more )?questions)\b",
    r"is there anything (?:else|more) (?:i|you)\b",
    r"(?:i(?:'m|\u2019m| am) )?happy to (?:help|adjust|assist|revise)\b|shall i\b",
    r"thank(?:s| you)(?: for (?:the|your|using|sharing|providing)| very| so much|[!.]|$)|you(?:'|\u2019)re welcome\b",
    r"have a (?:great|nice|good) (?:day|one|time)\b|happy (?:learning|studying|solving)\b|enjoy[.!]",
)
_I_HAVE = r"i(?:'ve|\u2019ve| have)?(?: also| only| just| then| mainly| simply| not| did not|n't)* "
_PARTS = (
    rf"(?:{_TEXT}|layout|wording|words?|sentences?|format\w*|latex|menus?|links?|ads?|advert\w*|boilerplate|navigation"
    r"|login|headers?|footers?|headings?|sections?|explanations?|details?|original|typos?|language|structure|notation"
    r"|clarity|clear\w*|everything|nothing|numbers?|information|definitions?|context|instructions?|guidelines)"
)
# Words about the rewriting. What a mathematician also does, such as to replace, needs a part of a page as its object.
_ON_THE_REWRITING = _any_of(
    rf"{_I_HAVE}(?:re-?wr[io]t\w+|re-?word\w*|re-?format\w*|re-?structur\w*|re-?organi[sz]\w*|re-?phras\w*|removed?"
    r"|changed?|cleaned|kept|preserved|omitted|deleted|edited|corrected|fixed|formatted|organi[sz]ed|stripped|trimmed"
    r"|ensured|maintained|retained|left out|took out)\b",
    rf"{_I_HAVE}(?:added|simplified|converted|replaced|shortened|expanded|clarified|tried|used|made|left|put|moved"
    r"|included|excluded|dropped|followed|focused|improved|translated|wrote|structured)\b"
    rf"[^.\n]{{0,80}}\b{_PARTS}\b",
    rf"(?:this|the|my) (?:{_NAMED}|text|page|version|rewrite|layout|wording|formatting)(?:[ \t]+{_TEXT})?\b"
    r"[^.\n]{0,40}\b(?:now|removes?|keeps?|preserves?|maintains?|retains?|presents?|eliminates?|has been|have been"
    r"|was re\w+|is (?:now|cleaner|clearer))\b",
    r"(?:list of |summary of |explanation of )?(?:the )?(?:key |main )?(?:changes|edits|modifications|improvements"
    r"|adjustments)(?: (?:i|that|which)?[ \t]*(?:made|were made)\b[^.\n]{0,40})?[ \t]*(?::|$)",
    r"what (?:i|was) (?:changed|removed|did)\b|notes? on the (?:changes|re-?writ\w+)",
    r"(?:all |the |any |some )*(?:[\w-]+ ){0,3}(?:boilerplate|navigation|advertis\w+|ads|menus?|login|links?|footers?"
    r"|headers?|layout|user ?names?|irrelevant|extraneous|page elements)\b[^.\n]{0,80}\b(?:removed|gone|omitted|dropped"
    r"|cleaned|left out|stripped|deleted)\b",
    r"(?:note|nb|n\.b\.|p\.?s\.?|remark|disclaimer)[ \t*_]*[:.)\u2014-][^\n]{0,160}\b(?:original "
    rf"(?:{_TEXT}|post|question|source)|rewritten|this re-?writ\w+|(?:the|this) (?:page|text|version|layout|formatting)"
    r"|i(?:'ve|\u2019ve| have)?)\b",
    r"end of (?:the )?(?:page|text|rewrite|document)\b|(?:approximate )?word count\b",
)
# A first or last paragraph of few words, no formula among them, that names one of these is hardly the page's.
_ABOUT = _any_of(
    r"\bre-?(?:written|formatted|phrased|worded)\b|\bclean(?:ed)?[ -]up\b|\bboilerplate\b|\badvertisements?\b|\blayout\b",
    r"\b(?:the|this) (?:page|text|version)\b|\bas requested\b",
)
_FORMULA = re.compile(r"[$\\=\d]")
MAX_REMARK_CHARS = 300
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+")
_RULE = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*")
_AROUND = " \t\n#>*_([]\"'`~-"  # what decorates words, and says nothing
# Tags that wrap answers, and the names of roles where their tokens are gone: a second turn, or a wrapper left open.
_LEFT_OVER = re.compile(
    r"(?i:</?(?:answer|response|final_answer|output|page|rewritten\w*|new_text|result)>)|^(?:assistant|user)[ \t]*$"
    r"|(?<=[.!?$})\]])(?:assistant|user)[ \t]*$|^\W{0,4}(?:Human|User|USER|Assistant|ASSISTANT|AI|Instruction|Response)[ \t]*:"
    r"|^\W?(?:END|EOF|DONE)(?: OF [A-Z ]{1,20})?\W?$|(?i:\bas an AI (?:language )?(?:model|assistant)\b)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Page:
    """The page in an answer, or why there is none that could be told: exactly one of the first two is None.

    `text`: the page without white space around it, perhaps empty. `reason`: REMARKS. `detail`: the words it is for.
    """

    text: str | None
    reason: str | None = None
    detail: str | None = None


def page_of(answer: str) -> Page:
    """Return the page in what a model said. Raises nothing on any text, and takes time linear in it."""
    text = _NEWLINE.sub("\n", answer).strip("\n").rstrip()
    text, announced = _without_announcement(text)
    text, offered = _without_offer(text)
    unwrapped = _unwrapped(text)
    if isinstance(unwrapped, Page):
        return unwrapped
    if unwrapped is not None:
        text, _ = _without_announcement(unwrapped)
    elif announced or offered:
        text = _without_rules(text)
    return _unless_it_speaks(text.strip())


def _without_announcement(text: str) -> tuple[str, bool]:
    """Take off the first lines that announce the page."""
    announced = False
    for _ in range(3):
        line, _, rest = text.lstrip().partition("\n")
        if not _ANNOUNCES.fullmatch(line.strip(_AROUND)):
            break
        announced, text = True, rest
    return text, announced


def _without_offer(text: str) -> tuple[str, bool]:
    """Take off the last paragraphs that speak to whoever asked, if all of their sentences do."""
    offered = False
    for _ in range(3):
        body, gap, last = text.rstrip().rpartition("\n\n")
        if not gap:
            body, gap, last = text.rstrip().rpartition("```\n")
            body += gap[:3]
        if not gap or not last.strip(_AROUND) or len(last) > 600 or not all(map(_OFFER.match, _sentences(last))):
            break
        offered, text = True, body
    return text, offered


def _without_rules(text: str) -> str:
    """Take off a horizontal rule at either end."""
    lines = text.strip().split("\n")
    if _RULE.fullmatch(lines[0]):
        lines = lines[1:]
    if lines and _RULE.fullmatch(lines[-1]):
        lines = lines[:-1]
    return "\n".join(lines)


def _unwrapped(text: str) -> str | Page | None:
    """Return the page in a fence, a Page with a reason where that cannot be told, None where no fence wraps it."""
    fences = list(_FENCE.finditer(text))
    if not fences:
        return None
    first, closing, balanced = fences[0], *_closing(fences)
    before = text[: first.start()].strip()
    inside = text[first.end() : closing.start() if closing else len(text)].strip("\n")
    behind = text[closing.end() :].strip() if closing else ""
    if _label(first) not in _PAGE_LABELS:
        wrapped_later = any(_label(fence) in _MARKDOWN for fence in fences[1:])
        return _doubtful(first[0]) if wrapped_later or not balanced else None
    if not before and not behind and (closing or len(fences) == 1):
        return inside
    if not balanced:
        return _doubtful(fences[-1][0])
    words = [part for part in (before, behind) if part]
    most = 2 * len(inside) >= len(text)
    if (most or _label(first)) and all(map(_is_about_the_page, words)):
        return inside
    if not most and _label(first) not in _MARKDOWN:
        return None
    # A block that nothing names, amid words that go on or before another block, is what the page shows.
    shown = not _label(first) and (len(words) == 2 or closing is not fences[-1])
    return None if shown and not any(map(_speaks, words)) else _doubtful(words[-1])


def _label(fence: re.Match[str]) -> str:
    return fence["info"].split()[0].strip("{}.").lower() if fence["info"].strip() else ""


def _closing(fences: list[re.Match[str]]) -> tuple[re.Match[str] | None, bool]:
    """Return the fence that closes the first, if any does, and whether each of the fences opens or closes a block.

    Fences with a label open a block within the first, and the next bare one closes it.
    """
    closing, marks, within = None, fences[0]["marks"], False
    is_open = True
    for fence in fences[1:]:
        if not is_open:
            is_open, marks = True, fence["marks"]
        elif fence["info"].strip():
            if within:
                return closing, False
            within = True
        elif within:
            within = False
        elif fence["marks"][0] == marks[0] and len(fence["marks"]) >= len(marks):
            is_open = False
            closing = closing or fence
    return closing, not is_open


def _is_about_the_page(words: str) -> bool:
    """Tell whether each paragraph speaks of the page or to whoever asked: short, and without a formula."""
    parts = [part for part in words.split("\n\n") if part.strip(_AROUND)]
    return len(words) <= 1000 and "$" not in words and all(map(_speaks, parts))


def _speaks(paragraph: str) -> bool:
    line = paragraph.strip(_AROUND).partition("\n")[0]
    speaking = (_SPEAKS_FIRST, _OFFER, _ON_THE_REWRITING, _ANNOUNCES)
    return any(pattern.match(line) for pattern in speaking) or _is_remark(paragraph)


def _sentences(paragraph: str) -> list[str]:
    bare = (sentence.strip(_AROUND) for sentence in _SENTENCE_END.split(paragraph))
    return [sentence for sentence in bare if sentence]


def _unless_it_speaks(text: str) -> Page:
    """Return the page, or the reason where its first or last words are about it, or it holds another turn's marks."""
    first = text[:4000].partition("\n\n")[0].strip(_AROUND)
    if _SPEAKS_FIRST.match(first.partition("\n")[0]) or _is_remark(first):
        return _doubtful(first)
    endings = text[-4000:].split("\n\n")[-3:]
    for words in (*(ending.strip(_AROUND) for ending in endings), *_sentences(endings[-1])[-3:]):
        if _OFFER.match(words) or _ON_THE_REWRITING.match(words):
            return _doubtful(words)
    if _is_remark(endings[-1]):
        return _doubtful(endings[-1])
    left = _LEFT_OVER.search(text)
    return _doubtful(left[0]) if left else Page(text)


def _is_remark(paragraph: str) -> bool:
    return len(paragraph) <= MAX_REMARK_CHARS and bool(_ABOUT.search(paragraph)) and not _FORMULA.search(paragraph)


def _doubtful(words: str) -> Page:
    return Page(None, REMARKS, f"words that may be no part of the page: {' '.join(words[:200].split())[:100]!r}")
