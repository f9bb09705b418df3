"""The language a second time: plain Python over lists of rows, written from what the language is said to mean.

`values` and `rows` are what it computes with, `functions`, `aggregates` and `operators` what there is by name,
`reading` runs a program, `engine` runs the same program for real, and `making` draws tables and programs.
"""
