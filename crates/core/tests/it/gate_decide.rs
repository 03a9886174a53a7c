//! The decision against a second, naive implementation over thousands of generated facts, and its laws.

use std::{collections::BTreeSet, sync::Arc};

use handshake_core::{
    artifact::LabelVerdict,
    code::ErrorCode,
    consent::{AskReason, Assurance, Coverage, ReceiptScope},
    digest::Digest,
    finding::{FindingLevel, ValidatorError},
    gate::{
        Decision, EgressFacts, FindingsFact, JobFact, LedgerFact, Outcome, PauseFact, PeerFact,
        PersonFact, Purpose, ReceiptFact, RulesFact, SealFact, SecretFact, StepName, StepResult,
        decide,
    },
    ids::{ArtifactRef, ReceiptId},
    label::{Label, LabelBlock, Sensitivity},
    net::AddressClass,
    policy::{AutomationLevel, Governance, Posture, SecondHand},
    ports::{SecretError, SpendReach},
    seal::SealKind,
    tier::{ModelTier, Reach, Residence},
};
use proptest::{prelude::*, sample::select};

/// Facts of a cloud call with content that everything is known about and nothing speaks against.
fn allowed() -> EgressFacts {
    let posture = Posture {
        locked: false,
        cloud_allowed: true,
        private_hosts: BTreeSet::new(),
        redact_clients: BTreeSet::new(),
        min_assurance: Assurance::A1,
        max_body_bytes: 100,
        second_hand: SecondHand::Refuse,
        max_context_tokens: 32_768,
        digest: Digest::of(&[b"rules"]),
    };
    let mut facts = EgressFacts::new(
        Purpose::Content,
        ModelTier::Cloud,
        Reach::Direct,
        Arc::new(posture),
        Governance::NO_PROFILE,
    );
    facts.seal = SealFact::Sealed;
    facts.rules = RulesFact::Current;
    facts.pause = PauseFact::Running;
    facts.body_bytes = 50;
    facts.envelope_ok = true;
    facts.peer = PeerFact::Classes(vec![AddressClass::Global]);
    facts.residence = Residence::Forwarded;
    facts.labels = Some(LabelVerdict::inline());
    facts.findings = FindingsFact::Worst(None);
    facts.secret = SecretFact::NotNeeded;
    facts.receipt = ReceiptFact::Covered(coverage());
    facts.ledger = Some(LedgerFact::Committed);
    facts
}

/// What comes of the same facts but for one.
fn but(facts: &EgressFacts, edit: impl FnOnce(&mut EgressFacts)) -> Decision {
    let mut facts = facts.clone();
    edit(&mut facts);
    decide(&facts)
}

/// Nothing is filled in that somebody did not say.
#[test]
fn a8_facts_that_nobody_filled_in_let_nothing_go() {
    let known = allowed();
    for purpose in [Purpose::Content, Purpose::Control] {
        for declared in [ModelTier::Local, ModelTier::Cloud] {
            let bare = EgressFacts::new(
                purpose,
                declared,
                Reach::Direct,
                Arc::clone(&known.posture),
                Governance::NO_PROFILE,
            );
            let outcome = decide(&bare).outcome;
            assert!(
                !matches!(outcome, Outcome::Allow | Outcome::AskPerson),
                "{outcome:?}"
            );
            // Nor does any one of the facts that a call needs come with it.
            let mut filled = bare.clone();
            filled.seal = SealFact::Sealed;
            filled.rules = RulesFact::Current;
            filled.pause = PauseFact::Running;
            filled.body_bytes = 0;
            filled.envelope_ok = true;
            assert_eq!(
                decide(&filled).outcome,
                Outcome::Deny(StepName::SecretBinding, ErrorCode::SecretUnbound)
            );
        }
    }
}

fn posture(facts: &mut EgressFacts) -> &mut Posture {
    Arc::make_mut(&mut facts.posture)
}

const PERSONS: [Option<PersonFact>; 7] = [
    None,
    Some(PersonFact::NoAnswer),
    Some(PersonFact::No),
    Some(PersonFact::Spent),
    Some(PersonFact::Flood),
    Some(PersonFact::Silenced),
    Some(PersonFact::QueueFailed(ErrorCode::Storage)),
];

const LEDGERS: [Option<LedgerFact>; 6] = [
    Some(LedgerFact::Committed),
    None,
    Some(LedgerFact::Stale),
    Some(LedgerFact::Contended),
    Some(LedgerFact::JobSpent),
    Some(LedgerFact::Failed(ErrorCode::Storage)),
];

fn coverage() -> Coverage {
    Coverage {
        receipt_id: ReceiptId::from_entropy([1; 16]),
        scope: ReceiptScope::SingleCall,
        reach: SpendReach {
            uses: 1,
            new_bytes: None,
        },
        continues: false,
        new_blocks: Vec::new(),
        max_attempts: 3,
        assurance: Assurance::A1,
        demo: false,
    }
}

/// Weighted so that the late steps are reached often.
fn facts() -> impl Strategy<Value = EgressFacts> {
    use AddressClass as A;
    let mostly = |yes: bool| prop_oneof![6 => Just(yes), 1 => Just(!yes)];
    let declared = prop_oneof![3 => Just(ModelTier::Cloud), 1 => Just(ModelTier::Local)];
    let purpose = prop_oneof![3 => Just(Purpose::Content), 1 => Just(Purpose::Control)];
    let rules = prop_oneof![
        9 => Just(RulesFact::Current),
        1 => Just(RulesFact::NotRead),
        1 => Just(RulesFact::Unreadable),
        1 => Just(RulesFact::Outdated),
    ];
    let reach = select(vec![Reach::Direct, Reach::Relay]);
    let level = select(vec![
        AutomationLevel::FullHuman,
        AutomationLevel::Hybrid,
        AutomationLevel::Autonomous,
        AutomationLevel::Autonomous,
        AutomationLevel::Hybrid,
        AutomationLevel::Locked,
    ]);
    let class = prop_oneof![
        6 => Just(A::Global),
        6 => Just(A::Loopback),
        1 => Just(A::Private),
        1 => Just(A::Metadata),
        1 => Just(A::Reserved),
        1 => Just(A::Multicast),
    ];
    let peer = prop_oneof![
        1 => Just(PeerFact::Unresolved),
        1 => Just(PeerFact::NoAddress),
        1 => Just(PeerFact::OwnListener),
        9 => proptest::collection::vec(class, 0..3).prop_map(PeerFact::Classes),
    ];
    let residence = select(vec![
        Residence::Local,
        Residence::Forwarded,
        Residence::Unknown,
    ]);
    let label = (
        select(vec![
            Sensitivity::Low,
            Sensitivity::Low,
            Sensitivity::Medium,
            Sensitivity::High,
            Sensitivity::Unknown,
        ]),
        mostly(true),
        mostly(false),
    );
    let labels = label.prop_map(|(sensitivity, exportable, member)| LabelVerdict {
        label: Label {
            sensitivity,
            exportable,
        },
        blocked: match member {
            true => vec![(
                ArtifactRef::new("a").expect("a reference"),
                LabelBlock::Unknown,
            )],
            false => Vec::new(),
        },
    });
    let labels = proptest::option::weighted(0.9, labels);
    let findings = prop_oneof![
        1 => Just(FindingsFact::NotInspected),
        1 => Just(FindingsFact::NoValidator),
        1 => Just(FindingsFact::NoVerdict(ValidatorError::Budget)),
        4 => Just(FindingsFact::Worst(None)),
        2 => Just(FindingsFact::Worst(Some(FindingLevel::Warn))),
        2 => Just(FindingsFact::Worst(Some(FindingLevel::Ask))),
        1 => Just(FindingsFact::Worst(Some(FindingLevel::Block))),
    ];
    let secret = prop_oneof![
        4 => Just(SecretFact::NotNeeded),
        4 => Just(SecretFact::Bound),
        1 => Just(SecretFact::Refused(SecretError::Unbound)),
        1 => Just(SecretFact::Refused(SecretError::Locked)),
    ];
    let receipt = select(vec![
        ReceiptFact::NotLooked,
        ReceiptFact::Unreadable,
        ReceiptFact::Uncovered(BTreeSet::from([AskReason::NoReceipt])),
        ReceiptFact::Denied,
        ReceiptFact::Forged,
        ReceiptFact::Void,
        ReceiptFact::Covered(coverage()),
        ReceiptFact::Covered(coverage()),
    ]);
    let person = prop_oneof![2 => Just(None), 3 => select(PERSONS.to_vec())];
    let ledger = prop_oneof![2 => Just(Some(LedgerFact::Committed)), 3 => select(LEDGERS.to_vec())];
    let pause = prop_oneof![
        4 => Just(PauseFact::Running),
        1 => Just(PauseFact::NotRead),
        1 => Just(PauseFact::Held),
        1 => Just(PauseFact::Refused),
    ];
    let sizes = select(vec![0u64, 1, 99, 100, 101]);
    let seal = prop_oneof![
        20 => Just(SealFact::Sealed),
        1 => Just(SealFact::Broken(SealKind::Provider)),
        1 => Just(SealFact::Outdated),
        1 => Just(SealFact::Unreadable),
    ];
    let job = prop_oneof![
        12 => select(vec![JobFact::Unbounded, JobFact::Within]),
        1 => Just(JobFact::Spent),
        1 => Just(JobFact::Unreadable),
    ];
    (
        (
            purpose,
            rules,
            declared,
            reach,
            mostly(false),
            mostly(true),
            level,
            mostly(true),
        ),
        (
            sizes,
            mostly(true),
            any::<bool>(),
            peer,
            residence,
            labels,
            findings,
            secret,
        ),
        (proptest::option::of(any::<bool>()), receipt, person, ledger),
        (pause, seal, job),
    )
        .prop_map(|(a, b, c, (pause, seal, job))| {
            let mut facts = allowed();
            facts.job = job;
            facts.pause = pause;
            facts.seal = seal;
            (facts.purpose, facts.rules, facts.declared, facts.reach) = (a.0, a.1, a.2, a.3);
            let rules = posture(&mut facts);
            (rules.locked, rules.cloud_allowed) = (a.4, a.5);
            (
                facts.governance.automation_level,
                facts.governance.allow_cloud_escalation,
            ) = (a.6, a.7);
            (
                facts.body_bytes,
                facts.envelope_ok,
                facts.private_host_allowed,
            ) = (b.0, b.1, b.2);
            (facts.peer, facts.residence, facts.labels) = (b.3, b.4, b.5);
            (facts.findings, facts.secret) = (b.6, b.7);
            (facts.contact, facts.receipt, facts.person, facts.ledger) = c;
            facts
        })
}

/// The published order once more, written as one piece of plain code.
fn naive(facts: &EgressFacts) -> Outcome {
    use ErrorCode as C;
    use StepName as S;
    let cloud = facts.declared == ModelTier::Cloud;
    let locked =
        facts.posture.locked || facts.governance.automation_level == AutomationLevel::Locked;
    let forbidden = !facts.posture.cloud_allowed || !facts.governance.allow_cloud_escalation;
    match facts.seal {
        SealFact::Sealed => {}
        SealFact::Broken(_) => return Outcome::Deny(S::Seal, C::HomeUntrusted),
        SealFact::Outdated => return Outcome::Deny(S::Seal, C::Revision),
        SealFact::Unreadable => return Outcome::Deny(S::Seal, C::Storage),
    }
    if cloud && facts.rules == RulesFact::NotRead {
        return Outcome::NeedsFact(S::DeclaredLocked);
    }
    if cloud && facts.rules == RulesFact::Unreadable {
        return Outcome::Deny(S::DeclaredLocked, C::Storage);
    }
    if cloud && locked {
        return Outcome::Deny(S::DeclaredLocked, C::GovernanceLocked);
    }
    if cloud && facts.rules == RulesFact::Outdated {
        return Outcome::Deny(S::DeclaredLocked, C::Revision);
    }
    if cloud && forbidden {
        return Outcome::Deny(S::DeclaredPolicy, C::CloudEscalationDenied);
    }
    if cloud && facts.purpose == Purpose::Content {
        match facts.job {
            JobFact::Unbounded | JobFact::Within => {}
            JobFact::Spent => return Outcome::Deny(S::DeclaredPolicy, C::BudgetExceeded),
            JobFact::Unreadable => return Outcome::Deny(S::DeclaredPolicy, C::Storage),
        }
    }
    match facts.pause {
        PauseFact::NotRead if cloud => return Outcome::NeedsFact(S::Pause),
        PauseFact::Held if cloud => return Outcome::Hold(S::Pause),
        PauseFact::Refused if cloud => return Outcome::Deny(S::Pause, C::GovernanceLocked),
        _ => {}
    }
    if facts.body_bytes > facts.posture.max_body_bytes {
        return Outcome::Deny(S::SizeCaps, C::MaxBytes);
    }
    if !facts.envelope_ok {
        return Outcome::Deny(S::CanonicalUrl, C::InvalidBaseUrl);
    }
    match facts.secret {
        SecretFact::Refused(SecretError::Locked) => {
            return Outcome::Deny(S::SecretBinding, C::VaultLocked);
        }
        SecretFact::Refused(_) => return Outcome::Deny(S::SecretBinding, C::SecretUnbound),
        SecretFact::NotNeeded | SecretFact::Bound => {}
    }
    if cloud && facts.purpose == Purpose::Control && facts.contact != Some(true) {
        return Outcome::Deny(S::Contact, C::ContactNotGranted);
    }
    let classes = match &facts.peer {
        PeerFact::Unresolved => return Outcome::NeedsFact(S::Peer),
        PeerFact::NoAddress | PeerFact::OwnListener => {
            return Outcome::Deny(S::Peer, C::SsrfBlocked);
        }
        PeerFact::Classes(classes) if classes.is_empty() => {
            return Outcome::Deny(S::Peer, C::SsrfBlocked);
        }
        PeerFact::Classes(classes) => classes,
    };
    for class in classes {
        let never = matches!(
            class,
            AddressClass::Metadata | AddressClass::Reserved | AddressClass::Multicast
        );
        if never || (*class == AddressClass::Private && !facts.private_host_allowed) {
            return Outcome::Deny(S::Peer, C::SsrfBlocked);
        }
    }
    let on_loopback = classes
        .iter()
        .filter(|class| **class == AddressClass::Loopback)
        .count();
    let stays = on_loopback == classes.len()
        && facts.reach == Reach::Direct
        && facts.residence == Residence::Local;
    let rebound = cloud && facts.reach == Reach::Direct && on_loopback > 0;
    if cloud == stays || rebound {
        return Outcome::Deny(S::Tier, C::TierMismatch);
    }
    if stays {
        return Outcome::Allow;
    }
    if facts.purpose == Purpose::Control {
        return match facts.ledger {
            None => Outcome::NeedsFact(S::Ledger),
            Some(LedgerFact::Committed) => Outcome::Allow,
            Some(LedgerFact::Failed(code)) => Outcome::Deny(S::Ledger, code),
            Some(LedgerFact::Stale | LedgerFact::Contended) => {
                Outcome::Deny(S::Ledger, C::Revision)
            }
            Some(LedgerFact::JobSpent) => Outcome::Deny(S::Ledger, C::BudgetExceeded),
        };
    }
    let Some(labels) = &facts.labels else {
        return Outcome::NeedsFact(S::Labels);
    };
    let label = labels.label;
    if !labels.blocked.is_empty()
        || !label.exportable
        || matches!(label.sensitivity, Sensitivity::High | Sensitivity::Unknown)
    {
        return Outcome::Deny(S::Labels, C::LeakageBlocked);
    }
    match facts.findings {
        FindingsFact::NotInspected => return Outcome::NeedsFact(S::Findings),
        FindingsFact::NoValidator | FindingsFact::NoVerdict(_) => {
            return Outcome::Deny(S::Findings, C::LeakageUndecided);
        }
        FindingsFact::Worst(Some(FindingLevel::Block)) => {
            return Outcome::Deny(S::Findings, C::LeakageBlocked);
        }
        FindingsFact::Worst(_) => {}
    }
    if facts.body_bytes == 0 {
        return Outcome::Deny(S::MaxBytes, C::MaxBytes);
    }
    match &facts.receipt {
        ReceiptFact::Covered(_) => {}
        ReceiptFact::Uncovered(_) => {
            return match facts.person {
                None => Outcome::AskPerson,
                Some(PersonFact::NoAnswer) => Outcome::Deny(S::Person, C::CloudConsentRequired),
                Some(PersonFact::No) => Outcome::Deny(S::Person, C::CloudEscalationDenied),
                Some(PersonFact::Spent) => Outcome::Deny(S::Person, C::CloudConsentMismatch),
                Some(PersonFact::Flood | PersonFact::Silenced) => {
                    Outcome::Deny(S::Person, C::ConsentFlood)
                }
                Some(PersonFact::QueueFailed(code)) => Outcome::Deny(S::Person, code),
            };
        }
        ReceiptFact::NotLooked => return Outcome::NeedsFact(S::Receipt),
        ReceiptFact::Unreadable => return Outcome::Deny(S::Receipt, C::Storage),
        ReceiptFact::Denied => return Outcome::Deny(S::Receipt, C::CloudEscalationDenied),
        ReceiptFact::Forged | ReceiptFact::Void => {
            return Outcome::Deny(S::Receipt, C::CloudConsentMismatch);
        }
    }
    match facts.ledger {
        None => Outcome::NeedsFact(S::Ledger),
        Some(LedgerFact::Committed) => Outcome::Allow,
        Some(LedgerFact::Stale) => Outcome::Deny(S::Ledger, C::Revision),
        Some(LedgerFact::Contended) => Outcome::Deny(S::Ledger, C::CloudConsentMismatch),
        Some(LedgerFact::JobSpent) => Outcome::Deny(S::Ledger, C::BudgetExceeded),
        Some(LedgerFact::Failed(code)) => Outcome::Deny(S::Ledger, code),
    }
}

/// How much a decision lets happen.
fn leave(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Deny(..) => 0,
        Outcome::NeedsFact(_) | Outcome::Hold(_) => 1,
        Outcome::AskPerson => 2,
        Outcome::Allow => 3,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn a8_decide_agrees_with_a_second_implementation(facts in facts()) {
        prop_assert_eq!(decide(&facts).outcome, naive(&facts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The steps are told in order, up to the one that decided, and only that one says anything but yes.
    #[test]
    fn a8_the_steps_explain_the_outcome(facts in facts()) {
        let decision = decide(&facts);
        let names: Vec<_> = decision.steps.iter().map(|step| step.step).collect();
        prop_assert!(names.is_sorted_by(|a, b| a < b));
        let (last, before) = decision.steps.split_last().expect("a step");
        for step in before {
            let left_to_a_person = step.step == StepName::Receipt
                && step.result == StepResult::Ask
                && matches!(facts.receipt, ReceiptFact::Uncovered(_));
            prop_assert!(
                left_to_a_person
                    || matches!(step.result, StepResult::Pass | StepResult::NotApplicable)
            );
        }
        match decision.outcome {
            Outcome::Allow => {
                prop_assert_eq!(last.step, StepName::Ledger);
                prop_assert!(before.iter().all(|step| step.result != StepResult::Ask));
            }
            Outcome::AskPerson => {
                prop_assert_eq!(last.step, StepName::Person);
                prop_assert_eq!(last.result, StepResult::Unknown);
                prop_assert_eq!(before.last().map(|step| step.result), Some(StepResult::Ask));
            }
            Outcome::Deny(step, code) => {
                prop_assert_eq!(last.result, StepResult::Deny(code));
                prop_assert_eq!(last.step, step);
            }
            Outcome::Hold(step) => {
                prop_assert_eq!(last.result, StepResult::Hold);
                prop_assert_eq!((last.step, step), (StepName::Pause, StepName::Pause));
            }
            Outcome::NeedsFact(step) => {
                prop_assert_eq!(last.result, StepResult::Unknown);
                prop_assert_eq!(last.step, step);
            }
        }
    }

    /// Finding more, or something worse, never lets more happen.
    #[test]
    fn a9_deny_is_monotone_in_findings(facts in facts()) {
        let order = [
            FindingsFact::Worst(None),
            FindingsFact::Worst(Some(FindingLevel::Warn)),
            FindingsFact::Worst(Some(FindingLevel::Ask)),
            FindingsFact::Worst(Some(FindingLevel::Block)),
        ];
        let leaves: Vec<u8> = order
            .into_iter()
            .map(|findings| leave(but(&facts, |facts| facts.findings = findings).outcome))
            .collect();
        prop_assert!(leaves.is_sorted_by(|a, b| a >= b), "{:?}", leaves);
    }

    /// Stricter rules never let more happen.
    #[test]
    fn a8_deny_is_monotone_in_the_rules(facts in facts()) {
        let before = leave(decide(&facts).outcome);
        let mut stricter = vec![facts.clone(); 6];
        posture(&mut stricter[0]).locked = true;
        posture(&mut stricter[1]).cloud_allowed = false;
        stricter[2].governance.automation_level = AutomationLevel::Locked;
        stricter[3].governance.allow_cloud_escalation = false;
        stricter[4].private_host_allowed = false;
        posture(&mut stricter[5]).max_body_bytes = 0;
        for facts in stricter {
            prop_assert!(leave(decide(&facts).outcome) <= before);
        }
    }

    /// Knowing less never lets more happen, and what a verdict rests on cannot be left out of an `Allow`.
    #[test]
    fn a8_a_missing_fact_is_never_a_yes(facts in facts()) {
        let before = leave(decide(&facts).outcome);
        let mut less = vec![facts.clone(); 8];
        less[0].peer = PeerFact::Unresolved;
        less[1].labels = None;
        less[2].findings = FindingsFact::NotInspected;
        less[3].receipt = ReceiptFact::NotLooked;
        less[4].contact = None;
        less[5].rules = RulesFact::NotRead;
        less[6].residence = Residence::Unknown;
        less[7].ledger = None;
        for (n, facts) in less.into_iter().enumerate() {
            let after = decide(&facts).outcome;
            prop_assert!(leave(after) <= before.max(1), "fact {}: {:?}", n, after);
            if n == 0 {
                prop_assert_ne!(after, Outcome::Allow);
            }
        }
    }

    /// A yes is a receipt: whatever a person says beside one lets nothing happen, and nobody is asked twice.
    #[test]
    fn a8_what_a_person_says_is_never_a_yes(facts in facts()) {
        let unasked = but(&facts, |facts| facts.person = None).outcome;
        for person in PERSONS {
            let said = but(&facts, |facts| facts.person = person).outcome;
            prop_assert!(leave(said) <= leave(unasked));
            match unasked {
                Outcome::AskPerson if person.is_some() => {
                    prop_assert!(matches!(said, Outcome::Deny(StepName::Person, _)), "{:?}", said);
                }
                _ => prop_assert_eq!(said, unasked),
            }
        }
    }

    /// Nothing but a commit lets a Cloud call go, and no answer of the ledger makes good what another step denied.
    #[test]
    fn a8_nothing_but_a_commit_lets_a_cloud_call_go(facts in facts()) {
        let committed = but(&facts, |facts| facts.ledger = Some(LedgerFact::Committed));
        for ledger in LEDGERS {
            let answered = but(&facts, |facts| facts.ledger = ledger);
            prop_assert!(leave(answered.outcome) <= leave(committed.outcome));
            if answered.outcome == Outcome::Allow && answered.effective == Some(ModelTier::Cloud) {
                prop_assert_eq!(ledger, Some(LedgerFact::Committed));
            }
            if committed.outcome != Outcome::Allow {
                prop_assert_eq!(answered.outcome, committed.outcome);
            }
        }
    }

    /// No name of a cloud origin is looked up for a payload-free call before a person granted contact.
    #[test]
    fn a3_s16_contact_is_judged_before_the_look_up(facts in facts()) {
        let mut facts = facts;
        facts.peer = PeerFact::Unresolved;
        let outcome = decide(&facts).outcome;
        if facts.declared == ModelTier::Cloud && facts.purpose == Purpose::Control {
            let looks_up = outcome == Outcome::NeedsFact(StepName::Peer);
            prop_assert!(!looks_up || facts.contact == Some(true));
        }
    }
}

#[test]
fn a8_each_fact_of_an_allowed_call_is_needed() {
    assert_eq!(decide(&allowed()).outcome, Outcome::Allow);
    type Edit = fn(&mut EgressFacts);
    let missing: [Edit; 7] = [
        |f| f.peer = PeerFact::Unresolved,
        |f| f.labels = None,
        |f| f.findings = FindingsFact::NotInspected,
        |f| f.receipt = ReceiptFact::NotLooked,
        |f| f.rules = RulesFact::NotRead,
        |f| f.peer = PeerFact::Classes(Vec::new()),
        |f| f.ledger = None,
    ];
    for edit in missing {
        let mut facts = allowed();
        edit(&mut facts);
        assert_ne!(decide(&facts).outcome, Outcome::Allow);
    }
    let mut control = allowed();
    control.purpose = Purpose::Control;
    assert_eq!(
        decide(&control).outcome,
        Outcome::Deny(StepName::Contact, ErrorCode::ContactNotGranted),
        "nobody looked for a grant"
    );
}
