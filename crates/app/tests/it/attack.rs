//! Generated attempts against the built gateway, with servers behind it that keep every byte they get: nothing leaves
//! but what a person allowed.
//!
//! Each attempt is a request of a client, honest or not: its body, its destination and its credentials are drawn from a
//! seed, and the generator knows what would be allowed, by rules far simpler than the gate's. Between blocks of attempts
//! the home changes: leases are given, revoked, paused, and the database is edited behind the program's back.
//!
//! `HANDSHAKE_ATTEMPTS` and `HANDSHAKE_SEED` say how many and which; `cargo xtask attack` runs 250,000.

mod body;
mod canary;
mod draw;
mod guess;
mod kill;
mod race;
mod sender;
mod session;

use std::{collections::BTreeMap, time::Duration};

use handshake_simulator::{Model, Reply, Rule, Script, Simulator};
use handshake_testkit::canary::Canary;
use serde_json::json;

use self::{
    body::{Allowed, Attempt, Secrets},
    draw::Draw,
};
use crate::it::{
    gateway::{Gateway, add, models, serve, token_with_factor},
    machine::Machine,
    mission::{enrol_cloud, init, runtime, simulator, wait_for_pending, with_factor},
};

const ATTEMPTS: u64 = 20_000;
const SEED: u64 = 20_261_129;
/// So many clients at once.
const CLIENTS: usize = 8;
const SYSTEM: &str = "You review pull requests.";

/// What the home is like during a block, and whether more of what was approved may leave.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nobody approved anything.
    Fresh,
    /// A lease is live.
    Leased,
    /// It was revoked.
    Revoked,
    /// It was revoked, and the database says that it was not.
    RevivedByHand,
    /// A lease is live, but Cloud is paused.
    Paused,
    /// It is paused, and the database says that it is not.
    ResumedByHand,
    /// A person resumed: the lease is from before the pause.
    Resumed,
    /// Leased, and then everything was stopped and resumed.
    Stopped,
    /// Leased, and the gateway was started again.
    Restarted,
    /// Leased, and the database says that the relay is a direct local server.
    LocalByHand,
}

impl State {
    const ALL: [Self; 10] = [
        Self::Fresh,
        Self::Leased,
        Self::Revoked,
        Self::RevivedByHand,
        Self::Paused,
        Self::ResumedByHand,
        Self::Resumed,
        Self::Stopped,
        Self::Restarted,
        Self::LocalByHand,
    ];

    fn may_send(self) -> bool {
        matches!(self, Self::Leased | Self::Restarted)
    }
}

struct Field {
    gateway: Gateway,
    cloud: Simulator,
    local: Simulator,
    /// The servers run on it.
    _runtime: tokio::runtime::Runtime,
    secrets: Secrets,
}

fn number(name: &str, otherwise: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| text.parse().expect(name))
}

impl Field {
    fn new() -> Self {
        let runtime = runtime();
        let script = |model: &str| {
            Script::new()
                .model(
                    Model::new(model)
                        .capabilities(&["completion", "tools"])
                        .context_length(1_000_000),
                )
                .rule(Rule::new(Reply::text("forty-two")))
        };
        let cloud = simulator(&runtime, script("sim-large:latest"));
        let local = simulator(&runtime, script("small"));
        let key = Canary::new("sk-test-", 77).text().to_owned();
        let machine = Machine::new();
        init(&machine);
        for args in [
            add("llama", "openai_compat", &local.openai_url()),
            models("llama"),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let (code, lines) = machine.json(&args);
            assert_eq!(code, 0, "{lines:?}");
        }
        enrol_cloud(&machine, &cloud, &key);
        // It can do everything, so that what is refused is refused by the gate.
        let can = [
            "streaming",
            "multi_turn",
            "tool_calling",
            "structured_output",
            "vision",
            "thinking",
        ]
        .map(|what| format!("supports_{what}=yes"));
        let mut args = vec!["provider", "enable", "cloud", "sim-large:latest"];
        for can in &can {
            args.extend(["--capability", can]);
        }
        let (code, screen) = with_factor(&machine, &args);
        assert_eq!(code, 0, "{screen}");
        let token = |name: &str| token_with_factor(&machine, name);
        let secrets = Secrets {
            key,
            editor: token("editor"),
            other: token("other"),
            revoked: token("gone"),
        };
        assert_eq!(machine.json(&["token", "revoke", "gone"]).0, 0);
        let gateway = serve(machine, secrets.editor.clone());
        Self {
            gateway,
            cloud,
            local,
            _runtime: runtime,
            secrets,
        }
    }

    fn machine(&self) -> &Machine {
        &self.gateway.machine
    }

    fn sql(&self, text: &str) {
        self.machine().sql(text);
        // A running gateway looks at the database when its view is 50 ms old.
        std::thread::sleep(Duration::from_millis(100));
    }

    /// A person approves a call of the editor as a lease.
    fn lease(&self) {
        self.forget_what_waits();
        let body = json!({ "model": "cloud/sim-large:latest", "stream": false, "messages": [
            { "role": "system", "content": SYSTEM }, { "role": "user", "content": "begin" }] });
        let attempt = Attempt::plain(&self.secrets.editor, body.to_string());
        let address = self.gateway.address.clone();
        let call = std::thread::spawn(move || sender::Sender::new(&address).send(&attempt, "600"));
        let id = wait_for_pending(self.machine());
        let (code, screen) = with_factor(self.machine(), &["approve", "--lease", &id]);
        assert_eq!(code, 0, "{screen}");
        assert_eq!(call.join().expect("it ends").as_deref(), Some("200"));
    }

    /// What attempts left in the queue is denied, and the clients may ask again.
    fn forget_what_waits(&self) {
        let (_, lines) = self.machine().json(&["consent", "list"]);
        for line in lines.iter().filter(|line| line["kind"] == "pending") {
            let id = line["request"]["request_id"].as_str().expect("an id");
            let _denied = self.machine().json(&["deny", id]);
        }
        let _reopened =
            crate::it::terminal::Terminal::run(self.machine(), &["consent", "reopen"]).end();
    }

    fn revoke_all(&self) {
        let (_, lines) = self.machine().json(&["consent", "list"]);
        let live = lines
            .iter()
            .filter(|line| line["kind"] == "receipt" && line["void"] == false);
        for line in live {
            let id = line["receipt"]["consent_receipt_id"]
                .as_str()
                .expect("an id");
            assert_eq!(self.machine().json(&["consent", "revoke", id]).0, 0);
        }
    }

    fn resume(&self) {
        let (code, screen) = with_factor(self.machine(), &["resume"]);
        assert_eq!(code, 0, "{screen}");
    }

    fn restart(self) -> Self {
        let token = self.secrets.editor.clone();
        let (machine, _) = self.gateway.end();
        Self {
            gateway: serve(machine, token),
            ..self
        }
    }

    fn enter(self, state: State) -> Self {
        match state {
            State::Fresh => {}
            State::Leased => self.lease(),
            State::Revoked => self.revoke_all(),
            State::RevivedByHand => {
                self.sql("UPDATE receipts SET revoked_at = NULL, uses = 0, new_bytes = 0; DELETE FROM uses");
            }
            State::Paused => {
                self.lease();
                assert_eq!(self.machine().json(&["pause"]).0, 0);
            }
            State::ResumedByHand => {
                self.sql("UPDATE epochs SET value = 'false' WHERE name = 'paused'; UPDATE epochs SET value = '' WHERE name = 'paused_at'");
            }
            State::Resumed => self.resume(),
            State::Stopped => {
                self.lease();
                assert_eq!(self.machine().json(&["stop"]).0, 0);
                self.resume();
            }
            State::LocalByHand => {
                self.sql(r#"UPDATE providers SET record = replace(replace(record, '"reach":"relay"', '"reach":"direct"'), '"tier":"cloud"', '"tier":"local"') WHERE provider_id = 'cloud'"#);
            }
            State::Restarted => {
                self.lease();
                return self.restart();
            }
        }
        self
    }

    /// Sends a block, and says what was answered.
    fn run(&self, attempts: &[Attempt]) -> BTreeMap<String, u64> {
        let mut answers = BTreeMap::new();
        let share = attempts.len().div_ceil(CLIENTS).max(1);
        std::thread::scope(|scope| {
            let all: Vec<_> = attempts
                .chunks(share)
                .map(|mine| {
                    scope.spawn(|| {
                        let mut sender = sender::Sender::new(&self.gateway.address);
                        mine.iter()
                            .map(|attempt| sender.send(attempt, "0").unwrap_or_default())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            for one in all {
                for answer in one.join().expect("a client") {
                    *answers.entry(answer).or_default() += 1;
                }
            }
        });
        answers
    }
}

/// The attempts whose bytes a server got, by number. Everything that it got belongs to one.
fn received(server: &Simulator, from: usize) -> Vec<u64> {
    let all = server.received();
    let bodies = all[from..]
        .iter()
        .filter(|it| it.path.ends_with("/chat/completions"));
    bodies
        .map(|it| body::number_in(&it.body).unwrap_or(u64::MAX))
        .collect()
}

#[test]
fn a8_s01_s29_generated_attempts_send_nothing_that_nobody_allowed() {
    let (attempts, seed) = (
        number("HANDSHAKE_ATTEMPTS", ATTEMPTS),
        number("HANDSHAKE_SEED", SEED),
    );
    println!("attempts {attempts}, seed {seed}");
    let mut field = Field::new();
    let (mut sent, mut wrong) = ((0, 0), Vec::new());
    let block = attempts.div_ceil(State::ALL.len() as u64);
    let mut next = 0;
    for state in State::ALL {
        field = field.enter(state);
        let mut refused = BTreeMap::new();
        let (seen_cloud, seen_local) = (field.cloud.received().len(), field.local.received().len());
        let block: Vec<Attempt> = (0..block)
            .map(|_| {
                next += 1;
                Attempt::draw(&mut Draw::new(seed, next), next, &field.secrets)
            })
            .collect();
        let answers = field.run(&block);
        let first = block[0].number;
        let of = |n: u64| {
            n.checked_sub(first)
                .and_then(|at| block.get(usize::try_from(at).ok()?))
        };
        for (server, allowed, from) in [
            (&field.cloud, Allowed::Cloud, seen_cloud),
            (&field.local, Allowed::Local, seen_local),
        ] {
            for n in received(server, from) {
                match of(n) {
                    Some(attempt)
                        if attempt.allowed == allowed
                            && (allowed == Allowed::Local || state.may_send()) =>
                    {
                        match allowed {
                            Allowed::Cloud => sent.0 += 1,
                            _ => sent.1 += 1,
                        }
                    }
                    attempt => wrong.push((state, n, attempt.map(|it| it.what.clone()))),
                }
            }
        }
        for attempt in &block {
            *refused.entry(attempt.allowed).or_insert(0) += 1;
        }
        println!("{state:?}: drawn {refused:?}, answered {answers:?}");
    }
    assert!(
        wrong.is_empty(),
        "{} attempts left: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    // The generator is no wall of its own: what is allowed does leave.
    assert!(sent.0 > 0 && sent.1 * 20 > attempts, "{sent:?}");
    println!(
        "sent to the cloud {}, to the local server {}",
        sent.0, sent.1
    );
    assert_eq!(field.machine().json(&["log", "verify"]).0, 0);
}
