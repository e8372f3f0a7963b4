"""A Kafka broker that requires a password, over TLS with a certificate of our own."""

from __future__ import annotations

import datetime
import ipaddress
from contextlib import closing
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from localstack.kafka import Kafka
from localstack.ports import free_port

USER, PASSWORD = "veche", "correct-horse-battery"
MECHANISM = "SCRAM-SHA-512"


class SecureKafka(Kafka):
    """`url` is the listener with SASL over TLS, `sasl_url` the one with SASL alone."""

    def __init__(self, folder: Path) -> None:
        inner, controller, tls, sasl = (free_port() for _ in range(4))
        super().__init__(folder, inner, controller)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.url, self.sasl_url = f"127.0.0.1:{tls}", f"127.0.0.1:{sasl}"
        names = {"PLAINTEXT": inner, "SASL_SSL": tls, "SASL_PLAINTEXT": sasl}
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in names.items())
        jaas = "org.apache.kafka.common.security"
        self.properties |= {
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": listeners,
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,"
            + ",".join(f"{name}:{name}" for name in names),
            "sasl.enabled.mechanisms": f"{MECHANISM},PLAIN",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "broker.pem"),
        }
        for name in ("sasl_ssl", "sasl_plaintext"):
            self.properties |= {
                f"listener.name.{name}.scram-sha-512.sasl.jaas.config": f"{jaas}.scram."
                "ScramLoginModule required;",
                f"listener.name.{name}.plain.sasl.jaas.config": f"{jaas}.plain.PlainLoginModule "
                f'required user_{USER}="{PASSWORD}";',
            }
        self.inner_url = f"127.0.0.1:{inner}"

    def prepare(self) -> None:
        make_certificates(self.folder)
        super().prepare()

    def check(self) -> None:
        # The user is created over the listener that tests do not use.
        with closing(KafkaAdminClient(bootstrap_servers=[self.inner_url])) as admin:
            admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_512, PASSWORD)]
            )


def make_certificates(folder: Path) -> None:
    """Make `ca.pem`, and `broker.pem`: key and certificate of 127.0.0.1, signed by that CA."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])
    ca = (
        _certificate(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    broker = (
        _certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kafka")]), ca_name, key)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "broker.pem").write_bytes(private + broker.public_bytes(pem))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
