"""Addresses Label Studio calls."""

from django.urls import path

from annotation import views

app_name = "annotation"
urlpatterns = [path("label-studio/<int:round_id>/", views.label_studio, name="label-studio")]
