//! Whatever persons, clients, clocks, crashes and somebody with the files do, in whatever order and in how many
//! processes: nothing is sent without a live receipt that covers it, nothing is spent twice, nothing comes back to life.
//!
//! The whole program runs, with its store and its vault, before servers that keep what they get. Beside it runs a model
//! that knows what may leave, by rules that fit on a page. What left is compared with it after each step, and so is what
//! the log says that it left under.
//!
//! `HANDSHAKE_STEPS` and `HANDSHAKE_SEED` say how many and which; `cargo xtask attack` runs the long form.

mod field;
mod home;
mod model;
mod step;

use std::sync::Mutex;

use proptest::{
    prelude::ProptestConfig,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use self::{
    field::{Counts, Field},
    step::{Part, Step},
};

const STEPS: u32 = 2_400;
const SEED: u64 = 20_261_129;
/// So many steps in one home.
const LENGTH: usize = 60;

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    let set = std::env::var(name).ok();
    set.map_or(otherwise, |text| {
        let parsed = text.parse().ok();
        parsed.unwrap_or_else(|| panic!("{name}: not a number"))
    })
}

#[test]
fn a8_b05_b06_b08_no_schedule_sends_what_no_live_receipt_covers() {
    let (steps, seed) = (
        number("HANDSHAKE_STEPS", STEPS),
        number("HANDSHAKE_SEED", SEED),
    );
    let homes = steps.div_ceil(u32::try_from(LENGTH).expect("small"));
    println!("{homes} homes of {LENGTH} steps, seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = ProptestConfig {
        cases: homes,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let all = Mutex::new(Counts::default());
    let schedules = proptest::collection::vec(step::any(), LENGTH);
    let ran = TestRunner::new_with_rng(config, rng).run(&schedules, |steps| {
        let counts = runtime.block_on(async {
            let mut field = Field::new().await;
            for step in &steps {
                field.step(step).await;
            }
            field.counts
        });
        all.lock().expect("free").add(counts);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("seed {seed}: {error}");
    }
    let all = all.into_inner().expect("free");
    println!("{all:?}");
    // It is no wall of its own: what is allowed does leave, and what is not is tried.
    assert!(all.sent * 20 > all.steps && all.refused * 20 > all.steps);
    assert!(all.given > 0 && all.put_back > 0);
}

/// Nothing was noted but what is noted at once.
#[tokio::test(flavor = "multi_thread")]
async fn rt_b06_processes_that_are_killed_and_a_home_that_is_put_back_revive_nothing() {
    let give = || Step::Give {
        by: 0,
        session: 0,
        text: 0,
        uses: Some(5),
    };
    let send = || Step::Send {
        by: 0,
        session: 0,
        text: 1,
    };
    for taken_back in [
        Step::Revoke { by: 0, which: 0 },
        Step::Pause { by: 0 },
        Step::Stop { by: 0 },
        Step::Edit { by: 0 },
        send(),
    ] {
        for what in [Part::Home, Part::Database] {
            let mut field = Field::new().await;
            let put_back = Step::PutBack {
                what,
                in_order: false,
            };
            let before = [give(), Step::Copy];
            let after = [taken_back.clone(), put_back, send()];
            for step in before.iter().chain(&after) {
                field.step(step).await;
            }
            assert_eq!(
                field.counts.sent,
                1 + u64::from(matches!(taken_back, Step::Send { .. }))
            );
        }
    }
}
