"""Certificates of the admin ports: kept while good, replaced in time, useless for anything else."""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from log_parts import NOW
from ostiary.crypto.secret import Secret
from ostiary_operator.certificates import operator_pair, renew_admin, renew_authority

UID = "6e0b51ad-32c5-5f0c-8b3e-6a4a0c6e3d10"
OTHER = "0d1f9c1e-6f2b-4f43-9f5c-3b2f0a4b7c11"
DAY = 86400.0
AUTHORITY = renew_authority({}, UID, NOW)
ADMIN = renew_admin({}, AUTHORITY, UID, NOW)


def leaf(value: Secret) -> x509.Certificate:
    return x509.load_pem_x509_certificate(value.reveal().encode())


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def test_what_is_good_is_kept() -> None:
    assert renew_authority(AUTHORITY, UID, NOW + 2000 * DAY) is AUTHORITY
    assert renew_admin(ADMIN, AUTHORITY, UID, NOW + 59 * DAY) is ADMIN


def test_a_server_certificate_is_replaced_at_two_thirds_of_its_life() -> None:
    renewed = renew_admin(ADMIN, AUTHORITY, UID, NOW + 60 * DAY)

    assert leaf(renewed["tls.crt"]).not_valid_after_utc.timestamp() == NOW + 150 * DAY
    assert renewed["ca.crt"] == AUTHORITY["ca.crt"]


def test_a_new_authority_is_trusted_beside_the_old_one() -> None:
    renewed = renew_authority(AUTHORITY, UID, NOW + 3000 * DAY)
    trusted = x509.load_pem_x509_certificates(renewed["ca.crt"].reveal().encode())

    assert trusted[1] == leaf(AUTHORITY["ca.crt"])
    assert trusted[0].not_valid_after_utc.timestamp() == NOW + 6650 * DAY
    assert renew_admin(ADMIN, renewed, UID, NOW)["tls.crt"] != ADMIN["tls.crt"]


def test_a_gateway_made_again_gets_a_certificate_of_its_own_name() -> None:
    renewed = renew_admin(ADMIN, AUTHORITY, OTHER, NOW)

    assert names(leaf(renewed["tls.crt"])) == [f"{OTHER}.proxy.ostiary.internal"]


def test_what_somebody_broke_is_made_anew() -> None:
    broken = {**AUTHORITY, "ca.key": ADMIN["tls.key"]}

    assert renew_authority(broken, UID, NOW)["ca.crt"] != AUTHORITY["ca.crt"]
    assert renew_authority({**AUTHORITY, "ca.crt": Secret("?")}, UID, NOW)["ca.key"]
    assert renew_admin({**ADMIN, "tls.crt": Secret("")}, AUTHORITY, UID, NOW) != ADMIN


def test_a_certificate_of_another_authority_is_not_kept() -> None:
    stranger = renew_authority({}, UID, NOW)
    mixed = {**renew_admin({}, stranger, UID, NOW), "ca.crt": AUTHORITY["ca.crt"]}

    assert renew_admin(mixed, AUTHORITY, UID, NOW)["tls.crt"] != mixed["tls.crt"]


def test_neither_side_can_pass_for_the_other() -> None:
    operator = operator_pair(AUTHORITY, NOW).leaf

    assert (names(operator), usages(operator)) == (
        ["operator.ostiary.internal"],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    assert usages(leaf(ADMIN["tls.crt"])) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert operator.not_valid_after_utc.timestamp() == NOW + DAY
