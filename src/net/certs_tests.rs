use std::fs;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::*;

/// Chain and key in PEM.
fn make(algorithm: &'static rcgen::SignatureAlgorithm, year_of_end: i32) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year_of_end, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new(pair: &(String, String)) -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        folder.write(pair);
        folder
    }

    fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn write(&self, (chain, key): &(String, String)) {
        fs::write(self.chain(), chain).unwrap();
        fs::write(self.key(), key).unwrap();
    }

    fn load(&self) -> Result<Arc<CertStore>, CertError> {
        CertStore::load(&self.chain(), &self.key())
    }
}

fn leaf(store: &CertStore) -> Vec<u8> {
    store.current.load().tls.cert[0].to_vec()
}

#[test]
fn a_pair_is_loaded_and_its_days_are_counted() {
    let folder = Folder::new(&make(&PKCS_ECDSA_P256_SHA256, 2030));
    let store = folder.load().unwrap();
    let end = 1_893_456_000; // 2030-01-01
    assert_eq!(store.days_left(UnixTime(end)), 0);
    assert_eq!(store.days_left(UnixTime(end - 1)), 0);
    assert_eq!(store.days_left(UnixTime(end - 86_400)), 1);
    assert_eq!(store.days_left(UnixTime(end + 1)), -1);
    assert!(store.is_valid_at(UnixTime(end)));
    assert!(!store.is_valid_at(UnixTime(end + 1)));
    assert!(!store.is_valid_at(UnixTime(0)));
    assert_eq!(store.files(), Some((folder.chain().as_path(), folder.key().as_path())));
}

#[test]
fn dtls_takes_ecdsa_only_and_says_so() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let (chain, key) = make(algorithm, 2030);
        CertStore::from_pem(chain.as_bytes(), key.as_bytes()).unwrap().check_for_dtls().unwrap();
    }
    for (algorithm, kind) in [(&rcgen::PKCS_RSA_SHA256, "RSA"), (&PKCS_ED25519, "Ed25519")] {
        let (chain, key) = make(algorithm, 2030);
        let store = CertStore::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let error = store.check_for_dtls().unwrap_err().to_string();
        assert!(error.contains(&format!("the key is {kind}")) && error.contains("P-256"), "{error}");
    }
}

#[test]
fn what_cannot_be_used_is_explained() {
    let good = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let other = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
    let broken = good.0.replacen("M", "!", 1);
    for (pair, file, reason) in [
        ((good.0.clone(), other.1), "key.pem", "is not the key of the first certificate"),
        ((good.1.clone(), good.1.clone()), "chain.pem", "holds no certificate"),
        ((good.0.clone(), good.0.clone()), "key.pem", "holds no private key"),
        ((good.0.clone(), encrypted), "key.pem", "openssl pkey"),
        ((broken, good.1.clone()), "chain.pem", "broken"),
        ((String::new(), good.1.clone()), "chain.pem", "holds no certificate"),
    ] {
        let error = Folder::new(&pair).load().unwrap_err().to_string();
        assert!(error.contains(file) && error.contains(reason), "{error}");
    }
    let folder = Folder::new(&good);
    fs::remove_file(folder.key()).unwrap();
    let error = folder.load().unwrap_err().to_string();
    assert!(error.contains("key.pem") && error.contains("No such file"), "{error}");
    fs::write(folder.key(), vec![b'x'; 2 << 20]).unwrap();
    assert!(folder.load().unwrap_err().to_string().contains("too many"));
}

#[test]
fn new_files_are_taken() {
    let folder = Folder::new(&make(&PKCS_ECDSA_P256_SHA256, 2030));
    let store = folder.load().unwrap();
    assert_eq!(store.reload_if_changed(), Reload::Unchanged);
    let old = leaf(&store);
    folder.write(&make(&PKCS_ECDSA_P256_SHA256, 2031));
    assert_eq!(store.reload_if_changed(), Reload::Reloaded);
    assert_ne!(leaf(&store), old);
    assert!(store.days_left(UnixTime(1_893_456_000)) > 300);
    assert_eq!(store.reload_if_changed(), Reload::Unchanged);
}

#[test]
fn files_touched_but_equal_are_no_change() {
    let pair = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let folder = Folder::new(&pair);
    let store = folder.load().unwrap();
    let before = Arc::as_ptr(&store.current.load_full());
    fs::remove_file(folder.chain()).unwrap();
    folder.write(&pair);
    assert_eq!(store.reload_if_changed(), Reload::Unchanged);
    assert_eq!(Arc::as_ptr(&store.current.load_full()), before);
}

#[test]
fn broken_files_keep_the_old_certificate_and_are_told_once() {
    let pair = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let folder = Folder::new(&pair);
    let store = folder.load().unwrap();
    let old = leaf(&store);

    // A new chain whose key has not been written yet.
    let new = make(&PKCS_ECDSA_P256_SHA256, 2031);
    fs::write(folder.chain(), &new.0).unwrap();
    let Reload::Kept(error) = store.reload_if_changed() else { panic!("a mismatch was taken") };
    assert!(error.to_string().contains("is not the key"), "{error}");
    assert_eq!(store.reload_if_changed(), Reload::Unchanged);
    assert_eq!(leaf(&store), old);

    fs::remove_file(folder.key()).unwrap();
    assert!(matches!(store.reload_if_changed(), Reload::Kept(_)));
    assert_eq!(store.reload_if_changed(), Reload::Unchanged);
    assert_eq!(leaf(&store), old);

    fs::write(folder.key(), &new.1).unwrap();
    assert_eq!(store.reload_if_changed(), Reload::Reloaded);
    assert_ne!(leaf(&store), old);
}

#[test]
fn going_back_to_the_files_in_use_ends_the_complaint() {
    let pair = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let folder = Folder::new(&pair);
    let store = folder.load().unwrap();
    fs::write(folder.chain(), "nothing").unwrap();
    assert!(matches!(store.reload_if_changed(), Reload::Kept(_)));
    folder.write(&pair);
    assert_eq!(store.reload_if_changed(), Reload::Reloaded);
    fs::write(folder.chain(), "nothing").unwrap();
    assert!(matches!(store.reload_if_changed(), Reload::Kept(_)), "a new mistake is told again");
}

#[test]
fn a_link_turned_to_other_files_is_a_change() {
    let (first, second) = (make(&PKCS_ECDSA_P256_SHA256, 2030), make(&PKCS_ECDSA_P256_SHA256, 2031));
    let (one, two) = (Folder::new(&first), Folder::new(&second));
    let links = tempfile::tempdir().unwrap();
    let current = links.path().join("current");
    std::os::unix::fs::symlink(one.folder.path(), &current).unwrap();
    let store = CertStore::load(&current.join("chain.pem"), &current.join("key.pem")).unwrap();
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink(two.folder.path(), &current).unwrap();
    assert_eq!(store.reload_if_changed(), Reload::Reloaded);
}

#[test]
fn no_key_is_printed() {
    let (chain, key) = make(&PKCS_ECDSA_P256_SHA256, 2030);
    let store = CertStore::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(format!("{store:?}"), "CertStore { files: None, .. }");
}
