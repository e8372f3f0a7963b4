"""Django's settings. Everything an operator may change comes from `chatsite.env`."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.templatetags.static import static
from kombu import Exchange, Queue

from chat.hints import queues
from chatsite.env import BASE_DIR
from chatsite.env_reader import env
from chatsite.observability import logs

ENV = env()

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug

# --- Who may reach us -------------------------------------------------------------------------
# One list of exact origins gives all the rest. Loopback names are for clients on this machine;
# health checks and Prometheus may use any name (chatsite/web/asked_by_address.py).
HTTPS = bool(ENV.allowed_origins) and all(
    origin.startswith("https://") for origin in ENV.allowed_origins
)
ALLOWED_HOSTS = [
    *dict.fromkeys(urlsplit(origin).hostname or "" for origin in ENV.allowed_origins),
    "localhost",
    "127.0.0.1",
    "[::1]",
]
CSRF_TRUSTED_ORIGINS = list(ENV.allowed_origins)
if ENV.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "chat",
    "analytics",
    "chatsite",
    # Before the admin, whose templates it replaces.
    "unfold.apps.BasicAppConfig",
    "chat.admin.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_prometheus",
    "django_vite",
    "ninja",
    "servestatic",
]

MIDDLEWARE = [
    "chatsite.observability.request_log.request_log",
    "chatsite.web.asked_by_address.asked_by_address",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "chatsite.web.static_storage.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "chat.accounts.known_devices.known_devices",
    "chat.api.http_methods.http_methods",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "chat.monitoring.durability_notice.weak_log",
            ],
        },
    },
]

# --- PostgreSQL -------------------------------------------------------------------------------
# PostgreSQL enforces the limits, so that a stuck client cannot hold a shard or a table forever.
DATABASE_LIMITS = " ".join(
    f"-c {name}={milliseconds}"
    for name, milliseconds in {
        "statement_timeout": ENV.db_statement_timeout_ms,
        "lock_timeout": ENV.db_lock_timeout_ms,
        "idle_in_transaction_session_timeout": ENV.db_idle_in_transaction_timeout_ms,
    }.items()
)
DATABASES: dict[str, dict[str, Any]] = {
    "default": environ.Env.db_url_config(ENV.database_owner_url or ENV.database_url)
}
DATABASES["default"] |= {
    "ENGINE": "django_prometheus.db.backends.postgresql",
    # Under ASGI persistent connections leak, one for each thread; the pool below replaces them.
    "CONN_MAX_AGE": 0,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": DATABASES["default"].get("OPTIONS", {})
    | {
        "connect_timeout": ENV.db_connect_timeout_seconds,
        "application_name": "veche",
        "options": DATABASE_LIMITS,
        "pool": {
            "min_size": 0,
            "max_size": ENV.db_pool_max,
            "timeout": ENV.db_connect_timeout_seconds,
            "max_lifetime": 3600,
            "max_idle": 300,
            # The pool makes one new connection at a time and doubles its wait after each failure:
            # after an outage of minutes it would wait for minutes more. If it gives up in time,
            # the next caller starts a new attempt.
            "reconnect_timeout": ENV.db_connect_timeout_seconds,
        },
        # Otherwise a server that vanished silently would hold its callers' threads for a quarter of
        # an hour.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Live hints: the bus ----------------------------------------------------------------------
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [
                {
                    "address": ENV.bus_redis_url,
                    # The layer holds one lock while it publishes: without time limits, a hanging
                    # bus would block every publisher in the process.
                    "socket_timeout": ENV.redis_timeout_seconds,
                    "socket_connect_timeout": ENV.redis_connect_timeout_seconds,
                    "socket_keepalive": True,
                    "health_check_interval": 10,
                }
            ],
            "prefix": "veche",
        },
    },
}

# --- Celery: tasks only wake up, they carry no data ----------------------------------------------
CELERY_DATABASE = 1
CELERY_BROKER_URL = urlunsplit(urlsplit(ENV.bus_redis_url)._replace(path=f"/{CELERY_DATABASE}"))
CELERY_BROKER_CONNECTION_TIMEOUT = ENV.redis_connect_timeout_seconds
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # A worker waits for its broker as long as it takes.
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = ENV.redis_timeout_seconds
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # By default kombu waits without limit, so a publish would hang with the bus.
    "socket_timeout": ENV.redis_timeout_seconds,
    "socket_connect_timeout": ENV.redis_connect_timeout_seconds,
    "socket_keepalive": True,
    "health_check_interval": 5,
    "max_retries": 2,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 0.5,
    "visibility_timeout": 3600,
    "queue_order_strategy": "chatsite.worker.queue_order:QueueOrder",
}
# Each queue has an exchange of its own: messages for one must not reach another.
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in queues.QUEUES]
CELERY_TASK_DEFAULT_QUEUE = queues.DEFAULT
CELERY_TASK_ROUTES = {task: {"queue": queues.DRAINS} for task in queues.IN_DRAINS}
# No other worker can take a task that a busy worker has prefetched.
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 0.5,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_WORKER_CONSUMER = "chatsite.worker.consumer:Consumer"
CELERY_WORKER_CONCURRENCY = ENV.worker_concurrency
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 8.0
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_MAX_TASKS_PER_CHILD = 50_000
# KiB, nearly twice what a child needs: a leaking child is replaced between two tasks, before the
# container's limit would end the worker and all its children in the middle of tasks.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 200_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# In memory: every schedule here is short or harmless to run twice, and a schedule file would have
# to persist and be writable everywhere.
CELERY_BEAT_SCHEDULER = "chatsite.worker.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    # A lost wake-up costs two seconds, not a message. Wake-ups expire, so that a worker that was
    # down does not find a heap of them.
    "sweep-shards": {
        "task": "chat.tasks.sweep_shards",
        "schedule": 2.0,
        "options": {"expires": 10.0},
    },
    "retry-dead-letters": {
        "task": "chat.tasks.retry_dead_letters",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    # Queuing a mail does not wake this task: a mail can wait two seconds, but a page must not wait
    # for the broker.
    "send-mail": {
        "task": "chat.tasks.send_mail",
        "schedule": 2.0,
        "options": {"expires": 10.0},
    },
    "unload-idle-rooms": {
        "task": "chat.tasks.unload_idle_rooms",
        "schedule": 3600.0,
        "options": {"expires": 600.0},
    },
    "forget-batch-ends": {
        "task": "chat.tasks.forget_batch_ends",
        "schedule": 3600.0,
        "options": {"expires": 600.0},
    },
    "agree-on-restrictions": {
        "task": "chat.tasks.agree_on_restrictions",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "settle-audit-log": {
        "task": "chat.tasks.settle_audit_log",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "fill-vacancies": {
        "task": "chat.tasks.fill_vacancies",
        "schedule": 300.0,
        "options": {"expires": 300.0},
    },
    "verify-recent-rooms": {
        "task": "chat.tasks.verify_recent_rooms",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "look-at-event-bus": {
        "task": "chat.tasks.look_at_event_bus",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
    "sweep-exports": {
        "task": "chat.tasks.sweep_exports",
        "schedule": 2.0,
        "options": {"expires": 10.0},
    },
}

# --- Applications beside the chat: neither imports the other; see chatsite/analytics_wiring ------
# Part of the chat's API, which lets people in, limits them and answers their errors.
API_ROUTERS_BESIDE_THE_CHAT = {"analytics": "analytics.reading.api.router"}

# --- Metrics ----------------------------------------------------------------------------------
# The modules that define the metrics listed in docs/metrics.md.
METRIC_MODULES = ["chat.metrics.catalogue", "analytics.counting.metrics"]
# Commands that run forever call this at the start, with their role, so that they can be watched:
# metrics on METRICS_PORT, traces, errors.
BEGIN_PROCESS = "chatsite.observability.start.begin"

# --- People -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "chat.User"
# allauth's backend includes Django's, with sign-in by user name; both together would hash every
# password twice.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["chat.accounts.password_hasher.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "chat.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {
    name: f"chat.accounts.forms.{form}"
    for name, form in {
        "login": "LoginForm",
        "signup": "SignupForm",
        "change_password": "ChangePasswordForm",
        "set_password": "SetPasswordForm",
        "reset_password": "ResetPasswordForm",
        "reset_password_from_key": "ResetPasswordKeyForm",
        "reauthenticate": "ReauthenticateForm",
        "add_email": "AddEmailForm",
    }.items()
}
ACCOUNT_SIGNUP_FORM_CLASS = "chat.accounts.display_name_form.DisplayNameForm"
ACCOUNT_USERNAME_VALIDATORS = "chat.names.usernames.validators"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Nobody learns which mail addresses are known here: sign-up accepts any, and password reset says
# the same for all and mails only people who have an account.
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
# People are asked who they are again before changes; see chat/accounts/reauthentication.py.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "chat.accounts.password_reset_tokens.Tokens"  # noqa: S105
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Veche] "
# chat/accounts/sign_in_limits.py explains the limits of failed sign-ins. `sign_in` also counts
# successful attempts, because each makes this machine hash a password. allauth itself counts none
# of these. `change_name` limits changes of one's own name, `make_token` new tokens. The rest are
# allauth's own limits.
ACCOUNT_RATE_LIMITS = {
    "login": "",
    "sign_in": "30/m/ip",
    "login_failed": "10/m/ip,5/300s/key",
    "login_failed_by_name": "100/h/key",
    "login_failed_by_device": "10/d/key",
    "code_failed": "10/m/ip,5/300s/key,20/h/key",
    "change_name": "10/m/user",
    "make_token": "10/m/user",
}
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = True

# A second factor for anybody who wants one; STAFF_MFA requires it of staff
# (chat/admin/site/site.py).
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Veche"
# Addresses are not verified here, and that must not keep anybody from a second factor.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    name: f"chat.accounts.forms.{form}"
    for name, form in {
        "authenticate": "AuthenticateForm",
        "reauthenticate": "ReauthenticateCodeForm",
        "activate_totp": "ActivateTOTPForm",
    }.items()
}

# Where all web processes count attempts to sign in.
CACHES = {
    "default": {
        "BACKEND": "chat.accounts.limit_cache.LimitCache",
        "LOCATION": ENV.bus_redis_url,
        "KEY_PREFIX": "veche:limit",
        "OPTIONS": {
            "serializer": "chat.accounts.limit_cache.JsonSerializer",
            "socket_timeout": ENV.redis_timeout_seconds,
            "socket_connect_timeout": ENV.redis_connect_timeout_seconds,
            "socket_keepalive": True,
        },
    },
}

# Mail is queued, and a worker sends it: see chat/mail/queue.py.
_email = environ.Env.email_url_config(ENV.email_url)
EMAIL_BACKEND = "chat.mail.queue.Backend"
MAIL_TRANSPORT_BACKEND = _email["EMAIL_BACKEND"]
if urlsplit(ENV.email_url).scheme == "filemail":
    MAIL_TRANSPORT_BACKEND = "chat.mail.files.Backend"
EMAIL_FILE_PATH = urlsplit(ENV.email_url).path or str(BASE_DIR / "var" / "mail")
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_email.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_email.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = ENV.email_from

# --- Browser security -------------------------------------------------------------------------
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# The prefix makes browsers refuse the cookie from anything but this host over HTTPS.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
KNOWN_DEVICE_COOKIE_NAME = "__Host-veche_device" if HTTPS else "veche_device"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # Subdomains and the preload list are for the whole domain's owner to decide.
    "security.W021",
    "security.W008",  # The gateway sends people on to HTTPS; health checks come over HTTP.
]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# --- Admin ------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Veche",
    "SITE_HEADER": "Veche",
    "SITE_ICON": lambda request: static("chat/img/mark.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("chat/img/mark.svg"),
        }
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    # unfold's colours would come as a style element, which the policy above refuses.
    "COLORS": {"base": {}, "primary": {}, "font": {}},
    "STYLES": [lambda request: static("chat/admin/admin.css")],
}

# --- Static files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = ENV.static_root
# Before the first collectstatic (tests, a fresh checkout) files come straight from the apps.
SERVESTATIC_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
SERVESTATIC_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "chatsite.web.static_storage.StaticStorage"},
}
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "manifest_path": BASE_DIR / "chat/static/chat/build/manifest.json",
        "static_url_prefix": "chat/build",
    },
    "analytics": {
        "dev_mode": False,
        "manifest_path": BASE_DIR / "analytics/static/analytics/build/manifest.json",
        "static_url_prefix": "analytics/build",
    },
}

# --- Language and time ------------------------------------------------------------------------
LANGUAGE_CODE = ENV.default_language
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "chat/locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs: ids only, to stderr, because stdout is for programs that read a command's result -----
LOGGING = logs.configuration(ENV, sys.stderr)
