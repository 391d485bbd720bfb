"""Every address of the site: pages, REST, audio, Label Studio's webhook and ML backend, administration."""

from django.contrib import admin
from django.urls import include, path

from earmark.config.health import health

urlpatterns = [
    path("health", health),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("audio/", include("earmark.corpus.urls")),
    path("hooks/", include("annotation.urls")),
    path("ml/", include("earmark.api.ml_urls")),
    path("api/", include("earmark.api.urls")),
    path("", include("earmark.web.urls")),
]
