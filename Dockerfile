# One image for the site, the workers and beat; what runs is the command, as in the Procfile.
#
#   docker build .                                   for the CPU
#   docker build --build-arg TORCH_BACKEND=cu130 .   for NVIDIA cards (any backend that uv knows)

FROM node:24-slim AS browser
WORKDIR /app
COPY package.json .npmrc ./
RUN npm install

FROM python:3.11-slim-bookworm
ARG TORCH_BACKEND=cpu
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EARMARK_VAR=/var/lib/earmark \
    EARMARK_MEDIA=/var/lib/earmark/media \
    EARMARK_BIND=0.0.0.0:8000
WORKDIR /app

COPY pyproject.toml constraints.txt ./
RUN python -m venv .venv \
 && pip install --no-cache-dir -c constraints.txt uv \
 && uv pip install --no-cache --torch-backend "$TORCH_BACKEND" -c constraints.txt -r pyproject.toml --extra gradio

COPY README.md LICENSE manage.py Procfile ./
COPY platform platform
COPY annotation annotation
COPY training_jobs training_jobs
COPY models models
COPY --from=browser /app/node_modules node_modules
# the values below reach no database and sign nothing: they only let the settings load
RUN uv pip install --no-cache --no-deps -e . \
 && useradd --system --home-dir /var/lib/earmark --create-home earmark \
 && SECRET_KEY=unused EARMARK_WEBHOOK_SECRET=unused DATABASE_URL=postgres://unused CELERY_BROKER_URL=redis://unused \
    python manage.py collectstatic --no-input \
 && chown -R earmark: /var/lib/earmark

USER earmark
VOLUME /var/lib/earmark
EXPOSE 8000
CMD ["gunicorn", "--config", "python:earmark.config.gunicorn", "earmark.config.wsgi"]
