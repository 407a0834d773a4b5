"""Each cleanliness check fails where it should, and passes nothing that it did not observe."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from support.staged_machine import HOSTS, make_ca, make_clean_machine

from anchor.collection.ca_store import CaPlaces, load_store, parse_pem
from anchor.collection.cleanliness import judge_cleanliness
from anchor.collection.hosts_file import find_foreign_entries
from anchor.collection.machine import MachineObservation, MachinePlaces, observe_machine
from anchor.collection.machine_environment import describe_environment
from anchor.evidence.observed_groups import Cleanliness, CleanlinessCheck, ClockComparison

STARTED = "2026-01-02T03:04:05.678Z"
NOT_ASKED = ClockComparison(state="not_asked", checked_at=STARTED)


@pytest.fixture
def places(tmp_path: Path) -> MachinePlaces:
    return make_clean_machine(tmp_path)


@pytest.fixture
def clean(places: MachinePlaces) -> MachineObservation:
    return observe_machine(places, {})


def judge(machine: MachineObservation, clock: ClockComparison = NOT_ASKED) -> Cleanliness:
    return judge_cleanliness(machine, clock, started_at=STARTED)


def check(
    name: str, machine: MachineObservation, clock: ClockComparison = NOT_ASKED
) -> CleanlinessCheck:
    return next(each for each in judge(machine, clock).checks if each.id == name)


def test_a_clean_machine_passes_every_check_that_was_made(clean: MachineObservation):
    found = {each.id: each.result for each in judge(clean).checks}
    assert found.pop("clock") == "not_checked"
    assert set(found.values()) == {"pass"}
    assert judge(clean).result == "not_checked"


def test_all_checks_pass_with_two_servers_that_agree(clean: MachineObservation):
    assert judge(clean, compared("agree", 3, -4)).result == "pass"


def test_a_staged_hosts_file_fails(places: MachinePlaces):
    (places.root / "etc/hosts").write_text(HOSTS + "192.0.2.7 www.court.example # staged\n")
    found = check("hosts-file", observe_machine(places, {}))
    assert (found.result, found.observed) == ("fail", "192.0.2.7 www.court.example")
    assert judge(observe_machine(places, {})).result == "fail"


@pytest.mark.parametrize(
    ("line", "foreign"),
    [
        ("127.0.0.1 www.court.example", ["127.0.0.1 www.court.example"]),
        ("0.0.0.0 tracker.example", ["0.0.0.0 tracker.example"]),
        ("192.0.2.7 localhost", ["192.0.2.7 localhost"]),
        ("192.0.2.7 LOCALHOST.", ["192.0.2.7 LOCALHOST."]),
        ("nonsense localhost", ["nonsense localhost"]),
        ("127.0.1.1 myhost myhost.example", ["127.0.1.1 myhost.example"]),
        ("192.0.2.9 MyHost", []),
        ("127.0.0.1 localhost other", ["127.0.0.1 other"]),
        ("fe80::1%lo0 localhost", ["fe80::1%lo0 localhost"]),
        ("::1%lo0 localhost", []),
        ("255.255.255.255 broadcasthost", []),
        ("# 192.0.2.7 www.court.example", []),
        ("192.0.2.7\fwww.court.example", ["192.0.2.7 www.court.example"]),
        ("192.0.2.7\x1cwww.court.example", ["192.0.2.7 www.court.example"]),
        ("192.0.2.7", []),
        ("", []),
    ],
)
def test_only_own_names_and_loopback_names_are_expected(line: str, foreign: list[str]):
    assert find_foreign_entries(f"{HOSTS}{line}\n", ("myhost", "")) == foreign


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_a_proxy_fails_without_its_password(places: MachinePlaces, name: str):
    machine = observe_machine(places, {name: "http://me:hush@proxy.example:3128/x?y=hush"})
    found = check("proxy", machine)
    assert found.result == "fail"
    assert found.observed == f"{name.lower()}=http://proxy.example:3128"
    assert "hush" not in describe_environment(machine).model_dump_json()


def test_an_extra_ca_fails_with_its_subject_and_digest(places: MachinePlaces):
    extra = make_ca("Intercepting Proxy")
    with places.ca.bundles[0].open("ab") as bundle:
        bundle.write(extra)
    found = check("ca-store", observe_machine(places, {}))
    digest = x509.load_pem_x509_certificate(extra).fingerprint(hashes.SHA256()).hex()
    assert found.result == "fail"
    assert found.observed == f"commonName=Intercepting Proxy sha256:{digest}"


def test_an_error_left_in_openssls_queue_hides_no_subject(places: MachinePlaces):
    with places.ca.bundles[0].open("ab") as file:
        file.write(make_ca("Intercepting Proxy"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=make_ca("Odd", key_usage=b"no BIT STRING").decode())
    assert context.get_ca_certs() == []  # OpenSSL's error about the extension stays in its queue
    assert "Intercepting Proxy" in check("ca-store", observe_machine(places, {})).observed


def test_an_extra_ca_in_the_hashed_folder_fails(places: MachinePlaces):
    (places.root / "etc/0a1b2c3d.0").write_bytes(make_ca("Local"))
    (places.root / "etc/unused.pem").write_bytes(make_ca("Unused"))
    found = check("ca-store", observe_machine(places, {}))
    assert found.result == "fail"
    assert "Local" in found.observed
    assert "Unused" not in found.observed


def test_a_ca_that_the_store_lacks_does_not_fail(places: MachinePlaces):
    (places.root / "usr/share/ca-certificates/mozilla/9.crt").write_bytes(make_ca("Public C"))
    assert check("ca-store", observe_machine(places, {})).result == "pass"


def test_a_certificate_that_openssl_cannot_read_is_named_by_its_digest(places: MachinePlaces):
    with places.ca.bundles[0].open("ab") as bundle:
        bundle.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    found = check("ca-store", observe_machine(places, {}))
    assert found.result == "fail"
    assert found.observed.startswith("? sha256:")


def test_without_a_list_to_compare_with_the_ca_store_is_not_checked(places: MachinePlaces):
    ca = replace(places.ca, reference_folders=(places.root / "missing",))
    assert check("ca-store", observe_machine(replace(places, ca=ca), {})).result == "not_checked"


def compared(state: str, *offsets: int) -> ClockComparison:
    return ClockComparison.model_validate(
        {
            "state": state,
            "checked_at": STARTED,
            "offset_ms": sorted(offsets)[len(offsets) // 2],
            "servers": [{"server": f"s{at}", "offset_ms": ms} for at, ms in enumerate(offsets)],
        }
    )


@pytest.mark.parametrize(
    ("clock", "result"),
    [
        (compared("agree", 3_600_000, 3_600_010), "fail"),
        (compared("agree", -3_600_000, -3_600_010), "fail"),
        (compared("agree", 1_000, 1_000), "pass"),
        (compared("agree", 1_001, 1_000), "fail"),
        (compared("disagree", 3, 900), "fail"),
        (compared("one_answer", 3), "not_checked"),
        (compared("one_answer", 3_600_000), "fail"),
        (ClockComparison(state="unanswered", checked_at=STARTED, servers=[]), "not_checked"),
        (NOT_ASKED, "not_checked"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_a_clock_that_is_off_fails(clean: MachineObservation, clock: ClockComparison, result: str):
    assert check("clock", clean, clock).result == result


def test_a_full_disk_fails(clean: MachineObservation):
    assert check("disk-space", replace(clean, disk_free=(1 << 30) - 1)).result == "fail"
    assert check("disk-space", replace(clean, disk_free=1 << 30)).result == "pass"


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "SSL_CERT_FILE"])
def test_an_injected_setting_fails(places: MachinePlaces, name: str):
    found = check("injected-settings", observe_machine(places, {name: "/tmp/x"}))
    assert (found.result, found.observed) == ("fail", f"{name}=/tmp/x")


def test_a_preloaded_library_fails(places: MachinePlaces):
    (places.root / "etc/ld.so.preload").write_text("/tmp/libhook.so\n")
    found = check("injected-settings", observe_machine(places, {}))
    assert (found.result, found.observed) == ("fail", "/etc/ld.so.preload: /tmp/libhook.so")


def test_a_tracer_fails(places: MachinePlaces):
    (places.root / "proc/self/status").write_text("TracerPid:\t77\n")
    found = check("tracer", observe_machine(places, {}))
    assert (found.result, found.observed) == ("fail", "traced by process 77")


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        (".dockerenv", "", "container (docker); physical machine"),
        ("run/.containerenv", "", "container (podman); physical machine"),
        ("proc/1/cgroup", "0::/kubepods/x", "container (kubepods); physical machine"),
        ("proc/cpuinfo", "flags : fpu hypervisor\n", "virtual machine"),
        ("sys/class/dmi/id/product_name", "Board 7\n", "physical machine (Board 7)"),
    ],
)
def test_the_kind_of_machine_is_reported(places: MachinePlaces, path: str, text: str, kind: str):
    (places.root / path).parent.mkdir(parents=True, exist_ok=True)
    (places.root / path).write_text(text)
    found = check("machine-kind", observe_machine(places, {}))
    assert (found.result, found.observed) == ("pass", kind)


def test_nothing_that_could_not_be_read_passes(tmp_path: Path):
    empty = tmp_path / "empty"
    ca = CaPlaces(bundles=(), folders=(), reference_bundles=(), reference_folders=())
    machine = observe_machine(MachinePlaces(root=empty, ca=ca, work=empty), {})
    found = {each.id: each.result for each in judge(machine).checks}
    assert {name for name, result in found.items() if result != "not_checked"} == {
        "proxy",  # of the environment, which was read
        "injected-settings",
    }
    environment = describe_environment(machine)
    assert environment.not_observed is not None
    assert {
        "vm", "packages_digest", "process_list_digest", "ca_store_digest", "hosts_file_digest",
        "dns_servers", "public_ip", "disk_free", "browser", "extensions",
    } <= set(environment.not_observed)  # fmt: skip


def test_the_environment_holds_what_was_observed_and_names_the_rest(clean: MachineObservation):
    environment = describe_environment(clean)
    assert environment.os == "Test OS 1"
    assert environment.cpu == "Test CPU"
    assert environment.dns_servers == ["192.0.2.1", "192.0.2.2"]
    assert environment.proxy == []
    assert clean.packages == ("b 2 all",)
    assert clean.processes == ("1 init", "22 python")
    present = {name for name, value in environment if value is not None} - {"not_observed"}
    assert present.isdisjoint(environment.not_observed or [])
    assert present | set(environment.not_observed or []) | {"not_observed"} == set(
        type(environment).model_fields
    )


def test_foreign_text_becomes_one_printable_line_within_the_bounds(places: MachinePlaces):
    (places.root / "etc/os-release").write_text('PRETTY_NAME="a\u202e\x1b[31m' + "x" * 2_000)
    (places.root / "etc/hosts").write_text("".join(f"1.2.3.4 h{at}\n" for at in range(400)))
    machine = observe_machine(places, {})
    assert len(describe_environment(machine).os or "") == 1_000
    found = check("hosts-file", machine)
    assert found.result == "fail"
    assert len(found.observed) <= 1_000


def test_this_machine_can_be_observed():
    machine = observe_machine(MachinePlaces.of_this_machine())
    assert machine.disk_free
    assert describe_environment(machine).kernel
    assert {each.result for each in judge(machine).checks} <= {"pass", "fail", "not_checked"}
    if os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
        assert load_store(MachinePlaces.of_this_machine().ca) is not None


def test_a_hosts_file_that_is_too_long_is_not_judged(places: MachinePlaces):
    with (places.root / "etc/hosts").open("ab") as file:
        file.truncate((1 << 24) + 1)
    assert check("hosts-file", observe_machine(places, {})).result == "not_checked"


def test_a_ca_store_that_is_too_long_is_not_judged(places: MachinePlaces):
    with places.ca.bundles[0].open("ab") as file:
        file.truncate((1 << 24) + 1)
    assert check("ca-store", observe_machine(places, {})).result == "not_checked"


BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
ODD_FORMS: dict[str, Callable[[bytes], bytes]] = {
    "an old name": lambda pem: pem.replace(b"CERT", b"X509 CERT"),
    "a trusted certificate": lambda pem: pem.replace(b"CERT", b"TRUSTED CERT"),
    "a beginning in the middle of a line": lambda pem: b"x" + BEGIN + b"\n" + pem,
    "more on the first line": lambda pem: pem.replace(BEGIN, BEGIN + b"\0 \x01"),
    "a hyphen in the end": lambda pem: pem.replace(END, b"-\n" + END),
    "lines of Windows": lambda pem: pem.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda pem: b"\xef\xbb\xbf" + pem,
    "no last line feed": lambda pem: pem.rstrip(),
}  # fmt: skip


@pytest.mark.parametrize("form", ODD_FORMS)
def test_a_ca_that_openssl_reads_is_found(form: str, places: MachinePlaces, tmp_path: Path):
    data = ODD_FORMS[form](make_ca("Staged CA"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    staged = tmp_path / "staged.crt"
    staged.write_bytes(data)
    context.load_verify_locations(cafile=staged)
    assert set(context.get_ca_certs(binary_form=True)) <= set(parse_pem(data))
    with places.ca.bundles[0].open("ab") as file:
        file.write(data)
    judged = check("ca-store", observe_machine(places, {}))
    assert (judged.result, "Staged CA" in judged.observed) == ("fail", True)
