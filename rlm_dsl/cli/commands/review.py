"""`review`: rows of a model step, looked at one by one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rlm_dsl.cli import completions
from rlm_dsl.cli.options import CONTEXT, FORCE, paths_alone
from rlm_dsl.cli.output import note, safe, write
from rlm_dsl.common.counted import counted


@click.command("review")
@click.argument("trace", type=click.Path())
@click.argument("step", required=False, shell_complete=completions.steps)
@CONTEXT
@click.option("--rows", type=click.IntRange(1), help="Rows to be drawn in all. [default: 60]")
@click.option(
    "--by",
    default="simple",
    show_default=True,
    metavar="answer|COLUMN|doubt",
    help="Draw rows of each answer, value or doubt.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws other rows.")
@click.option("--labels", type=click.Path(), help="Where labels are kept, if not beside TRACE.")
@click.option("--reviewer", default="", help="A name for these labels, which name nobody without.")
@click.option("--overlap", type=click.IntRange(0), default=20, show_default=True, help="First rows that all see.")
@click.option("--open", "seen", is_flag=True, help="Show the model's answer before; labels say so.")
@click.option("--for", "purpose", type=click.Choice(("estimates", "optimize")), default="estimates", show_default=True)
@click.option("--record", type=click.Path(), help="An optimization's record, whose candidates differ: --for optimize.")
@click.option("--plan", is_flag=True, help="Say how many rows give which width, and end.")
@click.option("--agreement", type=click.FloatRange(0, 1), help="For --plan: how often the model is right.")
@click.option("--summary", is_flag=True, help="Say what reviewed rows tell so far, write nothing, and end.")
@click.option("--seal", is_flag=True, help="As --summary, and seal it beside TRACE, as a review does.")
@click.option("--export", "out", type=click.Path(), help="Write the drawn rows with their labels, and end.")
@click.option("--import", "into", type=click.Path(), help="Take in labels from a file, and end.")
@click.option("--form", default="", metavar="csv|jsonl|label-studio|argilla", help="The form of that file.")
@click.option("--json", "as_json", is_flag=True, help="Print plan or summary as JSON.")
@FORCE
def command(
    trace: str,
    step: str | None,
    contexts: tuple[str, ...],
    rows: int | None,
    by: str,
    seed: int,
    labels: str | None,
    reviewer: str,
    overlap: int,
    seen: bool,
    purpose: str,
    record: str | None,
    plan: bool,
    agreement: float | None,
    summary: bool,
    seal: bool,
    out: str | None,
    into: str | None,
    form: str,
    as_json: bool,
    force: bool,
) -> int:
    """Look at rows of a model step of TRACE, one by one, and say what is right. The rows are drawn with known
    probabilities, so that what you say holds for all of them: numbers get intervals.

    One key for each label; `?` cannot tell, `u` takes the last one back, `q` leaves. Each answer is kept at once.

    Example: rlm-dsl review runs/tickets.trace topics --rows 60
    """
    from rlm_dsl.cli.reviewing.terminal import review_rows, write_export
    from rlm_dsl.cli.reviewing.text import plan_text, summary_text
    from rlm_dsl.review.counting import counted_reviews
    from rlm_dsl.review.labels.exchange import form_of
    from rlm_dsl.review.session import ROWS, open_session
    from rlm_dsl.review.telling import sealed_now

    with open_session(
        trace,
        step or "",
        contexts=paths_alone(contexts),
        labels=labels,
        by=by,
        seed=seed,
        rows=rows or ROWS,
        reviewer=reviewer,
        blind=not seen,
        overlap=overlap,
        learning=purpose == "optimize",
        disagreements=differing(record, trace) if purpose == "optimize" else None,
        whole=summary or seal,
    ) as session:
        told_before = session.note()
        if told_before:
            note(safe(told_before))
        if plan:
            right, known, planned = session.plan(agreement)
            own = session.plan_numbers(right, tuple(each.rows for each in planned))
            told = {"agreement": right, "reviewed": known, "plan": [each.as_json() for each in planned]}
            told |= {"numbers": [each.as_json() for each in own]}
            text = plan_text(session, right, known, planned, own)
            write(json.dumps(told, ensure_ascii=False) if as_json else safe(text))
            return 0
        if out is not None:
            write_export(session, Path(out), form_of(Path(out), form), force)
            return 0
        if into is not None:
            kept, known_already, problems = session.take_in(read_text(into), form_of(Path(into), form))
            for problem in problems:
                note(problem)
            more = f"; {known_already:,} known already" if known_already else ""
            write(f"{counted(kept, 'label')} kept in {safe(str(session.path))}{more}")
            return 1 if problems else 0
        if not (summary or seal):
            review_rows(session, sys.stdin)
        reviewed = counted_reviews(session.run, session.labels)
        if seal or not summary:
            reviewed = sealed_now(session.run.trace, reviewed)
        numbers, reviews = reviewed.numbers, reviewed.steps
        for line in reviewed.notes:
            if line != told_before:
                note(safe(line))
        if (summary or seal) and not session.labels.held:
            note(safe(f"there are no labels in {session.path}; those that lie elsewhere are named by --labels FILE"))
        if seal and not reviewed.sealed:
            note("nothing is sealed: no drawn row of this run is reviewed")
        if as_json:
            found = {"numbers": [n.as_json() for n in numbers], "steps": [r.as_json() for r in reviews]}
            write(json.dumps(found, ensure_ascii=False))
        else:
            write(safe(summary_text(session, numbers, reviews)))
        return 1 if seal and not reviewed.sealed else 0


def differing(record: str | None, trace: str) -> dict[str, int]:
    """How candidates of an optimization differ on texts: of the record that is named, or of any that lies beside."""
    from rlm_dsl.review.helpful import disagreements

    if record is not None:
        return disagreements(Path(record))
    found: dict[str, int] = {}
    for beside in sorted(Path(trace).parent.glob("*.optimize")):
        found |= disagreements(beside, lenient=True)
    return found


def read_text(path: str) -> str:
    from rlm_dsl.common.diagnostics import UserError
    from rlm_dsl.common.system_errors import system_error

    try:
        return Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text", "labels are UTF-8 text") from None
    except OSError as failure:
        raise system_error(failure, path, "read") from None
