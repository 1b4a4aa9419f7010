//! Who may do what: processes of this machine by their user and groups, others by a token or a certificate. A reload swaps
//! all of it at once; whoever has lost his role loses it with his next request.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::caller::{Caller, LocalPeer};
use super::report::Role;
use crate::control::Hosts;

/// A secret that somebody asks with. Only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its name in the audit log.
    pub id: String,
    /// What it admits to.
    pub role: Role,
    hash: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Token {
    /// Of its text.
    #[must_use]
    pub fn new(id: &str, role: Role, text: &[u8]) -> Self {
        Self { id: id.to_owned(), role, hash: Sha256::digest(text).into() }
    }
}

/// What a certificate must say of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// One of its names, as in "OU=operators", "DNS:ops.example.org", "email:a@example.org" or "URI:spiffe://…".
    pub name: String,
    /// What it admits to.
    pub role: Role,
}

/// Whose certificate was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// All its names.
    pub names: Vec<String>,
    /// Its serial number, in hexadecimal digits: what its authority knows it by.
    pub serial: String,
}

/// Letters of a name in the audit log.
const NAME_MAX: usize = 100;

impl Holder {
    /// One line for the audit log, for somebody who was admitted as `admitted`. Two people of one unit are two.
    fn describe(&self, admitted: &str) -> String {
        let own = self.names.iter().find(|name| name.starts_with("CN="));
        let own = own.map(String::as_str).filter(|own| *own != admitted);
        let cut = |name: &str| -> String {
            name.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect()
        };
        let (admitted, serial) = (cut(admitted), &self.serial);
        match own.map(cut) {
            Some(own) => format!("certificate {own} ({admitted}, serial {serial})"),
            None => format!("certificate {admitted} (serial {serial})"),
        }
    }
}

/// Who is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user that the relay runs as.
    pub own: u32,
    /// A group of operators.
    pub group: Option<u32>,
    /// A group of those who may read.
    pub viewers: Option<u32>,
    /// Secrets of those who come by TCP.
    pub tokens: Vec<Token>,
    /// Holders of certificates.
    pub clients: Vec<Client>,
    /// Which names browsers may know the relay by.
    pub hosts: Hosts,
}

impl Access {
    /// Root and the user of this process, and `group`; nobody from elsewhere.
    #[must_use]
    pub fn with_group(group: Option<u32>) -> Self {
        Self {
            own: rustix::process::geteuid().as_raw(),
            group,
            viewers: None,
            tokens: Vec::new(),
            clients: Vec::new(),
            hosts: Hosts::default(),
        }
    }

    /// What a process of this machine may do.
    #[must_use]
    pub fn role_of(&self, peer: &LocalPeer) -> Option<Role> {
        let is_in = |group: Option<u32>| group.is_some_and(|group| peer.groups.contains(&group));
        let by_user = peer.uid.is_some_and(|uid| uid == 0 || uid == self.own);
        if by_user || is_in(self.group) {
            return Some(Role::Operator);
        }
        is_in(self.viewers).then_some(Role::Viewer)
    }

    pub(super) fn local(&self, peer: &LocalPeer) -> Option<Caller> {
        let role = self.role_of(peer)?;
        Some(Caller { who: peer.to_string(), role, from: String::new(), csrf: None })
    }

    /// The token with this text. How long it takes does not depend on where it differs.
    pub(super) fn token(&self, text: &[u8]) -> Option<&Token> {
        self.token_of(&Sha256::digest(text).into())
    }

    pub(super) fn token_of(&self, hash: &[u8; 32]) -> Option<&Token> {
        let mut found = None;
        for token in &self.tokens {
            if bool::from(token.hash.ct_eq(hash)) {
                found = Some(token);
            }
        }
        found
    }

    /// The most that any of a certificate's names admits to.
    pub(super) fn certificate(&self, holder: &Holder) -> Option<Caller> {
        let admitted = self.clients.iter().filter(|client| holder.names.contains(&client.name));
        let Client { name, role } = admitted.max_by_key(|client| client.role)?;
        let who = holder.describe(name);
        Some(Caller { who, role: *role, from: String::new(), csrf: None })
    }
}

impl Token {
    pub(super) fn caller(&self) -> Caller {
        Caller { who: format!("token {}", self.id), role: self.role, from: String::new(), csrf: None }
    }

    /// What a browser's session refers to.
    pub(super) const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_own_user_and_the_groups_are_admitted_and_nobody_else() {
        let access = Access { own: 998, group: Some(27), viewers: Some(28), ..Access::with_group(None) };
        let role = |uid, groups: &[u32]| {
            access.role_of(&LocalPeer { uid: Some(uid), groups: groups.to_vec(), pid: None })
        };
        assert_eq!(role(0, &[]), Some(Role::Operator));
        assert_eq!(role(998, &[998]), Some(Role::Operator));
        assert_eq!(role(1000, &[1000, 27]), Some(Role::Operator));
        assert_eq!(role(1000, &[1000, 28, 27]), Some(Role::Operator));
        assert_eq!(role(1000, &[1000, 28]), Some(Role::Viewer));
        assert_eq!(role(1000, &[1000, 29]), None);
        assert_eq!(access.role_of(&LocalPeer::default()), None);
        let without = Access { own: 998, ..Access::with_group(None) };
        assert_eq!(without.role_of(&LocalPeer { uid: Some(1000), groups: vec![0, 27, 28], pid: None }), None);
    }

    #[test]
    fn a_token_is_known_by_its_whole_text() {
        let tokens = vec![
            Token::new("a", Role::Viewer, b"first token of them"),
            Token::new("b", Role::Operator, b"second token of them"),
        ];
        let access = Access { tokens, ..Access::with_group(None) };
        let caller = access.token(b"second token of them").unwrap().caller();
        assert_eq!((caller.who.as_str(), caller.role), ("token b", Role::Operator));
        for wrong in ["", "first token of the", "first token of them ", "second"] {
            assert!(access.token(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(!format!("{access:?}").contains("hash"));
    }

    #[test]
    fn a_certificate_has_the_highest_role_of_its_names() {
        let client = |name: &str, role| Client { name: name.into(), role };
        let clients = vec![client("OU=ops", Role::Operator), client("OU=all", Role::Viewer)];
        let access = Access { clients, ..Access::with_group(None) };
        let of = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            access.certificate(&Holder { names, serial: "0a1b".into() })
        };
        let both = of(&["CN=alice", "OU=all", "OU=ops"]).unwrap();
        let who = "certificate CN=alice (OU=ops, serial 0a1b)";
        assert_eq!((both.who.as_str(), both.role), (who, Role::Operator));
        let nameless = of(&["DNS:a.example", "OU=all"]).unwrap();
        assert_eq!(
            (nameless.who.as_str(), nameless.role),
            ("certificate OU=all (serial 0a1b)", Role::Viewer)
        );
        assert!(of(&[&format!("CN={}\n", "x".repeat(9000)), "OU=all"]).unwrap().who.len() < 200);
        assert!(of(&["OU=al", "CN=OU=all"]).is_none() && of(&[]).is_none());
    }
}
