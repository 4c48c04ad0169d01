"""What resembles personal data or a secret and is neither: fields with their values, and whole messages.

A number without a telling name is only used when its check digits are wrong: about others a careful
reader could not decide.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable

from lab.corpora.outside import document_numbers
from lab.corpora.outside.people import email_address
from lab.corpora.outside.tokens import ALNUM, HEX, LOWER, UPPER, blob
from lab.corpora.outside.writing import digits, weighted

Make = Callable[[random.Random], str]


def uuid(rng: random.Random) -> str:
    return document_numbers.random_uuid(rng)


def wrong_cpf(rng: random.Random) -> str:
    number = document_numbers.cpf_number(rng)
    number = number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)
    usual = f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"
    return weighted(
        rng,
        (3, usual),
        (2, number),
        (1, f"{digits(rng, 1) * 3}.***.***-{number[9:]}"),
        (1, "111.111.111-11"),
    )


def wrong_cnpj(rng: random.Random) -> str:
    number = document_numbers.cnpj_number(rng)
    number = number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)
    return f"{number[:2]}.{number[2:5]}.{number[5:8]}/{number[8:12]}-{number[12:]}"


def wrong_card(rng: random.Random) -> str:
    number = document_numbers.card_number(rng)
    wrong = number[:-1] + str((int(number[-1]) + rng.randint(1, 9)) % 10)
    masked = f"{number[:4]} **** **** {number[-4:]}"
    return weighted(
        rng,
        (2, wrong),
        (2, masked),
        (2, f"{number[:6]}******{number[-4:]}"),
        (1, f"**** {number[-4:]}"),
    )


def private_ip(rng: random.Random) -> str:
    a, b, c = rng.randint(0, 254), rng.randint(0, 254), rng.randint(1, 254)
    ranges = (
        f"10.{a}.{b}.{c}",
        f"192.168.{a}.{c}",
        f"172.{rng.randint(16, 31)}.{b}.{c}",
        f"127.0.0.{c}",
    )
    special = (
        f"169.254.{a}.{c}",
        f"203.0.113.{c}",
        f"198.51.100.{c}",
        f"192.0.2.{c}",
        "0.0.0.0",  # noqa: S104
        "255.255.255.0",
    )
    six = (
        "::1",
        f"fe80::{c:x}:{b:x}ff:fe{a:02x}:1",
        f"fd12:3456:789a::{c:x}",
        f"2001:db8::{a:x}:{c:x}",
        "ff02::1",
    )
    return rng.choice(weighted(rng, (6, ranges), (3, special), (3, six)))


def version(rng: random.Random) -> str:
    parts = [str(rng.randint(0, high)) for high in (140, 40, 9999, 250)]
    return ".".join(parts[: rng.choice((3, 4, 4))])


def stamp(rng: random.Random) -> str:
    day = f"{rng.randint(2024, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    return f"{day}T{clock}.{rng.randint(0, 999):03}Z"


def example_mail(rng: random.Random) -> str:
    domains = (
        "example.com",
        "example.org",
        "mail.example.net",
        "mbp.test",
        "shop.invalid",
        "localhost",
    )
    return f"{email_address(rng).split('@')[0]}@{rng.choice(domains)}"


def hexadecimal(*sizes: int) -> Make:
    return lambda rng: digits(rng, rng.choice(sizes), HEX)


def number(*sizes: int) -> Make:
    return lambda rng: str(rng.randint(1, 9)) + digits(rng, rng.choice(sizes) - 1)


def among(*texts: str) -> Make:
    return lambda rng: rng.choice(texts)


def ean(rng: random.Random) -> str:
    front = rng.choice(("789", "790", "978")) + digits(rng, 9)
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(front))
    return front + str(-total % 10)


def imei(rng: random.Random) -> str:
    front = "35" + digits(rng, 12)
    return front + document_numbers.luhn_digit(front)


# Names of a field, and how its value is made.
FIELDS: tuple[tuple[tuple[str, ...], Make], ...] = (
    (("order_id", "pedido", "numero_pedido", "order_number"), number(9, 10, 11, 11, 12, 14, 16)),
    (("nsu", "protocolo", "numero_protocolo", "ticket", "chamado"), number(9, 11, 12, 14)),
    (("tracking_number", "rastreio", "batch_id", "lote", "build_number"), number(10, 11, 13, 16)),
    (("event_time_ns", "epoch_ns", "timestamp_us", "ts"), lambda rng: f"17{digits(rng, rng.choice((11, 14, 17)))}"),
    (("created", "data_hora", "file_stamp"), lambda rng: "".join(c for c in stamp(rng)[:19] if c.isdigit())),
    (("lsn", "offset", "kafka_offset", "seq", "bytes_read"), number(8, 10, 11, 14)),
    (("snowflake_id", "tweet_id", "message_id", "market_seq"), number(18, 19)),
    (("imei", "device_imei"), imei),
    (("ean", "gtin", "codigo_barras", "isbn"), ean),
    (("trace_id", "x_b3_traceid", "etag", "md5", "checksum"), hexadecimal(32)),
    (("span_id", "parent_id", "row_mark"), hexadecimal(16)),
    (("commit", "git_sha", "sha1", "revision"), hexadecimal(40, 40, 7)),
    (("sha256", "digest", "image_digest", "decided_by_hash", "user_id_hash"), hexadecimal(64)),
    (("request_id", "correlation_id", "event_id", "run_id", "invocation_id", "idempotency_key", "order_uuid"), uuid),
    (("version", "versao", "agent_version", "firmware", "driver_version", "app_build"), version),
    (("ip", "client_ip", "remote_addr", "host", "bind", "listen", "gateway", "x_forwarded_for"), private_ip),
    (("cpf", "document_number", "documento"), wrong_cpf),
    (("cnpj", "company_cnpj"), wrong_cnpj),
    (("card_number", "pan", "cartao"), wrong_card),
    (("email", "user_email", "contact_email", "to"), example_mail),
    (("price", "preco", "twap_5m", "depth_2pct"), lambda rng: f"0.{digits(rng, 8)}"),
    (("amount", "volume", "valor", "min_liquidity"), 
        lambda rng: f"{number(3, 5, 7)(rng)}.{digits(rng, rng.choice((2, 8)))}"),
    (("lat", "latitude"), lambda rng: f"-{rng.randint(0, 33)}.{digits(rng, 7)}"),
    (("lon", "longitude"), lambda rng: f"-{rng.randint(35, 73)}.{digits(rng, 7)}"),
    (("cep", "postal_code"), lambda rng: f"{digits(rng, 5)}-{digits(rng, 3)}"),
    (("agencia_conta", "account_number", "conta"), lambda rng: f"{digits(rng, 4)} {digits(rng, 5)}-{digits(rng, 1)}"),
    (("password", "api_key", "token", "client_secret", "senha"), among(
        "********", "[REDACTED]", "<redacted>", "${VAULT_SECRET}",
        "{{ env_var('DBT_PASSWORD') }}", "null", "changeme", "os.environ['API_KEY']", "***", "secret/data/prod#value")),
    (("tokens_used", "max_tokens", "token_count", "password_age_days"), number(2, 3, 4)),
    (("token_type", "secret_name", "key_name", "sort_key"), among(
        "bearer", "prod/pg/loader", "alias/mbp-raw", "quoted_at", "Bearer")),
    (("cache_key", "partition_key", "primary_key"), lambda rng: f"market:{digits(rng, 5)}:quotes:{stamp(rng)[:10]}"),
    (("integrity", "wheel_hash"), lambda rng: f"sha384-{blob(rng, 48)}"),
    (("public_key", "host_key"), lambda rng: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{blob(rng, 32)[:43]}"),
    (("full_name", "customer_name", "nome", "holder_name"), among(
        "", "null", "***", "N/A", "[removido]", "não informado", "M*** S***")),
    (("name", "market_name", "question", "titulo"), among(
        "Vai chover em São Paulo no sábado?", "Will the Selic rate fall in March?",
        "Final da Copa do Brasil 2026", "Rio Grande do Sul: safra de soja", "US election turnout")),
    (("service", "job", "pool_name", "hostname"), among(
        "quotes-writer", "settlement-worker-7", "pg-primary-0", "Kafka Connect")),
    (("mac", "bssid"), lambda rng: ":".join(digits(rng, 2, HEX) for _ in range(6))),
    (("fingerprint", "cert_fingerprint"), lambda rng: ":".join(digits(rng, 2, HEX).upper() for _ in range(20))),
    (("oid", "snmp_oid"), lambda rng: f"1.3.6.1.4.1.{rng.randint(9, 50000)}.{rng.randint(1, 30)}.{rng.randint(1, 9)}"),
    (("thumbnail", "image"), lambda rng: f"data:image/png;base64,iVBORw0KGgo{blob(rng, 60)}"),
    (("pod", "container"), lambda rng: f"mbp-api-{digits(rng, 9, LOWER)}-{digits(rng, 5, LOWER)}"),
)  # fmt: skip

PHRASES: tuple[tuple[str, Make], ...] = (
    ("order {} confirmed in 12 ms", number(11, 14, 16)),
    ("Pedido {} enviado para a transportadora", number(9, 11)),
    ("CPF {} inválido: dígito verificador não confere", wrong_cpf),
    ("rejected card {}: checksum failed", wrong_card),
    ("CNPJ inválido: {}", wrong_cnpj),
    ("compiled model mbp_quotes at commit {}", hexadecimal(40)),
    ("pulled registry.mbp.internal/api@sha256:{}", hexadecimal(64)),
    ("Upgraded package from 4.12.3.1 to {}", version),
    ('"GET /health HTTP/1.1" 200 "Mozilla/5.0 (X11; Linux x86_64) Chrome/{} Safari/537.36"', version),
    ("connection from {} closed", private_ip),
    ("listening on {} port 5432", private_ip),
    ("git clone git@github.com:mbp/{}.git", among("contracts", "market-maker", "infra")),
    ("$ ssh deploy@{}", private_ip),
    ("npm install @angular/core@{}", version),
    ("loaded asset logo@{}x.png", among("2", "3")),
    ("started getty@{}.service", among("tty1", "tty2")),
    ("@dataclass(frozen=True) class {}: pass", among("Order", "Quote", "Window")),
    ("def get_full_name(self, first_name: str, last_name: str) -> str:  # {}", among("ok", "TODO")),
    ("ALTER TABLE customers ADD COLUMN full_name VARCHAR({}) NOT NULL", number(2, 3)),
    ("mail to {} bounced (test mailbox)", example_mail),
    ("ISBN {} added to the catalogue", ean),
    ("pix settled in 310 ms correlation_id={}", uuid),
    ("PIX recebido, endToEndId=E12345678202603021022{}", lambda rng: digits(rng, 11, ALNUM)),
    ("retry of event {} scheduled", uuid),
    ("requirements: certifi==2026.1.4 --hash=sha256:{}", hexadecimal(64)),
    ("token expired, refreshing; {} requests in queue", number(1, 2)),
    ("password policy: at least 14 characters, rotated every {} days", number(2)),
    ("curl -H 'Authorization: Bearer $TOKEN' https://api.mbp.internal/v{}", among("1", "2")),
    ("checkpoint at LSN {}", lambda rng: f"{digits(rng, 1, HEX)}/{digits(rng, 8, HEX).upper()}"),
    ("latency p95 {} ms over 1,024 requests", lambda rng: f"{rng.randint(20, 900)}.{digits(rng, 2)}"),
    ("position {} reached", lambda rng: f"-23.{digits(rng, 6)}, -46.{digits(rng, 6)}"),
    ("window {} closed", stamp),
    ("partition {} has 11 98 765 rows in 4 files", stamp),
    ("total R$ {} em 3 parcelas", lambda rng: f"{rng.randint(1, 999)}.{digits(rng, 3)},{digits(rng, 2)}"),
    ("boleto 23793.38128 60007.{} 95000.063305 9 8437000{}", lambda rng: digits(rng, 6)),
    ("std::vector<int>::at at 0x{}", hexadecimal(12)),
    ("user {} not found", lambda rng: f"usr_{digits(rng, 16, LOWER)}"),
    ("licence plate reader {} offline", lambda rng: f"CAM-{digits(rng, 4)}"),
    ("voo {} atrasado", lambda rng: f"{digits(rng, 2, UPPER)}{digits(rng, 4)}"),
    ("-----BEGIN PUBLIC KEY----- {} -----END PUBLIC KEY-----", lambda rng: blob(rng, 90)),
    ("opened https://docs.mbp.internal/runbooks/{}?v=2#section-4.2.1", among("kpi_gap", "cdc_lag")),
    ("Ligue o alerta {} do plantão", among("42", "7")),
    ("cursor {}", lambda rng: base64.b64encode(f"offset:{digits(rng, 8)}".encode()).decode()),
)  # fmt: skip


def field(rng: random.Random) -> tuple[str, str]:
    names, make = rng.choice(FIELDS)
    return rng.choice(names), make(rng)


def message(rng: random.Random) -> str:
    template, make = rng.choice(PHRASES)
    while "{}" in template:
        template = template.replace("{}", make(rng), 1)
    return template
