//! Hostile and honest URLs. Every refused one is a way in which two readers of a URL have disagreed.

use proptest::prelude::*;

use super::*;
use crate::tier::ModelTier;

/// Badly written: refused without looking at where it leads.
const MALFORMED: &[&str] = &[
    // Other schemes, and none.
    "",
    "https://",
    "http://",
    "https:",
    "//api.example.com",
    "api.example.com",
    "ftp://api.example.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1",
    "unix:///run/x.sock",
    "javascript:alert(1)",
    "HTTPS://api.example.com",
    "Https://api.example.com",
    "https:api.example.com",
    "https:/api.example.com",
    "https:///api.example.com",
    "https:\\\\api.example.com",
    "https:/\\127.0.0.1",
    "http:127.0.0.1",
    "http:///127.0.0.1",
    " https://api.example.com",
    "https://api.example.com ",
    "https://api.example.com\n",
    "ht\ntp://127.0.0.1",
    "http://127.0.0.1\t",
    "\u{0}http://127.0.0.1",
    "https://api.exam\u{0}ple.com",
    // Addresses in disguise.
    "http://2130706433",
    "http://0x7f.1",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://127.1",
    "http://127.0.1",
    "http://127.0.0.1.",
    "http://127.0.0.01",
    "http://0",
    "http://2852039166",
    "https://0xa9fea9fe",
    "https://169.254.43518",
    "https://256.256.256.256",
    "https://1.2.3.4.5",
    "https://1.2.3",
    "https://api.example.com.0x7f",
    "https://api.example.1",
    "http://①②⑦.⓪.⓪.①",
    "http://１２７。０。０。１",
    "http://%31%32%37.0.0.1",
    "http://127%2e0%2e0%2e1",
    "http://127.0.0.1%00",
    // IPv6.
    "http://::1",
    "http://[::1",
    "http://::1]",
    "http://[]",
    "http://[::1]x",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[::0001]",
    "https://[2606:4700:4700::1111]:443",
    "https://[2606:4700:4700:0::1111]",
    "https://[2606:4700:4700::ABCD]",
    "https://[fe80::1%25eth0]",
    "https://[fe80::1%eth0]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "https://[::ffff:a9fe:a9fe]",
    "https://[::ffff:8.8.8.8]",
    "https://[v1.fe80]",
    // Names.
    "https://LOCALHOST",
    "http://Localhost",
    "http://localhost.",
    "http://ｌocalhost",
    "https://intranet",
    "https://api",
    "https://API.example.com",
    "https://api.example.com.",
    "https://.example.com",
    "https://api..example.com",
    "https://-api.example.com",
    "https://api-.example.com",
    "https://api_1.example.com",
    "https://api.openаi.com",
    "https://ex\u{ad}ample.com",
    "https://xn--a.example.com",
    "https://xn--.com",
    "https://*.example.com",
    "https://api.example.com,evil.com",
    "https://api.example.com|evil.com",
    "https://api.example.com:evil.com",
    "https://bücher.example.com",
    // User names, queries, fragments, second readings.
    "https://user@api.example.com",
    "https://user:key@api.example.com",
    "https://:@api.example.com",
    "https://@api.example.com",
    "https://api.example.com@evil.com",
    "https://api.example.com:443@evil.com",
    "https://api.example.com\\@evil.com",
    "https://evil.com\\.api.example.com",
    "https://api.example.com;@evil.com",
    "https://api.example.com?x=1",
    "https://api.example.com/?",
    "https://api.example.com/v1?key=k",
    "https://api.example.com#x",
    "https://api.example.com/#",
    "https://api.example.com;x",
    "https://api.example.com/v1;x",
    // Ports.
    "https://api.example.com:",
    "https://api.example.com:/v1",
    "https://api.example.com:443",
    "http://127.0.0.1:80",
    "https://api.example.com:0",
    "https://api.example.com:00",
    "https://api.example.com:08443",
    "https://api.example.com:65536",
    "https://api.example.com:-1",
    "https://api.example.com:+1",
    "https://api.example.com:8443:8443",
    "https://api.example.com:８４４３",
    "https://api.example.com:1e3",
    // Paths.
    "https://api.example.com//",
    "https://api.example.com//v1",
    "https://api.example.com/v1//",
    "https://api.example.com/./v1",
    "https://api.example.com/../v1",
    "https://api.example.com/v1/..",
    "https://api.example.com/v1/.",
    "https://api.example.com/%2e%2e/v1",
    "https://api.example.com/v1%2f",
    "https://api.example.com/v 1",
    "https://api.example.com/{v1}",
    "https://api.example.com/v1\\x",
    "https://api.example.com/vö1",
    "https://api.example.com/a|b",
    "https://api.example.com/\"",
    "https://api.example.com/<x>",
    "https://api.example.com/a,b",
    "https://api.example.com/$x",
];

/// Well written, and never to be dialled.
const FORBIDDEN: &[&str] = &[
    "http://169.254.169.254",
    "https://169.254.169.254/latest",
    "https://169.254.170.2",
    "https://100.100.100.200",
    "https://168.63.129.16",
    "https://192.0.0.192",
    "https://[fd00:ec2::254]",
    "https://0.0.0.0",
    "http://0.0.0.0:11434",
    "https://0.1.2.3",
    "https://255.255.255.255",
    "https://224.0.0.1",
    "https://240.0.0.1",
    "https://192.0.2.1",
    "https://198.18.0.1",
    "https://203.0.113.9",
    "http://[::]",
    "https://[::]:8443",
    "https://[ff02::1]",
    "https://[2001:db8::1]",
    "https://[64:ff9b::808:808]",
    "https://[64:ff9b::a9fe:a9fe]",
    "https://[2002:7f00:1::]",
    "https://[2001:0:808:808::1]",
    "https://[::7f00:1]",
    "https://[fec0::1]",
    "https://[100::1]",
    // Plain text off the machine.
    "http://8.8.8.8",
    "http://api.example.com",
    "http://192.168.1.5:11434",
    "http://10.0.0.1",
    "http://[fd12::1]:8080",
    // Names that are not public.
    "https://foo.localhost",
    "http://foo.localhost",
    "https://printer.local",
    "https://metadata.google.internal",
    "https://db.internal",
    "https://api.test",
    "https://api.invalid",
    "https://api.example",
    "https://x.onion",
    "https://nas.home.arpa",
    "https://1.0.0.127.in-addr.arpa",
    "https://router.lan",
    "https://wiki.corp",
    "https://wiki.intranet",
    "https://box.localdomain",
    "https://vault.private",
    // Inside a cluster.
    "https://kubernetes.default",
    "https://kubernetes.default.svc",
    "https://kubernetes.default.svc.cluster.local",
    "https://model.team.svc.cluster",
    "https://model.service.consul",
    "https://host.docker.internal",
    "https://gateway.docker",
];

/// Accepted, and where they lead as far as the URL tells.
const ACCEPTED: &[(&str, ModelTier)] = &[
    ("https://api.example.com", ModelTier::Cloud),
    ("https://api.example.com/v1", ModelTier::Cloud),
    (
        "https://api.example.com:8443/v1/openai.com/deployments/gpt-5.1:free",
        ModelTier::Cloud,
    ),
    (
        "https://api.example.com/v1beta/a=b+c@d~e_f-g",
        ModelTier::Cloud,
    ),
    ("https://api.example.com:80", ModelTier::Cloud),
    ("https://xn--bcher-kva.example.com", ModelTier::Cloud),
    ("https://a--b.example.com", ModelTier::Cloud),
    ("https://1.example.com", ModelTier::Cloud),
    ("https://127.0.0.1.nip.io", ModelTier::Cloud),
    ("https://8.8.8.8", ModelTier::Cloud),
    ("https://[2606:4700:4700::1111]:8443/v1", ModelTier::Cloud),
    ("https://192.168.1.5:11434", ModelTier::Cloud),
    ("https://[fd12::1]:8080", ModelTier::Cloud),
    ("http://127.0.0.1:11434", ModelTier::Local),
    ("http://127.8.8.8", ModelTier::Local),
    ("http://127.0.0.1:443", ModelTier::Local),
    ("http://localhost", ModelTier::Local),
    ("http://localhost:11434/v1", ModelTier::Local),
    ("https://localhost:8443", ModelTier::Local),
    ("http://[::1]:11434", ModelTier::Local),
];

#[test]
fn a15_rt_ssr_001_hostile_spellings_are_refused() {
    for text in MALFORMED {
        let refused = parse(text).expect_err(text);
        assert!(!refused.ssrf, "{text}: {refused}");
    }
}

#[test]
fn a15_rt_ssr_001_forbidden_destinations_are_refused_as_such() {
    for text in FORBIDDEN {
        let refused = parse(text).expect_err(text);
        assert!(refused.ssrf, "{text}: {refused}");
    }
}

/// Every way to write a socket of this machine that is not its address and port.
#[test]
fn s41_a_socket_file_is_no_base_url() {
    for text in [
        "unix:/run/x.sock",
        "unix:///run/x.sock",
        "http+unix://%2Frun%2Fx.sock",
        "http://unix:/run/x.sock:/v1",
        "npipe:////./pipe/x",
        "/run/x.sock",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn s42_nothing_is_sent_in_plain_text_to_another_machine() {
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.5",
        "100.64.0.1",
        "169.254.1.1",
        "[fd12::1]",
        "[fe80::1]",
        "8.8.8.8",
        "api.example.com",
    ] {
        let refused = parse(&format!("http://{host}:8080")).expect_err(host);
        assert!(refused.ssrf, "{host}");
        assert!(parse(&format!("https://{host}:8443")).is_ok(), "{host}");
    }
}

/// A name that one network knows is another host in the next.
#[test]
fn s44_names_of_one_network_are_refused() {
    for suffix in SPECIAL_USE {
        for name in [format!("a.{suffix}"), format!("a.b.{suffix}")] {
            let refused = parse(&format!("https://{name}")).expect_err(&name);
            assert!(refused.ssrf, "{name}");
        }
        assert!(parse(&format!("https://{suffix}")).is_err() || *suffix == "localhost");
        let public = format!("https://{suffix}.example.com");
        assert!(parse(&public).is_ok(), "{public}");
    }
}

#[test]
fn a15_honest_urls_are_accepted_as_they_are() {
    for (text, tier) in ACCEPTED {
        let url = parse(text).unwrap_or_else(|refused| panic!("{text}: {refused}"));
        assert_eq!(url.to_string(), *text);
        assert_eq!(url.lexical_tier(), *tier, "{text}");
        let slashed =
            parse(&format!("{text}/")).unwrap_or_else(|refused| panic!("{text}/: {refused}"));
        assert_eq!(slashed, url, "one trailing slash is no difference");
    }
}

#[test]
fn a15_a_url_falls_into_its_parts() {
    let url = parse("https://api.example.com:8443/v1/x").expect("valid");
    assert_eq!(
        (url.scheme(), url.port(), url.path()),
        (Scheme::Https, 8443, "/v1/x")
    );
    assert_eq!(url.host(), &Host::Name("api.example.com".into()));
    assert_eq!(url.origin().as_str(), "https://api.example.com:8443");
    assert_eq!(parse("http://localhost").expect("valid").port(), 80);
    assert_eq!(parse("https://localhost").expect("valid").port(), 443);
}

#[test]
fn a15_lengths_are_bounded() {
    let label = "a".repeat(63);
    let name = |labels: usize| format!("https://{}.com", vec![label.as_str(); labels].join("."));
    assert!(parse(&name(3)).is_ok());
    assert!(parse(&name(4)).is_err(), "over 253");
    assert!(
        parse(&format!("https://{}.com", "a".repeat(64))).is_err(),
        "over 63"
    );
    let path = |n| format!("https://api.example.com/{}", "a".repeat(n));
    assert!(parse(&path(2000)).is_ok());
    assert!(parse(&path(2048)).is_err());
}

#[test]
fn a15_a_refusal_repeats_nothing_of_the_url() {
    let refused = parse("https://user:hunter2@api.example.com")
        .expect_err("refused")
        .to_string();
    assert!(
        !refused.contains("hunter2") && !refused.contains("example"),
        "{refused}"
    );
}

/// Pieces that break parsers, put together at random.
fn any_urlish() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "http",
        "https",
        "://",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "#",
        "?",
        ";",
        "%",
        "%2e",
        ".",
        "..",
        "-",
        "[",
        "]",
        "::",
        "1",
        "0",
        "127",
        "0x7f",
        "443",
        "80",
        "8443",
        "localhost",
        "example",
        "com",
        "api",
        "xn--",
        "internal",
        "ffff",
        "fd00",
        "169.254.169.254",
        "127.0.0.1",
        "[::1]",
        "A",
        "é",
        "\t",
        " ",
        "v1",
        "~",
        "_",
    ]);
    proptest::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

fn any_honest() -> impl Strategy<Value = String> {
    (
        "https://([a-z]([a-z0-9-]{0,8}[a-z0-9])?\\.){1,3}(com|dev|io)",
        proptest::option::of(1_u16..),
        proptest::collection::vec("[A-Za-z0-9_~:@=+-]{1,8}", 0..4),
        any::<bool>(),
    )
        .prop_filter("the scheme's own port", |(_, port, ..)| *port != Some(443))
        // `xn--` promises punycode, which made-up letters rarely are.
        .prop_filter("a promise of punycode", |(host, ..)| !host.contains("xn--"))
        .prop_map(|(host, port, segments, slash)| {
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let path: String = segments
                .iter()
                .map(|segment| format!("/{segment}"))
                .collect();
            format!("{host}{port}{path}{}", if slash { "/" } else { "" })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a15_what_is_accepted_is_written_as_it_was(
        text in prop_oneof![any_urlish(), "https?://\\PC{0,24}", "\\PC{0,24}", any_honest()]
    ) {
        if let Ok(url) = parse(&text) {
            let written = url.to_string();
            prop_assert_eq!(text.strip_suffix('/').unwrap_or(&text), &written);
            prop_assert_eq!(parse(&written), Ok(url.clone()));
            prop_assert!(written.is_ascii() && !written.ends_with('/'));
            if url.scheme() == Scheme::Http {
                prop_assert_eq!(url.lexical_tier(), ModelTier::Local);
            }
            // The HTTP client's parser agrees about where it leads.
            let other = url::Url::parse(&text).expect("the client can read it");
            let host = url.host().to_string();
            prop_assert_eq!(other.host_str(), Some(host.as_str()));
            prop_assert_eq!(other.port_or_known_default(), Some(url.port()));
        }
    }

    #[test]
    fn a15_honest_urls_are_not_refused(text in any_honest()) {
        prop_assert!(parse(&text).is_ok(), "{:?}", parse(&text));
    }
}
