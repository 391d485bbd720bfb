"""Answers kept for a while, so that a repeated request is not done twice."""

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models


class KeptAnswer(models.Model):
    """What a request with an `Idempotency-Key` was answered; `fingerprint` is the SHA-256 of that request."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    location = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]
        indexes = [models.Index(fields=["user", "created_at"], name="kept_answer_by_age")]

    def __str__(self) -> str:
        return f"{self.user} {self.key}"
