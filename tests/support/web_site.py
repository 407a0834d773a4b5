"""A web site on the loopback, over HTTP or TLS, whose pages are the cases of captures."""

from __future__ import annotations

import gzip
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias

SECRET = "8f14e45fceea167a5a36dedd4bea2543"
HTML, TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8"
    "cf500f0003860180c0df1a700000000049454e44ae426082"
)
STYLE = b"body { background: #fed; }\n" * 200

# A style sheet and a script in the codings that this Python does not have (RFC 7932, RFC 8878).
BROTLI = bytes.fromhex("1bbf03e08c532c0e92c04d96ea4305d05e9ca1908278d25b6d46208e9c8b95d3591e01")
ZSTD = bytes.fromhex(
    "28b52ffd04683d020022c40e11907d40620311d9c05d2e80b454eafe45070f18f17866a7c383efba00e587de44"
    "38e12d7c7bd373f88588379916e3ad8e20550f63790beb76f705020063400241b64a1d59b96ebb"
)

PAGES = {
    "/coded": """<!doctype html><title>Coded</title><link rel=stylesheet href=/coded.css>
<p id=said></p><script src=/coded.js></script>""",
    "/consent": """<!doctype html><title>Consent</title><p id=text hidden>The article</p>
<div id=banner style="position: fixed; inset: 0; background: gray">We use cookies
<button id=accept>Accept</button></div><script>accept.onclick = () => {
banner.remove(); text.hidden = false; fetch('/data.json?accepted'); }</script>""",
    "/print": """<!doctype html><title>Print</title><style>
@media print { .screen { display: none } } @media screen { .paper { display: none } }
</style><p class=screen>Only on the screen</p><p class=paper>Only on paper</p>""",
    "/clock": """<!doctype html><title>Clock</title><p id=time></p><script>
setInterval(() => time.textContent = new Date().toISOString(), 50)</script>""",
    "/whole": """<!doctype html><title>Whole</title><p id=size></p><script>
fetch('/video', {headers: {Range: 'bytes=0-19999999'}}).then(a => a.arrayBuffer())
.then(all => size.textContent = all.byteLength)</script>""",
    "/film": """<!doctype html><title>Film</title><p>Watch</p><video src=/video muted preload=auto>
</video><script>for (const at of [0, 1, 2, 3]) fetch('/video', {headers: {
Range: `bytes=${at * 1000}-${at * 1000 + 999}`}}).then(a => a.arrayBuffer())</script>""",
    "/": f"""<!doctype html><title>The front page</title><link rel=stylesheet href=/style.css>
<h1>Front</h1><p id=late></p><iframe src=/frame></iframe>
<script>fetch('/data.json').then(a => a.json()).then(d => late.textContent = d.said)</script>
<img src=/picture.png?cookie={"x"}>""",
    "/frame": "<!doctype html><p>In the frame",
    "/heavy": """<!doctype html><title>Heavy</title><link rel=stylesheet href=/style.css>
<script>fetch('/large').then(a => a.blob())</script>""",
    "/lazy": """<!doctype html><title>Lazy</title><div style="height: 4000px">Above</div>
<img loading=lazy width=10 height=10 src=/picture.png?lazy>""",
    "/paint": """<!doctype html><title>Paint</title><style>
body { margin: 0 } div { height: 100vh } #a { background: red } #b { background: lime }</style>
<div id=a></div><div id=b></div><script>
setTimeout(() => { a.style.background = 'blue'; a.className = 'done' }, 500)</script>""",
    "/endless": """<!doctype html><title>Endless</title><div id=list></div><script>
const grow = () => { for (let n = 0; n < 20; n++) list.append(Object.assign(
  document.createElement('p'), {textContent: 'another line'})); };
grow(); grow(); grow(); addEventListener('scroll', () => { grow(); grow(); grow(); });</script>""",
    "/rtl": "<!doctype html><html dir=rtl lang=ar><title>عنوان</title><p>نص الصفحة</p>",
    "/socket": """<!doctype html><title>Streams</title><script>
new WebSocket(`ws://${location.host}/ws`); new EventSource('/events');</script>""",
    "/worker": """<!doctype html><title>Worker</title><script>
navigator.serviceWorker.register('/worker.js').catch(() => {});</script>""",
    "/window": """<!doctype html><title>Window</title><script>open('/frame')</script>""",
    "/alert": "<!doctype html><title>Alert</title><script>alert('now')</script><p>After",
    "/slow": """<!doctype html><title>Slow</title><p>Shown</p><img src=/drip>""",
    "/stuck": """<!doctype html><title>Stuck</title><p>Shown</p>
<script>setTimeout(() => { for (;;); }, 300)</script>""",
    "/saves": """<!doctype html><title>Saves</title><a id=a href=/file download>x</a>
<script>a.click()</script>""",
    "/links": """<!doctype html><title>Links</title><a href=/one>1</a><a href=/one#here>1</a>
<a href=/links>self</a><a href=https://elsewhere.test/>out</a><a href=/nowhere>none</a>""",
    "/one": "<!doctype html><title>One</title><p>First<a href=/two>2</a>",
    "/two": "<!doctype html><title>Two</title><p>Second",
    "/login": "<!doctype html><title>Login</title><p>Hello",
}
STATIC = {
    "front": "/", "frame": "/frame", "lazy": "/lazy", "rtl": "/rtl", "gbk": "/gbk",
    "redirects": "/redirect", "links": "/links", "one": "/one", "two": "/two", "login": "/login",
    "missing": "/nowhere", "data": "/data.json", "query": "/one?a=1&b=%C3%A9", "alert": "/alert",
}  # fmt: skip
"""Cases that no clock, stream or visit changes; the page ``/static`` links to each."""
PAGES["/static"] = "<!doctype html><title>Static</title>" + "".join(
    f"<p><a href={path}>{name}</a>" for name, path in STATIC.items()
)

VIDEO_BYTES = 100_000_000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
Answer: TypeAlias = tuple[int, str, bytes, Mapping[str, str]]
_GBK = "<!doctype html><meta charset=gbk><title>电子证据</title><p>中文正文</p>".encode("gbk")
FILES: Mapping[str, Answer] = {
    "/redirect": (302, TEXT, b"", {"Location": "/hop"}),
    "/hop": (301, TEXT, b"", {"Location": "/"}),
    "/style.css": (200, "text/css", gzip.compress(STYLE), {"Content-Encoding": "gzip"}),
    "/data.json": (200, "application/json", b'{"said": "fetched"}', {}),
    "/picture.png": (200, "image/png", PNG, {}),
    "/gbk": (200, "text/html; charset=gbk", _GBK, {}),
    "/file": (
        200, "application/octet-stream", b"saved" * 1000,
        {"Content-Disposition": 'attachment; filename="report 1.bin"'},
    ),
    "/large": (200, "image/png", bytes(1 << 20), {}),
    "/sign-in": (200, HTML, b"", {"Set-Cookie": f"account={SECRET}; Path=/; Max-Age=3600"}),
    "/coded.css": (200, "text/css", BROTLI, {"Content-Encoding": "br", "X-Odd": "a  b\u00e9"}),
    "/coded.js": (200, "text/javascript", ZSTD, {"Content-Encoding": "zstd"}),
    "/worker.js": (200, "text/javascript", b"", {}),
}  # fmt: skip
# Answers that do not end before the site does.
UNENDED = {"/events": ("text/event-stream", b"data: one\n\n"), "/drip": ("image/png", PNG[:20])}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(self.path)
        if path in self.server.altered:
            self._answer(200, HTML, self.server.altered[path].encode(), {})
        elif path in PAGES:
            fields = {"Set-Cookie": f"session={SECRET}; Path=/; HttpOnly"}
            self._answer(200, HTML, PAGES[path].encode(), fields)
        elif path in FILES:
            self._answer(*FILES[path])
        elif path == "/account":
            is_known = f"account={SECRET}" in self.headers.get("Cookie", "")
            shown = "Your account" if is_known else "Please sign in"
            self._answer(200, HTML, f"<title>Account</title><p>{shown}".encode(), {})
        elif path == "/video":
            self._play()
        elif path in UNENDED:
            self._hold(*UNENDED[path])
        elif path == "/silent":
            self.server.ended.wait(60)
            self.close_connection = True
        else:
            self._answer(404, HTML, b"<title>Not here</title><p>No such page", {})

    def _answer(self, status: int, kind: str, body: bytes, fields: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _play(self) -> None:
        """Answer with the part of the video that was asked for; a browser's whole one is long."""
        match = _RANGE.fullmatch(self.headers.get("Range", "bytes=0-"))
        start = int(match[1]) if match else 0
        end = min(int(match[2] or VIDEO_BYTES), VIDEO_BYTES - 1) if match else VIDEO_BYTES - 1
        self.send_response(206)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{end}/{VIDEO_BYTES}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        left = end + 1 - start
        while left > 0:
            part = min(left, 1 << 16)
            self.wfile.write(bytes(part))
            left -= part

    def _hold(self, kind: str, start: bytes) -> None:
        """Begin an answer that does not end before the site does."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(start)
        self.wfile.flush()
        self.server.ended.wait(60)
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.altered: dict[str, str] = {}
        self.ended = threading.Event()

    def handle_error(self, *_: object) -> None:
        """Ignore browsers that hang up."""


class WebSite:
    """The running site: ``asked`` are the paths that were asked for, ``altered`` pages to serve."""

    def __init__(self, server: _Server, scheme: str) -> None:
        self.asked, self.altered = server.asked, server.altered
        self.origin = f"{scheme}://localhost:{server.server_port}"

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return self.origin + path


@contextmanager
def serve_site(certificate: Path | None = None) -> Iterator[WebSite]:
    """Serve the pages, over TLS with a PEM file of key and certificate if there is one."""
    server = _Server()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield WebSite(server, "http" if certificate is None else "https")
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


@contextmanager
def serve_http2(certificate: Path) -> Iterator[str]:
    """Serve a page over HTTP/2 by Node; yield its origin."""
    script = Path(__file__).with_name("http2_site.mjs")
    with subprocess.Popen(
        ["node", str(script), str(certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield f"https://localhost:{port}"
        finally:
            process.kill()
