"""What a model step of a shell may ask, told before it asks.

In: a plan's stages. Out: what `Runner` gives. Law: the bound is told before the first call; no bar is left on the
screen.
"""

from __future__ import annotations

from rlm_dsl.cli.output import note, safe
from rlm_dsl.common.counted import counted
from rlm_dsl.engine.runner import Runner, StepRecord
from rlm_dsl.language.operators.core.registry import table_operators
from rlm_dsl.language.sql import sql
from rlm_dsl.models.stack import LiveStack
from rlm_dsl.plan.bounds import ASKS, most_packs
from rlm_dsl.plan.stages import ModelStage, Plan


class ShellRunner(Runner):
    """Says before a round how much it may ask, and takes the bar away where a round is left early."""

    def run(self, plan: Plan) -> tuple[StepRecord, ...]:
        try:
            return super().run(plan)
        except BaseException:
            self.progress.round_ended("")
            raise

    def ask(self, stage: ModelStage) -> None:
        self.settings(stage.step.arguments["using"])
        rows = int(self.warehouse.rows(sql("SELECT count(*) FROM ({rows})", rows=stage.rows))[0][0])
        left = self.calls.models.left() if isinstance(self.calls.models, LiveStack) else ""
        model = table_operators()[stage.step.operator].model
        each = ASKS * (1 if model is None else model.calls(stage.step.arguments))
        packs = 0 if self.calls.options.pack == 1 else most_packs(stage, rows)
        several = f" and {packs:,} for several at once" if packs else ""
        most = f"at most {each} model calls for each of {counted(rows, 'row')}{several}, {rows * each + packs:,} in all"
        told = f"{stage.step_name}: {most}. {left}"
        note(safe(told.rstrip()))
        super().ask(stage)
