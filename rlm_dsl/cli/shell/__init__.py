"""The shell: a person explores as the root model would, statement by statement.

In: loaded contexts, settings, lines from a terminal or a pipe. Out: views, and an exit code.
Law: a statement that fails or is interrupted changes nothing; nothing of the data reaches a terminal as a control
character.
"""
