"""A trace in the forms that other tools read: OTLP (OpenTelemetry), OpenInference, OpenLineage.

Law: the same trace gives the same bytes; identifiers are derived from its hashes; what was asked and answered is left
out unless it is wanted.
"""
