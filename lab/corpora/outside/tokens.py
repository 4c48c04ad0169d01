"""Made-up tokens and secrets in today's common forms. Every prefix is put together from parts:
no scanner may take this file for a secret.
"""

from __future__ import annotations

import base64
import json
import random
import string
import zlib
from collections.abc import Callable

from lab.corpora.outside.writing import DIGITS, Value, digits, weighted

LETTERS = string.ascii_letters
ALNUM = LETTERS + DIGITS
UPPER = string.ascii_uppercase + DIGITS
LOWER = string.ascii_lowercase + DIGITS
HEX = "0123456789abcdef"
URL = ALNUM + "-_"
ALPHABETS = {
    "a": ALNUM,
    "u": UPPER,
    "l": LOWER,
    "h": HEX,
    "_": URL,
    "d": DIGITS,
    "2": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}

Fields = tuple[str, ...]


def glue(*parts: str) -> str:
    return "".join(parts)


def blob(rng: random.Random, size: int, url_safe: bool = False) -> str:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    return encode(rng.randbytes(size)).decode()


# What a reader knows by its form alone: weight, parts (a text, or alphabet and length), names of the field.
FORMS: tuple[tuple[int, tuple[str | tuple[str, int], ...], Fields], ...] = (
    (3, ("git", "hub_", "pat_", ("a", 22), "_", ("a", 59)), ("github_token", "token", "gh_pat")),
    (5, ("gl", "pat-", ("_", 20)), ("gitlab_token", "private_token", "ci_token")),
    (1, ("gl", "dt-", ("_", 20)), ("deploy_token",)),
    (1, ("gl", "rt-", ("_", 20)), ("runner_token",)),
    (1, ("gl", "ptt-", ("h", 40)), ("trigger_token",)),
    (1, ("gl", "pat-", ("_", 27), ".01.", ("l", 9)), ("gitlab_token",)),
    (5, ("np", "m_", ("a", 36)), ("npm_token", "_auth_token", "node_auth_token")),
    (5, ("py", "pi-", "AgEIcHlw", "aS5vcmc", ("_", 140)), ("pypi_token", "twine_password", "password")),
    (4, ("xo", "xb-", ("d", 12), "-", ("d", 13), "-", ("a", 24)), ("slack_token", "bot_token")),
    (2, ("xo", "xp-", ("d", 12), "-", ("d", 12), "-", ("d", 13), "-", ("h", 32)), ("slack_token",)),
    (1, ("xa", "pp-1-A", ("u", 10), "-", ("d", 13), "-", ("h", 64)), ("slack_app_token",)),
    (3, ("https://hooks.", "slack.com/ser", "vices/T", ("u", 8), "/B", ("u", 10), "/", ("a", 24)), (
        "slack_webhook", "webhook_url")),
    (4, ("sk", "_live_", ("a", 24)), ("stripe_key", "api_key", "stripe_secret_key")),
    (2, ("sk", "_live_51", ("a", 99)), ("stripe_key", "api_key")),
    (2, ("rk", "_live_", ("a", 24)), ("stripe_restricted_key",)),
    (2, ("sk", "_test_", ("a", 24)), ("stripe_key", "api_key")),
    (2, ("wh", "sec_", ("a", 32)), ("webhook_secret", "stripe_webhook_secret")),
    (5, ("AI", "za", ("_", 35)), ("google_api_key", "key", "maps_key")),
    (2, ("GOC", "SPX-", ("_", 28)), ("client_secret", "google_client_secret")),
    (2, ("ya", "29.a0", ("_", 120)), ("access_token", "oauth_token")),
    (5, ("AK", "IA", ("2", 16)), ("aws_access_key_id", "access_key")),
    (2, ("AS", "IA", ("2", 16)), ("aws_access_key_id", "access_key")),
    (4, ("S", "G.", ("_", 22), ".", ("_", 43)), ("sendgrid_api_key", "smtp_password")),
    (4, (("d", 10), ":A", "A", ("_", 33)), ("telegram_bot_token", "bot_token")),
    (4, ("da", "pi", ("h", 32)), ("databricks_token", "access_token")),
    (3, ("hv", "s.CAES", "I", ("_", 90)), ("vault_token", "x_vault_token")),
    (2, ("hv", "s.", ("a", 24)), ("vault_token",)),
    (2, (("a", 14), ".atlas", "v1.", ("a", 67)), ("tfe_token", "terraform_cloud_token")),
    (2, (("a", 3), "8", "Q~", ("a", 34)), ("azure_client_secret", "client_secret")),
    (2, ("hf", "_", ("a", 34)), ("hf_token",)),
    (2, ("sk-", "proj-", ("_", 74), "T3Bl", "bkFJ", ("_", 74)), ("openai_api_key",)),
    (2, ("sk-", "ant-", "api03-", ("_", 93), "AA"), ("anthropic_api_key",)),
    (2, ("dop", "_v1_", ("h", 64)), ("digitalocean_token",)),
    (2, ("shp", "at_", ("h", 32)), ("shopify_token", "x_shopify_access_token")),
    (2, ("dck", "r_pat_", ("_", 27)), ("docker_password", "docker_hub_token")),
    (2, ("gl", "sa_", ("a", 32), "_", ("h", 8)), ("grafana_token",)),
    (2, ("APP", "_USR-", ("d", 16), "-", ("d", 6), "-", ("h", 32), "-", ("d", 9)), (
        "mercado_pago_token", "access_token")),
    (1, ("NR", "AK-", ("u", 27)), ("new_relic_key",)),
    (1, ("lin", "_api_", ("a", 40)), ("linear_api_key",)),
    (1, ("PM", "AK-", ("h", 24), "-", ("h", 34)), ("postman_api_key",)),
    (1, ("AT", "ATT3x", "FfGF0", ("_", 170)), ("atlassian_token", "jira_token")),
    (1, ("ruby", "gems_", ("h", 48)), ("gem_host_api_key",)),
    (1, ("pu", "l-", ("h", 40)), ("pulumi_access_token",)),
    (1, ("https://discord.com/", "api/web", "hooks/", ("d", 19), "/", ("_", 68)), ("discord_webhook", "webhook_url")),
)  # fmt: skip


def passphrase(rng: random.Random) -> str:
    return digits(rng, rng.randint(14, 22), ALNUM + "!#$*-_.")


# Values that only the name beside them identifies.
NAMED: tuple[tuple[int, Callable[[random.Random], str], Fields], ...] = (
    (
        6,
        lambda rng: blob(rng, 30),
        ("aws_secret_access_key", "aws_secret_key", "secret_access_key"),
    ),
    (3, lambda rng: blob(rng, 64), ("account_key", "storage_account_key", "azure_storage_key")),
    (3, lambda rng: digits(rng, 32, HEX), ("api_key", "mailgun_api_key", "app_secret")),
    (3, lambda rng: digits(rng, 40, ALNUM), ("client_secret", "api_secret", "access_token")),
    (3, lambda rng: digits(rng, 32, URL), ("refresh_token", "auth_token", "session_token")),
    (4, passphrase, ("password", "db_password", "senha", "pg_password", "passwd")),
)


def of_form(rng: random.Random) -> Value:
    _, parts, fields = rng.choices(FORMS, [weight for weight, _, _ in FORMS])[0]
    text = "".join(
        part if isinstance(part, str) else digits(rng, part[1], ALPHABETS[part[0]])
        for part in parts
    )
    return Value("access_token", text, fields, plain=True)


def base62(number: int, width: int) -> str:
    alphabet = DIGITS + string.ascii_uppercase + string.ascii_lowercase
    text = ""
    for _ in range(width):
        number, rest = divmod(number, 62)
        text = alphabet[rest] + text
    return text


def github(rng: random.Random) -> Value:
    """The classic forms, with the checksum that GitHub puts at their end."""
    kind = weighted(rng, (5, "p"), (2, "o"), (1, "u"), (2, "s"), (1, "r"))
    secret = digits(rng, 30, ALNUM)
    text = glue("gh", kind, "_", secret, base62(zlib.crc32(secret.encode()), 6))
    return Value(
        "access_token", text, ("github_token", "gh_token", "token", "api_token"), plain=True
    )


def named(rng: random.Random) -> Value:
    _, make, fields = rng.choices(NAMED, [weight for weight, _, _ in NAMED])[0]
    return Value("access_token", make(rng), fields)


def jwt(rng: random.Random) -> Value:
    def part(content: dict[str, object]) -> str:
        text = json.dumps(content, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    issued = rng.randint(1_730_000_000, 1_790_000_000)
    head = part({"alg": rng.choice(("HS256", "RS256", "ES256")), "typ": "JWT"})
    claims = {
        "sub": f"svc-{rng.randint(1, 999)}",
        "iat": issued,
        "exp": issued + 3600,
        "scope": "read write",
    }
    text = f"{head}.{part(dict(claims))}.{blob(rng, rng.choice((32, 64, 256)), True).rstrip('=')}"
    return Value(
        "access_token", text, ("id_token", "access_token", "jwt", "authorization"), plain=True
    )


def pem(rng: random.Random) -> Value:
    kind = rng.choice(("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "))
    body = blob(rng, 48 * rng.randint(4, 12))
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    edge = glue("PRIV", "ATE KEY")
    ends = (f"-----BEGIN {kind}{edge}-----", f"-----END {kind}{edge}-----")
    text = rng.choice(("\n", "\n", "\\n")).join((ends[0], *lines, ends[1]))
    return Value("access_token", text, ("private_key", "ssh_key", "signing_key"), plain=True)


def authorization(rng: random.Random) -> Value:
    login = f"{rng.choice(('svc-loader', 'admin', 'etl', 'metabase'))}:{passphrase(rng)}"
    text = weighted(
        rng,
        (3, glue("Bas", "ic ", base64.b64encode(login.encode()).decode())),
        (3, glue("Bea", "rer ", digits(rng, rng.choice((32, 40, 64)), ALNUM))),
        (1, glue("to", "ken ", digits(rng, 40, HEX))),
    )
    return Value("access_token", text, ("authorization", "proxy_authorization", "auth_header"))


def address_with_password(rng: random.Random) -> Value:
    scheme = rng.choice(
        ("postgresql", "postgres", "mysql", "amqp", "redis", "mongodb+srv", "https")
    )
    host = rng.choice(("db-1.internal", "pg.mbp.svc.cluster.local", "10.0.3.17", "queue.internal"))
    secret = digits(rng, rng.randint(14, 20), ALNUM)
    text = f"{scheme}://{rng.choice(('mbp', 'etl', 'app_user'))}:{secret}@{host}:{rng.randint(1024, 9999)}/mbp"
    return Value(
        "access_token", text, ("database_url", "dsn", "connection_string", "broker_url"), plain=True
    )


def azure_connection(rng: random.Random) -> Value:
    key = blob(rng, 64)
    text = glue(
        "DefaultEndpointsProtocol=https;AccountName=mbpraw;Account",
        "Key=",
        key,
        ";EndpointSuffix=core.windows.net",
    )
    signature = blob(rng, 32).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    shared = glue(
        "https://mbpraw.blob.core.windows.net/raw?sv=2023-11-03&sr=c&sp=rl&s", "ig=", signature
    )
    return Value(
        "access_token",
        rng.choice((text, shared)),
        ("azure_connection", "storage_connection_string"),
        plain=True,
    )


def access_token(rng: random.Random) -> Value:
    make = weighted(
        rng, (50, of_form), (10, github), (12, named), (9, jwt), (5, pem), (5, authorization),
        (5, address_with_password), (4, azure_connection),
    )  # fmt: skip
    return make(rng)
