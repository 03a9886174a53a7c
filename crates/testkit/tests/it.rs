//! The kit held against itself.

mod it {
    mod adapter;
    mod broken_logs;
    mod canary;
    mod capture;
    mod memory;
    mod plain;
    mod world;
}
