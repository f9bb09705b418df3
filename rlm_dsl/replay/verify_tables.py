"""The stored tables of a trace, compared with what the program gives now.

In: a trace, its execution now with the warehouse that it ran in. Out: divergences. Law: every column counts, also those
that lead from rows to their sources; rows stand in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.engine.execution import Execution
from rlm_dsl.engine.run_trace import payload_name, redacted_table, tables
from rlm_dsl.engine.warehouse import Warehouse
from rlm_dsl.replay.verify_files import STEP_TABLE
from rlm_dsl.trace.divergence import Divergence
from rlm_dsl.trace.reader import Trace
from rlm_dsl.trace.seal import file_names
from rlm_dsl.trace.secrets import Redaction

if TYPE_CHECKING:
    import pyarrow as pa


def other_tables(
    trace: Trace, execution: Execution, warehouse: Warehouse, redaction: Redaction
) -> Iterator[Divergence]:
    """A divergence for each stored table that is missing, of no step, or holds other rows than the step has now."""
    stored = {name for name in file_names(trace.folder) if STEP_TABLE.fullmatch(name)}
    for number, (step, stage) in enumerate(tables(execution.plan), 1):
        assert stage.relation is not None
        name = payload_name(number, step)
        stored.discard(f"payload/{name}.parquet")
        try:
            recorded = trace.table(name)
        except UserError as failure:
            yield Divergence("D06", "rows", failure.message, step=step)
            continue
        batches = warehouse.tables(warehouse.ordered(stage.relation, hidden=True))
        if (differs := first_difference(recorded, (redacted_table(each, redaction) for each in batches))) is not None:
            yield Divergence("D06", "rows", f"payload/{name}.parquet holds other rows", *differs, step=step)
    for name in sorted(stored):
        yield Divergence("D06", "rows", f"{name} is the table of no step")


def first_difference(recorded: pa.Table, batches: Iterator[pa.Table]) -> tuple[str, str] | None:
    """Both sides where a stored table first differs from the rows of now; None where it does not."""
    place = 0
    for now in batches:
        then = recorded.slice(place, now.num_rows)
        if then.column_names != now.column_names:
            return f"columns {then.column_names}", f"columns {now.column_names}"
        if then.num_rows < now.num_rows:
            return f"{counted(recorded.num_rows, 'row')}", f"{counted(place + now.num_rows, 'row')} or more"
        for column in now.column_names:
            if (differs := values_differ(then.column(column), now.column(column))) is not None:
                at, one, other = differs
                return f"row {place + at + 1}, {column}: {one}", f"row {place + at + 1}, {column}: {other}"
        place += now.num_rows
    return None if place == recorded.num_rows else (f"{counted(recorded.num_rows, 'row')}", f"{counted(place, 'row')}")


def values_differ(recorded: Any, now: Any) -> tuple[int, str, str] | None:
    """Where two columns first differ, and both values there. Floats are compared as they are spelled, so that a NaN is
    itself."""
    if recorded.type == now.type and recorded.equals(now):
        return None
    if recorded.type != now.type and not same_values(recorded.type, now.type):
        return 0, f"of type {recorded.type}", f"of type {now.type}"
    pairs = zip(recorded.to_pylist(), now.to_pylist(), strict=True)
    return next(((at, repr(a), repr(b)) for at, (a, b) in enumerate(pairs) if repr(a) != repr(b)), None)


def same_values(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether two types of texts differ in their layout alone, which is the engine's affair."""
    import pyarrow.types as kinds

    def is_text(type_: pa.DataType) -> bool:
        return bool(kinds.is_string(type_) or kinds.is_large_string(type_) or kinds.is_string_view(type_))

    return is_text(one) and is_text(other)
