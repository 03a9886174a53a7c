//! The crate from outside: what is published, and what cannot be written at all.

mod it {
    mod clearance;
    mod event;
    mod schema;
}
