"""The science of speech, without Django: audio, engines, decoding, confidence, scoring, synthesis."""

import os

# OpenMP reads this when torch is loaded. Threads that spin while they wait cost 30 times the time once the machine has
# other work: 340 s of speech took 112 s to transcribe on two busy cores, and 4 s with threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
