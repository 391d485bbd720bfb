#!/usr/bin/env bash
# Runs once, when the database volume is new: vectors for the platform, a role and database for Label Studio.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set password="$LABEL_STUDIO_POSTGRES_PASSWORD" <<'SQL'
CREATE EXTENSION IF NOT EXISTS vector;
CREATE ROLE label_studio LOGIN PASSWORD :'password';
CREATE DATABASE label_studio OWNER label_studio;
SQL
