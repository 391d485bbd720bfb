"""What the `earmark` command does, grouped by subject."""
