"""A value beside the name of a secret: what joins the two, and whether a bare word there is a value."""

from __future__ import annotations

import re
from typing import NamedTuple

_VALUE = (
    r"(?!(?:\"\"|'')(?:[\s.,;)\]}+%]|$))(?:[bBrRuUfFN]{1,2}(?=[\"'])|@(?=\"))?"
    r"(?:\"+(?P<v1>[^\"\n]{1,200})\"|'+(?P<v2>[^'\n]{1,200})'"
    r"|`+(?P<v3>[^`\n]{1,200})`|[«“]\s?(?P<v4>[^»”\n]{1,200}?)\s?[»”]"
    r"|[\"'`]{0,8}(?P<v5>[^\s\"'`<>«»“”|]{1,128}))"
)
ASSIGNED = re.compile(
    r"(?P<joint>(?:\s#?\d{1,2})?(?:[\"'`]{1,8}\])?[\"'`*_)]{0,8}[ \t]{0,4}"
    r"(?::[ ]?[A-Za-z]\w{1,20}(?:\[\w{1,20}\])?\??[ ]?(?==[ ]?[\"']))?"  # the type between
    r"(?:=>|->|→|:=|[:=](?![:=~])|(?<=\s)[|–—-](?=\s))[*_]{0,2}[ \t]{0,8}"
    # YAML's anchors and tags, and its block of one line
    r"(?:(?:(?<=:\s)(?:&\w{1,30}|!!str|!!binary|!unsafe)[ \t]{1,4})|(?<=:"
    r"\s)[|>][+-]?[ \t]{0,4}\n[ \t]{1,40})?)" + _VALUE
)
ELEMENT = re.compile(r"(?P<joint>[\"']?>)\s*(?P<v5>[^\s<>]{3,128})(?=\s*</)")
# The value of a record whose name is the secret's, or what a variable is when nothing else is given.
RECORD = re.compile(
    r"(?P<joint>[\"']{0,8}[\s,;]{1,40}[\"']{0,8}(?:Parameter)?[vV]alue[\"']{0,8}\s?[:=]\s?"
    r"|[\"']\s?\{(?:[^{}]|\{[^{}]{0,100}\}){0,200}?\bdefault\s*=\s*"
    r"|[\"']\s?:\s?\{\s{0,20}[\"']value[\"']\s?:\s?)" + _VALUE
)
# A second argument, that of a setter or a constructor, what is typed into a field, what is taken otherwise.
ARGUMENT = re.compile(
    r"(?P<joint>[\"']{1,8}\s{0,4},\s{0,4}|\s{0,4}(?:\?\?|\|\||[=!]==?)"
    r"\s{1,4}|[\"'\]]{1,4}\)\.(?:type|fill|send_?[kK]eys|set_?[vV]alue)\("
    r"|(?:\s{0,4}[:=]\s{0,4}(?:String::from|Some|\w{0,20}(?:Secret|Password)\w{0,20}|[\w.]{0,20}b64decode"
    r"|Buffer\.from))?\(\s{0,4}|\s{0,4}[:=][^\n\"';]{1,40}(?:[\"'][^\n\"']{1,40}[\"'][^\n\"';]{1,10})?"
    r"(?:\?\?|\|\||\bor)\s{1,2})(?=(?:[bBrRuUfFN]{1,2}|@)?[\"'`])" + _VALUE
)
BESIDE = re.compile(r"(?P<joint>[ \t]+\(?)" + _VALUE)
# The words that may lead from a name to its value, and what then introduces it.
_WAY = (
    r"for|of|to|on|in|at|from|with|we|i|you|there|here|below|now|still|is|was|has|generated|set|reset"
    r"|changed|updated|que|de|del|para|al|en|por|aquí|aqui|abajo|api|secreta|privada|maestra|actual|nueva|vieja|antigua|anterior|ahora"
    r"|ftp|ssh|sftp|wi-?fi|vpn|smtp|mysql|postgres|redis|admin|root|db|database|email|correo|panel"
    r"|server|servidor"
)
SPOKEN = re.compile(
    rf"(?P<joint>(?:\s(?:{_WAY})\b"
    r"(?:\s(?!user|name|and\b|or\b|email|that\b|if\b|when\b|url|port\b|y\b|que\b)"
    r"['’@/\w-]{1,30}(?:\.[\w-]{1,30}){0,4}){0,7}?)?(?:\s?\([^()\n]{1,30}\))?"
    r"(?:(?:['’]s|\s(?:is|was|es|era|será|fue|remains|sigue\ssiendo)(?:"
    r"\s(?:now|still|just|ahora|est[ea]))?)\s?:?|\s?[:=]|\s?(?:→|->)"
    r"|\s(?:to|a|set\sto|(?:will|might|may|should|must)\sbe|debe\sser|sería)))\s{1,3}" + _VALUE,
    re.IGNORECASE,
)
MORE = re.compile(r"[A-Za-z0-9+/=_.~-]*")

_LINE_BEFORE = re.compile(r"(?:\s|[-+>#*|\"'$(]|//|export|set|setx|ENV|ARG|local|declare)*")
_LINE_AFTER = re.compile(r"[\"'`*|]*[ \t]*(?:(?:#|//).*)?(?:\n|$)")
# In such a file an equals sign between spaces is none of a program.
_SETTINGS_BEFORE = re.compile(
    r"(?:^|\n)(?:\[[\w .-]+\]|(?:user\w*|login|host\w*|email) = [^\s\"'(\[]+)[ \t]*\n(?:[^\n\"'(]*\n)*$"
)
_SENTENCE_END = re.compile(r"[.,;!?)]*(?:\s*$|\s*\n|[.,;!?)]\s)")
_SETTING = (
    r"(?:host|hostname|user|username|uid|user id|dbname|database|port|server|data source|sslmode|driver)"
    r"=[^\s,;]+"
)
_SETTING_BEFORE = re.compile(
    _SETTING + r"[\s;](?:\w+=[^\s,;]+[\s;])*$|[?&;]\s?$|--(?:set|set-string|extra-vars)[= ][\"']?(?:\S*,)?$",
    re.IGNORECASE,
)
_SETTING_AFTER = re.compile(r"[\s;]" + _SETTING + "|;[A-Za-z ]{2,20}=", re.IGNORECASE)
_CLAUSE_END = re.compile(
    r"[\"'`]?\s(?:btw|by the way|pero|but|and (?:the|then|it|its|user|username|login|ssid|url|port)\b"
    r"|y (?:el|la|su|tu)\b|[(–—-])"
)
_OPENS = {")": "(", "]": "[", "}": "{"}


class Place(NamedTuple):
    """A name, a value, and what joins them."""

    scan: str
    start: int
    end: int
    joint: str
    quote: str
    value: str
    at: int

    @property
    def name(self) -> str:
        """The name as it is written."""
        return self.scan[self.start : self.end]

    @property
    def before(self) -> str:
        """What stands before the name, as far as it matters."""
        return self.scan[max(0, self.start - 80) : self.start]

    @property
    def after(self) -> int:
        """Where the value ends."""
        return self.at + len(self.value)


def placed(match: re.Match[str], start: int, end: int) -> Place:
    """The place that a joint was found at, after the name from start to end."""
    scan, group = match.string, str(match.lastgroup)
    value, at = match[group], match.start(group)
    quote = scan[at - 1]
    if group == "v5":
        to_the_end = len(value) == 128 or match.end() == len(scan) or scan[match.end()] == "\n"
        quote = (
            quote if quote in "\"'`" and to_the_end else ""
        )  # elsewhere one that is never closed opens nothing
        value = _trimmed(value)
    return Place(scan, start, end, match["joint"], quote, value, at)


def _trimmed(value: str) -> str:
    """Without what ends a sentence, a statement or a bracket."""
    value = re.split(r";$|[)\]]{1,2}\(|[;&,](?=[\w.-]+=)", value, maxsplit=1)[0]
    while value and (
        value[-1] in ".,:*" or value.count(value[-1]) > value.count(_OPENS.get(value[-1], value[-1]))
    ):
        value = value[:-1]
    return value


def is_shell(place: Place) -> bool:
    """An environment variable, an option, a query, a connection string: there a bare word is a value."""
    if place.joint != "=":
        return place.name[:2] in ("x-", "X-")
    if place.name.isupper() or place.name.startswith(("--", "TF_VAR_")):
        return True
    return bool(_SETTING_BEFORE.search(place.before) or _SETTING_AFTER.match(place.scan, place.after))


def is_alone(place: Place) -> bool:
    """A line or quotes of its own, as in settings; between spaces an equals sign may belong to a program."""
    ends = bool(_LINE_AFTER.match(place.scan, place.after))
    if "\n" in place.joint:
        return ends
    before = place.before[place.before.rfind("\n") + 1 :]
    if place.joint == " = " and _SETTINGS_BEFORE.search(place.before):
        return ends
    if place.joint != "=" and not place.joint.rstrip(" \t\"'*_").endswith((":", "alue=")):
        return False
    if before.endswith(("'", '"')) and before[-1] == place.scan[place.after : place.after + 1]:
        return not place.joint.endswith(":")
    return ends and bool(_LINE_BEFORE.fullmatch(before))


def ends_sentence(place: Place) -> bool:
    """Whether nothing but the end of a sentence or of its clause follows the value."""
    return bool(_SENTENCE_END.match(place.scan, place.after) or _CLAUSE_END.match(place.scan, place.after))
