//! The adapter of another team, held to the adapter suite against the simulator.

use std::sync::Arc;

use async_trait::async_trait;
use handshake_core::{
    admit::Admitted,
    capability::Claims,
    envelope::Prepared,
    error::{PrepareError, SendError},
    gate::Cleared,
    ids::{ModelId, ProviderId, Token},
    ports::{Adapter, AdapterError, AdapterFactory, Answer, LlmClient},
    provider::{InvalidProvider, ProviderRecord},
    reply::{ReplyDecoder, ReplySpec, ResponseHead},
    tier::Reach,
};
use handshake_simulator::{Fault, Model, Reply, Rule, Script, SimConfig, Simulator};
use handshake_testkit::{fixture, memory::Memory, suite::adapter};
use handshake_transport::{
    Limits, Transport,
    adapter::{Factory, Protocol as _},
    stream,
};

use super::plain::Plain;

fn transport() -> Transport {
    let memory = Arc::new(Memory::new(1));
    Transport::new(memory.clone(), memory, Limits::default()).expect("a transport")
}

fn factory() -> Factory<Plain> {
    Factory::new(transport())
}

async fn served(reply: Reply) -> (Simulator, Arc<ProviderRecord>) {
    let script = Script::new()
        .model(Model::new("tiny"))
        .rule(Rule::new(reply));
    let simulator = Simulator::start(SimConfig::with_script(script))
        .await
        .expect("a simulator");
    let record = fixture::record("kit", "plain", &simulator.openai_url(), Reach::Direct);
    (simulator, record)
}

#[tokio::test]
async fn a_plain_adapter_passes_the_kit() {
    let (simulator, record) = served(Reply::text("Hello there.")).await;
    let factory = factory();
    adapter::it_is_for_its_record(&factory, &record);
    adapter::a13_prepare_is_pure(&factory, &record, "tiny");
    adapter::a13_an_envelope_is_of_its_record(&factory, &record, "tiny");
    assert_eq!(
        simulator.connections(),
        0,
        "nothing so far needed a network"
    );
    adapter::b5_an_answer_has_one_end(&factory, &record, "tiny").await;
    adapter::b5_a_whole_answer_is_the_fold_of_its_stream(&factory, &record, "tiny").await;
    adapter::a4_a_listing_finds_the_model(&factory, &record, "tiny").await;
    let before = simulator.requests();
    adapter::s20_a_clearance_of_somebody_else_is_refused(&factory, &record, "tiny").await;
    assert_eq!(simulator.requests(), before);
    let head = ResponseHead {
        status: 200,
        content_type: Some("application/json".to_owned()),
        ..ResponseHead::default()
    };
    let body = r#"{"choices":[{"message":{"content":"Grüße \u00e9 😀"},"finish_reason":"stop"}]}"#;
    adapter::b5_any_chunking_decodes_the_same(&factory, &record, "tiny", &head, body.as_bytes());
    simulator.shutdown().await;
    adapter::a14_nobody_there_is_not_in_doubt(&factory, &record, "tiny").await;
}

#[tokio::test]
async fn a_cut_answer_is_no_answer() {
    let (_simulator, record) =
        served(Reply::text("Hello there.").fault(Fault::DropAfter { bytes: 20 })).await;
    adapter::b5_a_cut_answer_is_an_error(&factory(), &record, "tiny").await;
}

/// The kit finds an adapter that sends whatever it is given.
#[tokio::test]
#[should_panic(expected = "was sent")]
async fn an_adapter_that_sends_anything_does_not_pass() {
    struct Careless(Factory<Plain>, Transport);
    struct Client(Arc<dyn LlmClient>, Transport);
    #[async_trait]
    impl LlmClient for Client {
        fn provider(&self) -> &ProviderId {
            self.0.provider()
        }
        fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError> {
            self.0.prepare(admitted)
        }
        async fn send(&self, cleared: Cleared) -> Result<Answer, SendError> {
            let response = self.1.send(&cleared).await?;
            let decoder = Plain.decoder(&cleared.prepared().reply, &response.head);
            Ok(Answer::ok(stream(response, decoder, false)))
        }
    }
    impl AdapterFactory for Careless {
        fn kind(&self) -> &Token {
            self.0.kind()
        }
        fn validate(&self, record: &ProviderRecord) -> Result<(), InvalidProvider> {
            self.0.validate(record)
        }
        fn build(&self, record: Arc<ProviderRecord>) -> Result<Adapter, AdapterError> {
            let built = self.0.build(record)?;
            let client = Client(Arc::clone(&built.client), self.1.clone());
            Ok(Adapter {
                client: Arc::new(client),
                ..built
            })
        }
        fn profile(&self, record: &ProviderRecord, model: &ModelId) -> (Option<Token>, Claims) {
            self.0.profile(record, model)
        }
        fn decoder(&self, reply: &ReplySpec, head: &ResponseHead) -> Box<dyn ReplyDecoder> {
            self.0.decoder(reply, head)
        }
    }
    let (_simulator, record) = served(Reply::text("Hello there.")).await;
    let careless = Careless(factory(), transport());
    adapter::s20_a_clearance_of_somebody_else_is_refused(&careless, &record, "tiny").await;
}
