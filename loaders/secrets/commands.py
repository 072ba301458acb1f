"""The options and operands of commands that hold a secret."""

from __future__ import annotations

from loaders.secrets.values import looks_chosen, looks_random
from loaders.secrets.windows import Rule, given

OPERAND = r"(?:'(?P<a>[^'\n]{1,128})'|\"(?P<b>[^\"\n]{1,128})\"|[\"']?(?P<c>[^\s\"'`<>|;]{1,128}))"
_NO_PORT = r"(?![\d.]*:?\d+:\d+)"  # docker run -p 27017:27017 mongo


def _command(triggers: str, names: str, option: str, before: int = 0) -> Rule:
    """The password that an option of these commands takes; small and capital letters of options differ."""
    pattern = rf"\b(?:{names})\b[^\n|;]{{0,300}}?\s(?-i:{option}){_NO_PORT}{OPERAND}"
    return Rule("password", triggers, pattern, given, before)


def _text(value: str) -> bool:
    return given(value) and not value.isdigit()


COMMANDS = (
    _command(
        "curl|wget|http |https ",
        r"curl|wget|https?(?=\s)",
        r"(?:-u|--user|--proxy-user|-U|-a|--auth)[ =]?[\"']?[^\s:\"'$=]{1,64}:",
    ),
    _command("mysql|mariadb|7z|rar", r"mysql\w*|mariadb[\w-]*|7z[arz]?|(?:un)?rar", r"-h?p(?!\s)"),
    _command(
        "login",
        r"(?:docker|podman|registry|skopeo|helm|buildah|az|oc)\s[^\n|;]{0,40}?login",
        r"-p[ =]?",
        before=60,
    ),
    _command("mongo|cqlsh|twine|influx|nxc", r"mongo(?!d\b)\w*|cqlsh|twine|influx|nxc", r"-p[ =]?"),
    _command("redis-cli", "redis-cli", r"-a\s?"),
    _command("ldap", r"ldap\w+", r"-w\s?"),
    _command("sqlcmd|bcp|ipmitool|zip|mosquitto_", r"sqlcmd|bcp|ipmitool|(?:un)?zip|mosquitto_\w+", r"-P\s?"),
    _command("smbclient|rpcclient|lftp", "smbclient|rpcclient|lftp", r"-[uU]\s?[\"']?[\w.\\/-]{1,64}[%,]"),
    _command("xfreerdp", r"xfreerdp\d?", "/p:"),
    _command("ssh-keygen", "ssh-keygen", r"-N\s"),
    _command("openssl", "openssl", r"-(?:k|pass(?:in|out)?)\s+(?:pass:)?"),
    Rule("password", "sshpass", rf"sshpass\s+(?:-v\s+)?-p\s?{OPERAND}", given),
    Rule("password", "securestring", rf"String\s+(?:-String\s+)?(?=[\"']){OPERAND}", given),
    Rule(
        "password",
        "net user|htpasswd|wpa_passphrase",
        r"(?:net user\s+\S+|htpasswd\s+-\w*b\w*(?:\s+-\w+)*\s+\S+\s+\S+|wpa_passphrase\s+\S+)\s+" + OPERAND,
        looks_chosen,
    ),
    Rule(
        "password",
        "chpasswd",
        r"[\w.-]{1,64}:(?P<a>[^\s\"'|]{3,128})[\"']?\s*\|[\w\s]*chpasswd",
        given,
        200,
    ),
    Rule(
        "password",
        "-stdin|sudo -s|--with-token",
        rf"(?:echo|printf)(?:\s-\w+)*\s+{OPERAND}\s*\|\s*(?:sudo\s+-S|[^\n|]{{1,100}}(?:-stdin|--with-token))"
        r"|(?:-stdin|sudo -S|--with-token)[^\n|;<]{0,80}<<<\s*[\"']?(?P<d>[^\s\"'`]{1,128})",
        given,
        before=300,
    ),
    Rule("secret", "--from-literal", rf"literal[= ][\"']?[\w.-]+={OPERAND}", given),
    Rule(
        "secret",
        "secret set|secrets set|secrets create|create-secret|put-secret|put-parameter",
        r"(?:secrets? set|secrets create|create-secret|put-secret-value|put-parameter)\b[^\n|;]{0,300}?"
        rf"\s(?:(?:-b|--body|--value|--secret-string)[ =]?|\w+=|<<<\s*){OPERAND}",
        _text,
    ),
    Rule(
        "cookie",
        "curl|wget",
        r"\b(?:curl|wget)\b[^\n|;]{0,300}?\s(?:-b|--cookie)[ =]?[\"']?(?:[\w.-]{1,40}=[^\s;\"']{0,200};"
        r"\s?){0,9}[\w.-]{1,40}="
        r"(?P<a>[^\s;\"'`]{12,9000})",
        looks_random,
    ),
    Rule(
        "token",
        "twilio|accountsid|account_sid",
        r"(?<![0-9a-z])(?P<a>[0-9a-f]{32})(?![0-9a-z])",
        looks_random,
    ),
    Rule("token", "vault login|cargo login", rf"login\s+(?:-\S+\s+)?{OPERAND}", looks_random),
)
