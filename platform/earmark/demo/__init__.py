"""The demonstration: synthetic speech, simulated annotators, and the loop that users turn."""
