//! The crate from outside: what is published, and what cannot be written at all.

mod it {
    mod clearance;
    mod cover;
    mod event;
    mod gate;
    mod gate_clock;
    mod gate_decide;
    mod gate_declassified;
    mod gate_facts;
    mod gate_jobs;
    mod gate_lease;
    mod gate_marks;
    mod gate_receipts;
    mod gate_rules;
    mod gate_seals;
    mod gate_stops;
    mod gate_waivers;
    mod gate_world;
    mod json;
    mod one_meaning;
    mod redact;
    mod schema;
}
