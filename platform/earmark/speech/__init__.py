"""The learning parts: audio, engines, confidence, scoring and synthesis. Nothing here knows Django."""
