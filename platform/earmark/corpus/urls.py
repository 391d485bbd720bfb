"""Addresses of clip audio."""

from django.urls import path

from earmark.corpus import views

app_name = "corpus"
urlpatterns = [path("clips/<int:clip_id>.flac", views.clip_audio, name="clip-audio")]
