//! A server's certificate, for people.

use std::fmt;
use std::time::{Duration, SystemTime};

use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// What a certificate says, in words. `Display` is one line of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Whom it is for: the alternative names, or else the common name.
    pub names: Vec<String>,
    /// Who signed it: its common name, or all that it says of itself.
    pub issuer: String,
    /// It says of itself that it was signed by nobody else.
    pub self_signed: bool,
    /// Until when it is valid.
    pub until: SystemTime,
    /// The kind of its key: `RSA 2048`, `ECDSA P-256`.
    pub key: String,
}

impl Peer {
    /// Reads a certificate (DER); `None` for one that cannot be read.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let content = &certificate.tbs_certificate;
        let mut names = alternative_names(&certificate);
        if names.is_empty() {
            names.push(short(&content.subject));
        }
        Some(Self {
            names,
            issuer: short(&content.issuer),
            self_signed: content.subject == content.issuer,
            until: content.validity.not_after.to_system_time(),
            key: key(&content.subject_public_key_info),
        })
    }

    /// How long it is valid yet; `None` when it has expired.
    pub fn left(&self) -> Option<Duration> {
        self.until.duration_since(SystemTime::now()).ok()
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 24 * 60 * 60;
        /// Names that are shown; a certificate may have hundreds.
        const SHOWN: usize = 4;
        let shown = &self.names[..self.names.len().min(SHOWN)];
        f.write_str(&shown.join(", "))?;
        if self.names.len() > SHOWN {
            write!(f, " and {} more", self.names.len() - SHOWN)?;
        }
        if self.self_signed {
            f.write_str("; self-signed")?;
        } else {
            write!(f, "; signed by {}", self.issuer)?;
        }
        write!(f, "; {}; ", self.key)?;
        let day = jiff::Timestamp::try_from(self.until).map_or_else(
            |_| "a day beyond the calendar".into(),
            |until| until.strftime("%Y-%m-%d").to_string(),
        );
        match self.left() {
            Some(left) => write!(f, "until {day} ({} days)", left.as_secs() / DAY),
            None => write!(f, "expired on {day}"),
        }
    }
}

fn alternative_names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, names))) = certificate.tbs_certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    names.0.iter().filter_map(alternative_name).collect()
}

fn alternative_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from);
            four.or(sixteen).ok().map(|addr| addr.to_string())
        }
        _ => None,
    }
}

/// The common name, or all there is where there is none.
fn short(name: &Name) -> String {
    let text = name.to_string();
    let parts = name.0.iter().flat_map(|part| part.0.iter());
    let common = parts
        .filter(|part| part.oid == crate::wire::verify::COMMON_NAME)
        .find_map(|part| {
            std::str::from_utf8(part.value.value())
                .ok()
                .map(str::to_owned)
        });
    match common {
        Some(name) => name,
        None if text.is_empty() => "nobody".into(),
        None => text,
    }
}

/// The kind and the size of a public key (RFC 3279, RFC 5480, RFC 8410).
fn key(info: &SubjectPublicKeyInfoOwned) -> String {
    let algorithm = info.algorithm.oid.to_string();
    match algorithm.as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            let bits = info.subject_public_key.as_bytes().and_then(rsa_bits);
            bits.map_or("RSA".into(), |bits| format!("RSA {bits}"))
        }
        "1.2.840.10045.2.1" => {
            let curve = info.algorithm.parameters.as_ref();
            let curve = curve.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            match curve.map(|oid| oid.to_string()).as_deref() {
                Some("1.2.840.10045.3.1.7") => "ECDSA P-256".into(),
                Some("1.3.132.0.34") => "ECDSA P-384".into(),
                Some("1.3.132.0.35") => "ECDSA P-521".into(),
                Some("1.2.156.10197.1.301") => "SM2".into(),
                _ => "ECDSA".into(),
            }
        }
        "1.3.101.112" => "Ed25519".into(),
        "1.3.101.113" => "Ed448".into(),
        other => format!("key of kind {other}"),
    }
}

/// The length of the modulus, which is the first number of an RSA key (RFC 8017, A.1.1).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let mut reader = SliceReader::new(key).ok()?;
    reader
        .sequence(|inner| {
            let modulus = UintRef::decode(inner)?;
            let bytes = modulus.as_bytes();
            let zeros = bytes
                .first()
                .map_or(0, |byte| byte.leading_zeros() as usize);
            UintRef::decode(inner)?;
            Ok::<_, x509_cert::der::Error>(bytes.len() * 8 - zeros)
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_rsa_key_is_that_of_its_modulus() {
        // SEQUENCE { INTEGER (2048 bits), INTEGER 65537 }
        let mut key = vec![0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
        key.extend([0x80; 256]);
        key.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
        assert_eq!(rsa_bits(&key), Some(2048));
        assert_eq!(rsa_bits(&key[..100]), None);
        assert_eq!(rsa_bits(&[]), None);
    }
}
