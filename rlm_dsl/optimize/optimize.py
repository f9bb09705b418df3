"""An optimization from labels to a tuned program: bounded, searched, measured once on what no search saw.

In: a job. Out: a tuned program with its scores, or the news that none is proved; and a record of every call. Law: no
choice looks at the test examples; they are asked about once, by the program as it is and by the one result, after
everything is chosen.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rlm_dsl.common.counted import counted
from rlm_dsl.engine.live_calls import live_calls
from rlm_dsl.engine.run import redaction_of, run_log
from rlm_dsl.models.server.limits import within_limits
from rlm_dsl.optimize.bounds import FIRST, bounds_of, estimate, require_seconds
from rlm_dsl.optimize.candidate import Candidate
from rlm_dsl.optimize.evaluator import Evaluator, writer_of
from rlm_dsl.optimize.examples import split
from rlm_dsl.optimize.held_out import held_out_test
from rlm_dsl.optimize.job import OptimizationJob, OptimizationResult, require_small
from rlm_dsl.optimize.labelled import labelled_examples
from rlm_dsl.optimize.metric import GRADED, Score, metric
from rlm_dsl.optimize.provable import provable, require_provable
from rlm_dsl.optimize.record import answers_of_stopped, asked_anything, finished_before, record_header, seal_record
from rlm_dsl.optimize.report import result_of
from rlm_dsl.optimize.search import Search
from rlm_dsl.optimize.timing import TimedLog, read_seconds, write_seconds
from rlm_dsl.plan.bounds import ASKS
from rlm_dsl.trace.secrets import Redaction


def optimize(job: OptimizationJob) -> OptimizationResult:
    """Raises UserError before anything is asked: examples, metric, optimizer, budget; and for what ends a search: the
    budget, a server, a metric that raises."""
    require_small(job)
    score = metric(job.metric)
    job = replace(job, settings=within_limits(job.settings, job.keys))
    redaction = redaction_of(job.keys, job.settings)
    header = record_header(job)
    if (before := finished_before(job, header)) is not None:
        job.notify(f"this search came to its end before: {before[0]}; nothing is asked")
        return before[1]
    made_here = not job.folder.exists()
    try:
        return recorded(job, score, redaction, header)
    except BaseException:
        if made_here and not asked_anything(job.folder):
            shutil.rmtree(job.folder, ignore_errors=True)
        raise


def recorded(job: OptimizationJob, score: Score, redaction: Redaction, header: Mapping[str, Any]) -> OptimizationResult:
    """The search into its record; of one that was stopped it goes on."""
    known = answers_of_stopped(job.folder, header)
    seconds = read_seconds(job.folder)
    with run_log(job.folder, redaction, known, job.command, "--out") as log:
        log.begin({"program": job.source.text}, header, known)
        tell = TimedLog(log.tell, seconds).tell
        opened = live_calls(job.settings, job.keys, tell, redaction.redact, None, None, job.approve, known, log.note)
        with opened as calls:
            job.progress.watch(calls.models.spent)
            given = job.source, job.contexts, job.params, job.settings
            evaluator = Evaluator(*given, calls, job.progress, job.load, seconds, job.notify)
            try:
                found = search_and_test(job, evaluator, score, len(known.answers))
            finally:
                evaluator.close()
                if calls.models.recording.calls:  # a search that asked nothing begins anew, in the same folder
                    write_seconds(job.folder, seconds)
            return seal_record(job, found, calls.models, log)


def search_and_test(job: OptimizationJob, evaluator: Evaluator, score: Score, answered: int) -> OptimizationResult:
    """What may be asked is announced; then the search, then the test. So many answers are known of a search that was
    stopped; one that came further than the program as it is was let go on then, and is now."""
    labelled = labelled_examples(job.examples, job.labels, evaluator.rounds(job.source.text))
    examples = labelled.examples
    for line in labelled.notes:
        job.notify(line)
    splits = split(examples)
    bounds = bounds_of(job, evaluator, examples, splits)
    told = provable(len(splits.test), graded=job.metric in GRADED)
    job.notify(
        f"{len(examples)} examples: {len(splits.train)} to learn from, {len(splits.validation)} to choose by, "
        f"{len(splits.test)} for the score; at most {counted(bounds.total, 'question')}, "
        f"{estimate(job, evaluator, examples, bounds)}"
    )
    if bounds.proposals:
        writer = writer_of(job.settings.by_alias()).model
        job.notify(f"instructions are written by {writer}, in {bounds.proposals:,} of these calls at most")
    for line in told.lines():
        job.notify(line)
    under_way = answered > ASKS * bounds.questions[FIRST]
    if not under_way:
        require_seconds(job.settings, bounds.total - answered, evaluator.seconds.values())
    require_provable(told, job.confirm)
    base = Candidate(job.source.text)
    search = Search(job, evaluator, score, examples, splits, bounds, under_way=under_way)
    result = search.run(base)
    test = held_out_test(search, base, result)
    notes = [*labelled.notes, *filter(None, [bounds.note]), *search.notes]
    return result_of(search, result, test, told, notes)
