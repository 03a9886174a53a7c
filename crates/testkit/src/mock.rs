//! `mockall` mocks of the ports that matter for asserting that nothing was called.

#![allow(
    missing_docs,
    reason = "mockall generates the items; each mirrors its port"
)]

use async_trait::async_trait;
use handshake_core::{
    admit::Admitted,
    base_url::Host,
    consent::ReceiptEvidence,
    envelope::{EnvelopeView, Prepared},
    error::{PrepareError, SendError},
    finding::{Findings, ValidatorError, WorkBudget},
    gate::Cleared,
    ids::{ProviderId, ReceiptId, UseId},
    ports::{
        Answer, Committed, ConsentStore, EgressLedger, Epochs, Intent, LeakageValidator,
        LedgerError, LlmClient, PeerResolver, ReceiptQuery, ResolveError, StoreError, ToolExecutor,
    },
    time::UtcTime,
    tool::{ToolEntry, ToolRequest, ToolResponse},
};
use mockall::mock;

mock! {
    pub Client {}
    #[async_trait]
    impl LlmClient for Client {
        fn provider(&self) -> &ProviderId;
        fn prepare(&self, admitted: &Admitted) -> Result<Prepared, PrepareError>;
        async fn send(&self, cleared: Cleared) -> Result<Answer, SendError>;
    }
}

mock! {
    pub Resolver {}
    #[async_trait]
    impl PeerResolver for Resolver {
        async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<std::net::SocketAddr>, ResolveError>;
    }
}

mock! {
    pub Consent {}
    #[async_trait]
    impl ConsentStore for Consent {
        async fn find(&self, query: &ReceiptQuery) -> Result<Vec<ReceiptEvidence>, StoreError>;
        async fn revoked_since(&self, since: UtcTime) -> Result<Vec<ReceiptId>, StoreError>;
    }
}

mock! {
    pub Ledger {}
    #[async_trait]
    impl EgressLedger for Ledger {
        async fn epochs(&self, provider: &ProviderId) -> Result<Epochs, StoreError>;
        async fn commit(&self, intent: Intent) -> Result<Committed, LedgerError>;
        async fn uses_of_job(&self, job: &str) -> Result<u32, StoreError>;
        async fn close(&self, use_id: UseId) -> Result<(), StoreError>;
    }
}

mock! {
    pub Validator {}
    impl LeakageValidator for Validator {
        fn epoch(&self) -> (handshake_core::digest::Digest, u64);
        fn inspect<'a>(
            &self,
            view: &EnvelopeView<'a>,
            budget: &mut WorkBudget,
        ) -> Result<Findings, ValidatorError>;
    }
}

mock! {
    pub Tools {}
    #[async_trait]
    impl ToolExecutor for Tools {
        async fn execute(&self, entry: &ToolEntry, request: ToolRequest) -> ToolResponse;
    }
}
