"""The embedded default: PostgreSQL, Redis, Label Studio, site and workers as children of one command."""
