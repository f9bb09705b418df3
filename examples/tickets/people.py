"""The three hundred people who write the tickets.

In: a seeded generator. Out: `Person` values: a name, a country, how carefully and how often they write, on what.
Law: one person writes in one manner all year; the three of the first question write about a hundredth of all tickets.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from chance import below, happens, pick, weighted

Care = Literal["tidy", "casual", "messy"]


@dataclass(frozen=True, slots=True)
class Person:
    """`activity` is a share of all tickets in no unit; `lean` is the topic this person has more often than others."""

    user: str
    first: str
    last: str
    country: str
    care: Care
    tail: str
    activity: int
    lean: str

    @property
    def currency(self) -> str:
        return {"uk": "£", "us": "$"}.get(self.country, "€")


USERS = 300
TOPICS = ("billing", "technical", "account", "shipping", "feedback", "other")
COUNTRIES = {"uk": 30, "us": 16, "de": 16, "fr": 8, "nl": 8, "pl": 6, "it": 6, "es": 5, "pt": 3, "se": 2}
CARES: dict[Care, int] = {"tidy": 46, "casual": 36, "messy": 18}
TAILS = {
    "": 70,
    "Sent from my iPhone": 14,
    "sent from my phone": 7,
    "Sent from Outlook for Android": 4,
    "Get Outlook for iOS": 3,
    "(typed on a tablet, please excuse mistakes)": 2,
}
KNOWN = {"u17": (30, "billing"), "u42": (22, "billing"), "u88": (13, "technical")}
"""Activity and lean of the three users of the first question."""

NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "uk": (
        ("Alison", "Priya", "Tom", "Zoë", "Siobhán", "Gareth", "Fatima", "Owen", "Harriet", "Dev", "Moira", "Kwame"),
        ("Whitlock", "Nair", "O'Neill", "Pryce", "Okafor", "Hargreaves", "McBride", "Shah", "Tilling", "Brook"),
    ),
    "us": (
        ("Dana", "Marcus", "Luz", "Tyler", "Grace", "Hank", "Minh", "Renée", "Darnell", "Beth", "Ravi", "Carol"),
        ("Kowalczyk", "Nguyễn", "Ramirez", "Beckett", "Lundgren", "Washburn", "Patel", "Oduya", "Fields", "Stone"),
    ),
    "de": (
        ("Jürgen", "Anke", "Lukas", "Heike", "Mehmet", "Käthe", "Björn", "Sabine", "Uwe", "Jana"),
        ("Schäfer", "Vogt", "Lindemann", "Yıldız", "Krüger", "Böhm", "Petersen", "Thalmann"),
    ),
    "fr": (
        ("Élodie", "François", "Maëlle", "Thierry", "Aïcha", "Benoît", "Camille"),
        ("Lefèvre", "Garnier", "Benali", "Roche", "Crépin", "Morvan"),
    ),
    "nl": (
        ("Sanne", "Joost", "Femke", "Pieter", "Noor", "Daniël"),
        ("van Dijk", "Hoekstra", "de Wit", "Bakker", "Postma"),
    ),
    "pl": (("Łukasz", "Małgorzata", "Ania", "Paweł", "Zofia"), ("Wójcik", "Zając", "Król", "Dąbrowska")),
    "it": (("Niccolò", "Chiara", "Matteo", "Lucia", "Davide"), ("Ferri", "Colombo", "D'Amico", "Galli")),
    "es": (("José", "Marta", "Íñigo", "Lucía", "Pilar"), ("Muñoz", "Ibáñez", "Serrano", "Peña")),
    "pt": (("João", "Inês", "Tiago", "Beatriz"), ("Magalhães", "Simões", "Teixeira")),
    "se": (("Åsa", "Björn", "Maja", "Göran"), ("Sjöberg", "Ekström", "Åkesson")),
}


def people(rng: Random) -> list[Person]:
    return [person(rng, f"u{number}") for number in range(1, USERS + 1)]


def person(rng: Random, user: str) -> Person:
    country = weighted(rng, COUNTRIES)
    first, last = full_name(rng, country)
    active, lean = KNOWN.get(user, (activity(rng), pick(rng, TOPICS[:5])))
    return Person(
        user=user,
        first=first,
        last=last,
        country=country,
        care=weighted(rng, CARES),
        tail=weighted(rng, TAILS),
        activity=active,
        lean=lean,
    )


def full_name(rng: Random, country: str) -> tuple[str, str]:
    firsts, lasts = NAMES[country]
    return pick(rng, firsts), pick(rng, lasts)


def anyone(rng: Random) -> tuple[str, str]:
    """First and last name of somebody whom a writer mentions."""
    return full_name(rng, weighted(rng, COUNTRIES))


def activity(rng: Random) -> int:
    """Most people write little, a few write all the time."""
    return 5 + below(rng, 14) + (below(rng, 60) if happens(rng, 30) else 0)
