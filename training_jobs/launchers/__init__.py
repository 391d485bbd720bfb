"""Where a training's process runs: here, on a cluster, or wherever a command takes it. No Django."""
