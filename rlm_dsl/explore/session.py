"""A session: statements come a few at a time, each is checked, run and answered with a bounded view.

In: program text. Out: what each statement came to, as text for the model and as values for the loop.
Law: a statement that fails changes nothing; a step that was run before costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.common.diagnostics import Diagnostic, StepFailed, UserError, render, told_to_models
from rlm_dsl.common.source import NOWHERE, Source, Span
from rlm_dsl.engine.execution import assemble_answer, part_of
from rlm_dsl.engine.one_answer import step_notes
from rlm_dsl.engine.runner import Runner, ignore_event
from rlm_dsl.explore.binding_view import FEW, Counts, binding_view, closed
from rlm_dsl.explore.conversions import as_texts, misfits, unmatched
from rlm_dsl.explore.conversions import told as misfit_words
from rlm_dsl.explore.first_look import main_text
from rlm_dsl.explore.first_looks import first_looks
from rlm_dsl.explore.not_run import listed, not_run, unbound
from rlm_dsl.explore.view import Limits, view_table, view_value
from rlm_dsl.explore.worked import Worked, brief_look, worked_exchanges
from rlm_dsl.language import sql as s
from rlm_dsl.language.check import Checked, Environment, check
from rlm_dsl.language.edit.corrections import corrections_in
from rlm_dsl.language.edit.mended import mended
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.operators.core.relation import ORD, Relation
from rlm_dsl.language.program import (
    Apply,
    Bound,
    ContextRows,
    Literal,
    Node,
    Param,
    RecordValue,
    Reference,
    Step,
    children,
    resolved,
    steps_of,
)
from rlm_dsl.language.syntax import tree as t
from rlm_dsl.language.syntax.parse import parse, parse_prefix
from rlm_dsl.language.syntax.show import show
from rlm_dsl.language.types import Table, Type, quoted_name
from rlm_dsl.models.protocol import RequestRefused
from rlm_dsl.plan.build import build
from rlm_dsl.plan.stages import Leaf, Target, physical_name

EACH = 2
"""Rows of each label that are shown of a table that has labels for the first time."""
SHOWN = Limits(rows=20, cell=240, characters=4_000)
ROOM = 5_000
"""Characters of views in one observation, which a prompt shows whole with what else is told."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a reply came to. `accepted` is its program text as it was run; `answered` the answer's statement."""

    observation: str
    accepted: str
    errors: int
    answered: Bound | None = None
    statements: tuple[t.Statement, ...] = ()
    doubts: tuple[str, ...] = ()
    """What speaks against the answer, whether it was held back for it or is given all the same."""
    unseen: bool = False
    """Whether something was shown beside the answer that its writer cannot have known."""


@dataclass(slots=True)
class Session:
    """Owns what was bound so far, as nodes, trees and tables."""

    runner: Runner
    environment: Environment
    relations: dict[str, Relation] = field(default_factory=dict)
    trees: dict[str, t.Statement] = field(default_factory=dict)
    summaries: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    """Tables that were shown, by name, in the order in which they were."""
    doubted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Answers that were held back, as statements, each with what speaks against it."""
    answer: Any = None
    models: bool = True
    """Whether statements may ask a model."""
    failure: UserError | None = None
    """What stood last between the exploration and its answer."""
    idle: set[str] = field(default_factory=set)
    """Names whose model steps were shown no row."""
    asked: dict[str, int] = field(default_factory=dict)
    """Requests that each name's own model steps made."""
    sent: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    """What was sent before: its turn, what came of it, and how many problems it had."""
    by_hand: bool = True
    """Whether a person may be at work, who may correct values by hand; a root model is none."""
    carets: bool = False
    """Whether problems are shown with a caret under their place: to people, and never to models, which copy it."""
    at_once: bool = False
    """Whether a problem is told with the statement that mends it at once, and not only when it is there again."""
    met: set[str] = field(default_factory=set)
    """The problems that were told, as they were."""
    earlier: frozenset[str] = frozenset()
    """Names that were bound before this question was asked."""

    @property
    def program(self) -> str:
        """The statements of this question that were accepted so far, as text."""
        own = self.own
        return show(t.Tree(tuple(own.values()))) if own else ""

    @property
    def own(self) -> dict[str, t.Statement]:
        """What was bound since this question was asked."""
        return {name: statement for name, statement in self.trees.items() if name not in self.earlier}

    def begin(self, *, models: bool) -> None:
        """A question begins: what is bound by now was bound before it."""
        self.earlier, self.models = frozenset(self.trees), models
        self.answer, self.failure = None, None
        self.summaries.pop("answer", None)

    @property
    def bound(self) -> dict[str, str]:
        """What was bound since this question was asked, a line each."""
        return {name: line for name, line in self.summaries.items() if name not in self.earlier}

    def submit(self, text: str, *, name: str = "reply") -> Turn:
        """Run a reply's statements. Problems are in the observation; only the engine's death is raised."""
        source, before = Source(name, text), self.environment
        prefix = parse_prefix(source)
        tree = with_last_answer(prefix.tree)
        checked = check(tree, self.environment)
        told: list[str] = [f"`{name}` is known already; nothing was run again." for name in checked.known]
        if len(tree.statements) < len(prefix.tree.statements):
            told.append("That reply has several answers: the last one counts.")
        ran, bounds, failures = self.statements(tree, checked, told)
        failed = len(failures)
        answered = next((bound for bound in reversed(bounds) if bound.kind == "answer"), None)
        found = sorted([*prefix.problems, *checked.problems], key=start)
        errors = self.told(found, source)
        at_fault = [problem.span for problem in checked.problems] + failures
        if missing := [name for name in unbound(tree, ran, at_fault) if name not in self.environment.bindings]:
            errors.append(f"Not bound: {listed([f'`{name}`' for name in missing])}.")
        errors += not_run(tree, ran, at_fault, checked.known, text[prefix.end :] if prefix.problems else "")
        if prefix.unfinished:
            errors.append("The last statement was not finished and was not run: send it again, whole.")
        if found and (instead := self.instead(found, text, before)):
            errors.append(instead)
        if answered is not None and (errors or failed):
            told.append("The answer was held back: mend the errors first, then answer.")
            answered = None
        told += self.told(checked.warnings, source)
        program = show(t.Tree(ran)) if ran else ""
        problems = len(prefix.problems) + len(checked.problems) + failed + prefix.unfinished
        unseen = answered is not None and any(is_unseen(bound, answered) for bound in bounds)
        return Turn("\n\n".join([*told, *errors]), program, problems, answered, ran, unseen=unseen)

    def told(self, problems: Sequence[Diagnostic], source: Source) -> list[str]:
        """Problems as whoever wrote the statements reads them."""
        if self.carets:
            return [render(problem, source) for problem in problems]
        return told_to_models(problems, source)

    def instead(self, problems: Sequence[Diagnostic], text: str, before: Environment) -> str:
        """Of problems that were told before, the statements that mend them, ready to be sent; "" where they are new, or
        nothing is known that mends them."""
        told = {f"{problem.code} {problem.message}" for problem in problems}
        again = self.at_once or bool(told & self.met)
        self.met |= told
        return "" if self.carets or not again else self.instead_of(text, before)

    def instead_of(self, text: str, before: Environment | None = None) -> str:
        """The statements that mend these, ready to be sent; "" where nothing is known that does."""
        sendable = mended(text, before or self.environment)
        return "" if sendable is None else f"{SEND}\n{sendable}"

    def statements(
        self, tree: t.Tree, checked: Checked, told: list[str]
    ) -> tuple[tuple[t.Statement, ...], list[Bound], list[Span]]:
        """Each checked statement in order: what ran, as trees and as nodes, and where those stand that the engine
        refused. Such a one leaves its name unbound, and what rests on it is not run."""
        written = {statement.span: statement for statement in tree.statements}
        accepted: list[t.Statement] = [
            s for s in tree.statements if isinstance(s, t.ParamStatement) and s.name in checked.environment.bindings
        ]
        for statement in accepted:
            assert isinstance(statement, t.ParamStatement)
            self.bind(statement.name, checked.environment.bindings[statement.name], statement)
        done: list[Bound] = []
        failures: list[Span] = []
        unbound_names: set[str] = set()
        for bound in checked.statements:
            if names_below(bound.node) & unbound_names:
                unbound_names |= {bound.name} - {""}
                continue
            try:
                if not self.by_hand and any(corrections_in(t.Tree((written[bound.span],)))):
                    raise UserError("values are corrected by people, who have read them", NO_HANDS)
                told.append(self.in_room(bound, self.ran(bound), written[bound.span], told))
            except UserError as failure:
                if ends_exploration(failure):
                    raise
                failures.append(bound.span)
                unbound_names |= {bound.name} - {""}
                self.failure = failure if isinstance(failure, StepFailed) else self.failure
                told.append(f"error: {for_a_model(failure)}")
                continue
            accepted.append(written[bound.span])
            done.append(bound)
            if isinstance(self.failure, StepFailed) and self.asked.get(bound.name or bound.kind):
                self.failure = None
            if bound.kind == "binding":
                self.bind(bound.name, bound.node, written[bound.span])
        return tuple(accepted), done, failures

    def in_room(self, bound: Bound, view: str, statement: t.Statement, told: Sequence[str]) -> str:
        """A statement's view, as far as the reply's observation has room for it; of what is left out, the statement
        that shows it."""
        used = sum(map(len, told))
        if bound.kind == "answer" or used + len(view) <= ROOM or not used:
            return view
        if bound.kind == "show":
            return f"Not shown, as there was no room left: send `{show(t.Tree((statement,))).strip()}` alone."
        name = quoted_name(bound.name)
        return (
            f"{self.summaries.get(bound.name, name)}\n  no room left for its rows: show {name} | take({Limits().rows})"
        )

    def bind(self, name: str, node: Node, statement: t.Statement) -> None:
        bindings = {**self.environment.bindings, name: node}
        self.environment = replace(self.environment, bindings=bindings)
        self.trees[name] = statement

    def ran(self, bound: Bound) -> str:
        """Run one statement; its view, and what is to be said of it. Raises UserError if it may not ask a model."""
        asking = [step for step in steps_of(bound.node) if table_operators()[step.operator].model is not None]
        if asking and not self.models:
            raise UserError("no model may be asked in this run", "use exact steps: where, grep, extract, derive, group")
        plan = build((bound,), self.runner.warehouse.contexts, self.relations, whole=False)
        records = self.runner.run(plan)
        self.relations.update(plan.made)
        asked = sum(record.asked["requests"] for record in records if record.asked is not None)
        self.asked[bound.name or bound.kind] = asked
        idle = any(record.asked is not None and not record.asked["rows"] for record in records)
        if idle:
            self.idle.add(bound.name or bound.kind)
        if bound.kind == "answer":
            leaves = plan.targets[0].leaves
            self.answer = assemble_answer([part_of(leaf, plan, self.runner.warehouse) for leaf in leaves])
        notes = [NO_ROWS] if idle else []
        notes += [f"note: {told}" for record in records for told in step_notes(record.asked)]
        notes += [BY_PATTERN.format(column=column) for column in labelled_by_pattern(bound.node)]
        notes += self.conversions(bound) if bound.kind == "binding" and not asking else []
        return "\n".join([*(self.view(plan.targets[0], leaf) for leaf in plan.targets[0].leaves), *notes])

    def conversions(self, bound: Bound) -> Iterator[str]:
        """What did not match, and what values became null by their type."""
        made = self.relations.get(bound.node.identity)
        if made is None or not isinstance(bound.node, Step):
            return
        if bound.node.operator == "extract" and not bound.node.arguments["all"]:
            counts = (self.runner.warehouse.count(physical_name(r)) for r in (self.made(bound.node.inputs[0]), made))
            yield from unmatched(*counts)
        if (texts := as_texts(bound.node)) is not None:
            held = self.made(texts.step)
            for column, type_ in texts.columns.items():
                yield from misfit_words(column, type_, self.runner.warehouse.rows(misfits(held.sql, made.sql, column)))

    def made(self, node: Node) -> Relation:
        """An exact step's rows, made without a word in the log."""
        if isinstance(node := resolved(node), ContextRows):
            return self.runner.warehouse.contexts[node.name]
        if node.identity not in self.relations:
            plan = build(
                (Bound("show", "", node, NOWHERE),), self.runner.warehouse.contexts, self.relations, whole=False
            )
            tell, self.runner.emit = self.runner.emit, ignore_event
            try:
                self.runner.run(plan)
            finally:
                self.runner.emit = tell
            self.relations.update(plan.made)
        return self.relations[node.identity]

    def different(self, node: Node, column: str) -> int:
        """How many different values a column of an exact step has."""
        query = s.sql("SELECT count(DISTINCT {c}) FROM {t}", c=s.name(column), t=self.made(node).sql)
        ((count,),) = self.runner.warehouse.rows(query)
        return int(count)

    def view(self, target: Target, leaf: Leaf) -> str:
        name = ".".join((target.name or "show", *leaf.path))
        own = quoted_name(target.name) if target.kind == "binding" else target.name or "show"
        label = ".".join((own, *map(quoted_name, leaf.path)))
        limits = Limits() if target.kind == "binding" else SHOWN
        if not isinstance(leaf.type, Table):
            seen = view_value(label, leaf.type, self.runner.warehouse.value(leaf.table), limits)
            self.summaries[name] = seen.split("\n")[0][:200]
            return seen
        relation = self.relation(leaf)
        count = self.runner.warehouse.count(leaf.table)
        self.summaries[name] = summary(label, leaf.type, count)
        if target.kind != "binding":
            return view_table(label, leaf.type, count, self.runner.warehouse.table(relation, limits.rows), limits)
        known = {**self.environment.contexts, **self.tables}
        counts, pack = self.counts(relation, closed(leaf.type, known)), self.runner.calls.options.pack
        rows = self.runner.warehouse.table(relation, FEW)
        if count > FEW and len(counts) == 1:
            ((column, found),) = counts.items()
            rows = self.examples(relation, column, [value for value, _ in found])
        told = binding_view(label, leaf.type, count, rows, known, counts, pack if self.models else 1)
        self.tables[name] = leaf.type
        return told

    def counts(self, relation: Relation, columns: Sequence[str]) -> Counts:
        """How many rows have each value of these columns, many first."""
        warehouse = self.runner.warehouse
        counting = "SELECT {c}, count(*) AS n FROM {t} GROUP BY 1 ORDER BY n DESC, 1"
        made = {column: s.sql(counting, c=s.name(column), t=relation.sql) for column in columns}
        return {column: [(value, n) for value, n in warehouse.rows(query)] for column, query in made.items()}

    def examples(self, relation: Relation, column: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The first rows of each value, EACH of them, in the order of the values."""
        query = s.sql(
            "SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY {c} ORDER BY {o}) AS {nth} FROM {t}) "
            "WHERE {nth} <= {each} ORDER BY {o}",
            columns=s.names(relation.type.names),
            c=s.name(column),
            o=s.name(ORD),
            nth=s.name("#nth"),
            t=relation.sql,
            each=s.bound(EACH, "each"),
        )
        place = {value: number for number, value in enumerate(values)}
        at = relation.type.names.index(column)
        return sorted(self.runner.warehouse.rows(query), key=lambda row: place.get(row[at], len(place)))[: EACH * FEW]

    def rows_of(self, name: str) -> int:
        """How many rows a bound table has; 1 for a value."""
        relation = self.relations_by_name.get(name)
        return 1 if relation is None else self.runner.warehouse.count(physical_name(relation))

    @property
    def relations_by_name(self) -> dict[str, Relation]:
        """The tables that names stand for."""
        held = {name: self.relations.get(node.identity) for name, node in self.environment.bindings.items()}
        return {name: relation for name, relation in held.items() if relation is not None}

    def asked_below(self, answer: Bound) -> int:
        """Requests that an answer and the names it rests on made."""
        return sum(self.asked.get(name, 0) for name in {*names_below(answer.node), answer.kind})

    def relation(self, leaf: Leaf) -> Relation:
        held = [*self.runner.warehouse.contexts.values(), *self.relations.values()]
        return next(relation for relation in held if physical_name(relation) == leaf.table)

    def look(self, *, brief: bool = False) -> str:
        """Every context as the root model sees it before its first turn; `brief` beside worked exchanges."""
        show_all = brief_look if brief else first_looks
        return show_all(self.runner.warehouse.contexts, self.runner.warehouse)

    def worked(self, question: str) -> tuple[Worked, ...]:
        """Worked exchanges over this run's own tables."""
        return worked_exchanges(self.runner.warehouse.contexts, self.runner.warehouse, question, self.models)

    def main_text(self) -> str:
        """The first context's column that holds the most text."""
        warehouse = self.runner.warehouse
        return next((main_text(relation, warehouse) for relation in warehouse.contexts.values()), "")

    def sliced(self, answer: Bound, answer_tree: t.Statement, contexts: Mapping[str, Table]) -> t.Tree:
        """The program that the answer depends on: its contexts, params and bindings, in the order they were made."""
        needed = names_below(answer.node)
        kept = [statement for name, statement in self.trees.items() if name in needed]
        heads = [context_statement(name, type_) for name, type_ in contexts.items() if name in needed]
        params = [s for s in kept if isinstance(s, t.ParamStatement)]
        rest = [s for s in kept if not isinstance(s, t.ParamStatement)]
        return t.Tree((*heads, *params, *rest, answer_tree))


def with_last_answer(tree: t.Tree) -> t.Tree:
    """A reply's statements, of several answers the last alone: those before it are drafts."""
    answers = [statement for statement in tree.statements if isinstance(statement, t.Answer)]
    drafts = {id(statement) for statement in answers[:-1]}
    return replace(tree, statements=tuple(s for s in tree.statements if id(s) not in drafts))


def is_unseen(shown: Bound, answer: Bound) -> bool:
    """Whether something that was shown is no part of the answer itself, whose view comes with it."""
    whole = resolved(answer.node)
    parts = [whole, *(node for _, node in whole.fields)] if isinstance(whole, RecordValue) else [whole]
    return shown.kind == "show" and shown.node.identity not in {part.identity for part in parts}


def ends_exploration(failure: UserError) -> bool:
    """Whether no other statement would do better: a key, credits, a budget, a server or a disk is at fault."""
    if isinstance(failure, StepFailed):
        return False
    return failure.exit_code == 3 or failure.code == "store" or isinstance(failure, RequestRefused)


def for_a_model(failure: UserError) -> str:
    """A failure with what another statement may do about it, where that is known."""
    instead = failure.instead if isinstance(failure, StepFailed) else failure.hint
    return f"{failure.message}\n  hint: {instead}" if instead else failure.message


SEND = "Send this instead:"
NO_HANDS = "tell classify what decides (guide=, labels={a: meaning}), or ask about these rows once more"
NO_ROWS = "note: a model was asked about no rows: what the step reads is empty"
BY_PATTERN = (
    "note: `{column}` is a label that comes from a pattern alone: words do not tell what a text is about. "
    "classify(on=..., labels=[...]) reads it"
)
PATTERNS = frozenset({"matches", "not matches", "count_matches", "contains", "starts_with", "ends_with"})


def labelled_by_pattern(node: Node) -> Iterator[str]:
    """The columns that a statement's own `derive` fills with words chosen by patterns."""
    inner = node
    while isinstance(inner, Step) and inner.operator != "derive" and inner.inputs:
        inner = inner.inputs[0]
    if not isinstance(inner, Step) or inner.operator != "derive":
        return
    for name, made in inner.arguments["columns"]:
        if isinstance(made, Apply) and made.function == "if":
            chosen = {part.value for part in below(made) if isinstance(part, Literal) and isinstance(part.value, str)}
            by_pattern = any(isinstance(part, Apply) and part.function in PATTERNS for part in below(made))
            if by_pattern and len(chosen) > 2:
                yield name


def below(node: Node) -> Iterator[Node]:
    """A value's parts, itself first."""
    yield node
    for child in children(node):
        yield from below(child)


def start(problem: Diagnostic) -> int:
    return problem.span.start


def summary(name: str, type_: Type, count: int) -> str:
    columns = ", ".join(map(str, type_.columns)) if isinstance(type_, Table) else str(type_)
    return f"{name}: {counted(count, 'row')} ({columns})"


def names_below(node: Node) -> set[str]:
    """Every name of a binding, param or context that a node rests on."""
    found: set[str] = set()
    stack, seen = [node], set[int]()
    while stack:
        inner = stack.pop()
        if id(inner) in seen:
            continue
        seen.add(id(inner))
        if isinstance(inner, Reference | Param | ContextRows):
            found.add(inner.name)
        stack.extend(children(inner))
    return found


def rests_on_data(node: Node) -> bool:
    """Whether any row of a context stands behind a value."""
    stack: list[Node] = [node]
    seen: set[int] = set()
    while stack:
        inner = resolved(stack.pop())
        if isinstance(inner, ContextRows):
            return True
        if id(inner) not in seen:
            seen.add(id(inner))
            stack.extend(children(inner))
    return False


def context_statement(name: str, type_: Table) -> t.Statement:
    """The `context` line of a loaded table, as a tree."""
    tree = parse(Source(name, f"context {quoted_name(name)}: {type_}"))
    return tree.statements[0]
