# Two images. `veche` serves every role, and the command decides which: chatsite.server, celery worker,
# celery beat, manage.py. `gateway` is nginx with the static files. Base images are pinned by version;
# update them together with the dependencies.

FROM node:24-bookworm-slim AS ui
WORKDIR /src/chat/ui
COPY chat/ui/package.json chat/ui/package-lock.json ./
# Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms.
RUN npm install --no-save --no-audit --no-fund
COPY chat/ui ./
RUN npm run build

FROM python:3.11-slim-bookworm AS packages
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.11-slim-bookworm AS veche
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin veche
WORKDIR /srv/veche
COPY --from=packages /venv /venv
COPY manage.py ./
COPY chatsite chatsite
COPY analytics analytics
COPY chat chat
COPY --from=ui /src/chat/static/chat/build chat/static/chat/build
COPY --from=ui /src/analytics/static/analytics/build analytics/static/analytics/build
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STATIC_ROOT=/srv/veche/staticfiles \
    BIND=0.0.0.0 \
    PORT=8000
# Placeholders for this one command, which connects to no server; they do not stay in the image.
RUN DATABASE_URL=postgresql://build@127.0.0.1:1/none \
    LOG_REDIS_URL=redis://127.0.0.1:1/0 \
    BUS_REDIS_URL=redis://127.0.0.1:1/0 \
    SECRET_KEY=only-for-collectstatic-while-building-0123456789 \
    ALLOWED_ORIGINS=http://localhost \
    python manage.py collectstatic --no-input \
    && python -m compileall -q chat chatsite analytics
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "chatsite.server"]

FROM nginx:1.28-alpine AS gateway
COPY --from=veche /srv/veche/staticfiles /srv/veche/public/static
USER 101:101
EXPOSE 8080
