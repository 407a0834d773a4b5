"""URLs by which a request on behalf of others would reach the inside of the operator's network."""

from __future__ import annotations

# What names of the attacker answer; the first answer of a rebinding name is a public address.
ANSWERS = {
    "loopback.attacker.example": ["127.0.0.1"],
    "loopback6.attacker.example": ["::1"],
    "metadata.attacker.example": ["169.254.169.254"],
    "private.attacker.example": ["10.0.0.1"],
    "mixed.attacker.example": ["1.1.1.1", "127.0.0.1"],
    "mixed6.attacker.example": ["1.1.1.1", "fd00:ec2::254"],
    "mapped.attacker.example": ["::ffff:127.0.0.1"],
    "nat64.attacker.example": ["64:ff9b::7f00:1"],
    "zero.attacker.example": ["0.0.0.0"],
    "scope.attacker.example": ["fe80::1%lo"],
    "azure.attacker.example": ["168.63.129.16"],
    "nothing.attacker.example": [],
}

URLS = (
    # IPv4 of this machine, this network, and metadata services
    "http://127.0.0.1/", "http://127.0.0.2/", "http://127.255.255.254/", "https://127.0.0.1/",
    "http://0.0.0.0/", "http://0.1.2.3/", "http://10.0.0.1/", "http://172.16.0.1/",
    "http://172.31.255.255/", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials", "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v1/instance/", "http://168.63.129.16/machine?comp=goalstate",
    "http://100.64.0.1/", "http://192.0.2.1/", "http://192.88.99.1/", "http://198.18.0.1/",
    "http://198.51.100.1/", "http://203.0.113.1/", "http://224.0.0.1/", "http://240.0.0.1/",
    "http://255.255.255.255/",
    # IPv6 of the same, and what leads to IPv4
    "http://[::]/", "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:0:127.0.0.1]/",
    "http://[fe80::1]/", "http://[fe80::1%25lo]/", "http://[::1%25lo]/", "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/", "http://[fec0::1]/", "http://[ff02::1]/",
    "http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::]/", "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/", "http://[64:ff9b:1::7f00:1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "http://[2001:db8::1]/",
    "http://[3fff::1]/", "http://[2606:4700::5efe:7f00:1]/",
    # decimal, octal, hexadecimal and short forms
    "http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://0177.0.0.1/", "http://127.1/", "http://127.0.1/", "http://0/", "http://0x0/",
    "http://2852039166/", "http://0xa9fea9fe/", "http://127.0.0.0x1/", "http://010.0.0.1/",
    # spellings: points, letters of other scripts, users, escapes
    "http://127.0.0.1./", "http://localhost/", "http://LOCALHOST./", "http://a.localhost/",
    "http://printer.local/", "http://metadata.google.internal/", "http://router/",
    "http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ⓛocalhost/",
    "http://1.1.1.1@127.0.0.1/", "http://127.0.0.1\\@1.1.1.1/", "http://127.0.0.1:80@127.0.0.1:80/",
    "http://%31%32%37.0.0.1/", "http://127.0.0.1%00.example/", "http://127.0.0.1%2f.example/",
    # ports and schemes
    "http://1.1.1.1:22/", "http://1.1.1.1:6379/", "http://1.1.1.1:0/", "http://1.1.1.1:99999/",
    "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1:80/_x",
    # names that answer with such addresses
    *(f"http://{name}/" for name in ANSWERS),
    *(f"https://{name}/" for name in ANSWERS),
)  # fmt: skip
