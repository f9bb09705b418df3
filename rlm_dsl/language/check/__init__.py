"""Tree to typed program, with all problems at once.

`statements` is the way in. `expressions` is the recursion; `names`, `literals`, `functions` and `aggregates` make the
nodes of its parts; `steps` and `arguments` check an operator's call, and are handed the recursion for what is in it.
"""

from rlm_dsl.language.check.scope import Environment
from rlm_dsl.language.check.statements import Checked, check, check_program

__all__ = ["Checked", "Environment", "check", "check_program"]
