"""From a filled text to the body of a ticket: greetings, remarks by the way, closings, and the way people type.

In: a text, its topic, its writer, the day. Out: a body.
Law: nothing that is added speaks of a topic, so the label of the text is the label of the body.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from random import Random

from chance import below, happens, pick, weighted
from people import Care, Person
from slots import filled

GREETINGS = (
    "Hi,",
    "Hi,",
    "Hello,",
    "Hi there,",
    "Hello there,",
    "Dear team,",
    "Good morning,",
    "Good afternoon,",
    "Hey,",
)
FORMAL_GREETINGS = ("Dear Sir or Madam,", "Dear Brindle team,", "To whom it may concern,", "Dear customer service,")
CASUAL_GREETINGS = ("hi", "hey", "hello", "hi guys", "hey there", "hiya", "good evening", "morning")
HOME_GREETINGS = {
    "de": ("Hallo,", "Guten Tag,", "Moin,"),
    "fr": ("Bonjour,", "Salut,"),
    "nl": ("Hoi,", "Goedemorgen,"),
    "pl": ("Dzień dobry,",),
    "it": ("Buongiorno,", "Ciao,"),
    "es": ("Hola,", "Buenos días,"),
    "pt": ("Olá,", "Bom dia,"),
    "se": ("Hej,",),
}
CLOSINGS = (
    "Thanks",
    "Thanks!",
    "Thank you.",
    "Thanks, {first}",
    "Kind regards, {first} {last}",
    "Best, {first}",
    "Best wishes, {first} {last}",
    "Regards, {first} {last}",
    "Many thanks in advance, {first}",
    "Looking forward to your answer, {first}",
    "Cheers, {first}",
    "Thanks for your help!",
    "Have a good day, {first}",
    "{first}",
    "/{first}",
)
CASUAL_CLOSINGS = (
    "thx",
    "thanks",
    "ty",
    "pls answer",
    "asap",
    "cheers",
    "thanks {first}",
    ":(",
    "thank u",
    "??",
    "🙏",
    "!!",
)
HOME_CLOSINGS = {
    "de": ("Viele Grüße, {first}", "MfG {last}", "Danke! {first}"),
    "fr": ("Cordialement, {first} {last}", "Merci, {first}"),
    "nl": ("Groeten, {first}", "Met vriendelijke groet, {first} {last}"),
    "pl": ("Pozdrawiam, {first}",),
    "it": ("Grazie, {first}", "Cordiali saluti, {first} {last}"),
    "es": ("Gracias, {first}", "Saludos, {first}"),
    "pt": ("Obrigada! {first}", "Cumprimentos, {first} {last}"),
    "se": ("Mvh {first}", "Tack!"),
}
BEFORE = (
    "Sorry to bother you again.",
    "Second time I'm writing about this.",
    "I've written to you on {day} already and got no answer.",
    "I hope this is the right address.",
    "I couldn't find this on your help pages.",
    "The chat was of no help, so I try it by mail.",
    "Just quickly:",
    "I'm a bit lost here.",
    "My {relative} told me to write to you.",
    "I've been in the queue on the phone for half an hour, so now like this.",
)
AFTER = (
    "Please answer by mail, I can't take calls at work.",
    "I'm away from the {nth}, so it'd be good to hear from you before.",
    "If you need anything else from me, just ask.",
    "Please don't send me to the chat bot again.",
    "I've been a customer for years and never had to write before.",
    "English isn't my first language, sorry.",
    "You can also reach me on {phone}.",
    "I'd be glad of a short answer.",
    "Could someone look into it?",
    "No hurry.",
    "It's rather urgent.",
    "I'm writing for my {relative}, who isn't good with computers.",
    "{name} from your team knows about it.",
    "Screenshot attached.",
    "I wrote the same thing in the chat on {day}.",
    "Is there any news?",
)
DETAILS = {
    "billing": ("Order number is {order}.", "It's about {order}.", "Customer number {last4}.", "Order {order}, {day}."),
    "shipping": (
        "Order number is {order}.",
        "It's about {order}.",
        "Customer number {last4}.",
        "Order {order}, {day}.",
    ),
    "technical": ("{device}, version {version}.", "Serial number {serial}.", "App {version}.", "I use {device}."),
    "account": ("My address is {email}.", "I'm registered as {email}.", "User name: {own}", "Customer number {last4}."),
    "feedback": (
        "No need to answer.",
        "Just my two cents.",
        "My opinion, at least.",
        "That's all.",
        "Just so you know.",
    ),
}
LOOSE_WORDS = {"you": "u", "your": "ur", "please": "pls", "because": "cos", "thanks": "thx", "are": "r", "with": "w/"}
MISSPELLINGS = dict(
    pair.split("/")
    for pair in (
        "receive/recieve received/recieved definitely/definately address/adress until/untill tomorrow/tommorow "
        "immediately/immediatly delivery/delievery account/acount payment/payement customer/costumer "
        "password/pasword their/there doesn't/dosent which/wich really/realy can't/cant subscription/subscribtion "
        "believe/beleive invoice/invoce refund/refound delivered/deliverd working/workin arrived/arived "
        "connection/conection different/diffrent wrong/worng twice/twise already/allready battery/batery "
        "camera/camara separate/seperate cancelled/canceld email/e-mail didn't/didnt I've/Ive I'm/Im that's/thats "
        "it's/its won't/wont wasn't/wasnt every/evry something/somthing should/shoud warranty/waranty"
    ).split()
)
SLOT = re.compile(r"\{\w+\}")
OPENED = re.compile(
    r"(hi|hello|dear|good|hallo|hola|bonjour|olá|thank|happy|merry|sorry|re:|two things|first)\b", re.IGNORECASE
)
WORD = re.compile(r"(?<![\w@./:#-])[A-Za-z]+(?:'[a-z]+)?(?![\w@/:-]|\.\w)")
LINKED = re.compile(r"@|https?:|\.example")


def body(rng: Random, template: str, topic: str, writer: Person, sent: date) -> str:
    """A ticket's body: the text with what stands around it, typed as its writer types."""
    text = filled(rng, template, writer, sent)
    tail = writer.tail if writer.tail and happens(rng, 45) else ""
    if topic == "other":
        parts = [text, farewell(rng, writer, 8) if text.endswith((".", "?")) else ""]
    elif is_terse(text):
        parts = casual_parts(rng, text, writer)
    else:
        parts = full_parts(rng, text, details(template, topic), writer, sent, topic != "feedback")
    joined = typed(rng, joined_up(rng, parts, topic, writer), writer)
    return joined_up(rng, [joined, tail], topic, writer)


def is_terse(text: str) -> bool:
    """Whether a text is a jotted line rather than sentences."""
    return text[0].islower() or text[-1] not in ".?!)" or len(text) < 18


def casual_parts(rng: Random, text: str, writer: Person) -> list[str]:
    greeting = pick(rng, CASUAL_GREETINGS) if happens(rng, 16) and not OPENED.match(text) else ""
    closing = pick(rng, CASUAL_CLOSINGS).format(first=writer.first) if happens(rng, 16) else ""
    return [greeting, text, closing]


def details(template: str, topic: str) -> list[str]:
    """What can be added to a text: not to a general question, and nothing that the text has said already."""
    if topic != "feedback" and template.endswith("?"):
        return []
    return [each for each in DETAILS[topic] if not set(SLOT.findall(each)) & set(SLOT.findall(template))]


def full_parts(rng: Random, text: str, details: list[str], writer: Person, sent: date, asks: bool) -> list[str]:
    """Greeting, remark, text, detail, remark, closing: most of them empty most of the time."""
    chances = {"tidy": (50, 30), "casual": (30, 20), "messy": (12, 10)}[writer.care]
    greeting = "" if OPENED.match(text) or not happens(rng, chances[0]) else salutation(rng, writer)
    before = remark(rng, BEFORE, 8 if asks and not OPENED.match(text) else 0, writer, sent)
    detail = remark(rng, details, 16, writer, sent)
    after = remark(rng, AFTER, 18 if asks else 0, writer, sent)
    return [greeting, before, text, detail, after, farewell(rng, writer, chances[1])]


def remark(rng: Random, choices: Sequence[str], percent: int, writer: Person, sent: date) -> str:
    return filled(rng, pick(rng, choices), writer, sent) if choices and happens(rng, percent) else ""


def salutation(rng: Random, writer: Person) -> str:
    if writer.country in HOME_GREETINGS and happens(rng, 25):
        return pick(rng, HOME_GREETINGS[writer.country])
    return pick(rng, FORMAL_GREETINGS if writer.care == "tidy" and happens(rng, 20) else GREETINGS)


def farewell(rng: Random, writer: Person, percent: int) -> str:
    if not happens(rng, percent):
        return ""
    own = HOME_CLOSINGS.get(writer.country)
    said = pick(rng, own) if own and happens(rng, 35) else pick(rng, CLOSINGS)
    return said.format(first=writer.first, last=writer.last)


def joined_up(rng: Random, parts: list[str], topic: str, writer: Person) -> str:
    """Parts on one line, as most mail arrives; a tidy letter now and then keeps its lines."""
    said = [part for part in parts if part]
    lines = len(said) > 1 and writer.care == "tidy" and happens(rng, 2)
    return ("\n\n" if lines else " ").join(said)


def typed(rng: Random, text: str, writer: Person) -> str:
    """The text with this writer's haste in it."""
    if LINKED.search(text) is None and happens(rng, 1) and len(text) < 140:
        return text.upper().rstrip(".") + pick(rng, ("", "!!!", "!!"))
    text = respelt(rng, text, writer.care)
    if writer.care == "messy" and happens(rng, 65):
        text = text.lower()
    elif writer.care == "casual" and happens(rng, 18):
        text = text[0].lower() + text[1:]
    text = loosely_ended(rng, text, writer.care)
    return text.replace("'", "’") if "iPhone" in writer.tail else text


def respelt(rng: Random, text: str, care: Care) -> str:
    """Known misspellings, chat spellings, and at times a slip of the finger."""
    misspelt, loose, slips = {"tidy": (2, 0, 5), "casual": (12, 0, 15), "messy": (30, 25, 36)}[care]

    def word(found: re.Match[str]) -> str:
        said = found[0]
        if said in LOOSE_WORDS and happens(rng, loose):
            return LOOSE_WORDS[said]
        return MISSPELLINGS[said] if said in MISSPELLINGS and happens(rng, misspelt) else said

    text = WORD.sub(word, text)
    return slipped(rng, text) if happens(rng, slips) else text


def slipped(rng: Random, text: str) -> str:
    """Two letters swapped, one dropped or one doubled, inside one longer word."""
    words = [found for found in WORD.finditer(text) if len(found[0]) > 4 and found[0].isalpha() and found[0].islower()]
    if not words:
        return text
    found = pick(rng, words)
    at = found.start() + 1 + below(rng, len(found[0]) - 2)
    kinds = {"swap": 5, "drop": 4, "double": 2}
    kind = weighted(rng, kinds)
    if kind == "swap":
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind == "drop" else text[:at] + text[at] + text[at:]


def loosely_ended(rng: Random, text: str, care: Care) -> str:
    """Without its full stop, or with more marks than needed."""
    drops, more = {"tidy": (4, 1), "casual": (30, 5), "messy": (60, 14)}[care]
    if text.endswith(".") and happens(rng, drops):
        text = text[:-1]
    if text.endswith(("?", "!")) and happens(rng, more):
        text += text[-1] * (1 + below(rng, 3))
    return text
