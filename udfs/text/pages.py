"""Finds the one page in a model's answer about a page of mathematics.

The prompts ask for the page and nothing else. Models announce it, wrap it in a fence, end with remarks on what they did
and an offer of help. What is certain to be no part of the page is taken off; where words may be the page's or the
model's own the answer has a reason, for a guess would publish either half a page or chatter.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

REMARKS = "remarks"

_NEWLINE = re.compile(r"\r\n?")
_FENCE = re.compile(r"^[ \t]{0,3}(?P<marks>`{3,}+|~{3,}+)[ \t]*+(?P<info>[^`\n]*+)$", re.MULTILINE)
_MARKDOWN = ("markdown", "md")
# Languages in which a page as a whole is written; in a block of another one stands what the page shows.
_PAGE_LABELS = ("", "markdown", "md", "mdx", "gfm", "mathml", "text", "txt", "plaintext", "plain", "latex", "tex", "html", "xml",
                "none", "page", "output")  # fmt: skip


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# What a rewriting is called: by a word of its own, or by an adjective and a word for a text. Answers and results are the
# page's: `The final answer:` is a heading of it.
_TEXT = r"(?:text|page|version|content|material|document|markdown|rewrite|article|lesson)"
_ADJECTIVE = (
    r"(?:re-?vised|new|clean|cleaner|final|refined|improved|edited|transformed|converted|requested|updated|simplified"
    r"|formatted)"
)
_NAMED = (
    r"(?:re-?writ\w+|re-?format\w+|re-?work\w+|re-?structured|re-?organi[sz]ed|re-?phrased|clean(?:ed)?[ -]?up|cleaned"
    rf"|polished|{_ADJECTIVE}(?:[ \t]+[\w-]+){{0,3}}[ \t]+(?:{_TEXT}|response|output)"
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
# First words that are no page's, whatever follows.
_SPEAKS_FIRST = _any_of(
    rf"{_POLITE}(?:[ \t]*[!.:\u2014-]|[ \t]*$|[ \t]*,[ \t]*(?:here|below|i\b))",
    rf"{_HERE}\b(?:re-?writ\w+|{_ADJECTIVE}(?:[ \t]+[\w-]+){{0,3}}[ \t]+{_TEXT}|(?:the|your)[ \t]+{_TEXT}[ \t]*:?$)",
    r"here(?: is|'s|\u2019s) (?:the|your|my) (?:final )?(?:answer|result|response|output)[ \t]*:",
    rf"{_NAME_ALONE}[ \t:]*$",
    r"(?:great|good|nice|excellent|interesting) (?:question|problem|page)\b|(?:here|below) (?:is|are) my\b"
    r"|here(?:'s|\u2019s) my\b",
    r"(?:output|response|page|new text|results?)[ \t]*:[ \t]*$",
    # Thoughts that no mark shows.
    r"(?:thinking|thoughts?|thought process|thinking process|chain of thought|scratch ?pad|internal monologue)\b[ \t]*"
    r"(?::|\.\.\.|$)",
    r"(?:rough |first |final )?draft(?: (?:\d+|one))?[ \t]*:|hmm+\b|wait[,.!\u2014]|let me (?:think|re-?read"
    r"|re-?write)\b",
    r"[^:\n]{0,40}\b(?:to|must|should) (?:keep|remove|drop|omit|preserve|fix|retain)\b[^:\n]{0,20}:",
    r"(?:the|this) user (?:wants?|asks?|asked|is asking|said|needs|gives|gave|would|provided"
    r"|has (?:given|asked|provided))\b",
    r"(?:as|being) (?:an?|your) (?:\w+ ){0,3}(?:editor|writer|assistant|teacher|tutor|expert|model|ai)\b",
    r"(?:hi|hello|hey|greetings|dear)\b[^.\n]{0,20}[,!.]",
)
_LABEL_FIRST = _any_of(
    r"(?:reasoning|plan|analysis|outline|approach|strategy|key points?|task|goal|instructions?"
    r"|observations?)[^:\n]{0,20}:"
)
_INTENDS = _any_of(
    r"(?:(?:first|now|so|right|okay|then),? )?i(?:'ll|\u2019ll|'m going to|\u2019m going to| will| need to"
    r"| should| must| have to)\b"
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
_EDITED = (
    r"(?:re-?(?:written|worded|formatted|structured|organi[sz]ed|phrased|worked|arranged|vised)|kept|preserved|retained"
    r"|maintained|unchanged|improved|expanded|cleaned|edited|polished|streamlined|condensed|shortened"
    r"|clarified|translated"
    r"|summari[sz]ed|paraphrased|updated|enhanced|intact|restored|included|proofread|tidied|standardi[sz]ed"
    r"|restated|anonymi[sz]ed|changed|altered|modified|touched)"
)
# Sentences that speak to whoever asked, or of the task; unlike an offer they may be a page's, so they are a reason only.
_ASKS = _any_of(
    r"(?:please )?feel free\b|(?:i(?:'|\u2019)?(?:m|d| am| would)(?: be)? )?(?:always |more than )?(?:happy"
    r"|glad|pleased) to\b",
    r"is there anything\b|anything (?:else|more|you|i)\b|(?:i |we )?hope (?:this|that|it|you|everything)\b",
    r"(?:is|was|are) (?:this|that|it|these) (?:what you|all you|ok|okay|fine|good|all right|correct for)\b",
    r"(?:does|do|did|will|would) (?:this|that|it|these) (?:help|work for|meet|look|suit|fit|sound)\b|how(?:'s"
    r"| is| does) (?:this|that)\b",
    r"please\b[^.!?\n]{0,60}[.!?]?$|(?:any|more) (?:questions|feedback|comments|suggestions|other|further)\b",
    r"(?:if|should) (?:you|that|this|anything|needed|desired|necessary)\b[^.!?\n]{0,100}\b(?:i(?:'d|'ll"
    r"|\u2019d|\u2019ll)?|me|let)\b",
    r"[^.!?\n]{0,60}\bi(?:'d|'ll|\u2019d|\u2019ll)?\b[^.!?\n]{0,100}\b(?:if (?:you|that|this|it|needed|desired"
    r"|necessary)\b|for you\b)",
    r"(?:should|shall|may) i\b|(?:would|do|did) you (?:like|want|need|prefer)\b|(?:want|need) (?:me|anything"
    r"|another|more)\b",
    r"(?:all )?(?:done|finished|completed?|set)[.!]*$|that(?:'s|\u2019s| is) (?:it|all)[.!]*$|(?:there"
    r"|here) you (?:go|are|have it)\b",
    rf"{_EDITED}(?:$|[ \t]+(?:and|by|for|with|to|in)\b)|hopefully\b|this (?:should|will) (?:be|now|help|meet"
    rf"|work)\b|(?:just |simply )?ask\b",
    r"[^.\n]{0,80}(?:,|\bjust|\bsimply) ask(?: me)?[.!]*$|[^.\n]{0,60}\b(?:generated|written"
    r"|produced) (?:automatically|by (?:an? )?(?:ai|model)\b)",
    rf"in (?:this|the new|my) (?:{_TEXT}|revision)\b|(?:the|this|your) (?:task|request|job)\b",
    r"no (?:\w+ )?(?:further|other|additional|more)? ?(?:changes|edits|modifications|revisions|corrections"
    r"|adjustments)\b",
    r"(?:good luck|cheers|best(?: regards| wishes)?|regards|sincerely|enjoy)\b[^.!?\n]{0,20}[.!,]?$|thanks?\b"
    r"|you(?:'|\u2019)re welcome\b",
    r"(?:as|per) (?:(?:you|your) )?(?:requested|asked|instruct\w+|request)\b|(?:as|per) (?:the|your) (?:rules"
    r"|instructions|request|guidelines)\b",
    r"(?:the|this) (?:above|preceding|foregoing)\b[^.\n]{0,20}\b(?:is|are) (?:the|your|a)\b[^.\n]{0,40}\b"
    rf"(?:{_NAMED}|{_TEXT})\b",
    r"end of (?:the )?(?:page|text|rewrite|document|response|output)\b|(?:approximate )?word count\b",
    r"(?:a )?(?:summary|list|overview|explanation|description) of (?:what (?:was|i|has been) |the |my "
    r"|all )?(?:done|did"
    r"|changed?|changes|edits|modifications|improvements|removed)\b",
    rf"(?:[^.\n]{{0,60}} )?(?:this|the|my|above) (?:re-?write|re-?writing|re-?writ\w+ {_TEXT}|re-?written"
    rf"|re-?formatted)\b",
    rf"[^.\n]{{0,80}}\b(?:the|your) original (?:{_TEXT}|post|source|question)\b|(?:the|this) {_TEXT} (?:is|are"
    rf"|reads|looks) now\b",
    rf"[^.\n]{{0,80}}\byour (?:{_TEXT}|request|instructions|post|input|needs|class|students|audience)\b",
)
# Headings over a list of what was done.
_CHANGES = re.compile(
    r"^[ \t#>*_(\[-]{0,8}(?:(?:a |the )?(?:list|summary|overview|explanation) of )?(?:the |my |some )?(?:key |main )?"
    r"(?:(?:changes|edits|modifications|adjustments|improvements|revisions)(?: (?:i(?:'ve|\u2019ve| have)?"
    r"|that were|were)?"
    r"[ \t]*(?:made|applied|done))?|what (?:i(?:'ve|\u2019ve| have)?|was|has been) (?:changed|removed|did|done"
    r"|kept|improved)"
    r"|(?:notes?|comments?|remarks?) (?:on|about|regarding) (?:the |my |this )?(?:changes|edits|re-?writ\w+"
    r"|revision|version"
    r"|text|page)|(?:editor(?:'s|\u2019s|ial)?|re-?writing|revision|change) (?:notes?|log))[ \t:*_.)\]-]{0,8}$",
    re.IGNORECASE | re.MULTILINE,
)
# What is done to a text, and mostly to a formula, too: the object decides.
_ACT = _any_of(
    r"\b(?:re-?(?:wr[io]t|word|format|structur|organi[sz]|phras|work|arrang|vis)\w*|remov\w+|omit\w*|drop(?:s"
    r"|ped|ping)?|kept"
    r"|keep(?:s|ing)?|preserv\w+|retain\w*|maintain\w*|improv\w+|expand\w*|clean\w*|delet\w+|strip(?:s|ped|ping)?"
    r"|edit(?:s|ed|ing)?|polish\w*|streamlin\w+|condens\w+|shorten\w*|clarif\w+|translat\w+|convert\w*"
    r"|correct(?:s|ed|ing)"
    r"|fix(?:e[sd]|ing)?|simplif\w+|add(?:s|ed|ing)?|chang\w+|adapt\w*|adjust\w*|exclud\w+|summari[sz]\w+|paraphras\w+"
    r"|proofread|unchanged|gone|go|follow(?:s|ed|ing)?|wrote|write|written|writing|discard\w*|eliminat\w+|cut|trim\w*"
    r"|tid(?:y|ied)\w*|updat\w+|produc\w+|structur(?:ed|ing)|enhanc\w*|moved|included|ensur\w+|made|make"
    r"|skip\w*|ignor\w+"
    r"|filter\w*|left|leav(?:e|es|ing)|took|taken?|standardi[sz]\w+|fus(?:ed|ing)|merg(?:ed|ing)|transform\w*)\b"
)
# Parts of a web page and of its wording, which no mathematician changes.
_PAGE_PARTS = _any_of(
    r"\b(?:(?:hyper)?links?|menus?|navigation\w*|nav|footers?|headers?|sidebars?|banners?|boilerplate"
    r"|advert\w*|ads|log-?ins?"
    r"|sign-?ups?|user ?names?|time ?stamps?|meta-?data|html|mark-?up|markdown|web ?(?:page|site)s?|formatting"
    r"|layout|wording"
    r"|typos?|grammar|spelling|readability|clarity|concise\w*|clearer|phrasing|e-?mails?(?: addresses)?"
    r"|identif(?:y|ying) \w+"
    r"|personal (?:information|data|details)|guidelines|instructions|page elements|terms of (?:use|service)|copyright"
    r"|(?:irrelevant|unnecessary|extraneous|non-?math\w*|unrelated|superfluous|redundant) (?:\w+ ){0,2}(?:text|content"
    r"|material|parts?|information|elements?|details?|stuff|noise)|share (?:buttons?|links?)|buttons?"
    r"|posters?(?:'s)? names?"
    r"|clutter|eas(?:ier|y) to (?:read|follow|understand)|disclaimers?|signatures?|html|url|urls|hashtags?"
    r"|re-?writing)\b"
)
_TEXT_PARTS = _any_of(
    rf"\b(?:{_TEXT}s?|contents|posts?|passage|dates?|names?|sentences?|paragraphs?|sections?|headings?|words|language"
    r"|structure|style|tone|flow|original|information|details?|explanations?|everything|nothing|notation|latex|source"
    r"|definitions?|context|output|response|prompt|facts?|formulas?|numbers?|steps|presentation"
    r"|organi[sz]ation|comments?)\b"
)
# Parts that a page and its mathematics share: `has been expanded` is said of the one, `are removed` of the other.
_WHOLE_PARTS = _any_of(
    r"\b(?:solutions?|explanations?|steps?|questions?|answers?|problems?|examples?|numbers|formulas|notation"
    r"|nothing(?: else)?|data"
    r"|calculations?|derivations?|mathematics|math|reasoning|definitions?|everything(?: else)?)\b[^.;\n]{0,40}"
    rf"(?:\b(?:has|have|had) been (?:\w+ ){{0,2}}|\b(?:is|are|was|were|remains?|stays?"
    rf"|left) (?:\w+ ){{0,2}}){_EDITED}\b"
)
# Words about what was given: where the page itself speaks so, its source does.
_OF_SOURCE = _any_of(
    r"\b(?:the|this) (?:given |original |input |source |web ?)?(?:page|input|source|original|prompt"
    r"|post)\b(?: text| itself)?"
    r"(?:,? (?:contains?|has|had|does|did|said|also|is a|was)\b|, the\b)|\b(?:not|isn't|non-?) ?mathematic\w*\b",
    rf"\b(?:start|beginning) of (?:the )?(?:new |re\w+ )?{_TEXT}\b",
)
_EDITS = _any_of(
    r"\b(?:re-?(?:writ|wrote|word|format|phras|work)\w*|edit(?:ed|ing)?|polish\w*|proofread\w*"
    r"|clean\w*(?: \w+)? up|cleaned"
    r"|paraphras\w+|streamlin\w+)\b"
)
_ACT_FIRST = _any_of(
    r"(?:also |things |parts |text |content |what was |items )?(?:removed|omitted|dropped|deleted|kept"
    r"|preserved|retained|added"
    r"|changed|fixed|cleaned|corrected|left out|improved|edited|excluded|stripped|unchanged)(?: \w+)?[ \t*_]*:"
)
_PASSIVE = _any_of(
    r"\b(?:is|are|was|were|been|being|be|got|gets?)(?: \w+){0,2} (?:removed|omitted|dropped|deleted|stripped"
    r"|discarded|left out"
    rf"|excluded|cut|eliminated|trimmed|skipped|added|gone|{_EDITED})\b"
)
_PERSON = re.compile(r"\bI(?=['\u2019 ][ \t]?[a-z])|(?i:\b(?:me|my|mine|myself|you|your|yours|yourself)\b)")
# Words of mathematics: they make what a person or a participle says the page's own.
_MATH = _any_of(
    r"\b(?:roots?|signs?|parenthes[ei]s|brackets?|terms?|solutions?|equations?|inequalit\w+|theorems?|lemmas?"
    r"|coroll\w+|proofs?"
    r"|prov(?:e|es|ed|ing)|factor\w*|coefficients?|variables?|expressions?|fractions?|sums?|products?"
    r"|quotients?|differences?"
    r"|squar\w+|cub(?:es?|ic)|deriv\w+|integra\w+|functions?|values?|zeros?|exponent\w*|powers?|units?|sides?"
    r"|rectang\w+"
    r"|triang\w+|angles?|circles?|graphs?|plots?|lines?|ax[ie]s|vert(?:ex|ices)|matri(?:x|ces)|vectors?"
    r"|determinants?|limits?"
    r"|series|sequences?|polynomials?|quadratic\w*|linear\w*|log\w*|(?:co)?sine|tangents?|probabilit\w+|distributions?"
    r"|means?|median|variance|random|integers?|primes?|rational|irrational|real|complex|negatives?|positives?|even|odd"
    r"|greater|less|equal\w*|divi[ds]\w+|multipl\w+|subtract\w*|addition|cancel\w*|substitut\w+|comput\w+|calculat\w+"
    r"|algebra\w*|geometr\w+|calculus|trigonometr\w+|areas?|volumes?|perimeters?|lengths?|widths?|heights?|radi(?:us|i)"
    r"|diameters?|distances?|speeds?|rates?|ratios?|percent\w*|degrees?|subsets?|elements?|groups?|rings?"
    r"|intervals?|domain"
    r"|range|axioms?|conjectures?|contradict\w+|induction|hypothes\w+|approximat\w+|decimals?|digits?|numerators?"
    r"|denominators?|remainders?|modul\w+|congruen\w+|symmetr\w+|parallel|perpendicular|diagonals?|slopes?"
    r"|intercepts?|curves?"
    r"|surfaces?|planes?|points?|coordinates?|minim\w+|maxim\w+|average|total|dice|coins?|cards?|numbers? line"
    r"|radicals?"
    r"|orders?|orientation|direction|continuity|constants?|arithmetic|halve[sd]?|doubl\w+|triples?|twice|half"
    r"|differentiat\w+|pythagor\w+|permut\w+|combinat\w+)\b"
)
_TEACHING = _any_of(
    r"\b(?:answers?|questions?|problems?|exercises?|examples?|solv\w+|find\w*|draw\w*|show\w*|explain\w*"
    r"|check\w*|verif\w+"
    r"|definitions?|assum\w+|given|hence|therefore|thus|evaluat\w+|introduction|background|overview|conclusion"
    r"|set-?up|recall"
    r"|hints?|statement|methods?|idea|formulas?|numbers?|steps?|case|claim|facts?|q\.?e\.?d|quod|end|done by"
    r"|goal|tr(?:y|ied)"
    r"|rules?|simplif\w+|count\w*|practice|because|since|figure|diagram|table|section|chapter|part|topic|lesson)\b"
)
_FORMULA = re.compile(r"[$\\=\d]")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_LIST_MARK = re.compile(r"^[ \t]*\d{1,2}[.)][ \t]+", re.MULTILINE)
# Words that say nothing of where a sentence comes from.
_COMMON = frozenset(
    [
        "the",
        "and",
        "for",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "been",
        "will",
        "would",
        "can",
        "could",
        "should",
        "this",
        "that",
        "these",
        "those",
        "with",
        "from",
        "into",
        "not",
        "but",
        "all",
        "any",
        "you",
        "your",
        "its",
        "our",
        "his",
        "her",
        "their",
        "there",
        "here",
        "they",
        "them",
        "then",
        "than",
        "also",
        "only",
        "just",
        "let",
        "what",
        "which",
        "who",
        "how",
        "does",
        "did",
    ]
)
_ENGLISH = _COMMON | {"of", "to", "we", "my", "by", "if", "it", "let", "why"}
_FOREIGN = frozenset(
    "ich habe die der das und hier ist le la les je el lo una il ho ecco aqui een het ik eu".split()  # noqa: SIM905
)
_OTHER_SCRIPT = re.compile(r"[\u0400-\u1fff\u2e80-\udfff\uf900-\ufaff]")
MAX_SENTENCE_CHARS = 400
_LEAST_WORDS = 12  # of the rest of an answer, to say that other words are in another language
_SOLUTIONS = _any_of(r"\bsolutions?\b")
_SPEAKER = _any_of(r"\b(?:i|we|me|my|us|let's|this|the (?:page|text|version|content|document))\b")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+|\n+(?=[ \t]*(?:[^\w\s]|\d|[A-Z]))")
_RULE = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]*")
_AROUND = " \t\n#>*_([]\"'`~-"  # what decorates words, and says nothing
_NOTE = _any_of(
    r"(?:(?:please )?note(?: that)?|nb|n\.b\.|p\.?s\.?|remark|disclaimer|overall|in summary"
    r"|summary)[ \t*_]*[:,.)\u2014-]?[ \t*_]*"
)
_QUOTES = ('"""', "'''")
_OBJECT = re.compile(r"\{\s*\"[\w -]{1,40}\"\s*:")
# Tags that wrap answers, and the names of roles where their tokens are gone: a second turn, or a wrapper left open.
_LEFT_OVER = re.compile(
    r"^[ \t]*(?i:</?(?:answer|response|final_answer|output|page|rewritten\w*|new_text|result)>)"
    r"|(?i:</(?:answer|response|final_answer|output|page|rewritten\w*|new_text|result)>)[ \t]*$|^(?:assistant"
    r"|user)[ \t]*$"
    r"|(?<=[.!?$})\]])(?:assistant|user)[ \t]*$|^[^\w\n]{0,4}(?:Human|User|USER|Assistant|ASSISTANT|AI"
    r"|Instruction)[ \t]*:"
    r"|^[^\w\n]?(?:EOF|(?:END|DONE) OF [A-Z ]{1,20})[^\w\n]?$|(?i:\bas an AI (?:language )?(?:model|assistant)\b)"
    r"|(?:^|(?<=[.!?] ))(?i:wait|hmm+|actually),? (?:I should|I need to|let me|no,|that's not|I made)[^\n]*",
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


class _Words:
    """The words of an answer and of its source, by which words of neither are told."""

    def __init__(self, answer: str, source: str) -> None:
        self._answer = Counter(_stems(answer))
        stems = _stems(source)
        self._source, self._pairs = set(stems), set(pairwise(stems))
        self._in_order = f" {' '.join(stems)} "
        self._sentences = {" ".join(_stems(sentence)) for sentence in _SENTENCE_END.split(source)}
        self._strange, self._source_strange = len(_OTHER_SCRIPT.findall(answer)), bool(_OTHER_SCRIPT.search(source))

    def quotes(self, words: str) -> bool:
        """Tell whether the words stand in the source: as a sentence, in order, or with few of them changed."""
        stems = _stems(words)
        joined = " ".join(stems)
        if not stems or joined in self._sentences or (len(stems) > 3 and f" {joined} " in self._in_order):
            return bool(stems)
        pairs = list(pairwise(stems))
        return (
            self.new_share(words, of_page=False) <= 0.1
            and 2 * sum(map(self._pairs.__contains__, pairs)) >= len(pairs) > 2
        )

    def new_share(self, words: str, of_page: bool = True) -> float:
        """Return the share of words of 3 and more letters that neither the source has nor, `of_page`, the other words."""
        own = Counter(_stems(words))
        telling = [word for word in own if len(word) > 2 and word not in _COMMON]
        new = [
            word for word in telling if word not in self._source and not (of_page and self._answer[word] > own[word])
        ]
        return len(new) / len(telling) if telling else 1.0

    def foreign(self, words: str) -> bool:
        """Tell whether the words are of another script or language than all else that was said or asked about."""
        own = Counter(_stems(words))
        others = self._answer.total() - own.total()
        if others < _LEAST_WORDS:
            return False
        strange = len(_OTHER_SCRIPT.findall(words))
        if strange and strange == self._strange and not self._source_strange:
            return True
        if not _ENGLISH.isdisjoint(own):
            return False
        long = [word for word in own if len(word) > 1]
        looks_so = not words.isascii() or words.rstrip(_AROUND).endswith(":") or not _FOREIGN.isdisjoint(own)
        known = any(word in self._source or self._answer[word] > own[word] for word in long)
        return len(long) > 2 and looks_so and not known and not _MATH.search(words) and not _TEACHING.search(words)


def page_of(answer: str, source: str = "") -> Page:
    """Return the page in what a model said about `source`. Raises nothing on any text, and takes time linear in both.

    What stands in the source is the page's own, whatever it says.
    """
    text = _NEWLINE.sub("\n", answer).strip("\n").rstrip()
    words = _Words(text, source)
    text, announced = _without_announcement(text, words)
    text, offered = _without_offer(text, words)
    text = _without_quotes(text)
    unwrapped = _unwrapped(text, words)
    if isinstance(unwrapped, Page):
        return unwrapped
    if unwrapped is not None:
        text, _ = _without_announcement(unwrapped, words)
    elif announced or offered:
        text = _without_rules(text)
    return _unless_it_speaks(text.strip(), words)


def _stems(text: str) -> list[str]:
    return [word.replace("\u2019", "'").rstrip("s") for word in _WORD.findall(text.casefold())]


def _without_announcement(text: str, words: _Words) -> tuple[str, bool]:
    """Take off the first lines that announce the page."""
    announced = False
    for _ in range(3):
        line, _, rest = text.lstrip().partition("\n")
        if not _ANNOUNCES.fullmatch(line.strip(_AROUND)) or words.quotes(line):
            break
        announced, text = True, rest
    return text, announced


def _without_offer(text: str, words: _Words) -> tuple[str, bool]:
    """Take off the last paragraphs that speak to whoever asked, if all of their sentences do."""
    offered = False
    for _ in range(3):
        body, gap, last = text.rstrip().rpartition("\n\n")
        if not gap:
            body, gap, last = text.rstrip().rpartition("```\n")
            body += gap[:3]
        if not gap or not last.strip(_AROUND) or len(last) > 600 or not all(map(_OFFER.match, _sentences(last))):
            break
        if words.quotes(last):
            break
        offered, text = True, body
    return text, offered


def _without_quotes(text: str) -> str:
    """Take off the quotes of a Python string around all of a page."""
    bare = text.strip()
    for quotes in _QUOTES:
        if bare.startswith(quotes) and bare.endswith(quotes) and bare.count(quotes) == 2 and len(bare) > 6:
            return bare[3:-3].strip("\n")
    return text


def _without_rules(text: str) -> str:
    """Take off a horizontal rule at either end."""
    lines = text.strip().split("\n")
    if _RULE.fullmatch(lines[0]):
        lines = lines[1:]
    if lines and _RULE.fullmatch(lines[-1]):
        lines = lines[:-1]
    return "\n".join(lines)


def _unwrapped(text: str, known: _Words) -> str | Page | None:
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
    if (most or _label(first)) and all(_is_about_the_page(part, known) for part in words):
        return inside
    if not most and _label(first) not in _MARKDOWN:
        return None
    # A block that nothing names, amid words that go on or before another block, is what the page shows.
    shown = not _label(first) and (len(words) == 2 or closing is not fences[-1])
    return (
        None
        if shown and not any(_opens(part, known) or _closes(part, known) is not None for part in words)
        else _doubtful(words[-1])
    )


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


def _is_about_the_page(behind_or_before: str, words: _Words) -> bool:
    """Tell whether each paragraph speaks of the page or to whoever asked: short, and without a formula."""
    parts = [part for part in behind_or_before.split("\n\n") if part.strip(_AROUND)]
    return (
        len(behind_or_before) <= 1000
        and "$" not in behind_or_before
        and all(_opens(part, words) or _closes(part, words) is not None for part in parts)
    )


def _sentences(paragraph: str) -> list[str]:
    bare = (sentence.strip(_AROUND) for sentence in _SENTENCE_END.split(_LIST_MARK.sub("", paragraph)))
    return [sentence for sentence in bare if sentence]


def _unless_it_speaks(text: str, words: _Words) -> Page:
    """Return the page, or the reason where its first or last words are about it, or it holds another turn's marks."""
    first = text[:4000].partition("\n\n")[0]
    if _opens(first, words):
        return _doubtful(first)
    endings = text[-4000:].split("\n\n")[-3:]
    for place, ending in enumerate(reversed(endings)):
        if (said := _closes(ending, words, is_last=place == 0 and ending != text)) is not None:
            return _doubtful(said)
    if words.foreign(endings[-1]) and not _FORMULA.search(endings[-1]):
        return _doubtful(endings[-1])
    for found in (*_CHANGES.finditer(text), *_LEFT_OVER.finditer(text)):
        line = text[text.rfind("\n", 0, found.start()) + 1 :].partition("\n")[0]
        if not words.quotes(line) and not (found.re is _CHANGES and _MATH.search(line)):
            return _doubtful(found[0])
    if _OBJECT.match(text) or text.startswith(_QUOTES) or text.endswith(_QUOTES):
        return _doubtful(text[:100])
    return _doubtful(text) if _is_said_twice(text) else Page(text)


def _opens(paragraph: str, words: _Words) -> bool:
    """Tell whether a first paragraph is before the page and not of it."""
    line = paragraph.strip(_AROUND).partition("\n")[0].strip(_AROUND)
    if words.quotes(line):
        return False
    bare = not _FORMULA.search(_LIST_MARK.sub("", paragraph))
    ordinary = _MATH.search(line) or _TEACHING.search(line)
    return bool(
        _SPEAKS_FIRST.match(line)
        or _OFFER.match(line)
        or (_ANNOUNCES.fullmatch(line) and bare)
        or (re.match(_POLITE, line, re.IGNORECASE) and bare and not ordinary)
        or (_INTENDS.match(line) and bare and not _MATH.search(line))
        or (_LABEL_FIRST.match(line) and bare and not _MATH.search(paragraph))
        or (words.foreign(line) and bare)
        or (
            line.endswith((":", "!")) and bare and not ordinary and words.new_share(line) == 1 and len(line.split()) < 5
        )
        or any(_is_of_the_task(sentence, words) for sentence in _sentences(paragraph)[:8])
    )


def _closes(paragraph: str, words: _Words, is_last: bool = False) -> str | None:
    """Return what a last paragraph says of the page or to whoever asked, None if it is the page's own."""
    if words.quotes(paragraph):
        return None
    sentences = _sentences(paragraph)
    for sentence in (*sentences[:4], *sentences[-4:]):
        if (_OFFER.match(sentence) and not words.quotes(sentence)) or _is_of_the_task(sentence, words):
            return sentence
    is_short = len(_stems(paragraph)) in range(1, 5) and paragraph.strip(_AROUND).endswith(("!", "?", ":"))
    ordinary = _FORMULA.search(paragraph) or _MATH.search(paragraph) or _TEACHING.search(paragraph)
    return paragraph if is_last and is_short and not ordinary and words.new_share(paragraph) == 1 else None


def _is_of_the_task(sentence: str, words: _Words) -> bool:
    """Tell whether a sentence speaks of the rewriting, or to whoever asked for it."""
    sentence = sentence[:MAX_SENTENCE_CHARS]
    if words.quotes(sentence):
        return False
    said = sentence[note.end() :] if (note := _NOTE.match(sentence)) else sentence
    mathematical, exact = _MATH.search(said), _FORMULA.search(said)
    of_formulas = _MATH.search(_SOLUTIONS.sub("", said))
    by_a_person = _PERSON.search(said)
    if _ACT.search(said) and _PAGE_PARTS.search(said) and (by_a_person or not exact):
        return True
    if _OF_SOURCE.search(said) and "$" not in said:
        return True
    if exact:
        return bool(_ASKS.match(said) and not of_formulas and "$" not in said)
    if not of_formulas and (_ASKS.match(said) or _ACT_FIRST.match(said) or _WHOLE_PARTS.search(said)):
        return True
    if mathematical or words.new_share(said) < 0.5:
        return False
    return bool(
        (_ACT.search(said) and _TEXT_PARTS.search(said) and (_PASSIVE.search(said) or re.search(_SPEAKER, said)))
        or (_PERSON.search(said) and (_EDITS.search(said) or not _TEACHING.search(said)))
        or (_PASSIVE.search(said) and not _TEACHING.search(said))
    )


def _is_said_twice(text: str) -> bool:
    """Tell whether the page's paragraphs, but for their spacing, come again."""
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip(_AROUND)]
    half = text.split()
    if text.count(text[:40]) > 3:
        return False  # a loop, which repetition measures
    if len(half) >= 16 and half[: len(half) // 2] == half[len(half) // 2 :]:
        return True
    long = Counter(part for part in paragraphs if len(part) >= 20)
    again = sum(times - 1 for times in long.values())
    return again > 1 and 5 * again >= 2 * long.total()


def _doubtful(words: str) -> Page:
    return Page(None, REMARKS, f"words that may be no part of the page: {' '.join(words[:200].split())[:100]!r}")
