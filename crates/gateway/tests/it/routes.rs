//! Who may knock, and where.

use axum::{Router, routing::get};

use super::{
    client::request,
    home::{Home, TOKEN, ask},
    upstream::Upstream,
};

const OBJECT: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}]}"#;

async fn home() -> (Home, Upstream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let upstream = Upstream::whole(head, OBJECT).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    (home, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn s01_a_token_opens_its_models_and_nothing_else() {
    let (home, upstream) = home().await;
    home.token("narrow", "hsk_narrow", |token| {
        token.models = Some(["local/other".parse().expect("a model")].into());
    });
    home.token("gone", "hsk_gone", |token| {
        token.revoked_at = Some(handshake_testkit::fixture::epoch());
    });
    let body = ask("local", false, "");
    let with = async |headers: &str| {
        request(home.address, "POST", "/v1/chat/completions", headers, &body)
            .await
            .status
    };
    assert_eq!(with("").await, 401);
    assert_eq!(with("authorization: Bearer hsk_wrong\r\n").await, 401);
    assert_eq!(with("authorization: Bearer hsk_gone\r\n").await, 401);
    assert_eq!(with("x-api-key: hsk_narrow\r\n").await, 404);
    assert_eq!(upstream.bodies().len(), 0);
    assert_eq!(with("x-api-key: hsk_editor\r\n").await, 200);
    let path = format!("/t/{TOKEN}/v1/chat/completions");
    let in_path = request(home.address, "POST", &path, "", &body).await;
    assert_eq!(in_path.status, 200);
    let wrong = request(home.address, "POST", "/t/no/v1/chat/completions", "", &body).await;
    assert_eq!(wrong.status, 401);
    let narrow = "authorization: Bearer hsk_narrow\r\n";
    let listed = request(home.address, "GET", "/v1/models", narrow, "").await;
    assert_eq!(listed.json()["data"], serde_json::json!([]));
    let listed = home.request("GET", "/v1/models", "", "").await;
    assert_eq!(listed.json()["data"][0]["id"], "local/m");
    assert_eq!(
        home.request("GET", "/v1/models/local/m", "", "")
            .await
            .status,
        200
    );
    assert_eq!(
        home.request("GET", "/v1/models/local/n", "", "")
            .await
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s01_pages_other_hosts_and_sockets_are_turned_away() {
    let (home, _upstream) = home().await;
    let body = ask("local", false, "");
    let page = home.post("origin: http://evil.test\r\n", &body).await;
    assert_eq!(page.status, 403);
    let foreign = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: evil.test\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: 0\r\n\r\n"
    );
    let mut client = super::client::Client::connect(home.address).await;
    client.say(foreign).await;
    assert_eq!(client.answer().await.status, 403);
    let socket = home
        .request("GET", "/v1/chat/completions", "upgrade: websocket\r\n", "")
        .await;
    assert_eq!(socket.status, 426);
    assert!(
        socket.text().contains("supports_websockets"),
        "{}",
        socket.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_s23_every_unknown_path_is_a_404_in_the_clients_shape() {
    let (home, _upstream) = home().await;
    for (method, path, status) in [
        ("POST", "/v1/responses", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/", 404),
        ("GET", "/handshake/v1/consent", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models", 405),
    ] {
        let answer = home.request(method, path, "", "").await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.json()["error"]["message"].is_string(), "{path}");
    }
    assert_eq!(home.request("GET", "/healthz", "", "").await.text(), "ok");
    let text = home
        .request(
            "POST",
            "/v1/chat/completions",
            "content-type: text/plain\r\n",
            "x",
        )
        .await;
    assert_eq!(
        text.status, 400,
        "one of the two is JSON, and the body is not"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_the_router_mounts_in_another_program() {
    let (home, _upstream) = home().await;
    let app = Router::new()
        .route("/about", get(|| async { "about" }))
        .nest("/llm", home.gateway.router());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    // The gateway knows its own address only; the other program names its host.
    let path = format!("/llm/t/{TOKEN}/v1/models");
    let mut client = super::client::Client::connect(address).await;
    client
        .say(super::client::head(home.address, "GET", &path, "", 0))
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        request(address, "GET", "/about", "", "").await.text(),
        "about"
    );
    served.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_aliases_and_roles_lead_to_the_same_bytes() {
    let (home, upstream) = home().await;
    home.change(|view| {
        let model: handshake_core::ids::ModelRef = "local/m".parse().expect("a model");
        view.aliases = [("gpt-*".to_owned(), model)].into();
    });
    let alias = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(home.post("", alias).await.status, 200);
    assert_eq!(upstream.bodies(), [alias.replace("gpt-5-mini", "m")]);
    let unknown = r#"{"model":"claude","messages":[{"role":"user","content":"x"}]}"#;
    assert_eq!(home.post("", unknown).await.status, 404);
    let profile = handshake_testkit::fixture::profile("work-1", "local/m");
    home.use_profile(profile).await;
    let role = r#"{"model":"role:worker","messages":[{"role":"user","content":"x"}]}"#;
    let answer = home.post("", role).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.bodies()[1], role.replace("role:worker", "m"));
    home.token("profiled", "hsk_profiled", |token| {
        token.profile = Some("other-1".parse().expect("a profile"));
    });
    let profiled = "authorization: Bearer hsk_profiled\r\n";
    let answer = request(home.address, "POST", "/v1/chat/completions", profiled, role).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_call_is_made_once_unless_its_client_asks_for_more() {
    // It reads the request and hangs up: in doubt, which is tried once more on this machine at most.
    let upstream = Upstream::start(Vec::new()).await;
    let home = Home::new().await;
    home.local(&upstream.url()).await;
    let body = ask("local", false, "");
    for (header, made) in [
        ("", 1),
        ("x-handshake-retry: 0\r\n", 2),
        ("x-handshake-retry: 1\r\n", 4),
        ("x-handshake-retry: 9\r\n", 6),
    ] {
        let failed = home.post(header, &body).await;
        assert!(failed.status >= 500, "{}", failed.text());
        assert_eq!(upstream.bodies().len(), made, "{header}");
    }
    let odd = home.post("x-handshake-retry: often\r\n", &body).await;
    assert_eq!(odd.status, 400);
    assert_eq!(upstream.bodies().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rt_b16_a_second_host_and_a_foreign_absolute_target_are_refused() {
    let (home, upstream) = home().await;
    let own = home.address;
    for (target, more, status) in [
        ("http://evil.test/v1/models", "", 403),
        ("/v1/models", "host: evil.test\r\n", 400),
        ("/v1/models", "HOST: {own}\r\n", 400),
        ("http://{own}/v1/models", "", 200),
    ] {
        let (target, more) = (
            target.replace("{own}", &own.to_string()),
            more.replace("{own}", &own.to_string()),
        );
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: {own}\r\n{more}authorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
        );
        let mut client = super::client::Client::connect(own).await;
        client.say(head).await;
        assert_eq!(client.answer().await.status, status, "{target} {more}");
    }
    assert_eq!(upstream.bodies().len(), 0);
}
