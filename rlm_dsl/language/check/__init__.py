"""Tree to typed program, with all problems at once.

`statements` is the way in; `values` checks expressions, `calls` operators, `arguments` each kind of parameter.
"""

from rlm_dsl.language.check.scope import Environment
from rlm_dsl.language.check.statements import Checked, check, check_program

__all__ = ["Checked", "Environment", "check", "check_program"]
