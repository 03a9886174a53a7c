//! The store behind its ports.

use handshake_registry_store::StoreOptions;

#[path = "../src/fakes.rs"]
mod fakes;

#[path = "it/clocks.rs"]
mod clocks;
#[path = "it/conformance.rs"]
mod conformance;
#[path = "it/content.rs"]
mod content;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/cut.rs"]
mod cut;
#[path = "it/declassified.rs"]
mod declassified;
#[path = "it/ends.rs"]
mod ends;
#[path = "it/events.rs"]
mod events;
#[path = "it/feed.rs"]
mod feed;
#[path = "it/home.rs"]
mod home;
#[path = "it/kept.rs"]
mod kept;
#[path = "it/noted.rs"]
mod noted;
#[path = "it/prune.rs"]
mod prune;
#[path = "it/queue.rs"]
mod queue;
#[path = "it/reach.rs"]
mod reach;
#[path = "it/reconcile.rs"]
mod reconcile;
#[path = "it/seals.rs"]
mod seals;
#[path = "it/segment_faults.rs"]
mod segment_faults;
#[path = "it/segments.rs"]
mod segments;
#[path = "it/spend.rs"]
mod spend;
#[path = "it/world.rs"]
mod world;
