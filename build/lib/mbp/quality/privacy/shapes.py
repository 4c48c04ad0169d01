"""The forms of credentials: those of the plug-ins of detect-secrets, and those of providers that it does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

EDGE, END = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
# Addresses, entropy alone and words beside a value are judged by our own detectors, which know the context.
NOT_USED = frozenset(
    {
        "Public IP (ipv4)",
        "Secret Keyword",
        "Base64 High Entropy String",
        "Hex High Entropy String",
        "Basic Auth Credentials",
    }
)
# Texts of which one is on the line of a match, in small letters, per plug-in: most lines need no search. A plug-in
# that is not named here searches every line.
HINTS = {
    "Artifactory Credentials": ("akc", "ap"),
    "AWS Access Key": ("akia", "asia", "abia", "acca", "a3t", "aws"),
    "Azure Storage Account access key": ("accountkey=",),
    "Cloudant Credentials": ("cl",),
    "GitHub Token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "GitLab Token": ("gl",),
    "IBM Cloud IAM Key": ("ibm", "iam"),
    "IBM COS HMAC Credentials": ("secret",),
    "JSON Web Token": ("eyj",),
    "Mailchimp Access Key": ("-us",),
    "NPM tokens": ("_authtoken",),
    "OpenAI Token": ("t3blbkfj",),
    "Private Key": ("private key", "putty-user-key"),
    "PyPI Token": ("pypi-age",),
    "SendGrid API Key": ("sg.",),
    "Slack Token": ("xox", "hooks.slack.com"),
    "SoftLayer Credentials": ("softlayer", "sl"),
    "Square OAuth Secret": ("sq0csp-",),
    "Stripe Access Key": ("k_live_",),
    "Telegram Bot Token": (":",),
    "Twilio API Key": ("ac", "sk"),
}
# What detect-secrets 1.5 lacks, or knows in a narrower form: (what, hints, form).
OWN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("GitHub token", ("github_pat_", "gh"),
     rf"{EDGE}(?:github_pat_\w{{36,255}}|gh[pousr]_[A-Za-z0-9]{{30,255}}){END}"),
    ("npm token", ("npm_",), rf"{EDGE}npm_[A-Za-z0-9]{{36}}{END}"),
    ("PyPI token", ("pypi-age",), r"pypi-AgE[\w-]{50,}"),
    ("Slack token", ("xox", "xapp-"), rf"{EDGE}(?:xox[a-z](?:\.xox[a-z])?|xapp)-[A-Za-z0-9-]{{20,}}"),
    ("Slack webhook", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{20,}"),
    ("Discord webhook", ("discord",), r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{15,}/[\w-]{40,}"),
    ("Teams webhook", ("webhook.office.com",), r"[\w-]+\.webhook\.office\.com/webhookb2/[\w@-]{36,}/[\w/-]{30,}"),
    ("Stripe key", ("k_live_", "k_test_", "whsec_"),
     rf"{EDGE}(?:[sr]k_(?:live|test)_[A-Za-z0-9]{{16,}}|whsec_[A-Za-z0-9+/=]{{24,}})"),
    ("Google key", ("aiza",), rf"{EDGE}AIza[\w-]{{35}}(?![\w-])"),
    ("Google OAuth secret", ("gocspx-", "ya29."), rf"{EDGE}(?:GOCSPX-[\w-]{{20,}}|ya29\.[\w-]{{30,}})"),
    ("AWS secret key", ("aws", "secret"),
     r"(?i:(?:aws|secret)[\w.-]{0,24}key(?:id)?\w{0,8})[\"' ]{0,3}(?:=>|[:=])[ \"']{0,3}(?P<value>[A-Za-z0-"
     r"9/+]{40})(?![A-Za-z0-9/+=])"),
    ("Azure key", ("accountkey=", "sharedaccesskey=", "accesskey="),
     r"(?i:(?:Account|SharedAccess|Access)Key)=(?P<value>[A-Za-z0-9+/]{40,}={0,2})"),
    ("Azure shared access signature", ("sig=",),
     r"(?<=[?&])(?:amp;)?sig=(?P<value>[A-Za-z0-9%+/_-]{24,}(?:=|%3[Dd]){0,2})"),
    ("Azure client secret", ("8q~",), r"(?<![\w~.-])[\w~.-]{3}8Q~[\w~.-]{31,34}(?![\w~-])"),
    ("OpenAI or Anthropic key", ("sk-",),
     rf"{EDGE}sk-(?:(?:proj|svcacct|admin|ant|or|lf)-)?[\w-]{{0,24}}(?=[\w-]{{0,24}}\d)[A-Za-z0-9_-]{{20,}}("
     rf"?![\w-])"),
    ("Mailgun key", ("key-",), rf"{EDGE}key-[0-9a-f]{{32}}{END}"),
    ("Telegram bot token", (":aa",), r"(?<!\d)\d{8,10}:AA[\w-]{32,34}(?![\w-])"),
    ("DigitalOcean token", ("do",), rf"{EDGE}do[opr]_v1_[0-9a-f]{{64}}{END}"),
    ("HashiCorp Vault token", ("hvs.", "hvb.", "hvr."), rf"{EDGE}hv[sbr]\.[\w-]{{24,}}"),
    ("Terraform token", (".atlasv1.",), r"(?<!\w)[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),
    ("Databricks token", ("dapi",), rf"{EDGE}dapi[0-9a-f]{{32}}(?:-\d)?{END}"),
    ("dbt Cloud token", ("dbtc_", "dbtu_"), rf"{EDGE}dbt[cu]_[\w-]{{32,}}"),
    ("Hugging Face token", ("hf_",), rf"{EDGE}hf_[A-Za-z]{{30,}}{END}"),
    ("Docker token", ("dckr_pat_",), rf"{EDGE}dckr_pat_[\w-]{{20,}}"),
    ("Grafana token", ("glsa_", "glc_"),
     rf"{EDGE}(?:glsa_[A-Za-z0-9]{{32}}_[0-9a-f]{{8}}|glc_[A-Za-z0-9+/]{{32,}}={{0,2}})"),
    ("New Relic key", ("nrak-",), rf"{EDGE}NRAK-[A-Z0-9]{{27}}{END}"),
    ("Shopify token", ("shp",), rf"{EDGE}shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}{END}"),
    ("Linear, Postman, Doppler or Supabase token", ("lin_api_", "pmak-", "dp.", "sbp_"),
     rf"{EDGE}(?:lin_api_[A-Za-z0-9]{{32,}}|PMAK-[0-9a-f]{{24}}-[0-9a-f]{{34}}|dp\.pt\.[A-Za-z0-9]{{40,}}|sb"
     rf"p_[0-9a-f]{{40}})"),
    ("Square token", ("sq0", "eaaa"), rf"{EDGE}(?:sq0(?:atp|csp|idp)-[\w-]{{22,}}|EAAA[\w-]{{60}})(?![\w-])"),
    ("Mercado Pago token", ("app_usr-",), rf"{EDGE}APP_USR-\d{{12,20}}-\d{{6}}-[0-9a-f]{{32}}(?:-\d+)?"),
    ("Facebook token", ("eaa",), rf"{EDGE}EAA[A-Za-z0-9]{{80,}}{END}"),
    ("age key", ("age-secret-key-1",), r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    ("private key", ("private key",), r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    ("private key", ("putty-user-key-file-",), r"PuTTY-User-Key-File-\d: "),
)  # fmt: skip


# The plug-in takes any word of eleven signs that begins with AP and a digit; what Artifactory writes is longer.
SHORTEST = {"Artifactory Credentials": 30}


@dataclass(frozen=True)
class Shape:
    """The form of a credential.

    Attributes:
        hints: texts of which one is on the line, in small letters; empty for every line.
        valid: what else must be true of the value.
    """

    what: str
    hints: Sequence[str]
    form: re.Pattern[str]
    valid: Callable[[str], bool] | None = None


@lru_cache(maxsize=1)
def shapes() -> tuple[Shape, ...]:
    """All forms: ours first, then each plug-in's that is installed."""
    return (
        *(Shape(what, hints, re.compile(form)) for what, hints, form in OWN),
        *_plugins(),
    )


def _long_enough(length: int, value: str) -> bool:
    return len(value) >= length


def _plugins() -> Iterator[Shape]:
    # Imported here: it takes a quarter of a second, and half of the commands need no detector.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins: dict[str, Any] = get_mapping_from_secret_type_to_class()
    for what, plugin in sorted(plugins.items()):
        if what in NOT_USED:
            continue
        made = plugin()
        valid = getattr(made, "is_formally_valid", None)
        if what in SHORTEST:
            valid = partial(_long_enough, SHORTEST[what])
        for form in made.denylist:
            yield Shape(what, HINTS.get(what, ()), form, valid)
