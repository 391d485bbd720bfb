"""Addresses of what is heard and seen of a clip."""

from django.urls import path

from earmark.corpus import views

app_name = "corpus"
urlpatterns = [
    path("clips/<int:clip_id>.flac", views.clip_audio, name="clip-audio"),
    path("clips/<int:clip_id>/peaks.json", views.clip_peaks, name="clip-peaks"),
    path("clips/<int:clip_id>/spectrogram.png", views.clip_spectrogram, name="clip-spectrogram"),
]
