"""The settings of an endpoint: what it knows, what goes wrong with it, whom it serves, where, and as what.

In: what a test or a command line says. Out: one immutable value. Law: the key is never shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_dsl.testing.answers import Answering
from rlm_dsl.testing.faults import Faults
from rlm_dsl.testing.persona import Persona
from rlm_dsl.testing.personas.openai import OPENAI
from rlm_dsl.testing.wire import SOURCES, model_name


@dataclass(frozen=True, slots=True)
class Settings:
    """An endpoint. `key` None takes any key, `models` empty any model, port 0 any free port.

    `keep_requests` keeps each request's body for a test to look at.
    """

    answering: Answering = field(default_factory=Answering)
    faults: Faults = field(default_factory=Faults)
    key: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    keep_requests: bool = True
    persona: Persona = OPENAI

    def served(self) -> list[str]:
        """The names in the list of models, all in the testing namespace."""
        return list(dict.fromkeys(model_name(name) for name in (*SOURCES, *self.models)))

    def accepts(self, model: str) -> bool:
        return not self.models or model in self.models or model in self.served()
