//! The factory and its adapters, over the real gate and a real socket.

use std::{sync::Arc, time::Duration};

use handshake_adapters_openai_compat::OpenAiCompatFactory;
use handshake_core::{
    base_url::BaseUrl,
    chat::{ChatEvent, FinishReason},
    code::ErrorCode,
    control::ControlCall,
    error::{CallError, SendError},
    ids::Token,
    ports::{Adapter, AdapterFactory},
    provider::ProviderRecord,
    tier::{Reach, Residence},
};
use handshake_testkit::{capture::Capture, fixture, gate::World, suite};
use handshake_transport::{Limits, Transport};

fn factory(world: &World) -> OpenAiCompatFactory {
    let memory = || Arc::new(world.memory.clone());
    OpenAiCompatFactory::new(
        Transport::new(memory(), memory(), Limits::default()).expect("a transport"),
    )
}

fn record(url: &str) -> Arc<ProviderRecord> {
    fixture::record(
        "server",
        "openai_compat",
        &format!("{url}/v1"),
        Reach::Direct,
    )
}

struct Setup {
    world: World,
    record: Arc<ProviderRecord>,
    adapter: Adapter,
    server: Capture,
}

async fn setup(response: &'static [u8]) -> Setup {
    let world = World::new(1);
    let server = Capture::start(response).await;
    let record = record(&server.url());
    world.register(&record).await;
    let adapter = factory(&world).build(Arc::clone(&record)).expect("built");
    Setup {
        world,
        record,
        adapter,
        server,
    }
}

impl Setup {
    /// Asks, and what comes of it.
    async fn chat(&self) -> Result<Vec<Result<ChatEvent, CallError>>, SendError> {
        let admitted = fixture::admitted(&self.record, "m", "Hello there");
        let prepared = self.adapter.client.prepare(&admitted).expect("prepared");
        let cleared = self
            .world
            .clear(self.world.egress(&self.record, prepared))
            .await;
        let answer = self.adapter.client.send(cleared).await?;
        Ok(suite::adapter::drained(answer.stream).await)
    }

    async fn control(
        &self,
        call: ControlCall,
    ) -> Result<handshake_core::control::ControlReport, SendError> {
        let envelope = self.adapter.control.prepare(&call).expect("prepared");
        let cleared = self.world.clear_control(&self.record, call, envelope).await;
        self.adapter.control.send(cleared).await
    }
}

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n\
data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n\
data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

#[tokio::test]
async fn a5_a_streamed_answer_over_the_real_gate() {
    let setup = setup(STREAM).await;
    let events = setup.chat().await.expect("a head");
    let [
        Ok(ChatEvent::Started),
        Ok(ChatEvent::TextDelta { text }),
        Ok(ChatEvent::Finished { finish_reason, .. }),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((text.as_str(), *finish_reason), ("Hi", FinishReason::Stop));
    let sent = String::from_utf8(setup.server.bytes()).expect("text");
    assert!(
        sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(sent.ends_with(
        r#"{"model":"m","messages":[{"role":"user","content":"Hello there"}],"stream":true,"stream_options":{"include_usage":true}}"#
    ));
}

#[tokio::test]
async fn b5_a_stream_that_breaks_off_ends_in_one_error() {
    let cut = &STREAM[..STREAM.len() - 90];
    let setup = setup(cut).await;
    let events = setup.chat().await.expect("a head");
    assert_eq!(events.iter().filter(|event| event.is_err()).count(), 1);
    let last = events
        .last()
        .expect("an end")
        .as_ref()
        .expect_err("an error");
    assert_eq!(last.code, ErrorCode::StreamTruncated);
}

#[tokio::test]
async fn a14_a_failure_at_the_head_is_not_in_doubt_and_keeps_its_wait() {
    let setup = setup(
        b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-type: application/json\r\ncontent-length: 47\r\n\r\n\
{\"error\":{\"code\":\"rate_limit_exceeded\",\"x\":\"CA\"}}",
    )
    .await;
    let error = setup.chat().await.expect_err("refused");
    assert_eq!(error.error.code, ErrorCode::RateLimit);
    assert_eq!(error.error.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(error.error.http_status, Some(429));
    assert!(!error.in_doubt);
}

#[tokio::test]
async fn q103_a_page_is_refused_at_the_head() {
    let setup =
        setup(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>login</html>").await;
    let error = setup.chat().await.expect_err("refused");
    assert_eq!(error.error.code, ErrorCode::UnexpectedContent);
    assert!(error.in_doubt);
}

#[tokio::test]
async fn q108_a_redirect_is_never_followed() {
    let setup = setup(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
    let error = setup.chat().await.expect_err("refused");
    assert_eq!(error.error.code, ErrorCode::Protocol);
    assert_eq!(setup.server.connections(), 1);
}

#[tokio::test]
async fn a4_models_are_listed_over_the_real_gate() {
    let setup = setup(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"data\":[{\"id\":\"m\",\"max_model_len\":64}]}",
    )
    .await;
    let report = setup
        .control(ControlCall::ListModels)
        .await
        .expect("listed");
    assert_eq!(report.models.len(), 1);
    assert_eq!(report.models[0].residence, Residence::Local);
    assert!(
        String::from_utf8_lossy(&setup.server.bytes()).starts_with("GET /v1/models HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_clearance_of_another_revision_is_refused_unsent() {
    let setup = setup(STREAM).await;
    let mut other = (*setup.record).clone();
    other.revision += 1;
    let client = factory(&setup.world)
        .build(Arc::new(other))
        .expect("built")
        .client;
    let admitted = fixture::admitted(&setup.record, "m", "x");
    let prepared = setup.adapter.client.prepare(&admitted).expect("prepared");
    let cleared = setup
        .world
        .clear(setup.world.egress(&setup.record, prepared))
        .await;
    let error = client.send(cleared).await.expect_err("refused");
    assert_eq!(
        (error.error.code, error.in_doubt),
        (ErrorCode::Revision, false)
    );
    setup.server.assert_untouched();
}

#[test]
fn a1_what_a_record_must_be() {
    let world = World::new(1);
    let factory = factory(&world);
    assert_eq!(factory.kind().as_str(), "openai_compat");
    let good = (*record("http://127.0.0.1:8080")).clone();
    assert_eq!(factory.validate(&good), Ok(()));
    let field = |change: &dyn Fn(&mut ProviderRecord)| {
        let mut record = good.clone();
        change(&mut record);
        factory.validate(&record).expect_err("refused").field
    };
    let token = |text: &str| Token::new(text).expect("token");
    assert_eq!(field(&|r| r.dialect = Some(token("klingon"))), "dialect");
    assert_eq!(
        field(&|r| r.provider_kind = token("ollama")),
        "provider_kind"
    );
    let whole = BaseUrl::parse("https://api.example.com/v1/chat/completions").expect("url");
    assert_eq!(field(&|r| r.base_url = whole.clone()), "base_url", "q160");
    let mut named = good.clone();
    named.dialect = Some(token("llamacpp"));
    assert!(factory.build(Arc::new(named)).is_ok());
}
