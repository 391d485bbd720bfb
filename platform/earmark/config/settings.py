"""Django settings. What differs between machines comes from `environment.py`, and only from there."""

from datetime import timedelta

import environ
from celery.schedules import schedule
from django.utils.translation import gettext_lazy as _

from earmark.config.environment import PROJECT, from_process
from earmark.config.storages import media_storage

EARMARK = from_process()

BASE_DIR = PROJECT
SECRET_KEY = EARMARK.secret_key
DEBUG = EARMARK.debug
ALLOWED_HOSTS = list(EARMARK.allowed_hosts)
CSRF_TRUSTED_ORIGINS = [EARMARK.site_url]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "earmark.config.static.StaticFilesConfig",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "earmark.accounts",
    "earmark.jobs",
    "earmark.corpus",
    "earmark.recognition",
    "earmark.datasets",
    "annotation",
    "training_jobs",
    "earmark.loop",
    "earmark.api",
    "earmark.web",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "earmark.web.security.ContentSecurityPolicy",
]

ROOT_URLCONF = "earmark.config.urls"
WSGI_APPLICATION = "earmark.config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    }
]

DATABASES = {"default": environ.Env.db_url_config(EARMARK.database_url)}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "web:login"
LOGIN_REDIRECT_URL = "web:home"
LOGOUT_REDIRECT_URL = "web:login"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = EARMARK.site_url.startswith("https://")
SESSION_COOKIE_NAME = "earmark_session"
CSRF_COOKIE_NAME = "earmark_csrf"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SESSION_COOKIE_SECURE else None
SECURE_REFERRER_POLICY = "same-origin"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
LOCALE_PATHS = [PROJECT / "platform" / "earmark" / "web" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STORAGES = {
    # recordings as they came, by the hash of their bytes; clips cut for listening; exports and snapshots
    "default": media_storage(EARMARK.media, endpoint=EARMARK.s3_endpoint),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = EARMARK.var / "static"
STATICFILES_DIRS = [
    (package, path)
    for package, path in (
        ("htmx", PROJECT / "node_modules" / "htmx.org" / "dist"),
        ("echarts", PROJECT / "node_modules" / "echarts" / "dist"),
        ("tus", PROJECT / "node_modules" / "tus-js-client" / "dist"),
    )
    if path.is_dir()
]

CELERY_BROKER_URL = EARMARK.broker_url
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "cpu"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULE = {
    "sweep jobs": {"task": "earmark.jobs.sweep", "schedule": schedule(timedelta(seconds=10))},
    "sweep uploads": {"task": "earmark.corpus.sweep_uploads", "schedule": schedule(timedelta(hours=1))},
    "sweep listenings": {
        "task": "earmark.recognition.sweep_listenings",
        "schedule": schedule(timedelta(minutes=5)),
    },
    "thin details": {"task": "earmark.loop.thin_details", "schedule": schedule(timedelta(hours=6))},
    "sweep trainings": {
        "task": "training_jobs.sweep_folders",
        "schedule": schedule(timedelta(hours=1)),
    },
    "turn loops": {"task": "earmark.loop.turn", "schedule": schedule(timedelta(seconds=30))},
    "fold tallies": {"task": "earmark.corpus.fold_tallies", "schedule": schedule(timedelta(seconds=30))},
    "check answers": {"task": "annotation.start_checks", "schedule": schedule(timedelta(seconds=30))},
    "poll connected projects": {
        "task": "annotation.poll_connected",
        "schedule": schedule(timedelta(minutes=5)),
    },
    "poll open rounds": {"task": "annotation.poll_open_rounds", "schedule": schedule(timedelta(seconds=20))},
    "look after open rounds": {
        "task": "annotation.look_after_open_rounds",
        "schedule": schedule(timedelta(seconds=60)),
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(EARMARK.var / "celerybeat-schedule")

# how a round may choose its clips: dotted paths of functions like those of annotation.acquisition
ACQUISITION_STRATEGIES = [
    "annotation.acquisition.earmark",
    "annotation.acquisition.errors_per_second",
    "annotation.acquisition.least_confidence",
    "annotation.acquisition.entropy",
    "annotation.acquisition.weakest_word",
    "annotation.acquisition.k_centre",
    "annotation.acquisition.k_means",
    "annotation.acquisition.typiclust",
    "annotation.acquisition.random",
]

# what can hear, by the dotted path of a class like earmark.speech.engine.Engine; models name one of these
ENGINES = {
    "glm-asr": "earmark.speech.glm.GlmAsrEngine",
    "whisper": "earmark.speech.whisper.WhisperEngine",
    "remote": "earmark.speech.remote.RemoteEngine",
}
# what their `load` is told beside source and device
ENGINE_OPTIONS = {"remote": {"hosts": EARMARK.remote_hosts, "key": EARMARK.remote_key}}

# what starts a training, by the dotted path of a class like training_jobs.launchers.launcher.Launcher;
# EARMARK_LAUNCHER names one of these, or another dotted path, and EARMARK_LAUNCHER_OPTIONS are its keywords
TRAINING_LAUNCHERS = {
    "local": "training_jobs.launchers.local.LocalLauncher",
    "slurm": "training_jobs.launchers.slurm.SlurmLauncher",
    "command": "training_jobs.launchers.command.CommandLauncher",
}

# thresholds of the quality gate that differ from those of corpus.gate.Gate; a collection may differ again
QUALITY_GATE: dict[str, float] = {}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_RATES": {"sign-in": "10/min"},
    "EXCEPTION_HANDLER": "earmark.api.errors.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Earmark",
    "DESCRIPTION": "Annotation and active learning for speech.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "AliasName": "earmark.recognition.models.Alias.Name",
        "DecisionKind": "annotation.review_models.Decision.Kind",
        "JobStatus": "earmark.jobs.models.Status",
        "KindEnum": "earmark.corpus.models.Reference.Kind",
        "RoundStatus": "annotation.models.Round.Status",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "earmark.api.describing.with_problems",
    ],
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=30), "AUTO_REFRESH": False}

UNFOLD = {"SITE_TITLE": "Earmark", "SITE_HEADER": _("Earmark administration"), "SITE_URL": "/"}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"httpx": {"level": "WARNING"}},
}
