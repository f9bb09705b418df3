"""Contexts whose rows lie in shards: read, looked at and sent on where a cluster runs tasks."""
