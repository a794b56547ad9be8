"""Certificates of our own authorities: kept while good, replaced in time, of one use each."""

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from log_parts import NOW
from ostiary.crypto.secret import Secret
from ostiary_operator.certificates import operator_pair, renew_authority, renew_server

AUTHORITY_NAME = "ostiary gateway 6e0b51ad"
NAME = "6e0b51ad.proxy.ostiary.internal"
OTHER = f"ostiary-operator.{'n' * 63}.svc"
DAY = 86400.0
AUTHORITY = renew_authority({}, AUTHORITY_NAME, NOW)
ADMIN = renew_server({}, AUTHORITY, NAME, NOW)


def leaf(value: Secret) -> x509.Certificate:
    return x509.load_pem_x509_certificate(value.reveal().encode())


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)


def test_what_is_good_is_kept() -> None:
    assert renew_authority(AUTHORITY, AUTHORITY_NAME, NOW + 2000 * DAY) is AUTHORITY
    assert renew_server(ADMIN, AUTHORITY, NAME, NOW + 59 * DAY) is ADMIN


def test_a_server_certificate_is_replaced_at_two_thirds_of_its_life() -> None:
    renewed = renew_server(ADMIN, AUTHORITY, NAME, NOW + 60 * DAY)

    assert leaf(renewed["tls.crt"]).not_valid_after_utc.timestamp() == NOW + 150 * DAY
    assert renewed["ca.crt"] == AUTHORITY["ca.crt"]


def test_a_new_authority_is_trusted_beside_the_old_one() -> None:
    renewed = renew_authority(AUTHORITY, AUTHORITY_NAME, NOW + 3000 * DAY)
    trusted = x509.load_pem_x509_certificates(renewed["ca.crt"].reveal().encode())

    assert trusted[1] == leaf(AUTHORITY["ca.crt"])
    assert trusted[0].not_valid_after_utc.timestamp() == NOW + 6650 * DAY
    assert renew_server(ADMIN, renewed, NAME, NOW)["tls.crt"] != ADMIN["tls.crt"]


def test_another_name_needs_another_certificate_however_long_it_is() -> None:
    renewed = renew_server(ADMIN, AUTHORITY, OTHER, NOW)

    assert names(leaf(renewed["tls.crt"])) == [OTHER]


def test_what_somebody_broke_is_made_anew() -> None:
    broken = {**AUTHORITY, "ca.key": ADMIN["tls.key"]}

    assert renew_authority(broken, AUTHORITY_NAME, NOW)["ca.crt"] != AUTHORITY["ca.crt"]
    assert renew_authority({**AUTHORITY, "ca.crt": Secret("?")}, AUTHORITY_NAME, NOW)["ca.key"]
    assert renew_server({**ADMIN, "tls.crt": Secret("")}, AUTHORITY, NAME, NOW) != ADMIN


def test_a_certificate_of_another_authority_is_not_kept() -> None:
    stranger = renew_authority({}, AUTHORITY_NAME, NOW)
    mixed = {**renew_server({}, stranger, NAME, NOW), "ca.crt": AUTHORITY["ca.crt"]}

    assert renew_server(mixed, AUTHORITY, NAME, NOW)["tls.crt"] != mixed["tls.crt"]


def test_neither_side_can_pass_for_the_other() -> None:
    operator = operator_pair(AUTHORITY, NOW).leaf

    assert (names(operator), usages(operator)) == (
        ["operator.ostiary.internal"],
        [ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    assert usages(leaf(ADMIN["tls.crt"])) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert operator.not_valid_after_utc.timestamp() == NOW + DAY
