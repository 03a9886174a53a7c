//! The kit held against itself.

mod it {
    mod adapter;
    mod canary;
    mod capture;
    mod memory;
    mod plain;
    mod world;
}
