//! The facade against the simulator, from opening a home to a signed receipt.

mod it {
    mod approve;
    mod clocks;
    mod connections;
    mod first_call;
    mod open;
    mod place;
    mod policy;
    mod redact;
    mod redact_tools;
    mod schedule;
    mod stopping;
    mod stored;
    mod world;
}
