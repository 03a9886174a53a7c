//! The program and the reference, side by side.

use std::{sync::Arc, time::Duration};

use handshake_core::{
    chat::TurnEvent,
    code::ErrorCode,
    event::Body,
    ids::{ModelId, ProviderId, ReceiptId, RequestId, SessionId},
    ports::{Clock, ProviderStore},
    provider::ProviderRecord,
};
use handshake_llm::{
    CallHandle, Handshake, LeaseLimits,
    parts::runtime::{CallOptions, ConsentMode},
};
use handshake_simulator::Simulator;

use super::{
    home::{Disk, StillClock},
    model::{Model, Receipt},
    step::{Edit, Part, Step},
};
use crate::it::world::{MODEL, PASSPHRASE, enable, enrol, secret, simulator};

const PROCESSES: usize = 3;
/// Each step takes a moment: what happened before another thing did so by the clock too.
const MOMENT: i64 = 1000;
const TEXTS: [&str; 3] = ["6 x 7?", "what is the answer", "and the question"];

/// What happened in all, so that a run that allowed nothing is seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) sent: u64,
    pub(super) refused: u64,
    pub(super) given: u64,
    pub(super) put_back: u64,
}

impl Counts {
    pub(super) fn add(&mut self, more: Self) {
        self.steps += more.steps;
        self.sent += more.sent;
        self.refused += more.refused;
        self.given += more.given;
        self.put_back += more.put_back;
    }
}

/// A call that waits for a person.
struct Waiting {
    process: u64,
    call: CallHandle,
    request: RequestId,
    session: u8,
    text: u8,
    decided: bool,
    /// Of the provider, when it began.
    revision: u64,
}

/// What was so when the home was copied.
struct Copied {
    head: (u64, String),
    edition: u64,
    /// Something was used or taken back since.
    dirty: bool,
    paused: bool,
    paused_at: Option<i64>,
    forged: bool,
    sure: bool,
    record: ProviderRecord,
}

/// What came of polling a call.
#[derive(Debug)]
enum Came {
    Waits(RequestId),
    Answered,
    Held,
    Refused(#[expect(dead_code, reason = "printed where it should not have been")] ErrorCode),
}

pub(super) struct Field {
    disk: Disk,
    clock: Arc<StillClock>,
    cloud: Simulator,
    /// Where nobody allowed anything.
    elsewhere: Simulator,
    processes: Vec<(u64, Handshake)>,
    opened: u64,
    waiting: Vec<Waiting>,
    pub(super) model: Model,
    /// The provider as the person wrote it.
    record: ProviderRecord,
    copied: Option<Copied>,
    /// Requests that the cloud got, and the events that were looked at.
    received: usize,
    seen: u64,
    pub(super) counts: Counts,
}

impl Field {
    pub(super) async fn new() -> Self {
        let (disk, clock) = (Disk::new(), Arc::new(StillClock::default()));
        let handshake = disk.make(&clock).await;
        let (cloud, elsewhere) = (simulator().await, simulator().await);
        enrol(&handshake, &cloud, Some(PASSPHRASE)).await;
        let id = ProviderId::new("cloud").expect("valid");
        let records = ProviderStore::list(&handshake.parts().store).await;
        let records = records.expect("reads");
        let record = records.into_iter().find(|it| it.provider_id == id);
        let mut model = Model::new();
        model.now = clock.now().unix_millis();
        Self {
            disk,
            clock,
            cloud,
            elsewhere,
            processes: vec![(0, handshake)],
            opened: 0,
            waiting: Vec::new(),
            model,
            record: record.expect("enrolled"),
            copied: None,
            received: 0,
            seen: 0,
            counts: Counts::default(),
        }
    }

    fn at(&self, by: usize) -> &(u64, Handshake) {
        &self.processes[by % self.processes.len()]
    }

    fn handshake(&self, by: usize) -> Handshake {
        self.at(by).1.clone()
    }

    pub(super) async fn step(&mut self, step: &Step) {
        self.counts.steps += 1;
        self.passes(MOMENT);
        match *step {
            Step::Ask { by, session, text } => self.ask(by, session, text).await,
            Step::Approve { by, which, uses } => self.approve(by, which, uses).await,
            Step::Give {
                by,
                session,
                text,
                uses,
            } => {
                let before = self.waiting.len();
                self.ask(by, session, text).await;
                if self.waiting.len() > before {
                    self.approve(by, self.undecided().len().wrapping_sub(1), uses)
                        .await;
                    self.goes_on(self.decided().len().wrapping_sub(1)).await;
                }
            }
            Step::Deny { by, which } => self.deny(by, which).await,
            Step::GoOn { which } => self.goes_on(which).await,
            Step::Leave { which } => {
                if !self.waiting.is_empty() {
                    let at = which % self.waiting.len();
                    let gone = self.waiting.remove(at);
                    self.left(vec![gone]);
                }
            }
            Step::Send { by, session, text } => self.send(by, session, text, 1).await,
            Step::Burst {
                session,
                text,
                calls,
            } => self.send(0, session, text, calls).await,
            Step::Revoke { by, which } => self.revoke(by, which).await,
            Step::Pause { by } => {
                self.handshake(by).pause().await.expect("paused");
                self.model.pauses();
                self.dirty();
            }
            Step::Stop { by } => {
                self.handshake(by).stop().await.expect("stopped");
                self.model.pauses();
                self.model.ends_all();
                self.dirty();
            }
            Step::Resume { by, with_factor } => self.resume(by, with_factor).await,
            Step::Pass { seconds } => self.passes(i64::try_from(seconds).expect("short") * 1000),
            Step::SetClock { seconds } => {
                self.clock.sets(seconds);
                self.model.sets(seconds);
                for (_, handshake) in &self.processes {
                    let _looks = handshake.parts().clock.run();
                }
            }
            Step::Open => {
                if self.processes.len() < PROCESSES {
                    self.open().await;
                }
            }
            Step::Close { which } => {
                if self.processes.len() > 1 {
                    let at = which % self.processes.len();
                    self.ends(at).await;
                }
            }
            Step::Crash => self.crash().await,
            Step::Copy => self.copy().await,
            Step::PutBack { what, in_order } => self.put_back(what, in_order).await,
            Step::Acknowledge => self.acknowledge().await,
            Step::Edit { by } => self.edit(by).await,
            Step::Sql(edit) => self.sql(edit),
            Step::Reopen => {
                let store = &self.at(0).1.parts().store;
                let _whom = store.reopen_all().await.expect("written");
            }
        }
        assert_eq!(self.elsewhere.connections(), 0, "nobody allowed this place");
        assert_eq!(self.fresh().len(), 0, "nothing leaves on its own");
    }

    fn passes(&mut self, milliseconds: i64) {
        self.clock.passes(milliseconds);
        self.model.passes(milliseconds);
    }

    fn dirty(&mut self) {
        if let Some(copied) = &mut self.copied {
            copied.dirty = true;
        }
    }

    /// The texts of the calls that the cloud got since somebody looked.
    fn fresh(&mut self) -> Vec<u8> {
        let all = self.cloud.received();
        let calls = all
            .iter()
            .filter(|it| it.path.ends_with("/chat/completions"));
        let texts: Vec<u8> = calls
            .skip(self.received)
            .map(|it| {
                let body = String::from_utf8_lossy(&it.body);
                let text = TEXTS.iter().position(|text| body.contains(text));
                u8::try_from(text.expect("one of ours")).expect("few")
            })
            .collect();
        self.received += texts.len();
        texts
    }

    /// The receipts that the log names for attempts since somebody looked.
    async fn attempts(&mut self) -> Vec<Option<ReceiptId>> {
        let tail = self.at(0).1.parts().store.log_tail(200).await;
        let tail = tail.expect("reads");
        let news = tail.iter().filter(|it| it.seq >= self.seen);
        let attempts = news.filter_map(|it| match it.event.body {
            Body::CallAttempt {
                consent_receipt_id, ..
            } => Some(consent_receipt_id),
            _ => None,
        });
        let attempts = attempts.collect();
        self.seen = tail.last().map_or(self.seen, |it| it.seq + 1);
        attempts
    }

    fn call(&self, by: usize, session: u8, text: u8, consent: ConsentMode) -> CallHandle {
        let handshake = &self.at(by).1;
        let request = handshake.ask(MODEL, TEXTS[usize::from(text)]);
        let mut request = request.expect("a request");
        request.session_id = SessionId::new(format!("s{session}")).expect("valid");
        let options = CallOptions {
            consent,
            ..CallOptions::default()
        };
        handshake.runtime().chat(request, options)
    }

    /// Compares what left with what might, and with what the log says.
    async fn compare(&mut self, session: u8, text: u8, came: &[Came]) {
        let (calls, allowed) = (came.len(), self.model.allowed(session, text));
        let surely = self.model.leaves_for_sure(session, text);
        let sent = self.fresh();
        assert!(
            sent.iter().all(|it| *it == text),
            "the call itself, and no other one"
        );
        assert!(sent.len() <= calls, "each once");
        assert!(
            sent.len() <= allowed as usize,
            "{} left where {allowed} were allowed: {:?}",
            sent.len(),
            self.model
        );
        let attempts = self.attempts().await;
        assert_eq!(attempts.len(), sent.len(), "the log knows of each");
        for receipt in attempts {
            let receipt = receipt.expect("the log names what it left under");
            self.model.spends(receipt, session, text);
        }
        assert!(
            !surely || !sent.is_empty(),
            "what was allowed did not leave: {came:?}, {:?}",
            self.model
        );
        self.counts.sent += sent.len() as u64;
        self.counts.refused += (calls - sent.len()) as u64;
        if !sent.is_empty() {
            self.dirty();
        }
    }

    async fn ask(&mut self, by: usize, session: u8, text: u8) {
        let wait = ConsentMode::Wait(Duration::from_secs(600));
        let mut call = self.call(by, session, text, wait);
        let came = poll(&mut call).await;
        if let Came::Waits(request) = came {
            self.waiting.push(Waiting {
                process: self.at(by).0,
                call,
                request,
                session,
                text,
                decided: false,
                revision: self.record.revision,
            });
        }
        self.compare(session, text, &[came]).await;
    }

    /// Calls that wait for nobody, at once, each in the next process.
    async fn send(&mut self, by: usize, session: u8, text: u8, calls: usize) {
        let calls: Vec<_> = (by..by + calls)
            .map(|by| self.call(by, session, text, ConsentMode::AnswerAtOnce))
            .map(|mut call| tokio::spawn(async move { poll(&mut call).await }))
            .collect();
        let mut came = Vec::with_capacity(calls.len());
        for call in calls {
            came.push(call.await.expect("ran"));
        }
        self.compare(session, text, &came).await;
    }

    fn decided(&self) -> Vec<usize> {
        let all = 0..self.waiting.len();
        all.filter(|at| self.waiting[*at].decided).collect()
    }

    fn undecided(&self) -> Vec<usize> {
        let all = 0..self.waiting.len();
        all.filter(|at| !self.waiting[*at].decided).collect()
    }

    async fn goes_on(&mut self, which: usize) {
        let decided = self.decided();
        if decided.is_empty() {
            return;
        }
        let at = decided[which % decided.len()];
        let mut waiting = self.waiting.remove(at);
        // It goes by the record that it began with, which a person wrote.
        let forged = std::mem::take(&mut self.model.forged);
        let sure = self.model.sure;
        self.model.sure &= waiting.revision == self.record.revision;
        let came = poll(&mut waiting.call).await;
        let (session, text) = (waiting.session, waiting.text);
        self.compare(session, text, &[came]).await;
        (self.model.forged, self.model.sure) = (forged, sure);
        self.left(vec![waiting]);
    }

    /// Callers are gone.
    fn left(&mut self, gone: Vec<Waiting>) {
        let now = self.model.now;
        for gone in gone {
            let request = gone.request;
            drop(gone);
            if self.waiting.iter().any(|it| it.request == request) {
                continue;
            }
            let of = self
                .model
                .receipts
                .iter_mut()
                .filter(|it| it.asked == request);
            of.for_each(|receipt| receipt.left_at = receipt.left_at.or(Some(now)));
        }
    }

    async fn approve(&mut self, by: usize, which: usize, uses: Option<u32>) {
        let undecided = self.undecided();
        if undecided.is_empty() {
            return;
        }
        let at = undecided[which % undecided.len()];
        let (request, text) = (self.waiting[at].request, self.waiting[at].text);
        let Ok(preview) = self.handshake(by).approver().open(request).await else {
            return;
        };
        let factor = secret(PASSPHRASE);
        let signed = match uses {
            None => preview.approve_once(&factor).await,
            Some(max_uses) => {
                let limits = LeaseLimits {
                    max_uses,
                    ..LeaseLimits::default()
                };
                preview.approve_lease(&factor, limits).await
            }
        };
        let Ok(receipt) = signed else { return };
        self.counts.given += 1;
        let of = self.waiting.iter_mut().filter(|it| it.request == request);
        of.for_each(|it| it.decided = true);
        let session = receipt.ext.session_ids.first().expect("one").as_str();
        self.model.receipts.push(Receipt {
            id: receipt.consent_receipt_id,
            asked: request,
            session: session.trim_start_matches('s').parse().expect("ours"),
            once: uses.is_none().then_some(text),
            uses_left: uses.unwrap_or(1),
            given_at: receipt.approved_at.unix_millis(),
            used_at: receipt.approved_at.unix_millis(),
            left_at: None,
            over: false,
            sure: true,
        });
    }

    async fn deny(&mut self, by: usize, which: usize) {
        if self.waiting.is_empty() {
            return;
        }
        let request = self.waiting[which % self.waiting.len()].request;
        let approver = self.handshake(by).approver();
        let Ok(preview) = approver.open(request).await else {
            return;
        };
        if preview.deny().await.is_ok() {
            let of = self.waiting.iter_mut().filter(|it| it.request == request);
            of.for_each(|it| it.decided = true);
        }
    }

    async fn revoke(&mut self, by: usize, which: usize) {
        if self.model.receipts.is_empty() {
            return;
        }
        let at = which % self.model.receipts.len();
        let id = self.model.receipts[at].id;
        let revoked = self.handshake(by).approver().revoke(id).await;
        if revoked.is_ok() {
            self.model.receipts[at].over = true;
            self.dirty();
        }
    }

    async fn resume(&mut self, by: usize, with_factor: bool) {
        let word = if with_factor {
            PASSPHRASE
        } else {
            "not the passphrase"
        };
        let resumed = self.handshake(by).resume(Some(&secret(word))).await;
        assert!(with_factor || resumed.is_err(), "only a person resumes");
        // Too many wrong words, and nobody is believed for a while.
        if resumed.is_ok() {
            self.model.paused = false;
            self.model.pause_edited = false;
        }
    }

    async fn edit(&mut self, by: usize) {
        let handshake = self.handshake(by);
        let mut draft = self.record.draft();
        draft.default_model = match draft.default_model {
            Some(_) => None,
            None => Some(ModelId::new("sim-large:latest").expect("valid")),
        };
        let next = self.record.changed(draft, self.clock.now()).expect("valid");
        let parts = handshake.parts();
        let Ok(approval) = parts.vault.approve(Some(&secret(PASSPHRASE))) else {
            return;
        };
        let revision = self.record.revision;
        let put = parts.replace_provider(next.clone(), revision, Some(&approval));
        if put.await.is_ok() {
            self.model.ends_all();
            self.model.forged = false;
            self.record = next.clone();
            self.dirty();
            enable(&handshake, next).await;
        }
    }

    fn sql(&mut self, edit: Edit) {
        let address = |it: &Simulator| it.addr().to_string();
        let (here, elsewhere) = (address(&self.cloud), address(&self.elsewhere));
        self.disk.edits(edit, &elsewhere, &here);
        self.model.doubts();
        match edit {
            Edit::Unpause => self.model.pause_edited = true,
            Edit::Wait => self.model.waits = true,
            Edit::Redirect | Edit::Local => self.model.forged = true,
            _ => {}
        }
    }
}

/// Polls a call until it waits for a person or is over. One that is held by a pause is not waited for.
async fn poll(call: &mut CallHandle) -> Came {
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), call.next()).await;
        match next.expect("it does not hang") {
            Some(Ok(TurnEvent::AwaitingConsent { request_id, .. })) => {
                return Came::Waits(request_id);
            }
            Some(Ok(TurnEvent::Paused { .. })) => return Came::Held,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Came::Refused(error.code),
            None => return Came::Answered,
        }
    }
}

/// Processes that begin and end, and files that come back.
impl Field {
    async fn open(&mut self) {
        self.opened += 1;
        let handshake = self.disk.open(&self.clock).await;
        self.processes.push((self.opened, handshake));
    }

    /// One process ends, with its calls.
    async fn ends(&mut self, at: usize) {
        let (id, handshake) = self.processes.remove(at);
        let (gone, stay) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|it| it.process == id);
        self.waiting = stay;
        self.left(gone);
        handshake.finish().await.expect("written");
    }

    async fn all_end(&mut self) {
        while !self.processes.is_empty() {
            self.ends(0).await;
        }
        self.disk.is_closed().await;
    }

    /// The power goes. What was said is on the disk; what nobody said may be.
    async fn crash(&mut self) {
        for (_, handshake) in &self.processes {
            handshake.finish().await.expect("written");
        }
        self.disk.keeps(true);
        self.all_end().await;
        self.disk.is_as_kept(true);
        self.open().await;
    }

    async fn head(&self) -> (u64, String) {
        let head = self.at(0).1.parts().store.log_head().await.expect("reads");
        (head.size, format!("{:?}", head.hash))
    }

    fn edition(&self) -> u64 {
        let edition = self.at(0).1.parts().vault.edition();
        edition.expect("reads").0
    }

    async fn copy(&mut self) {
        while self.processes.len() > 1 {
            self.ends(1).await;
        }
        let gone = std::mem::take(&mut self.waiting);
        self.left(gone);
        self.at(0).1.finish().await.expect("written");
        let (head, edition) = (self.head().await, self.edition());
        self.all_end().await;
        self.disk.copies_home();
        self.copied = Some(Copied {
            head,
            edition,
            dirty: false,
            paused: self.model.paused,
            paused_at: self.model.paused_at,
            forged: self.model.forged,
            sure: self.model.sure,
            record: self.record.clone(),
        });
        self.open().await;
    }

    async fn put_back(&mut self, what: Part, in_order: bool) {
        let Some(copied) = self.copied.take() else {
            return;
        };
        self.counts.put_back += 1;
        let gone = std::mem::take(&mut self.waiting);
        self.left(gone);
        if in_order {
            for (_, handshake) in &self.processes {
                handshake.finish().await.expect("written");
            }
        }
        let log = self.head().await != copied.head;
        let vault = self.edition() != copied.edition;
        // Killed before it could note anything but what it must.
        self.disk.keeps(false);
        self.all_end().await;
        if !in_order {
            self.disk.is_as_kept(false);
        }
        self.disk.puts_back(what);
        let behind = match what {
            Part::Vault => vault && in_order,
            _ if in_order => log || (vault && what == Part::Home),
            _ => copied.dirty,
        };
        if what != Part::Vault {
            self.model.forged = copied.forged;
            self.record = copied.record.clone();
            self.model.paused = copied.paused && what == Part::Home;
            self.model.paused_at = copied.paused_at;
        }
        // Two parts that do not belong together, or a home that may be behind: more may be refused than must be.
        self.model.sure = behind && what == Part::Home && copied.sure;
        if behind {
            self.model.ends_all();
            self.model.behind = true;
        }
        self.open().await;
        self.seen = self.head().await.0;
        self.copied = Some(copied);
    }

    async fn acknowledge(&mut self) {
        while self.processes.len() > 1 {
            self.ends(1).await;
        }
        let parts = self.handshake(0);
        parts.parts().acknowledge_behind().await.expect("written");
        self.model.behind = false;
    }
}
