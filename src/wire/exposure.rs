//! Whether others may have learnt the password from a login.

use super::endpoint::{Endpoint, Place};
use super::login::Proof;
use super::target::SslMode;

/// What people should know when the password, or a proof from which it can be guessed, went over
/// a network where others may listen, or to a server that may be another.
pub(super) fn exposure(proof: Proof, encrypted: bool, endpoint: &Endpoint) -> Option<String> {
    let addr = match &endpoint.place {
        Place::Unix(_) => return None,
        Place::Tcp { addr, .. } => addr,
    };
    let verified = encrypted && endpoint.tls.mode >= SslMode::VerifyCa;
    if verified || addr.ip().to_canonical().is_loopback() {
        return None;
    }
    let sent = match proof {
        Proof::Sasl => return None,
        Proof::Clear => "the password was sent",
        Proof::Md5 | Proof::Gauss(_) => {
            "the password was proven in a way from which it can be guessed,"
        }
    };
    let weakness = if encrypted {
        "to a server whose certificate was not checked"
    } else {
        "without encryption"
    };
    Some(format!(
        "{sent} to {addr} {weakness}; set sslmode=verify-full, or verify-ca, and sslrootcert"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::target::{RootCerts, TlsSettings};

    #[test]
    fn a_password_in_reach_of_others_is_worth_a_warning() {
        let gauss = Proof::Gauss(10);
        let far = "10.0.0.5:8000";
        let cases = [
            (far, SslMode::Disable, gauss, Some("without encryption")),
            (far, SslMode::Prefer, gauss, Some("not checked")),
            (far, SslMode::Require, Proof::Md5, Some("not checked")),
            (
                far,
                SslMode::Require,
                Proof::Clear,
                Some("the password was sent to 10.0.0.5:8000"),
            ),
            (far, SslMode::VerifyCa, gauss, None),
            (far, SslMode::VerifyFull, Proof::Clear, None),
            (far, SslMode::Disable, Proof::Sasl, None),
            ("127.0.0.1:8000", SslMode::Disable, Proof::Clear, None),
            ("[::1]:8000", SslMode::Disable, gauss, None),
            ("[::ffff:127.0.0.1]:8000", SslMode::Disable, gauss, None),
        ];
        for (addr, mode, proof, expected) in cases {
            let endpoint = endpoint(
                Place::Tcp {
                    name: "dw".into(),
                    addr: addr.parse().unwrap(),
                },
                mode,
            );
            let warning = exposure(proof, mode != SslMode::Disable, &endpoint);
            match expected {
                Some(part) => assert!(warning.unwrap().contains(part), "{addr} {mode:?}"),
                None => assert_eq!(warning, None, "{addr} {mode:?}"),
            }
        }
        let socket = endpoint(Place::Unix("/run/pg".into()), SslMode::Disable);
        assert_eq!(exposure(Proof::Clear, false, &socket), None);
    }

    fn endpoint(place: Place, mode: SslMode) -> Endpoint {
        Endpoint {
            place,
            tls: TlsSettings {
                mode,
                root: RootCerts::None,
                client: None,
            },
            keepalive: None,
        }
    }
}
