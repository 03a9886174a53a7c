//! A certificate authority that somebody put into the environment: no provider is believed because of it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use handshake_testkit::canary::Canary;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName},
};

use crate::it::{
    machine::Machine,
    mission::{enrol_relay, init, wait_for_pending, with_factor},
};

/// A server of this machine with a leaf of an authority that nobody trusts.
struct Rogue {
    address: SocketAddr,
    ca: CertificateDer<'static>,
    ca_pem: String,
    connections: Arc<AtomicUsize>,
    /// Bytes that came through TLS.
    received: Arc<AtomicUsize>,
}

impl Rogue {
    fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("signed");
        let leaf_key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let leaf = leaf.signed_by(&leaf_key, &ca).expect("signed");
        let key = PrivatePkcs8KeyDer::from(leaf_key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key.into())
            .expect("a configuration");
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let rogue = Self {
            address: listener.local_addr().expect("an address"),
            ca: ca.der().clone(),
            ca_pem: ca.pem(),
            connections: Arc::default(),
            received: Arc::default(),
        };
        let (connections, received) = (Arc::clone(&rogue.connections), Arc::clone(&rogue.received));
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (config, received) = (Arc::clone(&config), Arc::clone(&received));
                std::thread::spawn(move || serve(socket, config, &received));
            }
        });
        rogue
    }

    fn counts(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (of(&self.connections), of(&self.received))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, received: &AtomicUsize) {
    let Ok(connection) = ServerConnection::new(config) else {
        return;
    };
    let mut stream = StreamOwned::new(connection, socket);
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        received.fetch_add(read, Ordering::SeqCst);
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        let _gone = stream.write_all(answer);
    }
}

#[test]
fn s43_an_authority_from_the_environment_is_not_trusted() {
    let rogue = Rogue::start();
    // The chain is good: whoever does trust this authority gets through.
    let mut roots = RootCertStore::empty();
    roots.add(rogue.ca.clone()).expect("an authority");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(rogue.address).expect("connected");
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"hello").expect("through TLS");
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).expect("answered");
    assert_eq!(rogue.counts(), (1, 5));
    drop(stream);

    let machine = Machine::new();
    let bundle = machine.write("rogue.pem", &rogue.ca_pem);
    let folder = machine.path("roots");
    std::fs::create_dir(&folder).expect("made");
    std::fs::write(folder.join("rogue.pem"), &rogue.ca_pem).expect("written");
    let keys = machine.path("keys.log");
    let key = Canary::new("sk-test-", 43);
    init(&machine);
    let origin = format!("https://{}", rogue.address);
    enrol_relay(&machine, &origin, &format!("{origin}/v1"), key.text());

    // A person approves the call itself; it is dialled, and the peer is not believed.
    let mut call = machine
        .command(&[
            "--json",
            "chat",
            "--model",
            "cloud/sim-large:latest",
            "what is the answer",
        ])
        .env("SSL_CERT_FILE", &bundle)
        .env("SSL_CERT_DIR", &folder)
        .env("SSLKEYLOGFILE", &keys)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let id = wait_for_pending(&machine);
    let (code, screen) = with_factor(&machine, &["approve", &id]);
    assert_eq!(code, 0, "{screen}");
    let status = call.wait().expect("it ends");
    let mut text = String::new();
    call.stdout
        .as_mut()
        .expect("piped")
        .read_to_string(&mut text)
        .expect("read");
    assert!(!status.success(), "{text}");
    let last = text.lines().last().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["error"]["code"], "HSK-502-PROTOCOL", "{text}");
    assert_eq!(last["error"]["phase"], "connect", "{text}");
    let (connections, received) = rogue.counts();
    assert!(connections > 1, "it was dialled");
    assert_eq!(received, 5, "and not a byte of a request came through");
    assert!(!keys.exists(), "no session keys are written");
}
