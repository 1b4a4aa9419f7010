//! Certificates for development: an authority that signs one certificate and is forgotten, its key never
//! written anywhere. Who trusts it trusts that one certificate.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::time::UnixTime;

/// How long it lasts: short, so that nobody builds on it.
const DAYS: u64 = 90;

/// PEM, all of it.
pub(super) struct DevelopmentCertificate {
    /// What clients have to trust.
    pub(super) authority: String,
    /// The server's certificate and the authority's.
    pub(super) chain: String,
    /// The server's private key.
    pub(super) key: String,
}

/// Makes a certificate for `names`: host names and addresses.
pub(super) fn generate(now: UnixTime, names: &[String]) -> Result<DevelopmentCertificate> {
    let authority_key = KeyPair::generate().context("cannot make a key")?;
    let authority = authority_params(now)?;
    let authority_certificate = authority.self_signed(&authority_key).context("cannot sign the authority")?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().context("cannot make a key")?;
    let leaf = leaf_params(now, names)?.signed_by(&key, &issuer).context("cannot sign the certificate")?;
    Ok(DevelopmentCertificate {
        chain: format!("{}{}", leaf.pem(), authority_certificate.pem()),
        authority: authority_certificate.pem(),
        key: key.serialize_pem(),
    })
}

fn authority_params(now: UnixTime) -> Result<CertificateParams> {
    let mut params = dated_params(now, Vec::new())?;
    // The day keeps one run's authority apart from another's in a browser's list.
    params.distinguished_name = name(&format!("Tern development authority {}", now.0));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(now: UnixTime, names: &[String]) -> Result<CertificateParams> {
    let mut params = dated_params(now, names.to_vec())?;
    params.distinguished_name = name("Tern development relay");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn dated_params(now: UnixTime, names: Vec<String>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("a name does not fit into a certificate")?;
    let day = |seconds: u64| -> Result<_> {
        let (year, month, day) = UnixTime(seconds).date();
        Ok(date_time_ymd(i32::try_from(year)?, u8::try_from(month)?, u8::try_from(day)?))
    };
    // A day back: clocks differ.
    params.not_before = day(now.0.saturating_sub(86_400))?;
    params.not_after = day(now.0 + DAYS * 86_400)?;
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
