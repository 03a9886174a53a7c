//! What may happen, and how often.

use proptest::prelude::*;

/// One thing that happens. What it is about is drawn as a number and taken modulo what is there.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A call waits for a person, unless it is covered.
    Ask {
        by: usize,
        session: u8,
        text: u8,
    },
    /// A person says yes to what a call waits for: to it alone, or to so many uses.
    Approve {
        by: usize,
        which: usize,
        uses: Option<u32>,
    },
    /// All of it: a call asks, a person says yes, and it goes on.
    Give {
        by: usize,
        session: u8,
        text: u8,
        uses: Option<u32>,
    },
    /// A person says no to it.
    Deny {
        by: usize,
        which: usize,
    },
    /// A call that was decided goes on.
    GoOn {
        which: usize,
    },
    /// A caller goes away.
    Leave {
        which: usize,
    },
    /// A call that waits for nobody.
    Send {
        by: usize,
        session: u8,
        text: u8,
    },
    /// Many of them at once, from every process.
    Burst {
        session: u8,
        text: u8,
        calls: usize,
    },
    /// A receipt is taken back.
    Revoke {
        by: usize,
        which: usize,
    },
    Pause {
        by: usize,
    },
    Stop {
        by: usize,
    },
    /// A person lets Cloud go on, or somebody else tries to.
    Resume {
        by: usize,
        with_factor: bool,
    },
    /// Time passes.
    Pass {
        seconds: u64,
    },
    /// Somebody sets the wall clock.
    SetClock {
        seconds: i64,
    },
    /// Another process opens the home.
    Open,
    Close {
        which: usize,
    },
    /// The machine loses its power, and is started again with the disk as it was. (Its start is not a new one: that
    /// alone would void everything.)
    Crash,
    /// Somebody copies the home.
    Copy,
    /// Somebody puts the copy back, or a part of it; every process was ended before, in order or not.
    PutBack {
        what: Part,
        in_order: bool,
    },
    /// A person says that they know about it.
    Acknowledge,
    /// A person changes the provider.
    Edit {
        by: usize,
    },
    /// Somebody has a database shell.
    Sql(Edit),
    /// A person lets clients ask again.
    Reopen,
}

/// What is put back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Home,
    Database,
    Vault,
}

/// What somebody writes into the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Edit {
    /// Nothing was revoked.
    Revive,
    /// Nothing was used.
    Refill,
    /// Nobody paused.
    Unpause,
    /// Everybody who asked still waits.
    Wait,
    /// What was given for one session is for all of them.
    Lend,
    /// A receipt twice, under another id.
    Double,
    /// Everything that waits was approved, by whatever receipt there is.
    Decide,
    /// A receipt for one call is one for many.
    Widen,
    /// The provider is somewhere else.
    Redirect,
    /// The relay is a local server.
    Local,
}

impl Edit {
    const ALL: [Self; 10] = [
        Self::Revive,
        Self::Refill,
        Self::Unpause,
        Self::Wait,
        Self::Lend,
        Self::Double,
        Self::Decide,
        Self::Widen,
        Self::Redirect,
        Self::Local,
    ];
}

/// Enough to name any of the few that there are.
const MANY: usize = 24;

pub(super) fn any() -> impl Strategy<Value = Step> {
    let by = || 0..MANY;
    let session = || 0..2_u8;
    let text = || 0..3_u8;
    let uses = || prop_oneof![1 => Just(None), 3 => (1..9_u32).prop_map(Some)];
    prop_oneof![
        10 => (by(), session(), text()).prop_map(|(by, session, text)| Step::Ask { by, session, text }),
        16 => (by(), session(), text(), uses())
            .prop_map(|(by, session, text, uses)| Step::Give { by, session, text, uses }),
        10 => (by(), by(), uses()).prop_map(|(by, which, uses)| Step::Approve { by, which, uses }),
        1 => (by(), by()).prop_map(|(by, which)| Step::Deny { by, which }),
        8 => by().prop_map(|which| Step::GoOn { which }),
        3 => by().prop_map(|which| Step::Leave { which }),
        26 => (by(), session(), text()).prop_map(|(by, session, text)| Step::Send { by, session, text }),
        5 => (session(), text(), 2..7_usize)
            .prop_map(|(session, text, calls)| Step::Burst { session, text, calls }),
        3 => (by(), by()).prop_map(|(by, which)| Step::Revoke { by, which }),
        1 => by().prop_map(|by| Step::Pause { by }),
        1 => by().prop_map(|by| Step::Stop { by }),
        7 => (by(), prop::bool::weighted(0.9)).prop_map(|(by, with_factor)| Step::Resume { by, with_factor }),
        3 => prop::sample::select(vec![1, 20, 20, 61, 61, 601, 1_801, 8 * 3600]).prop_map(|seconds| Step::Pass { seconds }),
        1 => prop::sample::select(vec![-7_200, 3_600]).prop_map(|seconds| Step::SetClock { seconds }),
        3 => Just(Step::Open),
        2 => by().prop_map(|which| Step::Close { which }),
        2 => Just(Step::Crash),
        4 => Just(Step::Copy),
        3 => (prop::sample::select(vec![Part::Home, Part::Database, Part::Vault]), any_bool())
            .prop_map(|(what, in_order)| Step::PutBack { what, in_order }),
        8 => Just(Step::Acknowledge),
        4 => by().prop_map(|by| Step::Edit { by }),
        4 => prop::sample::select(Edit::ALL.to_vec()).prop_map(Step::Sql),
        3 => Just(Step::Reopen),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    prop::bool::ANY
}
