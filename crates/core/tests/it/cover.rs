//! Whether a receipt covers a call, at each limit and one beside it, with no ledger behind to catch what slips through.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use handshake_core::{
    consent::{
        AskReason, Asked, Block, ConsentReceipt, Coverage, DemoBinding, LeaseTerms, Outline,
        ReceiptEvidence, ReceiptProblem, Wanted, judge,
    },
    digest::Digest,
    ids::{ReceiptId, UseId},
    ports::{ConsentStore, ReceiptQuery, Signer, StoreError},
    time::UtcTime,
};
use handshake_testkit::{gate::World, memory::Memory};

use super::gate_world::{awaiting, call, cleared, relay};

/// A call, the receipts that a person might sign for it, and what it is made of.
struct Case {
    world: World,
    outline: Outline,
    asked: Asked,
    single: ConsentReceipt,
    lease: ConsentReceipt,
}

impl Case {
    async fn new() -> Self {
        let world = World::new(1);
        let request = call(&world, &relay(), "hello").await;
        let awaiting = awaiting(world.gate.clear(request.clone()).await);
        let body = &request.prepared.envelope().body;
        let outline = Outline::of(body, world.gate.commitments()).expect("an outline");
        let (single, lease) = (world.receipt(&awaiting), world.lease(&awaiting));
        Self {
            world,
            outline,
            asked: Asked::default(),
            single,
            lease,
        }
    }

    fn terms(&self) -> &LeaseTerms {
        self.lease.ext.lease.as_ref().expect("a lease")
    }

    /// The lease with other terms.
    fn leased(&self, edit: impl FnOnce(&mut LeaseTerms)) -> ConsentReceipt {
        let mut lease = self.lease.clone();
        edit(lease.ext.lease.as_mut().expect("a lease"));
        lease
    }

    fn judge(
        &self,
        receipt: &ConsentReceipt,
        evidence: impl FnOnce(&mut ReceiptEvidence),
        wanted: impl FnOnce(&mut Wanted<'_>),
    ) -> Result<Coverage, ReceiptProblem> {
        let mut known = ReceiptEvidence {
            signed: self.world.sign(receipt),
            uses: 0,
            bytes: 0,
            new_bytes: 0,
            known_blocks: [].into(),
            last_used: None,
            revoked: false,
            open_use: None,
        };
        evidence(&mut known);
        let session_id = receipt.ext.session_ids.first().expect("one");
        let mut call = Wanted {
            principal: &receipt.ext.principal,
            session_id,
            destination: &receipt.ext.destination,
            envelope_sha256: receipt.ext.envelope_sha256,
            body_bytes: receipt.ext.max_bytes,
            outline: Some(&self.outline),
            asked: &self.asked,
            uninspectable: false,
            second_hand: false,
            use_id: UseId::from_entropy([1; 16]),
            attempt: 1,
            peers: &[OWN],
            now: receipt.approved_at,
            run: receipt.ext.run,
            min_assurance: receipt.ext.assurance,
            paused_at: None,
        };
        wanted(&mut call);
        judge(&known, &call, &self.world.signer.public_key())
    }

    #[track_caller]
    fn covers(
        &self,
        receipt: &ConsentReceipt,
        evidence: impl FnOnce(&mut ReceiptEvidence),
        wanted: impl FnOnce(&mut Wanted<'_>),
    ) -> Coverage {
        self.judge(receipt, evidence, wanted).expect("it covers")
    }

    #[track_caller]
    fn asks(
        &self,
        receipt: &ConsentReceipt,
        why: AskReason,
        evidence: impl FnOnce(&mut ReceiptEvidence),
        wanted: impl FnOnce(&mut Wanted<'_>),
    ) {
        let asked = self.judge(receipt, evidence, wanted);
        assert_eq!(asked, Err(ReceiptProblem::Ask([why].into())));
    }
}

/// Nothing is known of it but that it was given.
fn nothing(_: &mut ReceiptEvidence) {}

/// The call that was asked about.
fn plain(_: &mut Wanted<'_>) {}

fn after(receipt: &ConsentReceipt, by: Duration) -> UtcTime {
    receipt.approved_at.plus(by)
}

const OWN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4001));
const OTHER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4002));
const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a8_a_use_goes_on_with_the_next_attempt_and_no_other_begins_with_one() {
    let case = Case::new().await;
    let (id, other) = (UseId::from_entropy([1; 16]), UseId::from_entropy([2; 16]));
    for receipt in [&case.single, &case.lease] {
        let envelope = receipt.ext.envelope_sha256;
        let open = |id, envelope, attempts| {
            move |known: &mut ReceiptEvidence| {
                (known.uses, known.open_use) = (1, Some((id, envelope, attempts)));
            }
        };
        let at = |attempt| move |wanted: &mut Wanted<'_>| wanted.attempt = attempt;
        let mismatch = Err(ReceiptProblem::Mismatch);
        assert!(!case.covers(receipt, nothing, at(1)).continues);
        assert_eq!(
            case.judge(receipt, nothing, at(2)),
            mismatch,
            "no use is open"
        );
        assert_eq!(
            case.judge(receipt, open(other, envelope, 1), at(2)),
            mismatch
        );
        assert!(case.covers(receipt, open(id, envelope, 1), at(2)).continues);
        assert!(case.covers(receipt, open(id, envelope, 2), at(3)).continues);
        for (attempts, attempt) in [(1, 1), (1, 3), (2, 2), (3, 4)] {
            let judged = case.judge(receipt, open(id, envelope, attempts), at(attempt));
            assert_eq!(judged, mismatch, "{attempts} were made, this is {attempt}");
        }
        let changed = open(id, Digest::of(&[b"another"]), 1);
        assert_eq!(
            case.judge(receipt, changed, at(2)),
            mismatch,
            "another envelope"
        );
    }
}

#[tokio::test]
async fn a8_the_last_moment_and_the_first_count_and_those_beside_them_do_not() {
    let case = Case::new().await;
    let mismatch = Err(ReceiptProblem::Mismatch);
    let single = &case.single;
    let at = |time| move |wanted: &mut Wanted<'_>| wanted.now = time;
    let life = single.ext.expires_at.since(single.approved_at);
    case.covers(single, nothing, at(after(single, life - MOMENT)));
    assert_eq!(
        case.judge(single, nothing, at(after(single, life))),
        mismatch
    );
    let before = UtcTime::from_unix_millis(single.ext.not_before.unix_millis() - 1);
    assert_eq!(case.judge(single, nothing, at(before)), mismatch);

    let lease = &case.lease;
    let idle = Duration::from_secs(case.terms().idle_seconds);
    case.covers(lease, nothing, at(after(lease, idle)));
    case.asks(
        lease,
        AskReason::Expired,
        nothing,
        at(after(lease, idle + MOMENT)),
    );
    // Used meanwhile, it counts from then; used before it was given, from when it was given.
    let used = |time| move |known: &mut ReceiptEvidence| known.last_used = Some(time);
    let later = after(lease, idle);
    case.covers(lease, used(later), at(later.plus(idle)));
    case.asks(
        lease,
        AskReason::Expired,
        used(later),
        at(later.plus(idle + MOMENT)),
    );
    case.asks(
        lease,
        AskReason::Expired,
        used(later),
        at(after(lease, idle - MOMENT)),
    );
    let never = used(UtcTime::from_unix_millis(0));
    case.covers(lease, never, at(after(lease, idle)));
    // Eight hours, whatever it says.
    let mut long = lease.clone();
    long.ext.expires_at = after(lease, Duration::from_secs(1_000_000));
    let end = after(lease, Duration::from_secs(LeaseTerms::MAX_LIFE_SECONDS));
    let last = UtcTime::from_unix_millis(end.unix_millis() - 1);
    case.covers(&long, used(last), at(last));
    case.asks(&long, AskReason::Expired, used(end), at(end));
    // A pause of the same moment is one since.
    let paused = |time| move |wanted: &mut Wanted<'_>| wanted.paused_at = Some(time);
    case.asks(
        lease,
        AskReason::AfterPause,
        nothing,
        paused(lease.approved_at),
    );
    let earlier = UtcTime::from_unix_millis(lease.approved_at.unix_millis() - 1);
    case.covers(lease, nothing, paused(earlier));
}

#[tokio::test]
async fn s25_a_lease_is_used_up_to_its_limits_and_not_beyond() {
    let case = Case::new().await;
    let size: u64 = case.outline.blocks.iter().map(|block| block.bytes).sum();
    assert!(size > 0);
    let exact = case.leased(|terms| terms.max_new_bytes_per_call = size);
    let covered = case.covers(&exact, nothing, plain);
    assert_eq!(covered.new_blocks, case.outline.blocks);
    let less = case.leased(|terms| terms.max_new_bytes_per_call = size - 1);
    case.asks(&less, AskReason::Limit, nothing, plain);

    let sent = |bytes| move |known: &mut ReceiptEvidence| known.new_bytes = bytes;
    let most = case.terms().max_new_bytes_total;
    case.covers(&case.lease, sent(most - size), plain);
    case.asks(&case.lease, AskReason::Limit, sent(most - size + 1), plain);
    case.asks(&case.lease, AskReason::Limit, sent(u64::MAX), plain);

    let used = |uses| move |known: &mut ReceiptEvidence| known.uses = uses;
    let three = case.leased(|terms| terms.max_uses = 3);
    assert_eq!(case.covers(&three, used(2), plain).reach.uses, 3);
    case.asks(&three, AskReason::Limit, used(3), plain);

    // A use that goes on was counted when it began.
    let goes_on = |known: &mut ReceiptEvidence| {
        let open = (
            UseId::from_entropy([1; 16]),
            case.lease.ext.envelope_sha256,
            1,
        );
        (known.uses, known.new_bytes, known.open_use) = (3, most, Some(open));
    };
    case.covers(&three, goes_on, |wanted| wanted.attempt = 2);

    // What was sent before is not new, and not counted.
    let known: Vec<Block> = case.outline.blocks.clone();
    let seen = |evidence: &mut ReceiptEvidence| {
        evidence.known_blocks = known.iter().map(|block| block.commitment).collect();
        evidence.new_bytes = most;
    };
    assert_eq!(case.covers(&case.lease, seen, plain).new_blocks, []);
}

#[tokio::test]
async fn a8_a_yes_to_one_call_is_spent_by_its_first_use_and_is_for_its_very_size() {
    let case = Case::new().await;
    let mismatch = Err(ReceiptProblem::Mismatch);
    let used = |known: &mut ReceiptEvidence| known.uses = 1;
    assert_eq!(case.judge(&case.single, used, plain), mismatch);
    for bytes in [case.single.ext.max_bytes - 1, case.single.ext.max_bytes + 1] {
        let sized = case.judge(&case.single, nothing, |wanted| wanted.body_bytes = bytes);
        assert_eq!(sized, mismatch);
    }
    let covered = case.covers(&case.single, nothing, plain);
    assert_eq!((covered.reach.uses, covered.reach.new_bytes), (1, None));
    assert!(!covered.demo);
}

#[tokio::test]
async fn s06_a_demo_receipt_needs_every_peer_to_be_the_demos_own_and_says_what_it_is() {
    let case = Case::new().await;
    let mut demo = case.single.clone();
    demo.ext.demo = Some(DemoBinding { listener: OWN });
    assert!(case.covers(&demo, nothing, plain).demo);
    const ELSEWHERE: [&[SocketAddr]; 4] = [&[], &[OTHER], &[OWN, OTHER], &[OTHER, OWN]];
    for peers in ELSEWHERE {
        let judged = case.judge(&demo, nothing, |wanted| wanted.peers = peers);
        assert_eq!(judged, Err(ReceiptProblem::Mismatch), "{peers:?}");
    }
}

/// The store's evidence in the other order.
struct Backwards(Memory);

#[async_trait]
impl ConsentStore for Backwards {
    async fn find(&self, query: &ReceiptQuery) -> Result<Vec<ReceiptEvidence>, StoreError> {
        let mut found = self.0.find(query).await?;
        found.reverse();
        Ok(found)
    }

    async fn revoked_since(&self, since: UtcTime) -> Result<Vec<ReceiptId>, StoreError> {
        self.0.revoked_since(since).await
    }
}

#[tokio::test]
async fn a8_which_of_two_receipts_is_spent_does_not_depend_on_the_order_of_the_store() {
    for backwards in [false, true] {
        let world = World::wired(1, |ports, memory| {
            if backwards {
                ports.consent = Arc::new(Backwards(memory.clone()));
            }
        });
        let request = call(&world, &relay(), "hello").await;
        let asked = awaiting(world.gate.clear(request.clone()).await);
        let mut receipts = [
            world.lease(&asked),
            world.lease(&asked),
            world.receipt(&asked),
        ];
        // The yes to this very call stands between the leases.
        for (n, id) in [(0, 1), (1, 3), (2, 2)] {
            receipts[n].consent_receipt_id = ReceiptId::from_entropy([id; 16]);
        }
        for receipt in &receipts {
            let id = receipt.consent_receipt_id;
            world.memory.put_receipt(id, world.sign(receipt));
        }
        let mut spent = Vec::new();
        for n in 0..3 {
            let call = request.clone().of_call(UseId::from_entropy([n; 16]));
            let cleared = cleared(world.gate.clear(call).await);
            spent.push(cleared.receipt().expect("a receipt"));
        }
        let [first, _, single] = receipts.map(|it| it.consent_receipt_id);
        assert_eq!(spent, [single, first, first], "backwards: {backwards}");
    }
}
