"""A record's groups, all but the manifest."""

from __future__ import annotations

from typing import Any

DIGEST = "ab" * 32
FULL: dict[str, Any] = {
    "profile": "criminal-zh",
    "kind": "bundle",
    "items": [{"path": "a/合同.pdf", "digests": {"sha256": DIGEST, "sm3": DIGEST}, "size": 7}],
    "source": {
        "origin": "被告的办公电脑",
        "url": "https://example.org/",
        "system": "邮件服务器",
        "generation_mechanism": "自动生成",
        "storage_history": ["硬盘", "U 盘"],
        "author": "张三",
        "holder": "李四",
        "generated_at_claimed": "2026-01-02T03:04:05Z",
    },
    "collection": {
        "started_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:04:05.5Z",
        "place": "杭州",
        "method": "复制",
        "steps": ["连接", "复制"],
        "operators": [{"name": "王", "role": "侦查员", "organisation": "支队", "key_id": "k"}],
        "witnesses": [{"name": "赵"}],
        "recording_digest": DIGEST,
        "reproducible": "not_attempted",
        "reproduce": "cp -a",
    },
    "provider": {"legal_name": "某公司", "mlps_level": "三级"},
    "platform": {"software": "anchor-evidence", "argv": ["anchor", "collect"], "chain": "eip155:1"},
    "process": {"standards": ["SF/T 0076-2020"], "description": "流程"},
    "environment": {"os": "Debian", "proxy": [], "disk_free": 1, "not_observed": ["browser"]},
    "cleanliness": {
        "started_at": "2026-01-02T03:04:05Z",
        "result": "fail",
        "checks": [{"id": "proxy", "zh": "代理", "en": "Proxy", "result": "fail", "observed": "x"}],
    },
    "clock": {
        "state": "agree",
        "checked_at": "2026-01-02T03:04:05Z",
        "offset_ms": -3,
        "servers": [{"server": "a", "offset_ms": -3, "leap": 0, "stratum": 1}, {"server": "b"}],
    },
    "capture": {
        "mode": "cdp-reconstructed",
        "url": "http://例子.test/",
        "final_url": "https://例子.test/",
        "started_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:04:06Z",
        "title": "商品页面",
        "status": 200,
        "address": "192.0.2.1",
        "certificate_sha256": DIGEST,
        "certificate_issuer": "CN=CA",
        "screenshot_sha256": DIGEST,
        "requests": 12,
        "not_captured": 0,
        "cookies": "redacted",
    },
    "modifications": [{"change": "裁剪", "why": "隐私", "digest_before": DIGEST}],
    "previous_record": DIGEST,
    "retention_until": "2036-01-02T03:04:05Z",
    "legal_hold": "案件 12",
}
