//! References outside the vault: bound first, and only as long as nothing changed.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use handshake_core::{
    code::ErrorCode,
    ports::{SecretError, SecretStore, SecretUse},
    secret::SecretRef,
};
use handshake_vault::{Places, VaultError, VaultSecrets};

use crate::sample::{Sample, origin, secret};

const VALUE: &str = "sk-from-outside-0123456789";
const GOOD: &str = "https://api.example.org";
const EVIL: &str = "https://evil.example.net";

struct World {
    sample: Sample,
    secrets: Arc<VaultSecrets>,
    variable: Arc<Mutex<Option<OsString>>>,
    reads: Arc<AtomicUsize>,
    home: std::path::PathBuf,
    credentials: tempfile::TempDir,
}

fn world() -> World {
    let (sample, credentials) = (Sample::new(), tempfile::tempdir().expect("a directory"));
    let variable = Arc::new(Mutex::new(Some(OsString::from(VALUE))));
    let reads = Arc::new(AtomicUsize::new(0));
    let environment = {
        let (variable, reads) = (variable.clone(), reads.clone());
        move |name: &str| {
            reads.fetch_add(1, Ordering::SeqCst);
            variable
                .lock()
                .expect("lock")
                .clone()
                .filter(|_| name == "SOME_API_KEY")
        }
    };
    let home = sample.directory.path().canonicalize().expect("a path");
    let places = Places {
        home: home.clone(),
        credentials_directory: Some(credentials.path().canonicalize().expect("a path")),
    };
    let secrets = Arc::new(VaultSecrets::new(
        sample.vault.clone(),
        Arc::new(environment),
        places,
    ));
    World {
        sample,
        secrets,
        variable,
        reads,
        home,
        credentials,
    }
}

fn reference(text: &str) -> SecretRef {
    text.parse().expect("a reference")
}

fn wanted(secret_ref: &SecretRef, to: &str) -> SecretUse {
    SecretUse {
        secret_ref: secret_ref.clone(),
        origin: origin(to),
    }
}

fn file_ref(path: &Path) -> SecretRef {
    reference(&format!("file:{}", path.display()))
}

fn write(path: &Path, content: &[u8], mode: u32) {
    std::fs::write(path, content).expect("writes");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("sets");
}

#[test]
fn s47_an_unbound_reference_is_refused_and_not_even_read() {
    let world = world();
    let env = reference("env:SOME_API_KEY");
    let path = world.home.join("key");
    write(&path, VALUE.as_bytes(), 0o600);
    for unbound in [
        &env,
        &file_ref(&path),
        &reference("env:AWS_SECRET_ACCESS_KEY"),
    ] {
        let error = world
            .secrets
            .fetch(&wanted(unbound, EVIL))
            .expect_err("refused");
        assert_eq!(
            (error, error.code()),
            (SecretError::Unbound, ErrorCode::SecretUnbound)
        );
    }
    assert_eq!(world.reads.load(Ordering::SeqCst), 0);
}

#[test]
fn s47_a_bound_variable_goes_to_its_origin_while_its_value_is_the_same() {
    let world = world();
    let env = reference("env:SOME_API_KEY");
    let binding = world.secrets.bind(&env, &origin(GOOD)).expect("binds");
    assert_eq!((&binding.secret_ref, binding.origin.as_str()), (&env, GOOD));
    let value = world.secrets.fetch(&wanted(&env, GOOD)).expect("fetches");
    assert_eq!(value.expose_secret(), VALUE.as_bytes());
    world.secrets.check(&wanted(&env, GOOD)).expect("bound");
    assert_eq!(
        world.secrets.check(&wanted(&env, EVIL)),
        Err(SecretError::Unbound)
    );

    // A project's environment file puts the attacker's key there.
    *world.variable.lock().expect("lock") = Some(OsString::from("sk-of-the-attacker-000"));
    assert_eq!(
        world.secrets.check(&wanted(&env, GOOD)),
        Err(SecretError::Unbound)
    );
    *world.variable.lock().expect("lock") = None;
    assert_eq!(
        world.secrets.check(&wanted(&env, GOOD)),
        Err(SecretError::Missing)
    );
    *world.variable.lock().expect("lock") = Some(OsString::from(VALUE));
    world
        .secrets
        .check(&wanted(&env, GOOD))
        .expect("bound as before");

    // Re-binding moves it, it does not add.
    world
        .secrets
        .bind(&env, &origin("https://b.example.org"))
        .expect("binds");
    assert_eq!(
        world.secrets.check(&wanted(&env, GOOD)),
        Err(SecretError::Unbound)
    );
    assert_eq!(world.secrets.bindings().expect("bindings").len(), 1);
    assert!(world.secrets.unbind(&env, &origin(GOOD)).expect("unbinds"));
    assert!(
        !world
            .secrets
            .unbind(&env, &origin(GOOD))
            .expect("nothing left")
    );
}

#[test]
fn s47_bindings_are_kept_in_the_vault_and_hold_no_value() {
    let world = world();
    let env = reference("env:SOME_API_KEY");
    let binding = world.secrets.bind(&env, &origin(GOOD)).expect("binds");
    let again = Arc::new(world.sample.reopen().expect("opens"));
    let places = Places {
        home: world.home.clone(),
        credentials_directory: None,
    };
    let other = VaultSecrets::new(
        again,
        Arc::new(|_: &str| Some(OsString::from(VALUE))),
        places,
    );
    assert_eq!(
        other.bindings().expect("bindings"),
        std::slice::from_ref(&binding)
    );
    other.check(&wanted(&env, GOOD)).expect("bound");
    let plain = handshake_core::digest::Digest::of(&[VALUE.as_bytes()]);
    assert_ne!(
        binding.value_hash.digest(),
        &plain,
        "keyed, so that it cannot be guessed"
    );
}

#[test]
fn s47_a_file_must_be_one_private_line_below_the_home() {
    let world = world();
    let path = world.home.join("key");
    let file = file_ref(&path);
    let bind = |file: &SecretRef| world.secrets.bind(file, &origin(GOOD)).map(drop);
    for good in [VALUE.to_owned(), format!("{VALUE}\n"), "x".repeat(512)] {
        write(&path, good.as_bytes(), 0o600);
        bind(&file).expect("binds");
        let value = world.secrets.fetch(&wanted(&file, GOOD)).expect("fetches");
        assert_eq!(value.expose_secret(), good.trim_end().as_bytes());
    }
    write(&path, b"another-value-entirely", 0o600);
    assert_eq!(
        world.secrets.check(&wanted(&file, GOOD)),
        Err(SecretError::Unbound),
        "changed"
    );
    write(&path, VALUE.as_bytes(), 0o400);
    bind(&file).expect("read-only is private too");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");

    let million = vec![b'x'; 1 << 20];
    let contents: [&[u8]; 7] = [
        b"",
        b"short",
        b"two-lines\nof-text",
        b"with space in it",
        b"trailing\r\n",
        b"caf\xc3\xa9-caf\xc3\xa9",
        &million,
    ];
    for bad in contents {
        write(&path, bad, 0o600);
        assert!(matches!(bind(&file), Err(VaultError::Unusable)));
    }
    for open in [0o604, 0o640, 0o644] {
        write(&path, VALUE.as_bytes(), open);
        assert!(matches!(bind(&file), Err(VaultError::Unusable)), "{open:o}");
    }
}

#[test]
fn s47_links_pipes_devices_and_other_places_are_refused() {
    let world = world();
    let bind = |file: &SecretRef| world.secrets.bind(file, &origin(GOOD)).map(drop);
    let outside = tempfile::tempdir().expect("a directory");
    let target = outside.path().join("key");
    write(&target, VALUE.as_bytes(), 0o600);
    write(&world.home.join("real"), VALUE.as_bytes(), 0o600);
    bind(&file_ref(&world.home.join("real"))).expect("a plain file is fine");

    std::os::unix::fs::symlink(&target, world.home.join("link")).expect("links");
    std::os::unix::fs::symlink(outside.path(), world.home.join("link-dir")).expect("links");
    std::fs::hard_link(world.home.join("real"), world.home.join("second-name")).expect("links");
    let fifo = world.home.join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    std::fs::create_dir(world.home.join("directory")).expect("a directory");
    let bad = [
        world.home.join("link"),
        world.home.join("link-dir/key"),
        world.home.join("second-name"),
        fifo,
        world.home.join("directory"),
        world.home.join("missing"),
        world.home.clone(),
        world.home.join("directory/../real"),
        target,
        "/proc/self/environ".into(),
        "/dev/zero".into(),
        "real".into(),
    ];
    for path in bad {
        assert!(
            matches!(bind(&file_ref(&path)), Err(VaultError::Unusable)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn s47_a_credentials_directory_serves_too() {
    let world = world();
    let path = world
        .credentials
        .path()
        .canonicalize()
        .expect("a path")
        .join("openai");
    write(&path, VALUE.as_bytes(), 0o400);
    let file = file_ref(&path);
    world.secrets.bind(&file, &origin(GOOD)).expect("binds");
    world.secrets.check(&wanted(&file, GOOD)).expect("bound");
}

#[test]
fn s47_a_keychain_is_not_there_and_says_so() {
    let world = world();
    let keyring = reference("keyring:main");
    let error = world
        .secrets
        .bind(&keyring, &origin(GOOD))
        .expect_err("refused");
    assert!(error.to_string().contains("no keychain"));
    assert_eq!(
        world.secrets.check(&wanted(&keyring, GOOD)),
        Err(SecretError::Unusable)
    );
}

#[test]
fn s47_a_clients_credential_goes_to_bound_origins_only_and_is_not_kept() {
    let world = world();
    let client = reference("client:");
    let request = world.secrets.with_client(secret("sk-ant-of-the-client-1"));
    assert_eq!(
        request.check(&wanted(&client, GOOD)),
        Err(SecretError::Unbound)
    );
    world.secrets.bind(&client, &origin(GOOD)).expect("binds");
    world
        .secrets
        .bind(&client, &origin("https://b.example.org"))
        .expect("binds");
    for bound in [GOOD, "https://b.example.org"] {
        let value = request.fetch(&wanted(&client, bound)).expect("fetches");
        assert_eq!(value.expose_secret(), b"sk-ant-of-the-client-1");
    }
    assert_eq!(
        request.check(&wanted(&client, EVIL)),
        Err(SecretError::Unbound)
    );
    assert_eq!(
        world.secrets.check(&wanted(&client, GOOD)),
        Err(SecretError::Unusable),
        "no request, no value"
    );
    let broken = world.secrets.with_client(secret("two words\nhere"));
    assert_eq!(
        broken.check(&wanted(&client, GOOD)),
        Err(SecretError::Unusable)
    );
    assert!(world.secrets.needles().expect("needles").is_empty());
}

#[test]
fn s47_a_vault_secret_moves_to_another_origin_only_by_binding() {
    let world = world();
    let reference = reference("vault:main");
    world
        .sample
        .vault
        .put_secret("main", origin(GOOD), &secret(VALUE))
        .expect("puts");
    world
        .secrets
        .bind(&reference, &origin(GOOD))
        .expect("bound already");
    assert_eq!(world.sample.vault.list().expect("lists")[0].version, 1);
    world
        .secrets
        .bind(&reference, &origin("https://b.example.org"))
        .expect("binds");
    assert_eq!(
        world.secrets.check(&wanted(&reference, GOOD)),
        Err(SecretError::Unbound)
    );
    world
        .secrets
        .check(&wanted(&reference, "https://b.example.org"))
        .expect("bound");
}

#[test]
fn a9_needles_are_every_value_that_could_be_sent() {
    let world = world();
    world
        .sample
        .vault
        .put_secret("main", origin(GOOD), &secret("sk-in-the-vault-01"))
        .expect("puts");
    world
        .secrets
        .bind(&reference("env:SOME_API_KEY"), &origin(GOOD))
        .expect("binds");
    let needles = world.secrets.needles().expect("needles");
    let found: Vec<_> = needles
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose_secret()))
        .collect();
    assert_eq!(
        found,
        [
            ("vault:main", &b"sk-in-the-vault-01"[..]),
            ("env:SOME_API_KEY", VALUE.as_bytes())
        ]
    );
}
