"""Texts with secrets, each marked ⟨kind:secret⟩, and texts that only look like it; all of them made up."""

import base64
import random
import re

MARKED = re.compile(r"⟨([a-z-]+):(.*?)⟩")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def made(length, alphabet=LETTERS, seed=1):
    """Characters as a machine makes them: no test holds a key that a scanner would report."""
    return "".join(random.Random(seed * 1000 + length).choices(alphabet, k=length))


HEX = made(32, "0123456789abcdef")
AWS = made(40, LETTERS + "/+")
BODY = "\n".join(base64.b64encode(random.Random(n).randbytes(48)).decode() for n in range(8))
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.{made(43)}"
DSN = "postgres://app:hunter2-example@db.internal:5432/app"
GITHUB = f"ghp_{made(36)}"


def written(example):
    return MARKED.sub(r"\2", example)


ASSIGNED = [
    "DB_PASSWORD=⟨password:hunter2⟩",
    "POSTGRES_PASSWORD=⟨password:swordfish⟩\nPOSTGRES_USER=app",
    f"export FOO_TOKEN=⟨token:{made(28)}⟩ # prod",
    "JWT_SECRET=⟨secret:a-long-phrase-of-our-own⟩",
    f"api_key: ⟨api-key:{HEX}⟩",
    "db:\n  user: app\n  password: ⟨password:swordfish⟩\n",
    '{"user": "bob", "password": "⟨password:Winter2031!⟩"}',
    r"{\"api_key\": \"⟨api-key:Q7b3k9Zt2m5X⟩\"}",
    r"{\\\"token\\\": \\\"⟨token:Q7b3k9Zt2m5X⟩\\\"}",
    'password = "⟨password:correct horse battery staple⟩"',
    'password = "⟨password:hunter2-example⟩"',
    "const apiKey = '⟨api-key:b7f3c2a19e8d4f60a1b2⟩';",
    'os.environ["API_KEY"] = "⟨api-key:k93jf83jf02jf83jd9⟩"',
    "connect(user='app', password='⟨password:swordfish⟩')",
    "[client]\nuser = root\npassword = ⟨password:swordfish⟩\n",
    "<password>⟨password:swordfish⟩</password>",
    '<add key="ApiKey" value="⟨api-key:8d7f6g5h4j3k⟩"/>',
    "- name: DB_PASSWORD\n  value: ⟨password:swordfish⟩",
    'client.setPassword("⟨password:Zx!82kdj⟩");',
    "define('DB_PASSWORD', '⟨password:swordfish⟩');",
    "| user | password |\n|---|---|\n| bob | ⟨password:hunter2x⟩ |",
    "user,password\nbob,⟨password:hunter2x⟩\n",
    "INSERT INTO u (id, password) VALUES (1, '⟨password:hunter2x⟩')",
    "Server=db;Uid=sa;Pwd=⟨password:swordfish⟩;",
    "host=db user=app password=⟨password:swordfish⟩",
    f"AccountName=x;AccountKey=⟨key:{made(86)}==⟩;End=y",
    "kind: Secret\ndata:\n  url: ⟨secret:c3dvcmRmaXNo⟩\n",
]
COMMANDS = [
    "mysql -u root --password ⟨password:swordfish⟩",
    "mysql -u root -p⟨password:Swordfish⟩ app",
    "mysqldump -p'⟨password:sword fish⟩' app",
    "sshpass -p ⟨password:hunter2⟩ ssh root@10.0.0.2",
    "curl -u bob:⟨password:hunter2⟩ https://x.org",
    "curl \\\n  -X PUT \\\n  -u bob:⟨password:hunter2⟩ https://x.org",
    "docker login -u bob -p ⟨password:hunter2⟩ x.org",
    "echo '⟨password:hunter2⟩' | sudo -S apt update",
    "redis-cli -h cache -a ⟨password:foobared1⟩ ping",
    "./run --token=⟨token:abc123def456⟩ --dry",
    "ALTER USER app WITH PASSWORD '⟨password:swordfish⟩';",
    "CREATE USER a IDENTIFIED BY '⟨password:swordfish⟩';",
    "kubectl create secret generic x --from-literal=a=⟨secret:swordfish⟩",
]
SHAPED = [
    ("github-token", GITHUB),
    ("github-token", f"github_pat_{made(22)}_{made(59)}"),
    ("gitlab-token", f"glpat-{made(20)}"),
    ("slack-token", f"xoxb-123456789012-{made(24)}"),
    ("stripe-key", f"sk_live_{made(24)}"),
    ("stripe-key", f"rk_test_{made(24)}"),
    ("stripe-key", "sk-test-51FAKEFAKE0000notARealKey9z8y7x6w5v4u"),
    ("openai-key", f"sk-{made(48)}"),
    ("openai-key", f"sk-proj-{made(60)}"),
    ("anthropic-key", f"sk-ant-api03-{made(90)}"),
    ("huggingface-token", f"hf_{made(34)}"),
    ("npm-token", f"npm_{made(36)}"),
    ("pypi-token", f"pypi-AgEIcHlwaS5vcmc{made(60)}"),
    ("aws-access-key", f"AKIA{made(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}"),
    ("aws-access-key", f"ASIA{made(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}"),
    ("google-key", f"AIza{made(35)}"),
    ("jwt", JWT),
    ("sendgrid-key", f"SG.{made(22)}.{made(43)}"),
    ("twilio-key", f"SK{HEX}"),
    ("mailgun-key", f"key-{HEX}"),
    ("digitalocean-token", f"dop_v1_{made(64, '0123456789abcdef')}"),
    ("vault-token", f"hvs.{made(24)}"),
    ("age-key", f"AGE-SECRET-KEY-1{made(58, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789')}"),
    ("token", f"lin_api_{made(40)}"),
]
SURROUNDED = [
    "postgres://app:⟨url-password:hunter2-example⟩@db.internal:5432/app",
    "redis://:⟨url-password:hunter2⟩@cache:6379/0",
    "mongodb+srv://u:⟨url-password:p%40ss⟩@h.net/a",
    "app:⟨url-password:hunter2⟩@tcp(db:3306)/app",
    f"https://x.org/v1?api_key=⟨api-key:{HEX}⟩&page=2",
    f"https://x.net/c?se=2031&sig=⟨signature:{made(43)}%3D⟩",
    f"Authorization: Bearer ⟨authorization:{made(40)}⟩",
    '-H "Authorization: Bearer ⟨authorization:local-not-a-secret⟩"',
    "Authorization: Basic ⟨authorization:Ym9iOmh1bnRlcjI=⟩",
    f"X-API-Key: ⟨api-key:{made(32)}⟩",
    f"Cookie: theme=dark; sid=⟨cookie:{made(32)}⟩",
    f"https://hooks.slack.com/services/⟨webhook:T1A2B3C4D/B5E6F7G8H/{made(24)}⟩",
    f"https://discord.com/api/webhooks/102938475610/⟨webhook:{made(68)}⟩",
    f"bot 5839201847:⟨telegram-token:{made(35)}⟩ runs",
    f"for aws: ⟨aws-secret-key:{AWS}⟩",
    "machine x.org login bob password ⟨password:swordfish⟩",
    "db.internal:5432:app:bob:⟨password:swordfish⟩",
    'auth=("bob", "⟨password:swordfish⟩")',
]
SPOKEN = [
    "the password is ⟨password:hunter2-example⟩",
    "The root password is ⟨password:swordfish⟩.",
    "password for the staging box: ⟨password:Tr0ub4dor&3⟩",
    "my api key is ⟨api-key:8f3kd92lsm40xk29⟩, keep it",
    "use ⟨password:hunter2x⟩ as the password",
    "log in with admin / ⟨password:Winter2031!⟩",
    "user bob, password ⟨password:Sommer2031⟩",
    "the passphrase is ⟨passphrase:correct horse battery staple⟩",
    "la contraseña del servidor es ⟨password:Verano2031!⟩",
    "La contraseña es ⟨password:girasol⟩.",
    "clave: ⟨password:9f8Sd7Kq2⟩",
    "la clave del wifi es ⟨password:Tomate12⟩",
]
TOLD = [
    "log in with user deploy and password ⟨password:kingfisher⟩",
    "log in with user deploy and ⟨password:k1ngfisher⟩",
    "the old password was ⟨password:walrus22⟩, the new one is ⟨password:penguin33⟩",
    "I changed the password from ⟨password:walrus22⟩ to ⟨password:penguin33⟩",
    "please use ⟨password:marmalade⟩ as the password for staging",
    "the db password is ⟨password:giraffe⟩ btw",
    "it's ⟨password:Tr0ub4dor⟩, the password",
    "password? ⟨password:walrus22⟩",
    "when prompted for the password enter ⟨password:walrus22⟩",
    "the PIN is ⟨pin:4821⟩",
    "el password sigue siendo ⟨password:lechuga⟩",
    "la clave de acceso es ⟨password:lechuga⟩",
    "la contraseña ahora es ⟨password:tomate⟩",
    "la contraseña vieja era ⟨password:lechuga22⟩, cámbiala por ⟨password:tomate33⟩",
    "pon ⟨password:tomate⟩ como contraseña del servidor",
    "la pass del panel es ⟨password:tomate33⟩",
]
CALLS = [
    'smtp.login(user, "⟨password:walrus22⟩")',
    'ds.setPassword("⟨password:walrus⟩");',
    'new Credentials("bob", "⟨password:walrus⟩")',
    "new PDO('mysql:host=x', 'root', '⟨password:walrus⟩')",
    "ssh.connect('host', 22, 'bob', '⟨password:walrus22⟩')",
    'os.getenv("DB_PASSWORD", "⟨password:walrus⟩")',
    'WiFi.begin(ssid, "⟨password:walrusfish⟩");',
    "page.fill('#password', '⟨password:walrus⟩')",
    "jwt.sign(payload, '⟨secret:walruseatsfish22⟩')",
    f"bot.run('⟨token:{made(40)}⟩')",
    'password: str = "⟨password:walrus⟩"',
    'val dbPassword: String = "⟨password:walrus⟩"',
    "app.config['SECRET_KEY'] = '⟨key:walruseatsfish⟩'",
    'api_key = "⟨api-key:ffugxlnbgyxlxthybcaz⟩"',
]
SERVICES = [
    f"notion: ⟨notion-token:ntn_{made(18)}⟩",
    f"the integration uses ⟨notion-token:secret_{made(43)}⟩ right now",
    f"NOTION_KEY: ⟨token:secret_{made(20)}⟩",
    f'export CF_Key="⟨token:{made(37, "0123456789abcdef")}⟩"',
    f"cf: ⟨token:{made(40)}⟩ (zone edit)",
    f"curl -b 'foo=1; session=⟨cookie:{made(32)}⟩' https://x",
    f"requests.get(u, cookies={{'sessionid': '⟨cookie:{made(32)}⟩'}})",
    f"driver.add_cookie({{'name': 'sessionid', 'value': '⟨cookie:{made(32)}⟩'}})",
    f"JSESSIONID: ⟨cookie:{made(32, '0123456789ABCDEF')}⟩",
    f"the session cookie is ⟨cookie:{made(32)}⟩",
]
BLOCKS = [
    'variable "db_password" {\n  validation {\n    error = "x"\n  }\n  default = "⟨password:walrus22⟩"\n}',
    "TF_VAR_db_password=⟨password:walrus⟩ terraform apply",
    "db:\n  password: >-\n    ⟨password:walrus⟩\n  host: x\n",
    'password: &pw "⟨password:walrus⟩"\n',
    "admin_password: !unsafe ⟨password:walrus22⟩",
    f"api_key: |-\n  ⟨api-key:{made(24)}⟩",
    "jwt:\n  secret: ⟨secret:walrus-eats-fish⟩",
]
LOOK_ALIKES = """\
the old password was weak, the new one is better
the password is visible, which is bad
la contraseña sigue siendo obligatoria
cambia la contraseña por una nueva
log in with user deploy and check the logs
username admin, password required
use argon2 as the password hash
it's late, the password can wait
the PIN is 4 digits
API_KEY = "missingapikey"
auth_token: "authorization"
jwt.decode(token, "utf-8")
client.login("username", "password")
cloudflare rollback to sha 4b825dc642cb6eb9a060e54bf8d69288fbee4904
CF_ACCOUNT_ID=4b825dc642cb6eb9a060e54bf8d69288
sessionid=3f2504e0-4f89-41d3-9a0c-0305e82c3301
mongod -p 27018
password: !vault |
docker run -d -p 5432:5432 -e POSTGRES_PASSWORD_FILE=/run/x postgres
--token-ttl 30m
password_field = form.find("password")
token = get_token()
api_key=os.environ["API_KEY"]
secrets.token_hex(16)
password: str
password: Optional[SecretStr] = None
tokens=512
max_tokens: 4096
--token "$TOKEN"
${SECRET}
<your-api-key>
API_KEY=YOUR_API_KEY
password=****
password: changeme
token: xxxxxxxx
password: ${{ secrets.DB_PASSWORD }}
password = var.db_password
connect(password=args.password)
Authorization: Bearer $TOKEN
headers = {"Authorization": f"Bearer {token}"}
postgres://${USER}:${PASSWORD}@${HOST}/db
postgres://user:password@localhost/db
docker run --name mongo -p 27017:27017 mongo:7
docker run -u 1000:1000 nginx
mysql -u root -p app
curl -u "$USER:$PASSWORD" https://x.org
Access denied for user 'root'@'localhost' (using password: YES)
PASSWORD_FILE=/run/secrets/db_password
TOKEN_EXPIRY=3600
token: refresh_token_v2
"api_key": "k7Qz81Lm...b81Xq2Rt"
"token": "vault:secret/data/app#token2"
api_key: config.services.payments.key2
npm_config_registry_url_prefix and sk-circle-fade-dot-animation
secretName: my-tls-secret
{"text": "signed in with credentials.", "turnId": "turn-c9ead35b70c666545584dd865a05c4c6"}
{"type": "object", "properties": {"password": {"type": "string", "minLength": 8}}}
<input type="password" name="password" autocomplete="new-password">
arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf
PublicKeyToken=b77a5c561934e089
The password is stored as a bcrypt hash.
the password reset email never arrives today.
the password is wrong
my password was never leaked
the password to the vault was stolen
The token is 512 characters long.
the key is user_id
fix: rotate the token on logout (#4312)
tests/test_auth.py::test_wrong_password_2 PASSED
la clave primaria es user_id
La clave del éxito es la constancia.
la contraseña es obligatoria
Contraseña: mínimo 8 caracteres
It begins with -----BEGIN RSA PRIVATE KEY----- and ends with -----END RSA PRIVATE KEY-----.
commit 9fceb02d0ae598e95dc970b74767f19372d61af8, short 9fceb02
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
d41d8cd98f00b204e9800998ecf8427e  file.bin
request 3f2a9c1d-77aa-4b6e-9d3c-0a1b2c3d4e5f
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8yqW3p0nGx2kd93jd93kd93kd93 bob@host
call +34 612 345 678 about PROJ-4821 and CVE-2031-1234
/usr/local/lib/python3.11/site-packages/x.py, version 1.2.3-rc.1
.css-1q2w3e4r { color: red }
getUserAuthenticationTokenFromRequestHeaders
https://www.youtube.com/watch?v=dQw4w9WgXcQ&id=8f7d6s5a4
Lorem ipsum dolor sit amet, consectetur adipiscing elit.""".splitlines()
EXAMPLES = ASSIGNED + COMMANDS + SURROUNDED + SPOKEN + TOLD + CALLS + SERVICES + BLOCKS
