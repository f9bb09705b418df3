"""How a model step's rows become requests: a value, made from settings or from a recorded run's header.

In: settings or a header. Out: `CallOptions`, and `Calls`, which says whom beside how. Law: nothing here asks; the same
options and rows give the same requests, whoever answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from rlm_dsl.language.operators.core.registry import recorded_versions
from rlm_dsl.language.operators.recurse import DEEPEST
from rlm_dsl.models.protocol import AUTO, ModelStack
from rlm_dsl.models.proxies import AnyProxy, proxies_of
from rlm_dsl.models.settings import WINDOW, Settings

Stack_co = TypeVar("Stack_co", bound=ModelStack, covariant=True)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """`window` is how many estimated tokens a request may show; `redact` takes secrets out of texts; `depth` is how
    deep sub-runs may go; a round of which more than the share `max_failed` fails is left early; `rows_per_call` says by
    step how many rows go together, and `pack` for all others (AUTO: as many as evidence allows); `proxies` are by the
    digests that steps name. With `together` rows that go together are asked so whatever is known of them: in `packs`,
    as `optimize` tries them, or in `lists`, as runs did before rows of a pack had answers of their own. `versions` are
    those of the operators in the run that is read again or goes on; None for today's."""

    window: int = WINDOW
    redact: Callable[[str], str] = str
    depth: int = DEEPEST
    max_failed: float = 1.0
    rows_per_call: Mapping[str, int] = field(default_factory=dict)
    proxies: Mapping[str, AnyProxy] = field(default_factory=dict)
    pack: int = AUTO
    together: Literal["", "packs", "lists"] = ""
    versions: Mapping[str, int] | None = None

    @staticmethod
    def of(
        settings: Settings,
        redact: Callable[[str], str],
        depth: int = DEEPEST,
        versions: Mapping[str, int] | None = None,
    ) -> CallOptions:
        """Those of a run that asks."""
        proxies = proxies_of(settings.proxies)
        return CallOptions(
            settings.window,
            redact,
            depth,
            settings.max_failed,
            settings.rows_per_call,
            proxies,
            settings.rows_together,
            versions=versions,
        )

    @staticmethod
    def recorded(header: Mapping[str, Any], redact: Callable[[str], str]) -> CallOptions:
        """Those of a recorded run, from its trace's header."""
        rows_per_call, proxies = header.get("rows_per_call") or {}, proxies_of(header.get("proxies") or {})
        window, earlier = header.get("window", WINDOW), bool(rows_per_call) and "pack" not in header
        together: Literal["", "lists"] = "lists" if earlier else ""
        versions = recorded_versions(header)
        return CallOptions(
            window, redact, rows_per_call=rows_per_call, proxies=proxies, together=together, versions=versions
        )

    def within(self, depth: int) -> CallOptions:
        """Those of a sub-run, whose steps are its own: no setting and no proxy names them."""
        return replace(self, depth=depth, rows_per_call={}, proxies={}, pack=1)


@dataclass(frozen=True, slots=True)
class Calls(Generic[Stack_co]):
    """How a run's steps ask: whom, and in which way."""

    models: Stack_co
    options: CallOptions
