//! The ports: what the runtime needs from the world. Narrow, dyn-safe, named in core types only. The doc
//! of each is its contract; testkit holds a conformance suite for each.

mod adapter;
mod anchor;
mod approval;
mod artifact;
mod clock;
mod compiler;
mod consent;
mod feed;
mod findings;
mod home;
mod leakage;
mod ledger;
mod peers;
mod policy;
mod profile;
mod provider;
mod recorder;
mod sealer;
mod seals;
mod secret;
mod session;
mod signer;
mod sink;
mod tool;

pub use self::{
    adapter::{
        Adapter, AdapterError, AdapterFactory, Answer, AnswerHead, Batch, ChatStream, LlmClient,
        ProviderControl,
    },
    anchor::LogAnchor,
    approval::{
        ApprovalQueue, Decided, PendingContent, PendingRecord, QueueError, SignedDecision,
        Submission, Submitted,
    },
    artifact::ArtifactStore,
    clock::{Clock, Entropy, EntropyExt},
    compiler::{CompileError, CompileRequest, CompiledContext, ContextCompiler},
    consent::{ConsentStore, ContactGrants, ReceiptQuery},
    feed::RegistryFeed,
    findings::{BlockedFinding, FindingStore, StoredDeclassified},
    home::Home,
    leakage::LeakageValidator,
    ledger::{Committed, EgressLedger, Epochs, Intent, JobBound, LedgerError, Spend, SpendReach},
    peers::{PeerResolver, ResolveError},
    policy::EgressPolicy,
    profile::ProfileStore,
    provider::{ProviderStore, StoreError},
    recorder::{Backlog, FlightRecorder, FlightRecorderExt, RecordError},
    sealer::{SealError, Sealer},
    seals::{SealRegister, SealStore},
    secret::{SecretError, SecretStore, SecretUse},
    session::{SessionError, SessionLease, SessionStore, StoredSession},
    signer::{SignError, Signer},
    sink::SinkFilter,
    tool::{ToolExecutor, ToolGate, ToolInvocation, ToolRefusal, ToolVerdict},
};
