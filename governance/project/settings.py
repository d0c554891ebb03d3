"""Settings, read from the environment. The defaults run the embedded product from one data folder."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import environ

from governance.audit.bucket import Bucket

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

COUNTERSIGN_VERSION = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
DATA_DIR = Path(env.str("COUNTERSIGN_DATA", default=str(BASE_DIR / "var"))).resolve()
COUNTERSIGN_BLOBS = DATA_DIR / "blobs"
COUNTERSIGN_CHECKPOINT_KEY = env.str("COUNTERSIGN_CHECKPOINT_KEY", default=str(DATA_DIR / "keys" / "checkpoint.pem"))
COUNTERSIGN_SIGNING_KEY = env.str("COUNTERSIGN_SIGNING_KEY", default=str(DATA_DIR / "keys" / "signing.pem"))
COUNTERSIGN_ORIGIN = env.str("COUNTERSIGN_ORIGIN", default="countersign.example/log")
_PUBLISHED = env.str("COUNTERSIGN_CHECKPOINT_FOLDER", default="")
COUNTERSIGN_CHECKPOINT_FOLDER = Path(_PUBLISHED) if _PUBLISHED else None
_BUCKET = env.str("COUNTERSIGN_CHECKPOINT_BUCKET", default="")
COUNTERSIGN_CHECKPOINT_BUCKET = Bucket.at(_BUCKET) if _BUCKET else None
COUNTERSIGN_CHECKPOINT_MAIL = env.list("COUNTERSIGN_CHECKPOINT_MAIL", default=[])
COUNTERSIGN_CHECKPOINT_SECONDS = env.int("COUNTERSIGN_CHECKPOINT_SECONDS", default=300)
COUNTERSIGN_URL = env.str("COUNTERSIGN_URL", default="http://127.0.0.1:8000").rstrip("/")
COUNTERSIGN_ENVIRONMENTS = env.list("COUNTERSIGN_ENVIRONMENTS", default=["staging", "production"])
COUNTERSIGN_MAX_UPLOAD_BYTES = env.int("COUNTERSIGN_MAX_UPLOAD_BYTES", default=2 * 1024**3)
COUNTERSIGN_SANDBOX_WITHOUT_LANDLOCK = env.bool("COUNTERSIGN_SANDBOX_WITHOUT_LANDLOCK", default=False)
COUNTERSIGN_POLICY_FOLDER = BASE_DIR / "governance" / "policy" / "shipped"


def _secret_key() -> str:
    """The key from the environment or its file; a new random one of this process where neither is set."""
    path = env.str("COUNTERSIGN_SECRET_KEY_FILE", default="")
    if path:
        return Path(path).read_text().strip()
    return env.str("COUNTERSIGN_SECRET_KEY", default="") or os.urandom(48).hex()


def _oidc_secret() -> str:
    path = env.str("COUNTERSIGN_OIDC_CLIENT_SECRET_FILE", default="")
    return Path(path).read_text().strip() if path else env.str("COUNTERSIGN_OIDC_CLIENT_SECRET", default="")


COUNTERSIGN_OIDC_ISSUER = env.str("COUNTERSIGN_OIDC_ISSUER", default="")
COUNTERSIGN_OIDC_CLIENT_ID = env.str("COUNTERSIGN_OIDC_CLIENT_ID", default="")
COUNTERSIGN_OIDC_CLIENT_SECRET = _oidc_secret()
COUNTERSIGN_OIDC_NAME = env.str("COUNTERSIGN_OIDC_NAME", default="your identity provider")

SECRET_KEY = _secret_key()
SECRET_KEY_FALLBACKS = env.list("COUNTERSIGN_SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.bool("COUNTERSIGN_DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "testserver"])
CSRF_TRUSTED_ORIGINS = [COUNTERSIGN_URL]

INSTALLED_APPS = [
    "governance.audit.apps.AuditConfig",
    "governance.accounts.apps.AccountsConfig",
    "governance.registry.apps.RegistryConfig",
    "governance.policy.apps.PolicyConfig",
    "governance.evidence.apps.EvidenceConfig",
    "governance.review.apps.ReviewConfig",
    "governance.release.apps.ReleaseConfig",
    "governance.commands.apps.CommandsConfig",
    "governance.web.apps.WebConfig",
    "governance.api.apps.ApiConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_cotton",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "governance.audit.request.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "csp.middleware.CSPMiddleware",
    "governance.web.errors.RefusalMiddleware",
]

ROOT_URLCONF = "governance.project.urls"
WSGI_APPLICATION = "governance.project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "governance.web.context.navigation",
            ],
            "builtins": ["django_cotton.templatetags.cotton"],
        },
    }
]
COTTON_DIR = "components"

_SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA recursive_triggers=ON;"
    ),
}
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("COUNTERSIGN_CONN_MAX_AGE", default=60)  # SQLite reads its schema anew: 10 ms
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = _SQLITE
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = env.str("REDIS_URL", default=f"redis+socket://{DATA_DIR / 'broker' / 'valkey.sock'}")

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
ACCOUNT_ADAPTER = "governance.web.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_RATE_LIMITS = {"login": "300/m/ip", "login_failed": "30/m/ip,10/5m/key"}
SOCIALACCOUNT_ADAPTER = "governance.web.provider.ProviderSignIn"
SOCIALACCOUNT_STORE_TOKENS = False
MFA_ADAPTER = "governance.accounts.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn"]
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_FORMS = {
    "authenticate": "governance.web.sign_in.CodeForm",
    "authenticate_webauthn": "governance.web.sign_in.PasskeyForm",
}
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = COUNTERSIGN_URL.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

FILE_UPLOAD_HANDLERS = ["governance.registry.uploads.NoFiles"]  # submitting sets its own, which streams to the store
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024**2
DATA_UPLOAD_MAX_NUMBER_FILES = 12

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["governance.api.authentication.BearerToken"],
    "DEFAULT_PERMISSION_CLASSES": ["governance.api.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "governance.api.problems.handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "DESCRIPTION": "Submit models, read their evidence, ask the deploy gate.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_MAIL = env.email_url("EMAIL_URL", default="consolemail://")  # smtp+tls://user:password@host:587
EMAIL_BACKEND = _MAIL["EMAIL_BACKEND"]
EMAIL_HOST = _MAIL["EMAIL_HOST"] or "localhost"
EMAIL_PORT = _MAIL["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _MAIL["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _MAIL["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _MAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _MAIL.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _MAIL["EMAIL_FILE_PATH"]
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT", default=20)
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="countersign@localhost")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
