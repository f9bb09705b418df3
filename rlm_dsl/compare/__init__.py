"""Runs beside each other: what differs between two, why, and a run made anew from an earlier one."""
