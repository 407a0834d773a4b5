"""The project's configuration: one ``anchor.toml``, overridable by ``ANCHOR_*`` variables.

Relative paths count from the file itself.  Secrets are never in it: the keystore is encrypted and
its password comes from a prompt or a file of its own.  RPC URLs that hold API keys belong in
``ANCHOR_CHAIN__RPC`` and, as a JSON list, ``ANCHOR_CHAIN__WITNESSES``.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from anchor.base.digests import parse_algorithms
from anchor.base.errors import ConfigError, MalformedError
from anchor.base.messages.message import Message, join
from anchor.base.messages.validation import describe_fault
from anchor.base.system.file_ownership import read_own_file
from anchor.base.system.toml_text import parse_toml
from anchor.base.system.urls import is_plain_url, redact_url
from anchor.base.types import (
    Address,
    ChainId,
    Hash32,
    LogId,
    log_number,
    log_owner,
    make_log_id,
    parse_hex,
)
from anchor.base.units import ETHER, GWEI
from anchor.chain.fees import format_gwei
from anchor.collection.ntp import split_server
from anchor.ethereum.keccak import format_address, parse_address
from anchor.project.allowlist import MAX_CONFIG_BYTES
from anchor.project.environment import format_member, list_variables
from anchor.project.files import (
    ERASURES,
    SIDE_FILE,
    TIMESTAMPS,
    TRUST_POLICY,
    deployment_record_path,
)
from anchor.project.keeping_config import KeepingConfig, KeepingSection, read_keeping
from anchor.project.notification_config import (
    NO_WEBHOOK_RULES,
    MailConfig,
    MailSection,
    WebhookConfig,
    WebhookSection,
    read_mail,
)
from anchor.project.sign_in_config import (
    NO_PLATFORM,
    PlatformConfig,
    PlatformSection,
    SignInSections,
    read_platform,
)
from anchor.store.location import SqliteFile, StoreLocation, holds_password, parse_location
from anchor.store.replication import SECOND_SERVER_NEEDED, CopyRule
from anchor.verification.policy import MAX_TIME_SLACK, FinalityRule, finality_depth
from anchor.verification.quorum_rules import find_conflict, operator_quorum

FORMAT = "anchor-config/1"

_GWEI_TEXT = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?")
_MAX_FEE_CAP = 1_000_000 * GWEI
# Pydantic's messages about a member's presence, in the wording of the documentation.
_REASONS = {
    "extra_forbidden": Message("config-member-unknown"),
    "missing": Message("config-member-missing"),
}

_TEMPLATE = """\
format = ""
# A SQLite file, or postgresql://user@host/database; a password belongs in the
# environment (ANCHOR_STORE with the whole URL) or in PostgreSQL's own password file.
store = ""
# The log's tree, made from the store; and the key that signs its checkpoints.
tiles = ""
log_key = ""
receipts = ""
trust = ""
# sha256 always; sm3 is computed beside it and takes about four times as long.
digests = []

[store_copies]
# Servers that hold what is acknowledged; degrade goes on with fewer, and says so.
copies = 2
degrade = false
wait_seconds = 10
standbys = []

[chain]
# A URL that holds an API key belongs in the environment: ANCHOR_CHAIN__RPC.
rpc = ""
# Further nodes (witnesses), and how many of all have to agree before a block counts as final
# (quorum).
witnesses = []
quorum = 1
chain_id = 1
genesis = ""
registry = ""
code_hash = ""
# "finalized" is the chain's own tag; a number means that many blocks on top.
finality = ""
# What `run --once` and `stamp` wait for: included (reversible) or final.
wait = ""
wait_seconds = 1
# Seconds the block time may be off, by the chain's rule, where the release has one: time_slack.
time_slack = 0
# The most that a gas may cost, in gwei; fractions as text.
max_fee_gwei = 1
legacy_fees = true
# The most that all transactions of 30 days may take together, in ether.
# budget_ether = "0.5"
budget_ether = ""

[log]
owner = ""
number = 0

[signer]
keystore = ""
ape_account = ""
password_file = ""
# Other programs send with this key, too: what they do is told and stops nothing.
# shared = true
shared = true

# NTP servers that `anchor collect` compares this machine's clock with: two or more.
# [collect]
# ntp = ["HOST", "HOST:PORT"]

# Where `anchor run` publishes the log: a folder, or an object store's URL.
# [publish]
# target = "published"

# New records name a final block, which proves later that they were not made before it: true,
# false, or "if-available" to record without where no node tells one.
# [record]
# not_before = true

# Timestamping authorities (RFC 3161) that stamp the checkpoint of each final head: two or more, of
# different operators.
# [[tsa]]
# name = "NAME"
# url = "https://HOST/PATH"

# The pages of `anchor serve` for people: their address, and whether whoever signs in may create a
# tenant; your legal name and contact, for the certificates that it makes. Sign-in is by providers
# (OpenID Connect), whose secret is in a file or a variable.
# [platform]
# url = "https://HOST"
# open_sign_up = false
# operator = "LEGAL NAME"
# contact = "WHERE TO CHALLENGE A CERTIFICATE"
# [[sign_in]]
# name = "NAME"
# label = "NAME SHOWN"
# issuer = "https://HOST"
# client_id = "ID"
# client_secret_file = "client-secret"

# Whether `anchor run` erases evidence whose retention date has passed, and how many days after.
# [retention]
# acts = true
# grace_days = 30

# What tenants are told: webhooks go to public addresses only, unless they may go elsewhere; e-mail
# goes through a mail server.
# [webhooks]
# allow_private = false
# [mail]
# host = "HOST"
# from = "ADDRESS"
# user = "USER"
# password_file = "mail-password"

# Copies of originals, where tenants may keep them: encrypted, with keys that are encrypted by a
# keyset, which `anchor copies init` makes; and a virus scanner that reads from standard input.
# [copies]
# url = "s3://BUCKET/PATH"
# keyset = "copies-keyset.json"
# tenant_bytes = 10_000_000_000
# scan = ["clamdscan", "--no-summary", "-"]
"""
"""The template of a new configuration; ``encode_config`` sets the members, or removes them."""

WaitFor = Literal["included", "final"]

NotBeforeRule = bool | Literal["if-available"]
"""Whether new records name a final block; ``if-available``: only if a node tells one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerConfig:
    """The location of the key; if ``password_file`` is None, the terminal asks for the password.

    ``shared``: other programs send with this key, too.  A nonce that one of them has finally used
    is then reported, and does not stop the work.
    """

    keystore: Path | None
    ape_account: str | None
    password_file: Path | None
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """Whether evidence is erased once its retention date has passed, and how many days later."""

    acts: bool = False
    grace_days: int = 30


NO_RETENTION = RetentionConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class TsaConfig:
    """A timestamping authority to ask; its ``name`` is part of the names of files."""

    name: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of the project in ``folder``.

    ``fee_cap`` (``chain.max_fee_gwei``) is in wei per gas, ``budget`` in wei.  ``legacy_fees``
    allows only transactions with a single gas price (EIP-155).
    ``publish`` is where `anchor run` publishes the log: a folder, or an object store's URL.
    ``ntp`` are the servers that `anchor collect` compares the clock with; none: it asks nobody.
    ``copies`` gives the number of servers that have to hold the store; None: one is enough.
    ``not_before`` (``record.not_before``) is whether new records name a final block.
    ``tsa`` are the authorities that stamp the checkpoints of final heads (RFC 3161).
    ``platform`` is how people use the service in browsers, and by which providers they sign in.
    ``retention`` is whether retention dates act by themselves.
    ``webhooks`` is where webhooks may go, ``mail`` the server that takes e-mails; None: no e-mail.
    ``keeping`` (``[copies]``) is where tenants keep copies of originals; None: nowhere.
    The repr shows no URL of a node or an object store, because they may hold keys.
    """

    folder: Path
    file: Path
    store: StoreLocation
    tiles: Path
    log_key: Path
    receipts: Path
    trust: Path
    digests: tuple[str, ...]
    rpc: str = field(repr=False)
    witnesses: tuple[str, ...] = field(repr=False)
    quorum: int
    chain_id: ChainId
    genesis: Hash32
    registry: Address
    code_hash: Hash32
    finality: FinalityRule
    wait: WaitFor
    wait_seconds: int
    time_slack: int | None
    fee_cap: int
    legacy_fees: bool
    budget: int | None
    log: LogId
    signer: SignerConfig
    publish: str | None = field(default=None, repr=False)
    copies: CopyRule | None = None
    ntp: tuple[str, ...] = ()
    not_before: NotBeforeRule = False
    tsa: tuple[TsaConfig, ...] = ()
    platform: PlatformConfig = NO_PLATFORM
    webhooks: WebhookConfig = NO_WEBHOOK_RULES
    retention: RetentionConfig = NO_RETENTION
    mail: MailConfig | None = None
    keeping: KeepingConfig | None = None

    @property
    def final_after(self) -> int | None:
        """Return after how many blocks a block counts as final; None: as the nodes say."""
        return finality_depth(self.finality)

    @property
    def erasures(self) -> Path:
        """Return the folder of the statements of erasures."""
        return self.folder / ERASURES

    @property
    def timestamps(self) -> Path:
        """Return the folder of the checkpoints' timestamps."""
        return self.folder / TIMESTAMPS

    @property
    def side_file(self) -> Path:
        """Return the path of the file with the tenant of each acknowledged piece of evidence."""
        return self.tiles.with_name(SIDE_FILE)

    @property
    def deployment_record(self) -> Path:
        """Return the path of the record of the registry's deployment on this chain."""
        return deployment_record_path(self.folder, self.chain_id)


def load_config(path: Path) -> Config:
    """Read the configuration in ``path``.

    ``anchor.project.allowlist`` decides whether the project may be used.

    Raises:
        NotTrustedError: Users other than the caller and root may write the file.
    """
    if not path.is_file():
        raise ConfigError(
            Message("config-file-missing", path=path), hint=Message("config-file-missing-hint")
        )
    members = _read_toml(path)
    try:
        document = _load_document(members, with_environment=True)
    except ValidationError as error:
        raise _explain(path, error) from None
    _check_secrets(path, members)
    return _from_document(document, path.resolve())


def _read_toml(path: Path) -> dict[str, Any]:
    data = read_own_file(path, MAX_CONFIG_BYTES, in_shared_folder=True)
    try:
        return parse_toml(data)
    except MalformedError as error:
        raise ConfigError(Message("config-not-toml", path=path, reason=error.message)) from error


def _explain(path: Path, error: ValidationError) -> ConfigError:
    """Return the error for the first fault, without the value, which may be a secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    if not first["loc"]:
        # A variable that holds a list or a section is not JSON; the message names only its section.
        section = re.search(r'for field "(\w+)"', first["msg"])
        names = list_variables(section[1]) if section else []
        return ConfigError(
            Message(
                "config-variable-not-json",
                names=reduce(_either, names) if names else Message("config-variable-any"),
            ),
            hint=Message("config-variable-not-json-hint"),
        )
    member = ".".join(str(part) for part in first["loc"])
    place = Message("config-member-in-file", path=path, member=member)
    reason = _REASONS.get(first["type"]) or describe_fault(first)
    return ConfigError(Message("with-reason", failure=format_member(member, place), reason=reason))


def _either(first: str, last: str) -> str:
    return Message("choice-or", first=first, last=last)


def encode_config(config: Config) -> str:
    """Return the configuration file of a new project.

    Raises:
        MalformedError: A value holds characters that cannot be printed.
    """
    copies, signer, several = config.copies, config.signer, bool(config.witnesses)
    gwei = format_gwei(config.fee_cap)
    document = tomlkit.parse(_TEMPLATE)
    members: dict[str, object] = {
        "format": FORMAT,
        "store": _encode_store(config),
        "tiles": config.tiles.name,
        "log_key": config.log_key.name,
        "receipts": config.receipts.name,
        "trust": config.trust.name,
        "digests": list(config.digests),
        "store_copies": copies
        and {
            "copies": copies.copies,
            "degrade": copies.degrade,
            "wait_seconds": copies.seconds,
            "standbys": list(copies.standbys) or None,
        },
        "chain": {
            "rpc": config.rpc if is_plain_url(config.rpc) else redact_url(config.rpc),
            "witnesses": [url for url in config.witnesses if is_plain_url(url)]
            if several
            else None,
            "quorum": config.quorum if several else None,
            "chain_id": config.chain_id,
            "genesis": f"0x{config.genesis.hex()}",
            "registry": format_address(config.registry),
            "code_hash": f"0x{config.code_hash.hex()}",
            "finality": config.finality,
            "wait": config.wait,
            "wait_seconds": config.wait_seconds,
            "time_slack": config.time_slack,
            # Whole gwei are written as a number, fractions as text, which no parser
            # rounds.
            "max_fee_gwei": int(gwei) if gwei.isdecimal() else gwei,
            "legacy_fees": config.legacy_fees or None,
            "budget_ether": None
            if config.budget is None
            else f"{Decimal(config.budget) / ETHER:f}",
        },
        "log": {
            "owner": format_address(log_owner(config.log)),
            "number": log_number(config.log),
        },
        "signer": {
            "keystore": _relative(signer.keystore, config.folder),
            "ape_account": signer.ape_account,
            "password_file": _relative(signer.password_file, config.folder),
            "shared": signer.shared or None,
        },
    }
    _fill(document, members)
    text = tomlkit.dumps(document)
    if not text.replace("\n", "").isprintable():
        raise MalformedError(Message("config-value-unprintable"))
    return text


def check_config(config: Config) -> None:
    """Check that a configuration can be read back once it is written.

    Raises:
        MalformedError: A value holds characters that cannot be printed.
    """
    try:
        members = parse_toml(encode_config(config).encode())
        document = _load_document(members, with_environment=False)
    except ValidationError as error:
        raise _explain(config.file, error) from None
    except TypeError:  # raised by tomlkit, which accepts only texts, numbers and lists
        raise ConfigError(Message("config-value-not-storable")) from None
    for name in ("finality", "wait"):
        if getattr(document.chain, name) != getattr(config, name):  # None is not written
            raise ConfigError(
                Message(
                    "config-value-invalid",
                    member=format_member(f"chain.{name}"),
                    value=getattr(config, name),
                )
            )


def _fill(table: MutableMapping[str, Any], members: dict[str, Any]) -> None:
    for name, value in members.items():
        if value is None:
            del table[name]
        elif isinstance(value, dict):
            _fill(table[name], value)
        else:
            table[name] = value


def resolve_quorum(rpc: str, witnesses: Sequence[str], quorum: int | None) -> int:
    """Return how many of the nodes have to agree: ``quorum``, or by default more than half.

    Raises:
        ConfigError: There are fewer nodes than that, or a node is named twice.
    """
    nodes = (rpc, *witnesses)
    for url in witnesses:
        redact_url(url)
    needed = operator_quorum(len(nodes)) if quorum is None else quorum
    fault = find_conflict(nodes, needed)
    if fault is not None:
        raise ConfigError(
            Message(
                "config-nodes-conflict",
                rpc=format_member("chain.rpc"),
                witnesses=format_member("chain.witnesses"),
                reason=fault,
            ),
            hint=Message("config-nodes-conflict-hint"),
        )
    return needed


def _encode_store(config: Config) -> str:
    store = config.store
    if isinstance(store, SqliteFile):
        return _relative(store.path, config.folder) or ""
    return str(store)


def _parse_gwei(value: object) -> int:
    """Return the wei of an amount in gwei, which is a number or text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(Message("config-gwei-not-number"))
    text = str(value)
    if not _GWEI_TEXT.fullmatch(text):
        raise ValueError(Message("config-gwei-malformed"))
    wei = int(Decimal(text) * GWEI)
    if not 1 <= wei <= _MAX_FEE_CAP:
        raise ValueError(Message("config-gwei-range"))
    return wei


def _relative(path: Path | None, folder: Path) -> str | None:
    if path is None:
        return None
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _ChainSection(_Section):
    rpc: Annotated[str, Field(repr=False)]
    witnesses: Annotated[list[str], Field(repr=False)] = []
    quorum: Annotated[int, Field(ge=1)] | None = None
    chain_id: Annotated[int, Field(ge=1, lt=2**53)]
    genesis: str
    registry: str
    code_hash: str
    finality: FinalityRule = "finalized"
    wait: WaitFor = "included"
    wait_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    time_slack: Annotated[int, Field(ge=0, le=MAX_TIME_SLACK)] | None = None
    max_fee_gwei: Annotated[int, BeforeValidator(_parse_gwei)] = 100 * GWEI
    legacy_fees: bool = False
    budget_ether: Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,18})?$")] | None = None


class _LogSection(_Section):
    owner: str
    number: Annotated[int, Field(ge=0, lt=2**96)] = 0


class _SignerSection(_Section):
    keystore: str | None = None
    ape_account: str | None = None
    password_file: str | None = None
    shared: bool = False


class _PublishSection(_Section):
    target: Annotated[Annotated[str, Field(min_length=1)] | None, Field(repr=False)] = None


def _check_server(server: str) -> str:
    try:
        split_server(server)
    except MalformedError as error:
        raise ValueError(error.message) from error
    return server


class _CollectSection(_Section):
    ntp: Annotated[
        list[Annotated[str, AfterValidator(_check_server)]], Field(min_length=2, max_length=16)
    ] = []


class _RecordSection(_Section):
    not_before: NotBeforeRule = False


def _check_url(url: str) -> str:
    try:
        redact_url(url)
    except ConfigError as error:
        raise ValueError(error.message) from error
    return url


class _TsaSection(_Section):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    url: Annotated[str, AfterValidator(_check_url), Field(repr=False)]


def _check_authorities(authorities: list[_TsaSection]) -> list[_TsaSection]:
    if len({each.name for each in authorities}) < len(authorities):
        raise ValueError(Message("config-tsa-twice"))
    return authorities


class _RetentionSection(_Section):
    acts: bool = False
    grace_days: Annotated[int, Field(ge=0, le=3_650)] = 30


class _StoreCopiesSection(_Section):
    copies: Annotated[int, Field(ge=1, le=9)] = 1
    degrade: bool = False
    wait_seconds: Annotated[int, Field(ge=1, le=60)] = 10
    standbys: list[Annotated[str, Field(min_length=1, max_length=63)]] = []


class _ConfigDocument(BaseSettings):
    # extra="ignore" would hide a misspelt member; ANCHOR_CONFIG and others are read elsewhere.
    model_config = SettingsConfigDict(
        env_prefix="ANCHOR_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    format: Literal["anchor-config/1"]
    store: Annotated[str, Field(repr=False)] = "anchor.db"
    tiles: str = "tiles"
    log_key: str = "log-key.pem"
    receipts: str = "receipts"
    trust: str = TRUST_POLICY
    digests: list[str] = ["sha256", "sm3"]
    chain: _ChainSection
    log: _LogSection
    signer: _SignerSection
    publish: _PublishSection = _PublishSection()
    collect: _CollectSection = _CollectSection()
    record: _RecordSection = _RecordSection()
    tsa: Annotated[list[_TsaSection], Field(max_length=8), AfterValidator(_check_authorities)] = []
    platform: PlatformSection = PlatformSection()
    sign_in: SignInSections = []
    retention: _RetentionSection = _RetentionSection()
    webhooks: WebhookSection = WebhookSection()
    mail: MailSection | None = None
    copies: KeepingSection | None = None
    store_copies: _StoreCopiesSection = _StoreCopiesSection()


def _load_document(members: dict[str, Any], *, with_environment: bool) -> _ConfigDocument:
    class FromFile(_ConfigDocument):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = InitSettingsSource(settings_cls, members)
            if not with_environment:
                return (file,)
            # No `.env`: it would be read from the working directory, where anybody may have put it.
            # And $ANCHOR_TRUST names the verifier's policy, not the one that the project keeps.
            named = sources["env_settings"]().items()
            kept = {name: value for name, value in named if name != "trust"}
            return InitSettingsSource(settings_cls, kept), file

    return FromFile.model_validate({})


def _check_secrets(path: Path, written: dict[str, Any]) -> None:
    """Refuse a password in the file itself, which more people read than the environment."""
    target = str(written.get("publish", {}).get("target", ""))
    # The user name and the values of a query may be access keys.
    if "://" in target and ("@" in target.split("/")[2] or "?" in target):
        raise ConfigError(
            Message("config-publish-target-secret", path=path),
            hint=Message("config-publish-target-secret-hint"),
        )
    if holds_password(str(written.get("store", ""))):
        raise ConfigError(
            Message("config-store-secret", path=path),
            hint=Message("config-store-secret-hint"),
        )


def _from_document(document: _ConfigDocument, file: Path) -> Config:
    folder, chain, signer = file.parent, document.chain, document.signer
    if (signer.keystore is None) == (signer.ape_account is None):
        overriding = list_variables("signer")
        raise ConfigError(
            Message("config-signer-ambiguous"),
            hint=Message("config-signer-overridden-hint", names=join(overriding, by="and"))
            if overriding
            else None,
        )
    store = parse_location(document.store, folder)
    return Config(
        folder=folder,
        file=file,
        store=store,
        tiles=folder / document.tiles,
        log_key=folder / document.log_key,
        receipts=folder / document.receipts,
        trust=folder / document.trust,
        digests=parse_algorithms(document.digests),
        rpc=chain.rpc,
        witnesses=tuple(chain.witnesses),
        quorum=resolve_quorum(chain.rpc, chain.witnesses, chain.quorum),
        chain_id=ChainId(chain.chain_id),
        genesis=_hash(chain.genesis, "chain.genesis"),
        registry=parse_address(chain.registry, subject=format_member("chain.registry")),
        code_hash=_hash(chain.code_hash, "chain.code_hash"),
        finality=chain.finality,
        wait=chain.wait,
        wait_seconds=chain.wait_seconds,
        time_slack=chain.time_slack,
        fee_cap=chain.max_fee_gwei,
        legacy_fees=chain.legacy_fees,
        budget=None if chain.budget_ether is None else int(Decimal(chain.budget_ether) * ETHER),
        log=make_log_id(
            parse_address(document.log.owner, subject=format_member("log.owner")),
            document.log.number,
        ),
        signer=SignerConfig(
            keystore=None if signer.keystore is None else folder / signer.keystore,
            ape_account=signer.ape_account,
            password_file=None if signer.password_file is None else folder / signer.password_file,
            shared=signer.shared,
        ),
        publish=_place(document.publish.target, folder),
        copies=_read_copies(document.store_copies, store),
        ntp=tuple(document.collect.ntp),
        not_before=document.record.not_before,
        tsa=tuple(TsaConfig(name=each.name, url=each.url) for each in document.tsa),
        platform=read_platform(document.platform, document.sign_in, folder),
        retention=RetentionConfig(
            acts=document.retention.acts, grace_days=document.retention.grace_days
        ),
        webhooks=WebhookConfig(allow_private=document.webhooks.allow_private),
        mail=read_mail(document.mail, folder, document.platform.url),
        keeping=read_keeping(document.copies, folder),
    )


def _read_copies(section: _StoreCopiesSection, store: StoreLocation) -> CopyRule | None:
    if section.copies == 1:
        return None
    if isinstance(store, SqliteFile):
        raise ConfigError(
            SECOND_SERVER_NEEDED,
            hint=Message("config-copies-need-server-hint"),
        )
    if section.standbys and len(set(section.standbys)) < section.copies - 1:
        raise ConfigError(
            Message(
                "config-standbys-too-few", count=len(set(section.standbys)), copies=section.copies
            ),
            hint=Message("config-standbys-too-few-hint"),
        )
    return CopyRule(
        copies=section.copies,
        degrade=section.degrade,
        seconds=section.wait_seconds,
        standbys=tuple(section.standbys),
    )


def _place(target: str | None, folder: Path) -> str | None:
    """Return the target of publication; a folder's path is relative to the configuration's."""
    return target if target is None or "://" in target else str(folder / target)


def _hash(text: str, member: str) -> Hash32:
    return Hash32(parse_hex(text, length=32, subject=format_member(member), prefix=True))
