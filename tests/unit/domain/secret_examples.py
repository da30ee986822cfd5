"""One table of texts with a secret in them: what must be hidden wherever it is shown, and what must stay."""

from __future__ import annotations

from typing import Final

SECRET: Final = "S3cretWhl9"

LONGER_TEXTS: Final = {
    "login": f"postgresql://me:{SECRET}@db/x",
    "login in a sentence": f"see https://me:{SECRET}@host.example/x, or ask",
    "login with two at signs": f"https://me@corp.example:{SECRET}@host.example/x",
    "token as user": f"https://{SECRET}@github.example/me/repo.git",
    "token as user with an empty password": f"https://{SECRET}:@api.example/v1",
    "token as user of Git": f"https://{SECRET}:x-oauth-basic@github.example/me/repo.git",
    "package": f"tap-x@https://bob:{SECRET}@host.example/tap.whl",
    "package of Git": f"tap==1 git+https://{SECRET}@github.example/me/tap.git@v1",
    "package of an index": f"tap==1 --index-url=https://{SECRET}@host.example/simple",
    "dsn of a command": f"tap --dsn postgresql://u:{SECRET}@h/db --fast",
    "option": f"tap --password {SECRET} --fast",
    "option in quotes": f"tap --password '{SECRET}' --fast",
    "option with an equals sign": f"tap --token={SECRET} --fast",
    "property": f"spark -Dfs.s3a.secret.key={SECRET} run",
    "parameter": f"https://host.example/x?token={SECRET}&page=1",
    "parameter without a scheme": f"host.example/x?sig={SECRET} as written",
    "fragment": f"https://host.example/x#access_token={SECRET}&state=1",
    "signature in a sentence": f"reading https://host.example/x?sv=1&se=2&sig={SECRET} and more",
    "signature of Amazon": f"https://b.example/x?X-Amz-Signature={SECRET}&X-Amz-Date=1",
    "connection string of Azure": f"DefaultEndpointsProtocol=https;AccountName=me;AccountKey={SECRET};EndpointSuffix=x",
    "connection string of a bus": f"Endpoint=sb://x/;SharedAccessKeyName=root;SharedAccessKey={SECRET}",
    "connection string of ODBC": f"Driver={{x}};Server=h;Uid=me;Pwd={SECRET};Encrypt=yes",
    "connection string with blanks": f"Server=h;Account Password = {SECRET} ;Encrypt=yes",
    "connection string in a sentence": f"cannot open Server=h;Password={SECRET};Encrypt=yes again",
    "connection string of libpq": f"host=db user=me password = '{SECRET}' dbname=x",
    "connection string of Redis": f"host:6379,password={SECRET},ssl=True",
    "bearer": f"Authorization: Bearer {SECRET}",
    "bearer in a command": f"curl -H 'Authorization: Bearer {SECRET}' https://host.example",
    "header": f"curl -H 'X-Api-Key: {SECRET}' https://host.example",
    "cookie": f"curl -H 'Cookie: session={SECRET}' https://host.example",
    "second cookie": f"Cookie: a=1; sid={SECRET}",
    "session in a parameter": f"https://host.example/x?session_id={SECRET}&page=1",
    "login of curl": f"curl -s -u me:{SECRET} https://host.example",
    "login of curl in one word": f"sh -c 'curl -sume:{SECRET} https://host.example'",
    "login of curl in quotes": f"curl --user 'me:{SECRET}' https://host.example",
    "login of curl at a proxy": f"/usr/bin/curl --proxy-user=me:{SECRET} https://host.example",
    "JSON": f'{{"host": "h", "password": "{SECRET}"}}',
    "JSON in a command": f'tap --config \'{{"host": "h", "api_key": "{SECRET}"}}\'',
}
"""The secret is found although the key of the text says nothing."""

ORDINARY_TEXTS: Final = (
    "postgresql://someone@host.example/db",
    "https://git@github.example/me/repo.git",
    "https://x-access-token@github.example/me/repo.git",
    "https://me%40corp.example@host.example/x",
    "https://host.example/x?page_token_type=cursor&primary_key=users",
    "write redis://user:password@host.example:6379/0",
    "SELECT * FROM orders WHERE key=users AND a.key=b.users",
    "SELECT token_type FROM orders WHERE kind = 'users'",
    "tap --primary-key users --verbose",
    "tap-secret-santa==1.2.3",
    "bearer authentication is required",
    "password=true; token=null",
    "Endpoint=sb://host.example/;SharedAccessKeyName=RootManage",
    "the token: must be a string",
    "docker run -u 1000:1000 image",
    "curl -s --user-agent syncline:1 https://host.example:8080/x",
    "the cookie: must be a string",
)
"""None of them has a secret."""

ORDINARY_VALUES: Final = (
    {"type": "redis", "collections": [{"parameters": {"redis_key": "users"}}]},
    {"type": "sql", "collections": [{"parameters": {"key": "users"}}, {"parameters": {"key": ["users", "orders"]}}]},
    {"hash_key": "users", "range_key": "orders", "sort_key": "at", "key_pattern": "users:*", "record_key": "users"},
    {"secret_name": "prod/db", "token_type": "bearer"},
    ["tap", "--sort-key", "users"],
    {"pwd_policy": "users", "cookie_domain": "host.example", "jwt_issuer": "users", "otp_length": "long"},
    ["docker", "run", "-u", "1000:1000", "image"],
)

SECRET_VALUES: Final = (
    {"type": "python", "parameters": {"table": "users", "key": SECRET}},
    {"stripe_key": SECRET},
    {"consumer_key": SECRET},
    {"app_key": SECRET},
    ["tap", "--password", SECRET, "--fast"],
    ["tap", "-password", SECRET],
    {"authorization": f"Bearer {SECRET}"},
    {"headers": {"Cookie": f"session={SECRET}"}},
    {"pw": SECRET},
    {"jwt": SECRET},
    {"otp": SECRET},
    {"sessionId": SECRET},
    {"JSESSIONID": SECRET},
    {"cookies": {"theme": SECRET}},
    {"authkey": SECRET},
    ["/usr/bin/curl", "-s", "-u", f"me:{SECRET}", "https://host.example"],
    ["curl", f"-ume:{SECRET}", "https://host.example"],
)
