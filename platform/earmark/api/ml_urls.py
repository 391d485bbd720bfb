"""Addresses of the ML backend, as Label Studio makes them: without a slash at their end."""

from django.urls import include, path

from earmark.api import ml_backend

app_name = "ml"
of_a_collection = [
    path("health", ml_backend.Health.as_view(), name="health"),
    path("setup", ml_backend.Setup.as_view(), name="setup"),
    path("predict", ml_backend.Predict.as_view(), name="predict"),
    path("webhook", ml_backend.Webhook.as_view(), name="webhook"),
    path("job_status", ml_backend.JobStatus.as_view(), name="job-status"),
]
urlpatterns = [path("<slug:slug>/", include(of_a_collection))]
