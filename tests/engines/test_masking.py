"""What of a row is learned, token by token; and examples side by side."""

from typing import Any

import pytest

from shared.errors import JobError
from tests.engines.library import Library
from tests.engines.tiny.writers import byte_tokenizer
from worker.engines.training.masking import PLAIN_TEMPLATE, Reader
from worker.engines.training.packing import strips

MARKED = (
    "{% for message in messages %}<|{{ message.role }}|>{% if message.role == 'assistant' %}{% generation %}"
    "{{ message.content }}<|end|>{% endgeneration %}{% else %}{{ message.content }}<|end|>{% endif %}{% endfor %}"
)
TURNS = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Again"},
        {"role": "assistant", "content": "Höi 🦉"},
    ]
}


def tokenizer(template: str | None = None) -> Any:
    made = byte_tokenizer(chat=True)
    if template is not None:
        made.chat_template = template
    return made


def learned(made: Any, row: dict[str, Any], longest: int = 500, **how: Any) -> str:
    """The words that are learned."""
    (example,) = Reader(made, longest, **how).read([row]).examples
    return str(made.decode([token for token, yes in zip(example.tokens, example.learned, strict=True) if yes]))


@pytest.mark.parametrize("template", [None, MARKED])
def test_of_a_conversation_every_answer_is_learned_with_its_end_and_nothing_else(template: str | None):
    assert learned(tokenizer(template), TURNS) == "Hello<|end|>Höi 🦉<|end|>"


def test_the_plain_form_of_conversations_teaches_answers_and_their_ends():
    assert learned(tokenizer(PLAIN_TEMPLATE), TURNS) == "Hello<|end|>Höi 🦉<|end|>"


def test_the_starters_own_form(library: Library):
    from worker.engines.language import load_language_model

    made = load_language_model(library["smollm2-135m"], "cpu").tokenizer
    assert learned(made, TURNS) == "Hello<|im_end|>Höi 🦉<|im_end|>"


def test_a_form_that_draws_turns_otherwise_later_is_still_understood():
    # The thoughts of all answers but the last are left out, so no beginning is a beginning of the whole.
    shifting = (
        "{% for message in messages %}[{{ message.role }}"
        "{% if not loop.last and message.role == 'assistant' %} earlier{% endif %}]{{ message.content }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    assert learned(tokenizer(shifting), TURNS) == "HelloHöi 🦉"


def test_prompts_come_with_a_template_or_plain():
    row = {"prompt": "2+2=", "completion": "4"}
    assert learned(tokenizer(), row) == "4<|end|>"
    plain = byte_tokenizer(chat=False)
    (example,) = Reader(plain, 99).read([row]).examples
    assert plain.decode(example.tokens) == "2+2=4<|end|>"
    assert learned(plain, row) == "4<|end|>"


def test_all_may_be_learned_but_the_first_token_which_nothing_comes_before():
    assert learned(tokenizer(), TURNS, answers_only=False).startswith("Be kind.<|end|><|user|>Hi")


def test_long_texts_become_several_examples_and_short_ones_may_be_joined():
    made, rows = byte_tokenizer(chat=False), [{"text": "a" * 20}, {"text": "b" * 3}]
    apart = Reader(made, 8).read(rows)
    assert [len(each.tokens) for each in apart.examples] == [8, 8, 5, 4]
    joined = Reader(made, 8, joined=True).read(rows)
    assert [len(each.tokens) for each in joined.examples] == [8, 8, 8]
    assert (joined.shortened, joined.dropped) == (0, 0)


def test_rows_that_are_too_long_are_counted_and_where_no_answer_is_left_there_is_a_sentence():
    rows = [{"prompt": "a" * 30, "completion": "yes"}, {"prompt": "a", "completion": "b" * 50}]
    read = Reader(tokenizer(), 20).read(rows)
    assert (len(read.examples), read.shortened, read.dropped) == (1, 2, 1)
    with pytest.raises(JobError, match="every answer is cut off") as caught:
        Reader(tokenizer(), 20).read(rows[:1])
    assert caught.value.field == "max_length"


@pytest.mark.parametrize("lengths", [[5, 5, 5], [9, 1, 8, 2, 3, 7], [10], [1] * 25, []])
def test_strips_hold_every_example_once_and_are_never_too_full(lengths: list[int]):
    made = strips(lengths, 10)
    assert sorted(number for strip in made for number in strip) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in strip) <= 10 for strip in made)
    assert len(made) <= -(-sum(lengths) // 10) + 1
