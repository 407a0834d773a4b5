"""What commands print with ``--json``: the members of each document, and their JSON Schema.

A member whose name ends with ``?`` may be missing; ``*`` stands for members of any name.  A type is
``string``, ``integer``, ``number``, ``boolean``, ``array``, ``object`` or ``any``, with ``?`` if it
may be null, or words with ``|`` between them.  A list has elements of one type.  A list or object
with a ``?`` of its own may be null.  Every document also has its ``format``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

DOCUMENTS: dict[str, dict[str, Any]] = {
    "add": {
        "bytes": "integer?",
        "changed": "array?",
        "excluded?": {
            "files": "integer",
            "folders": "integer",
            "gitignore_files": ["string"],
            "patterns": [
                {"files": "integer", "folders": "integer", "pattern": "string", "source": "string"}
            ],
        },
        "known": "integer?",
        "new": "integer?",
        "problems": [{"path": "string", "reason": "string"}],
        "skipped": [{"path": "string", "reason": "string"}],
    },
    "api-key-create": {
        "expires_at": "string?",
        "id": "string?",
        "key": "string?",
        "tenant": "string?",
    },
    "api-key-list": {
        "keys": [
            {
                "?": None,
                "created_at?": "string?",
                "expires_at?": "string?",
                "id?": "string?",
                "is_suspended?": "boolean?",
                "per_day?": "integer?",
                "per_minute?": "integer?",
                "revoked_at?": "string?",
                "scopes?": ["string?", "?"],
                "tenant?": "string?",
            },
            "?",
        ]
    },
    "api-key-revoke": {"revoked": "string?"},
    "audit": {
        "breaches": ["string"],
        "chain?": {
            "?": None,
            "anchors?": "integer?",
            "final_after_blocks?": "integer",
            "final_block?": "integer?",
            "final_block_hash?": "string?",
            "foreign_nonces?": "integer?",
            "verdict?": "string?",
        },
        "erased?": "integer?",
        "exit_code": "integer?",
        "heads?": "integer?",
        "leaves?": "integer?",
        "lost?": "integer?",
        "originals?": "object?",
        "without_record?": "integer?",
    },
    "audit-manifests": {
        "changed": "integer?",
        "equal": "integer?",
        "exit_code": "integer?",
        "manifests": "integer?",
        "messages": ["string"],
        "unknown": "integer?",
        "unread": "integer?",
    },
    "audit-published": {
        "chain?": {"?": None, "kind?": "string?", "name?": "string?", "tested?": "boolean?"},
        "exit_code": "integer?",
        "final_block?": "integer?",
        "nodes": ["string?", "?"],
        "origin?": "string?",
        "policies": [
            {"?": None, "file?": "string?", "sha256?": "string?", "source?": "string?"},
            "?",
        ],
        "root?": "string?",
        "sequence?": "integer?",
        "size?": "integer?",
        "steps": [
            {
                "?": None,
                "detail?": "string?",
                "number?": "integer?",
                "title?": "string?",
                "verdict?": "string?",
            },
            "?",
        ],
        "unpinned": ["string"],
        "unused_project": "any",
    },
    "backup-check": {
        "breaches": ["string"],
        "bytes": "integer?",
        "exit_code?": "integer?",
        "files": "integer?",
        "folder": "string?",
        "head": {"?": None, "root?": "string?", "size?": "integer?"},
        "made_at": "string?",
        "schema": "string?",
        "waiting": "integer?",
    },
    "capture": {
        "captures": [
            {
                "bag": "string",
                "captures?": ["object"],
                "change": {"?": None, "last": "string?", "reasons": ["string"]},
                "checks": [
                    {
                        "en": "string",
                        "id": "string",
                        "observed?": "string",
                        "observed_zh?": "string",
                        "result": "string",
                        "zh": "string",
                    }
                ],
                "cleanliness": "string?",
                "final_url": "string",
                "lacking": [
                    {"level": "string", "member": "string", "source": "string", "text": "string"}
                ],
                "not_captured": [{"code": "string", "reason": "string", "subject": "string"}],
                "number": "string?",
                "problems": [{"path": "string", "reason": "string"}],
                "profile": "string?",
                "receipt": "string",
                "records": [{"id": "string", "leaf": "string", "path": "string"}],
                "skipped": [{"path": "string", "reason": "string"}],
                "url": "string",
            }
        ],
        "failed": [{"error": "string", "url": "string"}],
        "unchanged": [{"last": "string", "url": "string"}],
    },
    "capture-comparison": {
        "complete": "boolean",
        "facts": [{"first": "string?", "name": "string", "second": "string?"}],
        "first": {"bag": "string", "manifest_sha256": "string", "started_at": "string"},
        "page": "string?",
        "pages": [
            {
                "not_compared": [{"code": "string", "name": "string", "reason": "string"}],
                "pictures": {
                    "*": {
                        "changed_pixels": "integer",
                        "first_size": ["integer"],
                        "pixels": "integer",
                        "second_size": ["integer"],
                        "share": "number",
                    }
                },
                "text": {
                    "?": None,
                    "aligned": "boolean",
                    "cut": "boolean",
                    "deleted_characters": "integer",
                    "first_characters": "integer",
                    "inserted_characters": "integer",
                    "second_characters": "integer",
                    "share": "number",
                    "unified": ["string"],
                    "words": [[["string"]]],
                },
                "url": "string",
            }
        ],
        "pages_added": ["string"],
        "pages_removed": ["string"],
        "picture_share": "number?",
        "resources": {
            "added": [{"method": "string", "url": "string"}],
            "changed": [
                {
                    "first": [{"body_sha256": "string?", "status": "string"}],
                    "method": "string",
                    "second": [{"body_sha256": "string?", "status": "string"}],
                    "url": "string",
                }
            ],
            "removed": [{"method": "string", "url": "string"}],
            "same": "integer",
            "unknown": [{"method": "string", "url": "string"}],
        },
        "second": {"bag": "string", "manifest_sha256": "string", "started_at": "string"},
        "text_share": "number?",
    },
    "capture-worker": {"made": "integer", "refused": "integer"},
    "certify": {
        "certificates": [
            {
                "?": None,
                "certificate_no?": "string?",
                "draft?": "boolean?",
                "file?": "string?",
                "files?": {
                    "?": None,
                    "html?": {"?": None, "path?": "string?", "sha256?": "string?"},
                    "json?": {"?": None, "path?": "string?", "sha256?": "string?"},
                },
                "receipt?": "string?",
            },
            "?",
        ],
        "exit_code": "integer?",
        "font": "any",
        "nodes": ["string?", "?"],
        "policies": [
            {"?": None, "file?": "string?", "sha256?": "string?", "source?": "string?"},
            "?",
        ],
        "refused": "array?",
        "unused_project": "any",
    },
    "collect": {
        "captures?": ["object"],
        "checks": [
            {
                "?": None,
                "en?": "string?",
                "id?": "string?",
                "observed?": "string?",
                "observed_zh?": "string?",
                "result?": "string?",
                "zh?": "string?",
            },
            "?",
        ],
        "cleanliness": "string?",
        "lacking": [{"level": "string", "member": "string", "source": "string", "text": "string"}],
        "problems": [{"path": "string", "reason": "string"}],
        "profile": "string?",
        "records": [{"?": None, "id?": "string?", "leaf?": "string?", "path?": "string?"}, "?"],
        "skipped": [{"path": "string", "reason": "string"}],
    },
    "collect-template": {"profile": "string?", "template": "string?"},
    "copies-drop": {"dropped": "integer"},
    "copies-init": {"keyset": "string"},
    "copies-rotate": {"copies": "integer"},
    "custody-add": {
        "event": {
            "?": None,
            "actor?": "string?",
            "at?": "string?",
            "digest_after?": "string?",
            "event?": "string?",
            "previous_event?": "string",
            "subject?": "string?",
        },
        "id": "string?",
        "leaf": "string?",
        "number": "integer?",
        "subject": "string?",
    },
    "custody-show": {
        "events": [
            {
                "?": None,
                "actor?": "string?",
                "at?": "string?",
                "digest_after?": "string?",
                "event?": "string?",
                "index?": "any",
                "record?": "string?",
                "subject?": "string?",
            },
            "?",
        ],
        "receipts": ["string"],
        "subject": "string?",
    },
    "deploy": {
        "chain_id": "integer?",
        "code_hash": "string?",
        "gas_used": "integer?",
        "record": "string?",
        "registry": "string?",
        "standard_address": "boolean?",
        "tx_hash": "string?",
    },
    "devnet": {"chain_id": "integer", "kind": "string", "pid": "integer", "url": "string"},
    "doctor": {
        "exit_code": "integer?",
        "findings": [
            {
                "?": None,
                "check?": "string?",
                "exit_code?": "integer?",
                "hint?": "string?",
                "text?": "string?",
                "verdict?": "string?",
            },
            "?",
        ],
    },
    "erase": {
        "erased": [{"?": None, "index?": "integer?", "leaf?": "string?"}, "?"],
        "finished": "integer?",
        "receipts_removed": "integer?",
        "remains": "array?",
        "statements": ["string?", "?"],
    },
    "erase-preview": {
        "would_erase": [
            {
                "?": None,
                "index?": "integer?",
                "leaf?": "string?",
                "name?": "string?",
                "source?": "string?",
                "tenant?": "string?",
            },
            "?",
        ]
    },
    "error": {
        "error": "string",
        "exit_code": "integer",
        "hint": "string?",
        "id": "string?",
        "operands": "object",
    },
    "estimate": {
        "chains": [
            {
                "?": None,
                "block_number?": "integer?",
                "chain_id?": "integer?",
                "deployment_wei?": "string?",
                "gas_price_wei?": "string?",
                "l1_fee_wei?": "string?",
                "total_wei?": "string?",
            },
            "?",
        ],
        "gas": "integer?",
        "heads": "integer?",
        "pieces": "integer?",
    },
    "explain": {
        "steps": [
            {
                "?": None,
                "chain_id?": "integer?",
                "hash?": "string?",
                "left?": "string",
                "low_bytes?": "string?",
                "number?": "string?",
                "registry?": "string?",
                "right?": "string",
                "slot?": "string?",
                "what?": "string?",
            },
            "?",
        ]
    },
    "export": {
        "document": {"?": None, "@context?": "object?", "@graph?": ["object?", "?"]},
        "kind": "string?",
        "path": "string?",
    },
    "export-ledger": {"folder": "string?", "rows": "object?"},
    "export-log": {
        "origin": "string?",
        "root": "string?",
        "size": "integer?",
        "tiles_written": "integer?",
        "verifier_key": "string?",
    },
    "hold-add": {"added": "integer?", "known": "integer?", "name": "string?"},
    "hold-list": {
        "holds": [
            {
                "?": None,
                "leaf?": "string?",
                "name?": "string?",
                "placed_at?": "string?",
                "placed_by?": "string?",
                "reason?": "string?",
                "tenant?": "string?",
            },
            "?",
        ]
    },
    "hold-remove": {"name": "string?", "removed": "integer?"},
    "init": {
        "budget_wei": "string?",
        "chain_id": "integer?",
        "folder": "string?",
        "genesis": "string?",
        "log": "string?",
        "max_fee_gwei": "string?",
        "network": "string?",
        "registry": "string?",
    },
    "key-new": {"address": "string?", "keystore": "string?"},
    "key-show": {"address": "string?", "keystore": "string?"},
    "list": {
        "evidence": [
            {
                "?": None,
                "anchored_at?": "string?",
                "id?": "string?",
                "index?": "integer?",
                "leaf?": "string?",
                "name?": "string?",
                "number?": "string?",
                "recorded_at?": "string?",
                "sha256?": "string?",
                "size?": "integer?",
                "sm3?": "string?",
                "state?": "string?",
                "tenant?": "string?",
            },
            "?",
        ],
        "final_after_blocks?": "integer",
        "more": "boolean?",
    },
    "log": {
        "alarms": [
            {
                "?": None,
                "hint?": "string?",
                "name?": "string?",
                "severity?": "string?",
                "text?": "string?",
            },
            "?",
        ],
        "anchors": [
            {
                "?": None,
                "block_number?": "integer?",
                "covers?": "integer?",
                "final?": "boolean?",
                "final_at?": "string?",
                "gas_used?": "integer?",
                "included_at?": "string?",
                "root?": "string?",
                "sealed_at?": "string?",
                "sequence?": "integer?",
                "size?": "integer?",
                "tx_hash?": "string?",
                "wei?": "string?",
            },
            "?",
        ],
        "chain": {
            "?": None,
            "balance_wei?": "string?",
            "block?": "integer?",
            "block_time?": "string?",
            "closed?": "boolean?",
            "days_left?": "number?",
            "final_block?": "integer?",
            "seen_at?": "string?",
            "size?": "integer?",
            "trouble?": "string?",
        },
        "deliveries": {
            "?": None,
            "failing?": "integer?",
            "given_up_last_day?": "integer?",
            "waiting?": "integer?",
        },
        "heads": [
            {
                "?": None,
                "added?": "integer?",
                "anchor_size?": "integer?",
                "root?": "string?",
                "sealed_at?": "string?",
                "sequence?": "integer?",
                "size?": "integer?",
                "state?": "string?",
            },
            "?",
        ],
        "log": {
            "?": None,
            "chain_id?": "integer?",
            "final_after_blocks?": "integer",
            "number?": "integer?",
            "owner?": "string?",
            "registry?": "string?",
        },
        "published": {"?": None, "seen_at": "string?", "size": "integer?", "trouble": "string?"},
        "queue": {
            "?": None,
            "accepted_last_hour?": "integer?",
            "oldest_at?": "string?",
            "waiting?": "integer?",
        },
        "running": "boolean?",
        "spending": {
            "?": None,
            "budget_wei?": "string?",
            "transactions?": "integer?",
            "wei?": "string?",
            "wei_a_day?": "string?",
        },
        "time": "string?",
        "unproven": {
            "?": None,
            "anchors": "integer",
            "first_sequence": "integer?",
            "reason": "string?",
        },
    },
    "log-extension": {
        "new": {"root": "string", "size": "integer"},
        "old": {"root": "string", "size": "integer"},
        "proof": ["string"],
        "verified": "boolean",
    },
    "log-leaf": {
        "anchor": {
            "?": None,
            "block_number?": "integer?",
            "final?": "boolean?",
            "final_after_blocks?": "integer",
            "sequence?": "integer?",
            "timestamp?": "integer?",
        },
        "head": {"?": None, "root?": "string?", "size?": "integer?"},
        "index": "integer?",
        "leaf": "string?",
        "path": [{"?": None, "node?": "string?", "sibling?": "string?", "side?": "string?"}, "?"],
    },
    "networks": {
        "networks": [
            {
                "?": None,
                "block_history?": "boolean?",
                "chain_id?": "integer?",
                "code_hash?": "string?",
                "explorers?": ["string"],
                "finality?": "string?",
                "genesis?": "string?",
                "kind?": "string?",
                "name?": "string?",
                "tested?": "boolean?",
                "time_slack?": "integer?",
                "times_set_by?": "string?",
                "title?": "string?",
            },
            "?",
        ],
        "registry": "string?",
    },
    "operator-add": {
        "active": "boolean",
        "final": "boolean",
        "final_after_blocks?": "integer",
        "final_block": "integer?",
        "id": "integer?",
        "key": "string",
        "log": "string",
        "looked_at": {"events": "boolean", "events_from_block": "integer?", "ids_up_to": "integer"},
        "operators": [
            {
                "active": "boolean",
                "active_in_final_block": "boolean?",
                "id": "integer",
                "key": "string",
            }
        ],
        "owner": "string",
        "policy": "string",
        "tx_hash": "string?",
    },
    "operator-add-call": {
        "active": "boolean?",
        "call": "string?",
        "chain_id": "integer?",
        "data": "string?",
        "from": "string?",
        "id": "integer?",
        "key": "string?",
        "to": "string?",
        "value": "integer?",
    },
    "operator-list": {
        "final_after_blocks?": "integer",
        "final_block": "integer?",
        "log": "string?",
        "looked_at": {
            "?": None,
            "events?": "boolean?",
            "events_from_block?": "integer?",
            "ids_up_to?": "integer?",
        },
        "operators": [
            {
                "active": "boolean",
                "active_in_final_block": "boolean?",
                "id": "integer",
                "key": "string",
            }
        ],
        "owner": "string?",
        "policy": "string?",
        "signer": "string?",
        "unsettled": "string?",
    },
    "operator-remove": {
        "active": "boolean",
        "final": "boolean",
        "final_after_blocks?": "integer",
        "final_block": "integer?",
        "id": "integer?",
        "key": "string",
        "log": "string",
        "looked_at": {"events": "boolean", "events_from_block": "integer?", "ids_up_to": "integer"},
        "operators": [
            {
                "active": "boolean",
                "active_in_final_block": "boolean?",
                "id": "integer",
                "key": "string",
            }
        ],
        "owner": "string",
        "policy": "string",
        "tx_hash": "string?",
    },
    "operator-remove-call": {
        "active": "boolean",
        "call": "string?",
        "chain_id": "integer",
        "data": "string?",
        "from": "string",
        "id": "integer?",
        "key": "string",
        "to": "string",
        "value": "integer",
    },
    "pack": {
        "bag": "string?",
        "exit_code": "integer?",
        "files?": "integer?",
        "identifier?": "string?",
        "nodes": ["string?", "?"],
        "notices?": "integer?",
        "originals?": "integer?",
        "policies": [
            {"?": None, "file?": "string?", "sha256?": "string?", "source?": "string?"},
            "?",
        ],
        "refused": "array?",
        "unused_project": "any",
    },
    "prove": {
        "left": "integer?",
        "problems": [{"path": "string", "reason": "string"}],
        "skipped": "integer?",
        "written": [
            {
                "?": None,
                "anchors?": "integer?",
                "number?": "string?",
                "receipt?": "string?",
                "state_proofs?": "integer?",
            },
            "?",
        ],
    },
    "prove-bundle": {
        "bundle": "string?",
        "promises": "integer?",
        "receipts": "integer?",
        "skipped": "integer?",
        "state_proofs": "integer?",
    },
    "replay": {
        "address": "string",
        "bag": "string",
        "manifest_sha256": "string",
        "replay": "string",
        "started_at": "string",
    },
    "restore": {
        "anchors": "integer",
        "hashes_only": "integer",
        "lost": [{"id": "string", "tenant": "string?"}],
        "moved": "string?",
        "receipts_left": "integer",
        "records": "integer",
        "root": "string",
        "size": "integer",
        "source": "string",
        "timestamps": "integer",
        "unreadable": "integer",
        "waiting": "integer",
    },
    "run": {
        "block_number?": "integer?",
        "final_after_blocks?": "integer",
        "root?": "string?",
        "sealed": "integer?",
        "sequence?": "integer?",
        "size?": "integer?",
        "state": "string?",
        "timestamp?": "integer?",
    },
    "run-event": {
        "alarm?": "string",
        "beaten?": "integer",
        "block_number?": "integer",
        "day?": "string",
        "erased?": "integer",
        "event": "string",
        "exit_code?": "integer",
        "file?": "string",
        "final_after_blocks?": "integer",
        "hint?": "string",
        "root?": "string",
        "sealed?": "integer",
        "seconds?": "integer",
        "sequence?": "integer",
        "size?": "integer",
        "tenant?": "string",
        "text": "string",
        "tiles_written?": "integer",
        "time": "string",
        "told?": "integer",
        "tsa?": "string",
    },
    "seal": {"root?": "string?", "sealed": "integer?", "size?": "integer?"},
    "search": {
        "certificates": "array?",
        "evidence": [
            {
                "?": None,
                "anchored_at?": "string?",
                "id?": "string?",
                "index?": "integer?",
                "leaf?": "string?",
                "name?": "string?",
                "number?": "string?",
                "recorded_at?": "string?",
                "sha256?": "string?",
                "size?": "integer?",
                "sm3?": "string?",
                "state?": "string?",
                "tenant?": "string?",
            },
            "?",
        ],
        "final_after_blocks?": "integer",
        "heads": "array?",
        "more": "boolean?",
    },
    "serve": {"url": "string", "workers": "integer"},
    "sign": {
        "signatures": [
            {
                "?": None,
                "file?": "string?",
                "fingerprint?": "string?",
                "kind?": "string?",
                "receipt?": "string?",
            },
            "?",
        ]
    },
    "source": {
        "compiler": "string?",
        "contract": "string?",
        "manifest?": {
            "?": None,
            "compilers?": [
                {
                    "?": None,
                    "contractTypes?": ["string?", "?"],
                    "name?": "string?",
                    "settings?": {
                        "?": None,
                        "evmVersion?": "string?",
                        "metadata?": {
                            "?": None,
                            "appendCBOR?": "boolean?",
                            "bytecodeHash?": "string?",
                        },
                        "optimizer?": {"?": None, "enabled?": "boolean?", "runs?": "integer?"},
                        "outputSelection?": "object?",
                        "viaIR?": "boolean?",
                    },
                    "version?": "string?",
                },
                "?",
            ],
            "contractTypes?": "object?",
            "manifest?": "string?",
            "sources?": "object?",
        },
        "sha256": "string?",
        "standard_address": "string?",
        "standard_input?": {
            "?": None,
            "language?": "string?",
            "settings?": {
                "?": None,
                "evmVersion?": "string?",
                "metadata?": {"?": None, "appendCBOR?": "boolean?", "bytecodeHash?": "string?"},
                "optimizer?": {"?": None, "enabled?": "boolean?", "runs?": "integer?"},
                "outputSelection?": "object?",
                "viaIR?": "boolean?",
            },
            "sources?": "object?",
        },
    },
    "stamp": {
        "failed": "array?",
        "final_after_blocks?": "integer",
        "problems": [{"path": "string", "reason": "string"}],
        "receipts": [{"?": None, "file?": "string?", "receipt?": "string?"}, "?"],
        "skipped": [{"path": "string", "reason": "string"}],
        "state": "string?",
    },
    "succeed": {
        "folder": "string",
        "log": "string",
        "old_log": "string",
        "receipts": "integer",
        "root": "string",
        "size": "integer",
        "waiting": "integer",
    },
    "succeed-call": {
        "call": "string?",
        "chain_id": "integer?",
        "data": "string?",
        "from": "string?",
        "to": "string?",
        "value": "integer?",
    },
    "supersede": {
        "actor": "string?",
        "at": "string?",
        "id": "string?",
        "kind": "string?",
        "leaf": "string?",
        "reason": "string?",
        "replacement": "string?",
        "subject": "string?",
    },
    "tenant-invite": {
        "expires_at": "string?",
        "link": "string?",
        "role": "string?",
        "tenant": "string?",
    },
    "tenant-list": {"tenants": [{"?": None, "members?": "integer?", "tenant?": "string?"}, "?"]},
    "timestamp": {
        "exit_code": "integer",
        "heads": "integer",
        "timestamps": [
            {
                "error": "string?",
                "file": "string?",
                "root": "string",
                "size": "integer",
                "tsa": "string",
                "verified": "boolean",
            }
        ],
    },
    "transactions-give-up": {
        "final_block": "integer",
        "final_nonce": "integer",
        "given_up": "integer",
        "sender": "string",
    },
    "transactions-list": {
        "transactions": [
            {"hashes": ["string"], "nonce": "integer", "sender": "string", "state": "string"}
        ]
    },
    "trust-add": {
        "file": "string?",
        "name": "string?",
        "owners_kept_elsewhere": {"?": None},
        "sha256": "string?",
        "trust": ["string?", "?"],
    },
    "trust-allow": {
        "config": "string?",
        "pins": [
            {"?": None, "chain_id?": "integer?", "log?": "string?", "registry?": "string?"},
            "?",
        ],
    },
    "trust-disallow": {"disallowed": "string?"},
    "trust-list": {
        "policies": [
            {
                "?": None,
                "file?": "string?",
                "name?": "string?",
                "sha256?": "string?",
                "trust?": ["string?", "?"],
            },
            "?",
        ],
        "projects": [
            {
                "?": None,
                "config?": "string?",
                "pins?": [
                    {"?": None, "chain_id?": "integer?", "log?": "string?", "registry?": "string?"},
                    "?",
                ],
            },
            "?",
        ],
    },
    "trust-pin": {
        "chain_id": "integer?",
        "code_hash": "string?",
        "genesis": "string?",
        "logs": ["integer?", "?"],
        "logs_without_anchor": "array?",
        "network": "string?",
        "nodes": ["string?", "?"],
        "owner": "string?",
        "policy": "string?",
        "registry": "string?",
    },
    "trust-remove": {"removed": "string?"},
    "trust-show": {
        "file": "string?",
        "name": "string?",
        "sha256": "string?",
        "text": "string?",
        "trust": ["string?", "?"],
    },
    "upgrade": {
        "receipts": [
            {"?": None, "anchors?": "integer?", "receipt?": "string?", "state_proofs?": "integer?"},
            "?",
        ]
    },
    "verifier": {"bytes": "integer?", "file": "string?", "sha256": "string?"},
    "withdraw": {
        "actor": "string?",
        "at": "string?",
        "id": "string?",
        "kind": "string?",
        "leaf": "string?",
        "reason": "string?",
        "replacement": "string?",
        "subject": "string?",
    },
}


def describe_commands() -> dict[str, Any]:
    """Return the schema of all documents, each by its format without ``anchor-`` and ``/1``."""
    schemas = {name: _describe_document(name, members) for name, members in DOCUMENTS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "JSON of commands",
        "description": (
            "The documents that commands print with --json, each by its format without "
            '"anchor-" and "/1". Later releases keep these members and their types, and may '
            "add others; a member may be null where there is nothing to say. status.json and "
            "verification.json describe anchor-status/1 and anchor-verify/1."
        ),
        "$defs": schemas,
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in schemas],
    }


def _describe_document(name: str, members: dict[str, Any]) -> dict[str, Any]:
    schema = _describe(members)
    schema["properties"]["format"] = {"const": f"anchor-{name}/1"}
    schema["required"] = sorted([*schema.get("required", []), "format"])
    return schema


def _describe(kind: Any) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": _or_null("array", kind), "items": _describe(kind[0])}
    if isinstance(kind, dict) and "*" in kind:
        return {"type": "object", "additionalProperties": _describe(kind["*"])}
    if isinstance(kind, dict):
        members = {name: _describe(each) for name, each in kind.items() if name != "?"}
        schema: dict[str, Any] = {
            "type": _or_null("object", kind),
            "properties": {name.removesuffix("?"): each for name, each in members.items()},
        }
        required = sorted(name for name in members if not name.endswith("?"))
        return schema | {"required": required} if required else schema
    if "|" in kind:
        return {"enum": kind.split("|")}
    if kind.endswith("?"):
        return {"type": [kind.removesuffix("?"), "null"]}
    return {} if kind == "any" else {"type": kind}


def _or_null(name: str, kind: Collection[Any]) -> str | list[str]:
    return [name, "null"] if "?" in kind else name
