"""What a certificate says of itself, and whether it can serve a host."""

from pathlib import Path

import pytest

from certificate_parts import Authority
from ostiary.crypto.certificate import CertificateFacts, read_certificate
from ostiary.crypto.secret import Secret

FACTS = CertificateFacts(names=("a.example.com", "*.Apps.example.com"), starts=1000, ends=2000)


@pytest.mark.parametrize(
    "hostname", ["a.example.com", "*.example.com", "x.apps.example.com", "*.apps.example.com"]
)
def test_a_certificate_serves_hosts_that_it_names_or_that_one_of_its_names_is_among(
    hostname: str,
) -> None:
    assert FACTS.fault(hostname, 1500) is None


@pytest.mark.parametrize(
    "hostname",
    ["b.example.com", "example.com", "x.y.apps.example.com", "apps.example.com", "*.example.org"],
)
def test_it_serves_no_other_host(hostname: str) -> None:
    said = "the certificate is for a.example.com, *.Apps.example.com"

    assert FACTS.fault(hostname, 1500) == said


def test_it_serves_from_its_beginning_until_its_end() -> None:
    assert [FACTS.fault("a.example.com", now) for now in (999, 1000, 1999, 2000)] == [
        "the certificate begins at 1970-01-01T00:16:40Z only",
        None,
        None,
        "the certificate ended at 1970-01-01T00:33:20Z; renew it",
    ]


def test_the_first_of_a_chain_is_read_and_its_key_must_be_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two = (authority.issue(name, file=name) for name in ("one.example", "two.example"))
    chain = Secret(one.certificate.read_text() + authority.file.read_text())

    assert read_certificate(chain, Secret(one.key.read_text())).names == ("one.example",)
    for key, words in (
        (two.key.read_text(), r"tls\.key is not the key of the certificate in tls\.crt"),
        ("", r"tls\.key holds no PEM private key without a password"),
        (one.certificate.read_text(), r"tls\.key holds no PEM private key without a password"),
    ):
        with pytest.raises(ValueError, match=words):
            read_certificate(chain, Secret(key))
    with pytest.raises(ValueError, match=r"tls\.crt holds no PEM certificate"):
        read_certificate(Secret(one.key.read_text()), Secret(one.key.read_text()))
