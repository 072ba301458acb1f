"""A row as tokens, with labels on what the assistant said and on nothing else.

The text is that of the serving template, letter by letter; those here only add where the model speaks.
Control tokens come from the template alone: a message that says "[INST]" or "<|im_end|>" only quotes them.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

from errors import PartMissing
from training.conversation import Unfit, conversation, definitions
from training.row import Row

TEMPLATES = Path(__file__).resolve().parent / "templates"
IGNORED = -100
# Where TRL's template of gpt-oss begins with the messages.
MESSAGES_BEGIN = "{#- Render messages #}"
# Characters that Unicode promises never to give a meaning.
NO_CHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
Span = tuple[int, int]


@dataclass(frozen=True)
class Sample:
    """Token ids and labels [tokens]; a label is the id itself where the model is to learn it, else -100."""

    ids: list[int]
    labels: list[int]

    @property
    def supervised(self) -> int:
        """Tokens that are learnt."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class Renderer:
    """A tokenizer with the training template of a family: the serving one, and where the assistant speaks."""

    tokenizer: Any
    family: str

    @cached_property
    def template(self) -> str:
        """The training template."""
        own = (TEMPLATES / f"{self.family}.jinja").read_text(encoding="utf-8")
        return _first_part_of_trl() + own if self.family == "gpt-oss" else own

    def sample(self, row: Row) -> Sample:
        """The row, whole.

        Raises:
            Unfit: the row is none that a model server would take, or nothing in it is learnt.
        """
        text, spans, mark = self._marked(row)
        pieces = list(self._pieces(text, spans))
        plain = [piece.replace(mark, "") for piece, control, _ in pieces if not control]
        words = iter(self._tokens(plain)["input_ids"])
        sample = Sample([], [])
        for piece, control, spoken in pieces:
            ids = [self._controls[piece]] if control else next(words)
            sample.ids.extend(ids)
            sample.labels.extend(ids if spoken else [IGNORED] * len(ids))
        if not sample.supervised:
            raise Unfit("nothing in it is learnt")
        return sample

    def text(self, row: Row) -> str:
        """What a model is shown of a row.

        Raises:
            Unfit: as for `sample`.
        """
        return self._rendered(conversation(row, self.family), definitions(row))[0]

    def unlike(self, row: Row) -> str | None:
        """Where the tokenizer's own template shows a model something else; None where it does not.

        Raises:
            Unfit: as for `sample`.
        """
        if not self.tokenizer.chat_template:
            return None
        from jinja2 import TemplateError

        messages, tools = conversation(row, self.family), definitions(row) or None
        ours = self.text(row)
        try:
            theirs = self.tokenizer.apply_chat_template(messages, tools, tokenize=False)
        except TemplateError as error:
            return f"it is refused there: {error}"
        at = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ours, theirs, strict=False)))
        return None if ours == theirs else f"{ours[at : at + 40]!r} is {theirs[at : at + 40]!r} there"

    def places(self, texts: Sequence[str]) -> list[list[Span]]:
        """Where each token of each text stands in it: (begin, end) in characters, which are never divided."""
        return list(self._tokens(list(texts), return_offsets_mapping=True)["offset_mapping"]) if texts else []

    def painted(self, sample: Sample) -> list[tuple[str, bool]]:
        """A sample as text, in pieces of what is learnt (True) and what is not; no character is divided."""
        told = zip(sample.ids, (label != IGNORED for label in sample.labels), strict=True)
        return [
            (self.tokenizer.decode([one for one, _ in group], clean_up_tokenization_spaces=False), learnt)
            for learnt, group in groupby(told, key=lambda pair: pair[1])
        ]

    @cached_property
    def _controls(self) -> dict[str, int]:
        added = self.tokenizer.added_tokens_decoder
        return {token.content: number for number, token in added.items() if token.special}

    @cached_property
    def _control(self) -> re.Pattern[str]:
        longest_first = sorted(self._controls, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def _marked(self, row: Row) -> tuple[str, list[Span], str]:
        """The text, where the assistant speaks in it, and the sign that marks quoted control tokens in it."""
        messages, tools = conversation(row, self.family), definitions(row)
        text, spans = self._rendered(messages, tools)
        mark = next(sign for sign in NO_CHARACTERS if sign not in text)

        def kept_apart(words: str) -> str:
            return self._control.sub(lambda found: found[0][0] + mark + found[0][1:], words)

        quoted = [_mapped(messages, kept_apart), _mapped(tools, kept_apart)]
        if quoted != [messages, tools]:
            text, spans = self._rendered(*quoted)
        return text, spans, mark

    def _rendered(self, messages: list[Any], tools: list[Any]) -> tuple[str, list[Span]]:
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            texts, spans = render_jinja_template(
                conversations=[messages],
                tools=tools or None,
                chat_template=self.template,
                return_assistant_tokens_mask=True,
                **self.tokenizer.special_tokens_map,
            )
        except TemplateError as error:
            raise Unfit(str(error)) from error
        except TypeError as error:  # gpt-oss adds words to whatever a tool gives as a default
            raise Unfit("tools that the template cannot render") from error
        return texts[0], spans[0]

    def _pieces(self, text: str, spans: Sequence[Span]) -> Iterator[tuple[str, bool, bool]]:
        """The text in pieces that are tokenized apart: (piece, is it a control token, is it learnt)."""
        edges = [(end, spoken) for start, stop in spans for end, spoken in ((start, False), (stop, True))]
        begun = 0
        for end, spoken in [*edges, (len(text), False)]:
            for found in self._control.finditer(text, begun, end):
                if found.start() > begun:
                    yield text[begun : found.start()], False, spoken
                yield found[0], True, spoken
                begun = found.end()
            if end > begun:
                yield text[begun:end], False, spoken
            begun = end

    def _tokens(self, texts: list[str], **more: Any) -> Mapping[str, list[Any]]:
        how = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        try:
            found = self.tokenizer(texts, **how, **more)
        except (TypeError, UnicodeEncodeError) as error:
            raise Unfit("text that is no Unicode") from error
        return dict(found)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every string in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_mapped(key, change): _mapped(item, change) for key, item in value.items()}
    return [_mapped(item, change) for item in value] if isinstance(value, list) else value


def _first_part_of_trl() -> str:
    spec = importlib.util.find_spec("trl")
    path = Path(spec.origin or "").parent / "chat_templates" / "gptoss.jinja" if spec else None
    if path is None or not path.is_file():
        raise PartMissing("TRL is missing or not the pinned one: run `make setup-train`.")
    return path.read_text(encoding="utf-8").partition(MESSAGES_BEGIN)[0]
