"""`rlm_dsl.dspy`: `RLM` and `Program` for dspy, as users import them. They live in `integrations/dspy/`."""

from rlm_dsl.integrations.dspy.module import RLM, Program

__all__ = ["RLM", "Program"]
