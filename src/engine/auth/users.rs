//! Long-term users, from a file of hashed keys.
//!
//! One user a line, four fields with colons between them:
//!
//! ```text
//! # name:realm:MD5 key:SHA-256 key
//! alice:example.org:<32 hexadecimal digits>:<64 hexadecimal digits>
//! ```
//!
//! The keys are those of RFC 8489 section 9.2.2, hashes over name, realm and password: whoever reads the file can use
//! them at this realm, but does not learn the password. [`user_line`] makes such a line.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::key::Algorithm;
use crate::wire::stun::{long_term_key_md5, long_term_key_sha256, userhash};

/// USERNAME is shorter than 509 bytes (RFC 8489 section 14.3).
pub const NAME_MAX: usize = 508;
/// REALM has at most 763 bytes (RFC 8489 section 14.9).
pub const REALM_MAX: usize = 763;

/// Both keys of a user: clients choose.
#[derive(Clone, Copy)]
pub(super) struct UserKeys {
    pub(super) md5: [u8; 16],
    pub(super) sha256: [u8; 32],
}

impl UserKeys {
    pub(super) fn of_password(name: &[u8], realm: &str, password: &[u8], algorithm: Algorithm) -> Self {
        let mut keys = Self { md5: [0; 16], sha256: [0; 32] };
        match algorithm {
            Algorithm::Md5 => keys.md5 = long_term_key_md5(name, realm.as_bytes(), password),
            Algorithm::Sha256 => keys.sha256 = long_term_key_sha256(name, realm.as_bytes(), password),
        }
        keys
    }
}

/// All long-term users, by realm.
#[derive(Clone, Default)]
pub struct Users {
    /// Shared, so that a copy costs nothing.
    realms: Arc<HashMap<String, Realm>>,
}

#[derive(Clone, Default)]
struct Realm {
    by_name: HashMap<String, UserKeys>,
    by_hash: HashMap<[u8; 32], String>,
}

/// What is wrong with a users file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct UsersError {
    /// Counted from one.
    pub line: usize,
    /// What is wrong and what to do.
    pub fault: UserFault,
}

/// What is wrong with one user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserFault {
    /// Not four fields.
    #[error(
        "expected name:realm:md5:sha256, found {found} field(s); make the line with `tern credentials new`, \
         and put no colon into names and realms"
    )]
    Fields {
        /// How many there are.
        found: usize,
    },
    /// A key that is not hexadecimal, or too short, or too long.
    #[error("the {field} key must be {digits} hexadecimal digits; make the line with `tern credentials new`")]
    Key {
        /// Which of the two.
        field: &'static str,
        /// How many digits it has.
        digits: usize,
    },
    /// A name that cannot be sent, or would not survive the file.
    #[error("{0}")]
    Name(#[from] NameFault),
    /// The second line for a user.
    #[error("{name:?} was already given for realm {realm:?} on line {first}; keep one of the two lines")]
    Duplicate {
        /// The user.
        name: String,
        /// Its realm.
        realm: String,
        /// Where it was first.
        first: usize,
    },
}

/// What is wrong with a name, a realm or a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing there.
    #[error("the {0} is empty; give it at least one character")]
    Empty(&'static str),
    /// More than the attribute holds.
    #[error("the {0} is too long; at most {1} bytes fit into its attribute (RFC 8489 section 14)")]
    TooLong(&'static str, usize),
    /// A colon, a control character, white space at the ends, or a leading `#`.
    #[error(
        "the {0} holds a character that it must not: no colon, no quotation mark, no control character, \
         no white space at its ends, no # in front"
    )]
    Character(&'static str),
    /// Clients differ in how they normalise such passwords.
    #[error("use printable ASCII in the password: clients do not agree on how to normalise anything else")]
    NotAscii,
}

/// Why a long-term password is refused; each a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Nobody has this name there.
    #[error("The users file has no {name:?} in realm {realm:?}.")]
    Unknown {
        /// The user.
        name: String,
        /// Where it was looked for.
        realm: String,
    },
    /// The name is right, the password is not.
    #[error("The password is wrong.")]
    WrongPassword,
}

impl Users {
    /// Reads a users file. Empty lines and those that begin with `#` are skipped.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, UsersError> {
        let mut users = Self::default();
        let mut lines: HashMap<(&str, &str), usize> = HashMap::new();
        for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let (line, content) = (index + 1, raw.trim());
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let fail = |fault| UsersError { line, fault };
            let (name, realm, keys) = parse_line(content).map_err(fail)?;
            if let Some(first) = lines.insert((realm, name), line) {
                let (name, realm) = (name.to_owned(), realm.to_owned());
                return Err(fail(UserFault::Duplicate { name, realm, first }));
            }
            users.insert(name, realm, keys);
        }
        Ok(users)
    }

    fn insert(&mut self, name: &str, realm: &str, keys: UserKeys) {
        let users = Arc::make_mut(&mut self.realms).entry(realm.to_owned()).or_default();
        users.by_hash.insert(userhash(name.as_bytes(), realm.as_bytes()), name.to_owned());
        users.by_name.insert(name.to_owned(), keys);
    }

    /// Whether `password` is that of a user, for the command line.
    ///
    /// # Errors
    /// Why the relay would refuse it, in one sentence.
    pub fn verify(&self, realm: &str, name: &str, password: &str) -> Result<(), PasswordFault> {
        let unknown = || PasswordFault::Unknown { name: name.to_owned(), realm: realm.to_owned() };
        let (_, keys) = self.by_name(realm, name.as_bytes()).ok_or_else(unknown)?;
        let given = long_term_key_sha256(name.as_bytes(), realm.as_bytes(), password.as_bytes());
        if bool::from(keys.sha256.ct_eq(&given)) { Ok(()) } else { Err(PasswordFault::WrongPassword) }
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.realms.is_empty()
    }

    /// How many users there are, over all realms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.realms.values().map(|realm| realm.by_name.len()).sum()
    }

    /// The realms that have users, for a warning about those that no listener has.
    pub fn realms(&self) -> impl Iterator<Item = &str> {
        self.realms.keys().map(String::as_str)
    }

    /// A user by the value of USERNAME.
    pub(super) fn by_name(&self, realm: &str, name: &[u8]) -> Option<(&str, UserKeys)> {
        let name = str::from_utf8(name).ok()?;
        self.realms.get(realm)?.by_name.get_key_value(name).map(|(name, keys)| (name.as_str(), *keys))
    }

    /// A user by the value of USERHASH.
    pub(super) fn by_hash(&self, realm: &str, hash: &[u8]) -> Option<(&str, UserKeys)> {
        let users = self.realms.get(realm)?;
        let name = users.by_hash.get(<&[u8; 32]>::try_from(hash).ok()?)?;
        Some((name, *users.by_name.get(name)?))
    }
}

/// Shows how many there are, no key.
impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The line of a users file for this user.
///
/// # Errors
/// What cannot be sent in STUN or written in the file.
pub fn user_line(name: &str, realm: &str, password: &str) -> Result<String, NameFault> {
    check_name("name", name, NAME_MAX)?;
    check_name("realm", realm, REALM_MAX)?;
    if password.is_empty() {
        return Err(NameFault::Empty("password"));
    }
    if password.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        return Err(NameFault::NotAscii);
    }
    let [name_bytes, realm_bytes, password] = [name, realm, password].map(str::as_bytes);
    let mut line = format!("{name}:{realm}:");
    write_hex(&mut line, &long_term_key_md5(name_bytes, realm_bytes, password));
    line.push(':');
    write_hex(&mut line, &long_term_key_sha256(name_bytes, realm_bytes, password));
    Ok(line)
}

/// Checks the realm of a listener, for the configuration.
///
/// # Errors
/// What cannot be sent in REALM or stand in a users file.
pub fn check_realm(realm: &str) -> Result<(), NameFault> {
    check_name("realm", realm, REALM_MAX)
}

fn check_name(what: &'static str, value: &str, max: usize) -> Result<(), NameFault> {
    if value.is_empty() {
        return Err(NameFault::Empty(what));
    }
    if value.len() > max {
        return Err(NameFault::TooLong(what, max));
    }
    let refused = |c: char| c == ':' || c == '"' || c.is_control();
    if value.trim() != value || value.starts_with('#') || value.contains(refused) {
        return Err(NameFault::Character(what));
    }
    Ok(())
}

fn parse_line(line: &str) -> Result<(&str, &str, UserKeys), UserFault> {
    let found = line.split(':').count();
    let mut fields = line.split(':');
    let (Some(name), Some(realm), Some(md5), Some(sha256), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(UserFault::Fields { found });
    };
    check_name("name", name, NAME_MAX)?;
    check_name("realm", realm, REALM_MAX)?;
    let md5 = parse_hex(md5).ok_or(UserFault::Key { field: "MD5", digits: 32 })?;
    let sha256 = parse_hex(sha256).ok_or(UserFault::Key { field: "SHA-256", digits: 64 })?;
    Ok((name, realm, UserKeys { md5, sha256 }))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
}
