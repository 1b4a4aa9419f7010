//! The checks of RFC 8489 section 9.2.4, in its order.

use std::net::SocketAddr;

use super::key::{Algorithm, IntegrityKey, Signature, owner};
use super::nonce::Features;
use super::oauth::{Opened, TokenFault};
use super::rest::TimedName;
use super::users::UserKeys;
use super::verdict::{Authenticated, Cause, Kind, Rejection, Session};
use super::{Authenticator, Credentials, PROBE_USER};
use crate::time::{Now, UnixTime};
use crate::wire::stun::{AttributeType, Message, Method, PasswordAlgorithm};

/// What a signed request says of its sender.
struct Claim<'m> {
    signature: Signature,
    answer: Signature,
    name: Name<'m>,
    realm: &'m [u8],
    nonce: &'m [u8],
    algorithm: Algorithm,
}

#[derive(Clone, Copy)]
enum Name<'m> {
    Plain(&'m [u8]),
    Hashed(&'m [u8]),
}

impl<'m> Claim<'m> {
    fn read(message: &Message<'m>) -> Result<Self, Rejection> {
        let signature = if message.find(AttributeType::MESSAGE_INTEGRITY_SHA256).is_some() {
            Signature::Sha256
        } else if message.find(AttributeType::MESSAGE_INTEGRITY).is_some() {
            Signature::Sha1
        } else {
            return Err(Rejection::Challenge(Cause::Unsigned));
        };
        let name = match (message.find(AttributeType::USERNAME), message.find(AttributeType::USERHASH)) {
            (Some(name), None) => Name::Plain(name),
            (None, Some(hash)) => Name::Hashed(hash),
            (None, None) | (Some(_), Some(_)) => return Err(Rejection::BadRequest),
        };
        let realm = message.find(AttributeType::REALM).ok_or(Rejection::BadRequest)?;
        let nonce = message.find(AttributeType::NONCE).ok_or(Rejection::BadRequest)?;
        let one = message.find(AttributeType::PASSWORD_ALGORITHM);
        let list = message.password_algorithms_raw();
        let algorithm = choose_algorithm(nonce, one, list).ok_or(Rejection::BadRequest)?;
        // "MUST include MESSAGE-INTEGRITY-SHA256 unless the request contained neither" algorithm attribute. One that has
        // neither but is signed with SHA-256 shows that its sender understands it.
        let answer = if one.is_some() || list.is_some() { Signature::Sha256 } else { signature };
        Ok(Self { signature, answer, name, realm, nonce, algorithm })
    }
}

/// The bid-down protection of RFC 8489 section 9.2.4: a client that was offered algorithms returns the offer under its
/// signature, so nobody can have shortened it on the way.
fn choose_algorithm(nonce: &[u8], one: Option<&[u8]>, list: Option<&[u8]>) -> Option<Algorithm> {
    let offered = Features::of(nonce).is_some_and(|features| features.password_algorithms);
    match (one, list) {
        (None, None) => Some(Algorithm::Md5),
        (Some(one), Some(list)) if list == PasswordAlgorithm::OFFER => Algorithm::from_value(one),
        _ if offered => None,
        // Without an offer there is nothing to compare. The nonce cannot be ours, so this ends in 438 at best.
        (Some(one), _) => Algorithm::from_value(one),
        (None, Some(_)) => Some(Algorithm::Md5),
    }
}

impl Authenticator {
    /// Tells who sent a request that begins something, such as Allocate.
    ///
    /// # Errors
    /// What the client gets instead.
    pub fn authenticate(
        &self,
        now: Now,
        realm: &str,
        source: SocketAddr,
        request: &Message<'_>,
    ) -> Result<Authenticated, Rejection> {
        self.authenticate_for(None, now, realm, source, request)
    }

    /// Tells who sent a request about an existing allocation, whose owner `session` is.
    ///
    /// The same checks, and the allocation's key is also accepted where its credential cannot be any more: a time-limited one
    /// that expired or whose secret was withdrawn meanwhile, and that of a token in requests without it (RFC 7635 section 9:
    /// only Allocate and Refresh carry the token). The caller still compares the owners (441).
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn authenticate_for(
        &self,
        session: Option<&Session>,
        now: Now,
        realm: &str,
        source: SocketAddr,
        request: &Message<'_>,
    ) -> Result<Authenticated, Rejection> {
        let claim = Claim::read(request)?;
        if claim.realm != realm.as_bytes() {
            return Err(Rejection::Challenge(Cause::Realm));
        }
        let asked = Asked { now: now.unix, realm, request, claim: &claim };
        let (user, session) = self.identify(&asked, session).map_err(Rejection::Challenge)?;
        let Session { owner, key, kind, .. } = session;
        match self.nonces.check(now.unix, realm, source.ip(), claim.nonce) {
            Ok(nonce_relay) => {
                let expires = session.expires();
                let turnaround = self.nonces.turnaround(now, source, claim.nonce);
                Ok(Authenticated { user: user.to_vec(), owner, key, expires, nonce_relay, turnaround, kind })
            }
            Err(fault) => Err(Rejection::Stale { key, fault }),
        }
    }

    /// Finds the credential that signed the request.
    fn identify<'a>(
        &'a self,
        asked: &Asked<'a, '_>,
        session: Option<&Session>,
    ) -> Result<(&'a [u8], Session), Cause> {
        if let Some(found) = session.and_then(|session| asked.resume(session)) {
            return Ok(found);
        }
        if let Name::Plain(name) = asked.claim.name
            && let Some(keys) = &self.credentials.tokens
            && let Some(token) = asked.request.access_token()
        {
            let opened = keys.open(asked.now, name, token).map_err(Cause::Token)?;
            return asked.judge_token(name, &opened, session);
        }
        let users = &self.credentials.users;
        let user = match asked.claim.name {
            Name::Plain(name) => users.by_name(asked.realm, name),
            Name::Hashed(hash) => users.by_hash(asked.realm, hash),
        };
        if let Some((name, keys)) = user {
            return asked.judge_user(name.as_bytes(), keys);
        }
        match asked.claim.name {
            Name::Plain(name) => self.identify_timed(asked, name),
            Name::Hashed(_) => asked.refuse_unknown(),
        }
    }

    fn identify_timed<'a>(
        &self,
        asked: &Asked<'a, '_>,
        name: &'a [u8],
    ) -> Result<(&'a [u8], Session), Cause> {
        let Some(timed) = TimedName::parse(name) else { return asked.refuse_unknown() };
        let Credentials { secrets, probe, .. } = &self.credentials;
        let probe = probe.as_ref().filter(|_| timed.user == PROBE_USER.as_bytes());
        if secrets.is_empty() && probe.is_none() {
            return asked.refuse_unknown();
        }
        if timed.is_expired(asked.now) {
            return Err(Cause::Expired);
        }
        let probe = probe.map(|secret| (Kind::Probe, secret));
        for (kind, secret) in probe.into_iter().chain(secrets.valid(asked.now).map(|one| (Kind::Timed, one)))
        {
            let password = secret.password(name);
            let keys = UserKeys::of_password(name, asked.realm, &password, asked.claim.algorithm);
            let key = asked.key_of(keys);
            if key.signed(asked.request, asked.claim.signature) {
                return Ok((name, asked.session(kind, timed.user, key)));
            }
        }
        Err(Cause::Password)
    }
}

/// A request on its way through the checks.
struct Asked<'a, 'c> {
    now: UnixTime,
    realm: &'c str,
    request: &'c Message<'a>,
    claim: &'c Claim<'a>,
}

impl<'a> Asked<'a, '_> {
    fn key_of(&self, keys: UserKeys) -> IntegrityKey {
        match self.claim.algorithm {
            Algorithm::Md5 => IntegrityKey::md5(keys.md5, self.claim.answer),
            Algorithm::Sha256 => IntegrityKey::sha256(keys.sha256, self.claim.answer),
        }
    }

    /// A user of the file and one of a shared secret may have the same name and are still two.
    fn session(&self, kind: Kind, name: &[u8], key: IntegrityKey) -> Session {
        let owner = owner(kind as u8, self.realm.as_bytes(), name);
        Session { owner, key, kind, expires: UnixTime(u64::MAX) }
    }

    /// Accepts the key that an allocation was made with, where the credential itself may be gone by now. Users of the
    /// file are looked up each time: one who was struck off it is out.
    fn resume(&self, session: &Session) -> Option<(&'a [u8], Session)> {
        let Name::Plain(name) = self.claim.name else { return None };
        let admitted = match session.kind {
            Kind::User => false,
            kind @ (Kind::Timed | Kind::Probe) => {
                let timed = TimedName::parse(name)?;
                self.session(kind, timed.user, session.key).owner == session.owner
            }
            Kind::Token => self.request.access_token().is_none() && self.now < session.expires,
        };
        let key = session.key.answering(self.claim.answer);
        (admitted && key.signed(self.request, self.claim.signature))
            .then_some((name, Session { key, ..*session }))
    }

    fn judge_user(&self, name: &'a [u8], keys: UserKeys) -> Result<(&'a [u8], Session), Cause> {
        let key = self.key_of(keys);
        if !key.signed(self.request, self.claim.signature) {
            return Err(Cause::Password);
        }
        Ok((name, self.session(Kind::User, name, key)))
    }

    /// The token says who may use the relay, not who it is. Each token is an owner of its own, unless it
    /// prolongs an allocation from where that is: then it takes over.
    fn judge_token(
        &self,
        kid: &'a [u8],
        token: &Opened,
        session: Option<&Session>,
    ) -> Result<(&'a [u8], Session), Cause> {
        let key =
            IntegrityKey::new(token.key(), self.claim.answer).ok_or(Cause::Token(TokenFault::Content))?;
        if !key.signed(self.request, self.claim.signature) {
            return Err(Cause::Password);
        }
        let fresh = Session { expires: token.expires, ..self.session(Kind::Token, token.key(), key) };
        let inherits = |session: &&Session| {
            session.kind == Kind::Token && (self.is_plain_refresh() || session.key.bytes() == key.bytes())
        };
        let owner = session.filter(inherits).map_or(fresh.owner, Session::owner);
        Ok((kid, Session { owner, ..fresh }))
    }

    /// A Refresh from the allocation's own five-tuple. One with a ticket comes from anywhere, and any other token would do
    /// for whoever got hold of the ticket: moving takes the key that the allocation has.
    fn is_plain_refresh(&self) -> bool {
        self.request.method() == Method::REFRESH
            && self.request.mobility_ticket().is_none_or(<[u8]>::is_empty)
    }

    /// Takes as long as a wrong password, so that names cannot be found by the clock.
    fn refuse_unknown<T>(&self) -> Result<T, Cause> {
        let key = self.key_of(UserKeys { md5: [0; 16], sha256: [0; 32] });
        std::hint::black_box(key.signed(self.request, self.claim.signature));
        Err(Cause::User)
    }
}
