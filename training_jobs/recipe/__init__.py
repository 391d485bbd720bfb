"""The trainer: a job folder in, a better recogniser out. No Django; imports only `earmark.speech`.

    python -m training_jobs.recipe JOBDIR

`prepare` writes a job folder and reads its metrics, `training` is the loop, the other modules are its parts.
"""
