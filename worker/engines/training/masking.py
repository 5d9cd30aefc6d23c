"""Rows of text, prompts and conversations as tokens, each with whether it is to be learned.

Of a prompt or a conversation the answers alone are learned, each with the token that ends it. A chat template need not
mark the answers: where each begins and ends is told by rendering the conversation up to it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from shared.errors import JobError

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:\n{{ message['content'] }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)
"""The form of conversations for a base that knows none."""

_MARKED = re.compile(r"{%-?\s*generation\b")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """Tokens of one row, or of a part of it, and of each whether it is to be learned."""

    tokens: Sequence[int]
    learned: Sequence[bool]
    name: str

    @property
    def weight(self) -> int:
        """How many tokens it teaches."""
        return sum(self.learned)


@dataclass(frozen=True)
class Read:
    """What came of the rows: examples, rows that lost their end, and rows of which nothing to learn was left."""

    examples: list[Example]
    shortened: int
    dropped: int


class Reader:
    """Makes examples of rows with one tokenizer, none longer than `longest` tokens."""

    def __init__(self, tokenizer: Any, longest: int, *, answers_only: bool = True, joined: bool = False) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        self.answers_only, self.joined = answers_only, joined

    def read(self, rows: Sequence[Row], *, needed: bool = True) -> Read:
        """The examples of some rows.

        Raises:
            JobError: they are `needed`, and of all rows nothing to learn is left.
        """
        examples: list[Example] = []
        shortened = dropped = 0
        for name, tokens, learned in self._rows(rows):
            kept = self._kept(name, tokens, learned)
            shortened += len(tokens) > self.longest
            if kept.weight:
                examples.append(kept)
            else:
                dropped += 1
        if needed and not examples:
            raise JobError(
                "nothing_to_learn",
                f"No row has anything left to learn within {self.longest:,} tokens: every answer is cut off. Allow "
                "longer examples.",
                field="max_length",
            )
        return Read(examples, shortened, dropped)

    def example(self, row: Row) -> Example:
        """A prompt with its completion, or a conversation of which the last answer alone is learned."""
        tokens, learned = self.answered(row)
        if "messages" in row or self.tokenizer.chat_template:
            learned = _last_run(learned)
        return self._kept(called(row), tokens, learned)

    def prompt(self, row: Row) -> tuple[list[dict[str, str]] | str, str]:
        """What a model is asked for this row, as messages or plain text, and what the row answers."""
        if "messages" in row:
            messages = [{"role": each["role"], "content": each["content"]} for each in row["messages"]]
            last = max((at for at, each in enumerate(messages) if each["role"] == "assistant"), default=0)
            return messages[:last], messages[last]["content"]
        if "prompt" in row:
            wanted = row.get("completion", row.get("chosen", ""))
            wanted = wanted if isinstance(wanted, str) else wanted[-1]["content"]
            if not isinstance(row["prompt"], str):
                return [dict(each) for each in row["prompt"]], wanted
            if self.tokenizer.chat_template:
                return [{"role": "user", "content": row["prompt"]}], wanted
            return row["prompt"], wanted
        words = str(row["text"])
        cut = max(1, min(len(words) // 3, 80))
        return words[:cut], words[cut:]

    def _kept(self, name: str, tokens: Sequence[int], learned: Sequence[bool]) -> Example:
        return Example(tokens[: self.longest], _predicted(learned[: self.longest]), name)

    def _rows(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[int], list[bool]]]:
        if rows and "text" in rows[0]:
            yield from self._texts(rows)
            return
        for row in rows:
            tokens, learned = self.answered(row)
            yield called(row), tokens, learned

    def _texts(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[int], list[bool]]]:
        """Texts in pieces that fit, so that nothing is cut off; joined ones as if they were one text."""
        texts = [(called(row), self._ended(self.tokenizer(row["text"])["input_ids"])) for row in rows]
        if self.joined:
            texts = [(called(rows[0]), [token for _, tokens in texts for token in tokens])]
        for name, tokens in texts:
            for begin in range(0, len(tokens), self.longest):
                piece = tokens[begin : begin + self.longest]
                if len(piece) > 1:
                    yield name, piece, [True] * len(piece)

    def answered(self, row: Row) -> tuple[list[int], list[bool]]:
        """The tokens of a prompt with its completion or of a conversation, and which belong to answers."""
        if "messages" in row:
            tokens, learned = self._chat(row["messages"])
        elif self.tokenizer.chat_template:
            turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
            tokens, learned = self._chat(turns)
        else:
            # Apart, as they come when text is generated: the prompt's last token never reaches into the answer.
            asked = list(self.tokenizer(row["prompt"])["input_ids"])
            said = self._ended(self.tokenizer(row["completion"], add_special_tokens=False)["input_ids"])
            tokens, learned = asked + said, [False] * len(asked) + [True] * len(said)
        return tokens, learned if self.answers_only else [True] * len(tokens)

    def _chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], list[bool]]:
        turns = [{"role": each["role"], "content": each["content"]} for each in messages]
        if _MARKED.search(str(self.tokenizer.chat_template)):
            marked = self.tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
            return list(marked["input_ids"]), [bool(each) for each in marked["assistant_masks"]]
        text = self._render(turns)
        spans: list[tuple[int, int]] = []
        for at, turn in enumerate(turns):
            if turn["role"] == "assistant":
                spans.append(self._span(turns, at, text, spans[-1][1] if spans else 0))
        said = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        learned = [
            any(begin < end and begin < last and end > first for first, last in spans)
            for begin, end in said["offset_mapping"]
        ]
        return list(said["input_ids"]), learned

    def _span(self, turns: list[dict[str, str]], at: int, text: str, since: int) -> tuple[int, int]:
        """Where in the whole text the answer at this place begins, and where the token that ends it does."""
        upto = self._render(turns[: at + 1])
        before = self._render(turns[:at], prompted=True) if at else ""
        if at and text.startswith(before) and text.startswith(upto):
            return len(before), len(upto.rstrip())
        # A form that draws turns otherwise once others follow: the answer's own words are found in it.
        begin = text.find(turns[at]["content"], since)
        if begin < 0:
            raise JobError(
                "bad_template", "The chat template of this base leaves an answer out, so it cannot be learned."
            )
        return begin, begin + len(turns[at]["content"])

    def _render(self, turns: list[dict[str, str]], *, prompted: bool = False) -> str:
        try:
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompted))
        except TemplateError as error:
            raise JobError("bad_messages", f"The base does not accept a conversation: {error}.") from error

    def _ended(self, tokens: Sequence[int]) -> list[int]:
        end = self.tokenizer.eos_token_id
        return list(tokens) if end is None or (tokens and tokens[-1] == end) else [*tokens, end]


def called(row: Row) -> str:
    """What a row is called in a sentence: the line or the file it came from."""
    line = row.get("line", "?")
    return f"line {line}" if isinstance(line, int) else str(line)


def _last_run(learned: Sequence[bool]) -> list[bool]:
    """Only the last stretch of tokens in a row that are learned."""
    end = max((at for at, each in enumerate(learned) if each), default=-1)
    begin = end
    while begin > 0 and learned[begin - 1]:
        begin -= 1
    return [begin <= at <= end for at in range(len(learned))]


def _predicted(learned: Sequence[bool]) -> list[bool]:
    """Without the first token, which nothing comes before."""
    return [False, *learned[1:]]
