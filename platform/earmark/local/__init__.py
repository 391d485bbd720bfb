"""The embedded default: PostgreSQL, Redis, Label Studio, site and workers as child processes of one command."""
