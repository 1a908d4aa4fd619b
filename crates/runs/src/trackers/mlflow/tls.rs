//! Certificates: those to trust and the one to present.

use std::fs;
use std::io;
use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use super::settings::ClientSettings;
use tbx::error::{Result, failed};

pub(super) fn tls(settings: &ClientSettings) -> Result<TlsConfig> {
    let mut tls = TlsConfig::builder().disable_verification(settings.is_insecure);
    if let Some(path) = &settings.server_certificate {
        let items = pem(path)?.into_iter();
        let certificates: Vec<Certificate<'static>> = items
            .filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            })
            .collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(path) = &settings.client_certificate {
        let (mut chain, mut key): (Vec<Certificate<'static>>, Option<PrivateKey<'static>>) =
            Default::default();
        for item in pem(path)? {
            match item {
                PemItem::Certificate(certificate) => chain.push(certificate),
                PemItem::PrivateKey(found) => key = Some(found),
                _ => {}
            }
        }
        let what = "MLFLOW_TRACKING_CLIENT_CERT_PATH is set to this file, but it has no private \
                    key";
        let key = key.ok_or_else(|| failed(io::Error::other(what), path))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(tls.build())
}

fn pem(path: &Path) -> Result<Vec<PemItem<'static>>> {
    let bytes = fs::read(path).map_err(|error| failed(error, path))?;
    let items: Result<Vec<_>, _> = ureq::tls::parse_pem(&bytes).collect();
    items.map_err(|error| failed(io::Error::other(error.to_string()), path))
}
