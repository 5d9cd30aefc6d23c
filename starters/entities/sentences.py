"""Sentences with labelled names, made from forms and lists: news, letters, reports, chat, and sentences without any."""

import random
import re
from dataclasses import dataclass

from starters.entities.names import organisation, person, place

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]

_MAKERS = {"PER": person, "LOC": place, "ORG": organisation}
_SLOT = re.compile(r"\{(\w+)\}")
_FILLERS = {
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|yesterday|today|last week|in March|in 1998|"
    "on 4 May",
    "n": "2|3|12|40|150|1,200|three|seven|a dozen|hundreds of",
    "job": "doctor|mayor|minister|teacher|engineer|singer|lawyer|farmer|nurse|coach|painter|spokesman|president|"
    "prime minister|director|chief executive|professor|striker|journalist|poet|judge|captain|driver|student",
    "thing": "contract|report|bridge|novel|film|law|song|match|prize|meeting|plan|factory|festival|tender|"
    "school|vaccine",
    "adj": "new|old|large|famous|small|secret|final|annual|former|late|young|local|national|leading",
    "verb": "visited|left|praised|criticised|met|called|bought|sold|founded|joined|sued|defended|described|won",
    "said": "said|told reporters|announced|confirmed|denied|explained|wrote|argued|warned",
}  # fmt: skip

_NAMED = """
{PER} {said} {day} that the {thing} was ready.|{PER}, the {adj} {job} of {LOC}, {verb} the {thing} {day}.
{ORG} {verb} {ORG} {day}.|{ORG} opened a {adj} office in {LOC}.|{ORG} will build a {thing} near {LOC}.
The {adj} {job} {PER} was born in {LOC} and works for {ORG}.|{PER} of {ORG} {said} that sales in {LOC} rose.
{LOC}, {day} - {ORG} {said} that {n} people would lose their jobs.|The {job} flew from {LOC} to {LOC} {day}.
I met {PER} at a party in {LOC}.|My name is {PER} and I live in {LOC}.|Dear {PER}, thank you for your letter.
Please send the {thing} to {PER} at {ORG}.|Does {PER} still work at {ORG}?|When did {PER} move to {LOC}?
{PER} and {PER} {verb} each other in {LOC}.|{PER}'s {thing} was a success.|{ORG}'s {job} {said} nothing.
Dr. {PER} joined {ORG} {day}.|Mr {PER} and Mrs {PER} have {n} children.|President {PER} {verb} {LOC} {day}.
She studied at {ORG} and later taught in {LOC}.|He left {ORG} for {ORG} after {n} years.
According to {ORG}, the {thing} in {LOC} is {adj}.|"The {thing} is over," {said} {PER}.|Ask {PER} about it.
Police in {LOC} arrested {n} people {day}.|Heavy rain fell on {LOC} {day}.|The road from {LOC} to {LOC} is closed.
{ORG} beat {ORG} 2-1 in {LOC}.|{PER} scored twice for {ORG}.|Shares of {ORG} fell by {n} percent {day}.
{n} students from {LOC} {verb} the {thing}.|The {thing} was signed in {LOC} by {PER} for {ORG}.
A spokesman for {ORG} {said} it would appeal.|We drove through {LOC} and slept in {LOC}.|Greetings from {LOC}!
{PER} ({ORG}) won the {thing} ahead of {PER}.|In {LOC}, {PER} {verb} a {adj} {thing}.|I bought it from {ORG}.
Many people in {LOC}, {LOC} and {LOC} speak {n} languages.|{PER}, {PER} and {PER} were late.|{PER} called.
The {adj} book by {PER} is about life in {LOC}.|Her {adj} friend {PER} plays for {ORG}.|Is {LOC} far from {LOC}?
The {LOC} government {verb} the {thing}.|The {LOC} office of {ORG} will close {day}.|Thanks, {PER}!
{ORG} and {ORG} agreed on a {adj} {thing} worth {n} million.|Flights to {LOC} are cheap {day}.|{LOC} is {adj}.
The {thing}, made by {ORG}, is sold in {LOC}.|{job} {PER} {said} so {day}.|Contact: {PER}, {ORG}, {LOC}
{PER} lost her keys in the park.|I think {PER} is the best {job} in {LOC}.|The river near {LOC} is {adj}.
Yesterday {PER} {verb} the {job}, who lives in {LOC}.|A {job} from {LOC} sued {ORG} over the {thing}.
The merger of {ORG} with {ORG} was stopped {day}.|Researchers at {ORG} {said} they had found {n} cases in {LOC}.
It was {PER} who {verb} the {thing}.|Nobody at {ORG} knew {PER}.|For {PER}, {LOC} was home.|Long live {LOC}!
We hired {PER} in {day} as a {job}.|The letter from {ORG} arrived {day}.|{PER} likes tea; {PER} does not.
The {adj} {thing} of {LOC} attracts {n} visitors.|{PER} works in {LOC}.|{PER} works for {ORG} in {LOC}.
My mother was born in {LOC}, my father in {LOC}.|Who is {PER}?|Where is {LOC}?|What does {ORG} do?
Complaints about {ORG} should go to {PER}.|{PER} is the {adj} {job} at {ORG}.|{PER} and the {job} {verb} {ORG}.
"""
_UNNAMED = """
The {adj} {job} {verb} the {thing} {day}.|Please bring your own cup.|I will call you {day}.|It cost {n} euros.
The cat sleeps on the warm stove.|How do I return an order?|The {job} {said} that the {thing} was {adj}.
We ate soup, bread and cheese.|The train was {n} minutes late.|Open the window, please.|That was a {adj} idea.
They planted {n} trees behind the school.|No, thank you.|The hospital needs {adj} nurses.|My phone is broken.
The bank raised its rates {day}.|A {adj} company {verb} the {thing}.|The university is closed {day}.
The government {said} it would help.|He bought apples and rice at the market.|The city is {adj}.|It rained {day}.
Our {job} is on holiday.|Her brother {verb} a {adj} {thing}.|The river rose after the storm.|Turn left here.
The museum shows {n} paintings.|Children under six travel free.|The police {said} nothing.|Mix flour and water.
The team won {n} matches in a row.|You may pay by card or in cash.|English and French are taught here.
The password must have {n} letters.|Summer was hot and dry.|The committee {verb} the {adj} plan {day}.
My grandmother bakes the best bread.|I feel tired.|Add the eggs, then stir.|The {thing} begins at nine.
Scientists {said} the {thing} is {adj}.|The price of oil fell by {n} percent.|A dog barked all night.
"""


@dataclass(frozen=True)
class Sentence:
    """A text, and the [start, end) of each name in it with its sort."""

    text: str
    names: list[tuple[int, int, str]]


def sentences(count: int, chance: random.Random) -> list[Sentence]:
    """That many: a fifth without any name, a fifth of two sentences, a tenth with untidy writing."""
    named, unnamed = _forms(_NAMED), _forms(_UNNAMED)
    made = []
    for _ in range(count):
        one = _filled(chance.choice(unnamed if chance.random() < 0.2 else named), chance)
        if chance.random() < 0.2:
            one = _beside(one, _filled(chance.choice(unnamed if chance.random() < 0.3 else named), chance))
        if chance.random() < 0.1:  # as people type: without the last stop, with the apostrophe of a word processor
            one = Sentence(one.text.rstrip(".").replace("'", "’"), one.names)
        made.append(one)
    return made


def _forms(text: str) -> list[str]:
    return [form.strip() for line in text.strip().splitlines() for form in line.split("|") if form.strip()]


def _filled(form: str, chance: random.Random) -> Sentence:
    text, names, at = "", [], 0
    for slot in _SLOT.finditer(form):
        text += form[at : slot.start()]
        sort = slot[1]
        word = _MAKERS[sort](chance) if sort in _MAKERS else chance.choice(_FILLERS[sort].split("|"))
        if sort in _MAKERS:
            # "the" belongs to no name.
            skipped = len("the ") if word.startswith("the ") else 0
            names.append((len(text) + skipped, len(text) + len(word), sort))
        text += word
        at = slot.end()
    return Sentence(text + form[at:], names)


def _beside(one: Sentence, other: Sentence) -> Sentence:
    shift = len(one.text) + 1
    return Sentence(
        f"{one.text} {other.text}", one.names + [(start + shift, end + shift, sort) for start, end, sort in other.names]
    )
