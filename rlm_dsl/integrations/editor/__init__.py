"""For editors and the shell: highlighting, problems, completion and the manual at a place of a text.

Everything but `server` and `lexer` is a function from a text and a place to values; `server` is the thin shell around
them that speaks the language server protocol, and needs `rlm-dsl[editor]`.
"""
