"""What fills the slots of a text: `{order}`, `{amount}`, `{day}`, and so on.

In: a generator, the writer and the day of writing. Out: a phrase as that writer would put it on that day.
Law: a past day lies before the day of writing and a coming one after it; addresses and phones are no one's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from chance import below, happens, pick
from people import Person, anyone

Slot = Callable[[Random, Person, date], str]

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
RATES = (("39", "49"), ("9.99", "12.99"), ("24", "29"), ("59", "79"), ("4.90", "6.90"), ("14", "19"), ("99", "129"))
"""What a plan cost, and costs."""

PRICES = (290, 499, 690, 999, 1290, 1490, 1900, 2490, 2900, 3495, 3900, 4900, 5990, 7900, 8450, 9900, 11900, 14990)
"""In cents."""

CHOICES: dict[str, tuple[str, ...]] = {
    "product": (
        "doorbell", "thermostat", "hallway lamp", "smart plug", "kettle", "scale", "robot vacuum", "baby monitor",
        "motion sensor", "window sensor", "radiator valve", "garden light", "ceiling light", "kitchen camera",
        "porch camera", "smoke sensor", "speaker", "door lock",
    ),
    "cordless": ("doorbell", "garden light", "robot vacuum", "baby monitor", "porch camera", "remote", "door lock"),
    "plan": ("Plus", "Brindle Plus", "Family", "Video", "Plus Video"),
    "wallet": ("PayPal", "Klarna", "Apple Pay", "Google Pay", "Amex", "iDEAL", "prepaid cards", "cheques"),
    "carrier": ("DHL", "UPS", "GLS", "DPD", "FedEx", "the post office"),
    "city": (
        "Leeds", "Hamburg", "Lyon", "Porto", "Gdańsk", "Utrecht", "Denver", "Cork", "Málaga", "Graz", "Bergen",
        "Łódź", "Bari", "Malmö", "Cardiff", "Tucson", "Rouen", "Zürich", "Ghent", "Aberdeen",
    ),
    "country": ("Norway", "Switzerland", "Canada", "Croatia", "Iceland", "Malta", "Northern Ireland", "Greece"),
    "street": (
        "14 Mill Lane", "Lindenstr. 7", "2b Harbour Road", "9 rue des Tanneurs", "Flat 3, 88 Queen's Park",
        "Kastanienallee 31", "410 Birch St Apt 6", "ul. Polna 5/12", "Via Roma 22", "c/o Bakker, Singel 140",
    ),
    "colour": ("black", "green", "copper", "dark grey"),
    "colour2": ("white", "silver", "beige", "blue"),
    "relative": ("sister", "flatmate", "husband", "wife", "mother", "neighbour", "son", "mother-in-law"),
    "language": ("French", "Polish", "Turkish", "Portuguese", "sign language", "Welsh"),
    "voucher": ("SPRING20", "HELLO10", "WELCOME-5", "BRINDLE15", "SORRY25", "FRIENDS-10"),
    "device": (
        "iPhone 13", "iPhone SE", "Pixel 7", "Pixel 8a", "Galaxy S22", "an old iPad", "Galaxy A54", "Windows 11",
        "Android 14", "Macbook, Safari", "Fairphone 4", "iPad mini",
    ),
    "error": (
        "E-17", "E-04", "500", "error 403", "0x80070057", "timeout (-1)", "ERR_CONNECTION_RESET",
        "something went wrong",
        "not authorised", "HTTP 502", "code 88", "device busy",
    ),
    "url": (
        "https://brindle.example/help/export", "https://brindle.example/account/home?id=2", "brindle.example/support",
        "https://shop.brindle.example/search", "https://app.brindle.example/#/rooms", "www.brindle.example/setup/hub",
    ),
}  # fmt: skip


def filled(rng: Random, template: str, writer: Person, sent: date) -> str:
    """A template with alternatives chosen and slots filled; a slot that stands twice says the same twice."""
    known = dict(zip(("was", "now"), pick(rng, RATES), strict=True))

    def phrase(found: re.Match[str]) -> str:
        name = found[1]
        if name not in known:
            known[name] = value(rng, name, writer, sent)
        return known[name]

    chosen = re.sub(r"\[([^\[\]]*)\]", lambda found: pick(rng, found[1].split("|")), template)
    return re.sub(r"\{(\w+)\}", phrase, chosen).replace("\\n", "\n")


def value(rng: Random, name: str, writer: Person, sent: date) -> str:
    if name in CHOICES:
        return pick(rng, CHOICES[name])
    return SLOTS[name](rng, writer, sent)


def digits(rng: Random, count: int) -> str:
    return "".join(str(below(rng, 10)) for _ in range(count))


def order(rng: Random, writer: Person, sent: date) -> str:
    number = f"{41 + sent.month}{digits(rng, 4)}"
    return pick(rng, (f"#{number}", number, f"BR-{number}", f"nr. {number}", f"BR{number}"))


def invoice(rng: Random, writer: Person, sent: date) -> str:
    number = digits(rng, 4)
    return pick(rng, (f"INV-{sent.year}-{number}", f"{sent.year}/{number}", f"no. {number}"))


def amount(rng: Random, writer: Person, sent: date) -> str:
    """A price in the writer's currency, in one of the ways in which it is written."""
    whole, cents = divmod(pick(rng, PRICES), 100)
    point = "," if writer.country not in ("uk", "us") and happens(rng, 60) else "."
    number = str(whole) if cents == 0 and happens(rng, 60) else f"{whole}{point}{cents:02}"
    ways = {
        "€": ("€{}", "{} €", "{} euro", "{} EUR", "{}€", "EUR {}"),
        "£": ("£{}", "£{}", "£{}", "{} pounds", "GBP {}"),
        "$": ("${}", "${}", "${}", "{} dollars", "USD {}"),
    }
    return pick(rng, ways[writer.currency]).format(number)


def past_day(rng: Random, writer: Person, sent: date) -> str:
    """A day in the last three weeks, to be put after "on" or "since"; a weekday's name if less than a week ago."""
    ago = 1 + below(rng, 20)
    then = sent - timedelta(days=ago)
    if ago < 7 and happens(rng, 80):
        return WEEKDAYS[then.weekday()]
    month = MONTHS[then.month - 1]
    if writer.country == "us":
        return pick(rng, (f"{month} {then.day}", f"{month[:3]} {then.day}", f"{then.month}/{then.day}"))
    plain = (f"{then.day} {month}", f"the {ordinal(then.day)}", f"{ordinal(then.day)} {month}")
    return pick(rng, (*plain, f"{then.day:02}/{then.month:02}", f"{then.day}.{then.month}", f"{then.day} {month[:3]}"))


def ordinal(number: int) -> str:
    ending = "th" if 11 <= number <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def coming_day(rng: Random, writer: Person, sent: date) -> str:
    return ordinal((sent + timedelta(days=3 + below(rng, 18))).day)


def month_after(sent: date, months: int) -> str:
    return MONTHS[(sent.month - 1 + months) % 12]


def mail_address(rng: Random, writer: Person, sent: date) -> str:
    first = pick(rng, ("jana", "t.brook", "marcus", "info", "k.vogt", "lucia88", "oma.heike", "dev_p", "the.tillings"))
    return f"{first}{pick(rng, ('', '', digits(rng, 2)))}@{pick(rng, ('example.com', 'example.org', 'example.net'))}"


def phone(rng: Random, writer: Person, sent: date) -> str:
    """From ranges that are kept for films and examples."""
    if writer.country == "us":
        return f"({pick(rng, ('202', '312', '415'))}) 555-01{digits(rng, 2)}"
    return f"0171 39200{digits(rng, 2)}" if writer.country == "de" else f"+44 7700 900{digits(rng, 3)}"


def clock(rng: Random, writer: Person, sent: date) -> str:
    hour, minute = below(rng, 24), pick(rng, ("00", "15", "30", "40", "07"))
    if writer.country in ("us", "uk"):
        return f"{hour % 12 or 12}{'' if minute == '00' else ':' + minute}{'am' if hour < 12 else 'pm'}"
    return f"{hour}:{minute}"


SLOTS: dict[str, Slot] = {
    "order": order,
    "invoice": invoice,
    "amount": amount,
    "day": past_day,
    "nth": coming_day,
    "month": lambda rng, writer, sent: month_after(sent, -1 - below(rng, 2)),
    "thismonth": lambda rng, writer, sent: month_after(sent, 0),
    "month2": lambda rng, writer, sent: month_after(sent, 2 + below(rng, 3)),
    "name": lambda rng, writer, sent: anyone(rng)[0],
    "last": lambda rng, writer, sent: anyone(rng)[1],
    "own": lambda rng, writer, sent: writer.last,
    "email": mail_address,
    "phone": phone,
    "time": clock,
    "n": lambda rng, writer, sent: pick(rng, ("two", "three", "four", "3", "5", "six")),
    "last4": lambda rng, writer, sent: digits(rng, 4),
    "tracking": lambda rng, writer, sent: f"{pick(rng, ('JD01', 'RX', '1Z', '00'))}{digits(rng, 9)}",
    "serial": lambda rng, writer, sent: f"BH{below(rng, 9)}-{digits(rng, 4)}-{digits(rng, 3)}",
    "version": lambda rng, writer, sent: f"{3 + below(rng, 2)}.{below(rng, 10)}.{below(rng, 6)}",
    "temp": lambda rng, writer, sent: str(31 + below(rng, 14)),
    "spam": lambda rng, writer, sent: f"http://your-prize.example/?w={digits(rng, 6)}",
}
