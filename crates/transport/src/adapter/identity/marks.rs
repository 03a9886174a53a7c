//! The marks, as data. A mark that a server of another kind may show by chance does not belong here.

/// What a mark says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// The software, as a token.
    pub(super) software: &'static str,
    /// The only kind of provider that it is.
    pub(super) kind: Option<&'static str>,
    /// Whether it forwards requests.
    pub(super) forwards: bool,
}

const fn forwarder(software: &'static str) -> Mark {
    Mark {
        software,
        kind: None,
        forwards: true,
    }
}

const fn server(software: &'static str) -> Mark {
    Mark {
        software,
        kind: None,
        forwards: false,
    }
}

/// The daemon that has a native API and runs models of its vendor's cloud among its own: by its native API alone can
/// be told which.
pub(super) const DAEMON: Mark = Mark {
    software: "ollama",
    kind: Some("ollama"),
    forwards: false,
};

/// Beginnings of header names.
pub(super) const HEADERS: &[(&str, Mark)] = &[
    ("x-litellm-", forwarder("litellm")),
    ("x-portkey-", forwarder("portkey")),
    ("x-bifrost-", forwarder("bifrost")),
    ("helicone-", forwarder("helicone")),
    ("x-tensorzero-", forwarder("tensorzero")),
    ("x-oneapi-", forwarder("one_api")),
    ("x-new-api-", forwarder("new_api")),
    ("x-kong-", forwarder("kong")),
    ("x-envoy-", forwarder("envoy")),
    ("x-simulator", server("handshake_simulator")),
    ("x-handshake-", forwarder("handshake")),
    // Whoever hands an answer on names themselves here.
    ("via", forwarder("proxy")),
    // The edges of networks, and providers themselves: the answer was not made on this machine.
    ("cf-ray", forwarder("cloudflare")),
    ("cf-aig-", forwarder("cloudflare")),
    ("x-amz-cf-", forwarder("cloudfront")),
    ("x-amzn-", forwarder("aws")),
    ("x-azure-", forwarder("azure")),
    ("x-ms-region", forwarder("azure")),
    ("x-vercel-", forwarder("vercel")),
    ("fly-request-id", forwarder("fly")),
    ("ngrok-", forwarder("ngrok")),
    ("openai-organization", forwarder("openai")),
    ("anthropic-organization-id", forwarder("anthropic")),
    ("x-groq-", forwarder("groq")),
];

/// Products of the `server` header, in lower case.
pub(super) const PRODUCTS: &[(&str, Mark)] = &[
    ("litellm", forwarder("litellm")),
    ("agentgateway", forwarder("agentgateway")),
    ("kong", forwarder("kong")),
    ("envoy", forwarder("envoy")),
    ("istio-envoy", forwarder("envoy")),
    ("cloudflare", forwarder("cloudflare")),
    ("awselb", forwarder("aws")),
    ("vercel", forwarder("vercel")),
    ("squid", forwarder("squid")),
    ("haproxy", forwarder("haproxy")),
    ("nginx", forwarder("nginx")),
    ("openresty", forwarder("openresty")),
    ("apisix", forwarder("apisix")),
    ("traefik", forwarder("traefik")),
    ("caddy", forwarder("caddy")),
    ("mitmproxy", forwarder("mitmproxy")),
];

/// Beginnings of first pages, or of their titles.
pub(super) const PAGES: &[(&str, Mark)] = &[
    ("Ollama is running", DAEMON),
    ("LiteLLM", forwarder("litellm")),
    ("Open WebUI", forwarder("open_webui")),
    ("AI Gateway says hey!", forwarder("portkey")),
    ("Bifrost", forwarder("bifrost")),
    ("One API", forwarder("one_api")),
    ("New API", forwarder("new_api")),
    ("LibreChat", forwarder("librechat")),
];

/// What `/health/liveliness` of this one answers, and nobody else has that route.
pub(super) const ALIVE: &[u8] = br#""I'm alive!""#;
pub(super) const ALIVE_IS: Mark = forwarder("litellm");

/// Software that answers some of the daemon's routes, runs what it lists, and says in its headers what it is.
pub(super) const EMULATORS: &[&str] = &["handshake_simulator", "koboldcppserver", "llama_cpp"];

/// Programs that listen for somebody elsewhere, by the name of their file: in front of a model they make another machine,
/// or a container whose network nobody knows, look like this one.
pub(super) const PROGRAMS: &[&str] = &[
    "ssh",
    "autossh",
    "socat",
    "kubectl",
    "oc",
    "docker-proxy",
    "com.docker.backend",
    "vpnkit",
    "rootlessport",
    "slirp4netns",
    "pasta",
    "pasta.avx2",
    "gvproxy",
    "wslrelay",
    "tailscaled",
    "cloudflared",
    "ngrok",
    "frpc",
    "haproxy",
    "nginx",
    "envoy",
    "caddy",
    "traefik",
    "stunnel",
    "stunnel4",
    "mitmproxy",
    "mitmdump",
    "code-tunnel",
];
