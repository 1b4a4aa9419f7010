//! What stands in files of its own: secrets, keys, users, certificates. Read once per load, into the types of
//! the engine; no secret is kept as text.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::{Place, Problems};
use super::{Auth, Config, Listener, Neighbor, NonceKey, OauthKey, SharedSecret};
use crate::clock::Clock;
use crate::control::admin::{Role, Tls, Token};
use crate::engine::auth::{self, Credentials, FleetKey, TokenKey, TokenKeys, Users};
use crate::net::certs::CertStore;
use crate::route::Transport;

/// Secrets of fewer bytes can be guessed from one message.
const SECRET_MIN: usize = 16;
/// Fleet keys and their like.
const KEY_MIN: usize = 32;
/// Nothing larger is read: it is not what the user meant.
const SECRET_MAX: u64 = 4096;
/// A users file of this size holds some 500,000 users.
const USERS_MAX: u64 = 64 * 1024 * 1024;
/// What the kernel takes as the key of a TCP connection (RFC 2385).
const PASSWORD_MAX: usize = 80;
/// Below this many days, an expiring certificate is worth a warning.
const EXPIRY_WARNING: i64 = 14;

/// What clients prove themselves with, read from the files that a configuration names.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Users, shared secrets, token keys.
    pub credentials: Credentials,
    /// The fleet's nonce keys, the current one first; none if this relay makes its own.
    pub nonce_keys: Vec<FleetKey>,
    /// Of each BGP neighbour, in their order; none where it has none.
    pub passwords: Vec<Option<Password>>,
    /// Of operators and viewers.
    pub tokens: Vec<Token>,
}

/// The password of a BGP session. It does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Box<[u8]>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Reads every file that `config` names, and says what is wrong with them.
pub(super) fn read(config: &Config, problems: &mut Problems) -> Secrets {
    for listener in &config.listener {
        check_certificate(config, listener, problems);
    }
    let auth = &config.auth;
    Secrets {
        credentials: Credentials {
            users: read_users(config, problems),
            secrets: read_shared(config, problems),
            tokens: read_tokens(config, problems),
            anonymity: auth.user_anonymity,
            // The process's, not the configuration's.
            probe: None,
        },
        nonce_keys: auth.nonce_key.iter().filter_map(|key| read_nonce_key(config, key, problems)).collect(),
        passwords: config
            .bgp
            .neighbor
            .iter()
            .map(|neighbor| read_password(config, neighbor, problems))
            .collect(),
        tokens: read_admin(config, problems),
    }
}

impl Config {
    /// Where a file of the configuration is: a relative path is looked for among the credentials that systemd
    /// loaded (`LoadCredential=`), then beside the configuration.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let loaded = self.credentials_directory.as_ref().map(|directory| directory.join(path));
        match loaded {
            Some(loaded) if path.is_relative() && loaded.exists() => loaded,
            Some(_) | None => self.base.join(path),
        }
    }
}

/// Operators' tokens; their listener's certificate is looked at as well.
fn read_admin(config: &Config, problems: &mut Problems) -> Vec<Token> {
    let admin = &config.admin;
    if let (Some(chain), Some(key)) = (&admin.certificate_file, &admin.key_file) {
        let place = &admin.certificate_place;
        if let Some(store) = check_pair(&config.resolve(chain), &config.resolve(key), place, problems)
            && let Some(authorities) = &admin.client_ca_file
            && let Err(fault) = Tls::load(store, Some(config.resolve(authorities)))
        {
            problems.error(place, format!("admin.client_ca_file: {fault}"));
        }
    }
    let made = config
        .development
        .iter()
        .map(|made| Token::new("development", Role::Operator, made.token.as_bytes()));
    let read = admin.token.iter().filter_map(|token| {
        let bytes = read_secret(&config.resolve(&token.token_file), KEY_MIN, &token.place, problems)?;
        Some(Token::new(&token.id, token.role, &bytes))
    });
    let read: Vec<_> = read.collect();
    made.chain(read).collect()
}

fn read_users(config: &Config, problems: &mut Problems) -> Users {
    let Auth { users_file: Some(path), users_place: place, .. } = &config.auth else {
        return Users::default();
    };
    let path = config.resolve(path);
    let Some(bytes) = read_private(&path, USERS_MAX, place, problems) else { return Users::default() };
    let Ok(text) = String::from_utf8(bytes) else {
        problems.error(place, format!("{} is not UTF-8 text", path.display()));
        return Users::default();
    };
    match Users::parse(&text) {
        Ok(users) => {
            if users.is_empty() {
                problems.warn(
                    place,
                    format!(
                        "{} has no users; `tern credentials new --password` makes a line",
                        path.display()
                    ),
                );
            }
            users
        }
        Err(error) => {
            let file = path.display().to_string().into();
            problems.error(&Place::File { file, line: error.line, column: 1 }, error.fault.to_string());
            Users::default()
        }
    }
}

fn read_shared(config: &Config, problems: &mut Problems) -> auth::Secrets {
    let made = config.development.iter().map(|development| development.secret.clone());
    let read =
        config.auth.shared_secret.iter().filter_map(|secret| read_shared_secret(config, secret, problems));
    let secrets: Vec<_> = made.chain(read).collect();
    let first = config.auth.shared_secret.first().map_or(Place::Default, |secret| secret.place.clone());
    auth::Secrets::new(secrets).unwrap_or_else(|fault| {
        problems.error(&first, fault.to_string());
        auth::Secrets::default()
    })
}

fn read_shared_secret(
    config: &Config,
    secret: &SharedSecret,
    problems: &mut Problems,
) -> Option<auth::SharedSecret> {
    let bytes = read_secret(&config.resolve(&secret.secret_file), SECRET_MIN, &secret.place, problems)?;
    let moment = |moment: Option<super::Moment>| moment.map(|moment| moment.0);
    auth::SharedSecret::new(&secret.id, &bytes)
        .and_then(|made| made.valid(moment(secret.not_before), moment(secret.not_after)))
        .inspect_err(|fault| problems.error(&secret.place, fault.to_string()))
        .ok()
}

fn read_nonce_key(config: &Config, key: &NonceKey, problems: &mut Problems) -> Option<FleetKey> {
    read_secret(&config.resolve(&key.key_file), KEY_MIN, &key.place, problems)
        .map(|bytes| FleetKey::derive(&bytes))
}

/// The neighbour's end must have the same bytes, so what a router's configuration cannot say is refused.
fn read_password(config: &Config, neighbor: &Neighbor, problems: &mut Problems) -> Option<Password> {
    let path = config.resolve(neighbor.password_file.as_ref()?);
    let place = &neighbor.password_place;
    let bytes = read_line(&path, place, problems)?;
    if bytes.is_empty() {
        let text = format!(
            "{} is empty: write the password into it that the router has for this session, or leave password_file out if \
             it has none",
            path.display()
        );
        problems.error(place, text);
        return None;
    }
    if bytes.len() > PASSWORD_MAX || !bytes.iter().all(u8::is_ascii_graphic) {
        let text = format!(
            "{} holds no password of a BGP session: expected 1 to {PASSWORD_MAX} printable ASCII characters",
            path.display()
        );
        problems.error(place, text);
        return None;
    }
    Some(Password(bytes.into()))
}

fn read_tokens(config: &Config, problems: &mut Problems) -> Option<TokenKeys> {
    let server = config.auth.oauth_server_name.as_ref()?;
    let keys: Vec<_> =
        config.auth.oauth_key.iter().filter_map(|key| read_token_key(config, key, problems)).collect();
    let place = &config.auth.oauth_key.first()?.place;
    if keys.is_empty() {
        return None;
    }
    TokenKeys::new(server, keys).inspect_err(|fault| problems.error(place, fault.to_string())).ok()
}

fn read_token_key(config: &Config, key: &OauthKey, problems: &mut Problems) -> Option<TokenKey> {
    let path = config.resolve(&key.key_file);
    let text = read_secret(&path, 1, &key.place, problems)?;
    let Ok(bytes) = STANDARD.decode(&text) else {
        problems.error(&key.place, format!("{} does not hold a key in base64", path.display()));
        return None;
    };
    let moment = |moment: Option<super::Moment>| moment.map(|moment| moment.0);
    TokenKey::new(&key.id, key.algorithm.into(), &bytes)
        .and_then(|made| made.valid(moment(key.not_before), moment(key.not_after)))
        .inspect_err(|fault| problems.error(&key.place, fault.to_string()))
        .ok()
}

fn read_secret(path: &Path, least: usize, place: &Place, problems: &mut Problems) -> Option<Vec<u8>> {
    let bytes = read_line(path, place, problems)?;
    if bytes.len() < least {
        let found =
            if bytes.is_empty() { "is empty".to_owned() } else { format!("has {} bytes", bytes.len()) };
        problems.error(
            place,
            format!(
                "{} {found}, but at least {least} are needed; `openssl rand -hex 32` makes good ones",
                path.display()
            ),
        );
        return None;
    }
    Some(bytes)
}

/// What a file holds, without the end of its line: editors and `echo` write one that nobody means.
fn read_line(path: &Path, place: &Place, problems: &mut Problems) -> Option<Vec<u8>> {
    let mut bytes = read_private(path, SECRET_MAX, place, problems)?;
    let end = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    bytes.truncate(end);
    Some(bytes)
}

fn read_private(path: &Path, most: u64, place: &Place, problems: &mut Problems) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| {
        let mode = file.metadata()?.permissions().mode();
        file.take(most + 1).read_to_end(&mut bytes)?;
        Ok(mode)
    });
    let mode = match read {
        Ok(mode) => mode,
        Err(error) => {
            problems.error(place, format!("{} cannot be read: {error}", path.display()));
            return None;
        }
    };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        problems.error(place, format!("{} is larger than {most} bytes", path.display()));
        return None;
    }
    warn_of_readers(path, mode, place, problems);
    Some(bytes)
}

fn warn_of_readers(path: &Path, mode: u32, place: &Place, problems: &mut Problems) {
    if mode & 0o007 != 0 {
        let path = path.display();
        problems
            .warn(place, format!("{path} can be read by every user of this machine; `chmod o-rwx {path}`"));
    }
}

fn check_certificate(config: &Config, listener: &Listener, problems: &mut Problems) {
    let (Some(chain), Some(key)) = (&listener.certificate_file, &listener.key_file) else { return };
    let (chain, key) = (config.resolve(chain), config.resolve(key));
    let Some(store) = check_pair(&chain, &key, &listener.certificate_place, problems) else { return };
    if listener.transports.contains(&Transport::Dtls)
        && let Err(error) = store.check_for_dtls()
    {
        problems.error(&listener.certificate_place, error.to_string());
    }
}

/// The certificate and its key, if they can be used.
fn check_pair(chain: &Path, key: &Path, place: &Place, problems: &mut Problems) -> Option<Arc<CertStore>> {
    let store = match CertStore::load(chain, key) {
        Ok(store) => store,
        Err(error) => {
            problems.error(place, error.to_string());
            return None;
        }
    };
    if let Ok(metadata) = std::fs::metadata(key) {
        warn_of_readers(key, metadata.permissions().mode(), place, problems);
    }
    let now = Clock::new().now().unix;
    let days = store.days_left(now);
    if !store.is_valid_at(now) {
        problems.warn(place, format!("{} is not valid at this time", chain.display()));
    } else if days < EXPIRY_WARNING {
        problems.warn(place, format!("{} expires in {days} days", chain.display()));
    }
    Some(store)
}

/// The one shared secret of a file, named by its path, with warnings about the file.
///
/// # Errors
/// What is wrong with the file.
pub fn read_one_secret(path: &Path) -> Result<(auth::Secrets, Problems), Problems> {
    let mut problems = Problems::default();
    let place = Place::whole(path);
    let bytes = read_secret(path, SECRET_MIN, &place, &mut problems);
    let secrets = bytes
        .and_then(|bytes| auth::SharedSecret::new("file", &bytes).ok())
        .and_then(|secret| auth::Secrets::new(vec![secret]).ok());
    secrets.map(|secrets| (secrets, problems.clone())).ok_or(problems)
}
