//! The users file and time-limited credentials.

use super::*;

fn fault(text: &str) -> (usize, String) {
    let error = Users::parse(text).unwrap_err();
    assert_eq!(error.to_string(), format!("line {}: {}", error.line, error.fault));
    (error.line, error.fault.to_string())
}

fn line(name: &str, realm: &str) -> String {
    user_line(name, realm, "secret").unwrap()
}

#[test]
fn a_line_holds_the_keys_of_the_rfc() {
    // RFC 8489 section 9.2.2 gives the MD5 key of this user.
    let line = user_line("user", "realm", "pass").unwrap();
    let fields: Vec<_> = line.split(':').collect();
    assert_eq!(fields[..3], ["user", "realm", "8493fbc53ba582fb4c044c456bdc40eb"]);
    assert_eq!(fields[3].len(), 64);
}

#[test]
fn a_file_with_comments_and_blank_lines_is_read() {
    let text = format!(
        "\u{feff}# users\r\n\r\n  {}\t\r\n#{}\n{}\n{}",
        line("alice", "a"),
        line("eve", "a"),
        line("alice", "b"),
        line("マトリックス", "a").to_uppercase().replace("マトリックス:A", "マトリックス:a"),
    );
    let users = Users::parse(&text).unwrap();
    assert_eq!(users.len(), 3);
    assert!(!users.is_empty());
    let mut realms: Vec<_> = users.realms().collect();
    realms.sort_unstable();
    assert_eq!(realms, ["a", "b"]);
    assert!(users.by_name("a", "マトリックス".as_bytes()).is_some());
    assert!(users.by_name("a", b"eve").is_none());
    assert!(Users::parse("").unwrap().is_empty());
}

#[test]
fn errors_name_the_line_and_what_to_do() {
    let good = line("alice", "a");
    let (at, what) = fault(&format!("{good}\n\nbob:secret\n"));
    assert_eq!(at, 3);
    assert!(what.contains("found 2 field(s)") && what.contains("tern credentials new"), "{what}");
    assert!(fault("alice:a:b:c:d").1.contains("found 5"));

    let (md5, sha256) = ("0".repeat(32), "0".repeat(64));
    for (text, expected) in [
        (format!("x:a:{}:{sha256}", &md5[1..]), "MD5 key must be 32"),
        (format!("x:a:{}:{sha256}", "g".repeat(32)), "MD5 key must be 32"),
        (format!("x:a:{}:{sha256}", "é".repeat(16)), "MD5 key must be 32"),
        (format!("x:a:{md5}:{}", &sha256[2..]), "SHA-256 key must be 64"),
        (format!("x:a:{md5}:{sha256}0"), "SHA-256 key must be 64"),
        (format!("x:a:{md5}:"), "SHA-256 key must be 64"),
        (format!(":a:{md5}:{sha256}"), "the name is empty"),
        (format!("x::{md5}:{sha256}"), "the realm is empty"),
        (format!("x :a:{md5}:{sha256}"), "the name holds a character"),
        (format!("x:a\u{1}b:{md5}:{sha256}"), "the realm holds a character"),
        (format!("{}:a:{md5}:{sha256}", "x".repeat(509)), "the name is too long; at most 508"),
        (format!("x:{}:{md5}:{sha256}", "a".repeat(764)), "the realm is too long; at most 763"),
    ] {
        let (at, what) = fault(&text);
        assert!(at == 1 && what.contains(expected), "{text}: {what}");
    }
}

#[test]
fn a_user_cannot_be_given_twice() {
    let text = format!("# users\n{}\n{}\n{}\n", line("alice", "a"), line("alice", "b"), line("alice", "a"));
    let (at, what) = fault(&text);
    assert_eq!(at, 4);
    assert_eq!(what, r#""alice" was already given for realm "a" on line 2; keep one of the two lines"#);
}

#[test]
fn what_cannot_be_written_is_refused() {
    assert_eq!(user_line("", "a", "x"), Err(NameFault::Empty("name")));
    assert_eq!(user_line("x", "", "x"), Err(NameFault::Empty("realm")));
    assert_eq!(user_line("x", "a", ""), Err(NameFault::Empty("password")));
    assert_eq!(user_line("#x", "a", "x"), Err(NameFault::Character("name")));
    assert_eq!(user_line("x:y", "a", "x"), Err(NameFault::Character("name")));
    assert_eq!(user_line("x", "\"a\"", "x"), Err(NameFault::Character("realm")));
    assert_eq!(user_line("x", "a", "schön"), Err(NameFault::NotAscii));
    assert_eq!(user_line("x", "a", "tab\t"), Err(NameFault::NotAscii));
    assert_eq!(check_realm("a b"), Ok(()));
}

#[test]
fn the_users_file_can_be_asked_about_a_password() {
    let users = users();
    assert_eq!(users.verify(REALM, "alice", "secret"), Ok(()));
    assert_eq!(users.verify(REALM, "alice", "Secret"), Err(PasswordFault::WrongPassword));
    let unknown = users.verify(REALM, "bob", "secret").unwrap_err().to_string();
    assert_eq!(unknown, r#"The users file has no "bob" in realm "example.org"."#);
}

#[test]
fn nothing_shown_for_people_holds_a_key() {
    let server = server();
    let shown = format!("{server:?} {:?}", Request::md5(&server, "alice", "secret").send(&server).unwrap());
    assert!(!shown.contains("north") && !shown.contains("secret\""), "{shown}");
    let key = long_term_key_md5(b"alice", REALM.as_bytes(), b"secret");
    assert!(!shown.contains(&format!("{key:?}")));
}

fn timed(server: &Authenticator, secret: &str, user: &str, expiry: u64) -> [Request; 2] {
    let secret = SharedSecret::new("any", secret.as_bytes()).unwrap();
    let issued = issue(&secret, user, UnixTime(expiry));
    let (name, password) = (issued.username.as_str(), issued.password.as_str());
    [Request::md5(server, name, password), Request::sha256(server, name, password)]
}

#[test]
fn an_issued_credential_is_the_one_everybody_computes() {
    // printf 1700003600:alice | openssl dgst -sha1 -hmac north -binary | base64
    let secret = SharedSecret::new("main", b"north").unwrap();
    let issued = issue(&secret, "alice", UnixTime(1_700_003_600));
    assert_eq!(issued.username, "1700003600:alice");
    assert_eq!(issued.password, PASSWORD_FROM_OPENSSL);
    assert_eq!(issue(&secret, "", UnixTime(12)).username, "12");
}

const PASSWORD_FROM_OPENSSL: &str = "wjwSXO2ch1B6VaLTLMy2Avn5O9o=";

#[test]
fn time_limited_credentials_authenticate_until_they_expire() {
    let server = server();
    for user in ["alice", "", "a:b", "ünï"] {
        for request in timed(&server, "north", user, START + 60) {
            assert!(request.send_at(&server, START).is_ok());
            assert!(request.send_at(&server, START + 59).is_ok());
            let late = request.send_at(&server, START + 60);
            assert_eq!(late, Err(Rejection::Challenge(Cause::Expired)));
        }
    }
}

#[test]
fn a_time_limited_user_stays_the_same_owner_and_is_nobody_of_the_file() {
    let server = server();
    let owner = |request: &Request| request.send(&server).unwrap().owner;
    let [a, b] = timed(&server, "north", "alice", START + 60);
    let [later, _] = timed(&server, "north", "alice", START + 600);
    let [bob, _] = timed(&server, "north", "bob", START + 60);
    assert_eq!(owner(&a), owner(&b));
    assert_eq!(owner(&a), owner(&later));
    assert_ne!(owner(&a), owner(&bob));
    assert_ne!(owner(&a), owner(&Request::md5(&server, "alice", "secret")));
    let [short, _] = timed(&server, "north", "", START + 60);
    let [other, _] = timed(&server, "north", "", START + 61);
    assert_ne!(owner(&short), owner(&other));
}

#[test]
fn wrong_time_limited_credentials_are_challenged() {
    let server = server();
    for request in timed(&server, "south", "alice", START + 60) {
        assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::Password)));
    }
    // Another expiry or user than the password was made for.
    let [mut request, _] = timed(&server, "north", "alice", START + 60);
    for name in [format!("{}:alice", START + 61), format!("{}:bob", START + 60), format!("{}", START + 60)] {
        request.username = Some(name.into());
        assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::Password)));
    }
    let long = format!("{}:{}", START + 60, "x".repeat(600));
    for name in
        [":alice", "alice:1", "-1:alice", "+99999999999:a", "99999999999999999999999:a", " 9:a", &long]
    {
        let request = Request::md5(&server, name, "secret");
        assert_eq!(request.send(&server), Err(Rejection::Challenge(Cause::User)), "{name}");
    }
    let without = Authenticator::new(nonce_keys(1), Credentials { users: users(), ..Credentials::default() });
    let [request, _] = timed(&without, "north", "alice", START + 60);
    assert_eq!(request.send(&without), Err(Rejection::Challenge(Cause::User)));
}

#[test]
fn secrets_overlap_while_one_replaces_the_other() {
    let old = || SharedSecret::new("old", b"old").unwrap().valid(None, Some(UnixTime(START + 100))).unwrap();
    let new = || SharedSecret::new("new", b"new").unwrap().valid(Some(UnixTime(START + 50)), None).unwrap();
    let credentials =
        Credentials { secrets: Secrets::new(vec![old(), new()]).unwrap(), ..Credentials::default() };
    let server = Authenticator::new(nonce_keys(1), credentials);
    let [by_old, _] = timed(&server, "old", "alice", START + 1000);
    let [by_new, _] = timed(&server, "new", "alice", START + 1000);
    for (time, old_holds, new_holds) in
        [(0, true, false), (49, true, false), (50, true, true), (99, true, true), (100, false, true)]
    {
        assert_eq!(by_old.send_at(&server, START + time).is_ok(), old_holds, "{time}");
        assert_eq!(by_new.send_at(&server, START + time).is_ok(), new_holds, "{time}");
    }
    let valid: Vec<_> = server.credentials().secrets.valid(UnixTime(START)).map(SharedSecret::id).collect();
    assert_eq!(valid, ["old"]);
}

#[test]
fn a_call_outlives_its_credential_but_begins_no_other() {
    let server = server();
    let [request, with_sha256] = timed(&server, "north", "alice", START + 60);
    let session = request.send(&server).unwrap().session();
    let late = START + 3000;
    let user = request.send_for(&server, late, Some(&session)).unwrap();
    assert_eq!((user.owner, user.session()), (session.owner(), session));
    assert!(request.send_at(&server, late).is_err());
    // The secret is withdrawn: the same.
    let none = Authenticator::new(nonce_keys(1), Credentials::default());
    assert!(request.send_for(&none, START, Some(&session)).is_ok());
    assert!(request.send(&none).is_err());
    // Another key, another user, another algorithm: what they would get without the session.
    let [forged, _] = timed(&server, "south", "alice", START + 60);
    assert_eq!(forged.send_for(&server, late, Some(&session)), Err(Rejection::Challenge(Cause::Expired)));
    let bob = Request { username: Some(format!("{}:bob", START + 60).into()), ..request.clone() };
    assert_eq!(bob.send_for(&server, START, Some(&session)), Err(Rejection::Challenge(Cause::Password)));
    assert!(with_sha256.send_for(&server, START, Some(&session)).is_ok());
    assert!(with_sha256.send_for(&server, late, Some(&session)).is_err());
    // A nonce is needed all the same.
    let stale = request.send_for(&server, START + 3600, Some(&session));
    assert!(matches!(stale, Err(Rejection::Stale { .. })));
}

#[test]
fn a_user_who_was_struck_off_is_out_at_once() {
    let server = server();
    let request = Request::md5(&server, "alice", "secret");
    let session = request.send(&server).unwrap().session();
    assert!(request.send_for(&server, START, Some(&session)).is_ok());
    let without = Authenticator::new(nonce_keys(1), Credentials::default());
    let result = request.send_for(&without, START, Some(&session));
    assert_eq!(result, Err(Rejection::Challenge(Cause::User)));
}

#[test]
fn the_owner_of_a_foreign_session_is_not_taken_over() {
    let server = server();
    let [alice, _] = timed(&server, "north", "alice", START + 60);
    let [bob, _] = timed(&server, "north", "bob", START + 60);
    let session = alice.send(&server).unwrap().session();
    assert_ne!(bob.send_for(&server, START, Some(&session)).unwrap().owner, session.owner());
}

#[test]
fn verify_explains_in_a_sentence() {
    let old = SharedSecret::new("old", b"old").unwrap().valid(None, Some(UnixTime(START))).unwrap();
    let main = SharedSecret::new("main", b"north").unwrap();
    let by_old = issue(&old, "alice", UnixTime(START + 60)).password;
    let secrets = Secrets::new(vec![old, main]).unwrap();
    let main = secrets.by_id("main").unwrap();
    let issued = issue(main, "alice", UnixTime(START + 60));
    let verify = |time, name: &str, password: &str| secrets.verify(UnixTime(time), name, password);
    let why = |time, name: &str, password: &str| verify(time, name, password).unwrap_err().to_string();
    assert_eq!(verify(START, &issued.username, &issued.password), Ok("main"));
    assert_eq!(
        why(START + 63, &issued.username, &issued.password),
        "The credential expired 3 second(s) ago."
    );
    assert!(why(START, &issued.username, "x").starts_with("The password is wrong"));
    assert!(why(START, &issued.username, &issued.password[1..]).starts_with("The password is wrong"));
    assert!(why(START, "alice", "x").starts_with("The user name is not of the form"));
    assert!(why(START, &issued.username, &by_old).contains("\"old\", which is not valid now"));
    assert!(
        Secrets::default()
            .verify(UnixTime(START), "9999999999", "x")
            .unwrap_err()
            .to_string()
            .starts_with("No shared secret")
    );
}

#[test]
fn lists_of_secrets_are_checked() {
    assert_eq!(SharedSecret::new("a", b"").unwrap_err(), SecretFault::Empty("a".into()));
    let secret = |id: &str| SharedSecret::new(id, b"x").unwrap();
    let never = secret("a").valid(Some(UnixTime(5)), Some(UnixTime(5))).unwrap_err();
    assert_eq!(never, SecretFault::Never("a".into()));
    assert_eq!(
        Secrets::new(vec![secret("a"), secret("b"), secret("a")]).unwrap_err(),
        SecretFault::Duplicate("a".into())
    );
    let many = |count: u8| Secrets::new((0..count).map(|id| secret(&id.to_string())).collect());
    assert!(many(8).is_ok());
    assert_eq!(many(9).unwrap_err(), SecretFault::TooMany(9));
}

/// The relay's own calls, and nobody else, are admitted under the probe's secret.
#[test]
fn a_probe_has_a_secret_and_a_name_of_its_own() {
    let secret = || SharedSecret::new("probe", b"drawn at the start").unwrap();
    let credential = |user: &str| issue(&secret(), user, UnixTime(START + 60));
    for secrets in [Secrets::default(), secrets(&[("main", "north")])] {
        let credentials =
            Credentials { users: users(), secrets, probe: Some(secret()), ..Credentials::default() };
        let server = Authenticator::new(nonce_keys(1), credentials);
        let own = credential(PROBE_USER);
        for request in [
            Request::md5(&server, &own.username, &own.password),
            Request::sha256(&server, &own.username, &own.password),
        ] {
            let admitted = request.send(&server).unwrap();
            assert!(admitted.is_probe() && admitted.expires.is_none());
            assert!(matches!(
                request.send_at(&server, START + 60),
                Err(Rejection::Challenge(Cause::Expired))
            ));
        }
        let other = credential("alice");
        assert!(Request::md5(&server, &other.username, &other.password).send(&server).is_err());
        assert!(!Request::md5(&server, "alice", "secret").send(&server).unwrap().is_probe());
    }
    // A user of a shared secret may bear the name, and is no probe.
    let server = server();
    for request in timed(&server, "north", PROBE_USER, START + 60) {
        assert!(!request.send(&server).unwrap().is_probe());
    }
}
