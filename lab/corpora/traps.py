"""Hard negatives: what resembles personal data or a secret and is neither."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random

from lab.corpora import random_values as draw

MOMENT = "2026-{:02}-{:02}T{:02}:{:02}:{:02}"


def _moment(random: Random) -> str:
    return MOMENT.format(
        random.randrange(1, 13),
        random.randrange(1, 29),
        *(random.randrange(n) for n in (24, 60, 60)),
    )


def _cpf_shape(text: str) -> str:
    return f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"


def _wrong(random: Random, right: str) -> str:
    """The same number with another last digit."""
    return right[:-1] + str((int(right[-1]) + random.randrange(1, 10)) % 10)


def _hexadecimal(random: Random, count: int) -> str:
    return f"{random.getrandbits(count * 4):0{count}x}"


# Each makes one line. Numbers with right check digits are where a word says what they are.
TRAPS: tuple[Callable[[Random], str], ...] = (
    lambda r: f"cpf recusado: {_cpf_shape(_wrong(r, draw.cpf(r)))} digito verificador nao confere",
    lambda r: f'{{"cpf": "{_wrong(r, draw.cpf(r))}", "error": "check digit"}}',
    lambda r: f"CPF de teste {str(r.randrange(10)) * 11} recusado",
    lambda r: f"cpf={_cpf_shape(str(r.randrange(10)) * 11)} todos os digitos iguais",
    lambda r: f"cnpj invalido {_wrong(r, draw.cnpj(r, lettered=False))}",
    lambda r: f"CNPJ {_wrong(r, draw.cnpj(r, lettered=True))} nao confere",
    lambda r: f"order_id={draw.cpf(r)} accepted in {r.randrange(900)} ms",
    lambda r: f"pedido {draw.cpf(r)} faturado",
    lambda r: f'{{"orderId": {draw.cpf(r)}, "market_id": "mkt-{draw.digits(r, 5)}"}}',
    lambda r: f"nsu {draw.cpf(r)} confirmado pela adquirente",
    lambda r: f"rastreio {draw.cnpj(r, lettered=False)} em transito",
    lambda r: f'{{"protocolo": "{draw.cnpj(r, lettered=False)}"}}',
    lambda r: f"ord-0000-{draw.cpf(r)} filled",
    lambda r: f"price=0.{draw.cpf(r)} volume={r.randrange(999)}.{draw.digits(r, 8)}",
    lambda r: f"offset {draw.cpf(r)} partition {r.randrange(12)}",
    lambda r: f"__source_lsn: {draw.cnpj(r, lettered=False)}",
    lambda r: (
        f"mid price {draw.digits(r, 3)}.{draw.digits(r, 8)} at depth {draw.digits(r, 3)}.{draw.digits(r, 8)}"
    ),
    lambda r: (
        f"{_moment(r)}.{draw.digits(r, 6)}+00:00 INFO quote published trace={_hexadecimal(r, 32)}"
    ),
    lambda r: (
        f"snapshot_{_moment(r).replace('-', '').replace(':', '').replace('T', '')}.parquet written"
    ),
    lambda r: f"ts_ms={1767571200000 + r.randrange(10**9)} lsn={r.randrange(10**13, 10**14)}",
    lambda r: f"start_time_unix_nano={1767571200000000000 + r.randrange(10**15)}",
    lambda r: f"micros {1767571200000000 + r.randrange(10**12)} queued",
    lambda r: f"sha256:{_hexadecimal(r, 64)} verified",
    lambda r: f"commit {_hexadecimal(r, 40)} by DATA",
    lambda r: f"--hash=sha256:{_hexadecimal(r, 64)} \\",
    lambda r: f"request_id={draw.uuid(r)} status=200",
    lambda r: f'{{"session": "{draw.uuid(r)}", "event": "open"}}',
    lambda r: f"trace_id {_hexadecimal(r, 12)}{draw.cpf(r)}{_hexadecimal(r, 9)}",
    lambda r: (
        f"dbt-core=={r.randrange(1, 40)}.{r.randrange(40, 90)}.{r.randrange(90)}.{r.randrange(40)} installed"
    ),
    lambda r: (
        f"Mozilla/5.0 Chrome/{r.randrange(90, 140)}.0.{r.randrange(3000, 7000)}.{r.randrange(200)} Safari/537.36"
    ),
    lambda r: (
        f"driver version {r.randrange(30, 90)}.{r.randrange(200)}.{r.randrange(90)}.{r.randrange(90)} loaded"
    ),
    lambda r: (
        f"see section {r.randrange(1, 12)}.{r.randrange(1, 9)}.{r.randrange(1, 9)}.{r.randrange(1, 9)} of the plan"
    ),
    lambda r: f"OID 1.3.6.1.4.1.{draw.digits(r, 4)}.{r.randrange(9)}",
    lambda r: (
        f"client_ip=10.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)} GET /markets 200"
    ),
    lambda r: f"host 192.168.{r.randrange(256)}.{r.randrange(1, 255)} is up",
    lambda r: (
        f"from {r.choice(('192.0.2', '198.51.100', '203.0.113'))}.{r.randrange(1, 255)} (documentation)"
    ),
    lambda r: (
        f"listening on {r.choice(('127.0.0.1', '127.0.0.53', '::1', '169.254.1.9'))}:{r.randrange(1024, 65535)}"
    ),
    lambda r: f"peer fe80::{_hexadecimal(r, 4)}:{_hexadecimal(r, 4)} joined",
    lambda r: (
        f"route 2001:db8:{r.randrange(1, 9999)}::{r.randrange(1, 99)} via fd00::{r.randrange(1, 99)}"
    ),
    lambda r: "mac " + ":".join(_hexadecimal(r, 2) for _ in range(6)) + " leased",
    lambda r: f"window {r.randrange(10, 24)}:{r.randrange(10, 60)}:{r.randrange(10, 60)} to end",
    lambda r: f"select '{r.randrange(99)}'::numeric, x::date from t{r.randrange(99)}",
    lambda r: (
        f"git clone git@{r.choice(draw.HOSTS)}.{r.choice(('com', 'net', 'org.br'))}:dados/repo{r.randrange(99)}.git"
    ),
    lambda r: f"deploy@{r.choice(draw.HOSTS)}.net:/srv/app{r.randrange(99)} synced",
    lambda r: f"ssh://git@{r.choice(draw.HOSTS)}.io/equipe/repo{r.randrange(99)}",
    lambda r: (
        f"scp a{r.randrange(99)}.csv {r.choice(('ops', 'root'))}@{r.choice(draw.HOSTS)}.net:/tmp/"
    ),
    lambda r: f"@pytest.fixture(scope='session')  # {r.randrange(99)}",
    lambda r: f"@app.command('verb{r.randrange(99)}')",
    lambda r: f"npm i lodash@{r.randrange(1, 9)}.{r.randrange(30)}.{r.randrange(30)}",
    lambda r: f"uses: actions/checkout@v{r.randrange(1, 9)}",
    lambda r: f"write to user{r.randrange(99)}@example.{r.choice(('com', 'org', 'net'))} for help",
    lambda r: f"<img src='logo{r.randrange(99)}@2x.png'>",
    lambda r: f"systemctl restart worker@{r.randrange(9)}.service",
    lambda r: f"c = a{r.randrange(9)} @ b.T + d{r.randrange(9)}",
    lambda r: f"cartao recusado: {_wrong(r, draw.card(r))}",
    lambda r: f"order {draw.card(r)} shipped",
    lambda r: f"imei {draw.with_luhn('35' + draw.digits(r, 12))} registered",
    lambda r: f"serial {draw.with_luhn('89' + draw.digits(r, 16))} of the module",
    lambda r: f"EAN 789{draw.digits(r, 10)} em estoque",
    lambda r: (
        f"ISBN 978-{draw.digits(r, 2)}-{draw.digits(r, 4)}-{draw.digits(r, 3)}-{draw.digits(r, 1)}"
    ),
    lambda r: (
        f"total R$ {r.randrange(1, 999)}.{draw.digits(r, 3)}.{draw.digits(r, 3)},{draw.digits(r, 2)}"
    ),
    lambda r: f"price band {r.random():.8f} to {r.random():.8f}, mid {r.random():.11f}",
    lambda r: (
        f"periodo {r.randrange(2000, 2020)}-{r.randrange(2020, 2030)}, lote {draw.digits(r, 8)}"
    ),
    lambda r: (
        f"+{draw.digits(r, 2)} -{draw.digits(r, 2)} lines, {draw.digits(r, 4)}-{draw.digits(r, 4)}"
    ),
    lambda r: f"order 11{draw.digits(r, 9)} accepted",
    lambda r: f"conta {draw.digits(r, 5)}-{draw.digits(r, 1)} agencia {draw.digits(r, 4)}",
    lambda r: f"password: ${{MBP_PASSWORD_{r.randrange(99)}}}",
    lambda r: f'password = os.environ["MBP_PG_PASSWORD_{r.randrange(99)}"]',
    lambda r: f"token_sha256={_hexadecimal(r, 64)}",
    lambda r: f"api_key: <your-api-key-{r.randrange(99)}>",
    lambda r: f"secret = load_secret_from_vault{r.randrange(9)}(name)",
    lambda r: f"postgresql://user:${{PASSWORD}}@localhost:{r.randrange(1024, 65535)}/mbp",
    lambda r: f"Authorization: Bearer <token{r.randrange(99)}>",
    lambda r: f"password = {'*' * r.randrange(6, 14)}",
    lambda r: f"nome: str = Field(default=None)  # {r.randrange(99)}",
    lambda r: f"username=admin{r.randrange(99)} logged in",
    lambda r: f"first_name varchar({r.randrange(20, 99)}) not null",
    lambda r: f"market name: Will the checkout rewrite reach plan {r.randrange(99)}?",
    lambda r: (
        f"data:{base64.b64encode(f'market rewrites plan {r.randrange(10**6)}'.encode()).decode()}"
    ),
    lambda r: f"etag W/{base64.b64encode(r.randbytes(18)).decode()}",
    lambda r: f"log_id,order_id,price\nlog-{r.randrange(99)},{draw.cpf(r)},{r.random():.8f}",
    lambda r: f"progress {r.randrange(100)}%20of 100%, ratio {r.random():.6f}",
    lambda r: f"res-{draw.digits(r, 5)} decided YES by ops.committee/res-{draw.digits(r, 5)}",
    # One of a hundred has right check digits by chance, and nothing says what it is.
    lambda r: f"17,{draw.digits(r, 11)},true",
    lambda r: f"x={draw.digits(r, 11)};y={draw.digits(r, 14)}",
    lambda r: f"[{draw.digits(r, 16)}, {draw.digits(r, 15)}]",
    lambda r: f"value {draw.letters(r, 12, draw.UPPER_AND_DIGITS)}{draw.digits(r, 2)}",
    lambda r: f"{draw.digits(r, 3)} {draw.digits(r, 3)} {draw.digits(r, 3)} {draw.digits(r, 2)}",
    lambda r: f"foo{r.randrange(9)}@bar.baz(1)",
    lambda r: f"ssh -p 22{r.randrange(99):02} ops@{r.choice(draw.HOSTS)}.net uptime",
    lambda r: f"https://host:8080/path@{r.randrange(2000, 2030)}",
    lambda r: f"urn:oid:2.16.840.1.{draw.digits(r, 6)}",
    lambda r: f"cache-key: {_hexadecimal(r, 16)}",
    lambda r: f"max_tokens: {draw.digits(r, 13)}",
    lambda r: f"--password-file=/run/secrets/db_password{r.randrange(9)}",
    lambda r: f"SKU {draw.letters(r, 12, draw.UPPER_AND_DIGITS)}{draw.digits(r, 2)} reposto",
)
